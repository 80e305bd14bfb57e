#define _GNU_SOURCE
#include "find/known.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/progress.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "sql/statements.h"

enum {
	BLOCK = 1 << 20,
	LINE_MOST = 4096,	/* hashes stand at the beginning of a line */
	FLUSH = 64 << 10,
	PART = 4000000		/* hashes that the server gets at a time */
};

static const char digits[] = "0123456789abcdefABCDEF";

/* ---- a line ---- */

static int
kind_of(size_t len)
{
	return len == 32 ? KNOWN_MD5 : len == 40 ? KNOWN_SHA1 :
	    len == 64 ? KNOWN_SHA256 : 0;
}

static size_t
run_of(const char *p, const char *end)
{
	const char *q = p;

	while (q < end && *q && strchr(digits, *q))
		q++;
	return (size_t)(q - p);
}

static void
add_hash(struct known_line *l, const char *hex, size_t len, int kind)
{
	if (l->count == KNOWN_HASHES)
		return;
	l->hex[l->count] = hex;
	l->len[l->count++] = len;
	l->kinds |= kind;
}

/* "SHA256 (name) = …", as BSD's programs and --tag write it. */
static int
read_tagged(struct known_line *l, const char *p, const char *end)
{
	static const struct {
		const char *tag;
		int kind;
	} tags[] = { { "MD5 (", KNOWN_MD5 }, { "SHA1 (", KNOWN_SHA1 },
		{ "SHA256 (", KNOWN_SHA256 }, { "BLAKE3 (", KNOWN_BLAKE3 } };
	size_t i, len;
	const char *hex;

	for (i = 0; i < sizeof tags / sizeof tags[0]; i++) {
		if ((size_t)(end - p) < strlen(tags[i].tag) ||
		    strncasecmp(p, tags[i].tag, strlen(tags[i].tag)))
			continue;
		for (hex = end; hex > p && strchr(digits, hex[-1]); hex--)
			;
		len = (size_t)(end - hex);
		if (hex - p > 4 && !memcmp(hex - 4, ") = ", 4) &&
		    kind_of(len) == (tags[i].kind == KNOWN_BLAKE3 ?
		    KNOWN_SHA256 : tags[i].kind))
			add_hash(l, hex, len, tags[i].kind);
		return 1;
	}
	return 0;
}

void
known_line_read(struct known_line *l, const char *line, size_t len)
{
	const char *p = line, *end = line + len;
	size_t n;

	memset(l, 0, sizeof *l);
	while (end > p && strchr(" \t\r", end[-1]))
		end--;
	while (p < end && strchr(" \t", *p))
		p++;
	if (p == end || *p == '#' || *p == '%') {
		l->remark = 1;
		return;
	}
	if (*p == '\\')		/* of md5sum: the name is escaped */
		p++;
	if (read_tagged(l, p, end))
		return;
	/* hashes, sizes and CRCs, with commas between them */
	for (; p < end; p++) {
		const char *field = p += *p == '"';

		n = run_of(p, end);
		p += n;
		if (n == 0 || (p < end && !strchr(",\" \t*", *p)))
			break;
		if (kind_of(n))
			add_hash(l, field, n, kind_of(n));
		if (p < end && *p == '"')
			p++;
		if (p == end || *p != ',')
			break;
	}
}

/* ---- a file ---- */

struct reading {
	struct known *k;
	PGconn *db;
	const char *file;
	struct buf out;
	uint64_t part;
	int seen[16];		/* sets of KNOWN_… that lines had */
};

static void
failed(const struct reading *r)
{
	db_die("could not compare %s with the contents", quoted(r->file));
}

static void
begin_part(struct reading *r)
{
	PGresult *res = db_check(r->db, db_exec(r->db,
	    "COPY known_hash FROM STDIN"));

	if (!res)
		failed(r);
	PQclear(res);
	r->part = 0;
}

static void
flush(struct reading *r)
{
	if (r->out.len && PQputCopyData(r->db, r->out.data,
	    (int)r->out.len) < 0) {
		db_check(r->db, NULL);
		failed(r);
	}
	buf_reset(&r->out);
}

static void
end_part(struct reading *r)
{
	PGresult *res;
	int rc = 0;

	flush(r);
	if (PQputCopyEnd(r->db, NULL) < 0) {
		db_check(r->db, NULL);
		failed(r);
	}
	while ((res = PQgetResult(r->db))) {
		if (!db_check(r->db, res)) {
			rc = -1;
			continue;
		}
		PQclear(res);
	}
	if (rc < 0 || db_script(r->db, sql_known_compare) < 0)
		failed(r);
}

static void
take_line(struct reading *r, const char *line, size_t len)
{
	struct known_line l;
	size_t i;

	r->k->lines++;
	if (r->k->lines == 1 && len >= 3 && !memcmp(line, "\xef\xbb\xbf", 3)) {
		line += 3;
		len -= 3;
	}
	known_line_read(&l, line, len);
	if (l.count == 0) {
		/* the first may be the names of columns */
		r->k->left_out += !l.remark && r->k->lines > 1;
		return;
	}
	r->seen[l.kinds] = 1;
	for (i = 0; i < l.count; i++) {
		buf_puts(&r->out, "\\\\x");
		buf_put(&r->out, l.hex[i], l.len[i]);
		buf_putc(&r->out, '\n');
	}
	r->k->hashes += l.count;
	r->part += l.count;
	if (r->out.len >= FLUSH)
		flush(r);
	if (r->part >= PART) {
		end_part(r);
		begin_part(r);
	}
}

static void
refuse_other_formats(const char *file, const char *block, size_t len)
{
	static const struct {
		const char *magic;
		size_t len;
		const char *what;
	} others[] = {
		{ "PK\3\4", 4, "it is a zip archive: take the list out of it" },
		{ "\x1f\x8b", 2, "it is compressed: \"zcat FILE\" and -" },
		{ "7z\xbc\xaf", 4, "it is a 7-Zip archive: take the list out "
			"of it" },
		{ "SQLite format 3", 15, "it is a database of SQLite: "
			"\"sqlite3 -csv FILE 'SELECT sha1, md5 FROM FILE'\" "
			"makes a list of it" },
		{ "\xff\xfe", 2, "it is UTF-16" },
		{ "\xfe\xff", 2, "it is UTF-16" },
	};
	size_t i;

	for (i = 0; i < sizeof others / sizeof others[0]; i++)
		if (len >= others[i].len && !memcmp(block, others[i].magic,
		    others[i].len))
			die(EXIT_FAILED, "cannot read %s as a list of hashes: "
			    "%s", quoted(file), others[i].what);
}

static int
open_list(const char *file)
{
	int fd = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC) :
	    STDIN_FILENO;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		die_errno("could not open %s: %m", quoted(file));
	progress_start("comparing", NULL, PROGRESS_BYTES,
	    S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
	return fd;
}

/* Every line, of a long one the beginning. */
static void
read_lines(struct reading *r)
{
	char *block = xmalloc(BLOCK);
	struct buf line = BUF_INIT;
	uint64_t done = 0;
	int fd = open_list(r->file);
	ssize_t n;

	while ((n = read_full(fd, block, BLOCK)) > 0 && !sig_caught()) {
		const char *p = block, *end = block + n, *stop;

		if (done == 0)
			refuse_other_formats(r->file, block, (size_t)n);
		for (; p < end; p = stop + 1) {
			stop = memchr(p, '\n', (size_t)(end - p));
			if (line.len < LINE_MOST)
				buf_put(&line, p, (size_t)((stop ? stop :
				    end) - p));
			if (!stop)
				break;
			take_line(r, line.data, line.len);
			buf_reset(&line);
		}
		done += (uint64_t)n;
		progress_set(done);
	}
	if (n < 0)
		die_errno("could not read %s: %m", quoted(r->file));
	if (line.len)
		take_line(r, line.data, line.len);
	progress_stop();
	if (sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
	if (fd != STDIN_FILENO)
		close(fd);
	buf_free(&line);
	free(block);
}

/* Does the list know a content by its BLAKE3? */
static int
has_blake3(const struct reading *r)
{
	PGresult *res = db_query(r->db, sql_known_by_blake3);
	int has = res ? db_bool(res, 0, 0) : -1;

	if (has < 0)
		failed(r);
	PQclear(res);
	return has;
}

static void
judge(struct reading *r)
{
	int blake3 = has_blake3(r), set;
	struct buf sets = BUF_INIT;

	for (set = 1; set < 16; set++) {
		if (!r->seen[set])
			continue;
		buf_printf(&sets, "%s%d", sets.len ? "," : "{", set |
		    (blake3 && (set & KNOWN_SHA256) ? KNOWN_BLAKE3 : 0));
		r->k->missing |= set & ~KNOWN_BLAKE3;
	}
	buf_putc(&sets, '}');
	if (db_do(r->db, sql_known_judge, sets.data) < 0)
		failed(r);
	buf_free(&sets);
}

static void
count(struct known *k, PGconn *db)
{
	PGresult *res = db_query(db, sql_known_counts);

	if (!res)
		db_die("could not count the known contents");
	k->known = (uint64_t)db_int(res, 0, 0);
	k->compared = (uint64_t)db_int(res, 0, 1);
	k->contents = (uint64_t)db_int(res, 0, 2);
	PQclear(res);
}

void
known_compare(struct known *k, PGconn *db, const char *file)
{
	struct reading r = { .k = k, .db = db, .file = file };

	memset(k, 0, sizeof *k);
	if (db_script(db, sql_known_begin) < 0)
		failed(&r);
	begin_part(&r);
	read_lines(&r);
	end_part(&r);
	if (k->hashes == 0)
		die(EXIT_FAILED, "%s is no list of hashes: no line begins "
		    "with an MD5, SHA-1, SHA-256 or BLAKE3", quoted(file));
	judge(&r);
	count(k, db);
	buf_free(&r.out);
}

int
known_recall(struct known *k, PGconn *db, const char *list)
{
	PGresult *res;
	int is_list;

	memset(k, 0, sizeof *k);
	if (strchr(list, '/') || !utf8_valid(list, strlen(list)))
		return 0;
	res = db_query(db, sql_known_is_list, list);
	if (!res)
		db_die("could not look for the list %s", quoted(list));
	is_list = PQntuples(res);
	PQclear(res);
	if (!is_list)
		return 0;
	if (db_script(db, sql_known_recall_begin) < 0 ||
	    db_do(db, sql_known_recall, list) < 0)
		db_die("could not read the list %s", quoted(list));
	count(k, db);
	return 1;
}

int
known_say_left(const struct known *k, const char *list)
{
	static const char *const names[] = { "MD5", "SHA-1", "SHA-256" };
	struct buf why = BUF_INIT;
	size_t i;

	if (k->left_out)
		warn("%s: %s %s no MD5, SHA-1, SHA-256 or BLAKE3 at the "
		    "beginning", quoted(list), num_grouped(k->left_out),
		    k->left_out == 1 ? "line has" : "lines have");
	if (k->compared == k->contents)
		return k->left_out > 0;
	for (i = 0; i < 3; i++)
		if (k->missing & 1 << i)
			buf_printf(&why, "%s%s", why.len ? " or " : "",
			    names[i]);
	if (why.len)
		warn("%s of %s contents were not compared with %s, because "
		    "they have no %s (see NTT_DIGESTS in ntt(7))",
		    num_grouped(k->contents - k->compared),
		    num_grouped(k->contents), quoted(list), why.data);
	else
		warn("%s of %s contents were not compared with %s: they came "
		    "later, or lack its digests (ntt-db known FILE reads it "
		    "again)", num_grouped(k->contents - k->compared),
		    num_grouped(k->contents), quoted(list));
	buf_free(&why);
	return 1;
}
