/*
 * ntt-report: shows a medium, or the collection, as a page for people; exports
 * a medium in the formats of forensics and archives.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/tempfile.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "store/store.h"
#include "sql/statements.h"
#include "bagit.h"
#include "collection.h"
#include "export.h"
#include "report.h"

static struct {
	const char *medium, *output, *photo, *bag;
	int collection, dfxml, bodyfile, csv, hide_restricted;
} opt;

static PGconn *db;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 'o', "output", "FILE", "write to FILE instead of standard output",
		OPT_TEXT(&opt.output) },
	{ 0, "collection", NULL, "report on all media (-o DIR/: and each)",
		OPT_FLAG(&opt.collection) },
	{ 0, "dfxml", NULL, "print Digital Forensics XML",
		OPT_FLAG(&opt.dfxml) },
	{ 0, "bodyfile", NULL, "print a body file of the Sleuth Kit",
		OPT_FLAG(&opt.bodyfile) },
	{ 0, "csv", NULL, "print a table of the files for a spreadsheet",
		OPT_FLAG(&opt.csv) },
	{ 0, "bagit", "DIR", "make a bag (RFC 8493) of the medium's files",
		OPT_TEXT(&opt.bag) },
	{ 0, "photo", "FILE", "a JPEG or PNG of the label, to be embedded",
		OPT_TEXT(&opt.photo) },
	{ 0, "hide-restricted", NULL, "name no other medium that is restricted",
		OPT_FLAG(&opt.hide_restricted) },
	OPT_END
};

static const struct prog prog = {
	"ntt-report",
	"[-o FILE] [--photo FILE] MEDIUM\n"
	"--collection [-o FILE | -o DIR/]\n"
	"--dfxml | --bodyfile | --csv [-o FILE] MEDIUM\n"
	"--bagit DIR MEDIUM",
	"Report on a medium or the collection"
};

/* Of everything that is asked from now on there is one answer. */
static void
open_catalogue(void)
{
	db = db_need();
	if (db_script(db, sql_report_begin) < 0)
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
	if (tempfile_open_output(&t, file) < 0 ||
	    write_all(t.fd, page->data, page->len) < 0 ||
	    tempfile_commit(&t) < 0)
		die_errno("could not write %s: %m", quoted(file));
}

/* The time of the snapshot; caller frees. */
static char *
snapshot_time(void)
{
	PGresult *res = db_query(db, sql_report_now);
	char *when;

	if (!res)
		db_die("could not ask the time");
	when = xstrdup(db_text(res, 0, 0));
	PQclear(res);
	return when;
}

/* A page for each medium in a directory, before the index that links them. */
static void
write_media(const struct overlap *o, const struct copies *c, const char *dir)
{
	struct buf page = BUF_INIT;
	size_t i;

	progress_start("reporting", "media", PROGRESS_COUNT, o->count);
	for (i = 0; i < o->count; i++) {
		const char *medium = db_text(o->media, (int)i, OVERLAP_HASH);
		struct report r = { .index = "index.html", .overlap = o,
			.copies = c };
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
	struct copies copies;
	struct buf page = BUF_INIT;
	size_t len = opt.output ? strlen(opt.output) : 0;
	int many = len > 0 && opt.output[len - 1] == '/';
	char *when = snapshot_time(), *file = NULL;

	if (overlap_load(o, db) < 0)
		db_die("could not compare the media");
	if (copies_read(&copies, db, NULL) < 0)
		db_die("could not count the copies");
	if (many) {
		if (config_make_parents(opt.output) < 0 ||
		    (mkdir(opt.output, 0755) < 0 && errno != EEXIST))
			die_errno("could not make %s: %m", quoted(opt.output));
		write_media(o, &copies, opt.output);
		file = path_join(opt.output, "index.html");
	}
	report_collection(&page, db, o, &copies, when, many);
	write_page(&page, many ? file : opt.output);
	overlap_free(o);
	copies_free(&copies);
	buf_free(&page);
	free(file);
	free(when);
	free(o);
}

static void
report_on_medium(const char *name)
{
	struct report r = { .hide_restricted = opt.hide_restricted };
	struct buf page = BUF_INIT;
	char *medium, *error = NULL;

	if (opt.photo && report_photo(&r, opt.photo, &error) < 0)
		die(EXIT_FAILED, "%s", error);
	medium = medium_named_hash(db, name);
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
	char *medium = medium_named_hash(db, name);
	int loaded = medium_loaded(db, medium);

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
		if (tempfile_open_output(&t, opt.output) < 0 ||
		    !(out = fdopen(dup(t.fd), "w")))
			die_errno("could not write %s: %m",
			    quoted(opt.output));
	}
	rc = opt.dfxml ? export_dfxml(db, medium, out) :
	    opt.csv ? export_csv(db, medium, out) :
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
	int formats;

	prog_start(&prog, argc, argv);
	prog_options(options);
	if (opt.output && !strcmp(opt.output, "-"))
		opt.output = NULL;
	formats = opt.collection + opt.dfxml + opt.bodyfile + opt.csv +
	    !!opt.bag;
	if (formats > 1)
		die_usage("--collection, --dfxml, --bodyfile, --csv and "
		    "--bagit exclude each other");
	if (opt.photo && formats)
		die_usage("--photo is for the page of one medium");
	if (opt.hide_restricted && formats)
		die_usage("--hide-restricted is for the page of one medium");
	if (opt.bag && opt.output)
		die_usage("--bagit DIR says where");
	if (!opt.collection)
		opt.medium = prog_need_medium(0, 0);
	prog_operands(0, 0);
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
		status = make_bag(opt.medium);
	else if (opt.dfxml || opt.bodyfile || opt.csv)
		export_medium(opt.medium);
	else
		report_on_medium(opt.medium);
	PQfinish(db);
	return status;
}
