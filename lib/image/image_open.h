/*
 * An image, opened once for a program with root rights.  The program uses only
 * this descriptor afterwards, so nobody can exchange the image by renaming
 * files.
 */
#ifndef NTT_IMAGE_OPEN_H
#define NTT_IMAGE_OPEN_H

#include <stdint.h>

struct image {
	int fd;			/* read-only */
	char *path;		/* as the kernel names it; any bytes */
	uint64_t size;		/* container_raw_size() */
	uint64_t dev, ino;
};

/*
 * Opens a regular file; a symbolic link, device, fifo or directory under that
 * name is refused.
 *
 * anywhere 0: only below IMAGE_ROOT or a directory of NTT_IMAGE_ROOTS (a list
 * with colons, read from /etc/ntt/ntt.env and nowhere else), with no symbolic
 * link in any component below it.  Configuration must be loaded.
 *
 * 0, or -1 with *why: one clause for a message, static or in errno's words.
 */
int image_open(struct image *im, const char *path, int anywhere,
	const char **why);
void image_close(struct image *im);

/*
 * A file of this name would be below IMAGE_ROOT or a directory of
 * NTT_IMAGE_ROOTS; it need not exist any more.
 */
int image_name_allowed(const char *path);

#endif
