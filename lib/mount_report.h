/* The volumes of a medium in the object that ntt-mount-helper(1) prints. */
#ifndef NTT_MOUNT_REPORT_H
#define NTT_MOUNT_REPORT_H

#include "buf.h"
#include "layout.h"
#include "volume_mount.h"

/* Opens "partitions", behind what is said of all. */
void mount_report_begin(struct buf *b, const char *image,
	const struct layout *l);
void mount_report_partition(struct buf *b, const struct volume *v,
	const struct volume_outcome *o);
/* Closes it and the object. */
void mount_report_end(struct buf *b, const struct layout *l);

/* Something a person must look at: not a container, swap or a mere member. */
int mount_report_loss(const struct layout *l, const struct volume *v,
	const struct volume_outcome *o);

#endif
