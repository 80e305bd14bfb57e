/*
 * Content-Disposition of a file with any name (RFC 6266): what is not to be
 * seen or would be a path is "_", what is not UTF-8 too.
 */
#ifndef NTT_WEB_DISPOSITION_H
#define NTT_WEB_DISPOSITION_H

#include "base/buf.h"

/* ending: what follows the name, such as ".tar" */
void disposition_put(struct buf *b, const char *name, size_t len,
	const char *ending);

#endif
