/*
 * A walk in a process of its own, so that a medium that hangs every process
 * which touches it hangs none that matters: the child alone touches the
 * medium and holds nothing but two pipes; the parent can always leave.
 *
 *	scan_start(&s, &options);
 *	while ((rc = scan_next(&s, &frame, 200)) > 0)
 *		…
 *	scan_stop(&s);
 */
#ifndef NTT_SCAN_H
#define NTT_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "raw/pattern.h"
#include "raw/walk.h"

/* What ntt-mount-helper says of a volume that is damaged or cut. */
struct scan_volume {
	const char *name;	/* "" or "pN" */
	uint64_t lost;		/* bytes that nobody knows */
	const char *failing;	/* where reading these fails; NULL: nowhere */
	const char *failing_reason;
	const char *cut;	/* why it is truncated, or NULL */
};

struct scan_options {
	const char *root;	/* as the records shall have it */
	const char *medium;
	/* where ntt-mount-helper mounts: below it pN are partitions */
	const char *mount_root;
	/* directories carved.* and recup_dir.* of PhotoRec */
	int carved;
	int cross, no_snapshots, meta;	/* walk.h */
	struct pattern_set *patterns;	/* NULL: none */
	const struct scan_volume *volumes;
	size_t volume_count;
	const char *refused;		/* the log of their view, or NULL */
};

enum scan_kind {
	SCAN_RECORDS = 1,	/* whole records of a .raw, encoded */
	SCAN_PROBLEM,		/* bytes: the path; the walk goes on, and */
				/* an omission is among the records */
	SCAN_OMISSION,		/* bytes: a message; the record is among others */
	SCAN_PARTITION,		/* bytes: its name or ""; it ends here */
	SCAN_HITS,		/* bytes: uint64_t for each pattern */
	SCAN_FAILED,		/* bytes: a message; there is no result */
	SCAN_DONE		/* nothing follows, and nothing is missing */
};

struct scan_frame {
	uint32_t kind;
	uint32_t len;		/* of bytes */
	uint32_t block;		/* SCAN_RECORDS: where they are */
	uint64_t records;	/* SCAN_RECORDS: how many */
	uint64_t dev;		/* SCAN_PARTITION: its device */
	uint32_t fs_type;	/* SCAN_PARTITION: as statfs(2) has it */
	int32_t err;		/* SCAN_PROBLEM, SCAN_FAILED: errno, or 0 */
	char doing[24];		/* SCAN_PROBLEM: "could not <doing> <path>" */
	const char *bytes;	/* valid until the next call; no NUL behind */
};

enum {
	/* full of records before it goes to the parent */
	SCAN_BLOCK = 128 << 10,
	SCAN_BLOCKS = 4
};

/* Shared with the child, which may stop anywhere: a snapshot for people. */
struct scan_status {
	struct walk_progress walk;
	volatile uint64_t records;
	volatile uint64_t omissions;
	char path[WALK_PATH_ROOM];	/* what is being looked at */
	/* records on their way; a single one may be larger than SCAN_BLOCK */
	char blocks[SCAN_BLOCKS][SCAN_BLOCK + WALK_PATH_ROOM];
};

struct scan {
	pid_t pid;
	int fd;			/* frames come from the child */
	int credit;		/* a byte for each block it may fill again */
	int owed;
	char *buf;
	struct scan_status *status;
};

int scan_start(struct scan *s, const struct scan_options *options);
/*
 * 1 and a frame; 0 when the child has ended without SCAN_DONE or
 * SCAN_FAILED; -1 with errno ETIMEDOUT when nothing came within timeout_ms,
 * EINTR at a signal.
 */
int scan_next(struct scan *s, struct scan_frame *frame, int timeout_ms);
/*
 * Ends the child.  0, or -1 with errno EBUSY when it hangs in the kernel and
 * was left to its fate.  *status: as from waitpid(2); may be NULL.
 */
int scan_stop(struct scan *s, int *status);

#endif
