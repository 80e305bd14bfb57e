/*
 * ntt-pipeline-status: how far one medium came, by six checks, each with its
 * evidence, and the command to run next.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "catalogue.h"
#include "config.h"
#include "db.h"
#include "diag.h"
#include "fsutil.h"
#include "json.h"
#include "mapfile.h"
#include "num.h"
#include "prog.h"

static const struct option_help options[] = {
	{ 0, "json", NULL, "print one JSON object" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-pipeline-status",
	"[--json] HASH",
	"Show how far a medium came, and what to do next",
	options
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
	return PQgetisnull(medium.row, 0, col) ? NULL :
	    db_text(medium.row, 0, col);
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
	size_t len = strlen(image);
	struct mapfile map;
	char *path, *error;

	if (len > 4 && !strcmp(image + len - 4, ".img"))
		len -= 4;
	path = xasprintf("%.*s.map", (int)len, image);
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
	char *path = xasprintf("%s/%s.raw", config_get(CONFIG_RAW_ROOT),
	    medium.hash);
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
	int loaded = catalogue_loaded(db, medium.hash);

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
	char *inode, *sql;
	PGresult *res;

	if (catalogue_loaded(db, medium.hash) != 1) {
		buf_puts(why, "nothing is loaded");
		return MISSING;
	}
	inode = db_ident(db, "inode_p_", medium.hash);
	sql = sql_on("SELECT count(*) FILTER (WHERE status = 'pending'), "
	    "count(*) FILTER (WHERE status = 'success'), count(*) FILTER "
	    "(WHERE status IN ('failed_retryable', 'failed_permanent')), "
	    "count(*) FROM %s", inode);
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
	free(inode);
	free(sql);
	return state;
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
		buf_printf(b, "ntt-archiver %s", medium.hash);
	}
}

static void
find(PGconn *db, const char *name)
{
	medium.hash = catalogue_medium_or_die(db, name);
	medium.row = db_query(db, "SELECT source_kind, source_path, "
	    "image_path, health, enum_done, copy_done, archived_at, "
	    "archive_path, load_counts->>'records', imaged_at FROM medium "
	    "WHERE medium_hash = $1", medium.hash);
	if (!medium.row)
		db_die("could not look at %s", medium.hash);
	medium.archived = column(ARCHIVED_AT) && exists(column(ARCHIVE));
}

int
main(int argc, char **argv)
{
	static const char *const names[] = { "image", "raw", "rows",
		"enumeration", "copying", "archive" };
	static const char *const words[] = { "done", "missing", "not needed" };
	enum { CHECKS = 6 };
	const char *name, *value;
	struct buf why[CHECKS] = { 0 }, next = BUF_INIT, out = BUF_INIT;
	enum state states[CHECKS];
	int json = 0, complete = 1, i;
	PGconn *db;

	prog_start(&prog, argc, argv);
	while ((name = prog_option(&value)))
		json = 1;
	prog_operands(1, 1);
	prog_config();
	db = db_open();
	if (!db)
		db_die("could not open the catalogue");
	find(db, prog_operand(0));
	states[0] = check_image(&why[0]);
	states[1] = check_raw(&why[1]);
	states[2] = check_rows(db, &why[2]);
	states[3] = check_enumeration(&why[3]);
	states[4] = check_copying(db, &why[4]);
	states[5] = check_archive(&why[5]);
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
