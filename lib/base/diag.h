/*
 * What programs say: one line a message on stderr, "ntt-enum: could not …".
 *
 * %m in a format is strerror(errno), as in syslog(3).  Every name that goes
 * into a message passes quoted() first: names are hostile.
 */
#ifndef NTT_DIAG_H
#define NTT_DIAG_H

#include <stddef.h>

#include "base/exits.h"

/* -1 with -q, 0 by default, 1 and more with each -v. */
extern int diag_verbosity;

/* The name that prefixes messages: the base name of the program. */
extern const char *diag_prog;

void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A remark that -q silences. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A detail that only -v shows. */
void detail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void die(int status, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* die() with the status that exit_for_errno() gives for errno. */
void die_errno(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/* Wrong usage: the message, "Try '… --help'", and EXIT_USAGE. */
void die_usage(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/*
 * The name in double quotes with control bytes, quotes, backslashes and
 * invalid UTF-8 escaped as in C ("\n", "\x1c").  Valid for the next seven
 * calls; errno is kept.
 */
const char *quoted(const char *name);
const char *quoted_bytes(const void *name, size_t len);

#endif
