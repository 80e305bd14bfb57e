/* What ntt-doctor finds, printed as it is found. */
#ifndef NTT_DOCTOR_FINDING_H
#define NTT_DOCTOR_FINDING_H

#include "base/buf.h"

enum grade { OK, NOTE, WRONG };

/* What findings are about, as they are printed. */
enum topic { PROGRAMS, ROOTS, CATALOGUE, STORE, MOUNTING, MACHINE, ROOM };

/*
 * Takes over text, one clause, and help, which may be NULL: what a person can
 * do about it, one line.
 */
void finding(enum topic topic, enum grade grade, char *text, char *help);

/* Before the first: JSON or lines; quiet: only what is wrong. */
void finding_begin(int json, int quiet);
/* After the last; the exit status. */
int finding_end(void);

/* Each looks at one topic. */
void check_programs(void);
void check_roots(void);
void check_catalogue(void);
void check_mounting(void);
void check_machine(void);
/* Room for a device, an image or a directory. */
void check_room(const char *medium);

#endif
