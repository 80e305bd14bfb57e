#define _GNU_SOURCE
#include "image/content_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "image/container.h"

enum { CHUNK = 1 << 20, HEAD = 512 };

static const struct {
	unsigned char byte;
	const char *name, *text;
} erasures[] = {
	{ 0x00, "all_zero", "every byte is zero" },
	{ 0xf6, "all_0xf6", "every byte is 0xf6" },
	{ 0x55, "all_0x55", "every byte is 0x55" },
};

/* Old tar has no magic, but a checksum of its header. */
static int
is_old_tar(const unsigned char *head)
{
	unsigned long sum = 8 * ' ', stored;
	char field[9] = "", *end;
	size_t i;

	for (i = 0; i < HEAD; i++)
		if (i < 148 || i >= 156)
			sum += head[i];
	memcpy(field, head + 148, 8);
	stored = strtoul(field + strspn(field, " "), &end, 8);
	return head[0] && end != field && stored == sum;
}

static int
is_tar(const unsigned char *head, size_t len)
{
	return len == HEAD && (!memcmp(head + 257, "ustar", 5) ||
	    is_old_tar(head));
}

/* 1 if all are byte, 0 if not, -1 with errno. */
static int
uniform(int fd, unsigned char byte, uint64_t size, uint64_t limit)
{
	unsigned char *chunk = xmalloc(CHUNK);
	uint64_t at = 0, skip = 0;
	int same = 1;

	if (limit && size > limit)
		skip = (size - limit) / (limit / CHUNK + 1);
	while (same == 1 && at < size) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		ssize_t n, i;

		/* the rest is a hole, or the file system has none */
		if (data < 0 && errno == ENXIO) {
			same = byte == 0;
			break;
		}
		if (data > (off_t)at) {
			same = byte == 0;
			at = (uint64_t)data;
			continue;
		}
		n = pread_full(fd, chunk, CHUNK, (off_t)at);
		if (n <= 0) {
			same = n == 0 ? same : -1;
			break;
		}
		for (i = 0; i < n && same; i++)
			same = chunk[i] == byte;
		at += (uint64_t)n + skip;
	}
	free(chunk);
	return same;
}

const char *
content_probe(int fd, uint64_t size, uint64_t limit)
{
	unsigned char head[HEAD];
	const struct container *c;
	const char *name = NULL;
	ssize_t n;
	size_t i;

	n = pread_full(fd, head, sizeof head, 0);
	if (n < 0)
		return NULL;
	errno = 0;
	if (size == 0 || n == 0)
		return "empty";
	c = container_probe(fd, size);
	if (!c && errno)
		return NULL;
	if (c)
		name = c->name;
	else if (is_tar(head, (size_t)n))
		name = "tar";
	for (i = 0; !name && i < sizeof erasures / sizeof erasures[0]; i++) {
		int same = head[0] == erasures[i].byte ?
		    uniform(fd, erasures[i].byte, size, limit) : 0;

		if (same < 0)
			return NULL;
		if (same)
			name = erasures[i].name;
	}
	errno = 0;
	return name;
}

const char *
content_describe(const char *content)
{
	static struct buf text;
	const struct container *c = container_named(content);
	size_t i;

	for (i = 0; i < sizeof erasures / sizeof erasures[0]; i++)
		if (!strcmp(content, erasures[i].name))
			return erasures[i].text;
	if (!strcmp(content, "empty"))
		return "it is empty";
	if (!c)
		return "it is a tar archive";
	buf_reset(&text);
	buf_printf(&text, "it is %s: %s", c->text,
	    c->engine == CONTAINER_NOT_OPENED ? c->way :
	    "ntt-orchestrator --image opens it");
	return text.data;
}
