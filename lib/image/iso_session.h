/*
 * Discs that were written in several sessions.  Each begins with a volume
 * descriptor of its own, and the last one lists the files of all; a file
 * system mounted as usual shows those of the first.
 */
#ifndef NTT_ISO_SESSION_H
#define NTT_ISO_SESSION_H

#include <stdint.h>

/*
 * The 2048-byte sector at which the last session of the ISO 9660 file system
 * at start begins, 0: it has one only, or nothing can be read.
 */
uint32_t iso_last_session(int fd, uint64_t start, uint64_t length);

#endif
