/* Which processes have something below a directory open, or stand in it. */
#ifndef NTT_PATH_USERS_H
#define NTT_PATH_USERS_H

#include "base/buf.h"

/*
 * "1234 (bash), 1240 (ntt-enum)" in out, empty if there is none.  Other users'
 * processes are seen by root only.
 */
void path_users(const char *dir, struct buf *out);

#endif
