/*
 * Where else a content is.  There is no index by content over all media, so
 * media are looked through one after the other until the time is over, and the
 * page says how far it came.
 */
#ifndef NTT_WEB_WHERE_H
#define NTT_WEB_WHERE_H

#include "entry.h"

enum { WHERE_ON_PAGE_MS = 120, WHERE_ALONE_MS = 3000 };

void where_section(const struct entry *e, int milliseconds);

#endif
