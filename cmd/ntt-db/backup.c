#define _GNU_SOURCE
#include "backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/spawn.h"
#include "base/tempfile.h"
#include "catalogue/db.h"
#include "sql/statements.h"

/* The end of what a program said says why it failed. */
static void
explain(const char *program, int status)
{
	if (status == EXIT_NOPROG)
		warn("could not find \"%s\": install package "
		    "postgresql-client", program);
	else
		warn("\"%s\" ended with status %d", program, status);
}

/* pg_restore reads all of it, and finds what is damaged or cut off. */
static int
read_back(int fd)
{
	char *argv[] = { (char *)"pg_restore", (char *)"--file=/dev/null",
		NULL };
	struct spawn_io io = SPAWN_INHERIT;
	int status;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return EXIT_FAILED;
	io.in = fd;
	status = run(argv, &io);
	if (status != EXIT_DONE)
		explain(argv[0], status);
	return status;
}

/* 1 and errno: another program failed to write, and this is why. */
static int
no_room(int fd)
{
	static const char block[1 << 16];

	return lseek(fd, 0, SEEK_END) >= 0 &&
	    write_all(fd, block, sizeof block) < 0;
}

int
backup(const char *url, const char *file)
{
	char *argv[] = { (char *)"pg_dump", (char *)"--format=custom",
		(char *)"--no-owner", (char *)"--no-privileges",
		(char *)"--lock-wait-timeout=60000", (char *)"--dbname",
		(char *)(uintptr_t)url, NULL };
	struct spawn_io io = SPAWN_INHERIT;
	struct tempfile t;
	struct stat st;
	int status;

	if (tempfile_open_output(&t, file) < 0)
		die_errno("could not make %s: %m", quoted(file));
	/* it has every name of every medium */
	if (fchmod(t.fd, 0600) < 0)
		die_errno("could not change the mode of %s: %m",
		    quoted(file));
	io.in = SPAWN_NULL;
	io.out = t.fd;
	status = run(argv, &io);
	if (status != EXIT_DONE && no_room(t.fd))
		die_errno("could not write %s: %m", quoted(file));
	if (status != EXIT_DONE)
		explain(argv[0], status);
	else
		status = read_back(t.fd);
	if (status != EXIT_DONE) {
		tempfile_abort(&t);
		return status == EXIT_NOPROG ? status : EXIT_FAILED;
	}
	if (fstat(t.fd, &st) < 0 || tempfile_commit(&t) < 0)
		die_errno("could not write %s: %m", quoted(file));
	say("the catalogue is in %s, %s, and was read back", quoted(file),
	    num_bytes((uint64_t)st.st_size));
	return EXIT_DONE;
}

/* 1: a medium or a blob is there. */
static int
in_use(PGconn *db)
{
	PGresult *res = db_query(db, sql_backup_in_use);
	int used = res ? db_bool(res, 0, 0) : -1;

	PQclear(res);
	return used;
}

static int
is_catalogue(PGconn *db)
{
	PGresult *res = db_query(db, sql_backup_is_catalogue);
	int is = res ? db_bool(res, 0, 0) : -1;

	PQclear(res);
	return is;
}

static int
clear(PGconn *db)
{
	return db_begin(db) < 0 ||
	    db_do(db, "DROP SCHEMA IF EXISTS replacement CASCADE") < 0 ||
	    db_do(db, "DROP SCHEMA IF EXISTS public CASCADE") < 0 ||
	    db_do(db, "CREATE SCHEMA public") < 0 || db_commit(db) < 0 ?
	    -1 : 0;
}

int
backup_restore(PGconn *db, const char *url, const char *file)
{
	char *argv[] = { (char *)"pg_restore", (char *)"--single-transaction",
		(char *)"--exit-on-error", (char *)"--no-owner",
		(char *)"--no-privileges", (char *)"--dbname",
		(char *)(uintptr_t)url, NULL };
	struct spawn_io io = SPAWN_INHERIT;
	int fd = open(file, O_RDONLY | O_CLOEXEC), there, status;

	if (fd < 0)
		die_errno("could not open %s: %m", quoted(file));
	there = is_catalogue(db);
	if (there > 0)
		there = in_use(db);
	if (there < 0)
		db_die("could not look at the database");
	if (there) {
		warn("the catalogue has media or blobs; a backup is restored "
		    "only into an empty one");
		return EXIT_REFUSED;
	}
	/* nothing is touched for a file that is no backup */
	if (read_back(fd) != EXIT_DONE)
		die(EXIT_FAILED, "%s is damaged, or no backup of a catalogue",
		    quoted(file));
	if (clear(db) < 0)
		db_die("could not empty the database");
	if (lseek(fd, 0, SEEK_SET) < 0)
		die_errno("could not read %s: %m", quoted(file));
	io.in = fd;
	status = run(argv, &io);
	close(fd);
	if (status != EXIT_DONE) {
		explain(argv[0], status);
		return status == EXIT_NOPROG ? status : EXIT_FAILED;
	}
	if (is_catalogue(db) != 1)
		die(EXIT_FAILED, "%s is the backup of another database",
		    quoted(file));
	return EXIT_DONE;
}
