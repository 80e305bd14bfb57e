/*
 * ntt-report: a medium, or the collection, as a page for people; a medium in
 * the formats of the field.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bagit.h"
#include "buf.h"
#include "catalogue.h"
#include "config.h"
#include "db.h"
#include "diag.h"
#include "export.h"
#include "fsutil.h"
#include "num.h"
#include "prog.h"
#include "progress.h"
#include "report.h"
#include "report_collection.h"
#include "sig.h"
#include "store.h"
#include "tempfile.h"

static struct {
	const char *output, *photo, *bag;
	int collection, dfxml, bodyfile;
} opt;

static PGconn *db;

static const struct option_help options[] = {
	{ 'o', "output", "FILE", "write to FILE instead of standard output" },
	{ 0, "collection", NULL, "report on all media (-o DIR/: and each)" },
	{ 0, "dfxml", NULL, "print Digital Forensics XML" },
	{ 0, "bodyfile", NULL, "print a body file of the Sleuth Kit" },
	{ 0, "bagit", "DIR", "make a bag (RFC 8493) of the medium's files" },
	{ 0, "photo", "FILE", "a JPEG or PNG of the label, to be embedded" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-report",
	"[-o FILE] [--photo FILE] HASH\n"
	"--collection [-o FILE | -o DIR/]\n"
	"--dfxml | --bodyfile [-o FILE] HASH\n"
	"--bagit DIR HASH",
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

/* The time of the snapshot; caller frees. */
static char *
snapshot_time(void)
{
	PGresult *res = db_query(db, "SELECT to_char(now() AT TIME ZONE 'UTC', "
	    "'YYYY-MM-DD HH24:MI:SS')");
	char *when;

	if (!res)
		db_die("could not ask the time");
	when = xstrdup(db_text(res, 0, 0));
	PQclear(res);
	return when;
}

/* A page for each medium in a directory, before the index that links them. */
static void
write_media(const struct overlap *o, const char *dir)
{
	struct buf page = BUF_INIT;
	size_t i;

	progress_start("reporting", "media", PROGRESS_COUNT, o->count);
	for (i = 0; i < o->count; i++) {
		const char *medium = db_text(o->media, (int)i, OVERLAP_HASH);
		struct report r = { .index = "index.html", .overlap = o };
		char *file = xasprintf("%s/%s.html", dir, medium);

		buf_reset(&page);
		report_open(&r, db, medium, &page);
		report_medium(&r);
		report_close(&r);
		write_page(&page, file);
		free(file);
		progress_set(i + 1);
	}
	progress_stop();
	buf_free(&page);
}

static void
report_on_collection(void)
{
	struct overlap *o = xmalloc(sizeof *o);
	struct buf page = BUF_INIT;
	size_t len = opt.output ? strlen(opt.output) : 0;
	int many = len > 0 && opt.output[len - 1] == '/';
	char *when = snapshot_time(), *file = NULL;

	if (overlap_load(o, db) < 0)
		db_die("could not compare the media");
	if (many) {
		if (make_dirs(opt.output) < 0)
			die_errno("could not make %s: %m", quoted(opt.output));
		write_media(o, opt.output);
		file = path_join(opt.output, "index.html");
	}
	report_collection(&page, o, when, many);
	write_page(&page, many ? file : opt.output);
	overlap_free(o);
	buf_free(&page);
	free(file);
	free(when);
	free(o);
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

/* A medium that has contents; caller frees. */
static char *
find_loaded(const char *name)
{
	char *medium = catalogue_medium_or_die(db, name);
	int loaded = catalogue_loaded(db, medium);

	if (loaded < 0)
		db_die("could not look at %s", medium);
	if (!loaded)
		die(EXIT_FAILED, "medium %s is not loaded", medium);
	return medium;
}

static void
export_medium(const char *name)
{
	char *medium = find_loaded(name);
	struct tempfile t = { .fd = -1 };
	FILE *out = stdout;
	int rc, bad;

	if (opt.output) {
		if (tempfile_open(&t, opt.output) < 0 ||
		    !(out = fdopen(dup(t.fd), "w")))
			die_errno("could not write %s: %m",
			    quoted(opt.output));
	}
	rc = opt.dfxml ? export_dfxml(db, medium, out) :
	    export_bodyfile(db, medium, out);
	if (rc < 0)
		db_die("could not list %s", medium);
	if (opt.output) {
		bad = ferror(out);
		if (fclose(out) != 0 || bad || tempfile_commit(&t) < 0)
			die_errno("could not write %s: %m",
			    quoted(opt.output));
	}
	free(medium);
}

static void
warn_lost(const char *what, const char *why)
{
	progress_hide();
	warn("%s is not in the bag: %s", quoted(what), why);
}

static int
make_bag(const char *name)
{
	char *medium = find_loaded(name);
	struct store store;
	struct bagit bag;
	int rc;

	sig_catch();
	if (store_open(&store, config_get(CONFIG_BYHASH_ROOT)) < 0)
		die_errno("could not open the store %s: %m",
		    quoted(config_get(CONFIG_BYHASH_ROOT)));
	progress_start("bagging", NULL, PROGRESS_BYTES, 0);
	rc = bagit_make(&bag, db, medium, &store, opt.bag, progress_set,
	    sig_caught, warn_lost);
	progress_stop();
	store_close(&store);
	if (sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
	if (rc < 0)
		die(bag.status, "could not make a bag of %s: %s", medium,
		    bag.error);
	say("%s files, %s", num_grouped(bag.files), num_bytes(bag.bytes));
	if (bag.not_copied)
		warn("%s files were never copied and are not in the bag",
		    num_grouped(bag.not_copied));
	free(medium);
	return bag.not_copied || bag.lost ? EXIT_PARTIAL : EXIT_DONE;
}

static void
parse_options(int argc, char **argv)
{
	const char *name, *value;
	int formats;

	prog_start(&prog, argc, argv);
	while ((name = prog_option(&value))) {
		if (!strcmp(name, "output"))
			opt.output = value;
		else if (!strcmp(name, "photo"))
			opt.photo = value;
		else if (!strcmp(name, "bagit"))
			opt.bag = value;
		else if (!strcmp(name, "dfxml"))
			opt.dfxml = 1;
		else if (!strcmp(name, "bodyfile"))
			opt.bodyfile = 1;
		else
			opt.collection = 1;
	}
	formats = opt.collection + opt.dfxml + opt.bodyfile + !!opt.bag;
	if (formats > 1)
		die_usage("--collection, --dfxml, --bodyfile and --bagit "
		    "exclude each other");
	if (opt.photo && formats)
		die_usage("--photo is for the page of one medium");
	if (opt.bag && opt.output)
		die_usage("--bagit DIR says where");
	prog_operands(!opt.collection, !opt.collection);
	prog_config();
}

int
main(int argc, char **argv)
{
	int status = EXIT_DONE;

	parse_options(argc, argv);
	open_catalogue();
	if (opt.collection)
		report_on_collection();
	else if (opt.bag)
		status = make_bag(prog_operand(0));
	else if (opt.dfxml || opt.bodyfile)
		export_medium(prog_operand(0));
	else
		report_on_medium(prog_operand(0));
	PQfinish(db);
	return status;
}
