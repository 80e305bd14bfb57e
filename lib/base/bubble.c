#define _GNU_SOURCE
#include "base/bubble.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* /bin and its kin are links into /usr, or directories of their own. */
static void
add_system(struct words *w)
{
	static const char *const dirs[] = { "/bin", "/sbin", "/lib", "/lib32",
		"/lib64", "/libx32" };
	char target[4096];
	struct stat st;
	size_t i;
	ssize_t n;

	bubble_bind(w, "/usr", "/usr");
	for (i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
		n = readlink(dirs[i], target, sizeof target - 1);
		if (n > 0) {
			target[n] = '\0';
			words_add(w, "--symlink");
			words_add(w, target);
			words_add(w, dirs[i]);
		} else if (stat(dirs[i], &st) == 0) {
			bubble_bind(w, dirs[i], dirs[i]);
		}
	}
}

void
bubble_begin(struct words *w, int other)
{
	static const char *const begin[] = { "bwrap", "--die-with-parent",
		"--unshare-ipc", "--unshare-pid", "--unshare-net",
		"--unshare-uts", "--unshare-cgroup-try", NULL };
	/* what setpriv needs, and gives up */
	static const char *const caps[] = { "--cap-add", "CAP_SETUID",
		"--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP", NULL };
	static const char *const user[] = { "--unshare-user",
		"--disable-userns", NULL };
	static const char *const devices[] = { "--proc", "/proc", "--dev",
		"/dev", "--remount-ro", "/dev", NULL };

	words_add_all(w, begin);
	words_add_all(w, other ? caps : user);
	add_system(w);
	words_add_all(w, devices);
}

void
bubble_bind(struct words *w, const char *from, const char *to)
{
	const char *const bind[] = { "--ro-bind", from, to, NULL };

	words_add_all(w, bind);
}

void
bubble_end(struct words *w, const char *dir, const char *path)
{
	const char *const end[] = { "--remount-ro", "/", "--chdir", dir,
		"--clearenv", "--setenv", "PATH", path, "--setenv", "HOME",
		dir, "--setenv", "LC_ALL", "C.UTF-8", NULL };

	words_add_all(w, end);
}

void
bubble_become(struct words *w, uid_t uid)
{
	char number[24];
	const char *const become[] = { "setpriv", "--reuid", number, "--regid",
		"65534", "--clear-groups", "--inh-caps", "-all",
		"--bounding-set", "-all", "--no-new-privs", "--", NULL };

	snprintf(number, sizeof number, "%u", (unsigned int)uid);
	words_add_all(w, become);
}

int
bubble_limit(int resource, uint64_t most)
{
	struct rlimit now, l;

	if (getrlimit(resource, &now) < 0)
		return -1;
	if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most)
		most = now.rlim_max;
	l.rlim_cur = l.rlim_max = most;
	return setrlimit(resource, &l);
}
