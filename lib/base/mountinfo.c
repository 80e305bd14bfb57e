#define _GNU_SOURCE
#include "base/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

static int
is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* The next word, escapes undone in place; NULL when there is none. */
static char *
next_word(char **line)
{
	char *word, *p, *out;

	if (!*line)
		return NULL;
	word = out = *line;
	for (p = word; *p && *p != ' '; p++) {
		if (*p == '\\' && is_octal(p[1]) && is_octal(p[2]) &&
		    is_octal(p[3])) {
			*out++ = (char)((p[1] - '0') << 6 |
			    (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		} else {
			*out++ = *p;
		}
	}
	*line = *p ? p + 1 : NULL;
	*out = '\0';
	return word;
}

/* "a<separator>b", both decimal. */
static int
two_numbers(const char *word, char separator, unsigned int *a,
    unsigned int *b)
{
	char found, end;

	return word && sscanf(word, "%u%c%u%c", a, &found, b, &end) == 3 &&
	    found == separator ? 0 : -1;
}

static int
one_number(const char *word, unsigned int *n)
{
	char end;

	return word && sscanf(word, "%u%c", n, &end) == 1 ? 0 : -1;
}

/* "36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw" */
static int
parse_line(char *line, struct mount_entry *e)
{
	char *root, *point, *options, *word, *fstype, *source, *super;

	if (one_number(next_word(&line), &e->id) < 0 ||
	    one_number(next_word(&line), &e->parent) < 0 ||
	    two_numbers(next_word(&line), ':', &e->major, &e->minor) < 0)
		return -1;
	root = next_word(&line);
	point = next_word(&line);
	options = next_word(&line);
	do
		word = next_word(&line);
	while (word && strcmp(word, "-"));
	fstype = next_word(&line);
	source = next_word(&line);
	super = next_word(&line);
	if (!super)
		return -1;
	e->root = xstrdup(root);
	e->point = xstrdup(point);
	e->options = xstrdup(options);
	e->fstype = xstrdup(fstype);
	e->source = xstrdup(source);
	e->super_options = xstrdup(super);
	return 0;
}

int
mountinfo_parse(struct mountinfo *m, const char *text, size_t len)
{
	const char *end = text + len, *p, *eol;

	for (p = text; p < end; p = eol + 1) {
		struct mount_entry e = { 0 };
		char *line;
		size_t n;
		int rc;

		eol = memchr(p, '\n', (size_t)(end - p));
		n = eol ? (size_t)(eol - p) : 0;
		if (!eol || memchr(p, '\0', n)) {
			errno = EBADMSG;
			return -1;
		}
		line = xmalloc(n + 1);
		memcpy(line, p, n);
		line[n] = '\0';
		rc = parse_line(line, &e);
		free(line);
		if (rc < 0) {
			errno = EBADMSG;
			return -1;
		}
		m->entries = xrealloc(m->entries,
		    (m->count + 1) * sizeof *m->entries);
		m->entries[m->count++] = e;
	}
	return 0;
}

int
mountinfo_read(struct mountinfo *m)
{
	struct buf text = BUF_INIT;
	char chunk[8192];
	ssize_t n;
	int fd, rc = -1, err;

	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while ((n = read(fd, chunk, sizeof chunk)) > 0 ||
	    (n < 0 && errno == EINTR))
		if (n > 0)
			buf_put(&text, chunk, (size_t)n);
	if (n == 0)
		rc = text.len ? mountinfo_parse(m, text.data, text.len) : 0;
	err = errno;
	close(fd);
	buf_free(&text);
	errno = err;
	return rc;
}

void
mountinfo_free(struct mountinfo *m)
{
	size_t i;

	for (i = 0; i < m->count; i++) {
		struct mount_entry *e = &m->entries[i];

		free(e->root);
		free(e->point);
		free(e->options);
		free(e->fstype);
		free(e->source);
		free(e->super_options);
	}
	free(m->entries);
	*m = (struct mountinfo)MOUNTINFO_INIT;
}

const struct mount_entry *
mountinfo_top(const struct mountinfo *m, const char *point)
{
	const struct mount_entry *top = NULL;
	size_t i, j;

	for (i = 0; i < m->count; i++) {
		const struct mount_entry *e = &m->entries[i];

		if (strcmp(e->point, point))
			continue;
		/* covered, if another at the same place has it as parent */
		for (j = 0; j < m->count; j++)
			if (m->entries[j].parent == e->id && j != i &&
			    !strcmp(m->entries[j].point, point))
				break;
		if (j == m->count)
			top = e;
	}
	return top;
}

size_t
mountinfo_depth(const struct mountinfo *m, const char *point)
{
	size_t i, n = 0;

	for (i = 0; i < m->count; i++)
		n += !strcmp(m->entries[i].point, point);
	return n;
}

int
mountinfo_has_source(const struct mountinfo *m, const char *source)
{
	size_t i;

	for (i = 0; i < m->count; i++)
		if (!strcmp(m->entries[i].source, source))
			return 1;
	return 0;
}
