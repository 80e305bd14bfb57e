/* The view: what is shown where, as pieces, as text, and as bytes. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/view.h"
#include "tap.h"

enum { SIZE = 10000 };

static char image[SIZE];

static int
image_fd(void)
{
	int fd = memfd_create("image", 0);
	size_t i;

	for (i = 0; i < SIZE; i++)
		image[i] = (char)(i * 7 % 251 + 1);
	if (fd < 0 || write(fd, image, SIZE) != SIZE)
		abort();
	return fd;
}

static void
shows(const struct view *v, const char *text, const char *what)
{
	struct buf b = BUF_INIT;

	view_print(v, &b);
	tap_is_str(b.data, text, "%s", what);
	buf_free(&b);
}

static struct mapfile
map_of(const char *text)
{
	struct mapfile m;
	char *error;

	if (mapfile_parse(&m, text, strlen(text), "map", &error) < 0)
		abort();
	return m;
}

static void
test_pieces(void)
{
	struct mapfile m = map_of("0x0 + 1\n0 512 +\n512 512 -\n1024 512 /\n"
	    "1536 1000 +\n");
	struct view v;

	view_init(&v, 4096, NULL, 0);
	shows(&v, "ntt-view 1\ncopy 0 4096 0\n", "an image as it is");
	tap_ok(!view_needed(&v, 4096), "which needs no view");
	view_free(&v);

	view_init(&v, 5000, NULL, 0);
	shows(&v, "ntt-view 1\ncopy 0 5000 0\nzero 5000 3192\n",
	    "padded to 4,096 bytes, which loses nothing");
	tap_ok(view_needed(&v, 5000), "a sector that is not whole needs a view");
	view_free(&v);

	view_init(&v, 5120, NULL, 0);
	tap_ok(!view_needed(&v, 5120), "whole sectors need none");
	view_free(&v);

	view_init(&v, 5000, NULL, 9000);
	shows(&v, "ntt-view 1\ncopy 0 5000 0\nlost 5000 4000\nzero 9000 3288\n",
	    "shorter than its volume: the end is lost");
	tap_ok(view_needed(&v, 5000), "needs a view");
	view_free(&v);

	view_init(&v, 5000, NULL, 0);
	view_extend(&v, 5100);
	shows(&v, "ntt-view 1\ncopy 0 5000 0\nlost 5000 100\nzero 5100 3092\n",
	    "made longer: its padding is lost");
	view_extend(&v, 5050);
	tap_ok(view_lost_within(&v, 0, 8192) == 100 && v.length == 8192,
	    "never shorter");
	view_free(&v);

	view_init(&v, 4096, &m, 0);
	shows(&v, "ntt-view 1\ncopy 0 512 0\nlost 512 1024\n"
	    "copy 1536 1000 1536\nlost 2536 1560\n",
	    "what the map does not call rescued, or does not have, is lost");
	tap_is_u64(view_lost_within(&v, 0, 4096), 1024 + 1560, "so many bytes");
	tap_is_u64(view_lost_within(&v, 1000, 2000), 536 + 464,
	    "so many of a part");
	tap_ok(!view_lost(&v, 0, 512) && view_lost(&v, 0, 513) &&
	    view_lost(&v, 1535, 1) && !view_lost(&v, 1536, 1000),
	    "to the byte");
	tap_ok(view_lost(&v, 4096, 1) && view_lost(&v, UINT64_MAX, 2),
	    "behind the end everything is lost");
	view_free(&v);

	view_init(&v, 1000, &m, 0);
	shows(&v, "ntt-view 1\ncopy 0 512 0\nlost 512 488\nzero 1000 3096\n",
	    "a map that is longer than the image");
	view_free(&v);
	mapfile_free(&m);
}

static void
test_put(void)
{
	struct view v;

	view_init(&v, 8192, NULL, 0);
	view_put(&v, VIEW_LOST, 1000, 100, 0);
	view_put(&v, VIEW_ZERO, 1050, 100, 0);
	shows(&v, "ntt-view 1\ncopy 0 1000 0\nlost 1000 50\nzero 1050 100\n"
	    "copy 1150 7042 1150\n", "pieces over pieces");
	view_copy(&v, 4096, 200, 950);
	shows(&v, "ntt-view 1\ncopy 0 1000 0\nlost 1000 50\nzero 1050 100\n"
	    "copy 1150 2946 1150\ncopy 4096 50 950\nlost 4146 50\n"
	    "zero 4196 100\ncopy 4296 3896 4296\n",
	    "a copy takes what is lost along");
	view_put_bytes(&v, 1000, "abc", 3);
	view_put(&v, VIEW_COPY, 1000, 1, 8000);
	shows(&v, "ntt-view 1\ncopy 0 1000 0\ncopy 1000 1 8000\n"
	    "bytes 1001 2 6263\nlost 1003 47\nzero 1050 100\n"
	    "copy 1150 2946 1150\ncopy 4096 50 950\nlost 4146 50\n"
	    "zero 4196 100\ncopy 4296 3896 4296\n", "bytes, cut");
	view_free(&v);

	view_init(&v, 4096, NULL, 0);
	view_put(&v, VIEW_ZERO, 8192, 10, 0);
	shows(&v, "ntt-view 1\ncopy 0 4096 0\nlost 4096 4096\n"
	    "zero 8192 4096\n", "behind the end: longer, and lost between");
	view_copy(&v, 0, 100, 1 << 20);
	tap_ok(view_lost(&v, 0, 100) && !view_lost(&v, 100, 3996),
	    "a copy from behind the end is lost");
	view_free(&v);
}

static void
test_read(void)
{
	char got[16384], want[16384];
	int fd = image_fd(), rc;
	struct view v;

	view_init(&v, SIZE, NULL, 0);
	view_put(&v, VIEW_LOST, 100, 50, 0);
	view_put(&v, VIEW_COPY, 200, 30, 5000);
	view_put_bytes(&v, 300, "0123456789", 10);
	memcpy(want, image, SIZE);
	memset(want + SIZE, 0, sizeof want - SIZE);
	memset(want + 100, 0, 50);
	memcpy(want + 200, image + 5000, 30);
	memcpy(want + 300, "0123456789", 10);
	rc = view_read(&v, fd, got, v.length, 0);
	tap_ok(rc == 0 && !memcmp(got, want, v.length), "all of it");
	rc = view_read(&v, fd, got, 120, 195);
	tap_ok(rc == 0 && !memcmp(got, want + 195, 120), "a part of it");
	tap_ok(view_read(&v, fd, got, 2, v.length - 1) < 0 && errno == EIO,
	    "behind its end: EIO, nothing short");
	if (ftruncate(fd, 5010) < 0)
		abort();
	tap_ok(view_read(&v, fd, got, 30, 200) < 0 && errno == EIO,
	    "the image became shorter: EIO");
	view_free(&v);
	close(fd);
}

static void
test_sectors(void)
{
	char got[4096];
	int fd = image_fd(), rc;
	struct view v;

	view_init(&v, SIZE, NULL, 0);
	view_put(&v, VIEW_LOST, 2352 + 16 + 2048, 10, 0);
	tap_ok(view_sectors(&v, 2352, 305) < 0 &&
	    view_sectors(&v, 2047, 0) < 0, "no such sectors");
	tap_ok(view_sectors(&v, 2352, 16) == 0 && v.length == 8192,
	    "four sectors of 2,352 bytes");
	tap_ok(view_needed(&v, SIZE), "need a view");
	rc = view_read(&v, fd, got, 4096, 1024);
	tap_ok(rc == 0 && !memcmp(got, image + 16 + 1024, 1024) &&
	    !memcmp(got + 1024, image + 2352 + 16, 2048) &&
	    !memcmp(got + 3072, image + 2 * 2352 + 16, 1024),
	    "their contents behind each other");
	tap_ok(!view_lost(&v, 0, v.length), "a lost checksum is no loss");
	view_put(&v, VIEW_LOST, 2352 + 16 + 2047, 1, 0);
	tap_ok(view_lost(&v, 4095, 1) && !view_lost(&v, 4096, 2048) &&
	    !view_lost(&v, 0, 4095), "a lost byte of the contents is");
	tap_is_u64(view_lost_within(&v, 0, v.length), 1, "and is counted");
	tap_is_u64(view_lost_within(&v, 4096, 4096), 0, "where it is");
	view_free(&v);
	close(fd);
}

static void
test_text(void)
{
	static const char *const bad[] = {
		"", "ntt-view 2\n", "ntt-view 1\n", "ntt-view 1\ncopy 0 4096 0",
		"ntt-view 1\ncopy 0 4095 0\n", "ntt-view 1\nlost 1 4096\n",
		"ntt-view 1\nlost 0 4096 0\n", "ntt-view 1\ncopy 0 4096\n",
		"ntt-view 1\nlost 0 8192\nlost 4096 4096\n",
		"ntt-view 1\nlost 0 0\n", "ntt-view 1\nfrob 0 4096\n",
		"ntt-view 1\nlost 0 9223372036854775808\n",
		"ntt-view 1\nlost 0 99999999999999999999\n",
		"ntt-view 1\ncopy 0 4096 9223372036854775807\n",
		"ntt-view 1\nbytes 0 4096 00\n",
		"ntt-view 1\nzero 0 4094\nbytes 4094 2 00zz\n",
		"ntt-view 1\nsectors 2352 400\nlost 0 4096\n",
		"ntt-view 1\nlost 0 4096\nsectors 2352 16\n",
		"ntt-view 1\nlost 0 -4096\n", "ntt-view 1\n\nlost 0 4096\n",
	};
	static const char good[] = "ntt-view 1\nsectors 2352 24\n"
	    "bytes 0 3 00ff0a\nlost 3 4093\ncopy 4096 8192 100\n"
	    "zero 12288 4096\n";
	const char *error;
	struct view v;
	size_t i;

	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		tap_ok(view_parse(&v, bad[i], strlen(bad[i]), &error) < 0 &&
		    error, "refused: text %zu", i);
	tap_ok(view_parse(&v, good, sizeof good - 1, &error) == 0, "parsed");
	shows(&v, good, "printed as it was");
	tap_is_u64(v.length, 12288, "six whole sectors");
	view_free(&v);
}

int
main(void)
{
	test_pieces();
	test_put();
	test_read();
	test_sectors();
	test_text();
	return tap_done();
}
