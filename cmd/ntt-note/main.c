/*
 * ntt-note: what people say about a medium: its title, its message, and what an
 * inventory has of it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/prog.h"
#include "catalogue/catalogue_file.h"
#include "catalogue/db.h"
#include "catalogue/inventory.h"
#include "catalogue/medium.h"
#include "sql/statements.h"
#include "import.h"

static const char *title;
static struct option_list fields;
static struct import table;
static int replace, restricted, unrestricted, json;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "title", "TEXT", "what the medium is called from now on",
		OPT_TEXT(&title) },
	{ 0, "replace", NULL, "the text takes the place of the message, the "
		"table that of earlier ones", OPT_FLAG(&replace) },
	{ 0, "set", "NAME=TEXT", "a field of the inventory",
		OPT_LIST(&fields) },
	{ 0, "import", "FILE.csv", "an inventory of media, - for standard "
		"input", OPT_TEXT(&table.file) },
	{ 0, "by", "COLUMN", "the column of FILE.csv that names the medium",
		OPT_TEXT(&table.by) },
	{ 0, "restricted", NULL, "ntt-find and ntt-browse show the medium "
		"only where it is named", OPT_FLAG(&restricted) },
	{ 0, "unrestricted", NULL, "they show it again",
		OPT_FLAG(&unrestricted) },
	{ 0, "json", NULL, "print JSON", OPT_FLAG(&json) },
	OPT_END
};

static const struct prog prog = {
	"ntt-note",
	"[--title TEXT] [--set NAME=TEXT] [--replace] [--restricted] MEDIUM [TEXT]\n"
	"--import FILE.csv [--by COLUMN] [--replace]",
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

/* NAME=TEXT of --set, as a table would have it. */
static void
set_fields(PGconn *db, const struct medium *m)
{
	struct inventory set = { NULL, 0 };
	struct buf pairs = BUF_INIT;
	size_t i, len;

	for (i = 0; i < fields.count; i++) {
		len = strcspn(fields.values[i], "=");
		char *name = xasprintf("%.*s", (int)len, fields.values[i]);

		inventory_add(&set, name, fields.values[i] + len + 1);
		free(name);
	}
	inventory_pairs(&pairs, &set);
	if (db_do(db, sql_note_inventory, m->hash, pairs.data, "f") < 0)
		db_die("could not change %s", m->hash);
	inventory_free(&set);
	buf_free(&pairs);
}

static void
need_fields(PGconn *db)
{
	size_t i, k;

	for (i = 0; i < fields.count; i++) {
		const char *field = fields.values[i];
		size_t len = strcspn(field, "=");

		if (!field[len] || len == 0)
			die_usage("--set needs NAME=TEXT, not %s",
			    quoted(field));
		need_text(db, "the field", field);
		for (k = 0; k < i; k++)
			if (!strncasecmp(field, fields.values[k], len + 1))
				die_usage("--set has %s twice",
				    quoted_bytes(field, len));
	}
}

/* Escaped for a terminal, but quotes and backslashes are as they were typed. */
static void
put_shown(struct buf *b, const char *text)
{
	size_t len;

	for (; *text; text += len) {
		len = strcspn(text, "\"\\");
		buf_escape(b, text, len);
		if (len == 0)
			buf_put(b, text, len = 1);
	}
}

static void
put_fields(const struct medium *m)
{
	struct inventory all;
	struct buf b = BUF_INIT;
	size_t i;

	inventory_read(&all, m->inventory);
	for (i = 0; i < all.count; i++) {
		put_shown(&b, all.item[i].name);
		buf_puts(&b, ": ");
		put_shown(&b, all.item[i].value);
		buf_putc(&b, '\n');
	}
	if (b.len)
		fputs(b.data, stdout);
	buf_free(&b);
	inventory_free(&all);
}

static void
show(const struct medium *m)
{
	struct inventory all;
	struct buf b = BUF_INIT;

	if (json) {
		json_begin_object(&b, NULL);
		json_text(&b, "medium", m->hash);
		json_text(&b, "title", m->title);
		json_text(&b, "name", m->human);
		json_text(&b, "message", m->message);
		json_bool(&b, "restricted", m->restricted);
		inventory_read(&all, m->inventory);
		inventory_object(&b, "inventory", &all);
		inventory_free(&all);
		json_end_object(&b);
		puts(b.data);
		buf_free(&b);
		return;
	}
	printf("%s  %s%s\n", m->hash, quoted(medium_shown(m)),
	    m->restricted ? "  restricted" : "");
	if (m->message)
		puts(m->message);
	put_fields(m);
}

/* A table instead of a medium. */
static int
import_table(void)
{
	PGconn *db;
	int status;

	prog_operands(0, 0);
	if (prog_medium(0, 0))
		die_usage("--import takes the media from its table");
	if (title || fields.count || restricted || unrestricted)
		die_usage("--import goes alone, or with --by, --replace, "
		    "--json");
	table.replace = replace;
	table.json = json;
	prog_config();
	db = db_need();
	status = import(db, &table);
	PQfinish(db);
	return status;
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
	if (table.file)
		return import_table();
	if (table.by)
		die_usage("--by is for --import");
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
	need_fields(db);
	if (db_begin(db) < 0 ||
	    (title && db_do(db, sql_note_title, m.hash, title) < 0) ||
	    (text && db_do(db, sql_note_message, m.hash, text,
	    replace ? "t" : "f") < 0) ||
	    (restricted + unrestricted && db_do(db, sql_note_restricted,
	    m.hash, restricted ? "t" : "f") < 0))
		db_die("could not change %s", m.hash);
	if (fields.count)
		set_fields(db, &m);
	if (db_commit(db) < 0)
		db_die("could not change %s", m.hash);
	if (title || text || restricted || unrestricted || fields.count)
		status = catalogue_file_renew(db, m.hash, "noted");
	else
		show(&m);
	medium_free(&m);
	PQfinish(db);
	return status;
}
