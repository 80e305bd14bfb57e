/* The entries of plans as a pax archive on standard output. */
#ifndef NTT_RESTORE_TAR_H
#define NTT_RESTORE_TAR_H

#include "make.h"

void tar_open(void);
/* prefix: a directory for the medium; NULL: none. */
void tar_medium(PGconn *db, const char *medium, const char *prefix);
void tar_entry(struct maker *m, const struct item *e, int below);
/* A file that is not of the medium. */
void tar_text(const char *name, const struct buf *text);
void tar_close(void);

#endif
