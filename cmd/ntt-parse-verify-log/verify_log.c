#define _GNU_SOURCE
#include "verify_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_read.h"
#include "base/log.h"

enum { HEX = 64, ID = HEX + 1 };

/* "id path: detail", escaped: it goes to a terminal. */
static void
put_sample(struct buf *b, const json_t *object)
{
	static const char *const keys[] = { "blobid", "path", "path_hex",
		"detail", "error" };
	const char *text;
	size_t i;

	buf_puts(b, " ");
	for (i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		text = json_read_text(object, keys[i]);
		if (!text)
			continue;
		buf_putc(b, ' ');
		buf_escape(b, text, strlen(text));
	}
	buf_putc(b, '\n');
}

static void
take_finding(struct verify_log *l, const json_t *object)
{
	const char *kind = json_read_text(object, "finding");
	const char *id = json_read_text(object, "blobid");
	uint8_t binary[HEX / 2];
	int i;

	for (i = 0; i < FINDING_KINDS; i++)
		if (kind && !strcmp(kind, verify_kind_name(
		    (enum verify_kind)i)))
			break;
	if (i == FINDING_KINDS)
		return;
	if (l->counts[i]++ < VERIFY_LOG_SAMPLES)
		put_sample(&l->samples[i], object);
	if (id && hex_decode(binary, id, sizeof binary) == 0) {
		buf_put(&l->ids, id, HEX);
		buf_putc(&l->ids, '\n');
	}
}

void
verify_log_line(struct verify_log *l, const char *line, size_t len)
{
	json_error_t error;
	json_t *object;
	const char *stage;

	if (len == 0)
		return;
	l->lines++;
	object = json_loadb(line, len, 0, &error);
	stage = json_read_text(object, "stage");
	if (!json_is_object(object)) {
		l->bad_lines++;
	} else if (stage && !strcmp(stage,
	    log_event_name(LOG_VERIFY_COMPLETE))) {
		l->runs++;
		l->verified += json_read_u64(object, "verified");
		l->bytes += json_read_u64(object, "bytes");
	} else if (stage && !strcmp(stage, log_event_name(LOG_FINDING))) {
		take_finding(l, object);
	}
	json_decref(object);
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, ID);
}

void
verify_log_unique(struct verify_log *l)
{
	size_t n = l->ids.len / ID, i, kept = 0;
	char *ids = l->ids.data;

	if (n == 0)
		return;
	qsort(ids, n, ID, compare);
	for (i = 0; i < n; i++) {
		if (i > 0 && !memcmp(ids + i * ID, ids + (kept - 1) * ID, ID))
			continue;
		memmove(ids + kept++ * ID, ids + i * ID, ID);
	}
	l->ids.len = kept * ID;
	ids[l->ids.len] = '\0';
}

void
verify_log_free(struct verify_log *l)
{
	int i;

	for (i = 0; i < FINDING_KINDS; i++)
		buf_free(&l->samples[i]);
	buf_free(&l->ids);
}
