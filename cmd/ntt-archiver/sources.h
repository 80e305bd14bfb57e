/*
 * The files of a medium that belong into its archive, and their end.
 *
 * Member	where it is looked for, the first there is
 * .img		medium.image_path, else IMAGE_ROOT
 * .NAME.partN	instead of it where the image was made of a container: that, as
 *		it was given; the image is no member then, and goes with them
 * .map, .map.bak, .map.stall
 *		beside the image, IMAGE_ROOT
 * -ddrescue.log	beside the image, IMAGE_ROOT, the log directory
 * .raw, .raw.json	RAW_ROOT, else where it was loaded from
 * .log		the log directory
 * .jsonl	the lines about the medium of every .jsonl there
 * .catalogue.zst
 *		made up from the catalogue
 *
 * Nothing else: names are never matched by pattern.
 */
#ifndef NTT_ARCHIVE_SOURCES_H
#define NTT_ARCHIVE_SOURCES_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "state.h"

struct archive_source {
	char *member;		/* "<medium>.img" */
	char *path;		/* resolved; NULL: made up by us */
	int fd;
	struct stat st;
	int removable;		/* below one of our roots */
};

struct archive_sources {
	struct archive_source *list;
	size_t count;
	char *image;		/* where the image is or was expected */
	int has_image;		/* or all of its container */
	/* not archived, for it can be made again; fd -1: there is none */
	struct archive_source made;
};

/*
 * The medium as archive_medium_find() has it.  Opens everything.  0, or -1 with
 * errno and *error naming the file (caller frees).  archive_sources_free()
 * in any case.
 */
int archive_sources_find(struct archive_sources *s,
	const struct archive_medium *m, char **error);
/*
 * What the catalogue knows of the medium (catalogue_file.h) as the last member.
 * 0, or -1 with errno, 0 for the catalogue's, and *error.
 */
int archive_sources_add_catalogue(struct archive_sources *s,
	const char *medium, PGconn *db, char **error);
void archive_sources_free(struct archive_sources *s);
uint64_t archive_sources_bytes(const struct archive_sources *s);

/* 1: the file has changed since it was opened, or something else is there. */
int archive_source_changed(const struct archive_source *s);
/* The BLAKE3 of a source as it is now, 64 digits: 0 or -1 with errno. */
int archive_source_hash(const struct archive_source *s, char hex[65],
	int (*stop)(void));
/*
 * Removes the file if it still is what was opened, durably: 0, or -1 with
 * errno (ESTALE: it is something else now).
 */
int archive_source_remove(const struct archive_source *s);

#endif
