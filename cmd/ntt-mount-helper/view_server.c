#define _GNU_SOURCE
#include "view_server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/spawn.h"

enum {
	NOBODY = 65534,
	/* the descriptors of ntt-view */
	IMAGE_FD = 3, SPEC_FD, LOG_FD, FUSE_FD, PROGRAM_FD, LAST_FD,
	END_TRIES = 100, END_STEP_MS = 20
};

static int
new_log(int run, const char *medium)
{
	/* its name in the directory that is open */
	char *path = medium_refused("", medium);
	int fd;

	unlinkat(run, path + 1, 0);
	fd = openat(run, path + 1, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0644);
	free(path);
	return fd;
}

/* Beside this program's own binary. */
static int
open_program(int strict, const char **why)
{
	char *path = program_path("ntt-view");
	int fd = path ? open(path, O_PATH | O_CLOEXEC) : -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		*why = "ntt-view was not found";
	else if (strict && (st.st_uid != 0 || (st.st_mode & 022)))
		*why = "ntt-view can be changed by others than root";
	else
		*why = NULL;
	free(path);
	if (*why && fd >= 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int
set_option(int fs, const char *name, unsigned int value, int base)
{
	char text[16];

	snprintf(text, sizeof text, base == 8 ? "%o" : "%u", value);
	return fsconfig(fs, FSCONFIG_SET_STRING, name, text, 0);
}

/* A mount that is nowhere; the descriptor of its root. */
static int
mount_nowhere(int fuse)
{
	int fs = fsopen("fuse", FSOPEN_CLOEXEC), dir = -1, err;

	if (fs < 0)
		return -1;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", "ntt-view", 0) == 0 &&
	    set_option(fs, "fd", (unsigned int)fuse, 10) == 0 &&
	    set_option(fs, "rootmode", S_IFDIR, 8) == 0 &&
	    set_option(fs, "user_id", getuid(), 10) == 0 &&
	    set_option(fs, "group_id", getgid(), 10) == 0 &&
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		dir = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY |
		    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	err = errno;
	close(fs);
	errno = err;
	return dir;
}

static void __attribute__((noreturn))
become_server(int image, int spec, int log, int fuse, int program)
{
	static char name[] = "ntt-view", spec_option[] = "--spec=4",
	    log_option[] = "--log=5", image_name[] = "/dev/fd/3",
	    fuse_name[] = "/dev/fd/6";
	char *argv[] = { name, spec_option, log_option, image_name, fuse_name,
		NULL }, *envp[] = { NULL };
	int from[] = { image, spec, log, fuse, program };
	int null = open("/dev/null", O_RDWR), i;

	setsid();
	/* all above the numbers that they are to have */
	for (i = 0; i < LAST_FD - IMAGE_FD; i++)
		from[i] = fcntl(from[i], F_DUPFD, LAST_FD);
	for (i = 0; i < IMAGE_FD; i++)
		dup2(null, i);
	for (i = 0; i < LAST_FD - IMAGE_FD; i++)
		if (dup2(from[i], IMAGE_FD + i) < 0)
			_exit(126);
	close_range(LAST_FD, ~0U, 0);
	fcntl(PROGRAM_FD, F_SETFD, FD_CLOEXEC);
	if (chdir("/") < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(126);
	execveat(PROGRAM_FD, "", argv, envp, AT_EMPTY_PATH);
	_exit(127);
}

static int
start(struct view_server *s, int image, int spec, int log, int program)
{
	struct statx st;
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC), err;

	/* the kernel shows a mount to its user alone, in all three ids */
	if (fuse < 0 || setresuid(geteuid(), geteuid(), geteuid()) < 0 ||
	    setresgid(getegid(), getegid(), getegid()) < 0)
		goto fail;
	s->dir = mount_nowhere(fuse);
	if (s->dir < 0 || statx(s->dir, "", AT_EMPTY_PATH |
	    AT_STATX_DONT_SYNC, STATX_INO, &st) < 0)
		goto fail;
	s->connection = st.stx_dev_minor;
	s->pid = fork();
	if (s->pid == 0)
		become_server(image, spec, log, fuse, program);
	if (s->pid < 0)
		goto fail;
	/* with the last of these the connection ends */
	close(fuse);
	return 0;
fail:
	err = errno;
	if (fuse >= 0)
		close(fuse);
	if (s->dir >= 0)
		close(s->dir);
	s->dir = -1;
	errno = err;
	return -1;
}

int
view_server_start(struct view_server *s, const struct view *view, int image,
    int run, const char *medium, int strict, const char **why)
{
	int program = open_program(strict, why), spec = -1, log = -1, rc = -1;

	*s = (struct view_server){ .dir = -1 };
	if (program < 0)
		return -1;
	spec = view_file(view);
	log = spec < 0 ? -1 : new_log(run, medium);
	if (log >= 0)
		rc = start(s, image, spec, log, program);
	if (rc < 0)
		*why = strerror(errno);
	if (spec >= 0)
		close(spec);
	if (log >= 0)
		close(log);
	close(program);
	return rc;
}

static pid_t
locker_of(int log)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(log, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ?
	    lock.l_pid : 0;
}

static int
open_log(const char *run_dir, const char *medium)
{
	char *path = medium_refused(run_dir, medium);
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	free(path);
	return fd;
}

pid_t
view_server_pid(const char *run_dir, const char *medium)
{
	int log = open_log(run_dir, medium);
	pid_t pid = log < 0 ? 0 : locker_of(log);

	if (log >= 0)
		close(log);
	return pid;
}

/* Requests that nobody will answer fail. */
static void
abort_connection(unsigned int connection)
{
	char *path = xasprintf("/sys/fs/fuse/connections/%u/abort",
	    connection);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	free(path);
	if (fd < 0)
		return;
	write_all(fd, "1", 1);
	close(fd);
}

void
view_server_end(const char *run_dir, const char *medium,
    unsigned int connection)
{
	int log = open_log(run_dir, medium), tries;
	char *path;
	pid_t pid;

	if (log < 0)
		return;
	/* with its last file the mount goes, and with it the server */
	for (tries = 0; (pid = locker_of(log)) > 0 && tries < END_TRIES;
	    tries++) {
		if (tries == END_TRIES / 2) {
			abort_connection(connection);
			kill(pid, SIGKILL);
		}
		waitpid(pid, NULL, WNOHANG);
		poll(NULL, 0, END_STEP_MS);
	}
	close(log);
	path = medium_refused(run_dir, medium);
	unlink(path);
	free(path);
}
