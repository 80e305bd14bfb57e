/*
 * Segments are made from the catalogue, also when they are merged, because no
 * tool joins two segments.  There are never more than eight besides the
 * largest.  Segments that are small compared with the largest are merged with
 * each other.  So a name is written only a few times, even if media come one by
 * one.
 */
#define _GNU_SOURCE
#include "index.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/lock.h"
#include "base/num.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "catalogue/db.h"
#include "find/segments.h"
#include "sql/statements.h"

enum {
	SEGMENTS_MAX = 9,
	ROUNDS_MAX = 100,
	BLOCK = 1 << 20
};

static struct {
	PGconn *db;
	char *dir;
	struct segments segments;
	/* the segment that is being written, in the format of mlocate.db(5) */
	int fd;
	struct buf out;
	struct buf in;		/* the directory that entries are in */
	int in_directory;
	uint64_t paths;
	uint64_t total;		/* of all segments made */
	int folds;
} ix;

/* ---- the format of mlocate ---- */

static int
flush(void)
{
	int rc = write_all(ix.fd, ix.out.data, ix.out.len);

	buf_reset(&ix.out);
	return rc;
}

static void
put_header(void)
{
	/* no size of configuration, version 0, no check of visibility */
	buf_put(&ix.out, "\0mlocate\0\0\0\0\0\0\0", 16);
	buf_put(&ix.out, "/", 2);
}

static void
end_directory(void)
{
	if (ix.in_directory)
		buf_putc(&ix.out, 2);
	ix.in_directory = 0;
}

/* "/HASH", and for all but the root's entries "/" and the path. */
static void
put_directory(const char *medium, const char *path, size_t len, int in_root)
{
	static const char no_time[16];

	end_directory();
	buf_reset(&ix.in);
	buf_put(&ix.in, path, len);
	buf_put(&ix.out, no_time, sizeof no_time);
	buf_putc(&ix.out, '/');
	buf_puts(&ix.out, medium);
	if (!in_root) {
		buf_putc(&ix.out, '/');
		buf_put(&ix.out, path, len);
	}
	buf_putc(&ix.out, '\0');
	ix.in_directory = in_root ? 2 : 1;
}

static int
has_folds(const char *path, size_t len)
{
	static const char *const folds[] = SEGMENT_FOLDS;
	size_t i;

	for (i = 0; i < sizeof folds / sizeof folds[0]; i++)
		if (memmem(path, len, folds[i], strlen(folds[i])))
			return 1;
	return 0;
}

static int
put_path(const char *medium, const char *path, size_t len)
{
	const char *slash = memrchr(path, '/', len);
	const char *name = slash ? slash + 1 : path;
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (len == 0)
		return 0;
	if (ix.in_directory != (slash ? 1 : 2) || ix.in.len != n ||
	    (n && memcmp(ix.in.data, path, n)))
		put_directory(medium, path, n, !slash);
	buf_putc(&ix.out, 0);
	buf_put(&ix.out, name, len - (size_t)(name - path));
	buf_putc(&ix.out, '\0');
	ix.folds = ix.folds || has_folds(path, len);
	ix.paths++;
	return ix.out.len > BLOCK ? flush() : 0;
}

/* ---- a medium ---- */

static uint32_t
be32_at(const char *p)
{
	uint32_t n;

	memcpy(&n, p, sizeof n);
	return be32toh(n);
}

enum { COPY_HEADER = 19, ROW_HEADER = 6 };

/* Binary rows of one column, the first after a header: 0, or -1. */
static int
take_row(const char *medium, char *row, size_t len, int first)
{
	if (first) {
		row += COPY_HEADER;
		len -= COPY_HEADER;
	}
	/* the end is a row of -1 columns */
	if (len < ROW_HEADER)
		return 0;
	return put_path(medium, row + ROW_HEADER, be32_at(row + 2));
}

static int
copy_paths(const char *medium)
{
	char *table = db_ident(ix.db, "path_p_", medium);
	char *sql = xasprintf("COPY %s (path) TO STDOUT (FORMAT binary)",
	    table), *row;
	PGresult *res = PQexec(ix.db, sql);
	int rc = PQresultStatus(res) == PGRES_COPY_OUT ? 0 : -1, n, first = 1;

	free(sql);
	free(table);
	if (rc < 0) {
		PQclear(db_check(ix.db, res));
		return -1;
	}
	PQclear(res);
	while ((n = PQgetCopyData(ix.db, &row, 0)) > 0) {
		if (rc == 0)
			rc = take_row(medium, row, (size_t)n, first);
		if (rc < 0)
			die_errno("could not write in %s: %m",
			    quoted(ix.dir));
		first = 0;
		PQfreemem(row);
		if (ix.paths % 65536 == 0)
			progress_set(ix.total + ix.paths);
		if (sig_caught())
			exit(EXIT_SIGNAL + sig_caught());
	}
	while ((res = PQgetResult(ix.db))) {
		res = db_check(ix.db, res);
		if (!res)
			rc = -1;
		PQclear(res);
	}
	end_directory();
	return n == -2 ? -1 : rc;
}

/*
 * Its names as they are in one moment, with what the catalogue calls them.  A
 * medium that is not loaded any more is left out.
 */
static void
add_medium(struct segment *to, const char *medium)
{
	struct segment_medium *m;
	uint64_t before = ix.paths;
	PGresult *res;

	if (db_script(ix.db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") < 0)
		db_die("could not read the names of %s", medium);
	res = db_query(ix.db, sql_db_index_medium, medium);
	if (!res)
		db_die("could not read the names of %s", medium);
	ix.folds = 0;
	if (PQntuples(res) > 0) {
		if (copy_paths(medium) == 0) {
			m = segment_add(to, medium, db_text(res, 0, 0));
			m->paths = ix.paths - before;
			m->folds = ix.folds;
		} else if (strcmp(db_sqlstate(), "42P01")) {
			db_die("could not read the names of %s", medium);
		}
	}
	PQclear(res);
	db_rollback(ix.db);
}

/* ---- a segment ---- */

static char *
new_name(void)
{
	unsigned char bits[16];
	char hex[33];

	if (getrandom(bits, sizeof bits, 0) != sizeof bits)
		die_errno("could not get random numbers: %m");
	hex_encode(hex, bits, sizeof bits);
	return xasprintf("%s.db", hex);
}

/* It is where the programs of root are, and needs none of his rights. */
static char *
builder(void)
{
	char *path = program_path("plocate-build");

	return path ? path : xstrdup("/usr/sbin/plocate-build");
}

static void
run_plocate_build(const char *path)
{
	char *program = builder();
	char *argv[] = { program, (char *)"-l", (char *)"no",
		(char *)"/proc/self/fd/0", (char *)path, NULL };
	struct spawn_io io = SPAWN_INHERIT;
	struct buf said = BUF_INIT;
	int status;

	io.in = ix.fd;
	io.err = SPAWN_OUT;
	status = run_capture(argv, &io, &said, 4096, 0);
	if (status != 0) {
		unlink(path);
		if (status == EXIT_NOPROG)
			die(EXIT_NOPROG, "plocate-build is not installed "
			    "(package plocate)");
		if (sig_caught())
			exit(EXIT_SIGNAL + sig_caught());
		die(EXIT_FAILED, "plocate-build ended with status %d: %s",
		    status, quoted(said.data ? said.data : ""));
	}
	buf_free(&said);
	free(program);
}

/* What it has must be as much as went in: silence would hide files. */
static void
check_count(const char *path)
{
	char *argv[] = { (char *)"plocate", (char *)"-c", (char *)"-d",
		(char *)"/proc/self/fd/0", (char *)"--", (char *)"", NULL };
	struct spawn_io io = SPAWN_INHERIT;
	struct buf said = BUF_INIT;
	uint64_t n = UINT64_MAX;

	io.in = open(path, O_RDONLY | O_CLOEXEC);
	run_capture(argv, &io, &said, 4096, 0);
	close(io.in);
	if (said.len > 0 && said.data[said.len - 1] == '\n')
		said.data[said.len - 1] = '\0';
	if (!said.data || num_u64(said.data, 0, UINT64_MAX - 1, &n) < 0 ||
	    n != ix.paths) {
		unlink(path);
		die(EXIT_FAILED, "plocate-build was given %llu names, and the "
		    "index has %s", (unsigned long long)ix.paths,
		    quoted(said.data ? said.data : ""));
	}
	buf_free(&said);
}

static void
open_input(void)
{
	char *path;

	ix.fd = open(ix.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (ix.fd < 0) {
		path = path_join(ix.dir, "names.XXXXXX");
		ix.fd = mkostemp(path, O_CLOEXEC);
		if (ix.fd >= 0)
			unlink(path);
		free(path);
	}
	if (ix.fd < 0)
		die_errno("could not write in %s: %m", quoted(ix.dir));
	buf_reset(&ix.out);
	ix.in_directory = 0;
	ix.paths = 0;
	put_header();
}

/* Its file, durable; *bytes is how large it is. */
static void
make_file(const char *name, uint64_t *bytes)
{
	char *path = path_join(ix.dir, name);
	struct stat st;
	int fd;

	if (flush() < 0)
		die_errno("could not write in %s: %m", quoted(ix.dir));
	run_plocate_build(path);
	close(ix.fd);
	fd = open_regular(path, O_RDWR, 0);
	if (fd < 0 || fchmod(fd, 0600) < 0 || fsync(fd) < 0 ||
	    fstat(fd, &st) < 0 || fsync_dir(ix.dir) < 0)
		die_errno("could not write %s: %m", quoted(path));
	close(fd);
	check_count(path);
	*bytes = (uint64_t)st.st_size;
	free(path);
}

/* ---- which media go where ---- */

/* How many names of a segment are those of the catalogue. */
static uint64_t
live_paths(const struct segment *s, const PGresult *loaded, uint64_t *all)
{
	uint64_t live = 0;
	size_t i;
	int row;

	*all = 0;
	for (i = 0; i < s->count; i++) {
		*all += s->media[i].paths;
		for (row = 0; row < PQntuples(loaded); row++)
			if (!strcmp(s->media[i].hash,
			    db_text(loaded, row, 0)) &&
			    !strcmp(s->media[i].names,
			    db_text(loaded, row, 1)))
				live += s->media[i].paths + 1;
	}
	return live;
}

static int
is_in(const struct segments *s, const char *hash, const char *names)
{
	size_t i, j;

	for (i = 0; i < s->count; i++)
		for (j = 0; j < s->list[i].count; j++)
			if (!strcmp(s->list[i].media[j].hash, hash) &&
			    !strcmp(s->list[i].media[j].names, names))
				return 1;
	return 0;
}

static uint64_t
size_of(const struct segment *s)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < s->count; i++)
		n += s->media[i].paths + 1;
	return n;
}

static size_t
smallest(const struct segments *s)
{
	size_t i, least = 0;

	for (i = 1; i < s->count; i++)
		if (size_of(&s->list[i]) < size_of(&s->list[least]))
			least = i;
	return least;
}

/*
 * Takes segments out of the list whose media go into the new one: those that
 * are mostly of loads that are gone, and, where there would be too many, the
 * small ones, as long as the next is not larger than all of them together.
 */
static void
choose_merged(struct segments *s, const PGresult *loaded)
{
	uint64_t all, sum = 0;
	size_t i;

	for (i = s->count; i-- > 0; )
		if (live_paths(&s->list[i], loaded, &all) <= all / 2)
			segments_remove(s, i);
	if (s->count < SEGMENTS_MAX)
		return;
	while (s->count > 0) {
		i = smallest(s);
		if (s->count < SEGMENTS_MAX && size_of(&s->list[i]) > 2 * sum)
			break;
		sum += size_of(&s->list[i]);
		segments_remove(s, i);
	}
}

/* ---- the directory ---- */

static int
is_kept(const char *name)
{
	size_t i;

	if (*name == '.' && (is_dot(name) || !strstr(name, ".tmp")))
		return 1;
	if (!strcmp(name, "lock") || !strcmp(name, "segments"))
		return 1;
	for (i = 0; i < ix.segments.count; i++)
		if (!strcmp(name, ix.segments.list[i].name))
			return 1;
	return 0;
}

/* What nobody refers to: segments that were merged, and what was begun. */
static void
sweep(void)
{
	DIR *dir = opendir(ix.dir);
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (!is_kept(e->d_name))
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
}

static void
make_dir(void)
{
	ix.dir = segments_dir();
	if (make_parents(ix.dir) < 0 ||
	    (mkdir(ix.dir, 0700) < 0 && errno != EEXIST))
		die_errno("could not make %s: %m", quoted(ix.dir));
}

/* ---- all of it ---- */

/* Media that the index has not; the caller frees it. */
static PGresult *
list_loaded(void)
{
	PGresult *res = db_query(ix.db, sql_db_index_loaded);

	if (!res)
		db_die("could not list the media");
	return res;
}

static int
lacks(const PGresult *loaded)
{
	int row;

	for (row = 0; row < PQntuples(loaded); row++)
		if (!is_in(&ix.segments, db_text(loaded, row, 0),
		    db_text(loaded, row, 1)))
			return 1;
	return 0;
}

/* One more segment, of what the index has not and what is merged: 0 nothing. */
static int
round_once(void)
{
	PGresult *loaded = list_loaded();
	struct segments kept = ix.segments;
	struct segment new = { NULL, 0, NULL, 0 }, *last;
	uint64_t bytes;
	int row, todo = lacks(loaded);

	if (!todo) {
		PQclear(loaded);
		return 0;
	}
	choose_merged(&kept, loaded);
	open_input();
	for (row = 0; row < PQntuples(loaded); row++)
		if (!is_in(&kept, db_text(loaded, row, 0),
		    db_text(loaded, row, 1)))
			add_medium(&new, db_text(loaded, row, 0));
	PQclear(loaded);
	new.name = new_name();
	make_file(new.name, &bytes);
	last = segments_add(&kept, new.name, bytes);
	last->media = new.media;
	last->count = new.count;
	free(new.name);
	ix.segments = kept;
	ix.total += ix.paths;
	if (segments_write(ix.dir, &ix.segments) < 0)
		die_errno("could not write the list in %s: %m",
		    quoted(ix.dir));
	sweep();
	return 1;
}

/* Does the index lack something by now? */
static int
lacks_now(void)
{
	PGresult *loaded = list_loaded();
	int rc = lacks(loaded);

	PQclear(loaded);
	return rc;
}

static void
read_list(void)
{
	segments_free(&ix.segments);
	if (segments_read(ix.dir, &ix.segments) < 0 && errno != ENOENT)
		warn("the list in %s is damaged, so the index is made anew",
		    quoted(ix.dir));
	sweep();
}

int
index_names(PGconn *db)
{
	int rounds = 0, made = 0, lock, more = 1;

	ix.db = db;
	if (!program_installed("plocate-build") ||
	    !program_installed("plocate"))
		die(EXIT_NOPROG, "plocate is not installed, so there is no "
		    "index of names");
	make_dir();
	/* who is at work looks again at the end, for what we would do */
	while (more) {
		lock = lock_try(ix.dir, "lock", LOCK_EXCLUSIVE);
		if (lock < 0 && errno == EWOULDBLOCK) {
			say("another ntt-db is at work on the index");
			return made ? EXIT_DONE : EXIT_AGAIN;
		}
		if (lock < 0)
			die_errno("could not lock %s: %m", quoted(ix.dir));
		read_list();
		progress_start("indexing", "names", PROGRESS_COUNT, 0);
		while (rounds++ < ROUNDS_MAX && round_once())
			made = 1;
		progress_stop();
		lock_release(lock);
		more = rounds < ROUNDS_MAX && lacks_now();
	}
	if (!made)
		say("the index has all names already");
	else
		say("%s names went into the index", num_grouped(ix.total));
	segments_free(&ix.segments);
	free(ix.dir);
	return made ? EXIT_DONE : EXIT_REFUSED;
}
