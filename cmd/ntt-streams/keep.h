/*
 * Streams on their way into the store and the catalogue: a stream's row says
 * success only after its blob has its name on the disk.
 *
 *	keep_take(&k, …)		some
 *	keep_flush(&k)			and they are there
 */
#ifndef NTT_STREAMS_KEEP_H
#define NTT_STREAMS_KEEP_H

#include "keep/heal.h"

struct kept {
	int64_t dev, ino;
	char *name;
	char id[STORE_ID + 1];
	uint64_t size;
	struct store_temp temp;
	int is_new;
};

struct keep {
	PGconn *db;
	const char *medium;
	struct store *store;
	struct heal heal;
	struct kept *items;
	size_t count;
	uint64_t bytes;			/* that wait */
	char (*known)[STORE_ID + 1];	/* keep_known() */
	uint64_t stored, new, all_bytes;	/* so far */
};

enum keep_result { KEPT, KEEP_NO_STORE, KEEP_NO_DATABASE };

void keep_init(struct keep *k, PGconn *db, const char *medium,
	struct store *store, const char *trees);
void keep_free(struct keep *k);

/*
 * A blob with this id was taken in this run, so that its bytes are not needed
 * again: 1, or 0: perhaps not.
 */
int keep_known(const struct keep *k, const char *id);
/*
 * The bytes in temp, which is the keeper's, are the stream's.  No bytes (fd -1)
 * where keep_known() said so.
 */
void keep_take(struct keep *k, int64_t dev, int64_t ino, const char *name,
	const char *id, uint64_t size, struct store_temp *temp);
/* Enough for a flush. */
int keep_full(const struct keep *k);
/* KEEP_NO_STORE: errno; KEEP_NO_DATABASE: db_error(). */
enum keep_result keep_flush(struct keep *k);

#endif
