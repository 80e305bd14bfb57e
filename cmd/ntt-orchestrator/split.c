#define _GNU_SOURCE
#include "opening.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"

enum { SPLIT_LEAST = 4 << 20 };

/* The number of "disk.003", 0: it has none. */
static unsigned int
split_number(const char *base)
{
	size_t len = strlen(base);

	if (len < 5 || base[len - 4] != '.' ||
	    strspn(base + len - 3, "0123456789") != 3)
		return 0;
	return (unsigned int)strtoul(base + len - 3, NULL, 10);
}

/* The largest number among those beside it. */
static unsigned int
last_number(const struct opening *o)
{
	char *dir = folder_of(o->path);
	const char *base = base_of(o->path);
	size_t stem = strlen(base) - 3;
	unsigned int last = 0, n;
	const struct dirent *e;
	DIR *d = opendir(dir);

	while (d && (errno = 0, e = readdir(d)))
		if (strlen(e->d_name) == stem + 3 &&
		    !strncmp(e->d_name, base, stem) &&
		    (n = split_number(e->d_name)) > last)
			last = n;
	if (!d || errno)
		die_errno("could not list %s, where other parts of %s may be: "
		    "%m", quoted(dir), quoted(o->path));
	closedir(d);
	free(dir);
	return last;
}

/* A boot sector, a superblock, a descriptor where a disk of its own has it. */
static int
begins_a_disk(const struct opening *o, const char *name)
{
	static const struct { off_t at; size_t len; const char *magic; }
	    marks[] = { { 510, 2, "\x55\xaa" }, { 1080, 2, "\x53\xef" },
		{ 1024, 2, "H+" }, { 1024, 2, "BD" }, { 0, 4, "XFSB" },
		{ 0, 2, "ER" }, { 32769, 5, "CD001" },
		{ 65600, 8, "_BHRfS_M" } };
	char *dir = folder_of(o->path), *path = path_join(dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), yes = 0;
	char there[8];
	size_t i;

	for (i = 0; fd >= 0 && !yes && i < sizeof marks / sizeof marks[0]; i++)
		yes = pread_full(fd, there, marks[i].len, marks[i].at) ==
		    (ssize_t)marks[i].len &&
		    !memcmp(there, marks[i].magic, marks[i].len);
	if (fd >= 0)
		close(fd);
	free(path);
	free(dir);
	return yes;
}

/* Another part than the first begins as a disk does, and the first does not. */
static void
refuse_wrong_order(const struct opening *o, int stem, unsigned int last)
{
	const char *base = base_of(o->path);
	char *first = xasprintf("%.*s001", stem, base), *name;
	unsigned int i;

	for (i = 2; i <= last && is_beside(o, first) &&
	    !begins_a_disk(o, first); i++) {
		name = xasprintf("%.*s%03u", stem, base, i);
		if (begins_a_disk(o, name))
			cannot(o, " in parts in the wrong order: %s begins as "
			    "a disk does, and %s does not (if they are no "
			    "parts, give it another name)", quoted(name),
			    quoted(first));
		free(name);
	}
	free(first);
}

/*
 * Files of one name and numbers from 001 on, all as large as the first but for
 * the last.  Disks that somebody numbered begin as disks do, and floppies are
 * smaller.
 */
int
find_split(struct opening *o)
{
	const char *base = base_of(o->path);
	int stem = (int)strlen(base) - 3;
	unsigned int number = split_number(base), last, i;
	char *name;

	if (number == 0 || o->parts[0].size < SPLIT_LEAST)
		return 0;
	refuse_wrong_order(o, stem, last_number(o));
	name = xasprintf("%.*s002", stem, base);
	if (begins_a_disk(o, number > 1 ? base : name)) {
		free(name);
		return 0;
	}
	free(name);
	name = xasprintf("%.*s001", stem, base);
	if (number > 1 && is_beside(o, name))
		cannot(o, " in parts: give the first, %s", quoted(name));
	free(name);
	last = number == 1 ? last_number(o) : 0;
	for (i = 2; i <= last; i++) {
		name = xasprintf("%.*s%03u", stem, base, i);
		if (!find_part(o, name, NULL))
			cannot(o, " in parts: %s is not there", quoted(name));
		if (o->parts[i - 1].size > o->parts[0].size ||
		    (i < last && o->parts[i - 1].size != o->parts[0].size))
			cannot(o, " in parts: %s is not as large as the first",
			    quoted(name));
		free(name);
	}
	for (i = 0; i < o->count; i++)
		o->needs += o->parts[i].size;
	return o->count > 1;
}
