/*
 * ntt-view: an image as three files, two of which read like it.
 *
 * The bytes come from a view (image/view.h).  The caller may have opened
 * everything already.  Then the image, the view, the log and /dev/fuse are
 * descriptors, and this program needs no rights.
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/prog.h"
#include "image/mapfile.h"
#include "image/refused.h"
#include "image/view.h"

/* No descriptor. */
#define NONE UINT_MAX

enum {
	SPEC_MAX = 256 << 20,
	THREADS = 4,
	LARGEST = 1 << 20	/* of a read */
};

static uint64_t length;
static const char *map_name;
static unsigned int spec = NONE, log_fd = NONE;

static const struct prog_option options[] = {
	{ 0, "length", "BYTES", "at least so long, the end is lost",
		OPT_SIZE(&length) },
	{ 0, "log", "FD", "write the failed reads to this descriptor",
		OPT_UINT(&log_fd, 0, INT_MAX) },
	{ 0, "map", "MAP", "what this map does not call rescued is lost",
		OPT_TEXT(&map_name) },
	{ 0, "spec", "FD", "read the pieces from this descriptor",
		OPT_UINT(&spec, 0, INT_MAX) },
	OPT_END
};

static const struct prog prog = {
	"ntt-view", "[options] IMAGE MOUNTPOINT|/dev/fd/N",
	"Show an image with errors or zeros where nothing was rescued"
};

enum { ROOT = FUSE_ROOT_ID, IMAGE, PLAIN, REFUSED, END };

static const char *const names[END] = {
	[IMAGE] = "image", [PLAIN] = "plain", [REFUSED] = "refused"
};

static const double for_ever = 1e9;

static struct view view;
static int image = -1, refused = -1;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- the files ---- */

static void
set_attributes(fuse_ino_t ino, struct stat *st)
{
	struct stat of_log;

	memset(st, 0, sizeof *st);
	st->st_ino = ino;
	st->st_uid = getuid();
	st->st_gid = getgid();
	st->st_mode = ino == ROOT ? S_IFDIR | 0555 : S_IFREG | 0444;
	st->st_nlink = ino == ROOT ? 2 : 1;
	st->st_blksize = VIEW_UNIT;
	if (ino == IMAGE || ino == PLAIN)
		st->st_size = (off_t)view.length;
	else if (ino == REFUSED && fstat(refused, &of_log) == 0)
		st->st_size = of_log.st_size;
	st->st_blocks = (st->st_size + 511) / 512;
}

static void
get_attributes(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	set_attributes(ino, &st);
	fuse_reply_attr(req, &st, ino == REFUSED ? 0 : for_ever);
}

static void
look_up(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { .entry_timeout = for_ever };
	fuse_ino_t ino = parent == ROOT ? IMAGE : END;

	while (ino < END && strcmp(names[ino], name))
		ino++;
	if (ino == END) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	e.ino = ino;
	e.attr_timeout = ino == REFUSED ? 0 : for_ever;
	set_attributes(ino, &e.attr);
	fuse_reply_entry(req, &e);
}

static void
read_directory(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	char out[1024];
	size_t used = 0, n, room = size < sizeof out ? size : sizeof out;
	struct stat st;

	(void)fi;
	if (ino != ROOT) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	/* entry 0 is ".", 1 "..", and the others have their inode's number */
	for (; offset < END; offset++) {
		fuse_ino_t entry = offset < IMAGE ? ROOT : (fuse_ino_t)offset;

		set_attributes(entry, &st);
		n = fuse_add_direntry(req, out + used, room - used,
		    offset == 0 ? "." : offset == 1 ? ".." : names[entry],
		    &st, offset + 1);
		if (n > room - used)
			break;
		used += n;
	}
	fuse_reply_buf(req, out, used);
}

static void
open_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (ino == ROOT) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, EROFS);
		return;
	}
	/* from a cache a part of an answer would be taken for all of it */
	fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static void
refuse(fuse_req_t req, uint64_t pos, uint64_t size)
{
	int rc;

	pthread_mutex_lock(&log_lock);
	rc = refused_add(refused, pos, size);
	pthread_mutex_unlock(&log_lock);
	/* who counts would miss it: nothing may be read any more */
	if (rc < 0)
		_exit(EXIT_FAILED);
	fuse_reply_err(req, EIO);
}

static void
read_refused(fuse_req_t req, size_t size, off_t offset)
{
	char *out = xmalloc(size);
	ssize_t n = pread_full(refused, out, size, offset);

	if (n < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_buf(req, out, (size_t)n);
	free(out);
}

/* All that was asked for, or an error: never a part. */
static void
read_file(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	static __thread char *out;
	uint64_t pos = (uint64_t)offset, n = size;

	(void)fi;
	if (ino == REFUSED) {
		read_refused(req, size, offset);
		return;
	}
	if (pos >= view.length) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (n > view.length - pos)
		n = view.length - pos;
	if (ino == IMAGE && view_lost(&view, pos, n)) {
		refuse(req, pos, n);
		return;
	}
	if (!out)
		out = xmalloc(LARGEST);
	if (n > LARGEST)
		fuse_reply_err(req, EIO);
	else if (view_read(&view, image, out, n, pos) < 0)
		refuse(req, pos, n);
	else
		fuse_reply_buf(req, out, n);
}

static void
initialise(void *arg, struct fuse_conn_info *conn)
{
	(void)arg;
	/* reads are as large as writes may be */
	conn->max_write = LARGEST;
	conn->want &= ~(unsigned int)(FUSE_CAP_SPLICE_WRITE |
	    FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_MOVE);
}

static const struct fuse_lowlevel_ops operations = {
	.init = initialise, .lookup = look_up, .getattr = get_attributes,
	.readdir = read_directory, .open = open_file, .read = read_file
};

/* ---- what is shown ---- */

/* N of /dev/fd/N, or -1. */
static int
descriptor_of(const char *name)
{
	static const char prefix[] = "/dev/fd/";
	uint64_t n;

	if (strncmp(name, prefix, sizeof prefix - 1) ||
	    num_u64(name + sizeof prefix - 1, 0, INT_MAX, &n) < 0)
		return -1;
	return (int)n;
}

static uint64_t
open_image(const char *name)
{
	struct stat st;
	off_t end;

	/* a descriptor may be of a file that we may not open */
	image = descriptor_of(name);
	if (image < 0)
		image = open(name, O_RDONLY | O_CLOEXEC);
	if (image < 0 || fstat(image, &st) < 0)
		die_errno("could not open %s: %m", quoted(name));
	end = S_ISREG(st.st_mode) ? st.st_size : lseek(image, 0, SEEK_END);
	if (S_ISDIR(st.st_mode) || end < 0)
		die(EXIT_FAILED, "cannot show %s: it is neither a file nor a "
		    "block device", quoted(name));
	return (uint64_t)end;
}

static void
read_spec(int fd)
{
	struct buf text = BUF_INIT;
	const char *error;
	ssize_t n;

	do {
		buf_reserve(&text, 1 << 16);
		n = read_full(fd, text.data + text.len, 1 << 16);
		if (n < 0)
			die_errno("could not read descriptor %d: %m", fd);
		text.len += (size_t)n;
		if (text.len > SPEC_MAX)
			die(EXIT_FAILED, "descriptor %d gives more than "
			    "%s", fd, num_bytes(SPEC_MAX));
	} while (n > 0);
	if (view_parse(&view, text.data, text.len, &error) < 0)
		die(EXIT_FAILED, "cannot use the view in descriptor %d: %s",
		    fd, error);
	buf_free(&text);
}

static void
make_view(uint64_t size)
{
	struct mapfile map;
	char *error;

	if (map_name && mapfile_load(&map, map_name, &error) < 0)
		die(EXIT_FAILED, "%s", error);
	view_init(&view, size, map_name ? &map : NULL, length);
	if (map_name)
		mapfile_free(&map);
	if (view.length == 0)
		die(EXIT_FAILED, "the image is empty");
}

/* ---- serving ---- */

static int
serve(const char *point)
{
	static char name[] = "ntt-view", option[] = "-o",
	    mount_options[] = "ro,nosuid,nodev,noexec,default_permissions,"
	    "fsname=ntt-view,subtype=ntt-view";
	char *argv[] = { name, option, mount_options, NULL };
	int is_open = descriptor_of(point) >= 0;
	struct fuse_args args = FUSE_ARGS_INIT(is_open ? 1 : 3, argv);
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	struct fuse_session *session = fuse_session_new(&args, &operations,
	    sizeof operations, NULL);
	int rc = -1;

	if (!config || !session || fuse_set_signal_handlers(session) != 0 ||
	    fuse_session_mount(session, point) != 0)
		die(EXIT_FAILED, "could not mount at %s", quoted(point));
	/* else fusermount3(1), which has rights, will have to unmount it */
	if ((is_open && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		die_errno("could not give up rights: %m");
	fuse_loop_cfg_set_max_threads(config, THREADS);
	rc = fuse_session_loop_mt(session, config);
	fuse_session_unmount(session);
	fuse_remove_signal_handlers(session);
	fuse_session_destroy(session);
	fuse_loop_cfg_destroy(config);
	fuse_opt_free_args(&args);
	if (rc < 0)
		die(EXIT_FAILED, "could not serve %s: %s", quoted(point),
		    strerror(-rc));
	return rc > 0 ? EXIT_SIGNAL + rc : EXIT_DONE;
}

/* Who serves a view can be told by the lock on its log. */
static void
lock_log(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (refused < 0 || refused_count(refused) < 0 ||
	    fcntl(refused, F_SETLK, &lock) < 0)
		die_errno("could not use the log of failed reads: %m");
}

int
main(int argc, char **argv)
{
	uint64_t size;

	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(2, 2);
	if (spec != NONE && (map_name || length))
		die_usage("--spec has all that --map and --length would say");
	if (length > INT64_MAX - VIEW_UNIT)
		die_usage("--length is too large");
	size = open_image(prog_operand(0));
	if (spec != NONE)
		read_spec((int)spec);
	else
		make_view(size);
	refused = log_fd == NONE ? memfd_create("refused", MFD_CLOEXEC) :
	    (int)log_fd;
	lock_log();
	return serve(prog_operand(1));
}
