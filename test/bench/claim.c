/*
 * claim MODE MEDIUM WORKERS [INODES]: measures the queue of a medium.
 *
 *	drain	every worker claims until there is nothing left; prints the
 *		ranges, inodes and empty claims, the wall time of all, and the
 *		mean and slowest claim
 *	floor	the peer of drain: as many commits of one row by its key
 *	commit	results of INODES inodes through queue_commit_begin(), in batches
 *	bare	the same columns in a bare UPDATE … FROM unnest
 *
 * Each worker is a process with a connection of its own; they begin together.
 */
#define _GNU_SOURCE
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "catalogue/db.h"
#include "catalogue/queue.h"

enum { BATCH = 1000, WORKERS_MAX = 64 };

struct share {
	int ready, go, finished;
	struct {
		double seconds, slowest;
		int64_t ranges, empty;
	} of[WORKERS_MAX];
};

static struct share *share;
static const char *medium;
static int workers;
static int64_t inodes;		/* of commit and bare, shared by the workers */

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static PGconn *
connect_or_die(void)
{
	PGconn *db = db_open();

	if (!db)
		errx(1, "%s", db_error());
	return db;
}

static void
begin_together(void)
{
	__atomic_add_fetch(&share->ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&share->go, __ATOMIC_SEQ_CST))
		usleep(100);
}

static void
drain(int worker)
{
	struct queue_range range;
	struct queue q;
	char name[32];
	double from, took;
	int wait_ms, n;

	snprintf(name, sizeof name, "bench:%d", worker);
	if (queue_open(&q, connect_or_die(), medium, name) < 0)
		errx(1, "%s", db_error());
	begin_together();
	do {
		from = now();
		n = queue_claim(&q, &range, &wait_ms);
		took = now() - from;
		if (n < 0)
			errx(1, "%s", db_error());
		if (n == 0) {
			share->of[worker].empty++;
			break;
		}
		share->of[worker].seconds += took;
		share->of[worker].ranges++;
		if (took > share->of[worker].slowest)
			share->of[worker].slowest = took;
	} while (n > 0);
	/* what it claimed is free, for others, when its session ends */
	__atomic_add_fetch(&share->finished, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&share->finished, __ATOMIC_SEQ_CST) < workers)
		usleep(100);
	_exit(0);
}

/* The table bench_floor has a row for each range, made by the script. */
static void
floor_of(int worker)
{
	PGconn *db = connect_or_die();
	PGresult *res = db_query(db, "SELECT count(*) FROM bench_floor");
	int64_t rows = res ? db_int(res, 0, 0) : 0, i;
	char number[24], id[24];
	double from, took;

	snprintf(id, sizeof id, "%d", worker);
	begin_together();
	for (i = worker; i < rows; i += workers) {
		snprintf(number, sizeof number, "%" PRId64, i);
		from = now();
		if (db_do(db, "UPDATE bench_floor SET worker = $2 WHERE "
		    "number = $1 AND worker IS NULL", number, id) < 0)
			errx(1, "%s", db_error());
		took = now() - from;
		share->of[worker].seconds += took;
		share->of[worker].ranges++;
		if (took > share->of[worker].slowest)
			share->of[worker].slowest = took;
	}
	_exit(0);
}

static void
run_workers(void (*work)(int))
{
	double seconds = 0, slowest = 0, from;
	int64_t ranges = 0, empty = 0;
	int i, status;

	share = mmap(NULL, sizeof *share, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (share == MAP_FAILED)
		err(1, "mmap");
	for (i = 0; i < workers; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (pid == 0)
			work(i);
	}
	while (__atomic_load_n(&share->ready, __ATOMIC_SEQ_CST) < workers)
		usleep(1000);
	from = now();
	__atomic_store_n(&share->go, 1, __ATOMIC_SEQ_CST);
	while (wait(&status) > 0)
		if (status != 0)
			errx(1, "a worker failed");
	from = now() - from;
	for (i = 0; i < workers; i++) {
		seconds += share->of[i].seconds;
		ranges += share->of[i].ranges;
		empty += share->of[i].empty;
		if (share->of[i].slowest > slowest)
			slowest = share->of[i].slowest;
	}
	printf("%" PRId64 " %" PRId64 " %.6f %.3f %.3f\n", ranges, empty,
	    from, 1000 * seconds / (double)(ranges ? ranges : 1),
	    1000 * slowest);
}

/* Every third file is a duplicate of an earlier one. */
static void
make_result(struct queue_result *r, char id[65], int64_t ino)
{
	snprintf(id, 65, "%016" PRIx64 "%048x",
	    (uint64_t)(ino % 3 ? ino : ino / 9) * 0x9e3779b97f4a7c15u, 0);
	*r = (struct queue_result){
		.dev = 1, .ino = ino, .status = QUEUE_SUCCESS, .blobid = id,
		.blob_size = 3000, .links = 1, .is_new = ino % 3 != 0,
		.mime_type = "text/plain"
	};
}

static int64_t
first_of(int worker)
{
	return inodes * worker / workers + 1;
}

static void
commit(int worker)
{
	struct queue_batch b;
	struct queue_result r;
	struct queue q;
	char id[65];
	int64_t ino, last = first_of(worker + 1) - 1;

	if (queue_open(&q, connect_or_die(), medium, "bench") < 0)
		errx(1, "%s", db_error());
	queue_batch_init(&b);
	begin_together();
	for (ino = first_of(worker); ino <= last; ino++) {
		make_result(&r, id, ino);
		queue_batch_add(&b, &r);
		if (b.count < BATCH && ino < last)
			continue;
		if (queue_commit_begin(&q, &b, NULL, 0) < 0 ||
		    queue_commit_end(&q, &b, NULL, 0) < 0)
			errx(1, "%s", db_error());
	}
	_exit(0);
}

static void
bare_update(PGconn *db, const char *sql, struct pgarray *ino,
    struct pgarray *blob)
{
	const char *params[2];
	int lengths[2], formats[2] = { 1, 1 };
	PGresult *res;

	params[0] = pgarray_param(ino, &lengths[0]);
	params[1] = pgarray_param(blob, &lengths[1]);
	res = db_check(db, PQexecParams(db, sql, 2, NULL, params, lengths,
	    formats, 0));
	if (!res)
		errx(1, "%s", db_error());
	PQclear(res);
	pgarray_reset(ino);
	pgarray_reset(blob);
}

static void
bare(int worker)
{
	PGconn *db = connect_or_die();
	char id[65];
	char *sql = sql_for("UPDATE :\"inode\" i SET status = 'success', "
	    "blobid = r.blobid, mime_type = 'text/plain', processed_at = now()"
	    " FROM unnest($1::bigint[], $2::text[]) AS r (ino, blobid) "
	    "WHERE i.dev = 1 AND i.ino = r.ino", medium);
	struct pgarray numbers, blobs;
	struct queue_result r;
	int64_t ino, last = first_of(worker + 1) - 1;

	pgarray_init(&numbers, PGARRAY_INT8);
	pgarray_init(&blobs, PGARRAY_TEXT);
	begin_together();
	for (ino = first_of(worker); ino <= last; ino++) {
		make_result(&r, id, ino);
		pgarray_int8(&numbers, ino);
		pgarray_text(&blobs, id);
		if (numbers.count == BATCH || ino == last)
			bare_update(db, sql, &numbers, &blobs);
	}
	_exit(0);
}

int
main(int argc, char **argv)
{
	if (argc < 4)
		errx(64, "usage: claim MODE MEDIUM WORKERS [INODES]");
	diag_prog = "claim";
	if (config_load() < 0)
		errx(64, "%s", config_error());
	medium = argv[2];
	workers = atoi(argv[3]);
	inodes = argc > 4 ? atoll(argv[4]) : 100000;
	if (workers < 1 || workers > WORKERS_MAX)
		errx(64, "between 1 and %d workers", WORKERS_MAX);
	if (!strcmp(argv[1], "drain"))
		run_workers(drain);
	else if (!strcmp(argv[1], "floor"))
		run_workers(floor_of);
	else if (!strcmp(argv[1], "commit"))
		run_workers(commit);
	else
		run_workers(bare);
	return 0;
}
