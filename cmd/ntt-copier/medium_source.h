/*
 * Where the tree of a medium is: from its row in the catalogue, and mounted
 * through ntt-mount-helper when it has to be.
 */
#ifndef NTT_MEDIUM_SOURCE_H
#define NTT_MEDIUM_SOURCE_H

#include <libpq-fe.h>

struct medium_source {
	char *hash;
	char *kind;		/* medium.source_kind, or NULL */
	char *source_path, *image_path;
	char *health;		/* NULL: unknown */
	char *registered;	/* medium.fingerprint_file, or NULL */
	char *root;		/* the tree, once it is open */
	char *error;		/* why it could not be reached */
	int status;		/* exit status for that */
};

/* Its row, by hash or prefix (ends the program if there is none). */
int medium_source_find(struct medium_source *m, PGconn *db,
	const char *name);
/*
 * Sets root, mounting the image if nothing is mounted (*mounted_now says so;
 * may be NULL).  0, or -1 with error and status.
 */
int medium_source_open(struct medium_source *m, int *mounted_now);
/* 1: root is a directory that is what it should be (a mount for images). */
int medium_source_mounted(const struct medium_source *m);
/* A diagnostic_event about the medium as a whole. */
int medium_source_event(PGconn *db, const struct medium_source *m,
	const char *action, const char *worker);
void medium_source_free(struct medium_source *m);

#endif
