/*
 * The image inside an archive, in parts, without extracting it: archives of
 * ntt-archiver by their table of frames, any other tar.zst by reading it
 * front to back as far as needed.
 */
#ifndef NTT_ARCHIVE_IMAGE_H
#define NTT_ARCHIVE_IMAGE_H

#include <stdint.h>

#include "image/layout.h"

struct archive_image;

/*
 * The first member called *.img.  NULL with errno and *error (caller frees);
 * ENOENT: there is none.
 */
struct archive_image *archive_image_open(const char *path, char **error);
void archive_image_close(struct archive_image *a);
/* Without slash; valid until the next call that reads. */
const char *archive_image_name(const struct archive_image *a);
uint64_t archive_image_size(const struct archive_image *a);

/*
 * What is on it.  Only partition tables and the places where file systems
 * have their superblocks are read, into an unnamed sparse file in dir.  0, or
 * -1 with errno and *error.
 */
int archive_image_layout(struct archive_image *a, const char *dir,
	struct layout *l, char **error);

/* How many file systems could be mounted. */
unsigned int layout_mountable(const struct layout *l);

/* All of it to an empty file, holes as holes.  0, or -1 likewise. */
int archive_image_extract(struct archive_image *a, int fd,
	void (*progress)(uint64_t bytes), int (*stop)(void), char **error);

#endif
