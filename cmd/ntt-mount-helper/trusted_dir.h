/* Directories that a program with root rights works in. */
#ifndef NTT_TRUSTED_DIR_H
#define NTT_TRUSTED_DIR_H

/*
 * Makes path (0755) if it is missing and opens it (O_PATH) without following
 * a symbolic link in any component.  strict: it must belong to root, and
 * nobody else may be able to replace what is in it.
 *
 * A descriptor, or -1 with *why: one clause for a message.
 */
int trusted_dir(const char *path, int strict, const char **why);

/*
 * The directory name in dir, made 0755 if it is missing, a real directory that
 * belongs to us; likewise.
 */
int trusted_subdir(int dir, const char *name, const char **why);

#endif
