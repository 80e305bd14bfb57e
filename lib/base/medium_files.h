/*
 * Where the files of a medium are: the only place that knows their names.
 *
 * Every function returns a path (or, for locks, a name in NTT_RUN_DIR) that
 * the caller frees.  Configuration must be loaded and the medium valid
 * (medium_name.h).
 */
#ifndef NTT_MEDIUM_FILES_H
#define NTT_MEDIUM_FILES_H

char *medium_image(const char *medium);		/* IMAGE_ROOT/M.img */
char *medium_raw(const char *medium);		/* RAW_ROOT/M.raw */
char *medium_archive(const char *medium);	/* ARCHIVE_ROOT/M.tar.zst */
/* ARCHIVE_ROOT/M.catalogue.zst, M.2.catalogue.zst and so on */
char *medium_catalogue(const char *medium, unsigned int number);
char *medium_mount_point(const char *medium);	/* NTT_MOUNT_ROOT/M */
char *medium_tree(const char *medium);		/* ARCHIVED_ROOT/M */
char *medium_registry(const char *run_dir, const char *medium);
/* what a view refused to read: NTT_RUN_DIR/view-M.refused */
char *medium_refused(const char *run_dir, const char *medium);

/* where it is mounted once more, with errors: NTT_MOUNT_ROOT/.failing/M */
#define MEDIUM_FAILING ".failing"
char *medium_failing(const char *mount_root, const char *medium);

/* "/x/y.img" has "/x/y.map" (suffix ".map"), "/x/y-ddrescue.log" and so on. */
char *image_companion(const char *image, const char *suffix);
char *image_map(const char *image);

char *medium_mount_lock(const char *medium);
char *medium_use_lock(const char *medium);
char *medium_run_lock(const char *medium);	/* of ntt-orchestrator */
char *medium_sandbox_lock(const char *medium);

#endif
