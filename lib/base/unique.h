/* Names that no other process has, on this host or on another one. */
#ifndef NTT_UNIQUE_H
#define NTT_UNIQUE_H

enum { UNIQUE_NAME = 32, UNIQUE_SIGHT = 16 };

/* 128 random bits in hexadecimal digits. */
void unique_name(char name[UNIQUE_NAME + 1]);

/*
 * The same for all processes that see each other under the same numbers: those
 * of one PID namespace until the next boot.  Hosts, and containers in which
 * every program has number 1, differ.
 */
const char *unique_sight(void);

#endif
