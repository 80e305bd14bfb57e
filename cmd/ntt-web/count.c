#define _GNU_SOURCE
#include "count.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/exits.h"
#include "base/fsutil.h"
#include "catalogue/db.h"
#include "sql/statements.h"
#include "answer.h"

int count_quietly;
static struct counted *all;
static size_t count;
static char when[32];

void
count_all(int fd)
{
	PGresult *res;
	int row;

	answer_quietly = count_quietly;
	/* so that pages go first; where it is forbidden they do not */
	if (nice(10) < 0)
		errno = 0;
	answer_connect("0");
	res = web_ask(sql_web_count, 0, NULL);
	for (row = 0; row < PQntuples(res); row++) {
		struct counted c = {
			.files = (uint64_t)db_int(res, row, 1),
			.bytes = (uint64_t)db_int(res, row, 2),
			.missing = (uint64_t)db_int(res, row, 3),
			.excluded = (uint64_t)db_int(res, row, 4),
			.contents = (uint64_t)db_int(res, row, 5),
			.only_bytes = (uint64_t)db_int(res, row, 6)
		};

		strncat(c.medium, db_text(res, row, 0), sizeof c.medium - 1);
		if (write_all(fd, &c, sizeof c) < 0)
			_exit(EXIT_FAILED);
	}
	_exit(EXIT_DONE);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct counted *)a)->medium,
	    ((const struct counted *)b)->medium);
}

int
count_take(const void *bytes, unsigned long len)
{
	time_t now = time(NULL);
	struct tm tm;

	if (len % sizeof *all)
		return -1;
	free(all);
	all = xmalloc(len + 1);
	memcpy(all, bytes, len);
	count = len / sizeof *all;
	qsort(all, count, sizeof *all, compare);
	if (gmtime_r(&now, &tm))
		strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm);
	return 0;
}

const struct counted *
counted(const char *medium)
{
	struct counted key = { .files = 0 };

	strncat(key.medium, medium, sizeof key.medium - 1);
	return count ? bsearch(&key, all, count, sizeof *all, compare) : NULL;
}

const char *
counted_when(void)
{
	return *when ? when : NULL;
}
