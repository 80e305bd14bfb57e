/*
 * What the catalogue knows of an entry besides its content, and setting it.
 *
 * What the file system or the caller's rights cannot take is counted here by
 * kind, and said once by meta_report().
 */
#ifndef NTT_RESTORE_META_H
#define NTT_RESTORE_META_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

struct meta {
	int64_t mode;		/* -1 of each: not known */
	int64_t uid, gid;
	int64_t rdev;		/* major << 32 | minor */
	int64_t flags;		/* FS_IOC_GETFLAGS */
	int64_t dos;		/* FAT_ATTR_* */
	struct timespec times[2];	/* of access and modification */
	/* name and value of each, with four bytes of length before */
	const unsigned char *xattrs;
	size_t xattrs_len;
};

/* FS_IMMUTABLE_FL and FS_APPEND_FL: they forbid what comes after them. */
enum { META_FORBIDDING = 0x30 };

enum meta_kind {
	META_OWNER, META_MODE, META_SETID, META_ACL, META_CAPABILITY,
	META_XATTR, META_XATTR_NAME, META_FLAGS, META_DOS, META_TIMES, META_LINKS, META_KINDS
};

/*
 * An open entry: a descriptor of its own, or one of O_PATH, which all types
 * have.
 */
struct meta_target {
	int fd;
	int path_only;
	mode_t type;		/* S_IFMT */
	int inherits;		/* new entries get an ACL of their directory */
};

/* Owner, attributes, mode, times: all but the flags. */
void meta_set(const struct meta *m, const struct meta_target *t);
/* Is what st says as it should be?  Attributes are not looked at. */
int meta_same(const struct meta *m, const struct stat *st);
/* The flags in mask; DOS attributes too where dos is set. */
void meta_flags(const struct meta *m, int fd, uint32_t mask, int dos);
/* Those that only an empty file can get. */
void meta_flags_early(const struct meta *m, int fd);
/* One attribute from elsewhere. */
void meta_xattr(const struct meta_target *t, const char *name,
	const void *value, size_t len);

/* The next of xattrs, from *at: 1, 0 at the end. */
int meta_next_xattr(const struct meta *m, size_t *at, const char **name,
	size_t *name_len, const void **value, size_t *value_len);

/* One of a kind was lost for the reason errno. */
void meta_lost(enum meta_kind kind);
void meta_report(void);

#endif
