/*
 * hangfs DIR: mounts on DIR a file system that answers nothing.  Whoever
 * asks it for anything waits in the kernel, and not even SIGKILL helps,
 * until hangfs is ended.  Prints "ready" when it is mounted.  Needs root.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static const char *dir;

static void
end(int signo)
{
	(void)signo;
	umount2(dir, MNT_FORCE | MNT_DETACH);
	_exit(0);
}

static void
answer_init(int fd, const struct fuse_in_header *in)
{
	struct {
		struct fuse_out_header out;
		struct fuse_init_out init;
	} reply;

	memset(&reply, 0, sizeof reply);
	reply.out.len = sizeof reply;
	reply.out.unique = in->unique;
	reply.init.major = FUSE_KERNEL_VERSION;
	reply.init.minor = 31;
	reply.init.max_write = 4096;
	if (write(fd, &reply, sizeof reply) != sizeof reply)
		err(1, "init");
}

int
main(int argc, char **argv)
{
	static char request[1 << 17];
	const struct fuse_in_header *in = (const void *)request;
	char options[100];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (argc != 2)
		errx(64, "usage: hangfs DIR");
	if (fd < 0)
		err(1, "/dev/fuse");
	dir = argv[1];
	snprintf(options, sizeof options,
	    "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
	if (mount("hangfs", dir, "fuse.hangfs", MS_RDONLY | MS_NOSUID |
	    MS_NODEV, options) < 0)
		err(1, "%s", dir);
	signal(SIGTERM, end);
	if (read(fd, request, sizeof request) < (ssize_t)sizeof *in)
		err(1, "no request");
	answer_init(fd, in);
	puts("ready");
	fflush(stdout);
	/* what has been read but not answered cannot be interrupted */
	while (read(fd, request, sizeof request) > 0)
		;
	return 0;
}
