#define _GNU_SOURCE
#include "mount/mount_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/exits.h"
#include "base/json.h"
#include "base/medium_name.h"
#include "image/container.h"
#include "image/content_probe.h"

static const char *medium;

void
mount_command_medium(const char *hash)
{
	if (!medium_mountable(hash))
		die_usage("%s is not a medium hash (16 to 64 lowercase "
		    "hexadecimal digits)", quoted(hash));
	medium = hash;
}

void
mount_command_begin(struct buf *b, const char *layout)
{
	json_begin_object(b, NULL);
	json_u64(b, "schema", 1);
	json_text(b, "layout", layout);
	json_bool(b, "already", 0);
	json_text(b, "medium", medium);
}

static void
put_nothing(const char *error, const char *bits_only)
{
	struct buf b = BUF_INIT;

	mount_command_begin(&b, NULL);
	if (error)
		json_text(&b, "error", error);
	if (bits_only)
		json_text(&b, "bits_only", bits_only);
	json_begin_array(&b, "partitions");
	json_end_array(&b);
	json_end_object(&b);
	puts(b.data);
	buf_free(&b);
}

void
mount_command_print_nothing(const char *error)
{
	put_nothing(error, NULL);
}

void
mount_command_print_already(const char *json)
{
	static const char first[] = "\"already\":false";
	const char *at = strstr(json, first);

	/* no text of the medium's comes before it */
	if (at)
		printf("%.*s\"already\":true%s\n", (int)(at - json), json,
		    at + sizeof first - 1);
	else
		puts(json);
}

void
mount_refuse(int status, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	warn("%s", b.data);
	mount_command_print_nothing(b.data);
	buf_free(&b);
	exit(status);
}

/* Nothing is on it that anybody could mount; what it is instead. */
static void __attribute__((noreturn))
refuse_bits(const char *path, const char *what)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "cannot mount %s: %s", quoted(path), what);
	warn("%s", b.data);
	put_nothing(b.data, what);
	buf_free(&b);
	exit(EXIT_FAILED);
}

void
mount_command_recognise(struct layout *l, int fd, uint64_t size,
    const struct view *view, const char *path, int timeout_ms,
    const struct layout_found *found)
{
	struct buf upto = BUF_INIT;
	char *what;

	if (layout_confined(l, fd, size, view, timeout_ms, found) < 0)
		mount_refuse(exit_for_errno(errno), "could not "
		    "recognise what is on %s: %s", quoted(path),
		    errno == ETIMEDOUT ? "reading it did not end in time" :
		    strerror(errno));
	if (container_named(l->content))
		mount_refuse(EXIT_FAILED, "cannot mount %s: %s",
		    quoted(path), content_describe(l->content));
	if (*l->content)
		refuse_bits(path, content_describe(l->content));
	if (!l->multi && l->volumes[0].kind == VOLUME_UNKNOWN) {
		if (l->reached)
			buf_printf(&upto, ", as far as byte %" PRIu64,
			    l->reached);
		what = xasprintf("no partition table and no known file system "
		    "is on it%s", upto.len ? upto.data : "");
		refuse_bits(path, what);
	}
	if (*l->finding)
		warn("%s: %s", quoted(path), l->finding);
}
