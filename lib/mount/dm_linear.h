/*
 * A block device put together from pieces of another, read-only, by the
 * kernel's device mapper: for a logical volume that was extended.
 */
#ifndef NTT_DM_LINEAR_H
#define NTT_DM_LINEAR_H

#include <stddef.h>
#include <stdint.h>

#include "image/lvm_meta.h"

/*
 * Makes device name (letters, digits and '-') of count pieces of the block
 * device source, in their order; device gets its path.  0, or -1 with errno;
 * ENOENT or ENODEV: this kernel has no device mapper.
 */
int dm_linear_create(const char *name, const char *source,
	const struct dm_piece *pieces, size_t count, char device[24]);

/*
 * Removes it now, or when its last user is gone.  If it does not exist, this is
 * no error.
 */
void dm_linear_release(const char *name);

#endif
