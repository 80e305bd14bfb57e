/* Lines of comma-separated values, as RFC 4180 has them. */
#ifndef NTT_CSV_H
#define NTT_CSV_H

#include "base/buf.h"

/*
 * A field behind those that the line has, in quotes or bare.  NULL is empty;
 * the first field of a line is not.
 */
void csv_text(struct buf *line, const char *text, size_t len);
void csv_bare(struct buf *line, const char *text);
void csv_end(struct buf *line);

#endif
