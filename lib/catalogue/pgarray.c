#include "catalogue/pgarray.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

/* ndim, flags, element type, then length and lower bound of the dimension */
enum { HEADER = 20 };

static void
put32(struct buf *b, uint32_t value)
{
	value = htonl(value);
	buf_put(b, &value, sizeof value);
}

void
pgarray_init(struct pgarray *a, uint32_t type)
{
	memset(a, 0, sizeof *a);
	a->type = type;
	pgarray_reset(a);
}

void
pgarray_reset(struct pgarray *a)
{
	static const char header[HEADER];

	buf_reset(&a->bytes);
	buf_put(&a->bytes, header, HEADER);
	a->count = 0;
	a->has_null = 0;
}

void
pgarray_free(struct pgarray *a)
{
	buf_free(&a->bytes);
}

void
pgarray_bytes(struct pgarray *a, const void *bytes, size_t len)
{
	put32(&a->bytes, (uint32_t)len);
	buf_put(&a->bytes, bytes, len);
	a->count++;
}

void
pgarray_int8(struct pgarray *a, int64_t value)
{
	uint64_t big = htobe64((uint64_t)value);

	pgarray_bytes(a, &big, sizeof big);
}

void
pgarray_int4(struct pgarray *a, int32_t value)
{
	uint32_t big = htonl((uint32_t)value);

	pgarray_bytes(a, &big, sizeof big);
}

void
pgarray_text(struct pgarray *a, const char *text)
{
	if (text) {
		pgarray_bytes(a, text, strlen(text));
		return;
	}
	put32(&a->bytes, UINT32_MAX);
	a->count++;
	a->has_null = 1;
}

const char *
pgarray_param(struct pgarray *a, int *len)
{
	uint32_t header[HEADER / 4] = {
		htonl(1), htonl((uint32_t)a->has_null), htonl(a->type),
		htonl(a->count), htonl(1)
	};

	memcpy(a->bytes.data, header, HEADER);
	*len = (int)a->bytes.len;
	return a->bytes.data;
}
