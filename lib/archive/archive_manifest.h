/*
 * The manifest of an archive: its first member, <medium>.manifest.json, one
 * JSON object
 *
 *	{"format":1,"medium":…,"created":…,
 *	 "members":[{"name":…,"size":…,"mtime":…,"blake3":…},…],
 *	 "catalogue":{the medium's row},"partitions":[its partitions]}
 *
 * The members follow it in the archive in this order.  Its length does not
 * depend on the hashes: these are filled in after everything else is written.
 */
#ifndef NTT_ARCHIVE_MANIFEST_H
#define NTT_ARCHIVE_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { ARCHIVE_HEX = 64, ARCHIVE_MANIFEST_MAX = 64 << 20 };

struct archive_member {
	char *name;			/* "<medium>.img" */
	uint64_t size;
	int64_t mtime;			/* seconds since the epoch */
	char blake3[ARCHIVE_HEX + 1];
};

struct archive_manifest {
	char *medium, *created;
	char *catalogue, *partitions;	/* JSON, for writing only */
	struct archive_member *members;
	size_t count;
};

#define ARCHIVE_MANIFEST_INIT { NULL, NULL, NULL, NULL, NULL, 0 }

/* The new member, its hash 64 zeros; name is copied. */
struct archive_member *archive_manifest_add(struct archive_manifest *m,
	const char *name, uint64_t size, int64_t mtime);
const struct archive_member *archive_manifest_find(
	const struct archive_manifest *m, const char *name);
void archive_manifest_put(const struct archive_manifest *m, struct buf *out);
/* 0, or -1 with *error (caller frees). */
int archive_manifest_parse(struct archive_manifest *m, const char *text,
	size_t len, char **error);
void archive_manifest_free(struct archive_manifest *m);

#endif
