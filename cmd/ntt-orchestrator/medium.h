/*
 * A medium on its way through the pipeline: what it is, and the evidence of
 * how far it came.  Evidence is rows, files and mounts of this moment.
 */
#ifndef NTT_RUN_MEDIUM_H
#define NTT_RUN_MEDIUM_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/medium_name.h"

struct run_medium {
	char hash[MEDIUM_MAX + 1];
	const char *kind;	/* medium.source_kind */
	int is_image;		/* an image, or a device that gets one */
	char *device;		/* NULL: no device */
	char *path;		/* of the directory or image, absolute */
	char *root;		/* of the tree; NULL for a .raw */
	/* what the image was made of (container.h), NULL: it is as it is */
	char *container, *container_json;
	char *human;
	char *identity;		/* JSON of ntt-identify */
	char *probes;		/* JSON of what it asked the device, or NULL */
	uint64_t size;		/* bytes; 0 for directories */
	/* which medium it is, as ntt-identify found out; NULL: unknown */
	char *name_base, *fingerprint, *file, *which_root, *follows;
	int state;		/* number of this state of a directory */
	int registered;		/* the catalogue had it */
	const char *health;	/* from the map beside the image, or NULL */
	char *bits_only;	/* what it holds instead of volumes, or NULL */
};

/*
 * Runs ntt-identify on the operand; image: it must be an image, and may be the
 * beginning of the hash of one below IMAGE_ROOT.  Ends the program with one
 * line when that fails.
 */
void run_medium_identify(struct run_medium *m, const char *operand,
	int image, const char *label, int force);
/* The medium a .raw is of, from its name or the label; 0 or -1. */
int run_medium_of_raw(struct run_medium *m, const char *raw,
	const char *label);
void run_medium_free(struct run_medium *m);

/*
 * 1 done, 0 not; why may get a clause.  They end the program when the
 * catalogue fails.
 */
int run_medium_registered(const struct run_medium *m, PGconn *db);
int run_medium_mounted(const struct run_medium *m, struct buf *why);
int run_medium_unmounted(const struct run_medium *m, struct buf *why);
int run_medium_laid_out(const struct run_medium *m, PGconn *db,
    struct buf *why);
int run_medium_loaded(const struct run_medium *m, PGconn *db,
	struct buf *why);
int run_medium_copied(const struct run_medium *m, PGconn *db,
	struct buf *why);
/*
 * Volumes of it have files with named streams, or it is not known which volumes
 * it has; all of them were looked for since it was listed; and some are left
 * out.
 */
int run_medium_has_streams(const struct run_medium *m, PGconn *db);
int run_medium_streams(const struct run_medium *m, PGconn *db);
int run_medium_streams_incomplete(const struct run_medium *m, PGconn *db);
int run_medium_archived(const struct run_medium *m, PGconn *db,
	struct buf *why);

/* Files of it were renamed, replaced or changed after they were listed. */
int run_medium_moved(const struct run_medium *m, PGconn *db);

/* Its list, or the mounts below it, lack something that nobody accepted. */
int run_medium_list_incomplete(const struct run_medium *m, PGconn *db);
int64_t run_medium_inodes(const struct run_medium *m, PGconn *db);
/*
 * How many open omissions, failed inodes and damaged inodes it has; why gets
 * them in words, and may be NULL.
 */
uint64_t run_medium_open(const struct run_medium *m, PGconn *db,
	struct buf *why);
/* All that is open is that it has no file system, and its image is whole. */
int run_medium_bits_only(const struct run_medium *m, PGconn *db);

/* The row of the medium, made or brought up to date; 0 or -1. */
int run_medium_register(const struct run_medium *m, PGconn *db,
	const char *message);
/*
 * The places of the finished image, by which its device is known again.  0 or
 * -1: db_error().
 */
int run_medium_places(const struct run_medium *m, PGconn *db);
/*
 * *m becomes the state before it.  run_medium_unchanged(): because nothing has
 * changed since, so the row of this one goes; ends the program when the
 * catalogue fails.
 */
void run_medium_step_back(struct run_medium *m);
void run_medium_unchanged(struct run_medium *m, PGconn *db);
/*
 * Through ntt-mount-helper; the partitions go into the catalogue unless db is
 * NULL.  Sets bits_only and is EXIT_PARTIAL where no file system is on it.
 */
int run_medium_mount(struct run_medium *m, PGconn *db);
/*
 * The list of a medium of which bits_only is set: its root, and that there is
 * nothing else.  0, or -1 with errno.
 */
int run_medium_list_bits(const struct run_medium *m, const char *raw);
int run_medium_unmount(const struct run_medium *m);

#endif
