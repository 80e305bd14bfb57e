/* The check values of ntt-layout(5). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/medium_name.h"
#include "hash/blake3.h"
#include "ntt-identify/identity.h"
#include "tap.h"

static const char *
hash_of(const void *bytes, size_t len)
{
	static char hex[33];
	unsigned char out[16];
	blake3_hasher h;

	blake3_hasher_init(&h);
	blake3_hasher_update(&h, bytes, len);
	blake3_hasher_finalize(&h, out, sizeof out);
	hex_encode(hex, out, sizeof out);
	return hex;
}

static void
test_check_values(void)
{
	static const char *const dirs[][2] = {
		{ "/data/staging/archives-2019",
			"2ae4eb92379b9892ba93693e49f42e08" },
		{ "/data/staging/dump-2019",
			"1d7c9dc81a26c871ccafc71ab284b4aa" },
		{ "/data/staging/osxgather",
			"983dbb7dfb2a6ea867e233653a64f9d6" },
		{ "/data/staging/unknown-tree",
			"236d5e0d89eb0e5e78edadf040a7a934" },
	};
	char *zeros = calloc(2, IDENTITY_EDGE), hex[33];
	size_t i;

	tap_is_str(hash_of("", 0), "af1349b9f5f9a1a6a0404dea36dcc949",
	    "nothing");
	tap_is_str(hash_of(zeros, IDENTITY_EDGE),
	    "488de202f73bd976de4e7048f4e1f39a", "1 MiB of zeros");
	identity_hash(hex, 0, NULL, NULL, zeros, zeros, IDENTITY_EDGE);
	tap_is_str(hex, "8ac83f8ce09d064b023ab3c15880b02f",
	    "v1 of a medium of zeros");
	for (i = 0; i < 4; i++)
		tap_is_str(hash_of(dirs[i][0], strlen(dirs[i][0])),
		    dirs[i][1], "%s", dirs[i][0]);
	free(zeros);
}

/* A file of n bytes: its identity, and what it must be by the definition. */
static void
test_size(size_t n)
{
	char name[] = "/tmp/identity.XXXXXX", want[33];
	int fd = mkstemp(name);
	size_t sectors = (n + 511) / 512, padded = sectors * 512, i;
	size_t edge = padded < IDENTITY_EDGE ? padded : IDENTITY_EDGE;
	unsigned char *bytes = calloc(1, padded);
	struct identity id;
	struct buf text = BUF_INIT;

	for (i = 0; i < n; i++)
		bytes[i] = (unsigned char)(i * 2654435761u >> 13);
	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) {
		tap_ok(false, "could not write %s", name);
		return;
	}
	close(fd);
	buf_printf(&text, "SIZE:%zu|MODEL:unknown|SERIAL:unknown|", n);
	buf_put(&text, bytes, edge);
	buf_put(&text, bytes + padded - edge, edge);
	snprintf(want, sizeof want, "%s", hash_of(text.data, text.len));
	tap_ok(identity_of(name, NULL, NULL, &id) == 0, "%zu bytes", n);
	tap_is_str(id.hash, want, "v2 of %zu bytes", n);
	tap_ok(id.degenerate == (n == 1), "%zu bytes tell something", n);
	free(id.path);
	free(bytes);
	buf_free(&text);
	unlink(name);
}

static void
test_refusals(void)
{
	char name[] = "/tmp/identity.XXXXXX";
	int fd = mkstemp(name);
	struct identity id;

	tap_ok(identity_of(name, NULL, NULL, &id) < 0 && errno == ENODATA,
	    "an empty file");
	if (ftruncate(fd, 5000000) == 0)
		tap_ok(identity_of(name, NULL, NULL, &id) == 0 &&
		    id.degenerate, "zeros are degenerate");
	free(id.path);
	if (pwrite(fd, "x", 1, 100) == 1)
		tap_ok(identity_of(name, NULL, NULL, &id) == 0 &&
		    !id.degenerate, "one byte is enough");
	free(id.path);
	close(fd);
	unlink(name);
	tap_ok(identity_of("/dev/null", NULL, NULL, &id) < 0 &&
	    errno == ENOTSUP, "a character device");
}

static void
test_names(void)
{
	char out[65];

	identity_clean(out, "WDC WD10 (EZ/1)");
	tap_is_str(out, "WDC_WD10__EZ_1_", "cleaned");
	identity_clean(out, "");
	tap_is_str(out, "unknown", "unknown");
	tap_ok(medium_valid("carved-sda-20251013"), "a label");
	tap_ok(!medium_valid("-x") && !medium_valid("") &&
	    !medium_valid("A") && !medium_valid("a/b"), "no labels");
	tap_ok(!medium_valid("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaa"), "56 characters");
	tap_ok(medium_mountable("0123456789abcdef") &&
	    !medium_mountable("0123456789abcde") &&
	    !medium_mountable("0123456789abcdeg"), "what can be mounted");
}

int
main(void)
{
	static const size_t sizes[] = { 1, 511, 512, 513, 1048575, 1048576,
		1048577, 1048576 + 512, 2097151, 2097152, 3000001 };
	size_t i;

	test_check_values();
	for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		test_size(sizes[i]);
	test_refusals();
	test_names();
	return tap_done();
}
