/*
 * What takes longer than a page may: how many files each medium has, and what
 * it has that no other has.  The server lets a process count it now and then,
 * and keeps the answer in memory, which every page inherits.
 */
#ifndef NTT_WEB_COUNT_H
#define NTT_WEB_COUNT_H

#include <stddef.h>
#include <stdint.h>

struct counted {
	char medium[64];
	uint64_t files, bytes;
	uint64_t missing;		/* listed, and not stored */
	uint64_t excluded;
	uint64_t contents, only_bytes;	/* that no other medium has */
};

/* Two media with the same contents, from the one's view. */
struct shared {
	char medium[64], other[64];
	uint64_t contents, bytes;
};

/* Others of each medium that are counted; media that one content may have. */
enum { SHARED_OTHERS = 12, SHARED_MEDIA = 100 };

/* The last one failed and said so: the next does not repeat it. */
extern int count_quietly;
/* In a process of its own: everything to fd.  Ends it. */
void count_all(int fd) __attribute__((noreturn));
/* What came from there is the answer from now on: 0, or -1 and it is not. */
int count_take(const void *bytes, unsigned long len);

/* NULL: not counted. */
const struct counted *counted(const char *medium);
/* All of them, in the order of their names. */
const struct counted *counted_all(size_t *n);
/* Those of a medium, NULL: of all; most bytes first for each medium. */
const struct shared *shared_with(const char *medium, size_t *n);
/* "2026-11-29 06:10", NULL: never. */
const char *counted_when(void);

#endif
