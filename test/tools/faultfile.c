/*
 * faultfile FILE DIR [eio|hang|heal=N|slow=MS START LENGTH]...
 *
 * Shows FILE as DIR/image (FUSE, in the foreground), read-only.  Reading a
 * byte of a range gives EIO, or never ends, or gives EIO N times and then the
 * bytes, or takes MS milliseconds: attached to a loop device that is a disk
 * with bad sectors, one that has died, one that can be persuaded, one that is
 * tired.  Killed it is a disk that drops off the bus.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_RANGES = 64, FOR_EVER = -1 };

static struct range {
	int hang, slow;
	int errors;		/* left; FOR_EVER */
	off_t start, end;
} ranges[MAX_RANGES];
static int count;
static int file;
static off_t size;

static int
get_attr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	if (!strcmp(path, "/")) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
		return 0;
	}
	if (strcmp(path, "/image"))
		return -ENOENT;
	st->st_mode = S_IFREG | 0444;
	st->st_nlink = 1;
	st->st_size = size;
	return 0;
}

static int
read_dir(const char *path, void *out, fuse_fill_dir_t fill, off_t offset,
    struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	(void)path;
	(void)offset;
	(void)fi;
	(void)flags;
	fill(out, "image", NULL, 0, 0);
	return 0;
}

/* Without the page cache: no read-ahead into a range that hangs. */
static int
open_file(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	fi->direct_io = 1;
	return 0;
}

static int
read_file(const char *path, char *out, size_t len, off_t offset,
    struct fuse_file_info *fi)
{
	ssize_t n;
	int i;

	(void)path;
	(void)fi;
	for (i = 0; i < count; i++) {
		if (offset >= ranges[i].end ||
		    offset + (off_t)len <= ranges[i].start)
			continue;
		while (ranges[i].hang)
			pause();
		if (ranges[i].slow)
			usleep((useconds_t)ranges[i].slow * 1000);
		if (ranges[i].errors == FOR_EVER)
			return -EIO;
		if (ranges[i].errors > 0) {
			ranges[i].errors--;
			return -EIO;
		}
	}
	n = pread(file, out, len, offset);
	return n < 0 ? -errno : (int)n;
}

static const struct fuse_operations operations = {
	.getattr = get_attr, .readdir = read_dir,
	.open = open_file, .read = read_file
};

int
main(int argc, char **argv)
{
	char *fuse_argv[] = { argv[0], (char *)(uintptr_t)"-f",
		(char *)(uintptr_t)"-o", (char *)(uintptr_t)"allow_other",
		NULL, NULL };
	struct stat st;
	int i;

	if (argc < 3 || argc % 3 != 0)
		return 64;
	file = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (file < 0 || fstat(file, &st) < 0)
		return 1;
	size = st.st_size;
	for (i = 3; i + 2 < argc && count < MAX_RANGES; i += 3, count++) {
		ranges[count].hang = !strcmp(argv[i], "hang");
		ranges[count].errors = strcmp(argv[i], "eio") ? 0 : FOR_EVER;
		if (!strncmp(argv[i], "heal=", 5))
			ranges[count].errors = atoi(argv[i] + 5);
		if (!strncmp(argv[i], "slow=", 5))
			ranges[count].slow = atoi(argv[i] + 5);
		ranges[count].start = strtoll(argv[i + 1], NULL, 0);
		ranges[count].end = ranges[count].start +
		    strtoll(argv[i + 2], NULL, 0);
	}
	fuse_argv[4] = argv[2];
	return fuse_main(5, fuse_argv, &operations, NULL);
}
