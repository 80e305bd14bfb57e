/*
 * openrace ROOT GOOD OTHER ROUNDS: below ROOT the name "image" is swapped
 * between the file GOOD (in ROOT) and a symbolic link to OTHER while
 * image_open() is called ROUNDS times.  Prints how often it opened GOOD,
 * refused, and opened anything else; exit 1 if it ever did the last.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "image/image_open.h"

static void __attribute__((noreturn))
swap_for_ever(const char *good, const char *other)
{
	for (;;) {
		unlink("x1");
		if (link(good, "x1") < 0 || rename("x1", "image") < 0)
			_exit(1);
		unlink("x2");
		if (symlink(other, "x2") < 0 || rename("x2", "image") < 0)
			_exit(1);
	}
}

int
main(int argc, char **argv)
{
	long opened = 0, refused = 0, wrong = 0, i, rounds;
	struct image im;
	struct stat st;
	const char *why;
	char *path;
	pid_t pid;

	if (argc != 5 || chdir(argv[1]) < 0 || stat(argv[2], &st) < 0 ||
	    config_load() < 0)
		return 64;
	config_set(CONFIG_IMAGE_ROOT, argv[1]);
	path = xasprintf("%s/image", argv[1]);
	rounds = atol(argv[4]);
	pid = fork();
	if (pid == 0)
		swap_for_ever(argv[2], argv[3]);
	while (access(path, F_OK) < 0)
		usleep(1000);
	for (i = 0; i < rounds; i++) {
		if (image_open(&im, path, 0, &why) < 0) {
			refused++;
			continue;
		}
		if (im.ino == st.st_ino && im.dev == st.st_dev &&
		    im.size == (uint64_t)st.st_size)
			opened++;
		else
			wrong++;
		image_close(&im);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("opened %ld refused %ld wrong %ld\n", opened, refused, wrong);
	return wrong != 0;
}
