/*
 * What the kernel said about one block device since a moment: another disk's
 * errors must never condemn this disk's file.
 */
#ifndef NTT_KMSG_H
#define NTT_KMSG_H

#include <sys/types.h>

#include "base/buf.h"

/*
 * Opens /dev/kmsg at its end; -1 with errno (EPERM: the kernel keeps it for
 * root).  Before root rights are given up.
 */
int kmsg_open(void);

/*
 * Appends, as elements of a JSON array, the lines since kmsg_open() or the
 * last call that name the device a file system is on, e.g. "loop3".  Lines
 * about other devices are dropped.  fd -1: nothing.
 */
void kmsg_lines(int fd, dev_t dev, struct buf *json);

#endif
