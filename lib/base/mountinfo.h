/*
 * What is mounted, from /proc/self/mountinfo, with its octal escapes undone:
 * names may hold any byte.
 */
#ifndef NTT_MOUNTINFO_H
#define NTT_MOUNTINFO_H

#include <stddef.h>

struct mount_entry {
	unsigned int id, parent;
	unsigned int major, minor;
	char *root;		/* what of the file system is mounted */
	char *point;		/* where */
	char *options;		/* of this mount: "ro,nosuid" */
	char *fstype;		/* "fuse.ntfs" and the like included */
	char *source;
	char *super_options;
};

struct mountinfo {
	struct mount_entry *entries;	/* in the kernel's order */
	size_t count;
};

#define MOUNTINFO_INIT { NULL, 0 }

/* 0, or -1 with errno; EBADMSG for a line that is not as proc(5) says. */
int mountinfo_read(struct mountinfo *m);
int mountinfo_parse(struct mountinfo *m, const char *text, size_t len);
void mountinfo_free(struct mountinfo *m);

/*
 * The mount a path look-up of point ends in: the uppermost of those stacked
 * there.  NULL if nothing is mounted there.
 */
const struct mount_entry *mountinfo_top(const struct mountinfo *m,
	const char *point);
/* How many mounts are stacked at point. */
size_t mountinfo_depth(const struct mountinfo *m, const char *point);
/* Something is mounted from this source ("/dev/loop7"), wherever. */
int mountinfo_has_source(const struct mountinfo *m, const char *source);

#endif
