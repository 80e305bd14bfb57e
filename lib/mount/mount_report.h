/* The volumes of a medium in the object that ntt-mount-helper(1) prints. */
#ifndef NTT_MOUNT_REPORT_H
#define NTT_MOUNT_REPORT_H

#include "base/buf.h"
#include "image/layout.h"

/* What became of one volume. */
struct volume_outcome {
	const char *status;	/* "ok", "failed", …: the contract's words */
	char device[24], fstype[24], reason[520];
	char by[48];		/* who reads it, where it is mounted */
	char *mount;		/* NULL: not mounted; the caller frees */
	uint64_t lost;		/* bytes of it that nobody knows */
	/* the same volume where reading these fails; NULL: it could not be */
	char *failing;
	char failing_reason[256];
	/* lines of the view's log that mounting it there added */
	uint64_t refused_from, refused_to;
};

/*
 * Opens "partitions", behind what is said of all; refused: the log of the view
 * they are mounted through, or NULL.
 */
void mount_report_begin(struct buf *b, const char *image,
	const struct layout *l, const char *refused);
void mount_report_partition(struct buf *b, const struct volume *v,
	const struct volume_outcome *o);
/* Closes it and the object. */
void mount_report_end(struct buf *b, const struct layout *l);

/*
 * Somebody must look at this volume: it is no container, no swap and no mere
 * member.
 */
int mount_report_loss(const struct layout *l, const struct volume *v,
	const struct volume_outcome *o);

#endif
