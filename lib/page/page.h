/*
 * A page of a report: one HTML5 file that needs nothing else, for screens of
 * all widths and for paper.
 *
 *	page_begin(b, "Record of a medium", name, len);
 *	page_main(b);
 *	page_section(b, "failures", "Failures");
 *	page_table(b, "By class", "Class", "#Files", "#Size");
 *	page_row(b);
 *	page_cell(b, "path_error");
 *	page_count(b, 12);
 *	page_bytes(b, 4096);
 *	page_table_end(b);
 *	page_section_end(b);
 *	page_end(b);
 *
 * Text is escaped here: whatever comes from a medium or the catalogue goes
 * through page_text(), page_name() or markup.h.
 */
#ifndef NTT_PAGE_H
#define NTT_PAGE_H

#include <stdint.h>

#include "base/buf.h"

/* kicker: what kind of page; title: of the window and the page. */
void page_begin(struct buf *b, const char *kicker, const void *title,
	size_t len);
/* Ends the header, to which the caller may have added. */
void page_main(struct buf *b);
/* Says which program made the page, and that it shows the catalogue at when. */
void page_end(struct buf *b, const char *when);

void page_section(struct buf *b, const char *id, const char *title);
void page_section_end(struct buf *b);

/*
 * Headings of columns; one that begins with '#' is of numbers.  The first cell
 * of a row is its heading.
 */
void page_table(struct buf *b, const char *caption, ...)
	__attribute__((sentinel));
#define page_table(...) page_table(__VA_ARGS__, (char *)NULL)
void page_row(struct buf *b);
/* A cell of text, of which the first of a row is the heading. */
void page_cell(struct buf *b, const char *text);
void page_count(struct buf *b, uint64_t n);
void page_bytes(struct buf *b, uint64_t n);
/* A cell of anything: the caller appends it. */
void page_cell_begin(struct buf *b, int number);
void page_table_end(struct buf *b);

/* Terms and values: the caller appends the value. */
void page_list(struct buf *b, const char *class);
void page_term(struct buf *b, const char *term);
void page_list_end(struct buf *b);

void page_text(struct buf *b, const char *text);
/* Bytes that are a name: escaped, in a direction of its own. */
void page_name(struct buf *b, const void *name, size_t len);
/* A command to type, of several lines where it has some. */
void page_command(struct buf *b, const char *command);
/* "3 files", "1 file" */
void page_plural(struct buf *b, uint64_t n, const char *one,
	const char *many);
/* "12.3 %" of a whole; 100 only for the whole, 0 only for nothing. */
void page_share(struct buf *b, uint64_t part, uint64_t whole);
/* "1 h 03 min", "4.2 s" */
void page_seconds(struct buf *b, double seconds);

#endif
