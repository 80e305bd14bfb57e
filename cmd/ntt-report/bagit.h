/*
 * A medium as a bag (RFC 8493): its files below data/, with their SHA-512 in
 * manifest-sha512.txt, and metadata/dfxml.xml about everything that was on it.
 *
 * Files come from the store, as hard links where that is the same file system
 * and as copies elsewhere; each is read for its checksum anyway, and only what
 * still has its BLAKE3 gets into a bag.
 *
 * Names that manifests cannot have (bag_name.h) stand below a directory of their
 * own, data/renamed (with a number behind it where the medium has that name).
 *
 * A bag is made as <dir>.partial and renamed when it is complete and durable.
 */
#ifndef NTT_BAGIT_H
#define NTT_BAGIT_H

#include <libpq-fe.h>
#include <stdint.h>

#include "store/store.h"

struct bagit {
	uint64_t files, bytes;		/* in data/ */
	uint64_t not_copied;		/* pending and failed: not in the bag */
	uint64_t excluded, links;	/* names: left out on purpose */
	uint64_t renamed;		/* names below data/renamed */
	uint64_t lost;			/* names without a sound blob */
	int status;			/* exit status of a failure */
	char *error;			/* its clause; caller frees */
};

/*
 * Called inside a transaction with one snapshot.  progress and stop may be
 * NULL; bytes are those read so far.  lost(blob or path, why) for each
 * that could not be had.  0, or -1 with error and status (EXIT_REFUSED: dir is
 * there already; EXIT_AGAIN: somebody else makes it); nothing is left behind.
 */
int bagit_make(struct bagit *b, PGconn *db, const char *medium,
	const struct store *store, const char *dir,
	void (*progress)(uint64_t bytes), int (*stop)(void),
	void (*lost)(const char *what, const char *why));

#endif
