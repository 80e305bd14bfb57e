/*
 * Loop devices, read-only and autoclear: the kernel frees one by itself when
 * its last user, a mount or a descriptor, is gone.
 */
#ifndef NTT_LOOP_H
#define NTT_LOOP_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

struct loop {
	int fd;			/* keeps the device until it is closed */
	int number;
	char device[24];	/* "/dev/loop7" */
};

/*
 * Attaches size bytes at offset of an open file; name is what losetup(8)
 * shows.  direct: past the page cache, so that an error stays one of a sector.
 * 0, or -1 with errno.  The caller closes fd once it is mounted.
 */
int loop_attach(struct loop *l, int image, const char *name, uint64_t offset,
	uint64_t size, int direct);

/* A loop device in use, as the kernel describes it. */
struct loop_status {
	int number;
	uint64_t dev, ino;	/* of the backing file, as stat(2) has them */
	uint64_t offset, size;	/* size 0: to the end */
	int deleted;		/* the backing file has no name any more */
	char *path;		/* of the backing file, any bytes */
};

/*
 * The loop devices in use whose backing file may be on the device dev (as
 * stat(2) has it), 0: all; *count of them, caller frees with loop_list_free().
 * NULL and *count 0 if there is none.  To describe a loop device the kernel
 * asks the file system of its file.  Loop devices on other FUSE servers, which
 * may have died, are left out.
 */
struct loop_status *loop_list(dev_t dev, size_t *count);
void loop_list_free(struct loop_status *list, size_t count);

/* As sysfs has it, " (deleted)" behind it; caller frees, NULL: not in use. */
char *loop_backing_file(int number);

/* Some loop device's backing file has no name any more; needs no rights. */
int loop_any_deleted(void);

/*
 * Detaches a device, now or when its last user is gone.  -1 with errno.  dev
 * and ino of the backing file are compared once more: ESTALE if it was reused.
 */
int loop_detach(const struct loop_status *l);

#endif
