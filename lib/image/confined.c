#define _GNU_SOURCE
#include "image/layout.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bounded.h"

struct task {
	struct layout layout;
	uint64_t size;
	const struct view *view;
	const struct layout_found *found;
	int fd, limit_ms, err;
};

static int
recognise_work(void *arg)
{
	struct task *t = arg;

	if (layout_recognise(&t->layout, t->fd, t->size, t->limit_ms,
	    t->found) == 0) {
		layout_measure(&t->layout, t->fd, t->size, t->view);
		return 0;
	}
	t->err = errno;
	return 1;
}

#define TERMINATED(s) (memchr((s), 0, sizeof (s)) != NULL)

static int
inside(uint64_t at, uint64_t length, uint64_t size)
{
	return at < size && length <= size - at;
}

/* Inside the image, with strings that end and numbers used once. */
static int
volume_sane(const struct volume *v, uint64_t size)
{
	uint32_t i;

	if (v->pieces > LVM_PIECES || v->boot_size > sizeof v->boot ||
	    v->boot_size > v->length ||
	    v->mends > sizeof v->mend / sizeof v->mend[0] ||
	    v->need > LAYOUT_BYTES_MAX || v->data > LAYOUT_BYTES_MAX)
		return 0;
	for (i = 0; i < v->mends; i++)
		if (!inside(v->mend[i].to, v->mend[i].size, size) ||
		    !inside(v->mend[i].from, v->mend[i].size, size))
			return 0;
	for (i = 0; i < v->pieces; i++)
		if (!inside(v->piece[i].start, v->piece[i].size, size))
			return 0;
	return v->kind < VOLUME_KINDS &&
	    v->num < LAYOUT_MAX * LAYOUT_LV_BASE + LAYOUT_LV_BASE &&
	    v->start <= UINT64_MAX - v->size &&
	    (v->length == 0 || inside(v->data, v->length, size)) &&
	    TERMINATED(v->fstype) && TERMINATED(v->also) &&
	    TERMINATED(v->uuid) &&
	    TERMINATED(v->label) && TERMINATED(v->reason) &&
	    TERMINATED(v->detail);
}

static int
layout_sane(const struct layout *l, uint64_t size)
{
	uint32_t i, j;

	if (l->count > LAYOUT_MAX || !TERMINATED(l->table) ||
	    !TERMINATED(l->content) || !TERMINATED(l->finding))
		return 0;
	for (i = 0; i < l->count; i++) {
		if (!volume_sane(&l->volumes[i], size))
			return 0;
		for (j = 0; j < i; j++)
			if (l->volumes[j].num == l->volumes[i].num)
				return 0;
	}
	return 1;
}

int
layout_confined(struct layout *l, int fd, uint64_t size,
    const struct view *view, int timeout_ms,
    const struct layout_found *found)
{
	struct task *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int rc, err = EBADMSG;

	if (t == MAP_FAILED)
		return -1;
	t->size = size;
	t->fd = fd;
	t->view = view;
	t->found = found;
	/* whatever it has found by then is worth having */
	t->limit_ms = timeout_ms / 2;
	rc = bounded_run(recognise_work, t, fd, timeout_ms, BOUNDED_NONE);
	if (rc < 0) {
		err = errno;
	} else if (rc == 1) {
		err = t->err ? t->err : EBADMSG;
	} else if (rc == 0) {
		memcpy(l, &t->layout, sizeof *l);
		err = layout_sane(l, size) ? 0 : EBADMSG;
	}
	munmap(t, sizeof *t);
	errno = err;
	return err ? -1 : 0;
}
