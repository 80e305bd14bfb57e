/* An inventory, which is a table of a spreadsheet, becomes notes on media. */
#ifndef NTT_NOTE_IMPORT_H
#define NTT_NOTE_IMPORT_H

#include <libpq-fe.h>

struct import {
	const char *file;	/* "-": standard input */
	const char *by;		/* the column that names the medium, or NULL */
	int replace;		/* what is noted from earlier tables goes */
	int json;
};

/*
 * All rows, or none if one of them is wrong.  Rows of media that the catalogue
 * does not have are named and left out: EXIT_PARTIAL.
 */
int import(PGconn *db, const struct import *i);

#endif
