/*
 * ntt-check-multipart: finds archived images with two or more partitions that
 * can be mounted, and extracts those and no others.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/log.h"
#include "base/medium_name.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/tempfile.h"
#include "archive_image.h"

enum { MIN_FREE_PCT = 20 };

struct candidate {
	char *hash, *path;
	uint64_t size;
};

static const char *archive_dir, *skip_file, *staging_dir;
static char *staging;			/* staging/tmp */
static uint64_t min_size = 1 << 30;
static struct candidate *list;
static size_t count;
static char **skipped;
static size_t skipped_count;

static const struct prog_option options[] = {
	{ 0, "archive-dir", "D", "archives (default ARCHIVE_ROOT)",
		OPT_TEXT(&archive_dir) },
	{ 0, "staging", "D", "extract to D/tmp/HASH (default IMAGE_ROOT)",
		OPT_TEXT(&staging_dir) },
	{ 0, "min-size", "BYTES", "archives larger than this (default 1G)",
		OPT_SIZE(&min_size) },
	{ 0, "skip", "FILE", "hashes that are not looked at",
		OPT_TEXT(&skip_file) },
	OPT_END
};

static const struct prog prog = {
	"ntt-check-multipart",
	"[options]",
	"Find archived images with two or more partitions"
};

/* Directories that were archived once as media: ntt-layout(5). */
static const char *const skipped_by_default[] = {
	"2ae4eb92379b9892ba93693e49f42e08",
	"1d7c9dc81a26c871ccafc71ab284b4aa",
	"983dbb7dfb2a6ea867e233653a64f9d6",
	"236d5e0d89eb0e5e78edadf040a7a934",
};

static void
skip(const char *hash)
{
	skipped = xrealloc(skipped, (skipped_count + 1) * sizeof *skipped);
	skipped[skipped_count++] = xstrdup(hash);
}

static void
read_skip(void)
{
	FILE *f;
	char *line = NULL;
	size_t size = 0, i;

	if (!skip_file) {
		for (i = 0; i < sizeof skipped_by_default /
		    sizeof skipped_by_default[0]; i++)
			skip(skipped_by_default[i]);
		return;
	}
	f = fopen(skip_file, "re");
	if (!f)
		die_errno("could not open %s: %m", quoted(skip_file));
	while (getline(&line, &size, f) >= 0) {
		line[strcspn(line, " \t\r\n#")] = '\0';
		if (*line)
			skip(line);
	}
	if (ferror(f))
		die_errno("could not read %s: %m", quoted(skip_file));
	free(line);
	fclose(f);
}

static int
is_skipped(const char *hash)
{
	size_t i;

	for (i = 0; i < skipped_count; i++)
		if (!strcmp(skipped[i], hash))
			return 1;
	return 0;
}

static void
consider(const char *name)
{
	static const char suffix[] = ".tar.zst";
	size_t len = strlen(name), n = sizeof suffix - 1;
	struct candidate c;
	struct stat st;

	if (len <= n || strcmp(name + len - n, suffix))
		return;
	c.hash = xasprintf("%.*s", (int)(len - n), name);
	c.path = path_join(archive_dir, name);
	if (!medium_valid(c.hash) || is_skipped(c.hash) ||
	    stat(c.path, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size <= min_size) {
		free(c.hash);
		free(c.path);
		return;
	}
	c.size = (uint64_t)st.st_size;
	list = xrealloc(list, (count + 1) * sizeof *list);
	list[count++] = c;
}

static int
compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return strcmp(x->hash, y->hash);
}

static void
find_archives(void)
{
	DIR *dir = opendir(archive_dir);
	const struct dirent *d;

	if (!dir)
		die_errno("could not open %s: %m", quoted(archive_dir));
	while ((d = readdir(dir)))
		consider(d->d_name);
	closedir(dir);
	if (count)
		qsort(list, count, sizeof *list, compare);
}

static unsigned int
free_pct(void)
{
	struct statvfs v;

	if (statvfs(staging, &v) < 0)
		die_errno("could not look at %s: %m", quoted(staging));
	return v.f_blocks ? (unsigned int)(v.f_bavail * 100 / v.f_blocks) : 0;
}

static double
gigabytes(uint64_t bytes)
{
	return (double)(bytes * 100 / (1 << 30)) / 100;
}

static void
begin(struct buf *event, enum log_event stage, const struct candidate *c)
{
	log_begin(event, stage);
	json_text(event, "hash", c->hash);
}

static void
check_room(uint64_t more)
{
	struct statvfs v;
	uint64_t left;

	if (statvfs(staging, &v) < 0)
		die_errno("could not look at %s: %m", quoted(staging));
	left = v.f_bavail * v.f_frsize;
	left -= more < left ? more : left;
	if (left / v.f_frsize * 100 >= v.f_blocks * MIN_FREE_PCT)
		return;
	die(EXIT_FAILED, "less than %d %% of the file system of %s would be "
	    "free: make room and run it again", MIN_FREE_PCT,
	    quoted(staging));
}

/* The image as staging/tmp/HASH/NAME; its path, or NULL. */
static char *
extract(struct archive_image *a, const struct candidate *c)
{
	struct buf event = BUF_INIT;
	char *dir = path_join(staging, c->hash), *error = NULL;
	char *path = path_join(dir, archive_image_name(a));
	struct tempfile t;

	begin(&event, LOG_EXTRACTION_START, c);
	json_text(&event, "dest", dir);
	log_end(&event);
	buf_free(&event);
	check_room(archive_image_size(a));
	if (tempfile_open(&t, path) < 0)
		die_errno("could not create %s: %m", quoted(path));
	progress_start("extracting", NULL, PROGRESS_BYTES,
	    archive_image_size(a));
	if (archive_image_extract(a, t.fd, progress_set, sig_caught,
	    &error) < 0) {
		int err = errno;

		progress_stop();
		tempfile_abort(&t);
		if (sig_caught())
			exit(EXIT_SIGNAL + sig_caught());
		errno = err;
		if (exit_for_errno(err) == EXIT_AGAIN)
			die(EXIT_AGAIN, "could not extract %s: %s",
			    quoted(path), error);
		warn("could not extract %s: %s", quoted(path), error);
		free(path);
		path = NULL;
	} else {
		progress_stop();
		if (tempfile_commit(&t) < 0)
			die_errno("could not write %s: %m", quoted(path));
	}
	free(error);
	free(dir);
	return path;
}

/* 1 it has several partitions and is kept, 0 not, -1 it could not be read. */
static int
check_image(struct archive_image *a, const struct candidate *c)
{
	static struct layout layout;
	struct buf event = BUF_INIT;
	char *error, *path = NULL;
	unsigned int mountable;

	begin(&event, LOG_IMG_FOUND, c);
	json_text(&event, "img", archive_image_name(a));
	json_double(&event, "size_gb", gigabytes(archive_image_size(a)));
	log_end(&event);
	if (archive_image_layout(a, staging, &layout, &error) < 0) {
		if (exit_for_errno(errno) == EXIT_AGAIN)
			die_errno("could not read %s: %s", quoted(c->path),
			    error);
		warn("could not read %s: %s", quoted(c->path), error);
		free(error);
		buf_free(&event);
		return -1;
	}
	mountable = layout_mountable(&layout);
	if (mountable >= 2) {
		path = extract(a, c);
		if (!path) {
			buf_free(&event);
			return -1;
		}
	}
	begin(&event, LOG_PARTITION_CHECK, c);
	json_text(&event, "img", archive_image_name(a));
	json_u64(&event, "partitions", mountable);
	json_text(&event, "action", path ? "KEPT" : "deleted");
	json_text(&event, "path", path);
	log_end(&event);
	buf_free(&event);
	if (path)
		printf("%s %u %s\n", c->hash, mountable, path);
	free(path);
	return mountable >= 2;
}

static void
log_skipped(const struct candidate *c, const char *error)
{
	struct buf event = BUF_INIT;

	begin(&event, LOG_ARCHIVE_ERROR, c);
	json_text(&event, "error", error);
	log_end(&event);
	buf_free(&event);
}

/* 1 kept, 0 not, -1 the archive could not be read. */
static int
check_archive(const struct candidate *c, size_t rank)
{
	struct buf event = BUF_INIT;
	struct archive_image *a;
	char *error;
	int kept;

	check_room(0);
	begin(&event, LOG_ARCHIVE_START, c);
	json_double(&event, "size_gb", gigabytes(c->size));
	json_u64(&event, "rank", rank);
	log_end(&event);
	a = archive_image_open(c->path, &error);
	if (!a && errno == ENOENT) {
		kept = 0;
	} else if (!a) {
		warn("could not read %s: %s", quoted(c->path), error);
		kept = -1;
	} else {
		kept = check_image(a, c);
	}
	archive_image_close(a);
	if (kept < 0)
		log_skipped(c, error ? error : "could not be read");
	free(error);
	begin(&event, LOG_CLEANUP, c);
	json_u64(&event, "removed_files", 0);
	json_u64(&event, "kept_imgs", kept > 0);
	log_end(&event);
	begin(&event, LOG_ARCHIVE_COMPLETE, c);
	json_u64(&event, "multipart_imgs", kept > 0);
	json_u64(&event, "disk_free_pct", free_pct());
	log_end(&event);
	buf_free(&event);
	return kept;
}

static void
check_all(void)
{
	struct buf event = BUF_INIT;
	size_t i, multipart = 0, unreadable = 0;

	log_begin(&event, LOG_SCRIPT_START);
	json_u64(&event, "total_archives", count);
	log_end(&event);
	for (i = 0; i < count; i++) {
		int kept = check_archive(&list[i], i + 1);

		multipart += kept > 0;
		unreadable += kept < 0;
		if (sig_caught())
			exit(EXIT_SIGNAL + sig_caught());
	}
	log_begin(&event, LOG_SCRIPT_COMPLETE);
	json_u64(&event, "total_multipart", multipart);
	json_u64(&event, "archives_checked", count);
	log_end(&event);
	buf_free(&event);
	say("%zu archives checked, %zu with several partitions, %zu could not "
	    "be read", count, multipart, unreadable);
	if (multipart)
		say("run each kept image with \"ntt-orchestrator --image\"");
}

int
main(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(0, 0);
	prog_config();
	if (!archive_dir)
		archive_dir = config_get(CONFIG_ARCHIVE_ROOT);
	staging = path_join(staging_dir ? staging_dir :
	    config_get(CONFIG_IMAGE_ROOT), "tmp");
	sig_catch();
	read_skip();
	find_archives();
	if (make_dirs(staging) < 0)
		die_errno("could not make %s: %m", quoted(staging));
	log_open(config_get(CONFIG_LOG_DIR), "multipart-check", NULL);
	check_all();
	return EXIT_DONE;
}
