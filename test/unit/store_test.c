/* Names of blobs: each has one content, whoever comes first. */
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "store/store.h"
#include "tap.h"

/* What a name is made of does not matter here. */
static const char id[] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char other[] =
    "0123ffffffffffff0123456789abcdef0123456789abcdef0123456789abcdef";
static const char blocked[] =
    "ffff0000000000000123456789abcdef0123456789abcdef0123456789abcdef";

static int
publish(struct store *s, const char *name, const char *text)
{
	struct store_temp t;

	if (store_temp(s, &t) < 0 || write_all(t.fd, text, strlen(text)) < 0)
		return -2;
	return store_publish(s, &t, name);
}

static void
test_names(struct store *s)
{
	uint64_t size = 0;
	char text[16] = "";
	int fd, rc;

	tap_ok(store_has(s, id, &size) == 0, "nothing yet");
	tap_ok(store_read(s, id) < 0 && errno == ENOENT, "nothing to read");
	tap_ok(publish(s, id, "five\n") == 1, "a new blob");
	tap_ok(store_has(s, id, &size) == 1 && size == 5, "its size");
	tap_ok(publish(s, id, "five\n") == 0, "somebody was first, the same");
	tap_ok(publish(s, id, "four") == -1 && errno == EBADMSG,
	    "somebody was first, with another size");
	fd = store_read(s, id);
	rc = fd >= 0 ? (int)read_full(fd, text, sizeof text - 1) : -1;
	if (fd >= 0)
		close(fd);
	tap_ok(rc == 5, "it is read");
	tap_is_str(text, "five\n", "and is the first one's");
	tap_ok(publish(s, other, "x") == 1, "another below the same two");
}

static void
test_obstacles(struct store *s, const char *root)
{
	char path[STORE_PATH], *whole;
	uint64_t size;

	store_path(path, blocked);
	whole = path_join(root, path);
	make_dirs(whole);
	tap_ok(store_has(s, blocked, &size) == -1 && errno == EBADMSG,
	    "a directory is no blob");
	tap_ok(publish(s, blocked, "x") == -1, "and takes no blob's name");
	rmdir(whole);
	/* the directories go after they were known to be there */
	*strrchr(whole, '/') = '\0';
	rmdir(whole);
	*strrchr(whole, '/') = '\0';
	rmdir(whole);
	tap_ok(publish(s, blocked, "x") == 1, "directories are made again");
	free(whole);
}

static void
test_temporaries(struct store *s)
{
	struct store_temp t;
	uint64_t free_bytes = 0;
	struct stat st;

	tap_ok(store_temp(s, &t) == 0 && fstat(t.fd, &st) == 0 &&
	    (st.st_mode & 0777) == 0444, "others may read a blob, nobody writes");
	store_temp_discard(s, &t);
	tap_ok(t.fd == -1, "a temporary one goes");
	store_temp_discard(s, &t);
	tap_ok(store_sync(s) == 0, "durable");
	tap_ok(store_free(s, &free_bytes) == 0 && free_bytes > 0, "room");
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

int
main(void)
{
	char root[] = "/tmp/ntt-store.XXXXXX", file[] = "/dev/null/below";
	struct store s;

	umask(022);
	if (!mkdtemp(root))
		return 1;
	tap_ok(store_open(&s, file) < 0 && errno == ENOTDIR,
	    "a store below a file");
	store_close(&s);
	if (!tap_ok(store_open(&s, root) == 0, "a store"))
		return tap_done();
	test_names(&s);
	test_obstacles(&s, root);
	test_temporaries(&s);
	store_close(&s);
	tap_ok(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0,
	    "nothing else is left");
	return tap_done();
}
