/* Names that no other process has, on this host or on another one. */
#ifndef NTT_UNIQUE_H
#define NTT_UNIQUE_H

enum { UNIQUE_NAME = 32, UNIQUE_SIGHT = 16 };

/* 128 random bits in hexadecimal digits. */
void unique_name(char name[UNIQUE_NAME + 1]);

/*
 * A text that is the same for all processes of one PID namespace until the next
 * boot: they see each other under the same numbers.  Other hosts and containers
 * have another text, even if their process numbers are the same.
 */
const char *unique_sight(void);

#endif
