/*
 * The contents of a medium for the formats of the field: one row for each
 * name, from a cursor, so that memory does not grow with the medium.
 *
 *	export_open(&e, db, medium, EXPORT_BY_INODE);	in a transaction
 *	while ((rc = export_next(&e, &row)) > 0)
 *		…
 *	export_close(&e);
 */
#ifndef NTT_EXPORT_H
#define NTT_EXPORT_H

#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

struct export_row {
	uint64_t ino, nlink, size;
	int64_t mtime;			/* seconds since the epoch */
	char type;			/* f d l b c p s U ? */
	const char *status, *error;	/* error: its class, or NULL */
	const char *blobid, *mime;	/* or NULL */
	const char *digests;		/* "md5 0123… sha1 4567…", or NULL */
	const char *damage;		/* "4096-10239,…", "" unknown, NULL */
	const char *path;		/* from the root of the medium */
	size_t len;
	int excluded;			/* this name */
	unsigned int partition;		/* 0: the medium has only one */
	/* of the source; -1: not known */
	int64_t mode, uid, gid;
	struct export_time {
		int known;
		int64_t seconds;
		int64_t ns;		/* -1: not known */
	} modified, accessed, changed, born;
};

enum export_order {
	EXPORT_BY_INODE,		/* all names of a file together */
	EXPORT_BY_BLOB			/* and all files of a content */
};

struct export {
	PGconn *db;
	const char *cursor;
	PGresult *rows;
	int at;
	struct buf path;
	unsigned int partitions;	/* that paths begin with: p1/… */
};

/* 0, or -1 with db_error(). */
int export_open(struct export *e, PGconn *db, const char *medium,
	enum export_order order);
/* 1, 0 at the end, -1 with db_error().  Strings are valid until the next. */
int export_next(struct export *e, struct export_row *row);
void export_close(struct export *e);

/*
 * YYYY-MM-DDThh:mm:ssZ, with a fraction where there is one; 0 where the year
 * is not 1 to 9999.
 */
int export_time(struct buf *b, int64_t seconds, int64_t ns);

/*
 * Digital Forensics XML, schema 1.1.1 (dfxml_schema of the DFXML working
 * group): a fileobject for each name.  What XML cannot hold of a name is
 * escaped, with all of its bytes in an element of ours.  0, or -1 with
 * db_error(); errors of out are in ferror(3).
 */
int export_dfxml(PGconn *db, const char *medium, FILE *out);

/*
 * The body file of the Sleuth Kit, version 3, for mactime(1).  What is not
 * known of modes, owners and times is "-" and 0.
 */
int export_bodyfile(PGconn *db, const char *medium, FILE *out);

/*
 * A table for a spreadsheet, a line for each name, RFC 4180.  Names are escaped
 * for terminals; of those that are changed by that the bytes follow in path_hex.
 */
int export_csv(PGconn *db, const char *medium, FILE *out);

#endif
