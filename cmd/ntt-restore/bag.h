/*
 * A bag (BagIt, RFC 8493) around the entries of an archive: payload below
 * bag-HASH/data, and at the end the manifests and what a payload has no place
 * for.
 *
 *	bag_start("bag-HASH", HASH);
 *	bag_path(&name, path, len);	where a file goes
 *	bag_begin(); bag_bytes(…); bag_file(name);
 *	bag_entry(e, target);		of every entry, for metadata/tree.jsonl
 *	bag_tag(name, text);		a file that is not of the medium
 *	bag_end(info, put);
 */
#ifndef NTT_RESTORE_BAG_H
#define NTT_RESTORE_BAG_H

#include <stddef.h>

#include "base/buf.h"
#include "base/spool.h"
#include "plan.h"

/* medium: of names that are renamed. */
void bag_start(const char *directory, const char *medium);
const char *bag_directory(void);

/*
 * The path in the archive.  A name that a manifest cannot have (bag_name.h) is
 * below data/renamed-HASH.
 */
void bag_path(struct buf *b, const char *path, size_t len);

void bag_begin(void);
void bag_bytes(const void *bytes, size_t len);
/* A payload file is written, with these bytes. */
void bag_file(const struct buf *name, uint64_t size);
/* target: of a symbolic link, or NULL. */
void bag_entry(const struct item *e, const struct buf *target);

/* A text is written: for the manifest of tags. */
void bag_tag(const char *name, const struct buf *text);
/*
 * Gives the files that are left to put(), each with its name below the bag; the
 * last one is the manifest of tags.
 */
void bag_end(const struct buf *info, void (*put)(const char *name,
	struct spool *bytes));

#endif
