#define _GNU_SOURCE
#include "presence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "catalogue/db.h"
#include "sql/statements.h"

enum { LOOK = 4096 };		/* bytes that are read to see */

void
presence_open(struct presence *p, const char *image, const char *registered)
{
	long long size;
	struct stat st;

	memset(p, 0, sizeof *p);
	p->image = -1;
	p->image_size = -1;
	if (!image)
		return;
	p->image_path = xstrdup(image);
	p->image = open_regular(image, O_RDONLY, 0);
	/* device:inode:size:…, see known_file() of ntt-identify */
	if (registered && sscanf(registered, "%*u:%*u:%lld", &size) == 1)
		p->image_size = size;
	else if (p->image >= 0 && fstat(p->image, &st) == 0)
		p->image_size = st.st_size;
}

void
presence_close(struct presence *p)
{
	if (p->image >= 0)
		close(p->image);
	free(p->image_path);
	free(p->witness);
	memset(p, 0, sizeof *p);
	p->image = -1;
}

void
presence_witness(struct presence *p, const char *path, uint64_t ino,
    unsigned int partition)
{
	free(p->witness);
	p->witness = xstrdup(path);
	p->witness_ino = ino;
	p->witness_partition = partition;
}

int
presence_gone(int err)
{
	switch (err) {
	case ENOTCONN:		/* a FUSE driver that died */
	case ECONNABORTED:
	case ECONNRESET:
	case ESHUTDOWN:
	case ETIMEDOUT:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENETDOWN:
	case ENETUNREACH:
	case ENODEV:
	case ENOMEDIUM:
		return 1;
	default:
		return 0;
	}
}

/* From the disk, not from memory: 0, or -1 with errno. */
static int
read_again(int fd, off_t at)
{
	char bytes[LOOK];
	ssize_t n;

	posix_fadvise(fd, at, LOOK, POSIX_FADV_DONTNEED);
	n = pread_full(fd, bytes, sizeof bytes, at);
	if (n == 0)
		errno = EIO;
	return n > 0 ? 0 : -1;
}

static char *
image_gone(const struct presence *p)
{
	struct stat st;
	off_t at[3];
	size_t i;

	if (p->image < 0)
		return NULL;
	if (fstat(p->image, &st) < 0)
		return xasprintf("its image %s: %s", quoted(p->image_path),
		    strerror(errno));
	if (st.st_size < p->image_size)
		return xasprintf("its image %s has %lld bytes now and had "
		    "%lld", quoted(p->image_path), (long long)st.st_size,
		    (long long)p->image_size);
	at[0] = 0;
	at[1] = st.st_size / 2 / LOOK * LOOK;
	at[2] = st.st_size > LOOK ? (st.st_size - 1) / LOOK * LOOK : 0;
	for (i = 0; i < 3 && st.st_size > 0; i++)
		if (read_again(p->image, at[i]) < 0)
			return xasprintf("its image %s cannot be read at byte "
			    "%lld: %s", quoted(p->image_path),
			    (long long)at[i], strerror(errno));
	return NULL;
}

static char *
root_gone(struct source *s)
{
	int fd = openat(source_root(s), ".", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char *why = NULL;

	errno = dir ? 0 : errno;
	if (!dir || (!readdir(dir) && errno))
		why = xasprintf("its root cannot be listed: %s",
		    strerror(errno));
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return why;
}

/*
 * Of an earlier run: one, or most of them when several are asked for, picked
 * at random.  NULL: db_error().
 */
static PGresult *
find_witnesses(PGconn *db, const char *medium, unsigned int partition,
    int most)
{
	char prefix[24] = "\\x", text[16], number[16];
	char *sql = sql_for(sql_copier_witnesses, medium);
	const char *params[] = { prefix, number };
	PGresult *res;

	if (partition) {
		snprintf(text, sizeof text, "p%u/", partition);
		hex_encode(prefix + 2, text, strlen(text));
	}
	snprintf(number, sizeof number, "%d", most);
	res = db_query_n(db, sql, 2, params);
	free(sql);
	return res;
}

static int
take_witness(struct presence *p, PGresult *res, int row,
    unsigned int partition)
{
	struct buf path = BUF_INIT;
	int rc = db_bytea_value(res, row, 0, &path);

	if (rc == 0)
		presence_witness(p, path.data, (uint64_t)db_int(res, row, 1),
		    partition);
	buf_free(&path);
	return rc;
}

/* 1, 0 there is none, -1 db_error(). */
static int
find_witness(struct presence *p, PGconn *db, const char *medium,
    unsigned int partition)
{
	PGresult *res = find_witnesses(db, medium, partition, 1);
	int found;

	if (!res)
		return -1;
	found = PQntuples(res) == 1 && take_witness(p, res, 0, partition) == 0;
	PQclear(res);
	return found;
}

static char *
witness_gone(const struct presence *p, struct source *s)
{
	unsigned int partition = s->partition;
	struct stat st;
	int fd = source_file(s, p->witness, 'f', p->witness_ino, &st), rc;
	char *why = NULL;

	rc = fd < 0 ? -1 : read_again(fd, 0);
	/* a file that was emptied or removed since says nothing */
	if (rc < 0 && errno != ENOENT && !(fd >= 0 && st.st_size == 0))
		why = xasprintf("%s was read before and cannot be read any "
		    "more: %s", quoted(p->witness), strerror(errno));
	if (fd >= 0)
		close(fd);
	s->partition = partition;
	return why;
}

/*
 * One file may have gone bad since, and it would say so for ever: others are
 * asked.  As presence_ask().
 */
static enum presence_answer
ask_others(struct presence *p, struct source *s, PGconn *db,
    const char *medium, char **why)
{
	enum { OTHERS = 8 };
	PGresult *res = find_witnesses(db, medium, s->partition, OTHERS);
	int row;

	if (!res)
		return NO_CATALOGUE;
	for (row = 0; *why && row < PQntuples(res); row++) {
		char *other;

		if (take_witness(p, res, row, s->partition) < 0)
			continue;
		other = witness_gone(p, s);
		if (!other) {
			free(*why);
			*why = NULL;
		}
		free(other);
	}
	PQclear(res);
	return *why ? ABSENT : PRESENT;
}

enum presence_answer
presence_ask(struct presence *p, struct source *s, PGconn *db,
    const char *medium, char **why)
{
	int found = 1;

	*why = image_gone(p);
	if (!*why)
		*why = root_gone(s);
	if (*why)
		return ABSENT;
	if (!p->witness || p->witness_partition != s->partition)
		found = find_witness(p, db, medium, s->partition);
	if (found < 0)
		return NO_CATALOGUE;
	if (found == 0)
		return p->image >= 0 ? PRESENT : UNPROVEN;
	*why = witness_gone(p, s);
	return *why ? ask_others(p, s, db, medium, why) : PRESENT;
}
