/* Giving up what root has, but for reading what others may not. */
#ifndef NTT_PRIVILEGE_H
#define NTT_PRIVILEGE_H

/*
 * Started as root: becomes user, or the user who ran sudo when user is NULL,
 * keeping CAP_DAC_READ_SEARCH alone.  Not started as root: nothing.  0, or -1
 * with errno (ENOENT: no such user).
 */
int privilege_drop(const char *user);
/* The same, keeping another capability (capabilities(7)). */
int privilege_keep(const char *user, int capability);

#endif
