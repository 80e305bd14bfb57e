/*
 * The ids of blobs in a file that a person or a program wrote: one a line,
 * 64 hexadecimal digits anywhere in it, so that what b3sum and ntt-verify
 * print will do.  Blank lines and those that begin with '#' are passed over; a
 * line without an id is an error.
 *
 *	if (id_list_open(&l, name) < 0) …
 *	while ((rc = id_list_next(&l, id)) > 0)
 *		…
 *	id_list_close(&l);
 */
#ifndef NTT_ID_LIST_H
#define NTT_ID_LIST_H

#include <stddef.h>
#include <stdio.h>

#include "store/store.h"

struct id_list {
	FILE *file;
	char *line;
	size_t size, number;		/* of the line, from 1 */
};

/* "-" is standard input.  0, or -1 with errno. */
int id_list_open(struct id_list *l, const char *name);
/*
 * 1 and the id; 0 at the end; -1 with errno: EBADMSG when the line, whose
 * text and number are in *l, has none.
 */
int id_list_next(struct id_list *l, char id[STORE_ID + 1]);
/* For commands: ends the program and says why id_list_next() failed. */
void id_list_die(const struct id_list *l, const char *name)
	__attribute__((noreturn));
void id_list_close(struct id_list *l);

#endif
