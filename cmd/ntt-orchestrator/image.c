#define _GNU_SOURCE
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/medium_files.h"
#include "catalogue/db.h"
#include "image/content_probe.h"
#include "image/mapfile.h"
#include "sql/statements.h"
#include "command.h"

enum { PROBE_BYTES = 1 << 28 };

const char *
run_image_health(const char *image, uint64_t size)
{
	const char *health = NULL;
	struct mapfile map;
	char *path = image_map(image), *error = NULL;
	struct stat st;

	if (stat(path, &st) < 0)
		goto out;
	if (mapfile_load(&map, path, &error) < 0) {
		warn("%s: the health of the image is unknown", error);
		goto out;
	}
	/* what the map has and the image has not was not rescued */
	if (stat(image, &st) == 0 && (uint64_t)st.st_size >= size)
		health = mapfile_health(&map, size);
	if (!health)
		warn("%s does not cover the image: its health is unknown",
		    quoted(path));
	mapfile_free(&map);
out:
	free(error);
	free(path);
	return health;
}

int
run_image_done(const struct run_medium *m, PGconn *db, struct buf *why)
{
	const char *health;
	struct stat st;
	PGresult *res;
	int ended;

	if (stat(m->path, &st) < 0) {
		if (why)
			buf_printf(why, "%s is not there", quoted(m->path));
		return 0;
	}
	health = run_image_health(m->path, m->size);
	if (!health) {
		if (why)
			buf_printf(why, "%s has no map that fits",
			    quoted(m->path));
		return 0;
	}
	if (!strcmp(health, "ok"))
		return 1;
	if (!db)
		return 0;
	res = db_query(db,
	    "SELECT imaged_at IS NOT NULL FROM medium WHERE medium_hash = $1",
	    m->hash);
	if (!res)
		db_die("could not look at %s", m->hash);
	ended = PQntuples(res) > 0 && db_bool(res, 0, 0);
	PQclear(res);
	if (!ended && why)
		buf_puts(why, "imaging was not finished");
	return ended;
}

int
run_image_probe(const struct run_medium *m, PGconn *db)
{
	int fd = open(m->path, O_RDONLY | O_CLOEXEC);
	const char *params[] = { m->hash, NULL }, *content;
	PGresult *res;

	if (fd < 0)
		return 0;
	content = content_probe(fd, m->size, PROBE_BYTES);
	close(fd);
	if (content)
		warn("%s holds no file system: %s", quoted(m->path),
		    content_describe(content));
	params[1] = content;
	res = db_query_n(db, sql_orchestrator_content, 2, params);
	PQclear(res);
	return res ? 0 : -1;
}

static int
record(struct run_medium *m, PGconn *db, int ended, int force)
{
	const char *params[] = { m->hash, NULL, ended ? "t" : "f",
		force ? "t" : "f" };
	PGresult *res;

	m->health = run_image_health(m->path, m->size);
	params[1] = m->health;
	/* of one that failed the next run tries to get more, unless forced */
	res = db_query_n(db, sql_orchestrator_imaged, 4, params);
	PQclear(res);
	if (!res)
		return -1;
	if (ended && run_medium_places(m, db) < 0)
		return -1;
	return ended ? run_image_probe(m, db) : 0;
}

int
run_image_failed(const struct run_medium *m, int force)
{
	if (force || !m->health || strcmp(m->health, "failed"))
		return 0;
	warn("less than 20 %% of %s could be read: its health is failed; "
	    "--force goes on with what there is",
	    quoted(m->device ? m->device : m->path));
	return 1;
}

int
run_image_make(struct run_medium *m, PGconn *db, int eject, int force)
{
	struct run_command c;
	int status = EXIT_DONE, ended;

	run_command_init(&c, "ntt-imager");
	if (eject)
		run_command_arg(&c, "--eject");
	run_command_arg(&c, "--");
	run_command_arg(&c, m->device);
	run_command_arg(&c, m->path);
	if (db)
		status = run_command(&c);
	else
		run_command_print(&c, NULL);
	run_command_free(&c);
	if (!db)
		return status;
	ended = status == EXIT_DONE || status == EXIT_PARTIAL;
	if (record(m, db, ended, force) < 0)
		db_die("could not record the image of %s", m->hash);
	return ended && run_image_failed(m, force) ? EXIT_FAILED : status;
}
