#include "mount/mount_report.h"

#include <string.h>

#include "base/json.h"

static const char *
or_null(const char *s)
{
	return *s ? s : NULL;
}

void
mount_report_begin(struct buf *b, const char *image, const struct layout *l,
    const char *refused)
{
	json_name(b, "image", image, strlen(image));
	json_text(b, "table", or_null(l->table));
	json_text(b, "finding", or_null(l->finding));
	if (refused)
		json_name(b, "refused", refused, strlen(refused));
	json_begin_array(b, "partitions");
}

void
mount_report_partition(struct buf *b, const struct volume *v,
    const struct volume_outcome *o)
{
	json_begin_object(b, NULL);
	json_u64(b, "num", v->num);
	json_text(b, "device", o->mount ? o->device : NULL);
	json_text(b, "mount", o->mount);
	json_text(b, "fstype", or_null(o->fstype));
	json_text(b, "status", o->status);
	json_u64(b, "start", v->start);
	json_u64(b, "size", v->size);
	json_text(b, "uuid", or_null(v->uuid));
	json_text(b, "label", or_null(v->label));
	json_text(b, "reason", or_null(o->reason));
	if (o->lost) {
		json_u64(b, "lost", o->lost);
		json_text(b, "failing", o->failing);
		json_text(b, "failing_reason", or_null(o->failing_reason));
		json_u64(b, "refused_from", o->refused_from);
		json_u64(b, "refused_to", o->refused_to);
	}
	json_text(b, "by", o->mount ? o->by : NULL);
	if (*v->also)
		json_text(b, "also", v->also);
	if (*v->detail)
		json_raw(b, NULL, v->detail);
	json_end_object(b);
}

void
mount_report_end(struct buf *b, const struct layout *l)
{
	uint32_t i;

	json_end_array(b);
	json_begin_array(b, "skipped");
	for (i = 0; i < l->count; i++) {
		const struct volume *v = &l->volumes[i];

		if (v->kind != VOLUME_SKIP)
			continue;
		json_begin_object(b, NULL);
		json_u64(b, "num", v->num);
		json_u64(b, "start", v->start);
		json_u64(b, "size", v->size);
		json_text(b, "reason", v->reason);
		json_end_object(b);
	}
	json_end_array(b);
	json_end_object(b);
}

int
mount_report_loss(const struct layout *l, const struct volume *v,
    const struct volume_outcome *o)
{
	uint32_t i;

	if (o->mount || v->kind == VOLUME_SWAP)
		return o->mount && v->truncated;
	if (v->kind != VOLUME_LVM && v->kind != VOLUME_RAID)
		return 1;
	/* a group or an array whose volumes are listed is judged by them */
	for (i = 0; i < l->count; i++)
		if (l->volumes[i].num / LAYOUT_LV_BASE == v->num &&
		    l->volumes[i].num != v->num)
			return 0;
	return 1;
}
