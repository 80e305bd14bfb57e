#define _GNU_SOURCE
#include "strip.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/medium_name.h"

/* Length of "pN" at p, 0 if there is none. */
static size_t
partition_name(const char *p, const char *end)
{
	const char *begin = p;

	if (p == end || *p++ != 'p')
		return 0;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p - begin > 1 ? (size_t)(p - begin) : 0;
}

static size_t
old_partition(const char *path, size_t len)
{
	size_t n = partition_name(path, path + len);

	return n > 0 && n < len && path[n] == ':' ? n : 0;
}

static void
set_prefix(struct strip *s, enum strip_rule rule, const char *prefix,
    size_t len)
{
	s->rule = rule;
	s->prefix = xmalloc(len + 1);
	memcpy(s->prefix, prefix, len);
	s->prefix[len] = '\0';
	s->prefix_len = len;
}

/* Where ".../<medium>" ends in the path of a root; 0 if it does not. */
static size_t
below_medium(const char *path, size_t len, const char *medium)
{
	size_t m = strlen(medium), i;
	const char *end = path + len;

	for (i = 1; i + m <= len; i++) {
		const char *after = path + i + m;

		if (path[i - 1] != '/' || memcmp(path + i, medium, m) != 0)
			continue;
		while (after < end && *after == '/')
			after++;
		if (after == end)
			return i + m;
		if (after[-1] == '/' && partition_name(after, end) ==
		    (size_t)(end - after))
			return i + m;
	}
	return 0;
}

static int
is_directory(const struct raw_record *r)
{
	if (r->type == 'd')
		return 1;
	/* an old file: a whole mode tells, permissions alone do not */
	return r->type == '?' && (!(r->mode & S_IFMT) || S_ISDIR(r->mode));
}

int
strip_init(struct strip *s, const char *given, const char *mount_root,
    const char *medium, const struct raw_record *first)
{
	const char *path = first->path;
	size_t len = first->path_len, n, m = strlen(medium);
	char *mount;

	memset(s, 0, sizeof *s);
	if (given) {
		n = old_partition(path, len);
		s->old_partitions = n > 0 && !raw_relative(path, len, given,
		    strlen(given), &n);
		set_prefix(s, STRIP_GIVEN, given, strlen(given));
		return 0;
	}
	n = old_partition(path, len);
	if (n > 0) {
		s->old_partitions = 1;
		path += n + 1;
		len -= n + 1;
	}
	mount = xasprintf("%s/%s", mount_root, medium);
	if (raw_relative(path, len, mount, strlen(mount), &n))
		set_prefix(s, STRIP_MOUNT, mount, strlen(mount));
	else if (medium_mountable(medium) &&
	    (n = below_medium(path, len, medium)) > 0)
		set_prefix(s, STRIP_MOUNT, path, n);
	else if (raw_relative(path, len, medium, m, &n))
		set_prefix(s, STRIP_MEDIUM, medium, m);
	else if (s->old_partitions)
		set_prefix(s, STRIP_ROOT, "", 0);
	else if (is_directory(first))
		set_prefix(s, STRIP_ROOT, path, len);
	free(mount);
	return s->prefix ? 0 : -1;
}

void
strip_free(struct strip *s)
{
	free(s->prefix);
	buf_free(&s->path);
}

/* "pN:/some/where/HASH/pN/a/b", "pN:/a/b" and "pN:a/b" are all pN/a/b. */
static const char *
strip_old(struct strip *s, const char *path, size_t len, size_t *relative_len)
{
	size_t n = old_partition(path, len), rest_len;
	const char *rest, *below;

	if (n == 0)
		return NULL;
	rest = path + n + 1;
	rest_len = len - n - 1;
	below = s->prefix_len ? raw_relative(rest, rest_len, s->prefix,
	    s->prefix_len, relative_len) : NULL;
	if (below) {
		rest = below;
		rest_len = *relative_len;
		below = raw_relative(rest, rest_len, path, n, relative_len);
		if (below) {
			rest = below;
			rest_len = *relative_len;
		}
	}
	for (; rest_len > 0 && *rest == '/'; rest_len--)
		rest++;
	buf_reset(&s->path);
	buf_put(&s->path, path, n);
	if (rest_len > 0) {
		buf_putc(&s->path, '/');
		buf_put(&s->path, rest, rest_len);
	}
	*relative_len = s->path.len;
	return s->path.data;
}

const char *
strip_path(struct strip *s, const char *path, size_t len, size_t *relative_len)
{
	if (s->old_partitions)
		return strip_old(s, path, len, relative_len);
	return raw_relative(path, len, s->prefix, s->prefix_len,
	    relative_len);
}
