/*
 * The entries of plans as an archive on standard output: pax, or zip, which has
 * no place for devices, pipes, attributes, hard links and fractions of seconds.
 */
#ifndef NTT_RESTORE_TAR_H
#define NTT_RESTORE_TAR_H

#include "make.h"

enum tar_format { TAR_PAX, TAR_ZIP };
/* bag: the medium of the bag that the archive is (bag.h); NULL: it is none. */
void tar_open(enum tar_format format, const char *bag);
/* A line of bag-info.txt. */
void tar_bag_info(const char *label, const char *value);
/* prefix: a directory for the medium; NULL: none. */
void tar_medium(PGconn *db, const char *medium, const char *prefix);
void tar_entry(struct maker *m, const struct item *e, int below);
/* A file that is not of the medium. */
void tar_text(const char *name, const struct buf *text);
void tar_close(void);

#endif
