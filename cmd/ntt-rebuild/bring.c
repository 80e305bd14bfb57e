#define _GNU_SOURCE
#include "bring.h"

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
#include "base/num.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "base/tempfile.h"
#include "catalogue/db.h"
#include "catalogue/store_mark.h"
#include "hash/blake3_hex.h"
#include "keep/depot.h"
#include "sql/statements.h"
#include "store/store.h"

enum { PIECE = 1 << 20, BATCH = 512, BATCH_BYTES = 256 << 20 };

static struct depot_mark mark;
static const char *remote;	/* REMOTE:PATH; NULL: a directory */
static const char *key_file;

static void
stop_if_caught(void)
{
	if (sig_caught())
		die(EXIT_SIGNAL + sig_caught(), "interrupted; run it again, "
		    "and it goes on");
}

static int
is_one(void *arg, const char *id, uint64_t size)
{
	(void)arg;
	(void)id;
	(void)size;
	return 1;
}

/* A root without a mark that has something may be anybody's. */
static void
check_root(enum config_key which)
{
	const char *root = config_get(which);
	struct depot_mark there;

	if (which == CONFIG_BYHASH_ROOT &&
	    depot_look(root, &there) == DEPOT_NONE &&
	    depot_scan(root, is_one, NULL, NULL) > 0)
		die(EXIT_FAILED, "%s (%s) is not empty and has no " STORE_MARK
		    ", so it may be another catalogue's: ntt-rebuild without "
		    "--from first", quoted(root), config_name(which));
}

static void
mark_root(enum config_key which)
{
	const char *root = config_get(which);

	if (store_mark_put(root, mark.catalogue, mark.private) == 0)
		return;
	if (errno == EEXIST)
		die(EXIT_FAILED, "%s (%s) is not of the collection whose "
		    "copies the place has", quoted(root), config_name(which));
	die_errno("could not mark %s: %m", quoted(root));
}

/* ---- archives and catalogue files ---- */

/* -1 with errno: the source cannot be read. */
static int
copy_bytes(int from, int to, const char *path, char id[STORE_ID + 1])
{
	char *piece = xmalloc(PIECE);
	uint64_t done = 0;
	blake3_hasher h;
	ssize_t n;

	blake3_hasher_init(&h);
	while ((n = read_full(from, piece, PIECE)) > 0) {
		stop_if_caught();
		blake3_hasher_update(&h, piece, (size_t)n);
		if (write_all(to, piece, (size_t)n) < 0)
			die_errno("could not write %s: %m", quoted(path));
		progress_set(done += (uint64_t)n);
	}
	blake3_hex(&h, id);
	free(piece);
	return n < 0 ? -1 : 0;
}

/*
 * io is of a remote source, and NULL where from is a file.  0; -1 with errno, the
 * source cannot be read.
 */
static int
bring_open(int from, struct remote_io *io, const char *source,
    const char *path, const struct stat *st)
{
	char id[STORE_ID + 1], back[STORE_ID + 1];
	struct tempfile t = { .fd = -1 };
	int rc;

	if (tempfile_open(&t, path) < 0)
		die_errno("could not make %s: %m", quoted(path));
	progress_start("copying", NULL, PROGRESS_BYTES,
	    st ? (uint64_t)st->st_size : 0);
	rc = copy_bytes(from, t.fd, path, id);
	progress_stop();
	if (rc < 0) {
		int err = errno;

		tempfile_abort(&t);
		errno = err;
		return -1;
	}
	if (io && remote_end(io) != 0)
		die(EXIT_AGAIN, "rclone could not read %s", quoted(source));
	if (st && (fchmod(t.fd, st->st_mode & 0777) < 0 || futimens(t.fd,
	    (struct timespec[2]){ st->st_atim, st->st_mtim }) < 0))
		die_errno("could not write %s: %m", quoted(path));
	if (fsync(t.fd) < 0)
		die_errno("could not write %s: %m", quoted(path));
	posix_fadvise(t.fd, 0, 0, POSIX_FADV_DONTNEED);
	if (store_hash(t.fd, back) < 0)
		die_errno("could not read %s: %m", quoted(path));
	if (strcmp(id, back))
		die(EXIT_FAILED, "%s gives other bytes than were written",
		    quoted(path));
	if (tempfile_commit(&t) < 0)
		die_errno("could not write %s: %m", quoted(path));
	return 0;
}

/* 0; -1 with errno: the source cannot be had. */
static int
bring_file(const char *source, const char *path)
{
	int from = open_regular(source, O_RDONLY, 0), rc, err;
	struct stat st;

	if (from < 0)
		return -1;
	rc = fstat(from, &st) < 0 ? -1 :
	    bring_open(from, NULL, source, path, &st);
	err = errno;
	close(from);
	errno = err;
	return rc;
}

static void __attribute__((noreturn))
no_rclone(void)
{
	if (errno == ENOENT)
		die(EXIT_NOPROG, "could not find \"rclone\": install package "
		    "rclone");
	die_errno("could not run rclone: %m");
}

/* The next line of a list of names that may be of files here. */
static const char *
next_name(char **at)
{
	char *line;

	while (*at && (line = strsep(at, "\n")))
		if (*line && *line != '.' && !strchr(line, '/'))
			return line;
	return NULL;
}

static void
list_remote(const char *directory, struct buf *names)
{
	int status = remote_list(directory, names, INT32_MAX);

	if (status != 0 && status != REMOTE_NO_DIRECTORY)
		die(EXIT_AGAIN, "rclone could not list %s of %s", directory,
		    quoted(remote));
}

static void
bring_remote_files(void)
{
	struct buf names = BUF_INIT;
	const char *name;
	char *at;

	list_remote("archives/", &names);
	at = names.data;
	while ((name = next_name(&at))) {
		char *source = xasprintf("archives/%s", name);
		char *path = path_join(config_get(CONFIG_ARCHIVE_ROOT), name);
		struct remote_io io;

		stop_if_caught();
		if (access(path, F_OK) < 0) {
			if (remote_get(&io, source, 0, 0) < 0)
				no_rclone();
			if (bring_open(io.fd, &io, source, path, NULL) < 0)
				die_errno("could not read %s of %s: %m", source,
				    quoted(remote));
		}
		free(source);
		free(path);
	}
	buf_free(&names);
}

/* 1: dir is remote, and its key is used from now on. */
static int
use_remote(const char *dir, const char *file)
{
	if (strncmp(dir, DEPOT_REMOTE, sizeof DEPOT_REMOTE - 1))
		return 0;
	remote = dir + sizeof DEPOT_REMOTE - 1;
	key_file = file;
	if (remote_use(remote, file) < 0)
		die_errno("could not read the key %s: %m", quoted(file));
	return 1;
}

void
bring_look(const char *dir, const char *file)
{
	enum depot_look look = use_remote(dir, file) ?
	    depot_look_remote(&mark) : depot_look(dir, &mark);

	switch (look) {
	case DEPOT_MARKED:
		break;
	case DEPOT_FAILED:
		if (remote && errno == ENOENT)
			no_rclone();
		if (remote)
			die(EXIT_AGAIN, "rclone could not read %s, or this is "
			    "not its key", quoted(remote));
		die_errno("could not read %s/" STORE_MARK ": %m", quoted(dir));
	default:
		die(EXIT_FAILED, "%s is no place of ntt-places: no " STORE_MARK
		    " says so%s", quoted(dir), remote && !key_file ?
		    ", or it is encrypted and wants --key" : "");
	}
	check_root(CONFIG_BYHASH_ROOT);
	check_root(CONFIG_ARCHIVE_ROOT);
}

static void
lack_errno(void (*lack)(const char *why), const char *source)
{
	char *why = xasprintf("%s of the place was not copied: %s",
	    quoted(source), strerror(errno));

	lack(why);
	free(why);
}

void
bring_files(const char *dir, void (*lack)(const char *why))
{
	char *archives, *source, *path;
	const char *root = config_get(CONFIG_ARCHIVE_ROOT);
	const struct dirent *e;
	struct stat st;
	DIR *d;

	mark_root(CONFIG_BYHASH_ROOT);
	mark_root(CONFIG_ARCHIVE_ROOT);
	if (remote) {
		bring_remote_files();
		return;
	}
	archives = path_join(dir, "archives");
	d = opendir(archives);
	if (!d)
		die_errno("could not read %s: %m", quoted(archives));
	while ((errno = 0, e = readdir(d))) {
		stop_if_caught();
		if (*e->d_name == '.')
			continue;
		source = path_join(archives, e->d_name);
		path = path_join(root, e->d_name);
		if (stat(source, &st) < 0 || (S_ISREG(st.st_mode) &&
		    access(path, F_OK) < 0 && bring_file(source, path) < 0))
			lack_errno(lack, source);
		free(source);
		free(path);
	}
	if (errno)
		die_errno("could not read %s: %m", quoted(archives));
	closedir(d);
	free(archives);
}

/* ---- what is damaged here ---- */

/* -1: it cannot be read. */
static int
hash_file(const char *path, char id[STORE_ID + 1])
{
	int fd = open_regular(path, O_RDONLY, 0);
	int rc = fd < 0 ? -1 : store_hash(fd, id);

	if (fd >= 0)
		close(fd);
	return rc;
}

/* What the place has for it comes to temporary; 0 or -1. */
static int
bring_other(const char *dir, const char *base, const char *temporary)
{
	char *name = xasprintf("archives/%s", base), *source;
	struct remote_io io;
	int rc;

	if (!remote) {
		source = path_join(dir, name);
		rc = bring_file(source, temporary);
		free(source);
	} else {
		if (remote_get(&io, name, 0, 0) < 0)
			no_rclone();
		rc = bring_open(io.fd, &io, name, temporary, NULL);
	}
	free(name);
	return rc;
}

int
bring_again(const char *dir, const char *path, char **kept)
{
	const char *base = strrchr(path, '/') + 1;
	char *root = xasprintf("%.*s", (int)(base - path), path);
	char *temporary = xasprintf("%s.again-%s", root, base);
	char ours[STORE_ID + 1] = "", theirs[STORE_ID + 1];
	int taken = 0;

	hash_file(path, ours);
	*kept = xasprintf("%s.damaged-%lld-%s", root, (long long)time(NULL),
	    base);
	if (bring_other(dir, base, temporary) == 0 &&
	    hash_file(temporary, theirs) == 0 && strcmp(ours, theirs)) {
		if (rename(path, *kept) < 0 || rename(temporary, path) < 0 ||
		    fsync_parent(path) < 0)
			die_errno("could not replace %s: %m", quoted(path));
		taken = 1;
	}
	unlink(temporary);
	if (!taken) {
		free(*kept);
		*kept = NULL;
	}
	free(temporary);
	free(root);
	return taken;
}

/* The list of a remote place as a file, since there may be another one here. */
static char *
bring_remote_removed(void)
{
	static const char object[] = "archives/removed.jsonl";
	struct buf text = BUF_INIT;
	struct tempfile t = { .fd = -1 };
	int status = remote_read(object, &text, INT32_MAX);
	char *path = NULL;

	if (status != 0 && status != REMOTE_NO_DIRECTORY &&
	    status != REMOTE_NO_OBJECT)
		die(EXIT_AGAIN, "rclone could not read %s of %s", object,
		    quoted(remote));
	if (status == 0 && text.len > 0) {
		path = path_join(config_get(CONFIG_ARCHIVE_ROOT),
		    ".removed.place");
		if (tempfile_open(&t, path) < 0 ||
		    write_all(t.fd, text.data, text.len) < 0 ||
		    tempfile_commit(&t) < 0)
			die_errno("could not write %s: %m", quoted(path));
	}
	buf_free(&text);
	return path;
}

char *
bring_removed(const char *dir)
{
	return remote ? bring_remote_removed() : path_join(dir,
	    "archives/removed.jsonl");
}

void
bring_removed_done(char *path)
{
	if (remote && path)
		unlink(path);
	free(path);
}

/* ---- blobs ---- */

struct blobs {
	struct store to, from;
	struct {
		char id[STORE_ID + 1];
		struct store_temp temp;
		int replace;	/* a file of another size has the name */
	} items[BATCH];
	size_t count;
	uint64_t bytes, brought, seen;
	PGresult *removed;
	void (*bad)(const char *id);
	void (*lack)(const char *why);
};

static void
end_batch(struct blobs *b)
{
	size_t i;

	if (b->count > 0 && store_sync(&b->to) < 0)
		die_errno("could not write to the store: %m");
	for (i = 0; i < b->count; i++)
		if ((b->items[i].replace ? store_replace :
		    store_publish)(&b->to, &b->items[i].temp,
		    b->items[i].id) < 0)
			die_errno("could not write to the store: %m");
	b->brought += b->count;
	b->count = 0;
	b->bytes = 0;
}

static int
was_removed(const struct blobs *b, const char *id)
{
	int row;

	for (row = 0; row < PQntuples(b->removed); row++)
		if (!strcmp(db_text(b->removed, row, 0), id))
			return 1;
	return 0;
}

/* Of two files of one blob with different sizes, one at least is wrong. */
static int
is_lacking(struct blobs *b, const char *id, uint64_t size)
{
	uint64_t there = 0;
	int has = store_has(&b->to, id, &there);

	b->items[b->count].replace = has != 0;
	return (has != 1 || there != size) && !was_removed(b, id);
}

/* rc < 0, errno: its bytes could not be had; else got is their BLAKE3. */
static void
add(struct blobs *b, const char *id, uint64_t size, int rc, const char *got)
{
	struct store_temp *temp = &b->items[b->count].temp;

	if (rc < 0 && exit_for_errno(errno) == EXIT_AGAIN) {
		int err = errno;

		end_batch(b);
		store_sync(&b->to);
		errno = err;
		die_errno("could not copy blob %s into the store: %m", id);
	}
	if (rc == 0 && strcmp(got, id))
		store_temp_discard(&b->to, temp);
	if (rc < 0 || strcmp(got, id)) {
		progress_hide();
		b->bad(id);
		return;
	}
	memcpy(b->items[b->count++].id, id, STORE_ID + 1);
	b->bytes += size;
	if (b->count == BATCH || b->bytes >= BATCH_BYTES)
		end_batch(b);
}

static int
take(void *arg, const char *id, uint64_t size)
{
	struct blobs *b = arg;
	char got[STORE_ID + 1];
	uint64_t taken;
	int fd, rc;

	stop_if_caught();
	progress_set(++b->seen);
	if (!is_lacking(b, id, size))
		return 0;
	fd = store_read(&b->from, id);
	rc = fd < 0 ? -1 : store_take(&b->to, fd, &b->items[b->count].temp,
	    got, &taken);
	add(b, id, size, rc, got);
	if (fd >= 0)
		close(fd);
	return 0;
}

/* ---- packs ---- */

/* The next len bytes into a new temporary: 0, or -1 with errno. */
static int
member(struct blobs *b, int from, uint64_t len, char got[STORE_ID + 1])
{
	struct store_temp *temp = &b->items[b->count].temp;
	char *piece = xmalloc(PIECE);
	int rc = store_temp(&b->to, temp);
	blake3_hasher h;

	blake3_hasher_init(&h);
	while (rc == 0 && len > 0) {
		size_t want = len < PIECE ? (size_t)len : PIECE;

		stop_if_caught();
		errno = EIO;
		rc = read_full(from, piece, want) != (ssize_t)want ||
		    write_all(temp->fd, piece, want) < 0 ? -1 : 0;
		blake3_hasher_update(&h, piece, want);
		len -= want;
		if (rc < 0)
			store_temp_discard(&b->to, temp);
	}
	free(piece);
	blake3_hex(&h, got);
	return rc;
}

static int
skip(int from, uint64_t len)
{
	char piece[4096];

	while (len > 0) {
		size_t want = len < sizeof piece ? (size_t)len : sizeof piece;

		if (read_full(from, piece, want) != (ssize_t)want)
			return -1;
		len -= want;
	}
	return 0;
}

/* The blobs that are lacking, in their order; what lies between is skipped. */
static void
take_pack(struct blobs *b, const char *name, const char *index)
{
	char *object = xasprintf("packs/%.*s.tar", (int)strcspn(name, "."),
	    name), id[STORE_ID + 1], got[STORE_ID + 1];
	uint64_t at = 0, start, size;
	struct remote_io io = { .fd = -1 };
	int rc, ended = 0;

	while ((rc = pack_index_next(&index, id, &start, &size)) > 0) {
		stop_if_caught();
		progress_set(++b->seen);
		if (!is_lacking(b, id, size))
			continue;
		if (io.fd < 0 && !ended && remote_get(&io, object, start, 0)
		    < 0)
			no_rclone();
		if (at == 0)
			at = start;
		errno = EIO;
		ended = ended || start < at || skip(io.fd, start - at) < 0 ||
		    member(b, io.fd, size, got) < 0;
		at = start + size;
		add(b, id, size, ended ? -1 : 0, got);
	}
	if (io.child.pid)
		remote_abort(&io);
	if (rc < 0)
		die(EXIT_FAILED, "the index packs/%s of %s is damaged", name,
		    quoted(remote));
	free(object);
}

static void
take_packs(struct blobs *b)
{
	struct buf names = BUF_INIT, index = BUF_INIT;
	const char *name;
	char *at;

	list_remote("packs/", &names);
	at = names.data;
	while ((name = next_name(&at))) {
		char *object;

		if (strlen(name) < 7 ||
		    strcmp(name + strlen(name) - 6, ".index"))
			continue;
		object = xasprintf("packs/%s", name);
		buf_reset(&index);
		if (remote_read(object, &index, INT32_MAX) != 0)
			die(EXIT_AGAIN, "rclone could not read %s of %s",
			    object, quoted(remote));
		take_pack(b, name, index.data ? index.data : "");
		free(object);
	}
	buf_free(&names);
	buf_free(&index);
}

static void
cannot_read(void *arg, const char *above)
{
	const struct blobs *b = arg;
	char *why = xasprintf("the blobs of the place that begin with %s were "
	    "not copied: %s", above, strerror(errno));

	progress_hide();
	b->lack(why);
	free(why);
}

void
bring_blobs(PGconn *db, const char *dir, void (*bad)(const char *id),
    void (*lack)(const char *why))
{
	char *root = path_join(dir, "by-hash");
	struct blobs *b = xcalloc(1, sizeof *b);

	b->bad = bad;
	b->lack = lack;
	b->removed = db_query(db, sql_rebuild_removed_ids);
	if (!b->removed)
		db_die("could not ask what was removed");
	if (store_open(&b->to, config_get(CONFIG_BYHASH_ROOT)) < 0)
		die_errno("could not open the store: %m");
	if (mark.private)
		store_private(&b->to);
	b->from.root = b->from.temporaries = -1;
	if (!remote && (access(root, F_OK) < 0 ||
	    store_open(&b->from, root) < 0))
		die_errno("could not open %s: %m", quoted(root));
	progress_start("copying", "blobs", PROGRESS_COUNT, 0);
	if (remote)
		take_packs(b);
	else if (depot_scan(root, take, cannot_read, b) < 0)
		die_errno("could not read %s: %m", quoted(root));
	end_batch(b);
	if (store_sync(&b->to) < 0)
		die_errno("could not write to the store: %m");
	progress_stop();
	say("%s blobs were copied from %s", num_grouped(b->brought),
	    quoted(dir));
	PQclear(b->removed);
	store_close(&b->to);
	store_close(&b->from);
	free(b);
	free(root);
}

/* ---- the place ---- */

/* Known already, by its mark or by its name: 1. */
static int
is_known(PGconn *db)
{
	PGresult *res = db_query(db, sql_places_marked, mark.id);
	struct depots named;
	int known;

	if (!res || depots_read(db, mark.name, &named) < 0)
		db_die("could not look for places");
	known = PQntuples(res) > 0 || named.count > 0;
	PQclear(res);
	depots_free(&named);
	return known;
}

/* Its key, where the other programs look for it. */
static void
keep_key(void)
{
	char *path = remote_key_path(mark.name);

	if (access(path, F_OK) < 0 && bring_file(key_file, path) < 0)
		die_errno("could not copy the key %s: %m", quoted(key_file));
	free(path);
}

void
bring_add(PGconn *db, const char *dir, void (*lack)(const char *why))
{
	char *path = remote ? xstrdup(remote) : realpath(dir, NULL), *text;
	uint64_t count;
	int rc;

	if (!path)
		die_errno("could not look at %s: %m", quoted(dir));
	text = db_path(path);
	if (*mark.name && !is_known(db)) {
		if (key_file)
			keep_key();
		if (db_begin(db) < 0 || db_do(db, sql_places_add, mark.name,
		    text, mark.id, remote ? "rclone" : "directory",
		    key_file ? "f" : "t") < 0)
			db_die("could not record the place");
		rc = remote ? depot_adopt_remote(db, mark.name, &count) :
		    depot_adopt(db, mark.name, path, &count);
		if (rc < 0 && errno) {
			char *why = xasprintf("could not list what is in %s, "
			    "which is no place of the catalogue now: %s",
			    quoted(path), strerror(errno));

			db_rollback(db);
			lack(why);
			free(why);
		} else if (rc < 0 || db_commit(db) < 0)
			db_die("could not record the place");
	}
	free(text);
	free(path);
}

/* ---- its dumps ---- */

/* All of it is read; what pg_restore complains of is not for people. */
static int
is_dump(const char *path)
{
	char *argv[] = { (char *)"pg_restore", (char *)"--file=/dev/null",
		(char *)(uintptr_t)path, NULL };
	struct spawn_io io = SPAWN_INHERIT;

	io.in = io.err = SPAWN_NULL;
	return access(path, R_OK) == 0 && run(argv, &io) == EXIT_DONE;
}

static int
newest_first(const void *a, const void *b)
{
	return strcmp(*(char *const *)b, *(char *const *)a);
}

/* The older ones by their days; count is 0 if there are none. */
static char **
older_dumps(const char *dir, size_t *count)
{
	char *path = path_join(dir, DEPOT_DUMPS), **list = NULL;
	DIR *d = opendir(path);
	const struct dirent *e;

	*count = 0;
	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, DEPOT_OLDER, sizeof DEPOT_OLDER - 1))
			continue;
		list = xrealloc(list, (*count + 1) * sizeof *list);
		list[(*count)++] = path_join(path, e->d_name);
	}
	if (d)
		closedir(d);
	if (*count > 0)
		qsort(list, *count, sizeof *list, newest_first);
	free(path);
	return list;
}

char *
bring_dump(const char *dir)
{
	char *path, **older, *good = NULL;
	size_t count, i;

	if (remote)
		return xasprintf("%s of %s", DEPOT_DUMP, remote);
	path = path_join(dir, DEPOT_DUMP);
	if (is_dump(path))
		return path;
	free(path);
	older = older_dumps(dir, &count);
	for (i = 0; i < count; i++) {
		if (!good && is_dump(older[i]))
			good = xstrdup(older[i]);
		free(older[i]);
	}
	free(older);
	return good;
}
