#define _GNU_SOURCE
#include "bagit.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bag_name.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/num.h"
#include "catalogue/db.h"
#include "hash/blake3_hex.h"
#include "store/archived.h"
#include "sql/statements.h"
#include "export.h"

enum { PIECE = 1 << 20, SHA512 = 64, SHA512_HEX = 2 * SHA512 };

/* A bag that is being made. */
struct making {
	struct bagit *b;
	PGconn *db;
	const char *medium;
	const struct store *store;
	struct archived tree;		/* data/ */
	char *partial, *final;
	char *odd;			/* first component of renamed paths */
	int root;			/* of the bag, and its lock */
	FILE *manifest;
	EVP_MD_CTX *sha;
	unsigned char *buffer;
	/* the blob whose names come now */
	char id[STORE_ID + 1], digest[SHA512_HEX + 1];
	char *first;			/* its first name, once it has one */
	int good;			/* it is what it should be */
	uint64_t size, read;
	void (*progress)(uint64_t bytes);
	int (*stop)(void);
	void (*lost)(const char *what, const char *why);
};

static int
fail(struct making *m, int status, char *error)
{
	free(m->b->error);
	m->b->status = status;
	m->b->error = error;
	return -1;
}

static int
fail_errno(struct making *m, const char *what, const char *name)
{
	int err = errno;

	return fail(m, exit_for_errno(err), xasprintf("could not %s %s: %s",
	    what, quoted(name), strerror(err)));
}

static int
fail_db(struct making *m)
{
	return fail(m, db_status(), xasprintf("could not list %s: %s",
	    m->medium, db_error()));
}

/* The partial directory. */

static int
wipe(const char *path)
{
	char *const paths[] = { (char *)path, NULL };
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_XDEV, NULL);
	FTSENT *e;
	int rc = tree ? 0 : -1;

	while (tree && (e = fts_read(tree))) {
		if (e->fts_info == FTS_D)
			continue;
		if (remove(e->fts_accpath) < 0 && errno != ENOENT)
			rc = -1;
	}
	if (tree)
		fts_close(tree);
	return rc;
}

/* A run that was killed left one; one that still goes on has its lock. */
static int
begin(struct making *m)
{
	struct stat st;

	if (lstat(m->final, &st) == 0)
		return fail(m, EXIT_REFUSED, xasprintf("%s is there already",
		    quoted(m->final)));
	if (config_make_parents(m->partial) < 0)
		return fail_errno(m, "make the parents of", m->partial);
	if (mkdir(m->partial, 0755) < 0 && errno != EEXIST)
		return fail_errno(m, "make", m->partial);
	m->root = open(m->partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (m->root < 0)
		return fail_errno(m, "open", m->partial);
	if (flock(m->root, LOCK_EX | LOCK_NB) < 0) {
		close(m->root);
		m->root = -1;
		return errno == EWOULDBLOCK ? fail(m, EXIT_AGAIN,
		    xasprintf("somebody else is making %s", quoted(m->final)))
		    : fail_errno(m, "lock", m->partial);
	}
	return 0;
}

/* What an earlier run left goes, but not the directory that we hold. */
static int
make_empty(struct making *m)
{
	static const char *const parts[] = { "data", "metadata",
		"manifest-sha512.txt", "tagmanifest-sha512.txt", "bagit.txt",
		"bag-info.txt" };
	size_t i;

	for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		char *path = path_join(m->partial, parts[i]);
		int rc = access(path, F_OK) == 0 ? wipe(path) : 0;

		if (rc < 0)
			fail_errno(m, "remove", path);
		free(path);
		if (rc < 0)
			return -1;
	}
	if (mkdirat(m->root, "data", 0755) < 0 ||
	    mkdirat(m->root, "metadata", 0755) < 0)
		return fail_errno(m, "make directories in", m->partial);
	m->tree.parent = -1;
	m->tree.root = openat(m->root, "data", O_RDONLY | O_DIRECTORY |
	    O_NOFOLLOW | O_CLOEXEC);
	return m->tree.root < 0 ? fail_errno(m, "open data in", m->partial) :
	    0;
}

/* A name that no path of the medium begins with. */
static int
choose_odd(struct making *m)
{
	char *sql = sql_for(sql_report_paths_at, m->medium);
	int n, taken = 1;

	for (n = 1; taken > 0; n++) {
		char *bytea;
		PGresult *res;

		free(m->odd);
		m->odd = n == 1 ? xstrdup("renamed") :
		    xasprintf("renamed-%d", n);
		bytea = db_bytea(m->odd, strlen(m->odd));
		res = db_query(m->db, sql, bytea);
		taken = res ? db_int(res, 0, 0) > 0 : -1;
		PQclear(res);
		free(bytea);
	}
	free(sql);
	return taken < 0 ? fail_db(m) : 0;
}

/* Payload. */

static int
hash_file(struct making *m, int fd, blake3_hasher *blake)
{
	unsigned char digest[SHA512];
	unsigned int len;
	ssize_t n;

	m->size = 0;
	if (EVP_DigestInit_ex(m->sha, EVP_sha512(), NULL) != 1) {
		errno = ENOMEM;
		return -1;
	}
	while ((n = read_full(fd, m->buffer, PIECE)) > 0) {
		EVP_DigestUpdate(m->sha, m->buffer, (size_t)n);
		if (blake)
			blake3_hasher_update(blake, m->buffer, (size_t)n);
		m->size += (uint64_t)n;
		m->read += (uint64_t)n;
		if (m->progress)
			m->progress(m->read);
		if (m->stop && m->stop()) {
			errno = EINTR;
			return -1;
		}
	}
	if (n < 0)
		return -1;
	EVP_DigestFinal_ex(m->sha, digest, &len);
	hex_encode(m->digest, digest, SHA512);
	return 0;
}

/* The first name of a blob: is the store's file what its name says? */
static int
next_blob(struct making *m, const char *id)
{
	char hex[STORE_ID + 1];
	blake3_hasher blake;
	int fd, rc;

	memcpy(m->id, id, STORE_ID + 1);
	free(m->first);
	m->first = NULL;
	m->good = 0;
	fd = store_read(m->store, id);
	if (fd < 0) {
		if (errno != ENOENT)
			return fail_errno(m, "read blob", id);
		m->lost(id, "it is not in the store");
		return 0;
	}
	blake3_hasher_init(&blake);
	rc = hash_file(m, fd, &blake);
	if (rc < 0 && errno == EIO) {
		m->lost(id, "it cannot be read");
		close(fd);
		return 0;
	}
	if (rc < 0)
		fail_errno(m, "read blob", id);
	close(fd);
	if (rc < 0)
		return -1;
	blake3_hex(&blake, hex);
	m->good = !strcmp(hex, id);
	if (!m->good)
		m->lost(id, "its bytes are not those of its name");
	return 0;
}

/* Another file system than the store's: bytes, once for all names. */
static int
place_copy(struct making *m, const char *path)
{
	const char *base, *slash = strrchr(path, '/'), *from_base;
	int dir = -1, to = -1, from = -1, rc = -1, err;
	char *parent = slash ? xasprintf("%.*s", (int)(slash - path), path) :
	    NULL;
	ssize_t n = -1;

	if (parent && archived_mkdir(&m->tree, parent) < 0)
		goto out;
	dir = open_parent_beneath(m->tree.root, path, &base);
	if (dir < 0)
		goto out;
	if (m->first) {
		from = open_parent_beneath(m->tree.root, m->first,
		    &from_base);
		rc = from < 0 ? -1 : linkat(from, from_base, dir, base, 0);
		if (rc == 0 || errno != EMLINK)
			goto out;
		close(from);
	}
	from = store_read(m->store, m->id);
	to = from < 0 ? -1 : openat(dir, base, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0644);
	if (to < 0)
		goto out;
	while ((n = read_full(from, m->buffer, PIECE)) > 0)
		if (write_all(to, m->buffer, (size_t)n) < 0)
			goto out;
	rc = n < 0 ? -1 : 0;
out:
	err = errno;
	if (to >= 0 && close(to) < 0 && rc == 0)
		rc = -1;
	else
		errno = err;
	err = errno;
	if (from >= 0)
		close(from);
	if (dir >= 0)
		close(dir);
	free(parent);
	errno = err;
	return rc;
}

/* 1 done, 0 it is lost, -1 with error. */
static int
place(struct making *m, const char *path)
{
	int rc = archived_link(&m->tree, m->store, m->id, path);

	if (rc < 0 && (errno == EXDEV || errno == EPERM))
		rc = place_copy(m, path);
	if (rc < 0 && archived_conflict(errno)) {
		/* longer than a name can be, once it is encoded */
		m->lost(path, "it has no place in a bag");
		m->b->lost++;
		return 0;
	}
	if (rc < 0)
		return fail_errno(m, "put into the bag", path);
	if (!m->first)
		m->first = xstrdup(path);
	return 1;
}

static int
add_name(struct making *m, const struct export_row *row)
{
	struct buf path = BUF_INIT, line = BUF_INIT;
	int rc;

	if (bag_must_rename(row->path, row->len)) {
		buf_printf(&path, "%s/", m->odd);
		bag_put_renamed(&path, row->path, row->len);
		m->b->renamed++;
	} else {
		buf_put(&path, row->path, row->len);
	}
	rc = place(m, path.data);
	if (rc > 0) {
		rc = 0;
		buf_printf(&line, "%s  data/", m->digest);
		bag_put_in_manifest(&line, path.data);
		buf_putc(&line, '\n');
		if (fwrite(line.data, 1, line.len, m->manifest) != line.len)
			rc = fail_errno(m, "write", "manifest-sha512.txt");
		m->b->files++;
		m->b->bytes += m->size;
	}
	buf_free(&path);
	buf_free(&line);
	return rc;
}

static int
add_row(struct making *m, const struct export_row *row)
{
	struct bagit *b = m->b;

	if (m->stop && m->stop())
		return fail(m, EXIT_FAILED, xstrdup("interrupted"));
	if (row->excluded) {
		b->excluded++;
		return 0;
	}
	if (row->type == 'l')
		b->links++;
	if (row->type != 'f')
		return 0;
	if (!row->blobid) {
		b->not_copied++;
		return 0;
	}
	if (strcmp(m->id, row->blobid) && next_blob(m, row->blobid) < 0)
		return -1;
	if (!m->good) {
		b->lost++;
		return 0;
	}
	return add_name(m, row);
}

static int
fill(struct making *m)
{
	struct export_row row;
	struct export e;
	int rc = -1, got;

	if (export_open(&e, m->db, m->medium, EXPORT_BY_BLOB) < 0)
		return fail_db(m);
	while ((got = export_next(&e, &row)) > 0)
		if (add_row(m, &row) < 0)
			goto out;
	rc = got < 0 ? fail_db(m) : 0;
out:
	export_close(&e);
	return rc;
}

/* Tag files. */

/* A stream of a new file of the bag; NULL with error. */
static FILE *
tag_file(struct making *m, const char *name)
{
	int fd = openat(m->root, name, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0644);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f) {
		fail_errno(m, "make", name);
		if (fd >= 0)
			close(fd);
	}
	return f;
}

static int
end_file(struct making *m, FILE *f, const char *name)
{
	int bad = ferror(f);

	if (fclose(f) != 0 || bad)
		return fail_errno(m, "write", name);
	return 0;
}

/* Values are one line of UTF-8. */
static void
put_info(FILE *f, const char *label, const char *value)
{
	struct buf b = BUF_INIT;

	if (!value || !*value)
		return;
	buf_escape(&b, value, strlen(value));
	fprintf(f, "%s: %s\n", label, b.data);
	buf_free(&b);
}

static int
write_info(struct making *m)
{
	PGresult *res = db_query(m->db, sql_report_bag_info, m->medium);
	const struct bagit *b = m->b;
	FILE *f = res ? tag_file(m, "bag-info.txt") : NULL;

	if (!res)
		return fail_db(m);
	if (!f) {
		PQclear(res);
		return -1;
	}
	fprintf(f, "Bag-Software-Agent: ntt-report %s\n", NTT_VERSION);
	put_info(f, "Source-Organization", config_get(CONFIG_ORGANIZATION));
	put_info(f, "Contact-Name", config_get(CONFIG_CONTACT));
	put_info(f, "Bagging-Date", db_text(res, 0, 2));
	put_info(f, "External-Identifier", m->medium);
	put_info(f, "External-Description", db_text(res, 0, 0));
	put_info(f, "Internal-Sender-Description", db_text(res, 0, 1));
	put_info(f, "Medium-Model", db_text(res, 0, 3));
	put_info(f, "Medium-Serial-Number", db_text(res, 0, 4));
	fprintf(f, "Bag-Size: %s\nPayload-Oxum: %" PRIu64 ".%" PRIu64 "\n"
	    "Files-Not-Copied: %" PRIu64 "\nFiles-Lost-By-The-Store: %" PRIu64
	    "\nFiles-Excluded: %" PRIu64 "\nSymbolic-Links-Left-Out: %" PRIu64
	    "\n", num_bytes(b->bytes), b->bytes, b->files, b->not_copied,
	    b->lost, b->excluded, b->links);
	if (b->renamed)
		fprintf(f, "Names-Renamed: %" PRIu64 ", below data/%s with "
		    "=XX for bytes\n", b->renamed, m->odd);
	PQclear(res);
	return end_file(m, f, "bag-info.txt");
}

static int
write_dfxml(struct making *m)
{
	FILE *f = tag_file(m, "metadata/dfxml.xml");

	if (!f)
		return -1;
	if (export_dfxml(m->db, m->medium, f) < 0) {
		fclose(f);
		return fail_db(m);
	}
	return end_file(m, f, "metadata/dfxml.xml");
}

static void
put_tree_time(struct buf *b, const char *key, const struct export_time *t)
{
	struct buf text = BUF_INIT;

	if (t->known && export_time(&text, t->seconds, t->ns))
		json_text(b, key, text.data);
	else if (t->known)
		json_i64(b, key, t->seconds);
	buf_free(&text);
}

/* 0, or -1 with error; a target that is lost was told. */
static int
put_target(struct making *m, struct buf *b, const char *id)
{
	ssize_t n = 0;
	int fd = store_read(m->store, id);

	if (fd >= 0)
		n = read_full(fd, m->buffer, PIECE);
	if (fd < 0 || n < 0) {
		if (fd < 0 && errno != ENOENT && errno != EIO)
			return fail_errno(m, "read blob", id);
		m->lost(id, "the target of a symbolic link cannot be read");
		m->b->lost++;
	} else {
		json_name(b, "target", (const char *)m->buffer, (size_t)n);
	}
	if (fd >= 0)
		close(fd);
	return 0;
}

/* A line of metadata/tree.jsonl. */
static int
put_tree_row(struct making *m, struct buf *b, const struct export_row *row)
{
	char type[2] = { row->type, '\0' };
	int rc = 0;

	buf_reset(b);
	json_begin_object(b, NULL);
	json_name(b, "path", row->path, row->len);
	json_text(b, "type", type);
	if (row->mode >= 0) {
		char mode[24];

		snprintf(mode, sizeof mode, "%04" PRIo64, row->mode);
		json_text(b, "mode", mode);
	}
	if (row->uid >= 0)
		json_i64(b, "uid", row->uid);
	if (row->gid >= 0)
		json_i64(b, "gid", row->gid);
	put_tree_time(b, "mtime", &row->modified);
	put_tree_time(b, "atime", &row->accessed);
	put_tree_time(b, "ctime", &row->changed);
	put_tree_time(b, "btime", &row->born);
	if (row->type == 'l' && row->blobid)
		rc = put_target(m, b, row->blobid);
	if (row->excluded)
		json_bool(b, "excluded", 1);
	json_end_object(b);
	buf_putc(b, '\n');
	return rc;
}

/* What a bag has no place for: links, empty directories, times. */
static int
write_tree(struct making *m)
{
	FILE *f = tag_file(m, "metadata/tree.jsonl");
	struct buf line = BUF_INIT;
	struct export_row row;
	struct export e;
	int got = -1, rc = 0;

	if (!f)
		return -1;
	if (export_open(&e, m->db, m->medium, EXPORT_BY_INODE) < 0) {
		fclose(f);
		return fail_db(m);
	}
	while (rc == 0 && (got = export_next(&e, &row)) > 0) {
		rc = put_tree_row(m, &line, &row);
		fwrite(line.data, 1, line.len, f);
	}
	if (got < 0)
		rc = fail_db(m);
	export_close(&e);
	buf_free(&line);
	if (rc < 0) {
		fclose(f);
		return -1;
	}
	return end_file(m, f, "metadata/tree.jsonl");
}

static int
write_tagmanifest(struct making *m)
{
	static const char *const names[] = { "bag-info.txt", "bagit.txt",
		"manifest-sha512.txt", "metadata/dfxml.xml",
		"metadata/tree.jsonl" };
	FILE *f = tag_file(m, "tagmanifest-sha512.txt");
	size_t i;

	if (!f)
		return -1;
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		int fd = openat(m->root, names[i], O_RDONLY | O_CLOEXEC);
		int rc = fd < 0 ? -1 : hash_file(m, fd, NULL);

		if (rc < 0)
			fail_errno(m, "read", names[i]);
		if (fd >= 0)
			close(fd);
		if (rc < 0) {
			fclose(f);
			return -1;
		}
		fprintf(f, "%s  %s\n", m->digest, names[i]);
	}
	return end_file(m, f, "tagmanifest-sha512.txt");
}

static int
write_declaration(struct making *m)
{
	FILE *f = tag_file(m, "bagit.txt");

	if (!f)
		return -1;
	fputs("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", f);
	return end_file(m, f, "bagit.txt");
}

/* Without RENAME_NOREPLACE, which exFAT and others lack: look, and rename. */
static int
give_name(const struct making *m)
{
	struct stat st;

	if (renameat2(AT_FDCWD, m->partial, AT_FDCWD, m->final,
	    RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -1;
	if (lstat(m->final, &st) == 0) {
		errno = EEXIST;
		return -1;
	}
	return rename(m->partial, m->final);
}

/* Durable before it has its name. */
static int
finish(struct making *m)
{
	if (sync_tree(m->root) < 0)
		return fail_errno(m, "sync", m->partial);
	if (give_name(m) < 0)
		return fail_errno(m, "rename to", m->final);
	if (fsync_parent(m->final) < 0)
		return fail_errno(m, "sync the directory of", m->final);
	return 0;
}

static int
make(struct making *m)
{
	FILE *manifest;
	int rc;

	if (make_empty(m) < 0 || choose_odd(m) < 0)
		return -1;
	m->manifest = tag_file(m, "manifest-sha512.txt");
	if (!m->manifest)
		return -1;
	rc = fill(m);
	manifest = m->manifest;
	m->manifest = NULL;
	if (end_file(m, manifest, "manifest-sha512.txt") < 0 || rc < 0)
		return -1;
	if (write_dfxml(m) < 0 || write_tree(m) < 0 || write_info(m) < 0 ||
	    write_declaration(m) < 0 || write_tagmanifest(m) < 0)
		return -1;
	return finish(m);
}

static char *
without_slash(const char *dir)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return xasprintf("%.*s", (int)len, dir);
}

int
bagit_make(struct bagit *b, PGconn *db, const char *medium,
    const struct store *store, const char *dir,
    void (*progress)(uint64_t bytes), int (*stop)(void),
    void (*lost)(const char *what, const char *why))
{
	struct making m = { .b = b, .db = db, .medium = medium,
		.store = store, .root = -1, .progress = progress,
		.stop = stop, .lost = lost };
	int rc;

	memset(b, 0, sizeof *b);
	m.tree.root = m.tree.parent = -1;
	m.final = without_slash(dir);
	m.partial = xasprintf("%s.partial", m.final);
	m.sha = EVP_MD_CTX_new();
	m.buffer = xmalloc(PIECE);
	rc = m.sha ? begin(&m) : fail(&m, EXIT_AGAIN,
	    xstrdup("out of memory"));
	if (rc == 0) {
		rc = make(&m);
		if (rc < 0 && m.root >= 0)
			wipe(m.partial);
	}
	archived_close(&m.tree);
	if (m.root >= 0)
		close(m.root);
	EVP_MD_CTX_free(m.sha);
	free(m.buffer);
	free(m.first);
	free(m.odd);
	free(m.partial);
	free(m.final);
	return rc;
}
