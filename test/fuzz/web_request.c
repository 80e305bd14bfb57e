/*
 * Any bytes as an address of ntt-web, and as the name of a download: what is
 * taken for a path has no NUL, no component that climbs, and leads back to
 * itself; a name in a header is one line without quotes or slashes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ntt-web/disposition.h"
#include "ntt-web/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_path(const struct request *r)
{
	static const char *const words[] = { [PAGE_TREE] = "tree",
		[PAGE_FILE] = "file", [PAGE_GET] = "get", [PAGE_IMAGE] = "image",
		[PAGE_WHERE] = "where", [PAGE_TAKE] = "take",
		[PAGE_TAR] = "tar" };
	struct request again = { .page = PAGE_SHELF };
	struct buf around = BUF_INIT, link = BUF_INIT;

	if (r->path.len == 0)
		return;
	if (memchr(r->path.data, '\0', r->path.len))
		abort();
	buf_printf(&around, "/%s/", r->path.data);
	if (strstr(around.data, "/../") || strstr(around.data, "/./") ||
	    strstr(around.data, "//"))
		abort();
	request_link(&link, r->medium, words[r->page], r->path.data,
	    r->path.len);
	if (request_parse(&again, link.data) != (link.len > REQUEST_LONGEST ?
	    414 : 0))
		abort();
	if (link.len <= REQUEST_LONGEST && (again.path.len != r->path.len ||
	    memcmp(again.path.data, r->path.data, r->path.len)))
		abort();
	request_free(&again);
	buf_free(&around);
	buf_free(&link);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request r = { .page = PAGE_SHELF };
	struct buf b = BUF_INIT, uri = BUF_INIT;
	const char *name;
	size_t i;

	buf_put(&uri, data, size);
	if (request_parse(&r, uri.data) == 0)
		check_path(&r);
	request_param(&r, "q");
	request_free(&r);

	disposition_put(&b, uri.data, size, ".tar");
	name = strstr(b.data, "filename=\"");
	if (!name || strncmp(b.data, "attachment; ", 12))
		abort();
	for (i = 0; i < b.len; i++)
		if ((unsigned char)b.data[i] < ' ' ||
		    (unsigned char)b.data[i] > '~' || b.data[i] == '/' ||
		    b.data[i] == '\\')
			abort();
	name = strchr(name + 10, '"');
	if (!name || strchr(name + 1, '"'))
		abort();
	buf_free(&b);
	buf_free(&uri);
	return 0;
}
