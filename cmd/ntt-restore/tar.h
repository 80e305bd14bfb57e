/*
 * The entries of plans as an archive on standard output: pax, or zip, which has
 * no place for devices, pipes, attributes, hard links and fractions of seconds.
 */
#ifndef NTT_RESTORE_TAR_H
#define NTT_RESTORE_TAR_H

#include "make.h"

enum tar_format { TAR_PAX, TAR_ZIP };
void tar_open(enum tar_format format);
/* prefix: a directory for the medium; NULL: none. */
void tar_medium(PGconn *db, const char *medium, const char *prefix);
void tar_entry(struct maker *m, const struct item *e, int below);
/* A file that is not of the medium. */
void tar_text(const char *name, const struct buf *text);
void tar_close(void);

#endif
