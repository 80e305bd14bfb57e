/* Does this machine have what ntt-sandbox runs? */
#ifndef NTT_SANDBOX_MISSING_H
#define NTT_SANDBOX_MISSING_H

#include "base/buf.h"

/* Adds the names of all packages that are missing: "a, b, c". */
void sandbox_packages(struct buf *names);
/* All that is missing, as one clause; caller frees, NULL: nothing. */
char *sandbox_missing(void);

#endif
