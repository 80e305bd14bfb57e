#define _GNU_SOURCE
#include "base/mime.h"

#include <stdio.h>

magic_t
mime_open(int flags, const char **why)
{
	static char reason[256];
	magic_t magic = magic_open(flags | MAGIC_NO_CHECK_COMPRESS);

	if (magic && magic_load(magic, NULL) == 0)
		return magic;
	snprintf(reason, sizeof reason, "%s", magic ? magic_error(magic) :
	    "no memory");
	*why = reason;
	if (magic)
		magic_close(magic);
	return NULL;
}
