/*
 * In the process that makes one answer: what all pages use.
 *
 * A page is made by a process of its own, forked for it, with a connection of
 * its own.  Whatever goes wrong in it ends it, and the server says what its
 * status means (server.c): nothing has to be undone, nothing outlives a page,
 * and a page that takes too long is killed.
 */
#ifndef NTT_WEB_ANSWER_H
#define NTT_WEB_ANSWER_H

#include <libpq-fe.h>
#include <stdint.h>

#include "base/buf.h"
#include "messages.h"
#include "reply.h"
#include "request.h"

/* Statuses of such a process, beside those of exits.h. */
enum { ANSWER_SLOW = 80, ANSWER_VERSION = 81 };

/* How long a page may take, a statement of it, a search. */
enum { PAGE_S = 8, STATEMENT_MS = 5000 };
/* Entries of a page. */
enum { PAGE_ROWS = 200 };

/* What is answered, and from where. */
extern const struct request *asked;
extern PGconn *db;
extern struct buf page;

/* A catalogue that fails is not named in the log. */
extern int answer_quietly;

void answer(const struct request *r, int fd) __attribute__((noreturn));
/* The connection, read-only; ends the process if there is none. */
void answer_connect(const char *timeout_ms);

/* A result that the caller clears; ends the process if there is none. */
PGresult *web_ask(const char *sql, int n, const char *const *params);
/* The same of the medium that is asked for. */
PGresult *web_ask_medium(const char *sql, int n, const char *const *params);
/* Ends the process after a statement that failed: db_error(). */
void answer_failed(void) __attribute__((noreturn));
/* As a parameter. */
const char *flag(int truth);

/* Instead of a page: why there is none. */
void refuse(unsigned int status, enum message title, enum message why)
	__attribute__((noreturn));

/* What the row of a medium has; valid as long as the process lives. */
struct shown_medium {
	const char *name, *message, *state, *health, *kind, *source, *model;
	const char *serial, *fs, *added, *paths;
	int64_t size;		/* -1: not known */
	int loaded;
	int complete;		/* every folder has an entry */
};

/* The one that is asked for, if it is there and shown; else a refusal. */
const struct shown_medium *shown_medium(void);
/* The same, and its list of files is there. */
const struct shown_medium *loaded_medium(void);

enum message state_message(const char *state);
enum message health_message(const char *health);

/* The last part of a path. */
const char *last_part(const char *path, size_t len, size_t *name_len);
/* Links to the folders above a path: "Box 7 / letters / old". */
void put_crumbs(struct buf *b, const char *path, size_t len);
void put_time(struct buf *b, int64_t seconds);
/* "folder" */
enum message type_message(char type);

/* The pages; all end with reply_page() or the like. */
void shelf_page(void);
void medium_page(void);
void missing_page(void);
void tree_page(void);
void file_page(void);
void where_page(void);
void search_page(void);
void take_page(void);
void get_file(void);
void get_image(void);
void get_small(void);
void get_tar(void);
void get_zip(void);
void get_bag(void);
void get_report(void);
void get_photo(void);
void compare_page(void);
void map_page(void);

#endif
