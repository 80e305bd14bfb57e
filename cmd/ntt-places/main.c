/* ntt-places: where copies of the collection are, and what is there. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/num.h"
#include "base/privilege.h"
#include "base/prog.h"
#include "catalogue/db.h"
#include "keep/depot.h"
#include "sql/statements.h"
#include "add.h"

static int json, yes, clear;
static PGconn *db;

static const struct prog_option options[] = {
	{ 0, "clear", NULL, "add: do not encrypt what is remote",
		OPT_FLAG(&clear) },
	{ 0, "json", NULL, "list: print JSON", OPT_FLAG(&json) },
	{ 0, "yes", NULL, "forget: do not ask", OPT_FLAG(&yes) },
	OPT_END
};

static const struct prog prog = {
	"ntt-places",
	"add NAME DIRECTORY\nadd [--clear] NAME rclone:REMOTE:PATH\nlist [--json]\nforget [--yes] NAME",
	"Other disks with copies of the collection"
};

enum verb { ADD, LIST, FORGET };
static const char *const verbs[] = { "add", "list", "forget", NULL };

/* ---- list ---- */

struct sums {
	uint64_t contents, bytes, only_there, lacking, lacking_bytes, files;
};

static struct sums
sum(const struct depot *d)
{
	PGresult *res = db_query(db, sql_places_sums, d->name);
	struct sums s;

	if (!res)
		db_die("could not count what %s has", d->name);
	s = (struct sums){ (uint64_t)db_int(res, 0, 0),
		(uint64_t)db_int(res, 0, 1), (uint64_t)db_int(res, 0, 2),
		(uint64_t)db_int(res, 0, 3), (uint64_t)db_int(res, 0, 4),
		(uint64_t)db_int(res, 0, 5) };
	PQclear(res);
	return s;
}

static const char *
or_never(const char *when)
{
	return *when ? when : "never";
}

static const char *
or_null(const char *when)
{
	return *when ? when : NULL;
}

static const char *
kind(const struct depot *d)
{
	return !d->remote ? "directory" : d->clear ? "rclone, clear" :
	    "rclone, encrypted";
}

static void
print(const struct depot *d, const struct sums *s, const char *away)
{
	printf("%s %s %s\n", d->name, kind(d), quoted(d->path));
	if (away)
		printf("\tnot in reach: %s\n", away);
	printf("\tlast seen %s, mirrored %s, checked %s\n", or_never(d->seen),
	    or_never(d->mirrored), or_never(d->checked));
	printf("\t%s contents, %s, and %s other files\n",
	    num_grouped(s->contents), num_bytes(s->bytes),
	    num_grouped(s->files));
	if (s->only_there)
		printf("\t%s contents are only there\n",
		    num_grouped(s->only_there));
	if (s->lacking)
		printf("\t%s contents, %s, are not there\n",
		    num_grouped(s->lacking), num_bytes(s->lacking_bytes));
}

static void
print_json(const struct depot *d, const struct sums *s, const char *away)
{
	struct buf b = BUF_INIT;

	json_begin_object(&b, NULL);
	json_text(&b, "name", d->name);
	json_text(&b, "kind", d->remote ? "rclone" : "directory");
	json_bool(&b, "encrypted", !d->clear);
	json_name(&b, "path", d->path, strlen(d->path));
	json_bool(&b, "in_reach", !away);
	json_text(&b, "away", away);
	json_text(&b, "last_seen", or_null(d->seen));
	json_text(&b, "last_mirrored", or_null(d->mirrored));
	json_text(&b, "last_checked", or_null(d->checked));
	json_u64(&b, "contents", s->contents);
	json_u64(&b, "bytes", s->bytes);
	json_u64(&b, "files", s->files);
	json_u64(&b, "only_there", s->only_there);
	json_u64(&b, "lacking", s->lacking);
	json_u64(&b, "lacking_bytes", s->lacking_bytes);
	json_end_object(&b);
	puts(b.data);
	buf_free(&b);
}

/* Those with fewer copies than there should be. */
static void
print_few(int places)
{
	uint64_t wanted, contents, bytes;

	if (depot_count_copies(db, &wanted, &contents, &bytes) < 0)
		db_die("could not count the copies");
	if (json || (places == 0 && wanted == 1))
		return;
	if (contents > 0)
		printf("%s contents, %s, have fewer than %llu %s: \"ntt-find "
		    "--copies -%llu\"\n", num_grouped(contents),
		    num_bytes(bytes), (unsigned long long)wanted,
		    wanted > 1 ? "copies" : "good copy",
		    (unsigned long long)wanted);
	else
		printf("every content has %llu %s\n",
		    (unsigned long long)wanted,
		    wanted > 1 ? "copies" : "good copy");
}

static void
read_places(struct depots *d)
{
	if (depots_read(db, NULL, d) < 0)
		db_die("could not list the places");
}

/* Those in reach were seen now. */
static void
look(void)
{
	struct depots d;
	char *away;
	size_t i;

	read_places(&d);
	for (i = 0; i < d.count; i++)
		if (!depot_reach(&d.list[i], &away))
			free(away);
		else if (db_do(db, sql_places_seen, d.list[i].name) < 0)
			db_die("could not record that %s is there",
			    d.list[i].name);
	depots_free(&d);
}

static void
list(void)
{
	struct depots d;
	size_t i;

	look();
	read_places(&d);
	if (d.count == 0)
		say("there is no place yet: ntt-places add NAME DIRECTORY");
	for (i = 0; i < d.count; i++) {
		struct sums s = sum(&d.list[i]);
		char *away = NULL;

		depot_reach(&d.list[i], &away);
		(json ? print_json : print)(&d.list[i], &s, away);
		free(away);
	}
	print_few(d.count > 0);
	depots_free(&d);
}

/* ---- forget ---- */

static void
forget(const char *name)
{
	struct depots d;
	struct sums s;
	char answer[DEPOT_NAME + 2] = "";
	int locked;

	if (depots_read(db, name, &d) < 0)
		db_die("could not look for the place");
	if (d.count == 0)
		die(EXIT_FAILED, "there is no place %s: ntt-places list",
		    quoted(name));
	s = sum(&d.list[0]);
	print(&d.list[0], &s, NULL);
	fflush(stdout);
	if (!yes) {
		fprintf(stderr, "What is there stays.  Type the name of the "
		    "place to forget it: ");
		if (!fgets(answer, sizeof answer, stdin) ||
		    strcspn(answer, "\n") != strlen(name) ||
		    strncmp(answer, name, strlen(name)))
			die(EXIT_REFUSED, "not confirmed, nothing changed");
	}
	locked = depot_lock(db, &d.list[0]);
	if (locked == 0)
		die(EXIT_AGAIN, "an ntt-mirror is at work on %s", name);
	if (locked < 0 || db_do(db, sql_places_forget, name) < 0)
		db_die("could not forget %s", name);
	say("%s is forgotten; its files are as they were", name);
	depots_free(&d);
}

static void
check_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > DEPOT_NAME || *name == '-' || *name == '_' ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != len)
		die_usage("the name of a place has at most %d of a-z, 0-9, "
		    "'-' and '_', not %s", DEPOT_NAME, quoted(name));
}

static int
is_remote(const char *where)
{
	return !strncmp(where, DEPOT_REMOTE, sizeof DEPOT_REMOTE - 1);
}

static void
check_where(const char *where)
{
	if (!*where)
		die_usage("a directory is needed");
	if (clear && !is_remote(where))
		die_usage("--clear goes with rclone:REMOTE:PATH");
	if (is_remote(where) && !strchr(where + sizeof DEPOT_REMOTE, ':'))
		die_usage("rclone:REMOTE:PATH is needed, not %s",
		    quoted(where));
}

int
main(int argc, char **argv)
{
	static const int operands[] = { [ADD] = 3, [LIST] = 1, [FORGET] = 2 };
	enum verb verb;

	prog_start(&prog, argc, argv);
	prog_options(options);
	verb = (enum verb)prog_verb(verbs);
	prog_operands(operands[verb], operands[verb]);
	if (json && verb != LIST)
		die_usage("--json goes with list");
	if (clear && verb != ADD)
		die_usage("--clear goes with add");
	if (yes && verb != FORGET)
		die_usage("--yes goes with forget");
	if (verb == ADD) {
		check_name(prog_operand(1));
		check_where(prog_operand(2));
	}
	prog_config();
	db = db_need();
	if (privilege_drop(NULL) < 0)
		die_errno("could not give up root rights: %m");
	if (verb == ADD && is_remote(prog_operand(2)))
		add_remote(db, prog_operand(1), prog_operand(2) +
		    sizeof DEPOT_REMOTE - 1, clear);
	else if (verb == ADD)
		add_place(db, prog_operand(1), prog_operand(2));
	else if (verb == LIST)
		list();
	else
		forget(prog_operand(1));
	PQfinish(db);
	return EXIT_DONE;
}
