#define _GNU_SOURCE
#include "mounts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/medium_name.h"
#include "base/mountinfo.h"
#include "mount/loop.h"
#include "mount/medium_mounts.h"
#include "mount/mount_registry.h"

static void
add_mount(struct dash_mounts *m, const char *medium, size_t len,
    const char *point, const char *fstype, enum dash_mount_state state)
{
	m->mounts = xrealloc(m->mounts, (m->mount_count + 1) *
	    sizeof *m->mounts);
	m->mounts[m->mount_count++] = (struct dash_mount){
		xasprintf("%.*s", (int)len, medium), xstrdup(point),
		fstype ? xstrdup(fstype) : NULL, state };
}

static void
add_registered(struct dash_mounts *m, const struct mountinfo *info,
    const char *root, const char *medium, const struct registry *r)
{
	const struct mount_entry *e;
	size_t i;

	for (i = 0; i < r->count; i++) {
		const struct registry_mount *x = &r->mounts[i];
		char *base = x->failing ? medium_failing(root, medium) :
		    path_join(root, medium);
		char *point = medium_mount_path(base, x->name);

		e = mountinfo_top(info, point);
		if (e && e->major == x->major && e->minor == x->minor)
			add_mount(m, medium, strlen(medium), point, e->fstype,
			    DASH_MOUNTED);
		else
			add_mount(m, medium, strlen(medium), point, NULL,
			    DASH_MOUNT_GONE);
		free(base);
		free(point);
	}
}

/* mount-MEDIUM.registry of the run directory, which may be another's. */
static void
read_registry(struct dash_mounts *m, const struct mountinfo *info,
    const char *root)
{
	static const char before[] = "mount-", after[] = ".registry";
	const char *dir = config_get(CONFIG_RUN_DIR);
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		struct registry r = REGISTRY_INIT;
		size_t n = strlen(e->d_name);
		char *medium;

		if (strncmp(e->d_name, before, sizeof before - 1) ||
		    n < sizeof before + sizeof after ||
		    strcmp(e->d_name + n - sizeof after + 1, after))
			continue;
		medium = xasprintf("%.*s", (int)(n - sizeof before -
		    sizeof after + 2), e->d_name + sizeof before - 1);
		if (medium_valid(medium) &&
		    registry_read(&r, dir, medium) == 0) {
			add_registered(m, info, root, medium, &r);
			registry_free(&r);
		}
		free(medium);
	}
	if (d)
		closedir(d);
}

/* Mounts below the root that no registry has. */
static void
add_foreign(struct dash_mounts *m, const struct mountinfo *info,
    const char *root)
{
	size_t len = strlen(root), i, k;

	for (i = 0; i < info->count; i++) {
		const struct mount_entry *e = &info->entries[i];

		if (strncmp(e->point, root, len) || e->point[len] != '/')
			continue;
		for (k = 0; k < m->mount_count; k++)
			if (!strcmp(m->mounts[k].point, e->point) &&
			    m->mounts[k].state == DASH_MOUNTED)
				break;
		if (k == m->mount_count)
			add_mount(m, e->point + len + 1,
			    strcspn(e->point + len + 1, "/"), e->point,
			    e->fstype, DASH_MOUNT_FOREIGN);
	}
}

/* A file may really be called "x (deleted)". */
static int
is_deleted(char *file)
{
	static const char mark[] = " (deleted)";
	size_t n = strlen(file), m = sizeof mark - 1;

	if (n < m || strcmp(file + n - m, mark) || access(file, F_OK) == 0)
		return 0;
	file[n - m] = '\0';
	return 1;
}

static void
read_loops(struct dash_mounts *m, const struct mountinfo *info)
{
	const char *images = config_get(CONFIG_IMAGE_ROOT);
	size_t len = strlen(images);
	DIR *d = opendir("/sys/block");
	const struct dirent *e;
	char end, *file, device[32];
	int number, deleted;

	while (d && (e = readdir(d))) {
		if (sscanf(e->d_name, "loop%d%c", &number, &end) != 1)
			continue;
		file = loop_backing_file(number);
		deleted = file && is_deleted(file);
		if (!file || (!deleted && (strncmp(file, images, len) ||
		    file[len] != '/'))) {
			free(file);
			continue;
		}
		snprintf(device, sizeof device, "/dev/loop%d", number);
		m->loops = xrealloc(m->loops, (m->loop_count + 1) *
		    sizeof *m->loops);
		m->loops[m->loop_count++] = (struct dash_loop){ number, file,
			deleted, mountinfo_has_source(info, device) };
	}
	if (d)
		closedir(d);
}

static int
compare_mounts(const void *a, const void *b)
{
	const struct dash_mount *x = a, *y = b;

	return strcmp(x->point, y->point);
}

static int
compare_loops(const void *a, const void *b)
{
	const struct dash_loop *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

void
dash_mounts_read(struct dash_mounts *m)
{
	char *root = realpath(config_get(CONFIG_MOUNT_ROOT), NULL);
	struct mountinfo info = MOUNTINFO_INIT;

	memset(m, 0, sizeof *m);
	if (mountinfo_read(&info) == 0) {
		if (root) {
			read_registry(m, &info, root);
			add_foreign(m, &info, root);
		}
		read_loops(m, &info);
		mountinfo_free(&info);
	}
	if (m->mount_count > 0)
		qsort(m->mounts, m->mount_count, sizeof *m->mounts,
		    compare_mounts);
	if (m->loop_count > 0)
		qsort(m->loops, m->loop_count, sizeof *m->loops,
		    compare_loops);
	free(root);
}

void
dash_mounts_free(struct dash_mounts *m)
{
	size_t i;

	for (i = 0; i < m->mount_count; i++) {
		free(m->mounts[i].medium);
		free(m->mounts[i].point);
		free(m->mounts[i].fstype);
	}
	for (i = 0; i < m->loop_count; i++)
		free(m->loops[i].file);
	free(m->mounts);
	free(m->loops);
	memset(m, 0, sizeof *m);
}

const char *
dash_mount_state_name(enum dash_mount_state state)
{
	static const char *const names[] = { "mounted", "gone", "foreign" };

	return names[state];
}
