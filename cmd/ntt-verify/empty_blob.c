#define _GNU_SOURCE
#include "empty_blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "catalogue/db.h"
#include "store/store.h"
#include "sql/statements.h"

/* Gives the old file its new name, durably; fine if it has the name already. */
static int
name_file(int store)
{
	char from[STORE_PATH], to[STORE_PATH], dir[8];
	struct stat st;

	store_path(from, store_old_empty_id);
	store_path(to, store_empty_id);
	if (fstatat(store, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	if (st.st_size != 0 || !S_ISREG(st.st_mode)) {
		errno = EBADMSG;
		return -1;
	}
	snprintf(dir, sizeof dir, "%.2s", to);
	if (mkdirat(store, dir, 0755) < 0 && errno != EEXIST)
		return -1;
	snprintf(dir, sizeof dir, "%.5s", to);
	if (mkdirat(store, dir, 0755) < 0 && errno != EEXIST)
		return -1;
	if (linkat(store, from, store, to, 0) < 0 && errno != EEXIST)
		return -1;
	return syncfs(store) < 0 ? -1 : 1;
}

static int
rename_rows(PGconn *db)
{
	PGresult *res;
	int n;

	if (db_do(db, sql_verify_rename_blob,
	    store_old_empty_id, store_empty_id) < 0 ||
	    db_do(db, "UPDATE inode SET blobid = $2 WHERE blobid = $1",
	    store_old_empty_id, store_empty_id) < 0 ||
	    db_do(db, sql_verify_rename_held,
	    store_old_empty_id, store_empty_id) < 0 ||
	    db_do(db, "DELETE FROM blob_load WHERE blobid = $1",
	    store_old_empty_id) < 0)
		return -1;
	res = db_query(db, "DELETE FROM blobs WHERE blobid = $1 RETURNING 1",
	    store_old_empty_id);
	n = res ? PQntuples(res) : -1;
	PQclear(res);
	return n;
}

int
empty_blob_migrate(PGconn *db, int store)
{
	char old[STORE_PATH];
	int file, rows;

	file = name_file(store);
	if (file < 0)
		return -1;
	errno = 0;
	if (db_begin(db) < 0)
		return -1;
	rows = rename_rows(db);
	if (rows < 0 || db_commit(db) < 0) {
		db_rollback(db);
		errno = 0;
		return -1;
	}
	store_path(old, store_old_empty_id);
	if (file > 0 && unlinkat(store, old, 0) < 0)
		return -1;
	return file > 0 || rows > 0;
}
