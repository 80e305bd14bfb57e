#define _GNU_SOURCE
#include "copyin.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/sig.h"
#include "catalogue/db.h"

static const char signature[] = "PGCOPY\n\377\r\n\0" "\0\0\0\0" "\0\0\0\0";
enum { SIGNATURE = sizeof signature - 1 };

void
copyin_init(struct copyin *c)
{
	memset(c, 0, sizeof *c);
	spool_init(&c->spool);
	c->size = 2 * COPYIN_FLUSH;
	c->buf = xmalloc(c->size);
}

void
copyin_free(struct copyin *c)
{
	free(c->buf);
	spool_free(&c->spool);
	memset(c, 0, sizeof *c);
}

void
copyin_room(struct copyin *c, size_t bytes)
{
	c->size = c->len + bytes + COPYIN_FLUSH;
	c->buf = xrealloc(c->buf, c->size);
}

static int
fail(struct copyin *c, int err)
{
	c->err = err;
	return -1;
}

static int
fail_db(struct copyin *c, PGresult *res)
{
	PQclear(db_check(c->db, res));
	return fail(c, 0);
}

/*
 * The server speaks during a COPY only to say that it failed (or to send a
 * remark); then nothing more needs to be sent.
 */
static int
server_complains(PGconn *db)
{
	char type;

	return recv(PQsocket(db), &type, 1, MSG_PEEK | MSG_DONTWAIT) == 1 &&
	    type == 'E';
}

/* Everything libpq holds goes out before more is given to it. */
static int
drain(struct copyin *c)
{
	int rc;

	while ((rc = PQflush(c->db)) == 1) {
		struct pollfd p = {
			.fd = PQsocket(c->db), .events = POLLIN | POLLOUT
		};

		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return fail(c, errno);
		if (sig_caught())
			return fail(c, EINTR);
		if (!(p.revents & POLLIN))
			continue;
		if (server_complains(c->db))
			return copyin_end(c);
		if (!PQconsumeInput(c->db))
			return fail_db(c, NULL);
	}
	return rc < 0 ? fail_db(c, NULL) : 0;
}

static int
send_bytes(struct copyin *c, const char *bytes, size_t len)
{
	if (len == 0)
		return 0;
	if (PQputCopyData(c->db, bytes, (int)len) < 0)
		return fail_db(c, NULL);
	return drain(c);
}

int
copyin_flush(struct copyin *c)
{
	size_t len = c->len;

	c->len = 0;
	if (sig_caught())
		return fail(c, EINTR);
	if (c->db)
		return send_bytes(c, c->buf, len);
	return spool_put(&c->spool, c->buf, len) < 0 ? fail(c, errno) : 0;
}

/* What was put aside, through the buffer that is empty now. */
static int
send_spooled(struct copyin *c)
{
	long n;

	if (spool_rewind(&c->spool) < 0)
		return fail(c, errno);
	while ((n = spool_some(&c->spool, c->buf, COPYIN_FLUSH)) > 0)
		if (send_bytes(c, c->buf, (size_t)n) < 0)
			return -1;
	if (n < 0)
		return fail(c, errno);
	spool_free(&c->spool);
	return 0;
}

int
copyin_start(struct copyin *c, PGconn *db, const char *sql)
{
	PGresult *res;

	if (c->len > 0 && copyin_flush(c) < 0)
		return -1;
	c->db = db;
	res = db_exec(db, sql);
	if (PQresultStatus(res) != PGRES_COPY_IN)
		return fail_db(c, res);
	PQclear(res);
	PQsetnonblocking(db, 1);
	if (send_bytes(c, signature, SIGNATURE) < 0)
		return -1;
	return send_spooled(c);
}

int
copyin_end(struct copyin *c)
{
	static const char end[] = { '\377', '\377' };
	PGresult *res;
	int rc = 0;

	if (c->len > 0 && copyin_flush(c) < 0)
		return -1;
	PQsetnonblocking(c->db, 0);
	if (PQputCopyData(c->db, end, sizeof end) < 0 ||
	    PQputCopyEnd(c->db, NULL) < 0)
		return fail_db(c, NULL);
	while ((res = PQgetResult(c->db))) {
		if (rc == 0 && PQresultStatus(res) != PGRES_COMMAND_OK)
			rc = fail_db(c, res);
		else
			PQclear(res);
	}
	return rc;
}
