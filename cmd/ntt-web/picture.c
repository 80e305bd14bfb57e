#define _GNU_SOURCE
#include "picture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bubble.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/spawn.h"
#include "base/tempfile.h"
#include "store/store.h"
#include "reply.h"

enum {
	NOBODY = 65534,
	SECONDS = 20,			/* of a CPU, for one picture */
	WAIT_MS = 60000,
	MEMORY = 1 << 30,
	ROOM = 256 << 20,		/* for its temporary files */
	JPEG_MOST = 2 << 20,
	DIRECTORY_MOST = 4 << 20,
	FILE_LEAST = 4096,		/* what any file is counted as */
	REMEMBER_S = 30 * 86400,
	ERRORS = 512
};

static const char program[] = "vipsthumbnail";
static const struct {
	const char *ending, *edge;
} sizes[] = {
	[PICTURE_SMALL] = { "-small", "240x180>" },
	[PICTURE_LARGE] = { "-large", "1280x1280>" },
	[PICTURE_PHOTO_SMALL] = { "-photo-small", "240x180>" },
	[PICTURE_PHOTO_LARGE] = { "-photo-large", "1280x1280>" }
};
/* NULL: there is none. */
static char *cache;

/*
 * systemd names a directory of the service; NTT_HOME has all that is ours; a
 * user has a cache.
 */
void
picture_start(void)
{
	const char *given = getenv("CACHE_DIRECTORY");
	const char *home = config_get(CONFIG_HOME);
	const char *users = getenv("XDG_CACHE_HOME");

	if (given && *given == '/')
		cache = xasprintf("%.*s/pictures", (int)strcspn(given, ":"),
		    given);
	else if (home)
		cache = xasprintf("%s/cache/pictures", home);
	else if (users && *users == '/')
		cache = xasprintf("%s/ntt/pictures", users);
	else if ((home = config_invoker()->home))
		cache = xasprintf("%s/.cache/ntt/pictures", home);
}

int
picture_possible(void)
{
	char *path = program_path(program), *bwrap = program_path("bwrap");
	int possible = path && bwrap;

	free(path);
	free(bwrap);
	return possible;
}

/* ---- what may be a picture ---- */

int
picture_plausible(const void *head, size_t len)
{
	static const struct {
		size_t at, len;
		const char *bytes;
	} known[] = {
		{ 0, 3, "\xff\xd8\xff" },		/* JPEG */
		{ 0, 8, "\x89PNG\r\n\x1a\n" },
		{ 0, 4, "GIF8" }, { 0, 2, "BM" },
		{ 8, 4, "WEBP" },
		{ 0, 4, "II*\0" }, { 0, 4, "MM\0*" },	/* TIFF, raw files */
		{ 0, 4, "IIRO" }, { 0, 4, "IIU\0" },
		{ 4, 4, "ftyp" },			/* HEIF, AVIF */
		{ 0, 12, "\0\0\0\x0cJXL \r\n\x87\n" }, { 0, 2, "\xff\x0a" },
		{ 0, 12, "\0\0\0\x0cjP  \r\n\x87\n" },
		{ 0, 4, "\xff\x4f\xff\x51" },		/* JPEG 2000 */
		{ 0, 4, "8BPS" }, { 0, 4, "\0\0\1\0" },	/* PSD, ICO */
		{ 0, 2, "P4" }, { 0, 2, "P5" }, { 0, 2, "P6" },
		{ 0, 2, "\x0a\x05" },			/* PCX */
		{ 0, 4, "v/1\1" }, { 0, 5, "%PDF-" }
	};
	size_t i;

	for (i = 0; i < sizeof known / sizeof known[0]; i++)
		if (len >= known[i].at + known[i].len &&
		    !memcmp((const char *)head + known[i].at, known[i].bytes,
		    known[i].len))
			return 1;
	return len > 0 && *(const char *)head == '<' &&
	    memmem(head, len, "<svg", 4);
}

int
picture_likely(const char *mime, const char *name, size_t len)
{
	static const char *const endings[] = { "jpg", "jpeg", "jpe", "png",
		"gif", "bmp", "webp", "tif", "tiff", "heic", "heif", "avif",
		"jxl", "jp2", "psd", "ico", "pcx", "ppm", "svg", "pdf", "dng",
		"nef" };
	const char *dot;
	size_t i, n;

	if (mime)
		return !strncmp(mime, "image/", 6) ||
		    !strcmp(mime, "application/pdf");
	dot = len ? memrchr(name, '.', len) : NULL;
	if (!dot)
		return 0;
	n = len - (size_t)(dot + 1 - name);
	for (i = 0; i < sizeof endings / sizeof endings[0]; i++)
		if (strlen(endings[i]) == n &&
		    !strncasecmp(dot + 1, endings[i], n))
			return 1;
	return 0;
}

/* ---- the cache ---- */

static char *
directory_of(const char *blob)
{
	return xasprintf("%s/%.2s", cache, blob);
}

/* ending "": what says that there is no picture */
static char *
path_of(const char *blob, const char *ending)
{
	return xasprintf("%s/%.2s/%s%s", cache, blob, blob, ending);
}

/* A file of the cache, or -1; it is looked at now. */
static int
open_kept(const char *blob, const char *ending, struct stat *st)
{
	static const struct timespec now[2] = { { 0, UTIME_OMIT },
		{ 0, UTIME_NOW } };
	char *path;
	int fd;

	if (!cache)
		return -1;
	path = path_of(blob, ending);
	fd = open_regular(path, O_RDONLY, 0);
	free(path);
	if (fd >= 0 && (fstat(fd, st) < 0 || st->st_uid != geteuid())) {
		close(fd);
		return -1;
	}
	/* when "there is none" was found out stays */
	if (fd >= 0 && *ending)
		(void)!futimens(fd, now);
	return fd;
}

static int
is_jpeg(const struct buf *b)
{
	return b->len > 4 && !memcmp(b->data, "\xff\xd8\xff", 3) &&
	    !memcmp(b->data + b->len - 2, "\xff\xd9", 2);
}

enum picture_state
picture_find(const char *blob, enum picture_size size, struct buf *jpeg)
{
	enum picture_state state = PICTURE_UNKNOWN;
	struct stat st;
	ssize_t n;
	int fd;

	fd = open_kept(blob, sizes[size].ending, &st);
	if (fd >= 0 && !jpeg && st.st_size > 0) {
		state = PICTURE_KEPT;
	} else if (fd >= 0 && jpeg && st.st_size <= JPEG_MOST) {
		buf_reserve(jpeg, (size_t)st.st_size + 1);
		n = read_full(fd, jpeg->data, (size_t)st.st_size);
		jpeg->len = n > 0 ? (size_t)n : 0;
		state = is_jpeg(jpeg) ? PICTURE_KEPT : PICTURE_UNKNOWN;
	}
	if (fd >= 0)
		close(fd);
	if (state == PICTURE_KEPT)
		return state;
	fd = open_kept(blob, "", &st);
	if (fd < 0)
		return PICTURE_UNKNOWN;
	close(fd);
	return st.st_mtime > time(NULL) - REMEMBER_S ? PICTURE_NONE :
	    PICTURE_UNKNOWN;
}

struct kept {
	char *name;
	struct timespec looked_at;
	uint64_t size;
};

static int
compare_kept(const void *a, const void *b)
{
	const struct timespec *x = &((const struct kept *)a)->looked_at;
	const struct timespec *y = &((const struct kept *)b)->looked_at;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Those that nobody looked at for longest go. */
static void
make_room(const char *blob)
{
	char *path = directory_of(blob);
	DIR *dir = opendir(path);
	struct kept *all = NULL;
	size_t count = 0, i;
	const struct dirent *e;
	uint64_t sum = 0;
	struct stat st;

	free(path);
	while (dir && (e = readdir(dir))) {
		if (strlen(e->d_name) < STORE_ID || *e->d_name == '.' ||
		    fstatat(dirfd(dir), e->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		all = xrealloc(all, (count + 1) * sizeof *all);
		all[count].name = xstrdup(e->d_name);
		all[count].looked_at = st.st_mtim;
		all[count].size = (uint64_t)st.st_size + FILE_LEAST;
		sum += all[count++].size;
	}
	if (count > 0)
		qsort(all, count, sizeof *all, compare_kept);
	for (i = 0; i < count; i++) {
		if (sum > DIRECTORY_MOST && unlinkat(dirfd(dir), all[i].name,
		    0) == 0)
			sum -= all[i].size;
		free(all[i].name);
	}
	free(all);
	if (dir)
		closedir(dir);
}

/* What cannot be kept is made again. */
static void
keep(const char *blob, const char *ending, const struct buf *jpeg)
{
	struct tempfile t = { .fd = -1 };
	char *path;

	if (!cache)
		return;
	/* this process makes no other files */
	umask(077);
	path = path_of(blob, ending);
	if (tempfile_open(&t, path) < 0 || (jpeg && write_all(t.fd,
	    jpeg->data, jpeg->len) < 0) || tempfile_commit(&t) < 0) {
		detail("could not keep a picture in %s: %s", quoted(cache),
		    strerror(errno));
		tempfile_abort(&t);
	}
	free(path);
	make_room(blob);
}

static void
forget(const char *id)
{
	static const char *const endings[] = { "", "-small", "-large" };
	char *path;
	size_t i;

	for (i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		path = path_of(id, endings[i]);
		unlink(path);
		free(path);
	}
}

void
picture_clean(void (*unknown)(const char *ids, void (*forget)(const char *)))
{
	struct buf ids = BUF_INIT;
	unsigned int n;

	for (n = 0; cache && n < 256; n++) {
		char *path = xasprintf("%s/%02x", cache, n);
		DIR *dir = opendir(path);
		const struct dirent *e;

		buf_reset(&ids);
		while (dir && (e = readdir(dir)))
			if (strspn(e->d_name, "0123456789abcdef") ==
			    STORE_ID && !strstr(e->d_name, "-photo"))
				buf_printf(&ids, "%s%.*s", ids.len ? "," : "{",
				    STORE_ID, e->d_name);
		if (dir)
			closedir(dir);
		free(path);
		if (ids.len == 0)
			continue;
		buf_putc(&ids, '}');
		unknown(ids.data, forget);
	}
	buf_free(&ids);
}

/* ---- the sandbox ---- */

static int
prepare(void *arg)
{
	(void)arg;
	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    bubble_limit(RLIMIT_CORE, 0) < 0 ||
	    bubble_limit(RLIMIT_FSIZE, ROOM) < 0 ||
	    bubble_limit(RLIMIT_AS, MEMORY) < 0 ||
	    bubble_limit(RLIMIT_CPU, SECONDS) < 0 ? -1 : 0;
}

static char **
command(const char *path, const char *file, enum picture_size size)
{
	/* without fonts letters of drawings are missing */
	static const char *const seen[] = {
		"--ro-bind-try", "/etc/fonts", "/etc/fonts",
		"--ro-bind-try", "/etc/alternatives", "/etc/alternatives",
		"--ro-bind-try", "/etc/ImageMagick-6", "/etc/ImageMagick-6",
		NULL };
	/* no code is made while it runs: the unit forbids that */
	static const char *const settings[] = {
		"--setenv", "TMPDIR", "/tmp", "--setenv", "VIPS_CONCURRENCY",
		"1", "--setenv", "VIPS_NOVECTOR", "1", "--", NULL };
	struct words w = WORDS_INIT;
	int root = geteuid() == 0;
	char *room = xasprintf("%d", ROOM);
	const char *const tmpfs[] = { "--perms", "1777", "--size", room,
		"--tmpfs", "/tmp", NULL };
	const char *const words[] = { path, "/content", "--size",
		sizes[size].edge, "--export-profile", "srgb", "-o",
		".jpg[Q=78,strip,background=255]", NULL };

	bubble_begin(&w, root);
	words_add_all(&w, seen);
	words_add_all(&w, tmpfs);
	bubble_bind(&w, file, "/content");
	bubble_end(&w, "/tmp", "/usr/bin:/bin");
	words_add_all(&w, settings);
	if (root)
		bubble_become(&w, NOBODY);
	words_add_all(&w, words);
	free(room);
	return w.word;
}

/* Of what the sandbox said: was it the sandbox that failed? */
static int
is_of_sandbox(const char *said)
{
	return !strncmp(said, "bwrap: ", 7) || !strncmp(said, "setpriv: ", 9);
}

/* It ended like this: because of the content, or for a reason of ours? */
static enum picture_state
judge(int status, const char *said, const char *blob)
{
	static const int of_content[] = { EXIT_FAILED, 255,
		EXIT_SIGNAL + SIGXCPU, EXIT_SIGNAL + SIGXFSZ,
		EXIT_SIGNAL + SIGSEGV, EXIT_SIGNAL + SIGBUS,
		EXIT_SIGNAL + SIGABRT, EXIT_SIGNAL + SIGTRAP,
		EXIT_SIGNAL + SIGFPE, EXIT_SIGNAL + SIGILL };
	size_t i;

	for (i = 0; i < sizeof of_content / sizeof of_content[0]; i++)
		if (status == of_content[i] && !is_of_sandbox(said))
			return PICTURE_NONE;
	warn("no picture of %s could be made: %s", blob, *said ? quoted(said) :
	    status == EXIT_SIGNAL + SIGKILL ? "it took too long" :
	    "the program could not be run");
	return PICTURE_UNKNOWN;
}

enum picture_state
picture_make(const char *file, const char *blob, enum picture_size size,
    struct buf *jpeg)
{
	struct spawn_io io = SPAWN_INHERIT;
	char *path = program_path(program), **argv, said[ERRORS];
	int errors = memfd_create("errors", MFD_CLOEXEC), status;
	enum picture_state state = PICTURE_KEPT;
	ssize_t n;

	if (!path || errors < 0) {
		free(path);
		return PICTURE_UNKNOWN;
	}
	argv = command(path, file, size);
	io.in = SPAWN_NULL;
	io.err = errors;
	io.chdir_root = 1;
	io.prepare = prepare;
	status = run_capture(argv, &io, jpeg, JPEG_MOST + 1, WAIT_MS);
	n = pread(errors, said, sizeof said - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
	if (status != EXIT_DONE)
		state = judge(status, said, blob);
	else if (jpeg->len > JPEG_MOST || !is_jpeg(jpeg))
		state = PICTURE_NONE;
	if (state == PICTURE_KEPT)
		keep(blob, sizes[size].ending, jpeg);
	else if (state == PICTURE_NONE)
		keep(blob, "", NULL);
	words_free(argv);
	free(path);
	close(errors);
	return state;
}

void
picture_reply(const struct buf *jpeg)
{
	reply_begin(200, "image/jpeg", POLICY_NOTHING, (int64_t)jpeg->len);
	_exit(reply_body(NULL, jpeg->data, jpeg->len) < 0 ? EXIT_FAILED :
	    EXIT_DONE);
}
