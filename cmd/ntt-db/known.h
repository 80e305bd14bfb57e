/* The lists of known contents that the catalogue keeps. */
#ifndef NTT_DB_KNOWN_H
#define NTT_DB_KNOWN_H

/* Compares file with the contents and keeps that; name NULL: its own name. */
int known_add(const char *file, const char *name);
int known_forget(const char *name);
int known_show(int json);

#endif
