/*
 * ntt-cleanup-mounts: unmounts the media that are finished.
 *
 * It reads the catalogue and therefore has no rights to mount; it runs
 * ntt-mount-helper, which has these rights.  judge() is the list of reasons to
 * keep a medium mounted; whatever it decides on one medium, it also looks at
 * the next.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/json_read.h"
#include "base/lock.h"
#include "base/medium_files.h"
#include "base/medium_name.h"
#include "base/mountinfo.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/sig.h"
#include "base/use_lock.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "mount/loop.h"
#include "mount/mounted.h"
#include "sql/statements.h"
#include "path_users.h"

static struct {
	int dry_run, json;
	uint64_t idle;		/* hours */
} opt = { .idle = 1 };

static const struct prog_option options[] = {
	{ 0, "dry-run", NULL, "say what would be done and do nothing",
		OPT_FLAG(&opt.dry_run) },
	{ 0, "idle", "HOURS", "unmount what was idle for so long (1)",
		OPT_U64(&opt.idle, 0, 1000000) },
	{ 0, "json", NULL, "print one JSON object", OPT_FLAG(&opt.json) },
	OPT_END
};

static const struct prog prog = {
	"ntt-cleanup-mounts",
	"[--dry-run] [--idle HOURS] [--json]",
	"Unmount the media that are finished and that nobody uses"
};

static PGconn *db;
static struct buf object;	/* what --json prints */
static int failures;

/* ---- what is mounted ---- */

struct names {
	char **list;
	size_t count;
};

static void
add_name(struct names *n, const char *name, size_t len)
{
	char *copy = xasprintf("%.*s", (int)len, name);
	size_t i;

	for (i = 0; i < n->count; i++)
		if (!strcmp(n->list[i], copy))
			break;
	if (i < n->count || !medium_mountable(copy)) {
		free(copy);
		return;
	}
	n->list = xrealloc(n->list, (n->count + 1) * sizeof *n->list);
	n->list[n->count++] = copy;
}

/* The media at ROOT/HASH and ROOT/HASH/pN, and the same in ROOT/.failing. */
static void
mounted_media(const char *root, struct names *n)
{
	static const char failing[] = MEDIUM_FAILING "/";
	struct mountinfo m = MOUNTINFO_INIT;
	size_t len = strlen(root), i;

	if (mountinfo_read(&m) < 0)
		die_errno("could not read what is mounted: %m");
	for (i = 0; i < m.count; i++) {
		const char *point = m.entries[i].point;

		if (strncmp(point, root, len) || point[len] != '/')
			continue;
		point += len + 1;
		if (!strncmp(point, failing, sizeof failing - 1))
			point += sizeof failing - 1;
		add_name(n, point, strcspn(point, "/"));
	}
	mountinfo_free(&m);
}

/* ---- reasons to keep a medium; each returns 1 and says why ---- */

static int
not_loaded(const char *hash, struct buf *why)
{
	PGresult *res = db_query(db, sql_cleanup_loaded, hash);
	int loaded = medium_loaded(db, hash);

	if (!res || loaded < 0)
		db_die("could not look up %s", hash);
	if (PQntuples(res) == 0)
		buf_puts(why, "the catalogue does not know it");
	else if (db_bool(res, 0, 1))
		buf_puts(why, "it is being loaded");
	else if (!db_bool(res, 0, 0) || !loaded)
		buf_puts(why, "it is not loaded");
	PQclear(res);
	return why->len > 0;
}

/* Also finds how long ago the last inode was done; -1: unknown. */
static int
not_copied(const char *hash, int64_t *age, struct buf *why)
{
	char *sql = sql_for(sql_cleanup_counts, hash);
	PGresult *res = db_query(db, sql, hash);
	uint64_t inodes, pending;

	if (!res)
		db_die("could not count the inodes of %s", hash);
	inodes = (uint64_t)db_int(res, 0, 0);
	pending = (uint64_t)db_int(res, 0, 1);
	*age = db_int(res, 0, 2);
	if (inodes == 0)
		buf_puts(why, "it has no inodes");
	else if (pending > 0)
		buf_printf(why, "%s of its %s inodes are pending",
		    num_grouped(pending), num_grouped(inodes));
	else if (!db_bool(res, 0, 3))
		buf_puts(why, "its copying is not recorded as done");
	PQclear(res);
	free(sql);
	return why->len > 0;
}

static int
in_use(const char *hash, const char *point, struct buf *why)
{
	char *name = medium_run_lock(hash);
	struct buf who = BUF_INIT;
	int lock = use_lock(hash, LOCK_EXCLUSIVE);

	if (lock < 0 && errno == EWOULDBLOCK) {
		use_lock_holders(hash, &who);
		buf_printf(why, "it is in use by process %s", who.data);
	} else if (lock < 0) {
		buf_printf(why, "could not lock its use: %s",
		    strerror(errno));
	}
	use_lock_release(lock);
	if (!why->len) {
		lock_holders(config_get(CONFIG_RUN_DIR), name, &who);
		if (who.len)
			buf_printf(why, "ntt-orchestrator works on it: %s",
			    who.data);
	}
	if (!why->len) {
		path_users(point, &who);
		if (who.len)
			buf_printf(why, "process %s has files of it open",
			    who.data);
	}
	buf_free(&who);
	free(name);
	return why->len > 0;
}

/* processed: seconds since its last inode was done, -1 unknown. */
static int
too_recent(const char *hash, int64_t processed, struct buf *why)
{
	char *path = medium_registry(config_get(CONFIG_RUN_DIR), hash);
	int64_t limit = (int64_t)opt.idle * 3600, age;
	struct stat st;

	if (stat(path, &st) == 0) {
		age = (int64_t)(time(NULL) - st.st_mtime);
		if (age < limit)
			buf_printf(why, "it was mounted %lld minutes ago",
			    (long long)age / 60);
	}
	free(path);
	if (!why->len && processed >= 0 && processed < limit)
		buf_printf(why, "its last file was copied %lld minutes ago",
		    (long long)processed / 60);
	return why->len > 0;
}

/* 1: unmount it; 0: keep it, and why. */
static int
judge(const char *hash, const char *point, struct buf *why)
{
	int64_t processed;

	return !not_loaded(hash, why) &&
	    !not_copied(hash, &processed, why) &&
	    !in_use(hash, point, why) && !too_recent(hash, processed, why);
}

/* ---- what is done ---- */

static void
report(const char *key, const char *what, const char *action,
    const char *reason)
{
	json_begin_object(&object, NULL);
	json_text(&object, key, what);
	json_text(&object, "action", action);
	json_text(&object, "reason", reason);
	json_end_object(&object);
	if (!opt.json)
		printf("%s: %s%s%s\n", what, action, reason ? ": " : "",
		    reason ? reason : "");
}

static void
unmount(const char *hash)
{
	struct mounted m;
	char *error = NULL;
	const char *action;

	if (mounted_call(&m, "unmount", hash, NULL, 0) < 0 || m.status) {
		error = xstrdup(m.error ? m.error : "it could not be "
		    "unmounted");
		/* somebody took it after we had looked */
		action = m.status == EXIT_AGAIN ? "kept" : "failed";
		failures += m.status != EXIT_AGAIN;
	} else {
		action = "unmounted";
	}
	report("medium", hash, action, error);
	mounted_free(&m);
	free(error);
}

static void
clean_media(void)
{
	char *root = realpath(config_get(CONFIG_MOUNT_ROOT), NULL), *point;
	struct buf why = BUF_INIT;
	struct names n = { NULL, 0 };
	size_t i;

	if (root)
		mounted_media(root, &n);
	else if (errno != ENOENT)
		die_errno("could not resolve %s: %m",
		    quoted(config_get(CONFIG_MOUNT_ROOT)));
	for (i = 0; i < n.count && !sig_caught(); i++) {
		buf_reset(&why);
		point = path_join(root, n.list[i]);
		if (!judge(n.list[i], point, &why))
			report("medium", n.list[i], "kept", why.data);
		else if (opt.dry_run)
			report("medium", n.list[i], "would be unmounted",
			    NULL);
		else
			unmount(n.list[i]);
		free(point);
		free(n.list[i]);
	}
	free(n.list);
	buf_free(&why);
	free(root);
}

static void
report_loop(const json_t *loop)
{
	const char *device = json_read_text(loop, "device");
	const char *reason = json_read_text(loop, "reason");

	if (device)
		report("device", device, reason ? "kept" : opt.dry_run ?
		    "would be detached" : "detached", reason ? reason :
		    "its image was deleted");
}

/* Looking at them takes rights too: only where there are some at all. */
static void
clean_loops(void)
{
	json_t *answer = NULL, *loop;
	struct mounted m;
	size_t i;

	if (!loop_any_deleted())
		return;
	if (mounted_call(&m, opt.dry_run ? "loops" : "detach", NULL, NULL,
	    0) < 0 || m.status) {
		warn("could not look at the loop devices of deleted images: "
		    "%s", m.error ? m.error : "ntt-mount-helper failed");
		failures++;
	} else {
		answer = json_loads(m.json, 0, NULL);
	}
	json_array_foreach(json_object_get(answer, "loops"), i, loop)
		report_loop(loop);
	json_decref(answer);
	mounted_free(&m);
}

int
main(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(0, 0);
	prog_config();
	sig_catch();
	db = db_need();
	json_begin_object(&object, NULL);
	json_u64(&object, "schema", 1);
	json_bool(&object, "dry_run", opt.dry_run);
	json_begin_array(&object, "media");
	clean_media();
	json_end_array(&object);
	json_begin_array(&object, "loops");
	if (!sig_caught())
		clean_loops();
	json_end_array(&object);
	json_end_object(&object);
	if (opt.json)
		puts(object.data);
	buf_free(&object);
	PQfinish(db);
	if (sig_caught())
		return EXIT_SIGNAL + sig_caught();
	return failures ? EXIT_PARTIAL : EXIT_DONE;
}
