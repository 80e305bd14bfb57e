/*
 * The source of an image: a block device, or a regular file in place of one.
 * No function writes to the source, and none waits for ever: a child that can
 * be given up does everything that touches the device.
 */
#ifndef NTT_DEVICE_H
#define NTT_DEVICE_H

#include <stdint.h>
#include <sys/types.h>

#include "image/mapfile.h"

struct device {
	const char *path;	/* the caller's */
	int is_block;
	dev_t number;		/* of a block device */
	uint64_t size;		/* bytes */
	unsigned int sector;	/* logical, BLKSSZGET; 512 for files */
	unsigned int physical;	/* BLKPBSZGET, at least sector */
	int direct;		/* O_DIRECT reads of a sector are possible */
};

/*
 * 0, or -1 with errno: ENOTSUP neither a block device nor a regular file,
 * ENODATA no bytes, ENOMEDIUM a drive without a medium, ETIMEDOUT it did not
 * answer within timeout_ms.
 */
int device_look(struct device *d, const char *path, int timeout_ms);

/*
 * The same, but a drive that is not ready yet (ENOMEDIUM, EBUSY) is asked
 * again for wait_ms; EINTR when a signal came.
 */
int device_wait(struct device *d, const char *path, int timeout_ms,
	int wait_ms);

/*
 * Does path, or its nearest parent that exists, lie on the device: on it, on
 * a partition of it, or on what is stacked on those (loop, device mapper, md)?
 */
int device_holds(const struct device *d, const char *path);

/*
 * A mount point through which the device may be written to at this moment;
 * caller frees, NULL if there is none.
 */
char *device_written_by(const struct device *d);

enum device_state {
	DEVICE_ANSWERS,
	DEVICE_GONE,		/* not there, another size, or all errors */
	DEVICE_SILENT		/* no answer within the time */
};

/*
 * Is it still the same device?  Opens it anew, asks for its size, and reads
 * three places that the map calls rescued, not from the cache.
 */
enum device_state device_state(const struct device *d,
	const struct mapfile *m, int timeout_ms);

/*
 * The device may be a floppy: it is small and removable, or on a floppy
 * controller.  No probing program is run on it.
 */
int device_is_floppy(const struct device *d);
int device_is_optical(const struct device *d);

/* Text of a file below /sys/dev/block/M:N, trimmed; caller frees, or NULL. */
char *device_attribute(const struct device *d, const char *name);

/* Opens the tray, or asks the drive to let go; 0 or -1 with errno. */
int device_eject(const struct device *d);

#endif
