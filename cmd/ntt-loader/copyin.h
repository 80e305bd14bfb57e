/*
 * Rows on their way into COPY … FROM STDIN (FORMAT binary).
 *
 *	copyin_init(&c);
 *	copyin_start(&c, db, "COPY t (a, b) FROM STDIN (FORMAT binary)");
 *	copyin_row(&c, 2, 12 + 4 + len);	fields, room for their bytes
 *	copyin_int8(&c, 5);
 *	copyin_bytes(&c, name, len);
 *	copyin_end(&c);
 *
 * Rows that come before copyin_start() are kept in a spool and go first.
 * Memory stays below 2 MiB: what the server does not take is waited for.
 *
 * Functions return -1 with err: 0, and db_error() says why; EINTR, a signal
 * was caught (sig.h); any other errno, the spool failed.
 */
#ifndef NTT_COPYIN_H
#define NTT_COPYIN_H

#include <endian.h>
#include <libpq-fe.h>
#include <stdint.h>
#include <string.h>

#include "base/spool.h"

enum { COPYIN_FLUSH = 128 << 10 };

struct copyin {
	PGconn *db;		/* NULL: not started */
	struct spool spool;
	int err;
	uint64_t rows;
	/* private */
	char *buf;
	size_t len, size;
};

void copyin_init(struct copyin *c);
void copyin_free(struct copyin *c);
int copyin_start(struct copyin *c, PGconn *db, const char *sql);
int copyin_end(struct copyin *c);
int copyin_flush(struct copyin *c);
void copyin_room(struct copyin *c, size_t bytes);

static inline int
copyin_row(struct copyin *c, unsigned int fields, size_t room)
{
	uint16_t n = htobe16((uint16_t)fields);

	if (c->len >= COPYIN_FLUSH && copyin_flush(c) < 0)
		return -1;
	if (c->size - c->len < room + sizeof n)
		copyin_room(c, room + sizeof n);
	memcpy(c->buf + c->len, &n, sizeof n);
	c->len += sizeof n;
	c->rows++;
	return 0;
}

static inline void
copyin_bytes(struct copyin *c, const void *bytes, size_t len)
{
	uint32_t n = htobe32((uint32_t)len);

	memcpy(c->buf + c->len, &n, sizeof n);
	memcpy(c->buf + c->len + sizeof n, bytes, len);
	c->len += sizeof n + len;
}

static inline void
copyin_int8(struct copyin *c, uint64_t value)
{
	value = htobe64(value);
	copyin_bytes(c, &value, sizeof value);
}

static inline void
copyin_int4(struct copyin *c, uint32_t value)
{
	value = htobe32(value);
	copyin_bytes(c, &value, sizeof value);
}

static inline void
copyin_null(struct copyin *c)
{
	memset(c->buf + c->len, 0xff, 4);
	c->len += 4;
}

#endif
