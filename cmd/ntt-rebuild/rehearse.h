/*
 * A rehearsal: the catalogue is made again in a database of its own beside the
 * living one, compared with it, and thrown away.
 */
#ifndef NTT_REBUILD_REHEARSE_H
#define NTT_REBUILD_REHEARSE_H

/*
 * What is on the disk: from is the directory of a place, which is read in place of
 * the roots; NULL: the roots.  make() fills the catalogue that NTT_DB_URL names,
 * in a process of its own, and returns an exit status.  Prints what differs.
 * Ends the program when it cannot be done; else EXIT_DONE or EXIT_PARTIAL.
 */
int rehearse(const char *from, int (*make)(void));

#endif
