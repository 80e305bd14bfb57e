#define _GNU_SOURCE
#include "keep/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/fsutil.h"
#include "base/tempfile.h"

enum { KEY_MAX = 8192 };

static char *base;		/* "remote:path/" or "nttplace:" */

/* ---- the key ---- */

char *
remote_key_path(const char *name)
{
	const char *home = config_get(CONFIG_HOME);
	const struct invoker *who = config_invoker();

	return home ? xasprintf("%s/places/%s.key", home, name) :
	    xasprintf("%s/.config/ntt/places/%s.key",
	    who->home ? who->home : "", name);
}

/* A new password, as rclone wants it in a file: it never is an argument. */
static int
make_password(struct buf *out)
{
	char *argv[] = { (char *)"rclone", (char *)"obscure", (char *)"-",
		NULL };
	struct spawn_io io = SPAWN_INHERIT;
	uint8_t key[32];
	char hex[2 * sizeof key + 1];
	int ends[2], rc;

	if (getrandom(key, sizeof key, 0) != sizeof key ||
	    pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	hex_encode(hex, key, sizeof key);
	rc = write_all(ends[1], hex, sizeof hex - 1);
	close(ends[1]);
	io.in = ends[0];
	if (rc == 0 && run_capture(argv, &io, out, 1024, 30000) != 0) {
		errno = ENOENT;
		rc = -1;
	}
	close(ends[0]);
	while (out->len > 0 && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
	if (rc == 0 && out->len == 0) {
		errno = EIO;
		rc = -1;
	}
	return rc;
}

int
remote_make_key(const char *file, const char *name, const char *url)
{
	struct buf one = BUF_INIT, two = BUF_INIT;
	struct tempfile t = { .fd = -1 };
	char *text, *dir;
	int rc;

	if (access(file, F_OK) == 0)
		return 0;
	if (make_password(&one) < 0 || make_password(&two) < 0)
		return -1;
	text = xasprintf("# The key of the place %s: without it what is there "
	    "cannot be read.\n[%s]\ntype = crypt\nremote = %s\n"
	    "password = %s\npassword2 = %s\n", name, name, url, one.data,
	    two.data);
	dir = xasprintf("%.*s", (int)(strrchr(file, '/') - file), file);
	rc = make_dirs(dir) < 0 || chmod(dir, 0700) < 0 ||
	    tempfile_open(&t, file) < 0 || fchmod(t.fd, 0600) < 0 ||
	    write_all(t.fd, text, strlen(text)) < 0 ||
	    tempfile_commit(&t) < 0 ? -1 : 1;
	explicit_bzero(text, strlen(text));
	free(text);
	free(dir);
	buf_free(&one);
	buf_free(&two);
	return rc;
}

/* The value of a line "label = value" goes into the environment of rclone. */
static int
take_value(const char *text, const char *label, const char *variable)
{
	const char *at = strstr(text, label);
	char *value;
	int rc;

	if (!at)
		return -1;
	at += strlen(label);
	value = xasprintf("%.*s", (int)strcspn(at, "\n"), at);
	rc = *value ? setenv(variable, value, 1) : -1;
	free(value);
	return rc;
}

int
remote_use(const char *url, const char *key_file)
{
	size_t len = strlen(url);
	char text[KEY_MAX];
	ssize_t n;
	int fd, rc;

	free(base);
	base = NULL;
	/* an rclone that ended is seen by its status */
	signal(SIGPIPE, SIG_IGN);
	if (!key_file) {
		base = xasprintf("%s%s", url, len && (url[len - 1] == ':' ||
		    url[len - 1] == '/') ? "" : "/");
		return 0;
	}
	fd = open_regular(key_file, O_RDONLY, 0);
	if (fd < 0)
		return -1;
	n = read_full(fd, text, sizeof text - 1);
	close(fd);
	if (n < 0)
		return -1;
	text[n] = '\0';
	rc = take_value(text, "\npassword = ",
	    "RCLONE_CONFIG_NTTPLACE_PASSWORD") < 0 ||
	    take_value(text, "\npassword2 = ",
	    "RCLONE_CONFIG_NTTPLACE_PASSWORD2") < 0 ||
	    setenv("RCLONE_CONFIG_NTTPLACE_TYPE", "crypt", 1) < 0 ||
	    setenv("RCLONE_CONFIG_NTTPLACE_REMOTE", url, 1) < 0;
	explicit_bzero(text, sizeof text);
	if (rc) {
		errno = EBADMSG;
		return -1;
	}
	base = xstrdup("nttplace:");
	return 0;
}

/* ---- objects ---- */

static int
start(struct remote_io *io, const char *verb, const char *object,
    const char *const *more, int writes)
{
	char *path = xasprintf("%s%s", base, object);
	char *argv[12] = { (char *)"rclone", (char *)(uintptr_t)verb,
		(char *)"-q", (char *)"--contimeout", (char *)"20s",
		(char *)"--timeout", (char *)"60s" };
	struct spawn_io s = SPAWN_INHERIT;
	int n = 7, ends[2], rc, err;

	while (more && *more)
		argv[n++] = (char *)(uintptr_t)*more++;
	argv[n++] = path;
	argv[n] = NULL;
	io->child.pid = 0;
	io->fd = -1;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		free(path);
		return -1;
	}
	s.in = writes ? ends[0] : SPAWN_NULL;
	s.out = writes ? SPAWN_NULL : ends[1];
	rc = spawn(&io->child, argv, &s);
	err = errno;
	close(ends[writes ? 0 : 1]);
	if (rc == 0)
		io->fd = ends[writes ? 1 : 0];
	else
		close(ends[writes ? 1 : 0]);
	free(path);
	errno = err;
	return rc;
}

int
remote_get(struct remote_io *io, const char *object, uint64_t offset,
    uint64_t length)
{
	char *from = xasprintf("--offset=%llu", (unsigned long long)offset);
	char *count = xasprintf("--count=%llu", (unsigned long long)length);
	const char *more[] = { from, length ? count : NULL, NULL };
	int rc = start(io, "cat", object, more, 0);

	free(from);
	free(count);
	return rc;
}

int
remote_put(struct remote_io *io, const char *object)
{
	return start(io, "rcat", object, NULL, 1);
}

int
remote_end(struct remote_io *io)
{
	if (io->fd >= 0)
		close(io->fd);
	io->fd = -1;
	return io->child.pid ? child_wait(&io->child) : -1;
}

void
remote_abort(struct remote_io *io)
{
	/* killed before its input ends: what it wrote is no object */
	if (io->child.pid)
		child_stop(&io->child, 0);
	if (io->fd >= 0)
		close(io->fd);
	io->fd = -1;
}

static int
capture(const char *verb, const char *option, const char *object,
    struct buf *out, size_t max)
{
	char *path = xasprintf("%s%s", base, object);
	char *argv[] = { (char *)"rclone", (char *)(uintptr_t)verb,
		(char *)"-q", (char *)"--contimeout", (char *)"20s",
		(char *)"--timeout", (char *)"60s",
		(char *)(uintptr_t)(option ? option : path),
		option ? path : NULL, NULL };
	struct spawn_io io = SPAWN_INHERIT;
	int status;

	io.in = SPAWN_NULL;
	io.err = SPAWN_NULL;
	status = run_capture(argv, &io, out, max, 0);
	free(path);
	return status;
}

int
remote_read(const char *object, struct buf *out, size_t max)
{
	return capture("cat", NULL, object, out, max);
}

int
remote_list(const char *directory, struct buf *out, size_t max)
{
	return capture("lsf", "--files-only", directory, out, max);
}

int
remote_move(const char *object, const char *to)
{
	char *a = xasprintf("%s%s", base, object);
	char *b = xasprintf("%s%s", base, to);
	char *argv[] = { (char *)"rclone", (char *)"moveto", (char *)"-q", a,
		b, NULL };
	int status = run(argv, NULL);

	free(a);
	free(b);
	return status;
}

int
remote_delete(const char *object)
{
	char *path = xasprintf("%s%s", base, object);
	char *argv[] = { (char *)"rclone", (char *)"deletefile", (char *)"-q",
		path, NULL };
	int status = run(argv, NULL);

	free(path);
	return status == REMOTE_NO_OBJECT || status == REMOTE_NO_DIRECTORY ?
	    0 : status;
}
