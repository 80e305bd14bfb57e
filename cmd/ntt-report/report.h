/*
 * The sections of a medium's page.  Each appends one <section>, or nothing
 * where the medium has nothing of the kind.  They end the program when the
 * catalogue fails.
 *
 *	report_open(&r, db, "aabbccdd…", &out);	in a transaction
 *	report_medium(&r);			the whole page
 *	report_close(&r);
 */
#ifndef NTT_REPORT_H
#define NTT_REPORT_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"
#include "image/mapfile.h"
#include "copies.h"
#include "facts.h"
#include "overlap.h"

struct report {
	PGconn *db;
	struct buf *out;
	const char *medium;
	PGresult *row;			/* columns below */
	int loaded;
	struct facts facts;		/* where it is loaded */
	struct mapfile map;		/* count 0: there is none */
	char *map_from, *map_error;	/* where it was, why there is none */
	const char *photo_type;		/* MIME type, NULL: no photo */
	struct buf photo;
	int hide_restricted;		/* no other medium that is */
	const char *index;		/* href of the collection's page, or
					 * NULL: nothing is linked */
	const struct overlap *overlap;	/* of the collection, or NULL */
	const struct copies *copies;	/* likewise */
};

enum report_column {
	REPORT_HUMAN, REPORT_MESSAGE, REPORT_KIND, REPORT_SOURCE, REPORT_SIZE,
	REPORT_MODEL, REPORT_SERIAL, REPORT_HASH_VERSION, REPORT_UNREADABLE,
	REPORT_IMAGE, REPORT_FS, REPORT_HEALTH, REPORT_ARCHIVE,
	REPORT_SUPERSEDED, REPORT_RECORDS, REPORT_PATHS,
	REPORT_ADDED, REPORT_IMAGED, REPORT_LISTED, REPORT_COPIED,
	REPORT_ARCHIVED, REPORT_NOW, REPORT_YEAR, REPORT_CONTAINER, REPORT_TITLE,
	REPORT_INVENTORY
};

/* 0, or -1 with errno and *error (caller frees): no photo could be had. */
int report_photo(struct report *r, const char *file, char **error);
void report_open(struct report *r, PGconn *db, const char *medium,
	struct buf *out);
void report_close(struct report *r);

void report_medium(struct report *r);

/* NULL where the row has none. */
const char *report_column(const struct report *r, enum report_column c);
/* "archived", "copied", "loaded", "imaged" or "registered" */
const char *report_state(const struct report *r);
/*
 * A statement of sql/ on the medium, which is its $1, if it has one; $2: other
 * media that are restricted may be named.
 */
PGresult *report_query(const struct report *r, const char *sql);
/* Times of the catalogue, as <time>. */
void report_time(struct buf *b, const char *time);
/* What of a result is a path. */
void report_path(struct buf *b, PGresult *res, int row, int col);

void report_identity(struct report *r);
void report_health(struct report *r);
void report_partitions(struct report *r);
void report_stages(struct report *r);
void report_contents(struct report *r);
void report_duplicates(struct report *r);
void report_damage(struct report *r);
void report_failures(struct report *r);
void report_omissions(struct report *r);
void report_remarks(struct report *r);
void report_exclusions(struct report *r);

#endif
