#define _GNU_SOURCE
#include "medium.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json_read.h"
#include "base/medium_files.h"
#include "base/spawn.h"
#include "base/tempfile.h"
#include "catalogue/account.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "image/mapfile.h"
#include "image/places.h"
#include "mount/mounted.h"
#include "raw/raw.h"
#include "sql/statements.h"
#include "image.h"

/* An image below IMAGE_ROOT whose hash begins so; NULL unless it is one. */
static char *
image_by_prefix(const char *prefix)
{
	const char *root = config_get(CONFIG_IMAGE_ROOT);
	size_t len = strlen(prefix);
	const struct dirent *entry;
	char *found = NULL;
	DIR *dir;

	if (len < 8 || strspn(prefix, "0123456789abcdef") != len)
		return NULL;
	dir = opendir(root);
	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		size_t n = strlen(name);

		if (strncmp(name, prefix, len) || n < 4 ||
		    strcmp(name + n - 4, ".img"))
			continue;
		if (found)
			die(EXIT_FAILED, "%s is the beginning of several "
			    "images in %s", quoted(prefix), quoted(root));
		found = path_join(root, name);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void
set_hash(struct run_medium *m, const char *hash)
{
	if (!hash || !medium_valid(hash))
		die(EXIT_FAILED, "ntt-identify printed no medium");
	snprintf(m->hash, sizeof m->hash, "%s", hash);
}

static char *
dump(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII);
	char *copy = text ? xstrdup(text) : NULL;

	free(text);
	return copy;
}

/* The answers of the device are no part of what it is. */
static void
take_probes(struct run_medium *m, json_t *object)
{
	json_t *probes = json_object_get(object, "probes");

	if (json_array_size(probes) > 0)
		m->probes = dump(probes);
	json_object_del(object, "probes");
	json_object_del(object, "registered");
	json_object_del(object, "next_hash");
	m->identity = dump(object);
}

static void
take_identity(struct run_medium *m, const char *operand, const char *text)
{
	json_error_t error;
	json_t *object = json_loads(text, 0, &error);
	char *kind, *hash;

	if (!object)
		die(EXIT_FAILED, "ntt-identify printed no JSON: %s",
		    error.text);
	kind = json_read_copy(object, "kind");
	hash = json_read_copy(object, "next_hash");
	if (!hash)
		hash = json_read_copy(object, "hash");
	set_hash(m, hash);
	m->human = json_read_copy(object, "human");
	m->size = json_read_u64(object, "size");
	m->name_base = json_read_copy(object, "name_base");
	m->fingerprint = json_read_copy(object, "fingerprint");
	m->file = json_read_copy(object, "file");
	m->which_root = json_read_copy(object, "root");
	m->follows = json_read_copy(object, "follows");
	m->state = (int)json_read_i64(object, "state_number");
	m->registered = json_read_true(object, "registered");
	take_probes(m, object);
	m->path = realpath(operand, NULL);
	if (!m->path)
		die_errno("could not resolve %s: %m", quoted(operand));
	m->is_image = kind && strcmp(kind, "directory") != 0;
	m->kind = m->is_image ? "image" : "directory";
	if (kind && !strcmp(kind, "device")) {
		m->kind = "device";
		m->device = m->path;
		m->path = medium_image(m->hash);
	}
	if (m->is_image) {
		m->root = medium_mount_point(m->hash);
		m->health = run_image_health(m->path, m->size);
	} else {
		m->root = xstrdup(m->path);
	}
	free(kind);
	free(hash);
	json_decref(object);
}

void
run_medium_identify(struct run_medium *m, const char *operand, int image,
    const char *label, int force)
{
	char *argv[9], *found = NULL;
	struct buf out = BUF_INIT;
	struct stat st;
	int n = 0, status;

	memset(m, 0, sizeof *m);
	if (image && stat(operand, &st) < 0 && errno == ENOENT)
		found = image_by_prefix(operand);
	if (found)
		operand = found;
	argv[n++] = (char *)"ntt-identify";
	argv[n++] = (char *)"--json";
	if (image)
		argv[n++] = (char *)"--full";
	if (force)
		argv[n++] = (char *)"--force";
	if (label) {
		argv[n++] = (char *)"--label";
		argv[n++] = (char *)(uintptr_t)label;
	}
	argv[n++] = (char *)"--";
	argv[n++] = (char *)(uintptr_t)operand;
	argv[n] = NULL;
	status = run_capture(argv, NULL, &out, 1 << 16, 0);
	if (status == EXIT_NOPROG || status == EXIT_NOEXEC)
		die(status, "could not run ntt-identify: %m");
	if (status != EXIT_DONE)
		exit(status);
	take_identity(m, operand, out.data);
	if (image && !m->is_image)
		die(EXIT_USAGE, "%s is a directory, not an image",
		    quoted(operand));
	if (m->is_image && !medium_mountable(m->hash))
		die(EXIT_USAGE, "an image needs a hash and not a label: only "
		    "media with a hash can be mounted");
	buf_free(&out);
	free(found);
}

int
run_medium_of_raw(struct run_medium *m, const char *raw, const char *label)
{
	const char *base = strrchr(raw, '/');
	size_t len;

	memset(m, 0, sizeof *m);
	m->kind = "raw";
	base = base ? base + 1 : raw;
	len = strlen(base);
	if (label) {
		snprintf(m->hash, sizeof m->hash, "%s", label);
		return 0;
	}
	if (len < 5 || len - 4 > MEDIUM_MAX || strcmp(base + len - 4, ".raw"))
		return -1;
	memcpy(m->hash, base, len - 4);
	m->hash[len - 4] = '\0';
	return medium_valid(m->hash) ? 0 : -1;
}

void
run_medium_free(struct run_medium *m)
{
	free(m->device);
	free(m->path);
	free(m->root);
	free(m->container);
	free(m->container_json);
	free(m->human);
	free(m->identity);
	free(m->probes);
	free(m->name_base);
	free(m->fingerprint);
	free(m->file);
	free(m->which_root);
	free(m->follows);
	free(m->bits_only);
	memset(m, 0, sizeof *m);
}

/* Evidence. */

static PGresult *
must(PGresult *res, const struct run_medium *m)
{
	if (!res)
		db_die("could not look at %s", m->hash);
	return res;
}

/* The one boolean of a statement with the hash as its parameter. */
static int
truth(const struct run_medium *m, PGconn *db, const char *sql)
{
	PGresult *res = must(db_query(db, sql, m->hash), m);
	int yes = PQntuples(res) > 0 && db_bool(res, 0, 0);

	PQclear(res);
	return yes;
}

static const char *
source(const struct run_medium *m)
{
	return m->container ? m->container : m->device ? m->device : m->path;
}

int
run_medium_registered(const struct run_medium *m, PGconn *db)
{
	char *path = db_path(source(m));
	const char *params[] = { m->hash, m->health, path, m->kind,
		m->container_json };
	PGresult *res = must(db_query_n(db, sql_orchestrator_registered, 5,
	    params), m);
	int yes = PQntuples(res) > 0 && db_bool(res, 0, 0);

	free(path);
	PQclear(res);
	return yes;
}

int
run_medium_mounted(const struct run_medium *m, struct buf *why)
{
	struct mounted mounts;
	int yes;

	if (!m->is_image)
		return 0;
	yes = mounted_call(&mounts, "status", m->hash, NULL, 0) == 0 &&
	    mounts.layout != LAYOUT_NONE && mounted_count(&mounts) > 0;
	if (mounts.error && why)
		buf_puts(why, mounts.error);
	mounted_free(&mounts);
	return yes;
}

int
run_medium_unmounted(const struct run_medium *m, struct buf *why)
{
	struct mounted mounts;
	int yes;

	if (!m->is_image)
		return 1;
	/* what is left of a mount that was killed is an error of "status" */
	yes = mounted_call(&mounts, "status", m->hash, NULL, 0) == 0 &&
	    mounts.layout == LAYOUT_NONE && !mounts.error;
	if (!yes && why)
		buf_puts(why, mounts.error ? mounts.error : "it is mounted");
	mounted_free(&mounts);
	return yes;
}

int
run_medium_laid_out(const struct run_medium *m, PGconn *db, struct buf *why)
{
	int yes = truth(m, db, sql_orchestrator_partitions);

	if (!yes && why)
		buf_puts(why, "where its partitions are is not recorded");
	return yes;
}

int
run_medium_loaded(const struct run_medium *m, PGconn *db, struct buf *why)
{
	int rows = medium_loaded(db, m->hash);
	int said = truth(m, db,
	    "SELECT enum_done IS NOT NULL FROM medium WHERE medium_hash = $1");

	if (rows < 0)
		db_die("could not look at %s", m->hash);
	if (rows != said && why)
		buf_puts(why, rows ? "it has rows but no enum_done" :
		    "it has enum_done but no rows");
	return rows && said;
}

/* Asks something of the inodes of the medium. */
static int
truth_of_inodes(const struct run_medium *m, PGconn *db, const char *statement)
{
	char *sql = sql_for(statement, m->hash);
	PGresult *res = must(db_query(db, sql), m);
	int yes = db_bool(res, 0, 0);

	PQclear(res);
	free(sql);
	return yes;
}

int
run_medium_copied(const struct run_medium *m, PGconn *db, struct buf *why)
{
	int pending;

	if (!run_medium_loaded(m, db, why) ||
	    !truth(m, db,
	    "SELECT copy_done IS NOT NULL FROM medium WHERE medium_hash = $1"))
		return 0;
	pending = truth_of_inodes(m, db, sql_orchestrator_pending);
	if (pending && why)
		buf_puts(why, "it has copy_done, but inodes are pending");
	return !pending;
}

int
run_medium_moved(const struct run_medium *m, PGconn *db)
{
	return truth_of_inodes(m, db, sql_orchestrator_moved);
}

int
run_medium_has_streams(const struct run_medium *m, PGconn *db)
{
	return truth(m, db, sql_orchestrator_has_streams);
}

int
run_medium_streams(const struct run_medium *m, PGconn *db)
{
	return truth(m, db, sql_orchestrator_streams);
}

int
run_medium_streams_incomplete(const struct run_medium *m, PGconn *db)
{
	return truth(m, db, sql_orchestrator_streams_left);
}

int
run_medium_archived(const struct run_medium *m, PGconn *db, struct buf *why)
{
	PGresult *res = must(db_query(db, sql_orchestrator_archive, m->hash),
	    m);
	struct stat st;
	int yes = PQntuples(res) > 0;

	if (yes && stat(db_text(res, 0, 0), &st) < 0) {
		if (why)
			buf_printf(why, "its archive %s is not there",
			    quoted(db_text(res, 0, 0)));
		yes = 0;
	}
	PQclear(res);
	return yes;
}

int
run_medium_list_incomplete(const struct run_medium *m, PGconn *db)
{
	return truth(m, db, sql_orchestrator_left_out);
}

static int64_t
count_inodes(const struct run_medium *m, PGconn *db, const char *condition)
{
	char *inode, *sql;
	PGresult *res;
	int64_t n;

	if (medium_loaded(db, m->hash) != 1)
		return 0;
	inode = db_ident(db, "inode_p_", m->hash);
	sql = xasprintf("SELECT count(*) FROM %s WHERE %s", inode, condition);
	res = must(db_query(db, sql), m);
	n = db_int(res, 0, 0);
	PQclear(res);
	free(sql);
	free(inode);
	return n;
}

int64_t
run_medium_inodes(const struct run_medium *m, PGconn *db)
{
	return db ? count_inodes(m, db, "true") : 0;
}

uint64_t
run_medium_open(const struct run_medium *m, PGconn *db, struct buf *why)
{
	struct account a = { 0 };

	if (db && (account_read(db, m->hash, &a) < 0 ||
	    (why && account_describe(db, m->hash, why) < 0)))
		db_die("could not read the account of %s", m->hash);
	return account_open(&a);
}

int
run_medium_bits_only(const struct run_medium *m, PGconn *db)
{
	int only = db ? account_bits_only(db, m->hash) : 0;

	if (only < 0)
		db_die("could not read the account of %s", m->hash);
	return only;
}

/* Changes. */

/* "Documents", then "Documents (2026-11-28, 3rd)". */
static char *
state_name(const struct run_medium *m)
{
	static const char *const endings[] = { "th", "st", "nd", "rd" };
	int teen = m->state / 10 % 10 == 1, last = m->state % 10;
	time_t now = time(NULL);
	struct tm tm;
	char date[16];

	if (!m->human || m->state < 2)
		return m->human ? xstrdup(m->human) : NULL;
	localtime_r(&now, &tm);
	strftime(date, sizeof date, "%Y-%m-%d", &tm);
	return xasprintf("%s (%s, %d%s)", m->human, date, m->state,
	    endings[!teen && last < 4 ? last : 0]);
}

int
run_medium_register(const struct run_medium *m, PGconn *db,
    const char *message)
{
	char size[24], *path = db_path(source(m)), *image = db_path(m->path);
	char number[16], *human = state_name(m);
	const char *params[] = { m->hash, human, message, m->kind, path,
		m->size ? size : NULL, m->identity,
		m->is_image ? image : NULL, m->health, m->probes,
		m->name_base, m->fingerprint, m->file, m->which_root,
		m->follows, number, m->container_json };
	PGresult *res;

	snprintf(size, sizeof size, "%llu", (unsigned long long)m->size);
	snprintf(number, sizeof number, "%d", m->state ? m->state : 1);
	/* the image of a device is still that device's */
	res = db_query_n(db, sql_orchestrator_register, 17, params);
	free(human);
	free(path);
	free(image);
	PQclear(res);
	return res ? 0 : -1;
}

static int
save_partition(PGconn *db, const struct run_medium *m, const char *table,
    const struct mounted_partition *p)
{
	char number[16], start[24], size[24];
	const char *params[] = { m->hash, number, start, size, table,
		p->fstype, p->uuid, p->label, p->status, p->reason,
		p->detail };
	PGresult *res;

	snprintf(number, sizeof number, "%u", p->num);
	snprintf(start, sizeof start, "%llu", (unsigned long long)p->start);
	snprintf(size, sizeof size, "%llu", (unsigned long long)p->size);
	res = db_query_n(db, sql_orchestrator_partition, 11, params);
	PQclear(res);
	return res ? 0 : -1;
}

/* That the table was lost, say, and partitions may be missing. */
static int
save_finding(PGconn *db, const char *hash, const char *finding)
{
	const char *params[] = { hash, finding };
	PGresult *res = db_query_n(db, sql_orchestrator_layout, 2, params);

	PQclear(res);
	return res ? 0 : -1;
}

static int
omit_volume(PGconn *db, const char *hash, const struct mounted_partition *p)
{
	char *detail = xasprintf("%s%s%s%s%s", p->fstype ? p->fstype : "",
	    p->fstype ? ", " : "", p->status, p->reason ? ": " : "",
	    p->reason ? p->reason : "");
	struct omission o = {
		.partition = (int)p->num, .kind = "volume_unread",
		.bytes = (int64_t)p->size, .detail = detail,
	};
	int rc = account_omit(db, hash, "ntt-orchestrator", &o);

	free(detail);
	return rc;
}

/* Two file systems share a volume, or one is what a former one left. */
static int
omit_other(PGconn *db, const char *hash, const struct mounted_partition *p)
{
	char *detail = xasprintf("it has the signature of %s, too, and only %s "
	    "was read", p->also, p->fstype);
	struct omission o = {
		.partition = (int)p->num, .kind = "volume_unread",
		.bytes = -1, .detail = detail,
	};
	int rc = account_omit(db, hash, "ntt-orchestrator", &o);

	free(detail);
	return rc;
}

/*
 * What is mounted now, and was not before, is settled.  What a mounted volume
 * lacks is ntt-enum's to say.
 */
static int
save_omissions(PGconn *db, const struct run_medium *m,
    const struct mounted *mounts)
{
	size_t i;

	for (i = 0; i < mounts->count; i++) {
		const struct mounted_partition *p = &mounts->partitions[i];

		if (mounted_loss(mounts, p) ? omit_volume(db, m->hash, p) < 0 :
		    p->also && omit_other(db, m->hash, p) < 0)
			return -1;
	}
	return account_settle_before(db, m->hash, "ntt-orchestrator", "now");
}

static int
save_layout(PGconn *db, const struct run_medium *m,
    const struct mounted *mounts)
{
	size_t i;

	if (db_begin(db) < 0 || db_do(db,
	    "DELETE FROM medium_partition WHERE medium_hash = $1",
	    m->hash) < 0)
		return -1;
	for (i = 0; i < mounts->count; i++)
		if (save_partition(db, m, mounts->table,
		    &mounts->partitions[i]) < 0)
			return -1;
	if (db_do(db, sql_orchestrator_fs_type,
	    m->hash) < 0 ||
	    save_omissions(db, m, mounts) < 0 ||
	    save_finding(db, m->hash, mounts->finding) < 0)
		return -1;
	return db_commit(db);
}

/* How each volume is read, or why it is not: one line each. */
static void
say_volumes(const struct mounted *mounts)
{
	size_t i;

	for (i = 0; i < mounts->count; i++) {
		const struct mounted_partition *p = &mounts->partitions[i];
		char *line = mounted_line(p);

		if (p->mount && p->by && !strcmp(p->by, "this kernel"))
			detail("%s", line);
		else if (p->mount || !strcmp(p->status, "swap") ||
		    !strcmp(p->status, "raid_member") ||
		    !strcmp(p->status, "lvm_detected"))
			say("%s", line);
		else
			warn("%s", line);
		free(line);
	}
}

int
run_medium_places(const struct run_medium *m, PGconn *db)
{
	enum { LIMIT_MS = 600000 };
	int optical = !strncmp(m->device, "/dev/sr", 7);
	size_t count = places_count(m->size, optical);
	uint8_t *digests = xcalloc(count + 1, PLACE_DIGEST);
	char *path = image_map(m->path), *error = NULL, *bytea;
	int fd = open(m->path, O_RDONLY | O_CLOEXEC), rc = 0;
	struct mapfile map;

	if (fd >= 0 && mapfile_load(&map, path, &error) == 0) {
		places_read(fd, m->size, &map, count, LIMIT_MS, digests);
		mapfile_free(&map);
		bytea = db_bytea(digests, count * PLACE_DIGEST);
		rc = db_do(db, sql_orchestrator_places, m->hash, bytea);
		free(bytea);
	}
	if (fd >= 0)
		close(fd);
	free(error);
	free(path);
	free(digests);
	return rc;
}

void
run_medium_unchanged(struct run_medium *m, PGconn *db)
{
	if (db_do(db, sql_orchestrator_forget, m->hash) < 0)
		db_die("could not forget %s again", m->hash);
	run_medium_step_back(m);
}

void
run_medium_step_back(struct run_medium *m)
{
	snprintf(m->hash, sizeof m->hash, "%s", m->follows);
	free(m->follows);
	m->follows = NULL;
	m->state--;
}

int
run_medium_list_bits(const struct run_medium *m, const char *raw)
{
	struct raw_record root = { .type = 'd', .nlink = 2, .path = m->root,
		.path_len = strlen(m->root) };
	struct raw_omission bits = { .kind = "bits_only",
		.detail = m->bits_only, .path = m->root,
		.path_len = strlen(m->root) };
	struct buf records = BUF_INIT;
	struct tempfile file;
	int rc;

	buf_reserve(&records, RAW_HEAD_MAX + root.path_len + 1);
	records.len = raw_encode(records.data, &root);
	raw_encode_omission(&records, &bits);
	rc = tempfile_open(&file, raw);
	if (rc == 0)
		rc = write_all(file.fd, records.data, records.len);
	if (rc == 0)
		rc = tempfile_commit(&file);
	buf_free(&records);
	return rc;
}

int
run_medium_mount(struct run_medium *m, PGconn *db)
{
	struct mounted mounts;
	int status;

	if (mounted_call(&mounts, "mount", m->hash, m->path, 0) < 0) {
		warn("could not mount %s: %s", quoted(m->path), mounts.error);
		status = EXIT_FAILED;
	} else if (mounts.bits_only) {
		warn("there are no files on %s, only bits: %s",
		    quoted(m->path), mounts.bits_only);
		free(m->bits_only);
		m->bits_only = xstrdup(mounts.bits_only);
		status = EXIT_PARTIAL;
	} else if (mounted_count(&mounts) == 0) {
		warn("nothing of %s could be mounted%s%s", quoted(m->path),
		    mounts.error ? ": " : "", mounts.error ? mounts.error :
		    "");
		status = mounts.status == EXIT_DONE ? EXIT_FAILED :
		    mounts.status;
	} else {
		status = mounts.status;
	}
	if (!mounts.already)
		say_volumes(&mounts);
	if (db && mounts.layout != LAYOUT_NONE &&
	    save_layout(db, m, &mounts) < 0)
		db_die("could not record the partitions of %s", m->hash);
	mounted_free(&mounts);
	return status;
}

int
run_medium_unmount(const struct run_medium *m)
{
	struct mounted mounts;
	int status = EXIT_FAILED;

	if (mounted_call(&mounts, "unmount", m->hash, NULL, 0) == 0)
		status = mounts.status;
	if (status != EXIT_DONE)
		warn("could not unmount %s%s%s", m->hash,
		    mounts.error ? ": " : "", mounts.error ? mounts.error :
		    "");
	mounted_free(&mounts);
	return status;
}
