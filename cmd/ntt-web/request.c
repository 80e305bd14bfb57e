#define _GNU_SOURCE
#include "request.h"

#include <stdlib.h>
#include <string.h>

#include "base/medium_name.h"

static const struct {
	const char *word;
	enum page page;
	int has_path;
} words[] = {
	{ "tree", PAGE_TREE, 1 }, { "file", PAGE_FILE, 1 },
	{ "get", PAGE_GET, 1 }, { "image", PAGE_IMAGE, 1 },
	{ "small", PAGE_SMALL, 1 }, { "where", PAGE_WHERE, 1 },
	{ "take", PAGE_TAKE, 1 }, { "tar", PAGE_TAR, 1 },
	{ "zip", PAGE_ZIP, 1 }, { "bag", PAGE_BAG, 1 },
	{ "missing", PAGE_MISSING, 0 },
	{ "report", PAGE_REPORT, 0 }, { "map", PAGE_MAP, 0 },
	{ "photo", PAGE_PHOTO, 0 }
};

static int
hex_digit(int c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ?
	    c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Appends what len bytes of an address mean: 0, or -1 for a wrong escape. */
static int
decode(struct buf *out, const char *s, size_t len, int plus)
{
	size_t i;

	buf_reserve(out, len);
	for (i = 0; i < len; i++) {
		int c = (unsigned char)s[i];

		if (c == '%') {
			if (len - i < 3 || hex_digit(s[i + 1]) < 0 ||
			    hex_digit(s[i + 2]) < 0)
				return -1;
			c = hex_digit(s[i + 1]) << 4 | hex_digit(s[i + 2]);
			i += 2;
		} else if (plus && c == '+') {
			c = ' ';
		}
		if (c == '\0')
			return -1;
		buf_putc(out, c);
	}
	return 0;
}

static int
take_params(struct request *r, const char *s)
{
	while (*s) {
		size_t len = strcspn(s, "&"), name = strcspn(s, "=&");

		if (len > 0) {
			if (r->param_count == REQUEST_PARAMS)
				return 400;
			r->param_count++;
			if (decode(&r->params[r->param_count - 1].name, s,
			    name, 1) < 0 ||
			    decode(&r->params[r->param_count - 1].value,
			    s + name + (name < len),
			    len - name - (name < len), 1) < 0)
				return 400;
		}
		s += len + (s[len] == '&');
	}
	return 0;
}

/* The components that are left of an address. */
static int
take_path(struct request *r, const char *s, size_t len)
{
	size_t i, n;

	for (i = 0; i < len; i += n + 1) {
		struct buf name = BUF_INIT;
		int wrong;

		n = strcspn(s + i, "/?#");
		if (n > len - i)
			n = len - i;
		wrong = n == 0 || decode(&name, s + i, n, 0) < 0 ||
		    memchr(name.data, '/', name.len) ||
		    !strcmp(name.data, ".") || !strcmp(name.data, "..");
		if (!wrong) {
			if (r->path.len > 0)
				buf_putc(&r->path, '/');
			buf_put(&r->path, name.data, name.len);
		}
		buf_free(&name);
		if (wrong)
			return 400;
	}
	/* "tree/" is the root as well as "tree"; "tree/a/" is nothing */
	return len > 0 && s[len - 1] == '/' ? 400 : 0;
}

static int
take_medium(struct request *r, const char *s, size_t len)
{
	size_t n = 0, i;

	while (n < len && s[n] != '/')
		n++;
	if (n >= sizeof r->medium)
		return 404;
	memcpy(r->medium, s, n);
	r->medium[n] = '\0';
	if (!medium_valid(r->medium)) {
		r->medium[0] = '\0';
		return 404;
	}
	r->page = PAGE_MEDIUM;
	if (n == len)
		return 0;
	s += n + 1;
	len -= n + 1;
	for (n = 0; n < len && s[n] != '/'; n++)
		;
	for (i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strlen(words[i].word) != n || memcmp(words[i].word, s, n))
			continue;
		r->page = words[i].page;
		if (n == len)
			return 0;
		return words[i].has_path ? take_path(r, s + n + 1,
		    len - n - 1) : 404;
	}
	return 404;
}

int
request_parse(struct request *r, const char *uri)
{
	size_t len = strcspn(uri, "?");
	int status;

	if (strlen(uri) > REQUEST_LONGEST)
		return 414;
	if (*uri != '/' || strchr(uri, '#'))
		return 400;
	if (uri[len] && (status = take_params(r, uri + len + 1)))
		return status;
	if (len == 1)
		r->page = PAGE_SHELF;
	else if (len == 7 && !memcmp(uri, "/search", len))
		r->page = PAGE_SEARCH;
	else if (len == 8 && !memcmp(uri, "/compare", len))
		r->page = PAGE_COMPARE;
	else if (len == 10 && !memcmp(uri, "/style.css", len))
		r->page = PAGE_STYLE;
	else if (len == 9 && !memcmp(uri, "/icon.svg", len))
		r->page = PAGE_ICON;
	else if (len > 3 && !memcmp(uri, "/m/", 3))
		return take_medium(r, uri + 3, len - 3);
	else
		return 404;
	return 0;
}

void
request_free(struct request *r)
{
	unsigned int i;

	for (i = 0; i < r->param_count; i++) {
		buf_free(&r->params[i].name);
		buf_free(&r->params[i].value);
	}
	buf_free(&r->path);
	free(r->range);
	free(r->if_range);
}

const char *
request_param(const struct request *r, const char *name)
{
	unsigned int i;

	for (i = 0; i < r->param_count; i++)
		if (r->params[i].name.data &&
		    !strcmp(r->params[i].name.data, name))
			return r->params[i].value.data ?
			    r->params[i].value.data : "";
	return NULL;
}

void
request_encode(struct buf *b, const void *bytes, size_t len)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
	const unsigned char *p = bytes;
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] && strchr(plain, p[i]))
			buf_putc(b, p[i]);
		else
			buf_printf(b, "%%%02X", p[i]);
	}
}

void
request_link(struct buf *b, const char *medium, const char *word,
    const void *path, size_t len)
{
	buf_printf(b, "/m/%s/%s", medium, word);
	if (len > 0) {
		buf_putc(b, '/');
		request_encode(b, path, len);
	}
}
