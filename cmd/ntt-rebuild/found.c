#define _GNU_SOURCE
#include "found.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "catalogue/catalogue_file.h"

static struct found *
medium_of(struct found_list *l, const char *name, size_t len)
{
	char hash[MEDIUM_MAX + 1];
	size_t i;

	if (len > MEDIUM_MAX)
		return NULL;
	memcpy(hash, name, len);
	hash[len] = '\0';
	if (!medium_valid(hash))
		return NULL;
	for (i = 0; i < l->count; i++)
		if (!strcmp(l->media[i].hash, hash))
			return &l->media[i];
	l->media = xrealloc(l->media, (l->count + 1) * sizeof *l->media);
	memset(&l->media[l->count], 0, sizeof *l->media);
	memcpy(l->media[l->count].hash, hash, len + 1);
	return &l->media[l->count++];
}

/* A name of ARCHIVE_ROOT: <medium>.tar.zst or <medium>[.N].catalogue.zst */
static void
take_archived(struct found_list *l, int dir, const char *name)
{
	const char *dot = strchr(name, '.');
	size_t len = dot ? (size_t)(dot - name) : 0;
	struct found *m;

	(void)dir;
	if (!len)
		return;
	if (!strcmp(dot, ".tar.zst")) {
		m = medium_of(l, name, len);
		if (m)
			m->archive = 1;
	} else if (strlen(dot) >= sizeof CATALOGUE_FILE_SUFFIX - 1 &&
	    !strcmp(name + strlen(name) - sizeof CATALOGUE_FILE_SUFFIX + 1,
	    CATALOGUE_FILE_SUFFIX)) {
		m = medium_of(l, name, len);
		if (m)
			m->newest = catalogue_file_newest(m->hash);
	}
}

/* A name of ARCHIVED_ROOT: <medium>/ */
static void
take_tree(struct found_list *l, int dir, const char *name)
{
	struct found *m;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode))
		return;
	m = medium_of(l, name, strlen(name));
	if (m)
		m->tree = 1;
}

static int
scan(struct found_list *l, const char *root,
    void (*take)(struct found_list *l, int dir, const char *name))
{
	DIR *dir = opendir(root);
	const struct dirent *e;
	int err;

	if (!dir)
		return errno == ENOENT ? 0 : -1;
	for (errno = 0; (e = readdir(dir)); errno = 0)
		take(l, dirfd(dir), e->d_name);
	err = errno;
	closedir(dir);
	errno = err;
	return err ? -1 : 0;
}

static int
by_hash(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return strcmp(x->hash, y->hash);
}

int
found_scan(struct found_list *l, const char **root)
{
	memset(l, 0, sizeof *l);
	*root = config_get(CONFIG_ARCHIVE_ROOT);
	if (scan(l, *root, take_archived) < 0)
		return -1;
	*root = config_get(CONFIG_ARCHIVED_ROOT);
	if (**root && scan(l, *root, take_tree) < 0)
		return -1;
	if (l->count > 1)
		qsort(l->media, l->count, sizeof *l->media, by_hash);
	return 0;
}

void
found_free(struct found_list *l)
{
	free(l->media);
	memset(l, 0, sizeof *l);
}
