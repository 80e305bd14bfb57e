/*
 * Archives, catalogue files, the dump.  Each is written beside its name, read
 * back, renamed and recorded.  The replaced file is kept in archives/old.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "base/tempfile.h"
#include "catalogue/catalogue_file.h"
#include "catalogue/db.h"
#include "hash/blake3_hex.h"
#include "mirror.h"
#include "sql/statements.h"

#define ARCHIVES "archives"
#define REMOVED "removed.jsonl"
static const char archive_suffix[] = ".tar.zst";

enum { PIECE = 1 << 20 };

static void
place_failed(struct mirror *m, const char *path)
{
	if (errno != ENOSPC && errno != EDQUOT)
		die_errno("could not write %s: %m", quoted(path));
	m->full = 1;
}

static int
ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	return n > s && !strcmp(name + n - s, suffix);
}

/* ---- what a killed one left ---- */

static int
is_leftover(const char *name)
{
	const char *dot;

	if (*name != '.' || !ends_with(name, ".tmp"))
		return 0;
	for (dot = name + strlen(name) - 5; dot > name && *dot >= '0' &&
	    *dot <= '9'; dot--)
		;
	return dot > name && *dot == '.';
}

static void
tidy(const char *dir, int (*is)(const char *name))
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (!is_dot(e->d_name) && is(e->d_name))
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

static int
any(const char *name)
{
	return *name >= '0' && *name <= '9';
}

/* Whoever has the lock of the place is the only one who writes there. */
void
files_tidy(const struct mirror *m)
{
	char *archives = path_join(m->to->path, ARCHIVES);
	char *blobs = path_join(m->to->path, "by-hash/.tmp");
	char *dumps = path_join(m->to->path, DEPOT_DUMPS);

	if (!m->to->remote)
		tidy(m->to->path, is_leftover);
	tidy(archives, is_leftover);
	tidy(dumps, is_leftover);
	tidy(blobs, any);
	free(archives);
	free(blobs);
	free(dumps);
}

/* ---- one file ---- */

/* 0, or -1 with errno and *reading: at which side. */
static int
copy_bytes(int from, int to, char id[STORE_ID + 1], int *reading)
{
	char *piece = xmalloc(PIECE);
	uint64_t done = 0;
	blake3_hasher h;
	ssize_t n;
	int rc = 0;

	*reading = 1;
	blake3_hasher_init(&h);
	while (rc == 0 && (n = read_full(from, piece, PIECE)) != 0) {
		if (n < 0 || sig_caught()) {
			errno = n < 0 ? errno : EINTR;
			rc = -1;
			break;
		}
		blake3_hasher_update(&h, piece, (size_t)n);
		rc = write_all(to, piece, (size_t)n);
		*reading = rc == 0;
		progress_set(done += (uint64_t)n);
	}
	free(piece);
	blake3_hex(&h, id);
	return rc;
}

static int
read_back(int fd, char id[STORE_ID + 1])
{
	if (fsync(fd) < 0)
		return -1;
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return store_hash(fd, id);
}

/* A second name, or another one where the file system has no links. */
static int
name_old(const char *path, const char *name)
{
	if (linkat(AT_FDCWD, path, AT_FDCWD, name, 0) == 0)
		return 0;
	return errno == EEXIST || errno == ENOENT ? -1 :
	    renameat2(AT_FDCWD, path, AT_FDCWD, name, RENAME_NOREPLACE);
}

/* A directory of the place, where there may be one already. */
static int
make_directory(const struct mirror *m, const char *dir)
{
	return mkdir(dir, m->to->store.private ? 0750 : 0755) == 0 ||
	    errno == EEXIST ? 0 : -1;
}

/* A name for it in archives/old: no archive is deleted at a place. */
static int
keep_old(const struct mirror *m, const char *path, const char *base)
{
	char *dir = path_join(m->to->path, ARCHIVES "/old"), *name;
	char date[32] = "";
	time_t now = time(NULL);
	unsigned int i;
	struct tm tm;
	int rc = -1;

	if (access(path, F_OK) < 0) {
		free(dir);
		return errno == ENOENT ? 0 : -1;
	}
	if (gmtime_r(&now, &tm))
		strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &tm);
	if (make_directory(m, dir) == 0)
		for (i = 0; rc < 0 && i < 1000; i++) {
			name = xasprintf("%s/%s.%s.%u", dir, base, date, i);
			rc = name_old(path, name);
			free(name);
			if (rc < 0 && errno != EEXIST)
				break;
		}
	free(dir);
	return rc;
}

static void
record(struct mirror *m, const char *name, const struct stat *st,
    const char *id)
{
	char size[24], mtime[40];

	snprintf(size, sizeof size, "%lld", (long long)st->st_size);
	snprintf(mtime, sizeof mtime, "%lld", (long long)st->st_mtim.tv_sec *
	    1000000000LL + st->st_mtim.tv_nsec);
	if (db_do(m->db, sql_places_file_is, m->to->name, name, size, mtime,
	    id) < 0)
		db_die("could not record that %s has %s", m->to->name,
		    quoted(name));
}

/* It is there as it was sent, and is now here. */
static int
is_sent(const struct mirror *m, const char *name, const char *path,
    const struct stat *st)
{
	PGresult *res = db_query(m->db, sql_places_files, m->to->name, name);
	struct stat there;
	int sent;

	if (!res)
		db_die("could not ask what %s has", m->to->name);
	sent = PQntuples(res) > 0 && db_int(res, 0, 1) == st->st_size &&
	    db_int(res, 0, 2) == (long long)st->st_mtim.tv_sec *
	    1000000000LL + st->st_mtim.tv_nsec &&
	    (m->to->remote || (stat(path, &there) == 0 &&
	    there.st_size == st->st_size));
	PQclear(res);
	return sent;
}

/* The same bytes came there before anybody recorded it: 1. */
static int
is_same(int from, const char *path, const struct stat *st,
    char id[STORE_ID + 1])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), same = 0;
	char other[STORE_ID + 1];
	struct stat there;

	if (fd < 0)
		return 0;
	if (fstat(fd, &there) == 0 && there.st_size == st->st_size &&
	    store_hash(from, id) == 0 && read_back(fd, other) == 0)
		same = !strcmp(id, other);
	close(fd);
	lseek(from, 0, SEEK_SET);
	return same && fsync_parent(path) == 0;
}

static void
bad(struct mirror *m, const char *path)
{
	int err = errno;

	progress_hide();
	printf("%s is not sent: %s\n", quoted(path), strerror(err));
	m->bad = 1;
}

/* What had its name is kept; remote places have no other trace of it. */
static void
send_away(struct mirror *m, int from, const char *source, const char *name,
    const struct stat *st)
{
	PGresult *res = db_query(m->db, sql_places_files, m->to->name, name);
	char id[STORE_ID + 1];
	int replaces;

	if (!res)
		db_die("could not ask what %s has", m->to->name);
	replaces = PQntuples(res) > 0;
	PQclear(res);
	if (replaces && db_do(m->db, sql_places_file_is_not, m->to->name,
	    name) < 0)
		db_die("could not record that");
	if (remote_send_file(m, from, name, replaces, id) < 0) {
		bad(m, source);
		return;
	}
	record(m, name, st, id);
	m->files++;
	m->file_bytes += (uint64_t)st->st_size;
}

/* from is open; its name at the place is name, below it. */
static void
send_open(struct mirror *m, int from, const char *source, const char *name,
    const struct stat *st)
{
	char *path = path_join(m->to->path, name);
	char id[STORE_ID + 1], back[STORE_ID + 1];
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	struct tempfile t = { .fd = -1 };
	struct stat now;
	int reading = 0, rc;

	if (is_same(from, path, st, id)) {
		record(m, name, st, id);
		free(path);
		return;
	}
	rc = tempfile_open(&t, path);
	if (rc == 0)
		rc = copy_bytes(from, t.fd, id, &reading);
	if (rc < 0 && reading) {
		tempfile_abort(&t);
		mirror_interrupted(m);
		bad(m, source);
		free(path);
		return;
	}
	if (rc == 0)
		rc = fchmod(t.fd, st->st_mode & 0777) < 0 ||
		    futimens(t.fd, times) < 0 || read_back(t.fd, back) < 0;
	if (rc == 0 && strcmp(id, back)) {
		tempfile_abort(&t);
		die(EXIT_FAILED, "%s gave other bytes for %s than were "
		    "written", quoted(m->to->path), quoted(name));
	}
	/* it grew, or is another file by now: the next run sends that */
	if (rc == 0 && (fstat(from, &now) < 0 ||
	    now.st_size != st->st_size ||
	    now.st_mtim.tv_sec != st->st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != st->st_mtim.tv_nsec)) {
		tempfile_abort(&t);
		errno = EBUSY;
		bad(m, source);
		free(path);
		return;
	}
	if (rc == 0)
		rc = keep_old(m, path, strrchr(path, '/') + 1) < 0 ||
		    tempfile_commit(&t) < 0;
	if (rc) {
		int err = errno;

		tempfile_abort(&t);
		errno = err;
		place_failed(m, path);
	} else {
		record(m, name, st, id);
		m->files++;
		m->file_bytes += (uint64_t)st->st_size;
	}
	free(path);
}

static void
send_file(struct mirror *m, const char *source, const char *name)
{
	char *path = path_join(m->to->path, name);
	struct stat st;
	int fd;

	mirror_interrupted(m);
	if (m->full)
		goto out;
	if (stat(source, &st) == 0 && S_ISREG(st.st_mode) &&
	    is_sent(m, name, path, &st))
		goto out;
	fd = open_regular(source, O_RDONLY, 0);
	if (fd < 0 || fstat(fd, &st) < 0) {
		bad(m, source);
	} else {
		progress_start("sending", NULL, PROGRESS_BYTES,
		    (uint64_t)st.st_size);
		progress_note(name);
		if (m->to->remote)
			send_away(m, fd, source, name, &st);
		else
			send_open(m, fd, source, name, &st);
		progress_stop();
	}
	if (fd >= 0)
		close(fd);
out:
	free(path);
}

/* ---- those of ARCHIVE_ROOT ---- */

/* The medium that a name begins with was removed. */
static int
was_removed(const struct mirror *m, const char *name)
{
	char *hash = xasprintf("%.*s", (int)strcspn(name, "."), name);
	PGresult *res = db_query(m->db, sql_mirror_removed, hash);
	int removed;

	free(hash);
	if (!res)
		db_die("could not ask what was removed");
	removed = db_bool(res, 0, 0);
	PQclear(res);
	return removed;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
send_all(struct mirror *m, const char *suffix)
{
	const char *root = config_get(CONFIG_ARCHIVE_ROOT);
	DIR *dir = opendir(root);
	const struct dirent *e;
	char **names = NULL;
	size_t count = 0, i;

	if (!dir && errno != ENOENT)
		die_errno("could not read %s: %m", quoted(root));
	while (dir && (errno = 0, e = readdir(dir))) {
		if (*e->d_name == '.' || !ends_with(e->d_name, suffix))
			continue;
		names = xrealloc(names, (count + 1) * sizeof *names);
		names[count++] = xstrdup(e->d_name);
	}
	if (dir && errno)
		die_errno("could not read %s: %m", quoted(root));
	if (dir)
		closedir(dir);
	if (count > 0)
		qsort(names, count, sizeof *names, compare);
	for (i = 0; i < count; i++) {
		char *source = path_join(root, names[i]);
		char *name = path_join(ARCHIVES, names[i]);

		if (!m->full && !was_removed(m, names[i]))
			send_file(m, source, name);
		free(source);
		free(name);
		free(names[i]);
	}
	free(names);
}

static PGresult *
media(const struct mirror *m)
{
	PGresult *res = db_query(m->db, sql_mirror_media);

	if (!res)
		db_die("could not list the media");
	return res;
}

/* Every medium that is loaded has a file, and one that is copied has the news. */
static void
write_catalogues(const struct mirror *m)
{
	PGresult *res = media(m);
	int row, current;
	char *file;

	for (row = 0; row < PQntuples(res); row++) {
		const char *hash = db_text(res, row, 0);

		mirror_interrupted(m);
		if (!db_bool(res, row, 3))
			continue;
		if (catalogue_file_newest(hash) > 0) {
			if (!db_bool(res, row, 4))
				continue;
			current = catalogue_file_current(m->db, hash);
			if (current < 0)
				db_die("could not look at the catalogue file "
				    "of %s", hash);
			if (current)
				continue;
		}
		file = catalogue_file_write(m->db, hash);
		if (!file && errno)
			die_errno("could not write the catalogue file of %s: "
			    "%m", hash);
		if (!file)
			db_die("could not write the catalogue file of %s",
			    hash);
		free(file);
	}
	PQclear(res);
}

/* Appended to text unless it has them: the lines of a file. */
static int
add_lines(struct buf *text, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int rc;

	if (!f)
		return errno == ENOENT ? 0 : -1;
	while ((len = getline(&line, &size, f)) > 0) {
		if (line[len - 1] != '\n' ||
		    (text->data && strstr(text->data, line)))
			continue;
		buf_put(text, line, (size_t)len);
	}
	rc = ferror(f) ? -1 : 0;
	fclose(f);
	free(line);
	return rc;
}

/* Lines that are there stay: they may be all that is left of them. */
static void
send_removed(struct mirror *m)
{
	char *source = path_join(config_get(CONFIG_ARCHIVE_ROOT), REMOVED);
	char *path = path_join(m->to->path, ARCHIVES "/" REMOVED);
	struct buf text = BUF_INIT;
	struct tempfile t = { .fd = -1 };
	size_t before;

	if (m->to->remote) {
		if (access(source, F_OK) == 0)
			send_file(m, source, ARCHIVES "/" REMOVED);
		free(source);
		free(path);
		return;
	}
	if (add_lines(&text, path) < 0)
		die_errno("could not read %s: %m", quoted(path));
	before = text.len;
	if (add_lines(&text, source) < 0)
		die_errno("could not read %s: %m", quoted(source));
	if (text.len > before && (tempfile_open(&t, path) < 0 ||
	    write_all(t.fd, text.data, text.len) < 0 ||
	    tempfile_commit(&t) < 0))
		place_failed(m, path);
	buf_free(&text);
	free(source);
	free(path);
}

void
files_send_catalogues(struct mirror *m)
{
	write_catalogues(m);
	send_removed(m);
	if (!m->full)
		send_all(m, CATALOGUE_FILE_SUFFIX);
}

void
files_send_archives(struct mirror *m)
{
	PGresult *res;
	int row;

	send_all(m, archive_suffix);
	res = media(m);
	for (row = 0; row < PQntuples(res) && !m->full; row++) {
		const char *hash = db_text(res, row, 0);
		char *name = xasprintf(ARCHIVES "/%s%s", hash, archive_suffix);
		char *usual = medium_archive(hash);
		char *path = db_path_value(res, row, 1);

		/* those that are elsewhere, or nowhere */
		if (db_bool(res, row, 2) && path && access(usual, F_OK) < 0)
			send_file(m, path, name);
		free(name);
		free(usual);
		free(path);
	}
	PQclear(res);
}

/* ---- older dumps ---- */

enum { OLDER_DUMPS = 3, DAY = sizeof "20261129" - 1 };

/* The day of a name in DEPOT_DUMPS, NULL: no dump. */
static const char *
dump_day(const char *name)
{
	const char *day = name + sizeof DEPOT_OLDER - 1;

	return !strncmp(name, DEPOT_OLDER, sizeof DEPOT_OLDER - 1) &&
	    strspn(day, "0123456789") == DAY &&
	    !strcmp(day + DAY, ".dump") ? day : NULL;
}

static void
put_day(char day[DAY + 1], time_t when)
{
	struct tm tm;

	if (!gmtime_r(&when, &tm) || strftime(day, DAY + 1, "%Y%m%d", &tm) !=
	    DAY)
		memcpy(day, "00000000", DAY + 1);
}

/* The catalogue knows the file by its other name, too, and --check reads it. */
static void
keep_row(const struct mirror *m, const char *name)
{
	PGresult *res = db_query(m->db, sql_places_files, m->to->name,
	    DEPOT_DUMP);

	if (!res || (PQntuples(res) > 0 && db_do(m->db, sql_places_file_is,
	    m->to->name, name, db_text(res, 0, 1), db_text(res, 0, 2),
	    db_text(res, 0, 3)) < 0))
		db_die("could not record that %s has %s", m->to->name, name);
	PQclear(res);
}

/*
 * The dump that is there is kept as that of its day, so that a catalogue that was
 * wrong when it was dumped has not replaced the last right one.
 */
static void
keep_dump(const struct mirror *m, const char *path)
{
	char *dir = path_join(m->to->path, DEPOT_DUMPS), *name, *to, *temp;
	char day[DAY + 1];
	PGresult *res;
	struct stat st;
	int there;

	if (m->to->remote) {
		res = db_query(m->db, sql_places_files, m->to->name,
		    DEPOT_DUMP);
		if (!res)
			db_die("could not ask what %s has", m->to->name);
		there = PQntuples(res) > 0;
		put_day(day, there ? db_int(res, 0, 2) / 1000000000 : 0);
		PQclear(res);
	} else {
		there = lstat(path, &st) == 0 && S_ISREG(st.st_mode);
		put_day(day, there ? st.st_mtim.tv_sec : 0);
	}
	name = xasprintf(DEPOT_DUMPS "/" DEPOT_OLDER "%s.dump", day);
	to = path_join(m->to->path, name);
	temp = xasprintf("%s/.older.0.tmp", dir);
	if (there && m->to->remote) {
		/* interrupted before the new one is there: this one is */
		if (remote_move(DEPOT_DUMP, name) == 0)
			keep_row(m, name);
	} else if (there) {
		unlink(temp);
		if (make_directory(m, dir) < 0 ||
		    name_old(path, temp) < 0 || rename(temp, to) < 0 ||
		    fsync_parent(to) < 0)
			die_errno("could not keep the dump %s: %m",
			    quoted(path));
		/* two names of one file: rename(2) does nothing then */
		unlink(temp);
		keep_row(m, name);
	}
	free(temp);
	free(to);
	free(name);
	free(dir);
}

static int
newest_first(const void *a, const void *b)
{
	return strcmp(*(char *const *)b, *(char *const *)a);
}

static void
drop_dump(const struct mirror *m, const char *base)
{
	char *name = path_join(DEPOT_DUMPS, base);
	char *path = path_join(m->to->path, name);
	int failed = m->to->remote ? remote_delete(name) != 0 :
	    unlink(path) < 0 && errno != ENOENT;

	if (failed)
		warn("could not delete the old dump %s of %s", name,
		    m->to->name);
	else if (db_do(m->db, sql_places_file_is_not, m->to->name, name) < 0)
		db_die("could not record that");
	free(path);
	free(name);
}

/* Those of today, and of the last days that have one, stay. */
static void
drop_old_dumps(const struct mirror *m)
{
	char *dir = path_join(m->to->path, DEPOT_DUMPS), *at, *line;
	struct buf names = BUF_INIT;
	char **list = NULL, today[DAY + 1];
	size_t count = 0, older = 0, i;
	const struct dirent *e;
	DIR *d = m->to->remote ? NULL : opendir(dir);

	if (m->to->remote)
		remote_list(DEPOT_DUMPS "/", &names, INT32_MAX);
	while (d && (e = readdir(d)))
		buf_printf(&names, "%s\n", e->d_name);
	if (d)
		closedir(d);
	at = names.data;
	while (at && (line = strsep(&at, "\n")))
		if (dump_day(line)) {
			list = xrealloc(list, (count + 1) * sizeof *list);
			list[count++] = line;
		}
	if (count > 0)
		qsort(list, count, sizeof *list, newest_first);
	put_day(today, time(NULL));
	for (i = 0; i < count; i++)
		if (strncmp(dump_day(list[i]), today, DAY) &&
		    ++older > OLDER_DUMPS)
			drop_dump(m, list[i]);
	free(list);
	buf_free(&names);
	free(dir);
}

/* ---- the dump ---- */

static int
dump(struct mirror *m, const char *path)
{
	char *argv[] = { (char *)"ntt-db", (char *)"backup", (char *)"-q",
		(char *)(uintptr_t)path, NULL };
	uint64_t room;
	int rc = run(argv, NULL);

	if (rc == EXIT_DONE)
		return 0;
	mirror_interrupted(m);
	if (store_free(&m->to->store, &room) == 0 && room < PIECE) {
		m->full = 1;
		return -1;
	}
	die(rc, "could not write the catalogue into %s", quoted(path));
}

/* One that was made within a day is there, as it was. */
static int
is_new(const struct mirror *m, const char *path)
{
	PGresult *res;
	struct stat st;
	int new;

	if (!m->to->remote)
		return stat(path, &st) == 0 &&
		    st.st_mtime > time(NULL) - 86400 &&
		    is_sent(m, DEPOT_DUMP, path, &st);
	res = db_query(m->db, sql_places_files, m->to->name, DEPOT_DUMP);
	if (!res)
		db_die("could not ask what %s has", m->to->name);
	new = PQntuples(res) > 0 && db_int(res, 0, 2) / 1000000000 >
	    time(NULL) - 86400;
	PQclear(res);
	return new;
}

void
files_send_dump(struct mirror *m)
{
	char *path = m->to->remote ? xasprintf("%s/.%s." DEPOT_DUMP,
	    config_get(CONFIG_ARCHIVE_ROOT), m->to->name) :
	    path_join(m->to->path, DEPOT_DUMP);
	PGresult *res = db_query(m->db, sql_mirror_dump, m->to->name);
	char id[STORE_ID + 1];
	struct stat st;
	int fd;

	if (!res || PQntuples(res) != 1)
		db_die("could not ask for the state of the catalogue");
	/* a day at most, whatever the server has counted */
	if (db_bool(res, 0, 0) && is_new(m, path))
		goto out;
	if (!m->to->remote)
		keep_dump(m, path);
	if (dump(m, path) < 0)
		goto out;
	if (m->to->remote) {
		int bad_before = m->bad;

		m->bad = 0;
		keep_dump(m, path);
		if (db_do(m->db, sql_places_file_is_not, m->to->name,
		    DEPOT_DUMP) < 0)
			db_die("could not record that");
		send_file(m, path, DEPOT_DUMP);
		unlink(path);
		if (!m->bad)
			drop_old_dumps(m);
		if (!m->bad && db_do(m->db, sql_mirror_dumped, m->to->name,
		    db_text(res, 0, 1)) < 0)
			db_die("could not record the dump");
		m->bad |= bad_before;
		goto out;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || store_hash(fd, id) < 0)
		die_errno("could not read %s: %m", quoted(path));
	close(fd);
	record(m, DEPOT_DUMP, &st, id);
	if (db_do(m->db, sql_mirror_dumped, m->to->name,
	    db_text(res, 0, 1)) < 0)
		db_die("could not record the dump");
	drop_old_dumps(m);
	m->files++;
	m->file_bytes += (uint64_t)st.st_size;
out:
	PQclear(res);
	free(path);
}

int
files_as_left(const struct mirror *m)
{
	/* FAT keeps two seconds */
	enum { GRAIN = 2 };
	char *path = path_join(m->to->path, DEPOT_DUMP);
	PGresult *res = db_query(m->db, sql_places_files, m->to->name,
	    DEPOT_DUMP);
	struct stat st;
	int same = 1;

	if (!res)
		db_die("could not ask what %s has", m->to->name);
	if (PQntuples(res) > 0)
		same = stat(path, &st) == 0 &&
		    st.st_size == db_int(res, 0, 1) &&
		    llabs((long long)st.st_mtim.tv_sec -
		    db_int(res, 0, 2) / 1000000000) <= GRAIN;
	PQclear(res);
	free(path);
	return same;
}

/* ---- reading back ---- */

static const char *
file_wrong(const struct mirror *m, const char *name, const char *id)
{
	char *path = path_join(m->to->path, name), got[STORE_ID + 1];
	int fd = open_regular(path, O_RDONLY, 0);
	const char *why = NULL;

	if (fd < 0)
		why = errno == ENOENT ? "missing" : "unreadable";
	else if (store_hash(fd, got) < 0)
		why = "unreadable";
	else if (strcmp(got, id))
		why = "bad";
	if (fd >= 0)
		close(fd);
	free(path);
	return why;
}

void
files_check(struct mirror *m)
{
	const char *params[] = { m->to->name, NULL };
	PGresult *res = db_query_n(m->db, sql_places_files, 2, params);
	int row;

	if (!res)
		db_die("could not ask what %s has", m->to->name);
	for (row = 0; row < PQntuples(res); row++) {
		const char *name = db_text(res, row, 0), *why;

		mirror_interrupted(m);
		why = m->to->remote ? remote_file_wrong(m, name,
		    db_text(res, row, 3)) :
		    file_wrong(m, name, db_text(res, row, 3));
		m->files++;
		if (!why)
			continue;
		printf("%s is %s\n", quoted(name), why);
		m->bad = 1;
		m->wrong++;
		if (db_do(m->db, sql_places_file_is_not, m->to->name,
		    name) < 0)
			db_die("could not record that");
	}
	PQclear(res);
}
