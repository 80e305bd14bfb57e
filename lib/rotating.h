/* Is a file on a rotating disk?  One reader is best there; several on flash. */
#ifndef NTT_ROTATING_H
#define NTT_ROTATING_H

/*
 * 1 it is, 0 it is not, -1 unknown (network file systems, no such file).
 * path may be a file, a directory or a block device.
 */
int is_rotating(const char *path);

#endif
