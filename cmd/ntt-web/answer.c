#define _GNU_SOURCE
#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/num.h"
#include "catalogue/db.h"
#include "catalogue/migrate.h"
#include "page/page.h"
#include "sql/statements.h"
#include "frame.h"

const struct request *asked;
PGconn *db;
struct buf page;
int answer_quietly;

const char *
flag(int truth)
{
	return truth ? "t" : "f";
}

void
refuse(unsigned int status, enum message title, enum message why)
{
	struct buf b = BUF_INIT;

	frame_error(&b, title, why);
	reply_page(status, &b);
}

void
answer_failed(void)
{
	/* query_canceled, lock_not_available: the server is there */
	int slow = !strcmp(db_sqlstate(), "57014") ||
	    !strcmp(db_sqlstate(), "55P03");

	if (!answer_quietly)
		warn("could not ask the catalogue: %s", db_error());
	/* its status was said: what is missing must be, too */
	if (reply_begun()) {
		frame_paragraph(&page, "notice", MSG_BROKEN_OFF);
		reply_page(200, &page);
	}
	_exit(slow ? ANSWER_SLOW : db_status());
}

PGresult *
web_ask(const char *sql, int n, const char *const *params)
{
	PGresult *res = db_query_n(db, sql, n, params);

	if (!res)
		answer_failed();
	return res;
}

PGresult *
web_ask_medium(const char *sql, int n, const char *const *params)
{
	char *of_medium = sql_for(sql, asked->medium);
	PGresult *res = web_ask(of_medium, n, params);

	free(of_medium);
	return res;
}

void
answer_connect(const char *timeout_ms)
{
	int version;

	/* nothing is started: whoever stopped the database had a reason */
	db = db_connect(0);
	if (!db)
		answer_failed();
	version = migrate_version(db);
	if (version < 0)
		answer_failed();
	if (version != DB_SCHEMA_VERSION)
		_exit(ANSWER_VERSION);
	PQclear(web_ask(sql_web_session, 1, &timeout_ms));
}

enum message
state_message(const char *state)
{
	return !strcmp(state, "archived") ? MSG_STATE_ARCHIVED :
	    !strcmp(state, "copied") ? MSG_STATE_COPIED :
	    !strcmp(state, "loaded") ? MSG_STATE_LOADED :
	    !strcmp(state, "imaged") ? MSG_STATE_IMAGED :
	    MSG_STATE_REGISTERED;
}

enum message
health_message(const char *health)
{
	return !strcmp(health, "ok") ? MSG_HEALTH_OK :
	    !strcmp(health, "incomplete") ? MSG_HEALTH_INCOMPLETE :
	    !strcmp(health, "corrupt") ? MSG_HEALTH_CORRUPT :
	    !strcmp(health, "failed") ? MSG_HEALTH_FAILED :
	    MSG_HEALTH_UNKNOWN;
}

enum message
type_message(char type)
{
	switch (type) {
	case 'f':
		return MSG_FILE;
	case 'd':
		return MSG_FOLDER;
	case 'l':
		return MSG_LINK;
	case 'p':
		return MSG_PIPE;
	case 's':
		return MSG_SOCKET;
	case 'b':
	case 'c':
		return MSG_DEVICE;
	default:
		return MSG_OTHER;
	}
}

const struct shown_medium *
shown_medium(void)
{
	const char *params[] = { flag(asked->restricted), asked->medium };
	static struct shown_medium m;
	PGresult *res = web_ask(sql_web_medium, 2, params);

	if (PQntuples(res) == 0)
		refuse(404, MSG_E404, MSG_E404_LONG);
	m.name = db_text(res, 0, 0);
	m.message = db_text(res, 0, 1);
	m.state = db_text(res, 0, 2);
	m.health = db_text(res, 0, 3);
	m.kind = db_text(res, 0, 4);
	m.source = db_text(res, 0, 5);
	m.size = PQgetisnull(res, 0, 6) ? -1 : db_int(res, 0, 6);
	m.model = db_text(res, 0, 7);
	m.serial = db_text(res, 0, 8);
	m.fs = db_text(res, 0, 9);
	m.added = db_text(res, 0, 10);
	m.paths = db_text(res, 0, 11);
	m.loaded = db_bool(res, 0, 12);
	m.complete = db_bool(res, 0, 13);
	return &m;
}

const struct shown_medium *
loaded_medium(void)
{
	const struct shown_medium *m = shown_medium();

	if (!m->loaded)
		refuse(404, MSG_E404, MSG_NOT_LOADED);
	return m;
}

const char *
last_part(const char *path, size_t len, size_t *name_len)
{
	const char *slash = len ? memrchr(path, '/', len) : NULL;
	const char *name = slash ? slash + 1 : path;

	*name_len = len - (size_t)(name - path);
	return name;
}

void
put_crumbs(struct buf *b, const char *path, size_t len)
{
	size_t from = 0, i;

	frame_link(b, asked->medium, "tree", NULL, 0);
	put(b, MSG_ROOT);
	buf_puts(b, "</a>");
	for (i = 0; len > 0 && i <= len; i++) {
		if (i < len && path[i] != '/')
			continue;
		buf_puts(b, " / ");
		if (i < len)
			frame_link(b, asked->medium, "tree", path, i);
		page_name(b, path + from, i - from);
		if (i < len)
			buf_puts(b, "</a>");
		from = i + 1;
	}
}

void
put_time(struct buf *b, int64_t seconds)
{
	time_t t = (time_t)seconds;
	char day[64];
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(day, sizeof day,
	    "%Y-%m-%d %H:%M", &tm) == 0)
		return;
	buf_printf(b, "<time>%s</time>", day);
}

void
answer(const struct request *r, int fd)
{
	static void (*const pages[])(void) = {
		[PAGE_SHELF] = shelf_page, [PAGE_COMPARE] = compare_page,
		[PAGE_MAP] = map_page, [PAGE_PHOTO] = get_photo,
		[PAGE_SEARCH] = search_page,
		[PAGE_MEDIUM] = medium_page, [PAGE_TREE] = tree_page,
		[PAGE_FILE] = file_page, [PAGE_GET] = get_file,
		[PAGE_IMAGE] = get_image, [PAGE_SMALL] = get_small,
		[PAGE_WHERE] = where_page, [PAGE_TAKE] = take_page,
		[PAGE_TAR] = get_tar, [PAGE_ZIP] = get_zip,
		[PAGE_BAG] = get_bag,
		[PAGE_MISSING] = missing_page, [PAGE_REPORT] = get_report
	};
	char timeout[16];

	asked = r;
	reply_start(fd);
	snprintf(timeout, sizeof timeout, "%d", STATEMENT_MS);
	answer_connect(timeout);
	pages[r->page]();
	_exit(EXIT_FAILED);
}
