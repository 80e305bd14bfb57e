#define _GNU_SOURCE
#include "medium_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/exits.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "mount/mounted.h"
#include "sql/statements.h"

int
medium_source_find(struct medium_source *m, PGconn *db, const char *name)
{
	PGresult *res;

	memset(m, 0, sizeof *m);
	m->hash = medium_named_hash(db, name);
	res = db_query(db, sql_copier_medium, m->hash);
	if (!res)
		return -1;
	m->kind = db_copy(res, 0, 0);
	m->source_path = db_path_value(res, 0, 1);
	m->image_path = db_path_value(res, 0, 2);
	m->health = db_copy(res, 0, 3);
	m->registered = db_copy(res, 0, 4);
	PQclear(res);
	return 0;
}

static int
is_image(const struct medium_source *m)
{
	return m->kind && (!strcmp(m->kind, "image") ||
	    !strcmp(m->kind, "device"));
}

static int
fail(struct medium_source *m, int status, char *error)
{
	free(m->error);
	m->error = error;
	m->status = status;
	return -1;
}

static int
mount_it(struct medium_source *m, int *mounted_now)
{
	char *image = m->image_path ? xstrdup(m->image_path) :
	    medium_image(m->hash);
	struct mounted mounts;
	int rc = 0;

	if (mounted_call(&mounts, "mount", m->hash, image, 0) < 0 ||
	    mounts.layout == LAYOUT_NONE || mounted_count(&mounts) == 0)
		rc = fail(m, mounts.status == EXIT_AGAIN ? EXIT_AGAIN :
		    EXIT_FAILED, xstrdup(mounts.error ? mounts.error :
		    "nothing of it could be mounted"));
	else if (mounted_now)
		*mounted_now = !mounts.already;
	mounted_free(&mounts);
	free(image);
	return rc;
}

int
medium_source_open(struct medium_source *m, int *mounted_now)
{
	free(m->root);
	m->root = NULL;
	if (is_image(m)) {
		if (mount_it(m, mounted_now) < 0)
			return -1;
		m->root = path_join(config_get(CONFIG_MOUNT_ROOT), m->hash);
		return 0;
	}
	if (!m->source_path)
		return fail(m, EXIT_FAILED, xstrdup("the catalogue does not "
		    "know where it is: name it with --src-root"));
	m->root = xstrdup(m->source_path);
	return 0;
}

int
medium_source_mounted(const struct medium_source *m)
{
	struct stat root, above;
	struct mounted mounts;
	char *parent;
	int mounted;

	if (!m->root || stat(m->root, &root) < 0)
		return 0;
	if (!is_image(m))
		return 1;
	parent = path_join(m->root, "..");
	mounted = stat(parent, &above) == 0 && above.st_dev != root.st_dev;
	free(parent);
	if (mounted)
		return 1;
	/* with partitions the base is a plain directory */
	mounted = mounted_call(&mounts, "status", m->hash, NULL, 0) == 0 &&
	    mounted_count(&mounts) > 0;
	mounted_free(&mounts);
	return mounted;
}

int
medium_source_event(PGconn *db, const struct medium_source *m,
    const char *action, const char *worker)
{
	return db_do(db, sql_copier_medium_event, m->hash, action, worker);
}

void
medium_source_free(struct medium_source *m)
{
	free(m->hash);
	free(m->kind);
	free(m->source_path);
	free(m->image_path);
	free(m->health);
	free(m->registered);
	free(m->root);
	free(m->error);
	memset(m, 0, sizeof *m);
}
