#define _GNU_SOURCE
#include "hooks.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/exits.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/sig.h"
#include "base/spawn.h"

enum { GRACE_MS = 2000 };

/* As run-parts(8) has it: what editors and dpkg leave has other names. */
static int
is_hook_name(const struct dirent *e)
{
	return e->d_name[strspn(e->d_name,
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789_-")] == '\0';
}

static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Names of hooks in their order, or -1 with errno. */
static int
list(struct dirent ***names)
{
	return scandir(config_get(CONFIG_HOOKS), names, is_hook_name,
	    by_bytes);
}

static void
free_names(struct dirent **names, int count)
{
	while (count > 0)
		free(names[--count]);
	free(names);
}

int
run_hooks_wanted(void)
{
	struct dirent **names;
	int count = list(&names);

	if (count < 0)
		return errno != ENOENT ||
		    strcmp(config_origin(CONFIG_HOOKS), "default");
	free_names(names, count);
	return count > 0;
}

/* Root runs only what root alone could have put there. */
static int
trusted(const char *path, const struct stat *st)
{
	if (geteuid() != 0 || (st->st_uid == 0 && !(st->st_mode & 022)))
		return 1;
	warn("could not run hooks: %s belongs to somebody else than root, or "
	    "others may write to it", quoted(path));
	return 0;
}

/* A file in memory, because a hook need not read what it gets. */
static int
input_of(const char *text)
{
	int fd = memfd_create("ntt-hook", MFD_CLOEXEC);

	if (fd >= 0 && (write_all(fd, text, strlen(text)) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/*
 * A station may have the right to read all files, which is for those of a
 * medium.
 */
static int
without_capabilities(void *arg)
{
	(void)arg;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static void
wait_for(struct child *hook, const char *path, unsigned int seconds)
{
	pid_t group = hook->pid;
	int status;

	sig_forward(group);
	status = child_wait_for(hook, (int)seconds * 1000);
	if (status < 0) {
		warn("hook %s did not end within %u seconds and was stopped",
		    quoted(path), seconds);
		/* and what it started; one that cannot die is left alone */
		kill(-group, SIGTERM);
		child_wait_for(hook, GRACE_MS);
		kill(-group, SIGKILL);
		if (hook->pid)
			child_wait_for(hook, GRACE_MS);
	} else if (status != EXIT_DONE) {
		warn("hook %s failed with status %d", quoted(path), status);
	}
	sig_unforward(group);
}

static void
run_hook(const char *path, const char *text, unsigned int seconds)
{
	char *argv[] = { (char *)(uintptr_t)path, NULL };
	struct spawn_io io = SPAWN_INHERIT;
	struct child hook;
	struct stat st;

	if (stat(path, &st) < 0) {
		warn("could not run hook %s: %m", quoted(path));
		return;
	}
	if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111) ||
	    !trusted(path, &st))
		return;
	io.in = input_of(text);
	io.out = STDERR_FILENO;
	io.group = SPAWN_NEW_GROUP;
	io.chdir_root = 1;
	io.prepare = without_capabilities;
	if (io.in < 0 || spawn(&hook, argv, &io) < 0)
		warn("could not run hook %s: %m", quoted(path));
	else
		wait_for(&hook, path, seconds);
	if (io.in >= 0)
		close(io.in);
}

/* A wrong number was refused when the program began. */
static unsigned int
seconds_each(void)
{
	return (unsigned int)num_arg("NTT_HOOK_TIMEOUT",
	    config_get(CONFIG_HOOK_TIMEOUT), 1, 86400);
}

void
run_hooks(const char *medium, int status, const char *text)
{
	const char *dir = config_get(CONFIG_HOOKS);
	unsigned int seconds = seconds_each();
	struct dirent **names;
	struct stat st;
	char number[16];
	int i, count = list(&names);

	if (count < 0 || stat(dir, &st) < 0) {
		warn("could not look for hooks in %s: %m", quoted(dir));
		return;
	}
	snprintf(number, sizeof number, "%d", status);
	setenv("NTT_HOOK_MEDIUM", medium, 1);
	setenv("NTT_HOOK_STATUS", number, 1);
	for (i = 0; i < count && trusted(dir, &st); i++) {
		char *path = path_join(dir, names[i]->d_name);

		run_hook(path, text, seconds);
		free(path);
	}
	free_names(names, count);
}
