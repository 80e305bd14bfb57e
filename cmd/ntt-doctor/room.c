#define _GNU_SOURCE
#include "finding.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/config.h"
#include "base/diag.h"
#include "base/num.h"
#include "image/device.h"
#include "roots.h"

enum { TIMEOUT_MS = 30000 };

/* Each kind of thing that a medium becomes, in the worst case. */
static const struct {
	enum config_key root;
	const char *what;
	int of_directory, of_image, of_device;
} wanted[] = {
	{ CONFIG_IMAGE_ROOT, "the image", 0, 0, 1 },
	{ CONFIG_BYHASH_ROOT, "the contents", 1, 1, 1 },
	{ CONFIG_ARCHIVE_ROOT, "the archive", 0, 1, 1 },
};
enum { WANTED = sizeof wanted / sizeof wanted[0] };

/* The bytes of a tree's files, each once; what cannot be read is counted. */
static uint64_t
tree_size(const char *path, uint64_t *unread)
{
	char *roots[] = { (char *)(uintptr_t)path, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	uint64_t sum = 0;
	const FTSENT *e;

	*unread = fts == NULL;
	while (fts && (e = fts_read(fts))) {
		if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR ||
		    e->fts_info == FTS_NS)
			++*unread;
		else if (e->fts_info == FTS_F)
			sum += (uint64_t)e->fts_statp->st_size /
			    (uint64_t)e->fts_statp->st_nlink;
	}
	if (fts)
		fts_close(fts);
	return sum;
}

/* Roots on one file system share its room. */
static void
check_sum(const int needs[WANTED], uint64_t size)
{
	dev_t device[WANTED];
	uint64_t room[WANTED], times;
	struct buf what = BUF_INIT;
	struct statvfs v;
	struct stat st;
	size_t i, j;

	memset(device, 0, sizeof device);
	for (i = 0; i < WANTED; i++) {
		char *there = nearest_there(config_get(wanted[i].root));

		room[i] = 0;
		if (stat(there, &st) == 0 && statvfs(there, &v) == 0) {
			device[i] = st.st_dev;
			room[i] = (uint64_t)v.f_bavail * v.f_frsize;
		}
		free(there);
	}
	for (i = 0; i < WANTED; i++) {
		if (!needs[i] || !device[i])
			continue;
		buf_reset(&what);
		for (j = 0, times = 0; j < WANTED; j++) {
			if (!needs[j] || device[j] != device[i])
				continue;
			if (j < i)
				break;
			buf_printf(&what, "%s%s", times++ ? " and " : "",
			    wanted[j].what);
		}
		if (j < WANTED)
			continue;
		finding(ROOM, room[i] < size * times ? WRONG : OK,
		    xasprintf("%s may need %s, and %s has %s", what.data,
		    num_bytes(size * times),
		    quoted(config_get(wanted[i].root)), num_bytes(room[i])),
		    NULL);
	}
	buf_free(&what);
}

void
check_room(const char *medium)
{
	int needs[WANTED];
	struct device device;
	uint64_t size, unread = 0;
	struct stat st;
	size_t i;

	if (stat(medium, &st) < 0)
		die_errno("could not look at %s: %m", quoted(medium));
	if (S_ISDIR(st.st_mode)) {
		size = tree_size(medium, &unread);
	} else {
		if (device_look(&device, medium, TIMEOUT_MS) < 0)
			die_errno("could not look at %s: %m", quoted(medium));
		size = device.size;
	}
	for (i = 0; i < WANTED; i++)
		needs[i] = S_ISDIR(st.st_mode) ? wanted[i].of_directory :
		    S_ISBLK(st.st_mode) ? wanted[i].of_device :
		    wanted[i].of_image;
	if (unread)
		finding(ROOM, NOTE, xasprintf("%s directories or files of %s "
		    "cannot be read by this user and are not counted",
		    num_grouped(unread), quoted(medium)),
		    xstrdup("run it as root, or as a user who may read them"));
	check_sum(needs, size);
}
