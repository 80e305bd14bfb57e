#define _GNU_SOURCE
#include "count.h"

#include <errno.h>
#include <stdio.h>
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
#include "picture.h"

int count_quietly;
static struct counted *all;
static struct shared *pairs;
static size_t count, pair_count;
static char when[32];

static void
count_shared(int fd)
{
	char most[16], others[16];
	const char *params[] = { most, others };
	PGresult *res;
	int row;

	snprintf(most, sizeof most, "%d", SHARED_MEDIA);
	snprintf(others, sizeof others, "%d", SHARED_OTHERS);
	res = web_ask(sql_web_shared, 2, params);
	for (row = 0; row < PQntuples(res); row++) {
		struct shared s = {
			.contents = (uint64_t)db_int(res, row, 2),
			.bytes = (uint64_t)db_int(res, row, 3)
		};

		strncat(s.medium, db_text(res, row, 0), sizeof s.medium - 1);
		strncat(s.other, db_text(res, row, 1), sizeof s.other - 1);
		if (write_all(fd, &s, sizeof s) < 0)
			_exit(EXIT_FAILED);
	}
}

static void
clean(const char *ids, void (*forget)(const char *id))
{
	PGresult *res = web_ask(sql_web_gone, 1, &ids);
	int row;

	for (row = 0; row < PQntuples(res); row++)
		forget(db_text(res, row, 0));
	PQclear(res);
}

void
count_all(int fd)
{
	PGresult *res;
	uint64_t n;
	int row;

	answer_quietly = count_quietly;
	/* so that pages go first; where it is forbidden they do not */
	if (nice(10) < 0)
		errno = 0;
	answer_connect("0");
	res = web_ask(sql_web_count, 0, NULL);
	n = (uint64_t)PQntuples(res);
	if (write_all(fd, &n, sizeof n) < 0)
		_exit(EXIT_FAILED);
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
	PQclear(res);
	count_shared(fd);
	/* what is removed from the collection is not kept here */
	picture_clean(clean);
	_exit(EXIT_DONE);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct counted *)a)->medium,
	    ((const struct counted *)b)->medium);
}

static int
compare_shared(const void *a, const void *b)
{
	const struct shared *x = a, *y = b;
	int order = strcmp(x->medium, y->medium);

	if (order)
		return order;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return strcmp(x->other, y->other);
}

int
count_take(const void *bytes, unsigned long len)
{
	time_t now = time(NULL);
	uint64_t n, left;
	struct tm tm;

	if (len < sizeof n)
		return -1;
	memcpy(&n, bytes, sizeof n);
	left = len - sizeof n;
	if (n > left / sizeof *all ||
	    (left - n * sizeof *all) % sizeof *pairs)
		return -1;
	free(all);
	free(pairs);
	count = n;
	all = xmalloc(count * sizeof *all + 1);
	memcpy(all, (const char *)bytes + sizeof n, count * sizeof *all);
	left -= count * sizeof *all;
	pair_count = left / sizeof *pairs;
	pairs = xmalloc(left + 1);
	memcpy(pairs, (const char *)bytes + len - left, left);
	qsort(all, count, sizeof *all, compare);
	qsort(pairs, pair_count, sizeof *pairs, compare_shared);
	if (gmtime_r(&now, &tm))
		strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm);
	return 0;
}

const struct counted *
counted_all(size_t *n)
{
	*n = count;
	return all;
}

const struct shared *
shared_with(const char *medium, size_t *n)
{
	size_t low = 0, high = pair_count, middle, first;

	*n = pair_count;
	if (!medium)
		return pairs;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(pairs[middle].medium, medium) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (first = low; low < pair_count &&
	    !strcmp(pairs[low].medium, medium); low++)
		;
	*n = low - first;
	return pairs + first;
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
