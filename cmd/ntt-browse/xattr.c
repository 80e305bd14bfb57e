#define _GNU_SOURCE
#include "xattr.h"

#include <endian.h>
#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fsutil.h"

enum { NAME, VALUE, BLOB };

/*
 * The last inode that was asked about: its names are listed, and then each
 * value is wanted.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	const struct shown *medium;
	unsigned int changes;
	uint64_t dev, ino;
	PGresult *res;
} last;

/* With the lock: its rows, which are last's; NULL with errno. */
static const PGresult *
rows_of(struct shown *m, const struct entry *e)
{
	uint64_t numbers[2] = { htobe64(e->dev), htobe64(e->ino) };
	const struct param params[2] = {
		{ (const char *)&numbers[0], 8 },
		{ (const char *)&numbers[1], 8 }
	};

	if (last.res && last.medium == m && last.dev == e->dev &&
	    last.ino == e->ino && last.changes == m->changes && m->settled)
		return last.res;
	PQclear(last.res);
	last.medium = m;
	last.changes = m->changes;
	last.dev = e->dev;
	last.ino = e->ino;
	last.res = ask(&m->xattrs, 2, params);
	return last.res;
}

int
xattr_names(struct shown *m, const struct entry *e, struct buf *names)
{
	const PGresult *res;
	const char *name;
	int row, err = 0;
	size_t len;

	pthread_mutex_lock(&lock);
	res = rows_of(m, e);
	if (!res)
		err = errno;
	for (row = 0; res && row < PQntuples(res); row++) {
		name = cell(res, row, NAME, &len);
		if (len == 0 || len > XATTR_NAME_MAX ||
		    memchr(name, '\0', len))
			continue;
		buf_put(names, name, len);
		buf_putc(names, '\0');
	}
	pthread_mutex_unlock(&lock);
	return err;
}

/* 0 or errno. */
static int
read_blob(const struct store *s, const char *id, struct buf *value)
{
	ssize_t n;
	int fd;

	if (strlen(id) != STORE_ID)
		return EIO;
	fd = store_read(s, id);
	if (fd < 0)
		return EIO;
	buf_reserve(value, XATTR_SIZE_MAX + 1);
	n = read_full(fd, value->data, XATTR_SIZE_MAX + 1);
	close(fd);
	if (n < 0)
		return EIO;
	value->len = (size_t)n;
	return n > XATTR_SIZE_MAX ? E2BIG : 0;
}

int
xattr_value(struct shown *m, const struct entry *e, const struct store *s,
    const char *name, struct buf *value)
{
	char id[STORE_ID + 1] = "";
	const PGresult *res;
	const char *bytes;
	int row, err = ENODATA;
	size_t len;

	pthread_mutex_lock(&lock);
	res = rows_of(m, e);
	if (!res)
		err = errno;
	for (row = 0; res && row < PQntuples(res); row++) {
		bytes = cell(res, row, NAME, &len);
		if (len != strlen(name) || memcmp(bytes, name, len))
			continue;
		err = 0;
		bytes = cell(res, row, VALUE, &len);
		if (bytes)
			buf_put(value, bytes, len);
		bytes = cell(res, row, BLOB, &len);
		if (bytes) {
			strncat(id, bytes, STORE_ID);
			err = -1;
		}
		break;
	}
	pthread_mutex_unlock(&lock);
	return err < 0 ? read_blob(s, id, value) : err;
}
