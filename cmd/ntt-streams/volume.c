#include "volume.h"

#include <string.h>

void
volume_bytes_init(struct volume_bytes *v, const struct view *view, int image,
    const struct volume *of)
{
	uint32_t i;

	memset(v, 0, sizeof *v);
	v->view = view;
	v->image = image;
	v->of = of;
	v->size = of->need > of->length ? of->need : of->length;
	if (of->pieces > 1)
		for (i = 0, v->size = 0; i < of->pieces; i++)
			v->size += of->piece[i].size;
	else if (of->data > view->length)
		v->size = 0;
	else if (v->size > view->length - of->data)
		v->size = view->length - of->data;
}

/* Where byte pos of the volume is in the image, and how many follow it there. */
static uint64_t
place(const struct volume_bytes *v, uint64_t pos, uint64_t *run)
{
	const struct volume *of = v->of;
	uint32_t i;

	if (of->pieces < 2) {
		*run = v->size - pos;
		return of->data + pos;
	}
	for (i = 0; pos >= of->piece[i].size; i++)
		pos -= of->piece[i].size;
	*run = of->piece[i].size - pos;
	return of->piece[i].start + pos;
}

static int
inside(const struct volume_bytes *v, uint64_t pos, uint64_t len)
{
	return pos <= v->size && len <= v->size - pos;
}

uint64_t
volume_bytes_lost(const struct volume_bytes *v, uint64_t pos, uint64_t len)
{
	uint64_t run, at, lost = 0;

	if (!inside(v, pos, len))
		return len;
	for (; len > 0; pos += run, len -= run) {
		at = place(v, pos, &run);
		run = run > len ? len : run;
		lost += view_lost_within(v->view, at, run);
	}
	return lost;
}

int
volume_bytes_read(struct volume_bytes *v, void *bytes, size_t len,
    uint64_t pos)
{
	char *to = bytes;
	uint64_t run, at;

	if (!inside(v, pos, len))
		return -1;
	for (; len > 0; pos += run, to += run, len -= run) {
		at = place(v, pos, &run);
		run = run > len ? len : run;
		v->lost += view_lost_within(v->view, at, run);
		/* the disk that holds the image fails: no byte is known then */
		if (view_read(v->view, v->image, to, run, at) < 0) {
			memset(to, 0, run);
			v->lost += run;
		}
	}
	return 0;
}
