/*
 * The tree a medium is read from: a mount, or a directory.
 *
 * Paths are relative to the medium's root.  Where the medium has partitions
 * mounted as pN below the root, "pN/…" is looked up from the root of that
 * partition; nothing else crosses a file system, and no symbolic link is ever
 * followed.
 */
#ifndef NTT_SOURCE_H
#define NTT_SOURCE_H

#include <stdint.h>
#include <stddef.h>
#include <sys/stat.h>

struct source {
	int root;
	dev_t dev;
	char *path;
	struct source_part {
		unsigned int number;
		int fd;
		int stable;
		unsigned long type;
	} *parts;
	size_t part_count;
	int stable;		/* of the root: inode numbers mean something */
	unsigned long root_type; /* of its file system, see statfs(2) */
	/* of the file opened last */
	unsigned int partition;	/* 0: the root's */
	dev_t file_dev;
	unsigned long file_type; /* of its file system */
};

int source_open(struct source *s, const char *path);	/* 0, -1 with errno */
void source_close(struct source *s);

/*
 * The file at path, for reading, with its fstat(2); -1 with errno.  ESTALE: it
 * is not inode ino.  File systems that make inode numbers up as they go (FAT,
 * exFAT, FUSE) are not asked for them.  type: the letter of the catalogue;
 * a file of another type gives ENOTDIR, EISDIR, ELOOP (a symbolic link) or
 * EINVAL.  '?': any type; directories, devices, sockets and fifos are opened
 * with O_PATH.
 */
int source_file(struct source *s, const char *path, char type, uint64_t ino,
	struct stat *st);
/*
 * The target of a symbolic link, NUL-terminated; caller frees, NULL with
 * errno.
 */
char *source_link(struct source *s, const char *path, uint64_t ino,
	size_t *len);

/* The root of the volume that the file opened last is on; the source's own. */
int source_root(const struct source *s);

/*
 * 1: the path still leads to the directory that is open; 0: something else is
 * there now, or nothing.
 */
int source_alive(const struct source *s);

#endif
