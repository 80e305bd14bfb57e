#ifndef NTT_DOCTOR_ROOTS_H
#define NTT_DOCTOR_ROOTS_H

/* path, or the nearest directory above it that exists; caller frees. */
char *nearest_there(const char *path);

#endif
