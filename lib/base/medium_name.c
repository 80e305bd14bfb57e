#define _GNU_SOURCE
#include "base/medium_name.h"

#include <string.h>

int
medium_valid(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t len = strlen(name);

	return len > 0 && len <= MEDIUM_MAX && strchr(first, name[0]) &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

int
medium_mountable(const char *name)
{
	size_t len = strlen(name);

	return len >= 16 && len <= 64 &&
	    strspn(name, "0123456789abcdef") == len;
}
