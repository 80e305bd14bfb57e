#define _GNU_SOURCE
#include "raw/pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"

enum {
	/* regcomp(3) recurses and copies: both need an end */
	PATTERN_MAX = 4096,
	SIZE_LIMIT = 4096,
	NESTED_LIMIT = 10,
	FILE_MAX = 16 << 20,
	SHOWN_MAX = 80,			/* of a pattern, in a message */
	/* regexec(3) keeps every state it ever met */
	FRESH_AFTER = 1 << 20
};

struct pattern {
	char *text;
	regex_t re;
	uint64_t hits;
	unsigned int compiled : 1;
	unsigned int alone : 1;		/* cannot be part of the union */
};

struct pattern_set {
	struct pattern *patterns;
	size_t count, size;
	/* All of them in one, to reject a path with a single run. */
	regex_t all;
	int has_all;
	uint64_t matched;
	locale_t locale;
};

/* Bytes, whatever the program's locale. */
static int
compile(struct pattern_set *set, regex_t *re, const char *text)
{
	locale_t old = uselocale(set->locale);
	int rc = regcomp(re, text, REG_EXTENDED | REG_NOSUB);

	uselocale(old);
	return rc;
}

static int
matches(struct pattern_set *set, const regex_t *re, const char *path,
    size_t len)
{
	regmatch_t range = { .rm_so = 0, .rm_eo = (regoff_t)len };
	locale_t old = uselocale(set->locale);
	int rc;

	errno = 0;
	rc = regexec(re, path, 1, &range, REG_STARTEND);
	uselocale(old);
	/* glibc says REG_NOMATCH for every failure */
	if (rc != 0 && errno == ENOMEM)
		out_of_memory();
	return rc == 0;
}

/* \1 counts groups, which a union would number differently. */
static int
has_back_reference(const char *text)
{
	for (; *text; text++) {
		if (*text != '\\')
			continue;
		text++;
		if (*text >= '1' && *text <= '9')
			return 1;
		if (!*text)
			break;
	}
	return 0;
}

/*
 * Joined by bars alone: parentheses would give a stray ")", which is an
 * ordinary character, a meaning.
 */
static void
compile_all(struct pattern_set *set)
{
	struct buf text = BUF_INIT;
	size_t i, n = 0;

	set->has_all = 0;
	for (i = 0; i < set->count; i++) {
		if (set->patterns[i].alone)
			continue;
		if (n++)
			buf_putc(&text, '|');
		buf_puts(&text, set->patterns[i].text);
	}
	if (n > 1)
		set->has_all = compile(set, &set->all, text.data) == 0;
	buf_free(&text);
}

/* Behind a bracket expression; p is behind its '['. */
static const char *
skip_bracket(const char *p)
{
	p += *p == '^';
	p += *p == ']';
	for (; *p && *p != ']'; p++)
		if (*p == '[' && p[1] && strchr(":.=", p[1]) &&
		    strchr(p + 2, ']'))
			p = strchr(p + 2, ']');
	return *p ? p + 1 : p;
}

/*
 * The copies a repetition makes of what is before it, and *p moves behind it;
 * 0 if there is none.
 */
static uint64_t
copies(const char **p)
{
	uint64_t n;
	char *end;

	switch (*(*p)++) {
	case '*':
	case '?':
		return 1;
	case '+':
		return 2;
	case '{':
		n = strtoul(*p, &end, 10);
		if (*end == ',')
			n = end[1] == '}' ? n + 1 : strtoul(end + 1, &end, 10);
		*p = end + strcspn(end, "}");
		*p += **p != '\0';
		n += n == 0;
		return n <= SIZE_LIMIT ? n : SIZE_LIMIT + 1;
	}
	(*p)--;
	return 0;
}

struct group {
	uint64_t size;
	int repeats;		/* there is a repetition in it */
};

/*
 * About how much work regcomp(3) has with the pattern: it copies what is
 * repeated, and may double its steps with each repetition of a repetition
 * anywhere.  "a{99}{99}{99}" and "a???????????????????????????" are short and
 * end on no machine.
 */
static int
is_too_large(const char *p)
{
	struct group *g = xcalloc(strlen(p) + 2, sizeof *g), last = { 0, 0 };
	struct group *top = g;
	uint64_t n;
	int nested = 0, too_large = 0;

	while (*p && !too_large) {
		n = last.size ? copies(&p) : 0;
		if (n > 0) {
			n += n == 1 && last.repeats;
			nested += last.repeats;
			top->size += last.size * (n - 1);
			last.size *= n;
			last.repeats = top->repeats = 1;
			too_large = top->size > SIZE_LIMIT ||
			    nested > NESTED_LIMIT;
			continue;
		}
		last.size = 1;
		last.repeats = 0;
		switch (*p++) {
		case '(':
			top++;
			top->size = 0;
			top->repeats = 0;
			last.size = 0;
			continue;
		case ')':
			if (top > g) {
				last = *top--;
				last.size++;
				top->repeats |= last.repeats;
			}
			break;
		case '[':
			p = skip_bracket(p);
			break;
		case '\\':
			p += *p != '\0';
			break;
		}
		top->size += last.size;
		too_large = top->size > SIZE_LIMIT;
	}
	free(g);
	return too_large;
}

static char *
add(struct pattern_set *set, const char *text, size_t len)
{
	struct pattern *p;
	char reason[256];
	int rc;

	if (memchr(text, '\0', len))
		return xstrdup("a pattern cannot hold a NUL byte");
	if (len > PATTERN_MAX)
		return xasprintf("the pattern is longer than %d bytes",
		    PATTERN_MAX);
	if (set->count == set->size) {
		set->size = set->size ? set->size * 2 : 16;
		set->patterns = xrealloc(set->patterns,
		    set->size * sizeof *set->patterns);
	}
	p = &set->patterns[set->count++];
	memset(p, 0, sizeof *p);
	p->text = xmalloc(len + 1);
	memcpy(p->text, text, len);
	p->text[len] = '\0';
	if (is_too_large(p->text))
		return xstrdup("it repeats too much");
	rc = compile(set, &p->re, p->text);
	if (rc != 0) {
		regerror(rc, &p->re, reason, sizeof reason);
		return xstrdup(reason);
	}
	p->compiled = 1;
	p->alone = has_back_reference(p->text);
	return NULL;
}

static int
is_blank(const char *line, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!strchr(" \t\r", line[i]) || line[i] == '\0')
			return 0;
	return 1;
}

struct pattern_set *
pattern_parse(const char *text, size_t len, const char *name, char **error)
{
	struct pattern_set *set = xcalloc(1, sizeof *set);
	const char *line = text, *end = text + len, *next;
	char *why;
	size_t n;
	int number = 0;

	set->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	for (; line < end; line = next + 1) {
		number++;
		next = memchr(line, '\n', (size_t)(end - line));
		if (!next)
			next = end;
		n = (size_t)(next - line);
		if (line[0] == '#' || is_blank(line, n))
			continue;
		why = add(set, line, n);
		if (why) {
			*error = xasprintf("%s, line %d: invalid pattern %s: %s",
			    quoted(name), number, quoted_bytes(line,
			    n < SHOWN_MAX ? n : SHOWN_MAX), why);
			free(why);
			pattern_free(set);
			return NULL;
		}
	}
	compile_all(set);
	return set;
}

struct pattern_set *
pattern_load(const char *file, char **error)
{
	struct pattern_set *set = NULL;
	struct stat st;
	char *text = NULL;
	ssize_t len = -1;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
	} else if (fd >= 0) {
		text = xmalloc(FILE_MAX + 1);
		len = read_full(fd, text, FILE_MAX + 1);
		if (len > FILE_MAX) {
			errno = EFBIG;
			len = -1;
		}
	}
	if (len < 0)
		*error = xasprintf("could not read %s: %m", quoted(file));
	else
		set = pattern_parse(text, (size_t)len, file, error);
	free(text);
	if (fd >= 0)
		close(fd);
	return set;
}

void
pattern_free(struct pattern_set *set)
{
	size_t i;

	if (!set)
		return;
	for (i = 0; i < set->count; i++) {
		free(set->patterns[i].text);
		if (set->patterns[i].compiled)
			regfree(&set->patterns[i].re);
	}
	if (set->has_all)
		regfree(&set->all);
	free(set->patterns);
	freelocale(set->locale);
	free(set);
}

/* Their caches thrown away; what compiled once compiles again. */
static void
refresh(struct pattern_set *set)
{
	size_t i;

	for (i = 0; i < set->count; i++) {
		struct pattern *p = &set->patterns[i];

		if (p->compiled)
			regfree(&p->re);
		if (p->compiled && compile(set, &p->re, p->text) != 0)
			out_of_memory();
	}
	if (set->has_all)
		regfree(&set->all);
	compile_all(set);
}

int
pattern_match(struct pattern_set *set, const char *path, size_t len)
{
	size_t i;
	int rejected = 0;

	if (++set->matched % FRESH_AFTER == 0)
		refresh(set);
	if (set->has_all)
		rejected = !matches(set, &set->all, path, len);
	for (i = 0; i < set->count; i++) {
		struct pattern *p = &set->patterns[i];

		if (rejected && !p->alone)
			continue;
		if (p->compiled && matches(set, &p->re, path, len)) {
			p->hits++;
			return (int)i;
		}
	}
	return -1;
}

size_t
pattern_count(const struct pattern_set *set)
{
	return set->count;
}

const char *
pattern_text(const struct pattern_set *set, size_t i)
{
	return set->patterns[i].text;
}

uint64_t
pattern_hits(const struct pattern_set *set, size_t i)
{
	return set->patterns[i].hits;
}
