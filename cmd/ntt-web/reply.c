#define _GNU_SOURCE
#include "reply.h"

#include <string.h>
#include <unistd.h>

#include "base/exits.h"
#include "base/fsutil.h"

static struct buf headers;
static const char html[] = "text/html; charset=utf-8";
static int out, begun;

void
reply_start(int fd)
{
	out = fd;
}

int
reply_fd(void)
{
	return out;
}

void
reply_header(const char *name, const char *value)
{
	buf_put(&headers, name, strlen(name) + 1);
	buf_put(&headers, value, strlen(value) + 1);
}

void
reply_begin(unsigned int status, const char *type, enum reply_policy policy,
    int64_t length)
{
	struct reply_head h = { .magic = REPLY_MAGIC, .status = status,
		.policy = policy, .length = length };

	reply_header("Content-Type", type);
	h.headers = (uint32_t)headers.len;
	if (write_all(out, &h, sizeof h) < 0 ||
	    write_all(out, headers.data, headers.len) < 0)
		_exit(EXIT_FAILED);
}

int
reply_body(void *unused, const void *bytes, size_t len)
{
	(void)unused;
	return write_all(out, bytes, len);
}

void
reply_part(struct buf *page)
{
	if (!begun)
		reply_begin(200, html, POLICY_PAGE, -1);
	begun = 1;
	if (reply_body(NULL, page->data, page->len) < 0)
		_exit(EXIT_FAILED);
	buf_reset(page);
}

int
reply_begun(void)
{
	return begun;
}

void
reply_page(unsigned int status, const struct buf *page)
{
	if (!begun)
		reply_begin(status, html, POLICY_PAGE, (int64_t)page->len);
	_exit(reply_body(NULL, page->data, page->len) < 0 ? EXIT_FAILED :
	    EXIT_DONE);
}
