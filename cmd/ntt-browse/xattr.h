/* The extended attributes of files and directories. */
#ifndef NTT_BROWSE_XATTR_H
#define NTT_BROWSE_XATTR_H

#include "base/buf.h"
#include "media.h"
#include "store/store.h"

/* The value of one, appended: 0 or errno (ENODATA: it has none). */
int xattr_value(struct shown *m, const struct entry *e,
	const struct store *s, const char *name, struct buf *value);
/* All names, each with its NUL: 0 or errno. */
int xattr_names(struct shown *m, const struct entry *e, struct buf *names);

#endif
