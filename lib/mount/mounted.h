/*
 * The other side of ntt-mount-helper: runs it, through sudo -n where we are not
 * root, and reads the one JSON object it prints.  The remarks of the helper go
 * to our standard error.  The outcome of each volume is only in the object; the
 * caller reports it.  Needs libjansson; configuration must be loaded.
 *
 *	struct mounted m;
 *
 *	if (mounted_call(&m, "mount", hash, image, 0) < 0 || m.error)
 *		die(EXIT_FAILED, "could not mount …: %s", m.error);
 *	for (i = 0; i < m.count; i++)
 *		if (m.partitions[i].mount)
 *			…
 *	mounted_free(&m);
 */
#ifndef NTT_MOUNTED_H
#define NTT_MOUNTED_H

#include <stddef.h>
#include <stdint.h>

/* Strings are NULL where the object has null.  All belong to the struct. */
struct mounted_partition {
	unsigned int num;	/* of the table; 0: the whole medium */
	char *device, *mount, *fstype;
	char *status;		/* ok failed truncated hung unsupported_fs */
				/* lvm_detected raid_member swap; never NULL */
	uint64_t start, size;	/* bytes in the image */
	char *uuid, *label, *reason;
	char *also;		/* a file system that it may be, too, or NULL */
	char *by;		/* who reads it: "this kernel", … */
	char *detail;		/* JSON of lvm or raid metadata */
	uint64_t lost;		/* bytes of it that nobody knows */
	char *failing;		/* where reading these fails */
	char *failing_reason;	/* why it is nowhere */
	/* lines of the log that mounting it added */
	uint64_t refused_from, refused_to;
};

enum mounted_layout { LAYOUT_NONE, LAYOUT_SINGLE, LAYOUT_MULTI };

struct mounted {
	enum mounted_layout layout;	/* LAYOUT_NONE: not mounted */
	int already;
	char *table;			/* "dos", "gpt", …; NULL: none */
	char *finding;			/* of the whole, for people; NULL */
	char *refused;			/* the log of the view; NULL: none */
	/* what is on it instead of any volume, known or not; NULL */
	char *bits_only;
	struct mounted_partition *partitions;
	size_t count;
	char *json;		/* the object as it was printed, or NULL */
	char *error;		/* one clause, NULL: none */
	int status;		/* the helper's exit status */
};

/*
 * verb: "mount" (image needed), "unmount", "status"; with hash NULL "loops"
 * and "detach", whose object is in json only.  timeout: seconds for
 * each mount, 0 for the helper's own.
 *
 * If "mount" could not mount something, ntt-sandbox mounts the medium, if its
 * parts are installed and it can mount more.  If it cannot, its reasons are
 * added to those of the helper.  "unmount" runs the program that mounted.
 *
 * 0: the helper ran and its object is in *m, whatever it says (status 3: some
 * partitions could not be mounted; 75: in use).  -1: it could not be run or
 * what it printed is no such object; error says why.  mounted_free() in any
 * case.
 */
int mounted_call(struct mounted *m, const char *verb, const char *hash,
	const char *image, int timeout);
/* From now on "mount" mounts by ntt-sandbox only, without any rights. */
void mounted_use_sandbox(void);
void mounted_free(struct mounted *m);

/* The object alone; 0, or -1 and error. */
int mounted_parse(struct mounted *m, const char *text, size_t len);

/*
 * This partition holds, or may hold, data that no mount shows.  This is false
 * for swap, and for a RAID or LVM member whose volumes are in the object.
 */
int mounted_loss(const struct mounted *m, const struct mounted_partition *p);

/* The outcome of a volume, as one line for people; caller frees. */
char *mounted_line(const struct mounted_partition *p);

/* How many partitions are mounted. */
size_t mounted_count(const struct mounted *m);

#endif
