/* Giving up the rights of root, except the right to read everything. */
#ifndef NTT_PRIVILEGE_H
#define NTT_PRIVILEGE_H

/*
 * If started as root: becomes user, or the user who ran sudo if user is NULL,
 * and keeps only CAP_DAC_READ_SEARCH.  If not started as root: does nothing.
 * 0, or -1 with errno (ENOENT: no such user).
 */
int privilege_drop(const char *user);
/* The same, keeping another capability (capabilities(7)). */
int privilege_keep(const char *user, int capability);

#endif
