#define _GNU_SOURCE
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/archive_read.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "catalogue/db.h"
#include "catalogue/inventory.h"
#include "catalogue/medium.h"
#include "image/map_svg.h"
#include "page/markup.h"
#include "page/page.h"
#include "sql/statements.h"
#include "log.h"

const char *
report_column(const struct report *r, enum report_column c)
{
	return db_text_null(r->row, 0, (int)c);
}

const char *
report_state(const struct report *r)
{
	return report_column(r, REPORT_ARCHIVED) ? "archived" :
	    report_column(r, REPORT_COPIED) ? "copied" :
	    report_column(r, REPORT_LISTED) ? "loaded" :
	    report_column(r, REPORT_IMAGED) || r->map.count ? "imaged" :
	    "registered";
}

PGresult *
report_query(const struct report *r, const char *sql)
{
	char *text = sql_for(sql, r->medium);
	const char *params[] = { r->medium, r->hide_restricted ? "f" : "t" };
	PGresult *res = db_query_n(r->db, text, strstr(text, "$2") ? 2 :
	    strstr(text, "$1") ? 1 : 0, params);

	if (!res)
		db_die("could not report on %s", r->medium);
	free(text);
	return res;
}

void
report_time(struct buf *b, const char *time)
{
	buf_puts(b, "<time>");
	page_text(b, time);
	buf_puts(b, "</time>");
}

void
report_path(struct buf *b, PGresult *res, int row, int col)
{
	struct buf path = BUF_INIT;

	if (PQgetisnull(res, row, col) ||
	    db_bytea_value(res, row, col, &path) < 0)
		buf_puts(b, "(no path)");
	else if (path.len == 0)
		buf_puts(b, "(the root)");
	else
		page_name(b, path.data, path.len);
	buf_free(&path);
}

/* Opening. */

static int
append(void *arg, const void *bytes, size_t len)
{
	buf_put(arg, bytes, len);
	return 0;
}

/* The image may be gone, with its map in the archive. */
static int
map_of_archive(struct report *r, const char *archive)
{
	char *member = xasprintf("%s.map", r->medium), *error = NULL;
	struct buf text = BUF_INIT;
	int fd = open(archive, O_RDONLY | O_CLOEXEC), rc = -1;

	if (fd >= 0 && archive_extract(fd, member, 0, UINT64_MAX, append,
	    &text, &error) == 0)
		rc = mapfile_parse(&r->map, text.data ? text.data : "",
		    text.len, member, &error);
	if (fd >= 0)
		close(fd);
	if (rc == 0)
		r->map_from = xstrdup(archive);
	buf_free(&text);
	free(member);
	free(error);
	return rc;
}

static void
find_map(struct report *r)
{
	char *image = db_path_value(r->row, 0, REPORT_IMAGE), *path;
	char *archive = db_path_value(r->row, 0, REPORT_ARCHIVE);

	if (!image)
		image = medium_image(r->medium);
	path = image_map(image);
	if (access(path, F_OK) == 0) {
		if (mapfile_load(&r->map, path, &r->map_error) == 0)
			r->map_from = xstrdup(path);
		else
			memset(&r->map, 0, sizeof r->map);
	} else if (archive && map_of_archive(r, archive) < 0) {
		memset(&r->map, 0, sizeof r->map);
	}
	free(path);
	free(image);
	free(archive);
}

#define UTC(time) \
    "to_char(" time " AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), "

void
report_open(struct report *r, PGconn *db, const char *medium,
    struct buf *out)
{
	r->db = db;
	r->out = out;
	r->medium = medium;
	r->row = db_query(db, sql_report_medium, medium);
	if (!r->row)
		db_die("could not look at %s", medium);
	if (PQntuples(r->row) == 0)
		die(EXIT_FAILED, "the catalogue has no medium %s",
		    quoted(medium));
	r->loaded = medium_loaded(db, medium);
	if (r->loaded < 0)
		db_die("could not look at %s", medium);
	if (r->loaded) {
		if (facts_load(&r->facts, db, medium) < 0)
			db_die("could not sum up %s", medium);
	}
	find_map(r);
}

void
report_close(struct report *r)
{
	if (r->loaded)
		facts_free(&r->facts);
	if (r->map.count)
		mapfile_free(&r->map);
	PQclear(r->row);
	free(r->map_from);
	free(r->map_error);
	buf_free(&r->photo);
	memset(r, 0, sizeof *r);
}

int
report_photo(struct report *r, const char *file, char **error)
{
	enum { MOST = 32 << 20 };
	static const char png[] = "\x89PNG\r\n\x1a\n", jpeg[] = "\xff\xd8\xff";
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		buf_reserve(&r->photo, MOST + 1);
		n = read_full(fd, r->photo.data, MOST + 1);
	}
	if (n < 0) {
		*error = xasprintf("could not read %s: %s", quoted(file),
		    strerror(errno));
	} else if (n > MOST) {
		*error = xasprintf("cannot embed %s: it is larger than %s",
		    quoted(file), num_bytes(MOST));
	} else {
		r->photo.len = (size_t)n;
		r->photo_type = n > 8 && !memcmp(r->photo.data, png, 8) ?
		    "image/png" : n > 3 && !memcmp(r->photo.data, jpeg, 3) ?
		    "image/jpeg" : NULL;
		if (!r->photo_type)
			*error = xasprintf("cannot embed %s: it is neither "
			    "JPEG nor PNG", quoted(file));
	}
	if (fd >= 0)
		close(fd);
	return *error ? -1 : 0;
}

/* Identity. */

static void
put_photo(struct report *r)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)r->photo.data;
	size_t left = r->photo.len;

	if (!r->photo_type)
		return;
	buf_printf(r->out, "<figure class=\"photo\"><img alt=\"The label of "
	    "the medium\" src=\"data:%s;base64,", r->photo_type);
	for (; left > 0; p += 3) {
		uint32_t bits = (uint32_t)p[0] << 16 |
		    (left > 1 ? (uint32_t)p[1] << 8 : 0) |
		    (left > 2 ? p[2] : 0);

		buf_putc(r->out, digits[bits >> 18]);
		buf_putc(r->out, digits[bits >> 12 & 63]);
		buf_putc(r->out, left > 1 ? digits[bits >> 6 & 63] : '=');
		buf_putc(r->out, left > 2 ? digits[bits & 63] : '=');
		left -= left < 3 ? left : 3;
	}
	buf_puts(r->out, "\"><figcaption>The label of the medium"
	    "</figcaption></figure>\n");
}

/* A term of the card, unless there is nothing to say. */
static void
put_fact(struct report *r, const char *term, enum report_column c)
{
	const char *text = report_column(r, c);

	if (!text || !*text || !strcmp(text, "unknown"))
		return;
	page_term(r->out, term);
	page_text(r->out, text);
}

static void
put_path_fact(struct report *r, const char *term, enum report_column c)
{
	char *path = db_path_value(r->row, 0, (int)c);

	if (path) {
		page_term(r->out, term);
		page_name(r->out, path, strlen(path));
	}
	free(path);
}

static void
put_inventory(struct report *r)
{
	struct inventory all;
	size_t i;

	inventory_read(&all, report_column(r, REPORT_INVENTORY));
	for (i = 0; i < all.count; i++) {
		page_term(r->out, all.item[i].name);
		page_text(r->out, all.item[i].value);
	}
	inventory_free(&all);
}

void
report_identity(struct report *r)
{
	struct buf *b = r->out;
	const char *size = report_column(r, REPORT_SIZE);

	page_section(b, "identity", "Identity");
	buf_puts(b, "<div class=\"beside\">\n");
	page_list(b, "card");
	page_term(b, "Hash");
	buf_printf(b, "<code>%s</code>", r->medium);
	put_fact(r, "Hash version", REPORT_HASH_VERSION);
	put_fact(r, "Title", REPORT_TITLE);
	put_fact(r, "Name", REPORT_HUMAN);
	put_fact(r, "Message", REPORT_MESSAGE);
	put_inventory(r);
	put_fact(r, "Kind", REPORT_KIND);
	put_fact(r, "Model", REPORT_MODEL);
	put_fact(r, "Serial number", REPORT_SERIAL);
	if (size) {
		page_term(b, "Size");
		buf_printf(b, "%s (%s bytes)",
		    num_bytes(strtoull(size, NULL, 10)),
		    num_grouped(strtoull(size, NULL, 10)));
	}
	put_fact(r, "File system", REPORT_FS);
	put_path_fact(r, "Source", REPORT_SOURCE);
	put_fact(r, "Container", REPORT_CONTAINER);
	put_path_fact(r, "Image", REPORT_IMAGE);
	put_path_fact(r, "Archive", REPORT_ARCHIVE);
	if (report_column(r, REPORT_SUPERSEDED)) {
		page_term(b, "Superseded by");
		buf_printf(b, "<code>%s</code>",
		    report_column(r, REPORT_SUPERSEDED));
	}
	page_term(b, "Registered");
	report_time(b, report_column(r, REPORT_ADDED));
	page_list_end(b);
	put_photo(r);
	buf_puts(b, "</div>\n");
	page_section_end(b);
}

/* Health. */

static void
put_map(struct report *r)
{
	struct buf *b = r->out;

	buf_puts(b, "<figure class=\"plate\">\n");
	map_svg(b, &r->map, 40, 20, "blocks");
	buf_puts(b, "<figcaption>The medium from its beginning to its end, "
	    "left to right and downwards. From ");
	page_name(b, r->map_from, strlen(r->map_from));
	buf_puts(b, "</figcaption>\n</figure>\n");
}

static const char *
health_in_words(const char *health)
{
	return !strcmp(health, "ok") ? "every byte was rescued" :
	    !strcmp(health, "incomplete") ? "90\302\240% and more was rescued" :
	    !strcmp(health, "corrupt") ? "20\302\240% and more was rescued" :
	    "less than 20\302\240% was rescued";
}

void
report_health(struct report *r)
{
	const char *kind = report_column(r, REPORT_KIND);
	const char *health = report_column(r, REPORT_HEALTH);
	struct buf *b = r->out;
	uint64_t rescued;

	if (!r->map.count && !health && !r->map_error && (!kind ||
	    (strcmp(kind, "image") && strcmp(kind, "device"))))
		return;
	page_section(b, "health", "Health");
	if (r->map.count) {
		rescued = mapfile_bytes(&r->map, MAPFILE_RESCUED);
		buf_puts(b, "<p><strong>");
		page_share(b, rescued, r->map.end);
		buf_printf(b, "</strong> of the medium was rescued: %s of "
		    "%s bytes", num_grouped(rescued), num_grouped(r->map.end));
		if (rescued < r->map.end)
			buf_printf(b, "; %s are missing and are zeros in the "
			    "image", num_grouped(r->map.end - rescued));
		buf_puts(b, ".</p>\n");
	} else if (r->map_error) {
		buf_puts(b, "<p class=\"warn\">The map cannot be used: ");
		page_text(b, r->map_error);
		buf_puts(b, ".</p>\n");
	} else {
		buf_puts(b, "<p>There is no map: which bytes were read from "
		    "the medium and which could not be is unknown.</p>\n");
	}
	if (health) {
		buf_puts(b, "<p>In the catalogue its health is ");
		page_text(b, health);
		buf_printf(b, ": %s.</p>\n", health_in_words(health));
	}
	if (r->map.count)
		put_map(r);
	page_section_end(b);
}

void
report_partitions(struct report *r)
{
	struct buf *b = r->out;
	PGresult *res = report_query(r, sql_report_partitions);
	int row;

	if (PQntuples(res) > 0) {
		page_section(b, "partitions", "Partitions");
		page_table(b, PQgetisnull(res, 0, 8) ? "No partition table" :
		    "As the partition table has them", "Partition",
		    "File system", "Label", "#Begins at byte", "#Size",
		    "State");
		for (row = 0; row < PQntuples(res); row++) {
			page_row(b);
			page_cell(b, db_int(res, row, 0) ?
			    db_text(res, row, 0) : "whole medium");
			page_cell(b, db_text(res, row, 1));
			page_cell_begin(b, 0);
			page_name(b, db_text(res, row, 2),
			    strlen(db_text(res, row, 2)));
			page_count(b, (uint64_t)db_int(res, row, 3));
			page_bytes(b, (uint64_t)db_int(res, row, 4));
			page_cell_begin(b, 0);
			page_text(b, db_text(res, row, 6));
			if (!PQgetisnull(res, row, 7)) {
				buf_puts(b, ": ");
				page_text(b, db_text(res, row, 7));
			}
		}
		page_table_end(b);
		page_section_end(b);
	}
	PQclear(res);
}

/* Stages. */

static void
put_stage(struct buf *b, const char *name, const char *when,
    const struct report_stage_log *log)
{
	page_row(b);
	page_cell(b, name);
	page_cell_begin(b, 0);
	if (when)
		report_time(b, when);
	else if (log && *log->end)
		buf_printf(b, "<time>%.10s %.8s</time>", log->end,
		    log->end + 11);
	else
		buf_puts(b, "not yet");
	page_cell_begin(b, 1);
	if (log && log->seconds >= 0)
		page_seconds(b, log->seconds);
}

/* Rates of less than a second say nothing. */
static void
put_rate(struct buf *b, double amount, double seconds, int bytes)
{
	uint64_t rate;

	page_cell_begin(b, 1);
	if (seconds < 1 || amount <= 0)
		return;
	rate = (uint64_t)(amount / seconds + 0.5);
	buf_printf(b, "%s/s", bytes ? num_bytes(rate) : num_grouped(rate));
}

static void
put_copying(struct report *r, const struct report_stage_log *log)
{
	struct buf *b = r->out;
	PGresult *res = report_query(r, sql_report_copying);
	struct report_stage_log by_minute = *log;

	/* the time of copiers that somebody started by hand is in minutes */
	if (by_minute.seconds < 0 && db_int(res, 0, 4) > 1)
		by_minute.seconds = 60 * (double)db_int(res, 0, 4);
	put_stage(b, "Copied", report_column(r, REPORT_COPIED), &by_minute);
	page_cell_begin(b, 0);
	if (db_int(res, 0, 0) > 0) {
		page_plural(b, (uint64_t)db_int(res, 0, 0), "file", "files");
		buf_printf(b, ", %s; %s new contents, %s, that the store did "
		    "not have",
		    num_bytes((uint64_t)db_int(res, 0, 1)),
		    num_grouped((uint64_t)db_int(res, 0, 2)),
		    num_bytes((uint64_t)db_int(res, 0, 3)));
	}
	put_rate(b, (double)db_int(res, 0, 1), by_minute.seconds, 1);
	PQclear(res);
}

static void
put_records(struct buf *b, uint64_t records)
{
	page_cell_begin(b, 0);
	if (records)
		page_plural(b, records, "entry", "entries");
}

/* What a person would type now, as ntt-pipeline-status has it. */
static void
put_next(struct report *r)
{
	const char *kind = report_column(r, REPORT_KIND);
	int is_image = kind && (!strcmp(kind, "image") ||
	    !strcmp(kind, "device"));
	char *source = db_path_value(r->row, 0, is_image ? REPORT_IMAGE :
	    REPORT_SOURCE);
	struct buf command = BUF_INIT;
	const char *words = "Next:";

	if (!r->loaded || !report_column(r, REPORT_LISTED)) {
		buf_puts(&command, "ntt-orchestrator ");
		if (is_image)
			buf_puts(&command, "--image ");
		buf_shell(&command, source ? source : "SOURCE");
	} else if (facts_of(&r->facts, NULL, "pending").count > 0) {
		buf_printf(&command, "ntt-copy-workers --wait -m %s",
		    r->medium);
	} else if (!report_column(r, REPORT_ARCHIVED)) {
		int failed = facts_of(&r->facts, NULL,
		    "failed_retryable").count + facts_of(&r->facts, NULL,
		    "failed_permanent").count > 0;

		if (failed)
			words = "Next: what <a href=\"#failures\">failed</a>; "
			    "or, to archive the medium in spite of that:";
		buf_printf(&command, "ntt-archiver %s%s", failed ?
		    "--allow-failures " : "", r->medium);
	}
	if (command.len) {
		buf_printf(r->out, "<p>%s</p>\n", words);
		page_command(r->out, command.data);
	}
	buf_free(&command);
	free(source);
}

void
report_stages(struct report *r)
{
	const char *kind = report_column(r, REPORT_KIND);
	const char *records = report_column(r, REPORT_RECORDS);
	struct report_stage_log logs[REPORT_STAGES], *log;
	struct buf *b = r->out;
	uint64_t rows = records ? strtoull(records, NULL, 10) : 0;

	report_log(config_get(CONFIG_LOG_DIR), r->medium, logs);
	page_section(b, "stages", "Stages");
	page_table(b, "What was done, when, and how fast", "Stage",
	    "Done (UTC)", "#Took", "Result", "#Rate");
	put_stage(b, "Registered", report_column(r, REPORT_ADDED), NULL);
	page_cell(b, "");
	page_cell(b, "");
	if (kind && (!strcmp(kind, "image") || !strcmp(kind, "device"))) {
		log = &logs[STAGE_IMAGE];
		put_stage(b, "Imaged", report_column(r, REPORT_IMAGED) ||
		    *log->end || !r->map.count ?
		    report_column(r, REPORT_IMAGED) : "not recorded", log);
		page_cell_begin(b, 0);
		if (r->map.count)
			buf_printf(b, "%s rescued", num_bytes(mapfile_bytes(
			    &r->map, MAPFILE_RESCUED)));
		put_rate(b, r->map.count ? (double)mapfile_bytes(&r->map,
		    MAPFILE_RESCUED) : 0, log->seconds, 1);
	}
	log = &logs[STAGE_LIST];
	if (*log->end) {
		put_stage(b, "Listed", NULL, log);
		put_records(b, log->rows);
		put_rate(b, (double)log->rows, log->seconds, 0);
	}
	log = &logs[STAGE_LOAD];
	put_stage(b, "Loaded", report_column(r, REPORT_LISTED), log);
	put_records(b, rows);
	put_rate(b, (double)rows, log->seconds, 0);
	put_copying(r, &logs[STAGE_COPY]);
	log = &logs[STAGE_ARCHIVE];
	put_stage(b, "Archived", report_column(r, REPORT_ARCHIVED), log);
	page_cell_begin(b, 0);
	if (log->bytes)
		buf_printf(b, "%s, compressed", num_bytes(log->bytes));
	page_cell(b, "");
	log = &logs[STAGE_VERIFY];
	if (*log->end) {
		put_stage(b, "Verified", NULL, log);
		page_cell_begin(b, 0);
		page_plural(b, log->rows, "content", "contents");
		if (log->findings) {
			buf_puts(b, ", <span class=\"bad\">");
			page_plural(b, log->findings, "finding", "findings");
			buf_puts(b, "</span>");
		}
		put_rate(b, (double)log->bytes, log->seconds, 1);
	}
	page_table_end(b);
	put_next(r);
	page_section_end(b);
}
