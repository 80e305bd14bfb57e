/*
 * manyfs DIR FILES CONTENTS: mounts on DIR a file system of as many files, a
 * thousand in each directory, that takes no space: what a file holds follows
 * from its number.  File n holds n modulo CONTENTS in decimal, then zeros up
 * to 4 KB, in one of a thousand 1 MB, a hole as far as it can be one.  It
 * needs no memory for a file and remembers none.  Ends when it is unmounted
 * or by SIGTERM.  Prints "ready" when it is mounted.  Needs root.
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 34
#include <err.h>
#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	FAN = 1000,		/* entries of a directory */
	FIRST = 2,		/* inode of the first directory below the root */
	TEXT = 16,		/* bytes that are not a hole */
	SMALL = 4096,
	LARGE = 1 << 20,
	TIME = 1000000000
};

static uint64_t files, contents, leaves, tops;

/* Numbers below the root: directories of directories, those, files. */
static uint64_t
first_leaf(void)
{
	return FIRST + tops;
}

static uint64_t
first_file(void)
{
	return FIRST + tops + leaves;
}

static int
is_file(uint64_t ino)
{
	return ino >= first_file();
}

static uint64_t
content_of(uint64_t ino)
{
	return (ino - first_file()) % contents;
}

static void
attributes(uint64_t ino, struct stat *st)
{
	uint64_t c;

	memset(st, 0, sizeof *st);
	st->st_ino = ino;
	st->st_nlink = 1;
	st->st_mtime = st->st_ctime = st->st_atime = TIME;
	st->st_mode = S_IFDIR | 0755;
	st->st_blksize = SMALL;
	if (!is_file(ino))
		return;
	c = content_of(ino);
	st->st_mode = S_IFREG | 0644;
	st->st_size = (off_t)(TEXT + c % (SMALL - TEXT));
	if (c % FAN == 0)
		st->st_size += LARGE;
	st->st_blocks = 8;
}

/* The inodes of a directory: where they begin, and how many. */
static uint64_t
children(uint64_t dir, uint64_t *n)
{
	uint64_t begin, all, at = 0;

	if (dir == FUSE_ROOT_ID) {
		*n = tops;
		return FIRST;
	}
	begin = dir < first_leaf() ? first_leaf() : first_file();
	all = dir < first_leaf() ? leaves : files;
	at = (dir - (dir < first_leaf() ? FIRST : first_leaf())) * FAN;
	*n = all - at < FAN ? all - at : FAN;
	return begin + at;
}

static void
entry(uint64_t ino, struct fuse_entry_param *e)
{
	memset(e, 0, sizeof *e);
	e->ino = ino;
	e->attr_timeout = e->entry_timeout = 1e6;
	attributes(ino, &e->attr);
}

static void
look_up(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct fuse_entry_param e;
	uint64_t n, begin = children(dir, &n), at;
	char *end;

	at = strtoull(name, &end, 10);
	if (is_file(dir) || *end || end == name || at >= n) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	entry(begin + at, &e);
	fuse_reply_entry(req, &e);
}

static void
get_attributes(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	attributes(ino, &st);
	fuse_reply_attr(req, &st, 1e6);
}

static void
list(fuse_req_t req, fuse_ino_t dir, size_t size, off_t from,
    struct fuse_file_info *fi)
{
	struct fuse_entry_param e;
	uint64_t n, begin = children(dir, &n), at;
	size_t used = 0, more;
	char *buf = malloc(size), name[24];

	(void)fi;
	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	for (at = (uint64_t)from; at < n; at++) {
		entry(begin + at, &e);
		snprintf(name, sizeof name, "%u", (unsigned int)at);
		more = fuse_add_direntry_plus(req, buf + used, size - used,
		    name, &e, (off_t)at + 1);
		if (more > size - used)
			break;
		used += more;
	}
	fuse_reply_buf(req, buf, used);
	free(buf);
}

static void
open_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fuse_reply_open(req, fi);
}

static void
read_file(fuse_req_t req, fuse_ino_t ino, size_t size, off_t from,
    struct fuse_file_info *fi)
{
	char text[TEXT + 8] = "", *buf;
	struct stat st;

	(void)fi;
	attributes(ino, &st);
	if (from > st.st_size)
		from = st.st_size;
	if (size > (size_t)(st.st_size - from))
		size = (size_t)(st.st_size - from);
	buf = calloc(1, size + 1);
	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	snprintf(text, sizeof text, "%llu",
	    (unsigned long long)content_of(ino));
	if (from < TEXT)
		memcpy(buf, text + from,
		    size < (size_t)(TEXT - from) ? size : (size_t)(TEXT - from));
	fuse_reply_buf(req, buf, size);
	free(buf);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = look_up, .getattr = get_attributes, .readdirplus = list,
	.open = open_file, .read = read_file
};

static int
serve(const char *dir, char *self)
{
	char option[] = "-oro,allow_other,default_permissions,fsname=manyfs";
	char *argv[] = { self, option, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(2, argv);
	struct fuse_session *s = fuse_session_new(&args, &ops, sizeof ops, NULL);
	struct fuse_loop_config config = { .max_idle_threads = 4 };
	int rc = -1;

	if (s && fuse_set_signal_handlers(s) == 0 &&
	    fuse_session_mount(s, dir) == 0) {
		puts("ready");
		fflush(stdout);
		rc = fuse_session_loop_mt(s, &config);
		fuse_session_unmount(s);
	}
	if (s)
		fuse_session_destroy(s);
	fuse_opt_free_args(&args);
	return rc < 0 ? 1 : 0;
}

int
main(int argc, char **argv)
{
	if (argc != 4)
		errx(64, "usage: manyfs DIR FILES CONTENTS");
	files = strtoull(argv[2], NULL, 10);
	contents = strtoull(argv[3], NULL, 10);
	leaves = (files + FAN - 1) / FAN;
	tops = (leaves + FAN - 1) / FAN;
	if (files == 0 || contents == 0 || tops > FAN)
		errx(64, "files and contents: from 1 to 10^9");
	return serve(argv[1], argv[0]);
}
