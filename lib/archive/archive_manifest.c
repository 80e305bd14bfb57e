#define _GNU_SOURCE
#include "archive/archive_manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_read.h"
#include "base/medium_name.h"

enum { FORMAT = 1, MEMBERS_MAX = 1000 };

struct archive_member *
archive_manifest_add(struct archive_manifest *m, const char *name,
    uint64_t size, int64_t mtime)
{
	struct archive_member *one;

	m->members = xrealloc(m->members, (m->count + 1) * sizeof *m->members);
	one = &m->members[m->count++];
	one->name = xstrdup(name);
	one->size = size;
	one->mtime = mtime;
	memset(one->blake3, '0', ARCHIVE_HEX);
	one->blake3[ARCHIVE_HEX] = '\0';
	return one;
}

const struct archive_member *
archive_manifest_find(const struct archive_manifest *m, const char *name)
{
	size_t i;

	for (i = 0; i < m->count; i++)
		if (!strcmp(m->members[i].name, name))
			return &m->members[i];
	return NULL;
}

void
archive_manifest_put(const struct archive_manifest *m, struct buf *out)
{
	size_t i;

	json_begin_object(out, NULL);
	json_u64(out, "format", FORMAT);
	json_text(out, "medium", m->medium);
	json_text(out, "created", m->created);
	json_begin_array(out, "members");
	for (i = 0; i < m->count; i++) {
		json_begin_object(out, NULL);
		json_text(out, "name", m->members[i].name);
		json_u64(out, "size", m->members[i].size);
		json_i64(out, "mtime", m->members[i].mtime);
		json_text(out, "blake3", m->members[i].blake3);
		json_end_object(out);
	}
	json_end_array(out);
	json_raw(out, "catalogue", m->catalogue ? m->catalogue : "null");
	json_raw(out, "partitions", m->partitions ? m->partitions : "null");
	json_end_object(out);
	buf_putc(out, '\n');
}

/* "<medium>" and a suffix: nothing that could name another place. */
static int
is_member_name(const struct archive_manifest *m, const char *name)
{
	size_t len = strlen(m->medium);

	return !strncmp(name, m->medium, len) && !strchr(name, '/') &&
	    (name[len] == '.' || name[len] == '-');
}

static const char *
take_member(struct archive_manifest *m, const json_t *object)
{
	const char *name = json_read_text(object, "name");
	const char *hex = json_read_text(object, "blake3");
	const json_t *size = json_object_get(object, "size");
	struct archive_member *one;
	uint8_t hash[ARCHIVE_HEX / 2];

	if (!name || !is_member_name(m, name))
		return "a member has no name of the medium";
	if (archive_manifest_find(m, name))
		return "a member is named twice";
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return "a member has no size";
	if (!hex || hex_decode(hash, hex, sizeof hash) < 0)
		return "a member has no BLAKE3";
	one = archive_manifest_add(m, name,
	    (uint64_t)json_integer_value(size), json_read_i64(object, "mtime"));
	memcpy(one->blake3, hex, ARCHIVE_HEX);
	return NULL;
}

static const char *
take(struct archive_manifest *m, const json_t *object)
{
	const json_t *members = json_object_get(object, "members");
	const char *medium, *why = NULL;
	size_t i;

	medium = json_read_text(object, "medium");
	if (json_read_i64(object, "format") != FORMAT)
		return "its format is not 1";
	if (!medium || !medium_valid(medium))
		return "it names no medium";
	if (!json_is_array(members) || json_array_size(members) > MEMBERS_MAX)
		return "it has no list of members";
	m->medium = xstrdup(medium);
	for (i = 0; i < json_array_size(members) && !why; i++)
		why = take_member(m, json_array_get(members, i));
	return why;
}

int
archive_manifest_parse(struct archive_manifest *m, const char *text,
    size_t len, char **error)
{
	json_error_t e;
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	const char *why;

	memset(m, 0, sizeof *m);
	*error = NULL;
	why = object ? take(m, object) : NULL;
	if (!object)
		*error = xasprintf("the manifest is not JSON (byte %d)",
		    e.position);
	else if (why)
		*error = xasprintf("the manifest is bad: %s", why);
	json_decref(object);
	if (!*error)
		return 0;
	archive_manifest_free(m);
	return -1;
}

void
archive_manifest_free(struct archive_manifest *m)
{
	size_t i;

	for (i = 0; i < m->count; i++)
		free(m->members[i].name);
	free(m->members);
	free(m->medium);
	free(m->created);
	free(m->catalogue);
	free(m->partitions);
	memset(m, 0, sizeof *m);
}
