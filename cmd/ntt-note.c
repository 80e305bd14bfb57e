/* ntt-note: what people say about a medium, its title and its message. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/prog.h"
#include "catalogue/catalogue_file.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "sql/statements.h"

static const char *title;
static int replace, restricted, unrestricted, json;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "title", "TEXT", "what the medium is called from now on",
		OPT_TEXT(&title) },
	{ 0, "replace", NULL, "the text takes the place of the message",
		OPT_FLAG(&replace) },
	{ 0, "restricted", NULL, "ntt-find and ntt-browse show the medium "
		"only where it is named", OPT_FLAG(&restricted) },
	{ 0, "unrestricted", NULL, "they show it again",
		OPT_FLAG(&unrestricted) },
	{ 0, "json", NULL, "print JSON", OPT_FLAG(&json) },
	OPT_END
};

static const struct prog prog = {
	"ntt-note",
	"[--title TEXT] [--replace] [--restricted] MEDIUM [TEXT]",
	"Add to, change or show what people say about a medium"
};

/* The catalogue stores text, so bytes that are no text are refused here. */
static void
need_text(PGconn *db, const char *what, const char *text)
{
	PGresult *res;

	if (!text)
		return;
	res = db_query(db, "SELECT $1::text", text);
	if (!res && db_status() == EXIT_FAILED)
		die_usage("%s is not UTF-8: %s", what, quoted(text));
	if (!res)
		db_die("could not ask the catalogue");
	PQclear(res);
}

static void
show(const struct medium *m)
{
	struct buf b = BUF_INIT;

	if (json) {
		json_begin_object(&b, NULL);
		json_text(&b, "medium", m->hash);
		json_text(&b, "title", m->title);
		json_text(&b, "name", m->human);
		json_text(&b, "message", m->message);
		json_bool(&b, "restricted", m->restricted);
		json_end_object(&b);
		puts(b.data);
		buf_free(&b);
		return;
	}
	printf("%s  %s%s\n", m->hash, quoted(medium_shown(m)),
	    m->restricted ? "  restricted" : "");
	if (m->message)
		puts(m->message);
}

int
main(int argc, char **argv)
{
	const char *name, *text;
	int status = EXIT_DONE;
	struct medium m;
	PGconn *db;

	prog_start(&prog, argc, argv);
	prog_options(options);
	name = prog_need_medium(0, 1);
	prog_operands(0, 1);
	text = prog_operand(0);
	if (replace && !text)
		die_usage("--replace needs a text");
	if (restricted && unrestricted)
		die_usage("--restricted and --unrestricted exclude each other");
	prog_config();
	db = db_need();
	medium_named(db, name, &m);
	need_text(db, "the title", title);
	need_text(db, "the text", text);
	if (db_begin(db) < 0 ||
	    (title && db_do(db, sql_note_title, m.hash, title) < 0) ||
	    (text && db_do(db, sql_note_message, m.hash, text,
	    replace ? "t" : "f") < 0) ||
	    (restricted + unrestricted && db_do(db, sql_note_restricted,
	    m.hash, restricted ? "t" : "f") < 0) || db_commit(db) < 0)
		db_die("could not change %s", m.hash);
	if (title || text || restricted || unrestricted)
		status = catalogue_file_renew(db, m.hash, "noted");
	else
		show(&m);
	medium_free(&m);
	PQfinish(db);
	return status;
}
