/*
 * ntt-pipeline-status: shows which stages one medium has passed, by seven
 * checks with their evidence, and the command to run next.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "base/prog.h"
#include "catalogue/account.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "image/mapfile.h"
#include "sql/statements.h"

static int json;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "json", NULL, "print one JSON object", OPT_FLAG(&json) },
	OPT_END
};

static const struct prog prog = {
	"ntt-pipeline-status",
	"[--json] MEDIUM",
	"Show how far a medium came, and what to do next"
};

enum state { DONE, MISSING, NOT_NEEDED };

static struct {
	char *hash;
	PGresult *row;
	int archived;		/* and the archive is there */
} medium;

/* Columns of the row. */
enum { KIND, SOURCE, IMAGE, HEALTH, ENUM_DONE, COPY_DONE, ARCHIVED_AT,
	ARCHIVE, RECORDS, IMAGED_AT };

static const char *
column(int col)
{
	return db_text_null(medium.row, 0, col);
}

static int
exists(const char *path)
{
	struct stat st;

	return path && stat(path, &st) == 0;
}

static int
is_image(void)
{
	const char *kind = column(KIND);

	return kind && (!strcmp(kind, "image") || !strcmp(kind, "device"));
}

static int
is_device(void)
{
	const char *kind = column(KIND);

	return kind && !strcmp(kind, "device");
}

/* The map decides what was rescued, not a word in it.  Was everything? */
static int
put_rescue(struct buf *why, const char *image)
{
	int all = 0;
	struct mapfile map;
	char *path, *error;

	path = image_map(image);
	if (!exists(path)) {
		buf_puts(why, ", without a map");
	} else if (mapfile_load(&map, path, &error) < 0) {
		buf_printf(why, ", but %s", error);
		free(error);
	} else {
		buf_printf(why, ", %s of %s rescued",
		    num_bytes(mapfile_bytes(&map, MAPFILE_RESCUED)),
		    num_bytes(map.end));
		all = mapfile_bytes(&map, MAPFILE_RESCUED) == map.end;
		mapfile_free(&map);
	}
	free(path);
	return all;
}

static enum state
check_image(struct buf *why)
{
	const char *image = column(IMAGE);

	if (!is_image()) {
		buf_printf(why, "a medium of kind %s has none",
		    column(KIND) ? column(KIND) : "unknown");
		return NOT_NEEDED;
	}
	if (exists(image)) {
		buf_puts(why, quoted(image));
		if (put_rescue(why, image) || !is_device() ||
		    column(IMAGED_AT))
			return DONE;
		buf_puts(why, ", and imaging is not finished");
		return MISSING;
	}
	if (medium.archived) {
		buf_puts(why, "in the archive");
		return DONE;
	}
	buf_printf(why, "%s is not there", image ? quoted(image) : "it");
	return MISSING;
}

static enum state
check_raw(struct buf *why)
{
	char *path = medium_raw(medium.hash);
	enum state state = DONE;

	if (exists(path)) {
		buf_puts(why, quoted(path));
	} else if (medium.archived) {
		buf_puts(why, "in the archive");
	} else if (column(ENUM_DONE)) {
		buf_puts(why, "the list went to the loader without a file");
		state = NOT_NEEDED;
	} else {
		buf_printf(why, "%s is not there", quoted(path));
		state = MISSING;
	}
	free(path);
	return state;
}

static enum state
check_rows(PGconn *db, struct buf *why)
{
	int loaded = medium_loaded(db, medium.hash);

	if (loaded < 0)
		db_die("could not look at %s", medium.hash);
	buf_printf(why, loaded ? "partitions inode_p_%s and path_p_%s" :
	    "no partitions inode_p_%s and path_p_%s", medium.hash,
	    medium.hash);
	return loaded ? DONE : MISSING;
}

static enum state
check_enumeration(struct buf *why)
{
	if (!column(ENUM_DONE)) {
		buf_puts(why, "enum_done is not set");
		return MISSING;
	}
	buf_printf(why, "%s records, %s",
	    column(RECORDS) ? column(RECORDS) : "unknown number of",
	    column(ENUM_DONE));
	return DONE;
}

static enum state
check_copying(PGconn *db, struct buf *why)
{
	enum state state = MISSING;
	char *sql;
	PGresult *res;

	if (medium_loaded(db, medium.hash) != 1) {
		buf_puts(why, "nothing is loaded");
		return MISSING;
	}
	sql = sql_for(sql_pipeline_status_rows, medium.hash);
	res = db_query(db, sql);
	if (!res)
		db_die("could not count the inodes of %s", medium.hash);
	buf_printf(why, "%s pending, %s copied, %s failed",
	    num_grouped((uint64_t)db_int(res, 0, 0)),
	    num_grouped((uint64_t)db_int(res, 0, 1)),
	    num_grouped((uint64_t)db_int(res, 0, 2)));
	/* a medium of no inodes was not listed rightly */
	if (db_int(res, 0, 0) == 0 && db_int(res, 0, 3) > 0 &&
	    column(COPY_DONE))
		state = DONE;
	else if (db_int(res, 0, 0) == 0)
		buf_puts(why, db_int(res, 0, 3) ? ", but copy_done is not set"
		    : ", no inodes at all");
	PQclear(res);
	free(sql);
	return state;
}

static enum state
check_account(PGconn *db, struct buf *why)
{
	if (account_describe(db, medium.hash, why) < 0)
		db_die("could not read the account of %s", medium.hash);
	if (why->len)
		return MISSING;
	buf_puts(why, "nothing is missing");
	return DONE;
}

static enum state
check_archive(struct buf *why)
{
	if (medium.archived) {
		buf_printf(why, "%s, %s", quoted(column(ARCHIVE)),
		    column(ARCHIVED_AT));
		return DONE;
	}
	if (column(ARCHIVED_AT))
		buf_printf(why, "%s is not there", column(ARCHIVE) ?
		    quoted(column(ARCHIVE)) : "its archive");
	else
		buf_puts(why, "archived_at is not set");
	return MISSING;
}

/* What a person would type now. */
static void
put_next(struct buf *b, const enum state *states)
{
	int imaged = is_image() && (!is_device() || states[0] == DONE);
	const char *source = imaged ? column(IMAGE) : column(SOURCE);

	if (states[0] == MISSING || states[3] == MISSING || states[2] == MISSING) {
		buf_puts(b, "ntt-orchestrator ");
		if (imaged)
			buf_puts(b, "--image ");
		buf_shell(b, source ? source : "SOURCE");
	} else if (states[4] == MISSING) {
		buf_printf(b, "ntt-copy-workers --wait -m %s", medium.hash);
	} else if (states[5] == MISSING) {
		buf_printf(b, "ntt-recover-failed list-omissions -m %s",
		    medium.hash);
	} else if (states[6] == MISSING) {
		buf_printf(b, "ntt-archiver %s", medium.hash);
	}
}

static void
find(PGconn *db, const char *name)
{
	medium.hash = medium_named_hash(db, name);
	medium.row = db_query(db, sql_pipeline_status_medium, medium.hash);
	if (!medium.row)
		db_die("could not look at %s", medium.hash);
	medium.archived = column(ARCHIVED_AT) && exists(column(ARCHIVE));
}

int
main(int argc, char **argv)
{
	static const char *const names[] = { "image", "raw", "rows",
		"enumeration", "copying", "account", "archive" };
	static const char *const words[] = { "done", "missing", "not needed" };
	enum { CHECKS = 7 };
	struct buf why[CHECKS] = { 0 }, next = BUF_INIT, out = BUF_INIT;
	enum state states[CHECKS];
	const char *name;
	int complete = 1, i;
	PGconn *db;

	prog_start(&prog, argc, argv);
	prog_options(options);
	name = prog_need_medium(0, 0);
	prog_operands(0, 0);
	prog_config();
	db = db_need();
	find(db, name);
	states[0] = check_image(&why[0]);
	states[1] = check_raw(&why[1]);
	states[2] = check_rows(db, &why[2]);
	states[3] = check_enumeration(&why[3]);
	states[4] = check_copying(db, &why[4]);
	states[5] = check_account(db, &why[5]);
	states[6] = check_archive(&why[6]);
	put_next(&next, states);
	json_begin_object(&out, NULL);
	json_text(&out, "medium", medium.hash);
	json_text(&out, "health", column(HEALTH));
	for (i = 0; i < CHECKS; i++) {
		complete &= states[i] != MISSING;
		json_begin_object(&out, names[i]);
		json_text(&out, "state", words[states[i]]);
		json_text(&out, "evidence", why[i].data);
		json_end_object(&out);
		if (!json)
			printf("%-12s %-10s %s\n", names[i], words[states[i]],
			    why[i].data);
		buf_free(&why[i]);
	}
	json_bool(&out, "complete", complete);
	json_text(&out, "next", next.len ? next.data : NULL);
	json_end_object(&out);
	if (json)
		puts(out.data);
	else if (next.len)
		printf("next: %s\n", next.data);
	buf_free(&out);
	buf_free(&next);
	PQclear(medium.row);
	PQfinish(db);
	return complete ? EXIT_DONE : EXIT_FAILED;
}
