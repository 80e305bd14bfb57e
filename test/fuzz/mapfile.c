/* The map of ddrescue: whatever is accepted covers from 0 without gaps. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "image/map_svg.h"
#include "image/mapfile.h"
#include "ntt-imager/map_text.h"
#include "ntt-imager/map_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What one map has rescued is added to another, and nothing is taken. */
static void
try_gain(const struct mapfile *m)
{
	struct mapfile untried, all, same;

	map_untried(&untried, m->end);
	map_gain(&all, &untried, m);
	map_gain(&same, m, &all);
	if (all.end != m->end || same.end != m->end ||
	    mapfile_bytes(&all, MAPFILE_RESCUED) !=
	    mapfile_bytes(m, MAPFILE_RESCUED) ||
	    mapfile_bytes(&same, MAPFILE_BAD) !=
	    mapfile_bytes(m, MAPFILE_BAD))
		abort();
	mapfile_free(&untried);
	mapfile_free(&all);
	mapfile_free(&same);
}

static void
try_pictures(const struct mapfile *m)
{
	struct buf b = BUF_INIT;

	map_svg(&b, m, 7, 3, "m");
	map_text(&b, m, 7, 1);
	buf_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mapfile m;
	char *error = NULL;
	uint64_t end = 0;
	size_t i;

	if (mapfile_parse(&m, (const char *)data, size, "fuzz", &error) < 0) {
		if (!error)
			abort();
		free(error);
		return 0;
	}
	if (m.count == 0)
		abort();
	for (i = 0; i < m.count; i++) {
		if (m.blocks[i].pos != end || m.blocks[i].size == 0)
			abort();
		end += m.blocks[i].size;
	}
	if (end != m.end)
		abort();
	mapfile_health(&m, end);
	mapfile_lost(&m, end / 2, end / 4);
	try_gain(&m);
	try_pictures(&m);
	mapfile_free(&m);
	return 0;
}
