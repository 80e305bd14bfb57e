#define _GNU_SOURCE
#include "base/unique.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fnv.h"
#include "base/fsutil.h"

void
unique_name(char name[UNIQUE_NAME + 1])
{
	uint8_t bits[UNIQUE_NAME / 2];

	if (getrandom(bits, sizeof bits, 0) != sizeof bits)
		die_errno("could not get random bits: %m");
	hex_encode(name, bits, sizeof bits);
}

static uint64_t
add(uint64_t hash, const char *text, ssize_t len)
{
	return fnv(hash, text, len > 0 ? (size_t)len : 0);
}

const char *
unique_sight(void)
{
	static char sight[UNIQUE_SIGHT + 1];
	uint64_t hash = FNV_START;
	char text[64];
	int fd;

	if (*sight)
		return sight;
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		hash = add(hash, text, read_full(fd, text, sizeof text));
		close(fd);
	}
	hash = add(hash, text, readlink("/proc/self/ns/pid", text,
	    sizeof text));
	hex_encode(sight, (const uint8_t *)&hash, sizeof hash);
	return sight;
}
