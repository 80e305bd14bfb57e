/*
 * What an image is when it is no disk: erased, a container (container.h), or a
 * tar archive under the wrong name.
 */
#ifndef NTT_CONTENT_PROBE_H
#define NTT_CONTENT_PROBE_H

#include <stdint.h>

/*
 * "all_zero", "all_0xf6", "all_0x55", "tar", the name of a container, "empty"
 * for a file of no bytes, or NULL with errno 0: nothing of these; NULL with
 * errno on a read error.
 *
 * Holes are not read.  limit > 0: at most about so many bytes are read, spread
 * evenly over the file, for a caller that cannot wait; 0: every byte.
 */
const char *content_probe(int fd, uint64_t size, uint64_t limit);

/* For a message: "every byte is 0xf6", "it is a qcow2 image: …". */
const char *content_describe(const char *content);

#endif
