/*
 * What an address asks for.
 *
 *	/				the shelf
 *	/search?q=…			the answers of a search
 *	/compare			what would be lost, what is shared
 *	/m/HASH				a medium
 *	/m/HASH/WORD/PATH		WORD is one of tree, file, get, image,
 *					small, where, take, tar, zip, bag,
 *					missing, report, map,
 *					photo
 *	/style.css, /icon.svg
 *
 * PATH is bytes, percent-encoded, relative to the medium's root.  It is only
 * ever compared with paths of the catalogue, and never opened; all the same an
 * address that climbs, or that has two ways to be read, is refused.
 */
#ifndef NTT_WEB_REQUEST_H
#define NTT_WEB_REQUEST_H

#include <stddef.h>

#include "base/buf.h"

enum page {
	PAGE_SHELF, PAGE_SEARCH, PAGE_COMPARE, PAGE_STYLE, PAGE_ICON,
	PAGE_MEDIUM, PAGE_TREE, PAGE_FILE, PAGE_GET, PAGE_IMAGE, PAGE_SMALL,
	PAGE_WHERE, PAGE_TAKE, PAGE_TAR, PAGE_ZIP, PAGE_BAG, PAGE_MISSING,
	PAGE_REPORT, PAGE_MAP, PAGE_PHOTO
};

enum { REQUEST_PARAMS = 8, REQUEST_LONGEST = 16000 };

struct request {
	enum page page;
	char medium[64];		/* valid; "" where there is none */
	struct buf path;
	struct {
		struct buf name, value;
	} params[REQUEST_PARAMS];
	unsigned int param_count;
	/* of the request's head; NULL */
	char *range, *if_range;
	/* the server's, not the visitor's */
	int restricted;			/* restricted media are shown */
};

/* 0; else the status that answers it: 400, 404 or 414.  Free it always. */
int request_parse(struct request *r, const char *uri);
void request_free(struct request *r);

/* The value, or NULL; a NUL in it ends it. */
const char *request_param(const struct request *r, const char *name);

/* A name or path in an address: '/' stays. */
void request_encode(struct buf *b, const void *bytes, size_t len);
/* "/m/HASH/word/path" */
void request_link(struct buf *b, const char *medium, const char *word,
	const void *path, size_t len);

#endif
