/*
 * Has every directory that holds something a record of its own?
 *
 * A list of ntt-enum has them all; one made by hand may not, and then who shows
 * directories has to look for them (ntt-browse).  Eight bytes of hash for a
 * directory, twice that with the room between them.
 */
#ifndef NTT_LOADER_PARENTS_H
#define NTT_LOADER_PARENTS_H

#include <stddef.h>
#include <stdint.h>

struct parents {
	/* sets: the hashes of directory.h; 0 is a free slot */
	struct parents_set {
		uint64_t *slots;
		size_t size, count;
	} there, wanted;
	int64_t last;
};

/* All zero is an empty one. */
void parents_free(struct parents *p);
/* The directory with this hash has a record. */
void parents_there(struct parents *p, int64_t directory);
/* Something is in it. */
void parents_wanted(struct parents *p, int64_t directory);
/* How many that hold something have no record. */
uint64_t parents_missing(const struct parents *p);

#endif
