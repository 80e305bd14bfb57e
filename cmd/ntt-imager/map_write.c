#define _GNU_SOURCE
#include "map_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "base/tempfile.h"

void
map_append(struct mapfile *m, uint64_t size, char status)
{
	if (size == 0)
		return;
	if (m->count > 0 && m->blocks[m->count - 1].status == status) {
		m->blocks[m->count - 1].size += size;
	} else {
		if ((m->count & (m->count - 1)) == 0)
			m->blocks = xrealloc(m->blocks, (m->count ?
			    2 * m->count : 1) * sizeof *m->blocks);
		m->blocks[m->count].pos = m->end;
		m->blocks[m->count].size = size;
		m->blocks[m->count].status = status;
		m->count++;
	}
	m->end += size;
}

void
map_untried(struct mapfile *m, uint64_t size)
{
	memset(m, 0, sizeof *m);
	m->current_status = MAPFILE_UNTRIED;
	m->pass = 1;
	map_append(m, size, MAPFILE_UNTRIED);
}

void
map_gain(struct mapfile *out, const struct mapfile *base,
    const struct mapfile *gained)
{
	uint64_t at = 0, end;
	size_t b = 0, g = 0;

	memset(out, 0, sizeof *out);
	while (b < base->count && g < gained->count) {
		const struct mapfile_block *x = &base->blocks[b];
		const struct mapfile_block *y = &gained->blocks[g];

		end = x->pos + x->size;
		if (y->pos + y->size < end)
			end = y->pos + y->size;
		map_append(out, end - at, y->status == MAPFILE_RESCUED ?
		    y->status : x->status);
		at = end;
		b += x->pos + x->size == end;
		g += y->pos + y->size == end;
	}
	/* ddrescue begins with the first pass, whatever is left for it */
	out->current_status = mapfile_bytes(out, MAPFILE_RESCUED) == out->end ?
	    MAPFILE_RESCUED : MAPFILE_UNTRIED;
	out->pass = 1;
}

int
map_save(const struct mapfile *m, const char *path, const char *comment)
{
	struct buf b = BUF_INIT;
	struct tempfile t;
	size_t i;
	int rc = -1, err;

	buf_printf(&b, "# Mapfile, as of GNU ddrescue. %s\n"
	    "# current_pos  current_status  current_pass\n"
	    "0x%08llX     %c               %d\n"
	    "#      pos        size  status\n", comment,
	    (unsigned long long)m->current_pos, m->current_status,
	    m->pass ? m->pass : 1);
	for (i = 0; i < m->count; i++)
		buf_printf(&b, "0x%08llX  0x%08llX  %c\n",
		    (unsigned long long)m->blocks[i].pos,
		    (unsigned long long)m->blocks[i].size,
		    m->blocks[i].status);
	if (tempfile_open(&t, path) < 0)
		goto out;
	if (write_all(t.fd, b.data, b.len) == 0)
		rc = tempfile_commit(&t);
	err = errno;
	if (rc < 0)
		tempfile_abort(&t);
	errno = err;
out:
	buf_free(&b);
	return rc;
}
