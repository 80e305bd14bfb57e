/* The areas of a medium that could not be read. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/archive_read.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "catalogue/db.h"
#include "image/map_svg.h"
#include "image/mapfile.h"
#include "page/page.h"
#include "sql/statements.h"
#include "answer.h"
#include "frame.h"

static int
append(void *arg, const void *bytes, size_t len)
{
	buf_put(arg, bytes, len);
	return 0;
}

/* The image may be gone, with its map in the archive. */
static int
map_of_archive(struct mapfile *map, const char *archive, char **error)
{
	char *member = xasprintf("%s.map", asked->medium);
	int fd = open(archive, O_RDONLY | O_CLOEXEC), rc = -1;
	struct buf bytes = BUF_INIT;

	if (fd >= 0 && archive_extract(fd, member, 0, UINT64_MAX, append,
	    &bytes, error) == 0)
		rc = mapfile_parse(map, bytes.data ? bytes.data : "",
		    bytes.len, member, error);
	if (fd >= 0)
		close(fd);
	buf_free(&bytes);
	free(member);
	return rc;
}

/* 0; -1: there is none, or *error says what is wrong with it. */
static int
find_map(struct mapfile *map, char **error)
{
	const char *medium = asked->medium;
	PGresult *res = web_ask(sql_web_files, 1, &medium);
	char *image = db_path_value(res, 0, 0), *path;
	char *archive = db_path_value(res, 0, 1);
	int rc = -1;

	if (!image)
		image = medium_image(medium);
	path = image_map(image);
	if (access(path, F_OK) == 0)
		rc = mapfile_load(map, path, error);
	else if (archive && access(archive, F_OK) == 0)
		rc = map_of_archive(map, archive, error);
	free(path);
	free(image);
	free(archive);
	PQclear(res);
	return rc;
}

static void
put_areas(const struct mapfile *map)
{
	size_t i;
	int rows = 0;

	for (i = 0; i < map->count && rows < PAGE_ROWS; i++) {
		const struct mapfile_block *b = &map->blocks[i];

		if (b->status == MAPFILE_RESCUED)
			continue;
		if (rows++ == 0) {
			page_section(&page, "areas", text(MSG_AREAS));
			page_table(&page, text(MSG_AREAS), text(MSG_AREA),
			    text(MSG_N_BYTES));
		}
		page_row(&page);
		page_cell_begin(&page, 0);
		buf_printf(&page, "%s \342\200\223 ", num_grouped(b->pos));
		buf_puts(&page, num_grouped(b->pos + b->size - 1));
		page_cell_begin(&page, 1);
		buf_puts(&page, num_bytes(b->size));
	}
	if (rows == 0)
		return;
	page_table_end(&page);
	if (rows == PAGE_ROWS)
		frame_paragraph(&page, "notice", MSG_MISSING_FIRST,
		    num_grouped(PAGE_ROWS));
	page_section_end(&page);
}

void
map_page(void)
{
	const struct shown_medium *m = shown_medium();
	struct mapfile map;
	char *error = NULL;
	int rc;

	frame_begin(&page, MSG_MAP_KICKER, m->name, strlen(m->name));
	buf_printf(&page, "<p><a href=\"/m/%s\">", asked->medium);
	put(&page, MSG_MEDIUM);
	buf_puts(&page, "</a></p>\n");
	frame_main(&page);
	rc = find_map(&map, &error);
	if (rc == 0) {
		buf_puts(&page, "<figure class=\"plate\">\n");
		map_svg(&page, &map, 40, 20, "blocks");
		buf_puts(&page, "<figcaption>");
		put(&page, MSG_MAP_HELP);
		buf_puts(&page, "</figcaption>\n</figure>\n");
		put_areas(&map);
	} else if (error) {
		frame_paragraph(&page, "notice", MSG_MAP_BROKEN, error);
	} else {
		frame_paragraph(&page, NULL, MSG_MAP_NONE);
	}
	frame_end(&page);
	reply_page(200, &page);
}
