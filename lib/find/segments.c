#define _GNU_SOURCE
#include "find/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/fsutil.h"
#include "base/medium_name.h"
#include "base/num.h"
#include "base/tempfile.h"

static const char list_name[] = "segments", first_line[] = "ntt-index 1";

char *
segments_dir(void)
{
	const char *home = config_get(CONFIG_HOME);
	char *dir, *above;

	if (home)
		return path_join(home, "index");
	/* beside the lists that the names come from */
	above = path_join(config_get(CONFIG_RAW_ROOT), "..");
	dir = path_join(above, "index");
	free(above);
	return dir;
}

struct segment *
segments_add(struct segments *s, const char *name, uint64_t bytes)
{
	struct segment *new;

	s->list = xrealloc(s->list, (s->count + 1) * sizeof *s->list);
	new = &s->list[s->count++];
	new->name = xstrdup(name);
	new->bytes = bytes;
	new->media = NULL;
	new->count = 0;
	return new;
}

struct segment_medium *
segment_add(struct segment *of, const char *hash, const char *names)
{
	struct segment_medium *new;

	of->media = xrealloc(of->media, (of->count + 1) * sizeof *of->media);
	new = &of->media[of->count++];
	new->hash = xstrdup(hash);
	new->names = xstrdup(names);
	new->paths = 0;
	new->folds = 0;
	return new;
}

static void
segment_free(struct segment *s)
{
	size_t i;

	for (i = 0; i < s->count; i++) {
		free(s->media[i].hash);
		free(s->media[i].names);
	}
	free(s->media);
	free(s->name);
}

void
segments_remove(struct segments *s, size_t i)
{
	segment_free(&s->list[i]);
	s->count--;
	memmove(&s->list[i], &s->list[i + 1],
	    (s->count - i) * sizeof *s->list);
}

void
segments_free(struct segments *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		segment_free(&s->list[i]);
	free(s->list);
	s->list = NULL;
	s->count = 0;
}

/* Hexadecimal and ".db": it is put into a path. */
static int
is_name(const char *name)
{
	size_t len = strspn(name, "0123456789abcdef");

	return len == 32 && !strcmp(name + len, ".db");
}

static int
is_uuid(const char *names)
{
	return strlen(names) == 36 &&
	    strspn(names, "0123456789abcdef-") == 36;
}

/* A line, split at its blanks: 1, or 0 at the end. */
static int
next_line(char **text, char *words[5])
{
	char *line = strsep(text, "\n");
	int n = 0;

	if (!line || !*text)
		return 0;
	memset(words, 0, 5 * sizeof *words);
	while (line && n < 5)
		words[n++] = strsep(&line, " ");
	return 1;
}

static int
parse(char *text, struct segments *s)
{
	char *words[5], *line = strsep(&text, "\n");
	struct segment_medium *m;
	uint64_t n;

	if (!line || strcmp(line, first_line))
		return -1;
	while (text && next_line(&text, words)) {
		if (!strcmp(words[0], "end") && !words[1])
			return 0;
		if (!words[1] || !words[2])
			return -1;
		if (!strcmp(words[0], "segment")) {
			if (!is_name(words[1]) ||
			    num_u64(words[2], 0, INT64_MAX, &n) < 0)
				return -1;
			segments_add(s, words[1], n);
			continue;
		}
		if (strcmp(words[0], "medium") || s->count == 0 || !words[3] ||
		    !words[4] || !medium_valid(words[1]) || !is_uuid(words[2]))
			return -1;
		m = segment_add(&s->list[s->count - 1], words[1], words[2]);
		if (num_u64(words[3], 0, INT64_MAX, &m->paths) < 0)
			return -1;
		m->folds = !strcmp(words[4], "folds");
	}
	return -1;
}

int
segments_read(const char *dir, struct segments *s)
{
	char *path = path_join(dir, list_name), chunk[65536];
	int fd = open_regular(path, O_RDONLY, 0), rc = -1;
	struct buf b = BUF_INIT;
	ssize_t n = -1;

	free(path);
	s->list = NULL;
	s->count = 0;
	if (fd < 0)
		return -1;
	while ((n = read_full(fd, chunk, sizeof chunk)) > 0)
		buf_put(&b, chunk, (size_t)n);
	close(fd);
	buf_put(&b, "", 0);
	if (n == 0) {
		rc = parse(b.data, s);
		if (rc < 0)
			errno = EBADMSG;
	}
	buf_free(&b);
	if (rc < 0)
		segments_free(s);
	return rc;
}

int
segments_write(const char *dir, const struct segments *s)
{
	char *path = path_join(dir, list_name);
	struct buf b = BUF_INIT;
	struct tempfile t;
	size_t i, j;
	int rc;

	buf_printf(&b, "%s\n", first_line);
	for (i = 0; i < s->count; i++) {
		buf_printf(&b, "segment %s %" PRIu64 "\n", s->list[i].name,
		    s->list[i].bytes);
		for (j = 0; j < s->list[i].count; j++) {
			const struct segment_medium *m = &s->list[i].media[j];

			buf_printf(&b, "medium %s %s %" PRIu64 " %s\n",
			    m->hash, m->names, m->paths,
			    m->folds ? "folds" : "-");
		}
	}
	buf_puts(&b, "end\n");
	rc = tempfile_open(&t, path);
	if (rc == 0 && (fchmod(t.fd, 0600) < 0 ||
	    write_all(t.fd, b.data, b.len) < 0)) {
		tempfile_abort(&t);
		rc = -1;
	} else if (rc == 0) {
		rc = tempfile_commit(&t);
	}
	buf_free(&b);
	free(path);
	return rc;
}
