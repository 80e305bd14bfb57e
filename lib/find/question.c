#define _GNU_SOURCE
#include "find/question.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/place.h"
#include "hash/blake3_hex.h"
#include "sql/statements.h"

struct question_scope {
	char *medium, *under;	/* a bytea, NULL: all of it */
};

void
question_options(struct question *q)
{
	q->medium = prog_medium(prog_operand_count(), prog_operand_count());
	if (q->types && (!*q->types || q->types[strspn(q->types,
	    "fdlbcps")]))
		die_usage("--type needs letters of f d l b c p s, not %s",
		    quoted(q->types));
	if (q->hash && (strlen(q->hash) != 64 ||
	    strspn(q->hash, "0123456789abcdef") != 64))
		die_usage("--hash needs 64 hexadecimal digits, not %s",
		    quoted(q->hash));
	if (q->hash && q->same_as)
		die_usage("--hash and --same-as exclude each other");
	if (q->known && q->not_known)
		die_usage("--known and --not-known exclude each other");
	if (q->fact && (!*q->fact || *q->fact == '='))
		die_usage("--fact needs a name, not %s", quoted(q->fact));
}

/* "image/" and anything, as LIKE has it. */
static char *
like(const char *mime)
{
	struct buf b = BUF_INIT;

	for (; *mime; mime++) {
		if (strchr("%_\\", *mime))
			buf_putc(&b, '\\');
		buf_putc(&b, *mime == '*' ? '%' : *mime);
	}
	return buf_detach(&b);
}

static void
read_size(struct question *q)
{
	const char *n = q->size + strspn(q->size, "+-");
	uint64_t bytes = size_arg("--size", n);
	char *text;

	if (n > q->size + 1 || bytes > INT64_MAX)
		die_usage("--size needs N, +N or -N, not %s",
		    quoted(q->size));
	text = xasprintf("%" PRIu64, bytes);
	q->tests.smallest = *q->size == '-' ? NULL : text;
	q->tests.largest = *q->size == '+' ? NULL : text;
}

static void
read_copies(struct question *q, PGconn *db)
{
	const char *n = q->copies + strspn(q->copies, "+-");
	uint64_t copies = num_arg("--copies", n, 0, 1000000);
	char *fewest, *most;

	if (n > q->copies + 1)
		die_usage("--copies needs N, +N or -N, not %s",
		    quoted(q->copies));
	fewest = xasprintf("%" PRIu64, *q->copies == '-' ? 0 :
	    copies + (*q->copies == '+'));
	most = xasprintf("%" PRId64, *q->copies == '+' ? INT64_MAX :
	    (int64_t)copies - (*q->copies == '-'));
	if (search_copies(db, fewest, most) < 0)
		db_die("could not count the copies");
	q->tests.copies = 1;
	free(fewest);
	free(most);
}

/* What a list knows is found once, for all media. */
static void
read_known(struct question *q, PGconn *db)
{
	const char *list = q->known ? q->known : q->not_known;

	if (!known_recall(&q->list, db, list)) {
		known_compare(&q->list, db, list);
		if (db_commit(db) < 0)
			db_die("could not compare %s", quoted(list));
	}
	q->tests.known = q->known ? 1 : -1;
}

static char *
read_date(PGconn *db, const char *option, const char *date)
{
	PGresult *res = db_query(db, sql_find_date, date);
	char *seconds;

	if (!res && db_status() == EXIT_FAILED)
		die_usage("%s needs a date, not %s", option, quoted(date));
	if (!res)
		db_die("could not read a date");
	seconds = xstrdup(db_text(res, 0, 0));
	PQclear(res);
	return seconds;
}

static char *
hash_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *block = xmalloc(1 << 20), *hex = xmalloc(BLAKE3_HEX + 1);
	blake3_hasher h;
	ssize_t n;

	if (fd < 0)
		die_errno("could not open %s: %m", quoted(path));
	blake3_hasher_init(&h);
	while ((n = read_full(fd, block, 1 << 20)) > 0 && !sig_caught())
		blake3_hasher_update(&h, block, (size_t)n);
	if (n < 0)
		die_errno("could not read %s: %m", quoted(path));
	blake3_hex(&h, hex);
	close(fd);
	free(block);
	return hex;
}

/* NAME, or NAME=TEXT: the first "=" divides them. */
static void
read_fact(struct question *q)
{
	size_t len = strcspn(q->fact, "=");

	q->tests.fact = xasprintf("%.*s", (int)len, q->fact);
	if (q->fact[len])
		q->tests.fact_text = db_bytea(q->fact + len + 1,
		    strlen(q->fact + len + 1));
}

static void
add_scope(struct question *q, const char *hash, const char *under,
    size_t len)
{
	struct question_scope *s;

	q->scopes = xrealloc(q->scopes, (q->scope_count + 1) *
	    sizeof *q->scopes);
	s = &q->scopes[q->scope_count++];
	s->medium = xstrdup(hash);
	s->under = len > 0 ? db_bytea(under, len) : NULL;
}

/* An operand whose part before the colon names a medium: 1, and is a scope. */
static int
is_place(struct question *q, PGconn *db, const char *operand)
{
	struct place_names known = PLACE_NAMES_INIT;
	char *hashes[MEDIUM_CANDIDATES];
	size_t end = place_split(operand, strlen(operand));
	struct place p;
	char *name;
	int n, i;

	if (!operand[end] || end == 0)
		return 0;
	name = xasprintf("%.*s", (int)end, operand);
	n = medium_find(db, name, hashes);
	free(name);
	if (n < 0)
		db_die("could not look up %s", quoted(operand));
	for (i = 0; i < n && i < MEDIUM_CANDIDATES; i++)
		free(hashes[i]);
	if (n == 0)
		return 0;
	place_named(db, &known, NULL, operand, strlen(operand), &p);
	add_scope(q, p.medium, p.path, p.len);
	place_free(&p);
	place_names_free(&known);
	return 1;
}

void
question_read(struct question *q, PGconn *db)
{
	const char *bytes;
	size_t i, len;
	int n;

	for (i = 0; i < q->patterns.count; i++)
		matcher_add(&q->names, q->patterns.values[i]);
	for (n = 0; n < prog_operand_count(); n++)
		if (!is_place(q, db, prog_operand(n)))
			matcher_add(&q->names, prog_operand(n));
	if (q->medium) {
		char *hash = medium_named_hash(db, q->medium);

		add_scope(q, hash, "", 0);
		free(hash);
	}
	len = matcher_needs(&q->names, &bytes);
	q->tests.needs = len > 0 ? db_bytea(bytes, len) : NULL;
	q->tests.types = q->types;
	q->tests.mime = q->mime ? like(q->mime) : NULL;
	q->tests.words = q->words;
	if (q->fact)
		read_fact(q);
	if (q->size)
		read_size(q);
	if (q->copies)
		read_copies(q, db);
	if (q->known || q->not_known)
		read_known(q, db);
	if (q->newer)
		q->tests.newer = read_date(db, "--newer", q->newer);
	if (q->older)
		q->tests.older = read_date(db, "--older", q->older);
	q->tests.blob = q->same_as ? hash_file(q->same_as) : q->hash;
}

/* ---- the answers ---- */

static struct {
	const struct matcher *names;
	const char *medium, *medium_name;
	void (*take)(const struct found *e);
} asked;

static void
hold_name(const struct found *e)
{
	struct found named = *e;

	if (!matcher_fits(asked.names, e->path))
		return;
	named.medium = asked.medium;
	named.medium_name = asked.medium_name;
	asked.take(&named);
}

/* 0: so many fit that it is better to read them with all there is. */
static int
collect(void *arg, const char *path, size_t len)
{
	struct lookup_hits *hits = arg;

	if (matcher_fits(asked.names, path))
		lookup_hits_add(hits, path, len);
	return hits->paths.count <= LOOKUP_HITS_MAX && !sig_caught();
}

/*
 * Names that only we can judge are read first, and what else there is of those
 * that fit then: 1, unless they are many.
 */
static int
read_names(const struct question *q, PGconn *db, const char *under,
    struct lookup_hits *hits)
{
	const struct tests *t = &q->tests;

	if (q->names.count == 0 || t->needs || t->blob || t->words ||
	    t->fact || t->known || t->damaged)
		return 0;
	if (search_paths(db, asked.medium, under, collect, hits) < 0)
		db_die("could not search %s", asked.medium);
	return hits->paths.count <= LOOKUP_HITS_MAX && !sig_caught();
}

static void
ask_medium(const struct question *q, PGconn *db, const char *under,
    struct lookup_hits *hits)
{
	struct tests t = q->tests;
	struct lookup_hits read;
	int none;

	lookup_hits_init(&read);
	if (!hits && read_names(q, db, under, &read))
		hits = &read;
	none = hits && hits->paths.count == 0;
	t.under = under;
	t.hits = hits;
	if ((!none && search_entries(db, asked.medium, &t, hold_name) < 0) ||
	    (t.missing && !t.blob && !t.damaged && !t.words && !t.fact &&
	    !t.known &&
	    search_omissions(db, asked.medium, &t, hold_name) < 0))
		db_die("could not search %s", asked.medium);
	lookup_hits_free(&read);
}

/* Stored files of a medium that a test could not judge, and whose texts end. */
struct unknown {
	uint64_t mime, words, cut, fact;
};

static PGresult *
count_unknown(PGconn *db, const char *statement, int n, const char *param)
{
	char *sql = sql_for(statement, asked.medium);
	PGresult *res = db_query_n(db, sql, n, &param);

	free(sql);
	if (!res)
		db_die("could not count the contents of %s", asked.medium);
	return res;
}

static void
add_unknown(const struct question *q, PGconn *db, struct unknown *u)
{
	PGresult *res;

	if (q->tests.mime) {
		res = count_unknown(db, sql_find_mime_unknown, 0, NULL);
		u->mime += (uint64_t)db_int(res, 0, 0);
		PQclear(res);
	}
	if (q->tests.words) {
		res = count_unknown(db, sql_find_words_unknown, 0, NULL);
		u->words += (uint64_t)db_int(res, 0, 0);
		u->cut += (uint64_t)db_int(res, 0, 1);
		PQclear(res);
	}
	if (q->tests.fact) {
		res = count_unknown(db, sql_find_fact_unknown, 1,
		    q->tests.fact);
		u->fact += (uint64_t)db_int(res, 0, 0);
		PQclear(res);
	}
}

static uint64_t
say_unknown(const struct question *q, const struct unknown *u)
{
	uint64_t left = 0;

	if (q->tests.mime && u->mime && ++left)
		warn("%s stored files have no MIME type yet, so they were "
		    "not looked at (ntt-each --mime-types)",
		    num_grouped(u->mime));
	if (q->tests.words && u->words && ++left)
		warn("the words of %s stored files are not known, so they "
		    "were not looked at (ntt-each --text)",
		    num_grouped(u->words));
	if (q->tests.words && u->cut && ++left)
		warn("%s stored files have longer texts than are kept: only "
		    "their beginnings were looked at", num_grouped(u->cut));
	if (q->tests.fact && u->fact && ++left)
		warn("%s stored files have no answer of %s, so they were "
		    "not looked at", num_grouped(u->fact),
		    quoted(q->tests.fact));
	return left;
}

static int
in_scope(const struct question *q, size_t i)
{
	return !strcmp(q->scopes[i].medium, asked.medium);
}

static const char *
media_are(uint64_t n)
{
	return n == 1 ? "medium is" : "media are";
}

/* That it took longer than it has to. */
static void
say_read(const struct lookup *l, uint64_t media)
{
	if (l->why && *l->why && media > 0)
		say("%s, so all names were read", l->why);
	if (l->missing > 0)
		say("%s %s not in the index of names, so all names there "
		    "were read (ntt-db index)", num_grouped(l->missing),
		    media_are(l->missing));
	if (l->folding > 0)
		say("%s media have letters that small are ASCII, so all names "
		    "there were read", num_grouped(l->folding));
}

uint64_t
question_ask(struct question *q, PGconn *db,
    void (*take)(const struct found *e))
{
	const char *params[] = { q->message, q->tests.blob };
	PGresult *media = db_query_n(db, sql_find_media, 2, params);
	struct unknown unknown = { 0, 0, 0, 0 };
	uint64_t left = 0, hidden = 0, was_read = 0;
	/* named streams are asked, too, and the index has no names of them */
	int by_content = q->tests.blob || q->tests.words || q->tests.fact ||
	    q->tests.known;
	struct lookup lookup;
	int row;

	if (!media)
		db_die("could not list the media");
	lookup_begin(&lookup, &q->names);
	asked.names = &q->names;
	asked.take = take;
	for (row = 0; row < PQntuples(media) && !sig_caught(); row++) {
		int wanted = q->scope_count == 0;
		struct lookup_hits *hits;
		size_t i;

		asked.medium = db_text(media, row, 0);
		asked.medium_name = db_text(media, row, 1);
		for (i = 0; i < q->scope_count; i++)
			wanted |= in_scope(q, i);
		if (!wanted)
			continue;
		if (q->scope_count == 0 && !q->restricted &&
		    db_bool(media, row, 3)) {
			hidden++;
			continue;
		}
		if (!db_bool(media, row, 2)) {
			warn("%s %s is not loaded, so it was not searched",
			    asked.medium, quoted(asked.medium_name));
			left++;
			continue;
		}
		/* of a content that it does not hold nothing is asked */
		if (db_bool(media, row, 5)) {
			hits = by_content ? NULL : lookup_medium(&lookup,
			    asked.medium, db_text(media, row, 4));
			was_read += !by_content && !hits;
			if (q->scope_count == 0)
				ask_medium(q, db, NULL, hits);
			for (i = 0; i < q->scope_count; i++)
				if (in_scope(q, i))
					ask_medium(q, db, q->scopes[i].under,
					    hits);
		}
		add_unknown(q, db, &unknown);
	}
	PQclear(media);
	say_read(&lookup, was_read);
	lookup_end(&lookup);
	if (hidden > 0)
		say("%s restricted %s not searched; -m MEDIUM searches one",
		    num_grouped(hidden), hidden == 1 ? "medium was" :
		    "media were");
	if (q->tests.known)
		left += (uint64_t)known_say_left(&q->list, q->known ?
		    q->known : q->not_known);
	return left + say_unknown(q, &unknown);
}
