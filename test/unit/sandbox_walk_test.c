/* A tree walked on the other side of a socket is the tree. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "fsutil.h"
#include "sandbox_walk.h"
#include "spawn.h"
#include "tap.h"

static char room[WALK_PATH_ROOM];
static struct walk_progress progress;
static struct buf seen;

static int
entry(void *arg, const struct raw_record *rec)
{
	(void)arg;
	buf_reserve(&seen, RAW_HEAD_MAX + rec->path_len + 1);
	seen.len += raw_encode(seen.data + seen.len, rec);
	return 0;
}

static int
problem(void *arg, int err, const char *doing, const char *path, size_t len)
{
	(void)arg;
	buf_printf(&seen, "%s %s %d", doing, path, err);
	return len != strlen(path);
}

static enum walk_choice
choose(void *arg, const char *path, size_t len)
{
	(void)arg;
	return path[len - 1] == '7' ? WALK_PASS : WALK_TAKE;
}

static struct walk
walker(void)
{
	return (struct walk){ .path = room, .entry = entry,
		.problem = problem, .progress = &progress };
}

/* What the walker says of volume 5 (with path below it), or NULL. */
static int
ask(int fd, const char *path, const char *root, struct walk *w)
{
	struct sandbox_order o = { SANDBOX_WALK, 5, (uint32_t)strlen(path) };

	buf_reset(&seen);
	if (write_all(fd, &o, sizeof o) < 0 ||
	    write_all(fd, path, o.path_len) < 0)
		return -1;
	return sandbox_walk_listen(w, root, fd);
}

static void
compare(int fd, const char *path, const char *root, int with_choice)
{
	struct walk w = walker();
	struct buf told = BUF_INIT;

	w.choose = with_choice ? choose : NULL;
	tap_ok(ask(fd, path, root, &w) == 0, "an answer");
	buf_put(&told, seen.data, seen.len);
	buf_reset(&seen);
	walk_tree(&w, root);
	tap_ok(told.len > 0 && told.len == seen.len &&
	    !memcmp(told.data, seen.data, seen.len),
	    "the same as the walk here%s",
	    with_choice ? ", chosen" : "");
	buf_free(&told);
}

static int
frame(uint32_t kind, int err, const char *doing, const char *bytes,
    size_t len)
{
	struct sandbox_frame f = { .kind = kind, .err = err,
		.len = (uint32_t)len };
	struct walk w = walker();
	int rc;

	buf_reset(&seen);
	strcpy(f.doing, doing);
	rc = sandbox_walk_frame(&w, "/r", &f, bytes);
	return rc < 0 ? errno : rc;
}

static void
test_frames(void)
{
	static const char record[] = "f\0341\0342\0341\0343\0344\034./a\nb";
	static const char outside[] = "f\0341\0342\0341\0343\0344\034/etc";

	tap_ok(frame(SANDBOX_PROBLEM, EIO, "read", "./a", 3) == 0 &&
	    !strcmp(seen.data, "read /r/a 5"), "a problem");
	tap_ok(frame(SANDBOX_PROBLEM, EIO, "read", ".", 1) == 0 &&
	    !strcmp(seen.data, "read /r 5"), "a problem of the root");
	tap_ok(frame(SANDBOX_PROBLEM, 0, "read", "./a", 3) == EBADMSG,
	    "a problem without an error");
	tap_ok(frame(SANDBOX_PROBLEM, EIO, "\033[2J", "./a", 3) == EBADMSG,
	    "a problem with a terminal in mind");
	tap_ok(frame(SANDBOX_RECORDS, 0, "", record, sizeof record) == 0,
	    "a record");
	tap_ok(frame(SANDBOX_RECORDS, 0, "", record, sizeof record - 1) ==
	    EBADMSG, "half a record");
	tap_ok(frame(SANDBOX_RECORDS, 0, "", outside, sizeof outside) ==
	    EBADMSG, "a record of elsewhere");
	tap_ok(frame(9, 0, "", "", 0) == EBADMSG, "no frame");
}

int
main(void)
{
	char dir[] = "/tmp/sandbox_walk_test.XXXXXX", name[400];
	char *remove[] = { (char *)"rm", (char *)"-rf", dir, NULL };
	int pair[2], i;
	struct walk w = walker();
	pid_t pid;

	if (!mkdtemp(dir) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 1;
	snprintf(name, sizeof name, "%s/5", dir);
	mkdir(name, 0755);
	for (i = 0; i < 3000; i++) {
		snprintf(name, sizeof name, "%s/5/%s%d", dir,
		    i % 100 == 0 ? "d\n" : "f\034", i);
		if (i % 100 == 0)
			mkdir(name, 0755);
		else
			close(open(name, O_CREAT | O_WRONLY, 0644));
	}
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		sandbox_walk_serve(pair[1], dir);
		_exit(0);
	}
	close(pair[1]);
	snprintf(name, sizeof name, "%s/5", dir);
	compare(pair[0], "", name, 0);
	compare(pair[0], "", name, 1);
	strcat(name, "/d\n200/");
	compare(pair[0], "d\n200", name, 0);
	tap_ok(ask(pair[0], "none", "/r", &w) < 0 && errno == ENOENT,
	    "what is not there");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	tap_ok(sandbox_walk_listen(&w, "/r", pair[0]) < 0 &&
	    errno == ENOTCONN, "a walker that is gone");
	test_frames();
	run(remove, NULL);
	return tap_done();
}
