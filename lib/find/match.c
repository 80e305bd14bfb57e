#define _GNU_SOURCE
#include "find/match.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"

/* In one of three forms, the cheapest that says the same. */
struct pattern_text {
	enum { CONTAINS, GLOB, REGEX } form;
	char *text;
	size_t needs_at, needs_len;	/* bytes of text that must be there */
	int whole_path;
	regex_t regex;
};

/* A text that contains needle, as a glob: case is fnmatch's business. */
static char *
glob_of(const char *needle)
{
	struct buf b = BUF_INIT;

	buf_putc(&b, '*');
	for (; *needle; needle++) {
		if (strchr("*?[]\\", *needle))
			buf_putc(&b, '\\');
		buf_putc(&b, *needle);
	}
	buf_putc(&b, '*');
	return b.data;
}

/* The longest run of a glob that stands for itself. */
static void
find_needs(struct pattern_text *p)
{
	const char *s = p->text;
	size_t from = 0, at = 0;

	for (;;) {
		size_t len = strcspn(s + at, "*?[\\");

		from = at;
		at += len;
		if (len > p->needs_len) {
			p->needs_at = from;
			p->needs_len = len;
		}
		/* what a bracket or a backslash begins is not worth reading */
		if (!s[at] || s[at] == '[' || s[at] == '\\')
			return;
		at++;
	}
}

void
matcher_add(struct matcher *m, const char *pattern)
{
	struct pattern_text *p;
	char why[256];
	int rc;

	m->patterns = xrealloc(m->patterns,
	    (m->count + 1) * sizeof *m->patterns);
	p = &m->patterns[m->count++];
	memset(p, 0, sizeof *p);
	p->whole_path = m->whole_path || strchr(pattern, '/');
	if (m->regex) {
		p->form = REGEX;
		p->text = xstrdup(pattern);
		rc = regcomp(&p->regex, pattern, REG_EXTENDED | REG_NOSUB |
		    (m->ignore_case ? REG_ICASE : 0));
		if (rc) {
			regerror(rc, &p->regex, why, sizeof why);
			die_usage("%s is no regular expression: %s",
			    quoted(pattern), why);
		}
	} else if (strpbrk(pattern, "*?[")) {
		p->form = GLOB;
		p->text = xstrdup(pattern);
		find_needs(p);
	} else if (m->ignore_case) {
		p->form = GLOB;
		p->text = glob_of(pattern);
	} else {
		p->form = CONTAINS;
		p->text = xstrdup(pattern);
		p->needs_len = strlen(pattern);
	}
}

/*
 * regexec(3) lets no "." and no bracket fit a byte that is not UTF-8, as names
 * from old disks have them.  Each such byte is compared as U+FFFD as well.
 */
static int
regex_fits(const regex_t *regex, const char *text)
{
	size_t len = strlen(text), n;
	struct buf b = BUF_INIT;
	int fits = regexec(regex, text, 0, NULL, 0) == 0;

	if (fits || utf8_valid(text, len))
		return fits;
	for (; len > 0; text += n, len -= n) {
		n = utf8_char((const unsigned char *)text, len);
		if (n > 0) {
			buf_put(&b, text, n);
		} else {
			buf_puts(&b, "\xef\xbf\xbd");
			n = 1;
		}
	}
	fits = regexec(regex, b.data, 0, NULL, 0) == 0;
	buf_free(&b);
	return fits;
}

int
matcher_fits(const struct matcher *m, const char *path)
{
	const char *name = strrchr(path, '/');
	size_t i;

	name = name ? name + 1 : path;
	for (i = 0; i < m->count; i++) {
		const struct pattern_text *p = &m->patterns[i];
		const char *text = p->whole_path ? path : name;
		int fits = p->form == CONTAINS ? strstr(text, p->text) != NULL :
		    p->form == REGEX ? regex_fits(&p->regex, text) :
		    fnmatch(p->text, text,
		    m->ignore_case ? FNM_CASEFOLD : 0) == 0;

		if (fits)
			return 1;
	}
	return m->count == 0;
}

size_t
matcher_needs(const struct matcher *m, const char **at)
{
	if (m->count != 1 || m->ignore_case)
		return 0;
	*at = m->patterns[0].text + m->patterns[0].needs_at;
	return m->patterns[0].needs_len;
}

size_t
matcher_runs(const struct matcher *m, size_t i, struct match_run *runs,
    size_t max, int *whole)
{
	const struct pattern_text *p = &m->patterns[i];
	const char *s = p->text, *from = s;
	size_t n = 0;

	*whole = p->whole_path;
	if (p->form == REGEX)
		return 0;
	for (;; s++) {
		if (*s && !strchr("*?[]\\", *s) &&
		    !(m->ignore_case && (*s & 0x80)))
			continue;
		if (s - from >= MATCH_RUN && n < max)
			runs[n++] = (struct match_run) { from,
			    (size_t)(s - from) };
		/* what a bracket begins is not worth reading */
		if (!*s || (*s == '[' && p->form == GLOB))
			return n;
		/* a glob's backslash makes the next one stand for itself */
		if (*s == '\\' && p->form == GLOB && s[1])
			s++;
		from = s + 1;
	}
}

void
matcher_free(struct matcher *m)
{
	size_t i;

	for (i = 0; i < m->count; i++) {
		if (m->patterns[i].form == REGEX)
			regfree(&m->patterns[i].regex);
		free(m->patterns[i].text);
	}
	free(m->patterns);
	m->patterns = NULL;
	m->count = 0;
}
