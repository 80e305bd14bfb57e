/*
 * Bytes: a growable buffer, hexadecimal, escaping.
 *
 * data is always NUL-terminated (NULL only before the first use), len does not
 * count that NUL, and the content may hold any byte.  If memory is short, the
 * program ends with EXIT_AGAIN, because no caller could do better.
 */
#ifndef NTT_BUF_H
#define NTT_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t len, size;
};

#define BUF_INIT { NULL, 0, 0 }

void buf_reserve(struct buf *b, size_t more);	/* room for more bytes + NUL */
void buf_put(struct buf *b, const void *bytes, size_t len);
void buf_puts(struct buf *b, const char *string);
void buf_putc(struct buf *b, int byte);
void buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
void buf_reset(struct buf *b);			/* empty, memory kept */
void buf_free(struct buf *b);
char *buf_detach(struct buf *b);		/* caller frees; never NULL */

/* Bytes as a person may see them: C escapes, valid UTF-8 left alone. */
void buf_escape(struct buf *b, const void *bytes, size_t len);

/* Bytes between single quotes for sh(1), or bare where that is safe. */
void buf_shell(struct buf *b, const char *word);

/* Length of the valid UTF-8 character at p, 0 if there is none. */
size_t utf8_char(const unsigned char *p, size_t len);
int utf8_valid(const void *bytes, size_t len);
/*
 * The number of a valid character of n bytes that must not be shown to people
 * unescaped, else 0: the C1 controls, which drive terminals too, and what turns
 * the order of a name around (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066
 * to U+2069) or its line (U+2028, U+2029).
 */
unsigned int utf8_misleads(const unsigned char *p, size_t n);

/* hex gets 2 * len lowercase digits and a NUL. */
void hex_encode(char *hex, const void *bytes, size_t len);
/* 0, or -1 if hex is not exactly 2 * len lowercase hexadecimal digits. */
int hex_decode(void *bytes, const char *hex, size_t len);

/* malloc(3) and friends that end the program with EXIT_AGAIN. */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
/* Ends the program when a library could not get memory. */
void out_of_memory(void) __attribute__((noreturn));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
