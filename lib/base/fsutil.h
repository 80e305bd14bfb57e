/* Small honest versions of what every program does with files. */
#ifndef NTT_FSUTIL_H
#define NTT_FSUTIL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All of it or -1 with errno; EINTR and short writes are continued. */
int write_all(int fd, const void *bytes, size_t len);
/* Up to len bytes, fewer only at the end of the file; -1 with errno. */
ssize_t read_full(int fd, void *bytes, size_t len);
ssize_t pread_full(int fd, void *bytes, size_t len, off_t offset);

/* The directory and its parents, 0755; 0 if it is there at the end. */
int make_dirs(const char *path);
/* The parent directories of a file. */
int make_parents(const char *path);

/* fsync of a directory, or of the one that holds path. */
int fsync_dir(const char *dir);
int fsync_parent(const char *path);

/*
 * Opens a file of ours in whose place another user may have put something else.
 * Follows no symbolic link and never waits; if it is no regular file, -1 with
 * EINVAL.
 */
int open_regular(const char *path, int flags, mode_t mode);
/*
 * Opens path below the directory root, never leaving it: no symbolic link in
 * any component, no "..", no other file system (openat2(2)).
 */
int open_beneath(int root, const char *path, int flags, mode_t mode);
/* The same for the directory that holds path; *base is its last component. */
int open_parent_beneath(int root, const char *path, const char **base);

/* "dir/name"; caller frees. */
char *path_join(const char *dir, const char *name);
/* Absolute and without a trailing slash, not resolved; caller frees. */
char *path_absolute(const char *path);

/* "dir/" of "dir/name", "." of "name"; caller frees. */
char *path_directory(const char *path);
/* Is it dir, or below it?  Both absolute and without a trailing slash. */
int path_is_below(const char *path, const char *dir);
int has_suffix(const char *name, const char *suffix);

/* Is it "." or ".."? */
int is_dot(const char *name);

/* st_dev as userland has it, from the pair that statx(2) gives. */
uint64_t dev_number(uint32_t major, uint32_t minor);

/*
 * Does syncfs(2) bring everything written to this file system to the disk?  On
 * FUSE syncfs(2) does nothing and reports success.  On CIFS and 9P it does not
 * ask the server.
 */
int syncfs_reaches_disk(int fd);
/*
 * Brings everything written below this directory to the disk: by syncfs(2), or
 * file by file.  0, or -1 with errno.
 */
int sync_tree(int dir);

#endif
