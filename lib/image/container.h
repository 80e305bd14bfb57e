/*
 * Files that hold an image in some other form, by their magic: disks of
 * virtual machines, evidence files, compressed images, archives, images of
 * other programs.
 *
 * Only the tables of such a file tell where the sectors of the disk are.  A
 * search for file systems in it would find some, and read them from wrong
 * places.  So no program searches in a file that container_probe() knows.
 *
 * A magic counts only at its own place, at the beginning or at the end of the
 * file.  Data at the end is checked against the size of the file.  So an image
 * that holds a container as a file is not taken for a container.
 *
 * A fixed VHD is no container here.  It is a raw image with a footer of 512
 * bytes behind it: container_raw_size().
 */
#ifndef NTT_CONTAINER_H
#define NTT_CONTAINER_H

#include <stddef.h>
#include <stdint.h>

enum container_engine {
	CONTAINER_NOT_OPENED,	/* "way" tells what a person can do */
	CONTAINER_QEMU,		/* qemu-img knows it as "option" */
	CONTAINER_EWF,
	CONTAINER_AFF,
	CONTAINER_HEADER,	/* raw, behind a header: container_header() */
	CONTAINER_SECTORS,	/* of a CD: NTT does it, "way" where it cannot */
	CONTAINER_VHD,		/* differencing: NTT does it */
	CONTAINER_KEY,		/* raw, with volumes that a key opens */
	CONTAINER_DISC,		/* tracks of a CD, or what describes them */
	CONTAINER_FILTER	/* "option" -dc decompresses it */
};

struct container {
	const char *name;	/* "qcow2"; in the catalogue */
	const char *text;	/* "a qcow2 image" */
	enum container_engine engine;
	const char *option;
	const char *package;	/* Debian's, of the engine */
	const char *way;	/* a clause, where no engine opens it */
};

/*
 * What the file is; NULL with errno 0: no container; NULL with errno: it could
 * not be read.
 */
const struct container *container_probe(int fd, uint64_t size);
/* Of CONTAINER_SECTORS: 2352, or more where subchannels follow each; 0. */
unsigned int container_sector(int fd, uint64_t size);
/*
 * Of CONTAINER_HEADER: the bytes of the image in the file.  NULL, or a clause:
 * what is wrong with it.
 */
const char *container_header(int fd, uint64_t size, uint64_t *at,
	uint64_t *length);
/* The one of that name, or NULL. */
const struct container *container_named(const char *name);

/*
 * The bytes of the image in a file of that size: without the footer of a fixed
 * VHD.
 */
uint64_t container_raw_size(int fd, uint64_t size);

#endif
