#include "small.h"

#include "answer.h"
#include "frame.h"
#include "picture.h"

/* Files whose pictures are not shown. */
static unsigned int without;

void
put_small(const char *medium, const struct buf *path, const char *blob,
    const char *mime)
{
	static int possible = -1;
	const char *name;
	size_t len;

	name = last_part(path->data, path->len, &len);
	if (!blob || !picture_likely(mime, name, len))
		return;
	if (possible < 0)
		possible = picture_possible();
	if (!possible)
		without++;
	if (!possible || picture_find(blob, PICTURE_SMALL, NULL) ==
	    PICTURE_NONE)
		return;
	/* the name follows, so there is nothing to say of it */
	buf_puts(&page, "<img class=\"small\" loading=\"lazy\" alt=\"\" "
	    "src=\"");
	request_link(&page, medium, "small", path->data, path->len);
	buf_puts(&page, "\">");
}

void
put_small_account(void)
{
	if (without > 0)
		frame_paragraph(&page, "soft", MSG_PICTURES_NEED);
}
