#include "messages.h"

#include <stdarg.h>
#include <string.h>

#include "page/markup.h"

static const char *const english[] = {
#define MESSAGE_TEXT(name, english) [MSG_ ## name] = english,
	MESSAGES(MESSAGE_TEXT)
#undef MESSAGE_TEXT
};

const char *
text(enum message m)
{
	return english[m];
}

void
put_plain(struct buf *b, enum message m, const char *value)
{
	const char *s = text(m), *at = strstr(s, "{1}");

	if (at) {
		buf_put(b, s, (size_t)(at - s));
		buf_puts(b, value);
		s = at + 3;
	}
	buf_puts(b, s);
}

void
(put)(struct buf *b, enum message m, ...)
{
	enum { MOST = 4 };
	const char *values[MOST] = { "", "", "", "" }, *s = text(m), *value;
	va_list ap;
	int n = 0;

	va_start(ap, m);
	while (n < MOST && (value = va_arg(ap, const char *)))
		values[n++] = value;
	va_end(ap);
	while (*s) {
		size_t len = strcspn(s, "{");

		markup_html(b, s, len);
		s += len;
		if (s[0] == '{' && s[1] >= '1' && s[1] < '1' + MOST &&
		    s[2] == '}') {
			value = values[s[1] - '1'];
			markup_html(b, value, strlen(value));
			s += 3;
		} else if (*s) {
			buf_putc(b, *s++);
		}
	}
}
