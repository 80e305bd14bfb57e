#define _GNU_SOURCE
#include "opening.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "base/progress.h"
#include "base/sig.h"
#include "hash/blake3_hex.h"
#include "image/content_probe.h"

enum {
	PARTS = 16384,
	BLOCK = 1 << 16,	/* zeros of so many bytes are a hole */
	LOST_MOST = 1 << 20
};

#define MAP_MOST ((uint64_t)1 << 30)	/* of what qemu-img map prints */

/* ---- giving up ---- */

static char *unfinished;
static const char *unfinished_header;
static pid_t maker;

void
discard_temporary(void)
{
	char *map;

	if (!unfinished || maker != getpid())
		return;
	unlink(unfinished);
	if (unfinished_header)
		unlink(unfinished_header);
	map = image_map(unfinished);
	unlink(map);
	free(map);
}

void
goes_too(const char *path)
{
	unfinished_header = path;
}

void
keep_temporary(void)
{
	unfinished = NULL;
}

void
cannot(const struct opening *o, const char *fmt, ...)
{
	struct buf why = BUF_INIT;
	va_list ap;

	progress_stop();
	if (sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
	va_start(ap, fmt);
	buf_vprintf(&why, fmt, ap);
	va_end(ap);
	die(EXIT_FAILED, "cannot open %s: it is %s%s", quoted(o->path),
	    o->kind ? o->kind->text : "a part of an image", why.data);
}

const char *
base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- parts ---- */

char *
folder_of(const char *path)
{
	return xasprintf("%.*s", (int)(base_of(path) - path), path);
}

struct part *
add_part(struct opening *o, const char *path, const char *as,
    const struct stat *st)
{
	struct part *p;

	if (o->count == PARTS)
		cannot(o, " with more than %d parts", PARTS);
	o->parts = xrealloc(o->parts, (o->count + 1) * sizeof *o->parts);
	p = &o->parts[o->count++];
	memset(p, 0, sizeof *p);
	p->path = xstrdup(path);
	p->as = xstrdup(as);
	p->st = *st;
	p->size = (uint64_t)st->st_size;
	return p;
}

/*
 * A part that another one names is looked for beside the container and nowhere
 * else, through no link: whoever made it must not choose files of this machine.
 * NULL: it is not there.
 */
struct part *
find_part(struct opening *o, const char *name, const char *as)
{
	char *dir = folder_of(o->path), *path = path_join(dir, name);
	int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct part *p = NULL;
	struct stat st;

	if (at >= 0 && !strchr(name, '/') && !is_dot(name))
		fd = open_beneath(at, name, O_RDONLY | O_NONBLOCK, 0);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		p = add_part(o, path, as ? as : name, &st);
	if (fd >= 0)
		close(fd);
	if (at >= 0)
		close(at);
	free(path);
	free(dir);
	return p;
}

/* Names inside of it are of systems that do not tell A from a. */
struct part *
find_in_any_case(struct opening *o, const char *name)
{
	struct part *p = find_part(o, name, NULL);
	char *dir = folder_of(o->path);
	const struct dirent *e;
	DIR *d = p ? NULL : opendir(dir);

	while (d && !p && (e = readdir(d)))
		if (!strcasecmp(e->d_name, name))
			p = find_part(o, e->d_name, NULL);
	if (d)
		closedir(d);
	free(dir);
	return p;
}

/* Is there a file of this name beside it? */
int
is_beside(const struct opening *o, const char *name)
{
	char *dir = folder_of(o->path), *path = path_join(dir, name);
	int yes = access(path, F_OK) == 0;

	free(path);
	free(dir);
	return yes;
}

int
open_part(const struct opening *o, const struct part *p)
{
	int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);

	if (fd < 0)
		cannot(o, ", and %s could not be opened: %s", quoted(p->path),
		    strerror(errno));
	return fd;
}

/* ---- what was not read of the disk, when the container was made ---- */

void
lose(struct opening *o, uint64_t pos, uint64_t size)
{
	struct lost *last = o->lost_count ? &o->lost[o->lost_count - 1] : NULL;

	if (last && last->pos + last->size == pos) {
		last->size += size;
		return;
	}
	if (o->lost_count == LOST_MOST)
		cannot(o, " with more than %d areas that were not read",
		    LOST_MOST);
	/* room for 1, 2, 4, 8 … of them */
	if ((o->lost_count & (o->lost_count - 1)) == 0)
		o->lost = xrealloc(o->lost, (o->lost_count ?
		    2 * o->lost_count : 1) * sizeof *o->lost);
	o->lost[o->lost_count++] = (struct lost){ pos, size };
}

/* The map that ddrescue would have written, beside the raw image. */
void
write_map(const struct opening *o)
{
	char *path = image_map(o->temporary);
	struct buf b = BUF_INIT;
	uint64_t at = 0;
	size_t i;
	int fd;

	unlink(path);
	if (o->lost_count == 0) {
		free(path);
		return;
	}
	buf_printf(&b, "# Mapfile of what is in %s\n0x%llx + 1\n",
	    quoted(o->path), (unsigned long long)o->size);
	for (i = 0; i < o->lost_count; i++) {
		const struct lost *l = &o->lost[i];

		if (l->pos < at || l->pos > o->size ||
		    l->size > o->size - l->pos)
			cannot(o, " whose list of read errors makes no sense");
		if (l->pos > at)
			buf_printf(&b, "0x%llx 0x%llx +\n",
			    (unsigned long long)at,
			    (unsigned long long)(l->pos - at));
		buf_printf(&b, "0x%llx 0x%llx -\n",
		    (unsigned long long)l->pos, (unsigned long long)l->size);
		at = l->pos + l->size;
	}
	if (at < o->size)
		buf_printf(&b, "0x%llx 0x%llx +\n", (unsigned long long)at,
		    (unsigned long long)(o->size - at));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write_all(fd, b.data, b.len) < 0 || fchmod(fd,
	    0600 | (o->parts[0].st.st_mode & 0044)) < 0 || fsync(fd) < 0 ||
	    close(fd) < 0)
		die_errno("could not write %s: %m", quoted(path));
	buf_free(&b);
	free(path);
}

/* ---- the engine ---- */

void
engine_for(const struct opening *o, struct engine *e, const char *program)
{
	struct engine_file *files = xcalloc(o->count, sizeof *files);
	size_t i;

	for (i = 0; i < o->count; i++)
		files[i] = (struct engine_file){ o->parts[i].path,
			o->parts[i].as };
	*e = (struct engine){ .program = program, .files = files,
		.count = o->count, .most = MAP_MOST,
		.seconds = 120 + o->size / (2 << 20), .errors = -1 };
}

void
engine_end(struct engine *e)
{
	free((void *)(uintptr_t)e->files);
	e->files = NULL;
}

void
need_engine(const struct opening *o, const char *program)
{
	const char *package = o->kind->package;

	if (!engine_there(program, &package))
		cannot(o, ": install %s to open it%s", package,
		    o->kind->engine == CONTAINER_FILTER ?
		    ", or decompress it" : ", or convert it to a raw image");
}

/* ---- the raw image ---- */

uint64_t
room(const struct opening *o)
{
	struct statvfs fs;

	if (fstatvfs(o->fd, &fs) < 0)
		return UINT64_MAX;
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

void
need_room(const struct opening *o, uint64_t bytes)
{
	uint64_t have = room(o);
	char needs[64];

	if (bytes <= have && have - bytes >= RESERVE)
		return;
	progress_stop();
	if (sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
	snprintf(needs, sizeof needs, "%s", num_bytes(bytes));
	if (o->needs)
		die(EXIT_AGAIN, "cannot open %s: its raw image needs %s in "
		    "%s, where %s are free", quoted(o->path), needs,
		    quoted(config_get(CONFIG_IMAGE_ROOT)), num_bytes(have));
	die(EXIT_AGAIN, "cannot open %s: there is no room for its raw image "
	    "in %s", quoted(o->path),
	    quoted(config_get(CONFIG_IMAGE_ROOT)));
}

/* Named by what it is made of, so that the next run finds what is left. */
void
make_temporary(struct opening *o, const char *key)
{
	const char *root = config_get(CONFIG_IMAGE_ROOT);
	struct stat st, there;
	uint8_t sum[16];
	char hex[33];
	blake3_hasher h;

	blake3_hasher_init(&h);
	blake3_hasher_update(&h, o->path, strlen(o->path));
	blake3_hasher_update(&h, key, strlen(key));
	blake3_hasher_finalize(&h, sum, sizeof sum);
	hex_encode(hex, sum, sizeof sum);
	if (make_dirs(root) < 0)
		die_errno("could not make %s: %m", quoted(root));
	o->temporary = xasprintf("%s/.container-%s.img", root, hex);
	o->fd = open(o->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (o->fd < 0)
		die_errno("could not create %s: %m", quoted(o->temporary));
	/* what another one has given its name meanwhile is not ours */
	if (flock(o->fd, LOCK_EX | LOCK_NB) < 0 || fstat(o->fd, &st) < 0 ||
	    st.st_nlink == 0 || lstat(o->temporary, &there) < 0 ||
	    st.st_ino != there.st_ino)
		die(EXIT_AGAIN, "another ntt-orchestrator opens %s",
		    quoted(o->path));
	maker = getpid();
	unfinished = o->temporary;
	atexit(discard_temporary);
	if (ftruncate(o->fd, 0) < 0)
		die_errno("could not write %s: %m", quoted(o->temporary));
}

void
put_bytes(const struct opening *o, const char *bytes, size_t len, uint64_t at)
{
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = len - i < BLOCK ? len - i : BLOCK;
		if (all_zero(bytes + i, n))
			continue;
		if (pwrite(o->fd, bytes + i, n, (off_t)(at + i)) !=
		    (ssize_t)n)
			die_errno("could not write the raw image of %s: %m",
			    quoted(o->path));
	}
}

/* Room for what comes next; a signal ends it. */
void
keep_going(const struct opening *o, uint64_t at)
{
	progress_set(at);
	if (sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
	if (at % (16 << 20) == 0)
		need_room(o, 0);
	if (at > MOST)
		cannot(o, " that does not end");
}

/* A compressed qcow2, say: what is in it is opened by a person's choice. */
void
refuse_nested(const struct opening *o)
{
	const struct container *c = container_probe(o->fd, o->size);
	const char *content = c ? NULL : content_probe(o->fd, o->size, CHUNK);

	if (c)
		cannot(o, " that holds %s: unpack it, and give what is in it",
		    c->text);
	if (content && !strcmp(content, "tar"))
		cannot(o, " that holds a tar archive: unpack it, and give the "
		    "directory");
}

/* So much is known of it before all of it is there. */
static void
refuse_nested_early(const struct opening *o, const char *bytes, size_t len)
{
	int fd = memfd_create("beginning", MFD_CLOEXEC);
	const char *content = NULL;

	if (fd >= 0 && write_all(fd, bytes, len) == 0)
		content = content_probe(fd, len, CHUNK);
	if (fd >= 0)
		close(fd);
	if (content && !strcmp(content, "tar"))
		cannot(o, " that holds a tar archive: unpack it, and give the "
		    "directory");
}

/* Sectors that were not read when it was made become zeros. */
static void
take_out_bad(struct opening *o, char *bytes, size_t len, uint64_t at)
{
	size_t i;

	for (i = 0; i + SECTOR <= len; i += SECTOR)
		if (!memcmp(bytes + i, o->bad, SECTOR)) {
			memset(bytes + i, 0, SECTOR);
			lose(o, at + i, SECTOR);
		}
}

/*
 * What a program prints is the image from byte at on, up to end (0: nobody
 * knows); the end of it is returned.
 */
uint64_t
take_range(struct opening *o, struct engine *e, const char *const args[],
    uint64_t at, uint64_t end)
{
	char *bytes = xmalloc(CHUNK);
	struct buf why = BUF_INIT;
	struct child child;
	int fds[2], status;
	size_t use;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0 ||
	    engine_start(e, args, fds[1], &child) < 0)
		cannot(o, ", and %s could not be run: %s", e->program,
		    strerror(errno));
	close(fds[1]);
	while ((n = read_full(fds[0], bytes, CHUNK)) > 0) {
		use = end && (uint64_t)n > end - at ? (size_t)(end - at) :
		    (size_t)n;
		if (at == 0)
			refuse_nested_early(o, bytes, use);
		if (o->has_bad)
			take_out_bad(o, bytes, use, at);
		if (o->sum)
			EVP_DigestUpdate(o->sum, bytes, use);
		if (use)
			put_bytes(o, bytes, use, at);
		at += use;
		keep_going(o, at);
	}
	close(fds[0]);
	status = child_wait(&child);
	engine_said(e, &why);
	if (status != EXIT_DONE)
		cannot(o, " that is damaged or cut: %s", why.len ? why.data :
		    e->program);
	if (end && at != end)
		cannot(o, " that is cut: it has %s of its %s bytes",
		    num_grouped(at), num_grouped(o->size));
	free(bytes);
	buf_free(&why);
	return at;
}

void
take_output(struct opening *o, struct engine *e, const char *const args[])
{
	o->size = take_range(o, e, args, 0, o->size);
	if (o->size == 0)
		cannot(o, " with nothing in it");
}
