#define _GNU_SOURCE
#include "b3sum_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue/db.h"
#include "store/store.h"
#include "sql/statements.h"
#include "set.h"

static const char replacement[] = "\xef\xbf\xbd";	/* U+FFFD */

int
b3sum_line(struct buf *out, const char *id, const char *path, size_t len)
{
	int escape = memchr(path, '\n', len) || memchr(path, '\\', len);
	size_t i;

	/* b3sum takes U+FFFD for the sign of a lossy name, and refuses it */
	if (len == 0 || !utf8_valid(path, len) || path[len - 1] == '\r' ||
	    memmem(path, len, replacement, sizeof replacement - 1))
		return 0;
	if (escape)
		buf_putc(out, '\\');
	buf_puts(out, id);
	buf_puts(out, "  ");
	for (i = 0; i < len; i++) {
		if (path[i] == '\n')
			buf_puts(out, "\\n");
		else if (path[i] == '\\')
			buf_puts(out, "\\\\");
		else
			buf_putc(out, path[i]);
	}
	buf_putc(out, '\n');
	return 1;
}

struct list {
	FILE *out;
	const char *store;
	uint64_t *replaced;
	struct buf line, path;
};

static int
put(void *arg, const char *text, size_t len)
{
	struct list *l = arg;
	char id[STORE_ID + 1], *blob;
	size_t n = (len - STORE_ID - 1) / 2;

	memcpy(id, text, STORE_ID);
	id[STORE_ID] = '\0';
	buf_reset(&l->line);
	buf_reset(&l->path);
	buf_reserve(&l->path, n);
	if (hex_decode(l->path.data, text + STORE_ID + 1, n) < 0)
		return -1;
	if (!b3sum_line(&l->line, id, l->path.data, n)) {
		char place[STORE_PATH];

		store_path(place, id);
		blob = xasprintf("%s/%s", l->store, place);
		if (!b3sum_line(&l->line, id, blob, strlen(blob)))
			errno = EILSEQ;
		free(blob);
		(*l->replaced)++;
	}
	return fwrite(l->line.data, 1, l->line.len, l->out) == l->line.len ?
	    0 : -1;
}

int
b3sum_list(FILE *out, PGconn *db, const char *medium, const char *store,
    uint64_t *replaced)
{
	char *sql = sql_for(sql_verify_manifest, medium);
	struct list l = { out, store, replaced, BUF_INIT, BUF_INIT };
	int rc;

	*replaced = 0;
	errno = 0;
	rc = verify_copy_out(db, sql, put, &l);
	free(sql);
	buf_free(&l.line);
	buf_free(&l.path);
	return rc;
}
