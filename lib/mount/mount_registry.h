/*
 * What is mounted for a medium, remembered under NTT_RUN_DIR between runs of
 * the program that mounts: file mount-MEDIUM.registry, text,
 *
 *	ntt-mount 1 IMAGE_DEV IMAGE_INO EXIT_STATUS
 *	view 43				where there is one: its connection in
 *					/sys/fs/fuse/connections
 *	mount . 7:0			one line a mount: "." or "p5",
 *	failing . 7:1			major:minor of the mount; of those whose
 *	json {"schema":1,…}		reads fail where nothing was rescued
 *
 * It is a hint that /proc/self/mountinfo must confirm: after a reboot it may
 * still be there.
 */
#ifndef NTT_MOUNT_REGISTRY_H
#define NTT_MOUNT_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

struct registry_mount {
	char name[16];		/* "." or "p" and a number */
	unsigned int major, minor;
	unsigned int failing : 1;
};

struct registry {
	uint64_t dev, ino;	/* of the image, as stat(2) has them */
	int status;		/* the exit status of the mounting */
	int view;		/* -1: it is mounted without one */
	struct registry_mount *mounts;
	size_t count;
	char *json;		/* one line, without newline */
};

#define REGISTRY_INIT { 0, 0, 0, -1, NULL, 0, NULL }

/* Returned for failing to be set; valid until the next call. */
struct registry_mount *registry_add(struct registry *r, const char *name,
	unsigned int major, unsigned int minor);
void registry_free(struct registry *r);

/* 0, or -1 with errno EBADMSG. */
int registry_parse(struct registry *r, const char *text, size_t len);

/*
 * 0, or -1 with errno: ENOENT none; EPERM: the file is not ours alone (other
 * owner, writable by others, a link), so nothing in it counts.
 */
int registry_read(struct registry *r, const char *dir, const char *medium);
int registry_write(const struct registry *r, const char *dir,
	const char *medium);
void registry_remove(const char *dir, const char *medium);

#endif
