/*
 * ntt-report: a medium, or the collection, as a page for people; a medium in
 * the formats of the field.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "catalogue.h"
#include "db.h"
#include "diag.h"
#include "fsutil.h"
#include "prog.h"
#include "report.h"
#include "tempfile.h"

static struct {
	const char *output, *photo;
} opt;

static PGconn *db;

static const struct option_help options[] = {
	{ 'o', "output", "FILE", "write to FILE instead of standard output" },
	{ 0, "photo", "FILE", "a JPEG or PNG of the label, to be embedded" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-report",
	"[-o FILE] [--photo FILE] HASH",
	"Report on a medium or the collection",
	options
};

/* Of everything that is asked from now on there is one answer. */
static void
open_catalogue(void)
{
	db = db_open();
	if (!db)
		db_die("could not open the catalogue");
	if (db_script(db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
	    "SET LOCAL TimeZone = 'UTC'; SET LOCAL work_mem = '64MB'; "
	    "SET LOCAL jit = off; SET LOCAL statement_timeout = 0") < 0)
		db_die("could not begin");
}

static void
write_page(const struct buf *page, const char *file)
{
	struct tempfile t;

	if (!file) {
		fwrite(page->data, 1, page->len, stdout);
		return;
	}
	if (tempfile_open(&t, file) < 0 ||
	    write_all(t.fd, page->data, page->len) < 0 ||
	    tempfile_commit(&t) < 0)
		die_errno("could not write %s: %m", quoted(file));
}

static void
report_on_medium(const char *name)
{
	struct report r = { 0 };
	struct buf page = BUF_INIT;
	char *medium, *error = NULL;

	if (opt.photo && report_photo(&r, opt.photo, &error) < 0)
		die(EXIT_FAILED, "%s", error);
	medium = catalogue_medium_or_die(db, name);
	report_open(&r, db, medium, &page);
	report_medium(&r);
	report_close(&r);
	write_page(&page, opt.output);
	buf_free(&page);
	free(medium);
}

static void
parse_options(int argc, char **argv)
{
	const char *name, *value;

	prog_start(&prog, argc, argv);
	while ((name = prog_option(&value))) {
		if (!strcmp(name, "output"))
			opt.output = value;
		else
			opt.photo = value;
	}
	prog_operands(1, 1);
	prog_config();
}

int
main(int argc, char **argv)
{
	parse_options(argc, argv);
	open_catalogue();
	report_on_medium(prog_operand(0));
	PQfinish(db);
	return EXIT_DONE;
}
