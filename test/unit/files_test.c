/* lib/base/tempfile.h, lib/base/fsutil.h, lib/base/lock.h, lib/base/spawn.h, lib/store/store.h */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "base/lock.h"
#include "base/spawn.h"
#include "base/tempfile.h"
#include "store/store.h"
#include "tap.h"

static char dir[] = "/tmp/files.XXXXXX";

static char *
below(const char *name)
{
	return path_join(dir, name);
}

static int
holds(const char *path, const char *want)
{
	char got[100];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof got);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(want) && !memcmp(got, want, (size_t)n);
}

static void
test_tempfile(void)
{
	char *path = below("a/b/file");
	struct tempfile t;

	tap_ok(tempfile_open(&t, path) == 0, "opened, parents made");
	tap_ok(write_all(t.fd, "one", 3) == 0 && access(path, F_OK) < 0,
	    "not there yet");
	tap_ok(tempfile_commit(&t) == 0 && holds(path, "one"), "there");
	tap_ok(tempfile_open(&t, path) == 0 &&
	    write_all(t.fd, "two", 3) == 0 && holds(path, "one"),
	    "the old one stays until then");
	tempfile_abort(&t);
	tap_ok(holds(path, "one"), "and after giving up");
	tap_ok(tempfile_open(&t, path) == 0 &&
	    write_all(t.fd, "three", 5) == 0 && tempfile_commit(&t) == 0 &&
	    holds(path, "three"), "replaced");
	tempfile_abort(&t);
	free(path);
}

/* Root may replace a device by a file, and must not. */
static void
test_no_file(void)
{
	static const char *const names[] = { "fifo", "null", "dir" };
	struct tempfile t;
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		char *path = below(names[i]);
		int made = i == 0 ? mkfifo(path, 0600) : i == 1 ?
		    symlink("/dev/null", path) : mkdir(path, 0700);

		tap_ok(made == 0 && tempfile_open(&t, path) < 0 &&
		    errno == (i == 2 ? EISDIR : ENOTSUP) &&
		    lstat(path, &st) == 0 && !S_ISREG(st.st_mode),
		    "%s is left alone", names[i]);
		tempfile_abort(&t);
		remove(path);
		free(path);
	}
	tap_ok(tempfile_open(&t, "/dev/stdout") < 0 && errno == ENOTSUP,
	    "/dev/stdout is, wherever it leads");
	tempfile_abort(&t);
}

static void
test_beneath(void)
{
	char *link = below("link"), *inside = below("a/inside");
	int root = open(dir, O_RDONLY | O_DIRECTORY), fd;

	if (symlink("/etc", link) < 0 || symlink("b", inside) < 0)
		tap_ok(false, "symlink");
	fd = open_beneath(root, "a/b/file", O_RDONLY, 0);
	tap_ok(fd >= 0, "a file beneath");
	close(fd);
	tap_ok(open_beneath(root, "link/passwd", O_RDONLY, 0) < 0 &&
	    errno == ELOOP, "not through a link that leads out");
	tap_ok(open_beneath(root, "a/inside/file", O_RDONLY, 0) < 0 &&
	    errno == ELOOP, "not through any link");
	tap_ok(open_beneath(root, "../etc/passwd", O_RDONLY, 0) < 0 &&
	    errno == EXDEV, "not above");
	tap_ok(open_beneath(root, "/etc/passwd", O_RDONLY, 0) < 0 &&
	    errno == EXDEV, "not from the root");
	close(root);
	free(link);
	free(inside);
}

/* A path of more than PATH_MAX bytes, made and opened a step at a time. */
static void
test_deep(void)
{
	struct buf path = BUF_INIT;
	int root = open(dir, O_RDONLY | O_DIRECTORY), at = dup(root), i, fd;
	char name[201];

	memset(name, 'd', 200);
	name[200] = '\0';
	for (i = 0; i < 30; i++) {
		if (mkdirat(at, name, 0755) < 0)
			break;
		fd = openat(at, name, O_RDONLY | O_DIRECTORY);
		close(at);
		at = fd;
		buf_puts(&path, name);
		buf_putc(&path, '/');
	}
	close(openat(at, "f", O_CREAT | O_WRONLY, 0644));
	close(at);
	buf_putc(&path, 'f');
	fd = open_beneath(root, path.data, O_RDONLY, 0);
	tap_ok(path.len > 6000 && fd >= 0, "a path of %zu bytes", path.len);
	close(fd);
	close(root);
	buf_free(&path);
}

static void
test_lock(void)
{
	struct buf who = BUF_INIT;
	int a = lock_try(dir, "x.lock", LOCK_EXCLUSIVE), b;

	tap_ok(a >= 0, "locked");
	tap_ok(lock_try(dir, "x.lock", LOCK_SHARED) < 0 &&
	    errno == EWOULDBLOCK, "and nobody else");
	lock_holders(dir, "x.lock", &who);
	tap_ok(strstr(who.data, "files_test") != NULL, "by us: %s", who.data);
	lock_release(a);
	a = lock_try(dir, "x.lock", LOCK_SHARED);
	b = lock_try(dir, "x.lock", LOCK_SHARED);
	tap_ok(a >= 0 && b >= 0, "shared twice");
	lock_release(a);
	lock_release(b);
	buf_free(&who);
}

static void
test_spawn(void)
{
	char *hello[] = { (char *)"printf", (char *)"%s", (char *)"a b", NULL };
	char *missing[] = { (char *)"no-such-program", NULL };
	char *sleeper[] = { (char *)"sleep", (char *)"100", NULL };
	char *fails[] = { (char *)"false", NULL };
	struct buf out = BUF_INIT;
	struct child child;

	tap_ok(run_capture(hello, NULL, &out, 100, 0) == 0 &&
	    !strcmp(out.data, "a b"), "output captured");
	tap_ok(run(missing, NULL) == 127, "not found is 127");
	tap_ok(spawn(&child, missing, NULL) < 0 && errno == ENOENT,
	    "with the reason");
	tap_ok(run(fails, NULL) == 1, "exit status");
	tap_ok(run_capture(sleeper, NULL, &out, 100, 50) == 128 + SIGKILL,
	    "killed when its time is over");
	tap_ok(spawn(&child, sleeper, NULL) == 0 &&
	    child_wait_for(&child, 10) < 0 && errno == ETIMEDOUT &&
	    child_stop(&child, 10000) == 128 + SIGTERM && child.pid == 0,
	    "stopped");
	buf_free(&out);
}

static void
test_store(void)
{
	static const char id[] = "af1349b9f5f9a1a6a0404dea36dcc949"
	    "9bcb25c9adc112b7cc9a93cae41f3262";
	char *root = below("by-hash");
	struct store s;
	struct store_temp t;
	uint64_t size = 7;

	tap_ok(store_open(&s, root) == 0, "opened");
	tap_ok(store_has(&s, id, &size) == 0, "not there");
	tap_ok(store_temp(&s, &t) == 0 && store_publish(&s, &t, id) == 1 &&
	    t.fd < 0, "published");
	tap_ok(store_has(&s, id, &size) == 1 && size == 0, "there");
	tap_ok(store_temp(&s, &t) == 0 && store_publish(&s, &t, id) == 0,
	    "the second is dropped");
	tap_ok(store_temp(&s, &t) == 0 && write_all(t.fd, "x", 1) == 0 &&
	    store_publish(&s, &t, id) < 0 && errno == EBADMSG && t.fd < 0,
	    "one of another size is no duplicate");
	tap_ok(store_has(&s, id, &size) == 1 && size == 0,
	    "nothing was replaced");
	tap_ok(store_sync(&s) == 0, "synced");
	store_close(&s);
	free(root);
}

int
main(void)
{
	char *argv[] = { (char *)"rm", (char *)"-rf", dir, NULL };

	if (!mkdtemp(dir))
		return 1;
	test_tempfile();
	test_no_file();
	test_beneath();
	test_deep();
	test_lock();
	test_spawn();
	test_store();
	run(argv, NULL);
	return tap_done();
}
