#define _GNU_SOURCE
#include "image/image_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "image/mapfile.h"

/* Its text; caller frees, NULL with *remark. */
static char *
map_text(const char *path, int anywhere, size_t *len, char **remark)
{
	enum { MAP_MAX = 256 << 20 };
	struct image file;
	const char *why;
	char *text = NULL;
	ssize_t n = -1;

	if (image_open(&file, path, anywhere, &why) < 0) {
		*remark = xasprintf("the map %s is ignored: %s",
		    quoted(path), why);
		return NULL;
	}
	errno = EFBIG;
	if (file.size <= MAP_MAX) {
		text = xmalloc((size_t)file.size + 1);
		n = pread_full(file.fd, text, (size_t)file.size, 0);
	}
	image_close(&file);
	if (n < 0) {
		*remark = xasprintf("the map %s is ignored: %s",
		    quoted(path), strerror(errno));
		free(text);
		return NULL;
	}
	*len = (size_t)n;
	return text;
}

void
image_view_init(struct view *v, const struct image *im, int anywhere,
    char **remark)
{
	char *path = image_map(im->path), *text = NULL, *error;
	struct mapfile map = { .count = 0 };
	size_t len;

	*remark = NULL;
	if (access(path, F_OK) == 0)
		text = map_text(path, anywhere, &len, remark);
	if (text && mapfile_parse(&map, text, len, path, &error) < 0) {
		*remark = xasprintf("the map is ignored: %s", error);
		free(error);
		memset(&map, 0, sizeof map);
	}
	view_init(v, im->size, map.count ? &map : NULL, map.end);
	mapfile_free(&map);
	free(text);
	free(path);
}

void
image_view_fit(struct view *v, const struct layout *l)
{
	uint32_t i, n;

	for (i = 0; i < l->count; i++) {
		const struct volume *of = &l->volumes[i];
		uint64_t end = of->data + of->need;

		if (of->need)
			view_extend(v, end);
		if (of->boot_size)
			view_put_bytes(v, of->data, of->boot, of->boot_size);
		for (n = 0; n < of->mends; n++)
			view_copy(v, of->mend[n].to, of->mend[n].size,
			    of->mend[n].from);
	}
}
