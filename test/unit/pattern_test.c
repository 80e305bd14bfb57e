/* Ignore patterns. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "raw/pattern.h"
#include "tap.h"

static struct pattern_set *
set_of(const char *text)
{
	char *error = NULL;
	struct pattern_set *set = pattern_parse(text, strlen(text), "test",
	    &error);

	if (!set)
		printf("# %s\n", error);
	free(error);
	return set;
}

static void
is_match(const char *text, const char *path, size_t len, int want,
    const char *what)
{
	struct pattern_set *set = set_of(text);

	tap_ok(set && pattern_match(set, path, len) == want, "%s", what);
	pattern_free(set);
}

static void
is_error(const char *text, size_t len, const char *part, const char *what)
{
	char *error = NULL;
	struct pattern_set *set = pattern_parse(text, len, "file", &error);

	tap_ok(!set && error && strstr(error, part), "%s", what);
	if (error)
		printf("# %s\n", error);
	free(error);
	pattern_free(set);
}

static void
test_matches(void)
{
#define M(text, path, want, what) \
	is_match(text, path, sizeof(path) - 1, want, what)
	M("b\n", "abc", 0, "unanchored");
	M("^b\n", "abc", -1, "anchored");
	M("^b\nc$\n", "abc", 1, "the second");
	M("a\nb\n", "ba", 0, "the first of two");
	M("# a\n\n \t\n", "# a", -1, "comments and blank lines only");
	M("", "a", -1, "an empty file");
	M(" #a\n", "x #a", 0, "'#' elsewhere is a character");
	M("#a\n", "x#a", -1, "and a comment at the start");
	M("c", "abc", 0, "a last line without newline");
	M("a.c\n", "a\nc", 0, "a newline is a character");
	M("^b\n", "a\nb", -1, "and begins nothing");
	M("x$\n", "x\ny", -1, "and ends nothing");
	M("^.$\n", "\xff", 0, "'.' is one byte, of any value");
	M("^[^a]{2}$\n", "\xc3\xa9", 0, "bytes, not characters");
	M("\x80\xff\n", "\x80\xff", 0, "bytes that are no UTF-8");
	M("[\x80-\xff]\n", "\xa0", 0, "a range of such bytes");
	M("a)\nb\n", "xa)", 0, "a stray parenthesis is a character");
	M("b|c)\nd\n", "c)", 0, "also in an alternative");
	M("z\n(a)(b)\\2\n", "abb", 1, "a back reference");
	M("z\n(a)(b)\\2\n", "ab", -1, "that does not match");
	M("(x)y\n(a)\\1\n", "aa", 1, "numbered by its own groups");
	M("Icon\r\nz\n", "Icon\r", 0, "a carriage return is kept");
	M("\r\nz\n", "a\rb", -1, "but no pattern by itself");
	is_match("a$\n", "abc", 1, 0, "the path ends at its length");
#undef M
}

static void
test_counts(void)
{
	struct pattern_set *set = set_of("a\n# b\nb\nab\n");
	int i;

	for (i = 0; i < 5; i++)
		pattern_match(set, "xb", 2);
	pattern_match(set, "ab", 2);
	pattern_match(set, "x", 1);
	tap_is_u64(pattern_count(set), 3, "three patterns");
	tap_is_str(pattern_text(set, 1), "b", "with their text");
	tap_is_u64(pattern_hits(set, 0), 1, "hits of the first");
	tap_is_u64(pattern_hits(set, 1), 5, "hits of the second");
	tap_is_u64(pattern_hits(set, 2), 0, "hits of one that is hidden");
	pattern_free(set);
}

/* Caches are thrown away now and then: nothing may change. */
static void
test_many(void)
{
	struct pattern_set *set = set_of("b$\n(a)\\1\n");
	uint64_t i, wrong = 0;

	for (i = 0; i < 2200000; i++)
		wrong += pattern_match(set, i & 1 ? "xb" : "xc", 2) !=
		    (i & 1 ? 0 : -1);
	tap_is_u64(wrong, 0, "two million matches");
	tap_is_u64(pattern_hits(set, 0), 1100000, "and their count");
	pattern_free(set);
}

static void
test_errors(void)
{
	static const char nul[] = "a\nb\0c\n";
	char *error = NULL, *big;

	is_error("ok\n#\n(\n", 7, "line 3", "the line of a bad pattern");
	is_error("[a\n", 3, "[a", "its text");
	is_error("a\\\n", 3, "\"file\"", "its file");
	is_error(nul, sizeof nul - 1, "NUL", "a NUL byte");
	is_error("a{2000}{3000}\n", 14, "repeats", "repeats of repeats");
	is_error("a{1,4097}\n", 10, "repeats", "many repeats");
	is_error("z+++++++++++++++++++++\n", 23, "repeats", "plus on plus");
	is_error("((((a{9}){9}){9}){9}){9}\n", 25, "repeats", "nested ones");
	is_error("a????????????????????\n", 22, "repeats", "mark on mark");
	is_error("((((((((((((((a*)*)*)*)*)*)*)*)*)*)*)*)*)*)*\n", 45,
	    "repeats", "nested stars");
	is_match("^(a*b)*.*?x$\n", "aabx", 4, 0, "a few nested ones are not");
	is_match("([0-9]+-)+[a-z]{2,40}[[:digit:]]+(x+y+)+x+x+x+x+x+x+x+\n",
	    "1-ab2xyxxxxxxx", 14, 0, "what people write is fine");
	big = malloc(5000);
	memset(big, 'a', 5000);
	is_error(big, 5000, "longer", "a very long pattern");
	free(big);
	tap_ok(!pattern_load("/nonexistent/file", &error) && error &&
	    strstr(error, "No such file"), "a file that is not there");
	free(error);
	error = NULL;
	tap_ok(!pattern_load("/", &error) && error &&
	    strstr(error, "directory"), "a directory");
	free(error);
	pattern_free(NULL);
}

int
main(void)
{
	test_matches();
	test_counts();
	test_many();
	test_errors();
	return tap_done();
}
