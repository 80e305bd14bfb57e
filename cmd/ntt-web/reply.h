/*
 * How the process that makes an answer tells the server of it: through a pipe,
 * first this head, then the headers, then the body.
 */
#ifndef NTT_WEB_REPLY_H
#define NTT_WEB_REPLY_H

#include <stdint.h>

#include "base/buf.h"

enum { REPLY_MAGIC = 0x4e545457 };

struct reply_head {
	uint32_t magic;
	uint32_t status;
	uint32_t headers;	/* bytes: name NUL value NUL name … */
	uint32_t policy;
	int64_t length;		/* of the body; -1: until its end */
};

/* What a browser may do with a body (Content-Security-Policy). */
enum reply_policy {
	POLICY_PAGE,		/* our style sheet, our pictures */
	POLICY_NOTHING,		/* bytes of a medium */
	POLICY_REPORT		/* a page with its own style in it */
};

/*
 * In the process of an answer; they end it if the server does not listen any
 * more.  reply_header() comes before reply_begin().
 */
void reply_start(int fd);
void reply_header(const char *name, const char *value);
void reply_begin(unsigned int status, const char *type,
	enum reply_policy policy, int64_t length);
/* 0, or -1 with errno. */
int reply_body(void *unused, const void *bytes, size_t len);
/*
 * What there is of a page already, for one that takes longer than a visitor
 * should wait; appended to later, and ended by reply_page().
 */
void reply_part(struct buf *page);
/* Was there such a part? */
int reply_begun(void);
/* A whole page, or what is left of it; ends the process. */
void reply_page(unsigned int status, const struct buf *page)
	__attribute__((noreturn));
int reply_fd(void);

#endif
