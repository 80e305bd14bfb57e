/*
 * Hostile bytes in HTML and XML: never markup, never invisible.
 *
 * A character without a glyph, a character that changes the direction of its
 * neighbours, and bytes that are not UTF-8 appear as escapes ("\x1c" a byte,
 * "\u202e" a character).
 */
#ifndef NTT_MARKUP_H
#define NTT_MARKUP_H

#include <stddef.h>

#include "base/buf.h"

/* Text of an HTML element; escapes stand in <span class="esc">. */
void markup_html(struct buf *b, const void *bytes, size_t len);
/*
 * Text of any element, and attributes between double quotes: escapes without
 * the element, and so backslashes doubled.
 */
void markup_plain(struct buf *b, const void *bytes, size_t len);
/*
 * Text of an XML element, unchanged: 1.  If XML 1.0 cannot hold the text: 0,
 * and nothing is appended.
 */
int markup_xml(struct buf *b, const void *bytes, size_t len);

#endif
