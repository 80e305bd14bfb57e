/* What all pages have around them. */
#ifndef NTT_WEB_FRAME_H
#define NTT_WEB_FRAME_H

#include <stddef.h>

#include "base/buf.h"
#include "messages.h"

/* kicker: what kind of page; title: of the window and the page. */
void frame_begin(struct buf *b, enum message kicker, const void *title,
	size_t len);
/* The same; asked: what stands in the box of the search. */
void frame_begin_search(struct buf *b, enum message kicker, const char *title,
	const char *asked);
/* Ends the header, to which the caller may have added. */
void frame_main(struct buf *b);
void frame_end(struct buf *b);

/* A page that says why there is no other. */
void frame_error(struct buf *b, enum message title, enum message why);

/* "<a href=…>": the caller adds the text and </a>. */
void frame_link(struct buf *b, const char *medium, const char *word,
	const void *path, size_t len);
/* A paragraph with a link that is a button. */
void frame_action(struct buf *b, const char *href, enum message label);
void frame_paragraph(struct buf *b, const char *class, enum message m, ...)
	__attribute__((sentinel));
#define frame_paragraph(...) frame_paragraph(__VA_ARGS__, (char *)NULL)
/* A value between double quotes, as it is: it comes back with a form. */
void frame_attribute(struct buf *b, const char *value);
/* Does it matter?  A word in a frame. */
void frame_word(struct buf *b, const char *class, enum message m);

extern const char frame_style[], frame_icon[];

#endif
