#define _GNU_SOURCE
#include "copies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/num.h"
#include "catalogue/db.h"
#include "page/page.h"
#include "sql/statements.h"

/* Columns of both statements. */
enum { FEW, BYTES, PLACES, MEDIUM };

static struct copies
of_row(uint64_t wanted, const PGresult *res, int row)
{
	return (struct copies){ .wanted = wanted,
		.places = (uint64_t)db_int(res, row, PLACES),
		.few = (uint64_t)db_int(res, row, FEW),
		.bytes = (uint64_t)db_int(res, row, BYTES) };
}

int
copies_read(struct copies *c, PGconn *db, const char *medium)
{
	uint64_t wanted = num_arg("NTT_COPIES", config_get(CONFIG_COPIES), 1,
	    1000);
	char text[24], *sql = medium ? sql_for(sql_report_copies, medium) :
	    NULL;
	PGresult *res;

	snprintf(text, sizeof text, "%llu", (unsigned long long)wanted);
	res = db_query(db, sql ? sql : sql_report_copies_all, text);
	free(sql);
	if (!res)
		return -1;
	/* the first row is all of it */
	*c = of_row(wanted, res, 0);
	if (medium)
		PQclear(res);
	else
		c->media = res;
	return 0;
}

void
copies_free(struct copies *c)
{
	PQclear(c->media);
	c->media = NULL;
}

struct copies
copies_of(const struct copies *all, const char *medium)
{
	int row;

	for (row = 1; row < PQntuples(all->media); row++)
		if (!strcmp(db_text(all->media, row, MEDIUM), medium))
			return of_row(all->wanted, all->media, row);
	return (struct copies){ .wanted = all->wanted };
}

void
copies_section(struct buf *b, const struct copies *c)
{
	if (c->few == 0)
		return;
	page_section(b, "copies", "Copies");
	buf_puts(b, "<p class=\"warn\">");
	page_plural(b, c->few, "content", "contents");
	buf_printf(b, ", %s, %s ", num_bytes(c->bytes), c->few == 1 ? "has" :
	    "have");
	if (c->wanted == 1)
		buf_puts(b, "no good copy");
	else
		buf_printf(b, "fewer than %llu good copies, the one in the "
		    "store included", (unsigned long long)c->wanted);
	buf_puts(b, ". Next:</p>\n");
	page_command(b, c->wanted == 1 ? "ntt-heal --all" : c->places ?
	    "ntt-mirror --all" : "ntt-places add NAME DIRECTORY");
	page_section_end(b);
}
