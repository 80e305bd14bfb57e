/*
 * ntt-reclaim: frees the room of blobs that nothing uses.
 *
 * It deletes the row first, and then moves the file to BYHASH_ROOT/.trash.  A
 * copier that meets the content meanwhile makes a new row.  Therefore
 * ntt-reclaim looks for the row once more after the move, and puts the file
 * back if there is one.  The copier does the same after its commit.  So one of
 * the two always sees the other.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/num.h"
#include "base/privilege.h"
#include "base/prog.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "catalogue/store_mark.h"
#include "sql/statements.h"
#include "store/store.h"

/* A copier at work may need a blob that was thrown away a moment ago. */
enum { TRASH_SECONDS = 86400 };

static uint64_t days = 30;
static int empty, dry_run;
static PGconn *db;
static struct store store;
static int trash = -1;

static const struct prog_option options[] = {
	{ 0, "days", "N", "only blobs that are older (default 30)",
		OPT_U64(&days, 0, 36500) },
	{ 0, "empty", NULL, "delete what has been in the trash for a day",
		OPT_FLAG(&empty) },
	{ 0, "dry-run", NULL, "say what would be done, change nothing",
		OPT_FLAG(&dry_run) },
	OPT_END
};

static const struct prog prog = {
	"ntt-reclaim",
	"[options]",
	"Put blobs that no medium uses into the trash, and empty it"
};

static void
check_interrupted(void)
{
	if (sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
}

static void
open_all(void)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);

	db = db_need();
	if (privilege_drop(NULL) < 0)
		die_errno("could not give up root rights: %m");
	store_mark_need(db, CONFIG_BYHASH_ROOT, 0);
	if (!dry_run)
		store_mark_need_owner(CONFIG_BYHASH_ROOT);
	if (store_open(&store, root) < 0)
		die_errno("could not open the store %s: %m", quoted(root));
	if (store_mark_private(CONFIG_BYHASH_ROOT))
		store_private(&store);
	if (!dry_run && mkdirat(store.root, STORE_TRASH,
	    store_dir_mode(&store)) < 0 && errno != EEXIST)
		die_errno("could not make %s/" STORE_TRASH ": %m",
		    quoted(root));
	trash = openat(store.root, STORE_TRASH, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC | O_NOFOLLOW);
	if (trash < 0 && !(dry_run && errno == ENOENT))
		die_errno("could not open %s/" STORE_TRASH ": %m",
		    quoted(root));
}

static int
has_row(const char *id)
{
	PGresult *res = db_query(db, sql_reclaim_has_row, id);
	int yes;

	if (!res)
		db_die("could not look up a blob");
	yes = db_bool(res, 0, 0);
	PQclear(res);
	return yes;
}

/* 1: its row and then its file are gone; 0: it is used after all. */
static int
throw_away(const char *id)
{
	char path[STORE_PATH];
	PGresult *res = NULL;
	int gone;

	/*
	 * A copier that uses the blob has its row; only a statement that begins
	 * after it let go sees the file that it recorded.
	 */
	if (db_begin(db) == 0 && db_do(db, sql_heal_lock_one, id) == 0)
		res = db_query(db, sql_reclaim_row, id);
	gone = res && strcmp(PQcmdTuples(res), "0") != 0;
	if (!res || db_commit(db) < 0)
		db_die("could not remove the row of a blob");
	PQclear(res);
	if (!gone)
		return 0;
	store_path(path, id);
	if (renameat(store.root, path, trash, id) < 0) {
		if (errno == ENOENT)
			return 1;
		die_errno("could not move blob %s to the trash: %m", id);
	}
	/* from when it is there, not from when it was stored */
	utimensat(trash, id, NULL, AT_SYMLINK_NOFOLLOW);
	if (!has_row(id))
		return 1;
	if (store_from_trash(&store, id) < 0)
		die_errno("could not put blob %s back: %m", id);
	return 0;
}

static void
reclaim(void)
{
	char number[24];
	uint64_t blobs = 0, bytes = 0;
	PGresult *res;
	int row;

	snprintf(number, sizeof number, "%llu", (unsigned long long)days);
	res = db_query(db, sql_reclaim_list, number);
	if (!res)
		db_die("could not list the blobs that nothing uses");
	for (row = 0; row < PQntuples(res); row++) {
		check_interrupted();
		if (!dry_run && !throw_away(db_text(res, row, 0)))
			continue;
		blobs++;
		bytes += (uint64_t)db_int(res, row, 1);
	}
	PQclear(res);
	if (!dry_run && db_do(db, sql_reclaim_loads) < 0)
		db_die("could not forget what loads that are gone held");
	if (!dry_run && store_sync(&store) < 0)
		die_errno("could not make that durable: %m");
	say("%s blobs, %s, %s", num_grouped(blobs), num_bytes(bytes),
	    dry_run ? "would go to the trash" : "are in the trash");
}

static void
empty_trash(void)
{
	DIR *dir = trash >= 0 ? fdopendir(dup(trash)) : NULL;
	uint64_t files = 0, bytes = 0, young = 0;
	const struct dirent *e;
	struct stat st;

	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.' ||
		    fstatat(trash, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		check_interrupted();
		if (st.st_mtime > time(NULL) - TRASH_SECONDS) {
			young++;
			continue;
		}
		if (!dry_run && unlinkat(trash, e->d_name, 0) < 0)
			die_errno("could not delete %s: %m",
			    quoted(e->d_name));
		files++;
		bytes += (uint64_t)st.st_size;
	}
	if (dir)
		closedir(dir);
	say("%s files of the trash, %s, %s", num_grouped(files),
	    num_bytes(bytes), dry_run ? "would be deleted" : "were deleted");
	if (young)
		say("%s have been there for less than a day and stay",
		    num_grouped(young));
}

int
main(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(0, 0);
	prog_config();
	open_all();
	sig_catch();
	if (empty)
		empty_trash();
	else
		reclaim();
	PQfinish(db);
	return EXIT_DONE;
}
