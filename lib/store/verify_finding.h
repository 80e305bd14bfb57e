/* What a verification found, as a JSON object of a log (log.h). */
#ifndef NTT_VERIFY_FINDING_H
#define NTT_VERIFY_FINDING_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum verify_kind {
	FINDING_MISMATCH,	/* other bytes than the name says */
	FINDING_MISSING,	/* a row, or a path, without its file */
	FINDING_UNREADABLE,
	FINDING_ORPHAN,		/* a file or an inode without its row */
	FINDING_KINDS
};

struct verify_finding {
	enum verify_kind kind;
	const char *id;		/* 64 digits, or NULL */
	const char *medium;	/* NULL: of none */
	const char *path;	/* relative to the tree or store; or NULL */
	size_t path_len;
	const char *detail;	/* one clause, or NULL */
	int err;		/* errno, 0: none */
	const char *actual;	/* the BLAKE3 it has, or NULL */
	uint64_t size, actual_size;	/* UINT64_MAX: unknown */
};

#define FINDING_INIT(k) { .kind = (k), .size = UINT64_MAX, \
	.actual_size = UINT64_MAX }

const char *verify_kind_name(enum verify_kind kind);
/*
 * Adds the fields of a finding to an event of log_begin().  A path too long
 * for a line of the log is left out; the id never is.
 */
void verify_finding_put(const struct verify_finding *f, struct buf *event);

/* How the modules below verification say what they found. */
typedef void verify_tell(const struct verify_finding *f);

#endif
