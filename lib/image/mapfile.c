#define _GNU_SOURCE
#include "image/mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"

static char *
complain(const char *name, size_t line, const char *why)
{
	struct buf b = BUF_INIT;

	buf_escape(&b, name, strlen(name));
	if (line)
		buf_printf(&b, ":%zu", line);
	buf_printf(&b, ": %s", why);
	return buf_detach(&b);
}

/* "0x1F00" or decimal; -1 if there is no number that fits. */
static int
number(const char **p, uint64_t *out)
{
	char *end;

	*p += strspn(*p, " \t");
	if (**p < '0' || **p > '9')
		return -1;
	errno = 0;
	*out = strtoull(*p, &end, 0);
	if (errno || (*end != ' ' && *end != '\t' && *end != '\0'))
		return -1;
	*p = end;
	return 0;
}

static int
one_of(const char **p, const char *set, char *out)
{
	*p += strspn(*p, " \t");
	if (!**p || !strchr(set, **p))
		return -1;
	*out = *(*p)++;
	return **p == '\0' || **p == ' ' || **p == '\t' ? 0 : -1;
}

static int
at_end(const char *p)
{
	return p[strspn(p, " \t")] == '\0';
}

/* A map that was on a machine where lines end with CR LF. */
static void
drop_cr(char *line)
{
	size_t len = strlen(line);

	if (len > 0 && line[len - 1] == '\r')
		line[len - 1] = '\0';
}

static const char *
parse_status(struct mapfile *m, const char *p)
{
	uint64_t pass;

	if (number(&p, &m->current_pos) < 0 ||
	    one_of(&p, "?*/-FG+", &m->current_status) < 0)
		return "expected \"current_pos current_status\"";
	if (at_end(p))
		return NULL;
	if (number(&p, &pass) < 0 || pass > 1000 || !at_end(p))
		return "expected the number of the pass";
	m->pass = (int)pass;
	return NULL;
}

static const char *
parse_block(struct mapfile *m, const char *p)
{
	struct mapfile_block *b;

	if ((m->count & (m->count - 1)) == 0)
		m->blocks = xrealloc(m->blocks,
		    (m->count ? 2 * m->count : 1) * sizeof *m->blocks);
	b = &m->blocks[m->count];
	if (number(&p, &b->pos) < 0 || number(&p, &b->size) < 0 ||
	    one_of(&p, "?*/-+", &b->status) < 0 || !at_end(p))
		return "expected \"pos size status\"";
	if (b->size == 0)
		return "a block is empty";
	if (b->pos != m->end)
		return m->count == 0 ? "the first block does not start at 0" :
		    "a block does not start where the one before ends";
	if (__builtin_add_overflow(b->pos, b->size, &m->end) ||
	    m->end > INT64_MAX)
		return "a block is larger than any medium";
	m->count++;
	return NULL;
}

int
mapfile_parse(struct mapfile *m, const char *text, size_t len,
    const char *name, char **error)
{
	const char *end = text + len, *p = text, *why = NULL, *eol;
	size_t line = 0;
	int status_seen = 0;

	memset(m, 0, sizeof *m);
	for (; p < end && !why; p = eol + 1) {
		char *copy;

		line++;
		eol = memchr(p, '\n', (size_t)(end - p));
		if (!eol)
			eol = end;
		copy = xasprintf("%.*s", (int)(eol - p), p);
		if (strlen(copy) != (size_t)(eol - p))
			why = "a line holds a NUL byte";
		drop_cr(copy);
		if (why || copy[0] == '#' || at_end(copy))
			;
		else if (!status_seen++)
			why = parse_status(m, copy);
		else
			why = parse_block(m, copy);
		free(copy);
	}
	if (!why && m->count == 0) {
		why = "the map is empty";
		line = 0;
	}
	if (!why)
		return 0;
	*error = complain(name, line, why);
	mapfile_free(m);
	return -1;
}

int
mapfile_load(struct mapfile *m, const char *path, char **error)
{
	enum { MOST = 256 << 20 };	/* of a very broken disk: 20 MB */
	struct stat st;
	char *text = NULL;
	int fd, rc = -1;
	ssize_t n;

	memset(m, 0, sizeof *m);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		*error = complain(path, 0, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > MOST) {
		*error = complain(path, 0, "this is no map of ddrescue");
	} else {
		text = xmalloc((size_t)st.st_size + 1);
		n = read_full(fd, text, (size_t)st.st_size);
		if (n < 0)
			*error = complain(path, 0, strerror(errno));
		else
			rc = mapfile_parse(m, text, (size_t)n, path, error);
	}
	free(text);
	if (fd >= 0)
		close(fd);
	return rc;
}

void
mapfile_free(struct mapfile *m)
{
	free(m->blocks);
	memset(m, 0, sizeof *m);
}

uint64_t
mapfile_bytes(const struct mapfile *m, enum mapfile_status status)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < m->count; i++)
		if (m->blocks[i].status == (char)status)
			sum += m->blocks[i].size;
	return sum;
}

const char *
mapfile_health(const struct mapfile *m, uint64_t size)
{
	uint64_t rescued = mapfile_bytes(m, MAPFILE_RESCUED);

	if (size == 0 || m->end != size)
		return NULL;
	if (rescued == size)
		return "ok";
	/* rescued / size >= 9 / 10 without overflow or rounding */
	if (rescued >= size - size / 10)
		return "incomplete";
	if (rescued >= size / 5 + (size % 5 != 0))
		return "corrupt";
	return "failed";
}

/* The block that holds pos; pos is below m->end. */
static size_t
find(const struct mapfile *m, uint64_t pos)
{
	size_t low = 0, high = m->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (m->blocks[middle].pos <= pos)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int
mapfile_lost(const struct mapfile *m, uint64_t pos, uint64_t size)
{
	uint64_t end;
	size_t i;

	if (size == 0)
		return 0;
	if (__builtin_add_overflow(pos, size, &end) || end > m->end)
		return 1;
	for (i = find(m, pos); i < m->count && m->blocks[i].pos < end; i++)
		if (m->blocks[i].status != MAPFILE_RESCUED)
			return 1;
	return 0;
}
