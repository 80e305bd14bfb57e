#define _GNU_SOURCE
#include "rows.h"

#include "catalogue/db.h"

enum { FLUSH = 256 << 10 };

int
rows_begin(struct rows *c, PGconn *db, const char *sql)
{
	PGresult *res = db_check(db, db_exec(db, sql));

	*c = (struct rows){ .db = db, .text = BUF_INIT };
	PQclear(res);
	return res ? 0 : -1;
}

static int
flush(struct rows *c)
{
	int rc = PQputCopyData(c->db, c->text.data, (int)c->text.len);

	if (rc != 1)
		db_check(c->db, NULL);
	buf_reset(&c->text);
	return rc == 1 ? 0 : -1;
}

int
rows_row(struct rows *c)
{
	buf_putc(&c->text, '\n');
	return c->text.len >= FLUSH ? flush(c) : 0;
}

int
rows_end(struct rows *c, const char *why)
{
	int rc = 0;
	PGresult *res;

	if (!why && c->text.len > 0)
		rc = flush(c);
	buf_free(&c->text);
	if (PQputCopyEnd(c->db, why) != 1) {
		db_check(c->db, NULL);
		rc = -1;
	}
	while ((res = PQgetResult(c->db))) {
		if (!db_check(c->db, res)) {
			rc = -1;
			continue;
		}
		PQclear(res);
	}
	return rc;
}
