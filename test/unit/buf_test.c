/* Bytes, numbers, JSON: base/buf.h, base/num.h, base/json.h. */
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/num.h"
#include "tap.h"

static void
test_growth(void)
{
	struct buf b = BUF_INIT;
	char *kept;
	int i;

	for (i = 0; i < 10000; i++)
		buf_printf(&b, "%d,", i % 10);
	tap_ok(b.len == 20000 && b.data[b.len] == '\0', "grows");
	buf_reset(&b);
	tap_ok(b.len == 0 && b.data[0] == '\0', "reset is empty");
	buf_put(&b, "a\0b", 3);
	kept = buf_detach(&b);
	tap_ok(!memcmp(kept, "a\0b", 4) && !b.data, "any byte, detached");
	free(kept);
	kept = buf_detach(&b);
	tap_is_str(kept, "", "detached when nothing was put");
	free(kept);
}

static const struct {
	const char *bytes;
	size_t len;
	const char *escaped;
} escapes[] = {
	{ "plain", 5, "plain" },
	{ "a\nb\tc\"d\\e", 9, "a\\nb\\tc\\\"d\\\\e" },
	{ "\x1c\x7f\x01", 3, "\\x1c\\x7f\\x01" },
	{ "\0x", 2, "\\x00x" },
	{ "\xff\xc3", 2, "\\xff\\xc3" },
	{ "gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f" },
	{ "\xc2\x9b", 2, "\\xc2\\x9b" },	/* CSI drives terminals */
	/* from right to left */
	{ "a\xe2\x80\xae" "b", 5, "a\\xe2\\x80\\xaeb" },
	{ "\xe2\x81\xa9\xd8\x9c", 5, "\\xe2\\x81\\xa9\\xd8\\x9c" },
	{ "\xe2\x80\xa6\xe2\x82\xac", 6, "\xe2\x80\xa6\xe2\x82\xac" },
	{ "\xed\xa0\x80", 3, "\\xed\\xa0\\x80" },	/* a surrogate */
	{ "\xc0\xaf", 2, "\\xc0\\xaf" },	/* overlong */
	{ "\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80" },
};

static void
test_escape(void)
{
	size_t i;

	for (i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
		struct buf b = BUF_INIT;

		buf_escape(&b, escapes[i].bytes, escapes[i].len);
		tap_is_str(b.data, escapes[i].escaped, "escape %zu", i);
		buf_free(&b);
	}
}

static void
test_hex(void)
{
	unsigned char bytes[3];
	char hex[7];

	hex_encode(hex, "\x00\x7f\xff", 3);
	tap_is_str(hex, "007fff", "encode");
	tap_ok(hex_decode(bytes, "007fff", 3) == 0 &&
	    !memcmp(bytes, "\x00\x7f\xff", 3), "decode");
	tap_ok(hex_decode(bytes, "007ff", 3) < 0, "too short");
	tap_ok(hex_decode(bytes, "007fff0", 3) < 0, "too long");
	tap_ok(hex_decode(bytes, "007FFF", 3) < 0, "upper case");
	tap_ok(hex_decode(bytes, "00 fff", 3) < 0, "a space");
}

static void
test_shell(void)
{
	struct buf b = BUF_INIT;

	buf_shell(&b, "a-b/c.d");
	buf_putc(&b, ' ');
	buf_shell(&b, "it's $HOME");
	buf_putc(&b, ' ');
	buf_shell(&b, "");
	tap_is_str(b.data, "a-b/c.d 'it'\\''s $HOME' ''", "shell words");
	buf_free(&b);
}

static void
test_numbers(void)
{
	uint64_t n = 1;
	int64_t i = 1;
	double d = 0;

	tap_ok(num_u64("18446744073709551615", 0, UINT64_MAX, &n) == 0 &&
	    n == UINT64_MAX, "largest");
	tap_ok(num_u64("18446744073709551616", 0, UINT64_MAX, &n) < 0 &&
	    errno == ERANGE, "one more");
	tap_ok(num_u64("", 0, 9, &n) < 0 && errno == EINVAL, "empty");
	tap_ok(num_u64(" 1", 0, 9, &n) < 0, "a space");
	tap_ok(num_u64("-1", 0, 9, &n) < 0, "negative");
	tap_ok(num_u64("1x", 0, 9, &n) < 0, "a letter");
	tap_ok(num_u64("10", 0, 9, &n) < 0 && errno == ERANGE, "too large");
	tap_ok(num_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &i) == 0
	    && i == INT64_MIN, "smallest");
	tap_ok(num_i64("9223372036854775808", INT64_MIN, INT64_MAX, &i) < 0,
	    "one more than the largest");
	tap_ok(num_seconds("90", 1, &d) == 0 && d == 90, "seconds");
	tap_ok(num_seconds("1.5h", 1, &d) == 0 && d == 5400, "hours");
	tap_ok(num_seconds("2", 3600, &d) == 0 && d == 7200, "a unit");
	tap_ok(num_seconds("1e5", 1, &d) < 0 && num_seconds("-1", 1, &d) < 0 &&
	    num_seconds("", 1, &d) < 0 && num_seconds("1.2.3", 1, &d) < 0 &&
	    num_seconds("1hh", 1, &d) < 0 && num_seconds("nan", 1, &d) < 0,
	    "no times");
	tap_ok(num_seconds("0", 1, &d) < 0 && errno == ERANGE, "no time");
	tap_ok(num_size("2K", &n) == 0 && n == 2048, "2K");
	tap_ok(num_size("16777216P", &n) < 0 && errno == ERANGE,
	    "2^74 bytes");
	tap_ok(num_size("1KB", &n) < 0, "1KB");
	tap_is_str(num_bytes(0), "0 B", "bytes");
	tap_is_str(num_bytes(1449000), "1.4 MB", "megabytes");
	tap_is_str(num_bytes(999600), "1.0 MB", "rounded up into the next");
	tap_is_str(num_grouped(1234567), "1,234,567", "grouped");
	tap_is_str(num_grouped(UINT64_MAX), "18,446,744,073,709,551,615",
	    "grouped, the largest");
}

static void
test_json(void)
{
	struct buf b = BUF_INIT;

	json_begin_object(&b, NULL);
	json_text(&b, "s", "a\"\\\n\x7f\xff\xc2\x9b\xe2\x80\xae");
	json_u64(&b, "u", UINT64_MAX);
	json_i64(&b, "i", -5);
	json_bool(&b, "t", 1);
	json_text(&b, "n", NULL);
	json_begin_array(&b, "a");
	json_u64(&b, NULL, 1);
	json_begin_object(&b, NULL);
	json_end_object(&b);
	json_end_array(&b);
	json_name(&b, "path", "caf\xc3\xa9", 5);
	json_name(&b, "path", "\xff", 1);
	json_end_object(&b);
	tap_is_str(b.data, "{\"s\":\"a\\\"\\\\\\u000a\\u007f\\ufffd\\u009b\\u202e\","
	    "\"u\":18446744073709551615,\"i\":-5,\"t\":true,\"n\":null,"
	    "\"a\":[1,{}],\"path\":\"caf\xc3\xa9\",\"path_hex\":\"ff\"}",
	    "an object");
	buf_free(&b);
}

int
main(void)
{
	test_growth();
	test_escape();
	test_hex();
	test_shell();
	test_numbers();
	test_json();
	return tap_done();
}
