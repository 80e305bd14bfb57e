/*
 * JSON, written.  (Where it must be read, a library does it.)
 *
 *	json_begin_object(b, NULL);
 *	json_u64(b, "rows", rows);
 *	json_begin_array(b, "media");
 *	json_text(b, NULL, hash);		an element has no key
 *	json_end_array(b);
 *	json_end_object(b);
 *
 * Commas come by themselves: a value is preceded by one unless it follows
 * '{', '[' or ':', or begins the buffer.
 */
#ifndef NTT_JSON_H
#define NTT_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

void json_begin_object(struct buf *b, const char *key);
void json_end_object(struct buf *b);
void json_begin_array(struct buf *b, const char *key);
void json_end_array(struct buf *b);
void json_text(struct buf *b, const char *key, const char *s); /* NULL: null */
void json_u64(struct buf *b, const char *key, uint64_t n);
void json_i64(struct buf *b, const char *key, int64_t n);
void json_double(struct buf *b, const char *key, double d);
void json_bool(struct buf *b, const char *key, int truth);
void json_none(struct buf *b, const char *key);
/* Text that is JSON already. */
void json_raw(struct buf *b, const char *key, const char *json);
/*
 * Bytes that are a name: as key when they are valid UTF-8, otherwise as
 * key_hex in hexadecimal.
 */
void json_name(struct buf *b, const char *key, const void *name, size_t len);

#endif
