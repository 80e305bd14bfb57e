/*
 * A table as spreadsheets write it: RFC 4180, and what is met besides.
 *
 * Fields stand between quotes or bare, and quoted ones may hold newlines.  A
 * quote inside of a bare field is itself (5.25" floppy).  Lines end with LF,
 * CR LF or CR.  Fields are separated by commas, semicolons or tabs: by what
 * the first line has most of, or by what a line "sep=;" before it says.  A
 * byte order mark is left out.  Rows with nothing in them are left out.
 */
#ifndef NTT_CSV_READ_H
#define NTT_CSV_READ_H

#include <stddef.h>

struct csv_table {
	struct csv_row {
		size_t line;		/* where it begins, from 1 */
		char **field;
		size_t count;
	} *row;
	size_t count;			/* the first has the names */
};

/*
 * Text that may hold any byte and ends with a NUL at text[len].  0; or -1 and
 * *error, which the caller frees: it is no such table.
 */
int csv_read(struct csv_table *t, const char *text, size_t len, char **error);
void csv_free(struct csv_table *t);

#endif
