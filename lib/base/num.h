/* Numbers from people, checked; for the fixed decimal fields of files too. */
#ifndef NTT_NUM_H
#define NTT_NUM_H

#include <stddef.h>
#include <stdint.h>

/* 0 and *out, or -1 with errno EINVAL (not a number) or ERANGE. */
int num_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out);
int num_i64(const char *s, int64_t min, int64_t max, int64_t *out);

/* Bytes with an optional suffix K M G T P (powers of 1024). */
int num_size(const char *s, uint64_t *out);

/*
 * Seconds, from a number such as 90 or 1.5 with an optional s, m, h or d; unit
 * is the unit without a letter, in seconds.  More than 0.
 */
int num_seconds(const char *s, double unit, double *out);

/*
 * The same for an option or operand: wrong values end the program with
 * EXIT_USAGE and a message that names what, e.g. "--limit".
 */
uint64_t num_arg(const char *what, const char *s, uint64_t min, uint64_t max);
uint64_t size_arg(const char *what, const char *s);
double seconds_arg(const char *what, const char *s, double unit);

/* "1.4 GB", for people; the buffer is valid for the next seven calls. */
const char *num_bytes(uint64_t bytes);
/* "12,345", likewise. */
const char *num_grouped(uint64_t n);

#endif
