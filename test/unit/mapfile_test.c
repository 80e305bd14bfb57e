/* The map of ddrescue: every validity rule, the four words of health. */
#include <stdlib.h>

#include "image/mapfile.h"
#include "tap.h"

static const struct {
	const char *what, *text;
} bad[] = {
	{ "nothing", "" },
	{ "comments only", "# Mapfile\n# x\n" },
	{ "no blocks", "0x0 + 1\n" },
	{ "not from 0", "0x0 + 1\n0x200 0x200 +\n" },
	{ "a gap", "0x0 + 1\n0x0 0x200 +\n0x400 0x200 +\n" },
	{ "an overlap", "0x0 + 1\n0x0 0x200 +\n0x100 0x200 +\n" },
	{ "an empty block", "0x0 + 1\n0x0 0x0 +\n" },
	{ "an unknown status", "0x0 + 1\n0x0 0x200 x\n" },
	{ "no status line", "0x0 0x200 +\n" },
	{ "four fields", "0x0 + 1\n0x0 0x200 + 7\n" },
	{ "too large", "0x0 + 1\n0x0 0x8000000000000000 +\n" },
	{ "overflow", "0x0 + 1\n0x0 0xffffffffffffffffff +\n" },
	{ "a negative number", "0x0 + 1\n0x0 -5 +\n" },
	{ "a word", "hello\n" },
};

static void
test_bad(void)
{
	struct mapfile m;
	size_t i;

	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char *error = NULL;

		tap_ok(mapfile_parse(&m, bad[i].text, strlen(bad[i].text),
		    "x.map", &error) < 0 && error &&
		    !strncmp(error, "x.map", 5), "refused: %s", bad[i].what);
		free(error);
	}
	{
		char *error = NULL;

		tap_ok(mapfile_parse(&m, "0x0 + 1\n0x0 0x200\0 +\n", 21,
		    "x.map", &error) < 0, "refused: a NUL byte");
		free(error);
	}
}

/* "rescued of size", as one + block and one - block */
static const char *
health(uint64_t rescued, uint64_t size, uint64_t device)
{
	char text[200], *error = NULL;
	const char *word;
	struct mapfile m;
	int n = snprintf(text, sizeof text, "# c\n0x0 + 1\n");

	if (rescued)
		n += snprintf(text + n, sizeof text - (size_t)n,
		    "0x0 %" PRIu64 " +\n", rescued);
	if (rescued < size)
		n += snprintf(text + n, sizeof text - (size_t)n,
		    "%" PRIu64 " %" PRIu64 " -\n", rescued, size - rescued);
	if (mapfile_parse(&m, text, (size_t)n, "x", &error) < 0) {
		free(error);
		return "unparsed";
	}
	word = mapfile_health(&m, device);
	mapfile_free(&m);
	return word ? word : "null";
}

static void
test_health(void)
{
	tap_is_str(health(1000, 1000, 1000), "ok", "every byte");
	tap_is_str(health(999, 1000, 1000), "incomplete", "one byte less");
	tap_is_str(health(900, 1000, 1000), "incomplete", "90 %%");
	tap_is_str(health(899, 1000, 1000), "corrupt", "just under 90 %%");
	tap_is_str(health(200, 1000, 1000), "corrupt", "20 %%");
	tap_is_str(health(199, 1000, 1000), "failed", "just under 20 %%");
	tap_is_str(health(0, 1000, 1000), "failed", "nothing");
	/* 1474560 bytes of a floppy: 90 % is 1327104 */
	tap_is_str(health(1327104, 1474560, 1474560), "incomplete", "floppy");
	tap_is_str(health(1327103, 1474560, 1474560), "corrupt", "floppy - 1");
	/* 90 % of 1001 is 900.9 */
	tap_is_str(health(900, 1001, 1001), "corrupt", "no rounding down");
	tap_is_str(health(201, 1001, 1001), "corrupt", "20 %% of 1001");
	tap_is_str(health(200, 1001, 1001), "failed", "less than that");
	tap_is_str(health(1000, 1000, 1001), "null", "a short map");
	tap_is_str(health(1000, 1000, 999), "null", "a long map");
}

static void
test_lost(void)
{
	static const char text[] = "0x0 + 1\n0x0 0x1000 +\n0x1000 0x200 -\n"
	    "0x1200 0xe00 +\n0x2000 0x1000 ?\n";
	struct mapfile m;
	char *error = NULL;

	if (mapfile_parse(&m, text, sizeof text - 1, "x", &error) < 0) {
		tap_ok(false, "%s", error);
		free(error);
		return;
	}
	tap_ok(!mapfile_lost(&m, 0, 0x1000), "before the hole");
	tap_ok(mapfile_lost(&m, 0, 0x1001), "its first byte");
	tap_ok(mapfile_lost(&m, 0x11ff, 1), "its last byte");
	tap_ok(!mapfile_lost(&m, 0x1200, 0xe00), "after it");
	tap_ok(mapfile_lost(&m, 0x1fff, 2), "untried is lost too");
	tap_ok(mapfile_lost(&m, 0x2fff, 2), "beyond the end");
	tap_ok(!mapfile_lost(&m, 0x1100, 0), "nothing is never lost");
	tap_ok(mapfile_bytes(&m, MAPFILE_BAD) == 0x200, "bytes");
	mapfile_free(&m);
}

int
main(void)
{
	test_bad();
	test_health();
	test_lost();
	return tap_done();
}
