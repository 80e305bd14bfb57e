#include "store/verify_finding.h"

#include <string.h>

#include "base/json.h"

enum { PATH_SHOWN = 1500 };

const char *
verify_kind_name(enum verify_kind kind)
{
	static const char *const names[FINDING_KINDS] = {
		"mismatch", "missing", "unreadable", "orphan"
	};

	return names[kind];
}

void
verify_finding_put(const struct verify_finding *f, struct buf *event)
{
	json_text(event, "finding", verify_kind_name(f->kind));
	if (f->id)
		json_text(event, "blobid", f->id);
	if (f->actual)
		json_text(event, "actual", f->actual);
	if (f->size != UINT64_MAX)
		json_u64(event, "size", f->size);
	if (f->actual_size != UINT64_MAX)
		json_u64(event, "actual_size", f->actual_size);
	if (f->err) {
		json_i64(event, "errno", f->err);
		json_text(event, "error", strerror(f->err));
	}
	if (f->detail)
		json_text(event, "detail", f->detail);
	if (f->path && f->path_len <= PATH_SHOWN)
		json_name(event, "path", f->path, f->path_len);
}
