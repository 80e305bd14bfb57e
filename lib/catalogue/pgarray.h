/*
 * One-dimensional PostgreSQL arrays in the binary format of array_recv(), as
 * parameters of statements with unnest().
 */
#ifndef NTT_PGARRAY_H
#define NTT_PGARRAY_H

#include <stdint.h>

#include "base/buf.h"

struct pgarray {
	struct buf bytes;
	uint32_t type;		/* OID of the elements */
	uint32_t count;
	int has_null;
};

enum {
	PGARRAY_BYTEA = 17,	/* OIDs of pg_type.dat */
	PGARRAY_INT8 = 20,
	PGARRAY_INT4 = 23,
	PGARRAY_TEXT = 25
};

void pgarray_init(struct pgarray *a, uint32_t type);
void pgarray_reset(struct pgarray *a);		/* empty, memory kept */
void pgarray_free(struct pgarray *a);
void pgarray_int8(struct pgarray *a, int64_t value);
void pgarray_int4(struct pgarray *a, int32_t value);
void pgarray_bytes(struct pgarray *a, const void *bytes, size_t len);
void pgarray_text(struct pgarray *a, const char *text);	/* NULL: null */

/* The parameter; valid until the next call that changes the array. */
const char *pgarray_param(struct pgarray *a, int *len);

#endif
