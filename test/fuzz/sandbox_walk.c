#include <stdlib.h>
#include <string.h>

#include "sandbox_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a guest says, nothing but a path below the root comes out. */
static void
check(const char *path, size_t len)
{
	if (len < 5 || memcmp(path, "/root", 5) || path[len] != '\0' ||
	    strlen(path) != len || (len > 5 && path[5] != '/'))
		abort();
}

static int
entry(void *arg, const struct raw_record *rec)
{
	(void)arg;
	check(rec->path, rec->path_len);
	return 0;
}

static int
problem(void *arg, int err, const char *doing, const char *path, size_t len)
{
	(void)arg;
	check(path, len);
	return err <= 0 || strlen(doing) > 23;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char room[WALK_PATH_ROOM];
	struct walk_progress progress;
	struct walk w = { .path = room, .entry = entry, .problem = problem,
		.progress = &progress };
	struct sandbox_frame f;
	char *bytes;

	while (size >= sizeof f) {
		memcpy(&f, data, sizeof f);
		data += sizeof f;
		size -= sizeof f;
		if (f.len > size)
			f.len = (uint32_t)size;
		/* of its own, so that reading past its end is seen */
		bytes = malloc(f.len + 1);
		memcpy(bytes, data, f.len);
		bytes[f.len] = '\0';
		sandbox_walk_frame(&w, "/root", &f, bytes);
		free(bytes);
		data += f.len;
		size -= f.len;
	}
	return 0;
}
