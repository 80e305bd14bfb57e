/*
 * ntt-archiver: puts image, map, list and logs of a medium into one proven
 * archive, and only then removes the sources.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/procstat.h"
#include "archive/archive_manifest.h"
#include "archive/archive_read.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/log.h"
#include "base/medium_files.h"
#include "base/medium_name.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/use_lock.h"
#include "catalogue/catalogue_file.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/store_mark.h"
#include "sources.h"
#include "state.h"
#include "write.h"

static struct {
	int force, allow_failures, keep, extract, catalogue;
	uint64_t level;
} opt = { .level = 3 };

static struct archive_medium medium;
static struct archive_sources sources;
static char *final, *partial;	/* ARCHIVE_ROOT/HASH.tar.zst[.partial] */

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "force", NULL, "archive again what is archived",
		OPT_FLAG(&opt.force) },
	{ 0, "allow-failures", NULL, "archive although inodes failed",
		OPT_FLAG(&opt.allow_failures) },
	{ 0, "keep", NULL, "do not remove the sources", OPT_FLAG(&opt.keep) },
	{ 0, "level", "N", "zstd level, 1 to 19 (default 3)",
		OPT_U64(&opt.level, 1, 19) },
	{ 0, "catalogue", NULL,
		"no archive, only what the catalogue knows of the medium",
		OPT_FLAG(&opt.catalogue) },
	{ 0, "extract", NULL, "write a member, or bytes of it, to stdout",
		OPT_FLAG(&opt.extract) },
	OPT_END
};

static const struct prog prog = {
	"ntt-archiver",
	"[options] MEDIUM\n--extract MEDIUM MEMBER[:OFFSET+LENGTH]",
	"Archive a medium, prove the archive, remove the sources"
};

/* Ends the program after cleaning up; no archive under its name is touched. */
static void __attribute__((noreturn))
give_up(int status)
{
	progress_stop();
	if (partial)
		unlink(partial);
	exit(status);
}

static void
check_interrupted(int err)
{
	if (err == EINTR && sig_caught()) {
		progress_stop();
		warn("interrupted; the sources are untouched");
		give_up(EXIT_SIGNAL + sig_caught());
	}
}

static void
refuse(const struct buf *why)
{
	die(EXIT_FAILED, "cannot archive %s: %s", medium.hash, why->data);
}

/* A step is done; seconds since the step before. */
static void
log_step(enum log_event stage, const char *key, uint64_t number)
{
	static double last;
	struct buf event = BUF_INIT;
	double now = monotonic_s();

	log_begin(&event, stage);
	json_u64(&event, key, number);
	if (last > 0)
		json_double(&event, "seconds", now - last);
	last = now;
	log_end(&event);
	buf_free(&event);
}

static void
log_path(enum log_event stage, const char *path)
{
	struct buf event = BUF_INIT;

	log_begin(&event, stage);
	json_name(&event, "path", path, strlen(path));
	log_end(&event);
	buf_free(&event);
}

static void
lock_medium(void)
{
	struct buf holders = BUF_INIT;

	if (use_lock(medium.hash, LOCK_EXCLUSIVE) >= 0)
		return;
	if (errno != EWOULDBLOCK)
		die_errno("could not lock %s: %m", medium.hash);
	use_lock_holders(medium.hash, &holders);
	die(EXIT_AGAIN, "%s is in use by %s", medium.hash, holders.data);
}

static int
open_archive(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die_errno("could not open %s: %m", quoted(path));
	return fd;
}

static int
exists(const char *path)
{
	struct stat st;

	return path && stat(path, &st) == 0;
}

static int
wants_image(void)
{
	return medium.kind && (!strcmp(medium.kind, "image") ||
	    !strcmp(medium.kind, "device"));
}

/* Refusals that the image can give a reason for. */
static void
check_image(void)
{
	struct buf why = BUF_INIT;
	int ready = archive_image_free(&medium, sources.image, &why);

	if (ready < 0)
		die_errno("could not see what is mounted: %m");
	if (!ready)
		refuse(&why);
	buf_free(&why);
}

static void
check_rows(PGconn *db)
{
	struct buf why = BUF_INIT;
	int ready = archive_rows_ready(&medium, db, opt.allow_failures, &why);

	if (ready < 0)
		db_die("could not look at %s", medium.hash);
	if (!ready)
		refuse(&why);
	buf_free(&why);
}

static void
find_sources(void)
{
	char *error;

	if (make_dirs(config_get(CONFIG_ARCHIVE_ROOT)) < 0)
		die_errno("could not make %s: %m",
		    quoted(config_get(CONFIG_ARCHIVE_ROOT)));
	if (archive_sources_find(&sources, &medium, &error) < 0)
		die(exit_for_errno(errno), "%s", error);
}

/* Reads an archive in full; its manifest, or NULL with a warning. */
static int
prove(const char *path, struct archive_manifest *m, uint64_t bytes)
{
	char *error = NULL;
	int fd = open_archive(path), rc, err;

	/* not what is still in memory but what is on the disk */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	progress_start("reading back", NULL, PROGRESS_BYTES, bytes);
	rc = archive_prove(fd, m, progress_set, sig_caught, &error);
	err = errno;
	progress_stop();
	close(fd);
	if (rc < 0) {
		check_interrupted(err);
		warn("the archive %s is not good: %s", quoted(path), error);
	}
	free(error);
	errno = err;
	return rc;
}

/* What the archive has of a source is what the source holds now. */
static int
source_matches(const struct archive_source *s,
    const struct archive_manifest *m)
{
	const struct archive_member *member;
	char hex[ARCHIVE_HEX + 1];

	member = archive_manifest_find(m, s->member);
	if (!member || member->size != (uint64_t)s->st.st_size)
		return 0;
	if (archive_source_hash(s, hex, sig_caught) < 0) {
		check_interrupted(errno);
		warn("could not read %s: %m", quoted(s->path));
		return 0;
	}
	return !strcmp(hex, member->blake3);
}

/* Every source that would be removed is in the archive as it is now. */
static int
sources_match(const struct archive_manifest *m)
{
	const struct archive_source *s;
	size_t i;

	for (i = 0; i < sources.count; i++) {
		s = &sources.list[i];
		if (s->path && !source_matches(s, m)) {
			warn("the archive %s does not hold %s as it is now",
			    quoted(final), quoted(s->path));
			return 0;
		}
	}
	return 1;
}

/* EXIT_DONE, or EXIT_FAILED with a message. */
static int
remove_source(const struct archive_source *s)
{
	if (!s->path)
		return EXIT_DONE;
	if (!s->removable) {
		say("kept %s, which is not below one of our directories",
		    quoted(s->path));
		return EXIT_DONE;
	}
	if (archive_source_remove(s) < 0) {
		warn("could not remove %s: %m", quoted(s->path));
		return EXIT_FAILED;
	}
	printf("removed %s\n", quoted(s->path));
	log_path(LOG_SOURCE_REMOVED, s->path);
	return EXIT_DONE;
}

/* The image last: as long as it is there the rest can be made again. */
static int
remove_sources(void)
{
	int status = EXIT_DONE;
	size_t i;

	if (opt.keep)
		return EXIT_DONE;
	check_image();
	for (i = sources.count; i-- > 0; )
		status |= remove_source(&sources.list[i]);
	return status | remove_source(&sources.made);
}

/* Durable before the row that it has says that the medium is archived. */
static char *
write_catalogue(PGconn *db)
{
	char *file = catalogue_file_write(db, medium.hash);

	if (!file && errno)
		die_errno("could not write what the catalogue knows of %s: %m",
		    medium.hash);
	if (!file)
		db_die("could not write what the catalogue knows of %s",
		    medium.hash);
	return file;
}

static void
record(void)
{
	PGconn *db = db_open();
	char *file;
	int rc;

	if (!db)
		db_die("could not open the catalogue; the archive %s is good "
		    "and the sources are kept", quoted(final));
	rc = db_script(db, "BEGIN ISOLATION LEVEL REPEATABLE READ");
	if (rc == 0)
		rc = archive_record(&medium, db, final);
	if (rc < 0)
		db_die("could not record the archive of %s; the sources are "
		    "kept", medium.hash);
	if (rc == 0)
		die(EXIT_FAILED, "inodes of %s became pending meanwhile: the "
		    "archive is not recorded and the sources are kept",
		    medium.hash);
	file = write_catalogue(db);
	if (db_commit(db) < 0)
		db_die("could not record the archive of %s; the sources are "
		    "kept", medium.hash);
	free(file);
	PQfinish(db);
}

static int
conclude(void)
{
	struct stat st;
	int status;

	record();
	if (stat(final, &st) < 0)
		die_errno("could not look at %s: %m", quoted(final));
	status = remove_sources();
	log_step(LOG_ARCHIVE_COMPLETE, "size", (uint64_t)st.st_size);
	say("%s is archived in %s (%s of %s)", medium.hash, quoted(final),
	    num_bytes((uint64_t)st.st_size),
	    num_bytes(archive_sources_bytes(&sources)));
	return status;
}

/*
 * Archived and recorded: 2, unless an earlier run was interrupted before the
 * sources were gone.
 */
static int
finish_removal(void)
{
	struct archive_manifest m;
	int left = 0;
	size_t i;

	for (i = 0; i < sources.count; i++)
		left += sources.list[i].removable;
	left += sources.made.path != NULL && sources.made.removable;
	if (!left || opt.keep) {
		say("%s is already archived in %s", medium.hash,
		    quoted(final));
		return EXIT_REFUSED;
	}
	check_image();
	say("%s is archived, but sources of it are left: proving the archive",
	    medium.hash);
	if (prove(final, &m, archive_sources_bytes(&sources)) < 0)
		return EXIT_FAILED;
	if (!sources_match(&m))
		die(EXIT_FAILED, "the sources of %s differ from its archive "
		    "and are kept; --force archives them", medium.hash);
	return remove_sources();
}

/*
 * An archive that no row knows: an earlier run ended between its rename and
 * the row, or the catalogue was lost.  1: it is good and is taken; 0: it has
 * to be made.
 */
static int
adopt(void)
{
	struct archive_manifest m;
	int good = prove(final, &m, archive_sources_bytes(&sources)) == 0 &&
	    !strcmp(m.medium, medium.hash) && sources_match(&m);

	/* sources_match() has looked at all of a container */
	if (good && wants_image() && medium.part_count)
		good = sources.has_image;
	else if (good && wants_image()) {
		char *image = xasprintf("%s.img", medium.hash);

		good = archive_manifest_find(&m, image) != NULL;
		free(image);
	}
	archive_manifest_free(&m);
	if (good)
		say("%s is a good archive that the catalogue did not know",
		    quoted(final));
	return good;
}

static int
has_source(const char *member)
{
	size_t i;

	for (i = 0; i < sources.count; i++)
		if (!strcmp(sources.list[i].member, member))
			return 1;
	return 0;
}

/*
 * A new archive must not replace an old one that holds what is nowhere else.
 * One that cannot even be opened is set aside.
 */
static void
guard_old_archive(void)
{
	struct archive_manifest m;
	char *error = NULL, *aside, *logs;
	int fd = open_archive(final);
	size_t i;

	if (archive_read_manifest(fd, &m, &error) < 0) {
		aside = xasprintf("%s.damaged", final);
		warn("%s is no good archive (%s): it is now %s",
		    quoted(final), error, quoted(aside));
		if (rename(final, aside) < 0)
			die_errno("could not rename %s: %m", quoted(final));
		free(aside);
		free(error);
		close(fd);
		return;
	}
	close(fd);
	logs = xasprintf("%s.jsonl", medium.hash);
	for (i = 0; i < m.count; i++)
		if (strcmp(m.members[i].name, logs) &&
		    !has_source(m.members[i].name))
			die(EXIT_FAILED, "cannot archive %s again: %s is only "
			    "in its archive %s", medium.hash,
			    quoted(m.members[i].name), quoted(final));
	free(logs);
	archive_manifest_free(&m);
}

static void
make_manifest(struct archive_manifest *m, int **fds)
{
	char text[32];
	time_t now = time(NULL);
	struct tm tm;
	size_t i;

	memset(m, 0, sizeof *m);
	gmtime_r(&now, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	m->created = xstrdup(text);
	m->medium = xstrdup(medium.hash);
	m->catalogue = xstrdup(medium.row);
	m->partitions = xstrdup(medium.partitions);
	*fds = xcalloc(sources.count, sizeof **fds);
	for (i = 0; i < sources.count; i++) {
		const struct archive_source *s = &sources.list[i];

		archive_manifest_add(m, s->member, (uint64_t)s->st.st_size,
		    s->st.st_mtim.tv_sec);
		(*fds)[i] = s->fd;
	}
}

static void
write_partial(struct archive_manifest *m)
{
	struct archive_job job = { .level = (int)opt.level, .manifest = m,
		.progress = progress_set, .stop = sig_caught };
	char *error = NULL;
	int *fds, err;

	make_manifest(m, &fds);
	job.members = fds;
	job.fd = open(partial, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0644);
	if (job.fd < 0)
		die_errno("could not create %s: %m", quoted(partial));
	progress_start("archiving", NULL, PROGRESS_BYTES,
	    archive_sources_bytes(&sources));
	if (archive_write(&job, &error) < 0) {
		err = errno;
		progress_stop();
		check_interrupted(err);
		warn("%s; the sources are untouched", error);
		give_up(exit_for_errno(err));
	}
	progress_stop();
	if (fsync(job.fd) < 0 || close(job.fd) < 0) {
		err = errno;
		warn("could not write %s: %m; the sources are untouched",
		    quoted(partial));
		give_up(exit_for_errno(err));
	}
	free(fds);
}

/* What was read back is what was read from the sources. */
static int
same_members(const struct archive_manifest *a,
    const struct archive_manifest *b)
{
	size_t i;

	if (a->count != b->count || strcmp(a->medium, b->medium))
		return 0;
	for (i = 0; i < a->count; i++)
		if (strcmp(a->members[i].name, b->members[i].name) ||
		    a->members[i].size != b->members[i].size ||
		    strcmp(a->members[i].blake3, b->members[i].blake3))
			return 0;
	return 1;
}

static void
prove_partial(const struct archive_manifest *written)
{
	struct archive_manifest m;
	size_t i;

	if (prove(partial, &m, archive_sources_bytes(&sources)) < 0)
		give_up(exit_for_errno(errno));
	if (!same_members(written, &m)) {
		warn("the archive %s holds another manifest than was written",
		    quoted(partial));
		give_up(EXIT_FAILED);
	}
	archive_manifest_free(&m);
	for (i = 0; i < sources.count; i++) {
		if (!archive_source_changed(&sources.list[i]))
			continue;
		warn("%s changed while it was archived",
		    quoted(sources.list[i].path));
		give_up(EXIT_FAILED);
	}
}

/*
 * An archive that another one replaces goes to ARCHIVE_ROOT/old/: it may be
 * the only record of what the medium was.  It has both names for a moment, so
 * that there is an archive at all times.
 */
static int
keep_old_archive(void)
{
	char *dir = path_join(config_get(CONFIG_ARCHIVE_ROOT), "old"), *kept;
	char date[32];
	struct tm tm;
	time_t t = time(NULL);
	int rc = 0, try;

	if (!exists(final))
		goto out;
	gmtime_r(&t, &tm);
	strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &tm);
	rc = make_dirs(dir);
	for (try = 0; rc == 0; try++) {
		kept = xasprintf("%s/%s.%s-%d.tar.zst", dir, medium.hash, date,
		    try);
		rc = link(final, kept);
		if (rc == 0 && (rc = fsync_parent(kept)) == 0)
			say("the archive that was there is %s now",
			    quoted(kept));
		free(kept);
		if (rc == 0 || errno != EEXIST)
			break;
		rc = 0;
	}
out:
	free(dir);
	return rc;
}

static void
make_archive(void)
{
	struct archive_manifest m;

	partial = xasprintf("%s.partial", final);
	log_step(LOG_ARCHIVE_START, "members", sources.count);
	write_partial(&m);
	log_step(LOG_ARCHIVE_WRITTEN, "bytes",
	    archive_sources_bytes(&sources));
	prove_partial(&m);
	log_step(LOG_ARCHIVE_PROVEN, "members", m.count);
	archive_manifest_free(&m);
	if (keep_old_archive() < 0 || rename(partial, final) < 0 ||
	    fsync_parent(final) < 0) {
		int err = errno;

		warn("could not rename %s: %m; the sources are untouched",
		    quoted(partial));
		give_up(exit_for_errno(err));
	}
	free(partial);
	partial = NULL;
}

static int
only_catalogue(const char *name)
{
	PGconn *db = db_need();
	char *file;

	medium.hash = medium_named_hash(db, name);
	store_mark_need(db, CONFIG_ARCHIVE_ROOT, 1);
	file = write_catalogue(db);
	say("what the catalogue knows of %s is in %s", medium.hash,
	    quoted(file));
	free(file);
	PQfinish(db);
	return EXIT_DONE;
}

static int
archive(const char *name)
{
	PGconn *db = db_need();
	char *error;
	size_t found;

	medium.hash = medium_named_hash(db, name);
	lock_medium();
	log_open(config_get(CONFIG_LOG_DIR), "ntt-archiver", medium.hash);
	name = medium.hash;
	if (archive_medium_find(&medium, db, name) < 0)
		db_die("could not look up %s", name);
	store_mark_need(db, CONFIG_ARCHIVE_ROOT, 1);
	find_sources();
	final = medium_archive(medium.hash);
	if (!opt.force && exists(medium.archive_path)) {
		PQfinish(db);
		free(final);
		final = xstrdup(medium.archive_path);
		return finish_removal();
	}
	check_rows(db);
	found = sources.count;
	if (archive_sources_add_catalogue(&sources, medium.hash, db,
	    &error) < 0)
		die(errno ? exit_for_errno(errno) : db_status(), "%s", error);
	/* nothing stays open through hours of reading */
	PQfinish(db);
	check_image();
	if (!opt.force && exists(final) && adopt())
		return conclude();
	if (wants_image() && !sources.has_image)
		die(EXIT_FAILED, "cannot archive %s: its image %s is not "
		    "there", medium.hash, quoted(sources.image));
	if (found == 0)
		die(EXIT_FAILED, "cannot archive %s: there is neither an "
		    "image nor a .raw nor a log of it", medium.hash);
	if (exists(final))
		guard_old_archive();
	make_archive();
	return conclude();
}

/* "img", ".img" or "<medium>.img". */
static char *
member_name(const char *hash, const char *word, size_t len)
{
	size_t n = strlen(hash);

	if (len > n && !strncmp(word, hash, n))
		return xasprintf("%.*s", (int)len, word);
	if (len > 0 && (word[0] == '.' || word[0] == '-'))
		return xasprintf("%s%.*s", hash, (int)len, word);
	return xasprintf("%s.%.*s", hash, (int)len, word);
}

static void
parse_range(const char *text, uint64_t *offset, uint64_t *length)
{
	const char *plus = strchr(text, '+');
	char *from;

	if (!plus)
		die_usage("the range must be OFFSET+LENGTH, not %s",
		    quoted(text));
	from = xasprintf("%.*s", (int)(plus - text), text);
	*offset = size_arg("OFFSET", from);
	*length = size_arg("LENGTH", plus + 1);
	free(from);
}

/* Without the catalogue as long as the whole hash is given. */
static char *
find_archive(const char *name, char **hash)
{
	char *path = NULL;
	PGconn *db;

	if (medium_valid(name)) {
		path = medium_archive(name);
		*hash = xstrdup(name);
		if (exists(path))
			return path;
		free(*hash);
		free(path);
	}
	db = db_need();
	*hash = medium_named_hash(db, name);
	if (archive_medium_find(&medium, db, *hash) < 0)
		db_die("could not look up %s", *hash);
	PQfinish(db);
	if (medium.archive_path)
		return xstrdup(medium.archive_path);
	return medium_archive(*hash);
}

static int
put_stdout(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	return write_all(STDOUT_FILENO, bytes, len);
}

static int
extract(const char *name, const char *what)
{
	uint64_t offset = 0, length = UINT64_MAX;
	const char *colon = strchr(what, ':');
	char *hash, *path = find_archive(name, &hash), *error, *member;
	int fd = open_archive(path), rc;

	if (colon)
		parse_range(colon + 1, &offset, &length);
	member = member_name(hash, what, colon ? (size_t)(colon - what) :
	    strlen(what));
	rc = archive_extract(fd, member, offset, length, put_stdout, NULL,
	    &error);
	if (rc < 0)
		die(exit_for_errno(errno), "could not extract %s from %s: %s",
		    quoted(member), quoted(path), error);
	free(member);
	free(path);
	free(hash);
	close(fd);
	return EXIT_DONE;
}

int
main(int argc, char **argv)
{
	const char *name;

	prog_start(&prog, argc, argv);
	prog_options(options);
	name = prog_need_medium(0, opt.extract);
	prog_operands(opt.extract, opt.extract);
	if (opt.catalogue && (opt.extract || opt.force || opt.keep))
		die_usage("--catalogue makes no archive");
	prog_config();
	if (opt.catalogue)
		return only_catalogue(name);
	if (opt.extract)
		return extract(name, prog_operand(0));
	sig_catch();
	return archive(name);
}
