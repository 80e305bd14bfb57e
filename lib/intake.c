#define _GNU_SOURCE
#include "intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "progress.h"

/* In front of the path of a record that may be a duplicate. */
struct suspect {
	struct intake_entry entry;
	int64_t pattern;
	uint64_t number, path_len;
};

void
intake_init(struct intake *in, struct load *load, struct strip *strip,
    struct pattern_set *patterns)
{
	memset(in, 0, sizeof *in);
	in->load = load;
	in->strip = strip;
	in->patterns = patterns;
	in->size_max = INT64_MAX;
	if (load->size_bytes >= 0 && (!strcmp(load->source_kind, "device") ||
	    !strcmp(load->source_kind, "image")))
		in->size_max = (uint64_t)load->size_bytes;
	seen_inodes_init(&in->inodes);
	seen_paths_init(&in->paths);
	spool_init(&in->entries);
	spool_init(&in->suspects);
}

void
intake_free(struct intake *in)
{
	int i;

	for (i = 0; i < INTAKE_DEPTH; i++)
		buf_free(&in->slots[i].path);
	seen_inodes_free(&in->inodes);
	seen_paths_free(&in->paths);
	spool_free(&in->entries);
	spool_free(&in->suspects);
}

static int
fail(struct intake *in, const char *doing, int err)
{
	in->doing = doing;
	in->load->err = err;
	return -1;
}

static int
spool_failed(struct intake *in)
{
	return fail(in, "keep rows in a temporary file", errno);
}

char
intake_type(const struct raw_record *r)
{
	if (r->type == 'U')
		return '?';
	if (r->type != '?')
		return r->type;
	switch (r->mode & S_IFMT) {
	case S_IFREG: return 'f';
	case S_IFDIR: return 'd';
	case S_IFLNK: return 'l';
	case S_IFBLK: return 'b';
	case S_IFCHR: return 'c';
	case S_IFIFO: return 'p';
	case S_IFSOCK: return 's';
	default: return '?';
	}
}

/* Damaged file systems have sizes that cannot be. */
static uint64_t
size_of(struct intake *in, const struct raw_record *r)
{
	if (r->size <= in->size_max)
		return r->size;
	in->counts.oversized++;
	return in->size_max;
}

static size_t
room_for(const struct intake *in, size_t len, int64_t pattern)
{
	return 64 + len + (pattern < 0 ? 0 : strlen(pattern_text(in->patterns,
	    (size_t)pattern)));
}

static void
put_path(const struct intake *in, struct copyin *c,
    const struct intake_entry *e, const char *path, size_t len,
    int64_t pattern)
{
	const char *text;

	copyin_int8(c, e->dev);
	copyin_int8(c, e->ino);
	copyin_bytes(c, path, len);
	if (pattern < 0) {
		copyin_null(c);
		return;
	}
	text = pattern_text(in->patterns, (size_t)pattern);
	copyin_bytes(c, text, strlen(text));
}

/* A path that stays: it counts, and so does its inode. */
static int
accept_path(struct intake *in, const struct intake_entry *e,
    const struct seen_key *inode, int64_t pattern)
{
	int is_new = seen_inode_at(&in->inodes, inode, e->included);

	in->counts.paths++;
	in->counts.excluded += pattern >= 0;
	if (!is_new)
		return 0;
	in->counts.inodes++;
	return spool_put(&in->entries, e, sizeof *e) < 0 ?
	    spool_failed(in) : 0;
}

static int
suspect_path(struct intake *in, const struct intake_entry *e, int64_t pattern,
    uint64_t number, const char *path, size_t len)
{
	struct suspect s = {
		.entry = *e, .pattern = pattern, .number = number,
		.path_len = len
	};

	in->suspect_count++;
	if (spool_put(&in->suspects, &s, sizeof s) < 0 ||
	    spool_put(&in->suspects, path, len) < 0)
		return spool_failed(in);
	return 0;
}

static int
decide(struct intake *in, const struct intake_slot *s)
{
	struct copyin *c = &in->load->paths;

	if (!seen_path_at(&in->paths, s->path_hash))
		return suspect_path(in, &s->entry, s->pattern, s->number,
		    s->path.data, s->path.len);
	if (copyin_row(c, 4, room_for(in, s->path.len, s->pattern)) < 0)
		return fail(in, "load paths", c->err);
	put_path(in, c, &s->entry, s->path.data, s->path.len, s->pattern);
	return accept_path(in, &s->entry, &s->inode, s->pattern);
}

static int
fill_slot(struct intake *in, struct intake_slot *s, const struct raw_record *r)
{
	struct intake_entry *e = &s->entry;

	s->pattern = in->patterns ? pattern_match(in->patterns, s->path.data,
	    s->path.len) : -1;
	memset(e, 0, sizeof *e);
	e->dev = r->dev;
	e->ino = r->ino;
	e->nlink = r->nlink > INT64_MAX ? INT64_MAX : r->nlink;
	e->size = size_of(in, r);
	e->mtime = r->mtime;
	e->type = intake_type(r);
	e->included = s->pattern < 0;
	s->path_hash = seen_path_hash(&in->paths, s->path.data, s->path.len);
	if (seen_inode_key(&in->inodes, r->dev, r->ino, &s->inode) < 0)
		return fail(in, "keep so many devices apart", EOVERFLOW);
	return 0;
}

/*
 * A record is decided sixteen records later, when the memory that it needs
 * has come.
 */
int
intake_record(struct intake *in, const struct raw_record *r, uint64_t number)
{
	struct intake_slot *s = &in->slots[in->slot_next % INTAKE_DEPTH];
	const struct intake_slot *half;
	size_t len;
	const char *path = strip_path(in->strip, r->path, r->path_len, &len);

	if (!path)
		return 1;
	if (in->slot_next - in->slot_done == INTAKE_DEPTH) {
		in->slot_done++;
		if (decide(in, s) < 0)
			return -1;
	}
	buf_reset(&s->path);
	buf_put(&s->path, path, len);
	s->number = number;
	if (fill_slot(in, s, r) < 0)
		return -1;
	in->slot_next++;
	if (in->slot_next >= INTAKE_DEPTH / 2) {
		half = &in->slots[(in->slot_next - INTAKE_DEPTH / 2) %
		    INTAKE_DEPTH];
		seen_path_soon(&in->paths, half->path_hash);
		seen_inode_soon(&in->inodes, &half->inode);
	}
	return 0;
}

int
intake_records_done(struct intake *in)
{
	while (in->slot_done < in->slot_next)
		if (decide(in, &in->slots[in->slot_done++ %
		    INTAKE_DEPTH]) < 0)
			return -1;
	return 0;
}

/* The next suspect with its path: 1; 0 at the end; -1. */
static int
next_suspect(struct intake *in, struct suspect *s, struct buf *path)
{
	int rc = spool_get(&in->suspects, s, sizeof *s);

	buf_reset(path);
	if (rc > 0) {
		buf_reserve(path, s->path_len + 1);
		if (s->path_len > 0)
			rc = spool_get(&in->suspects, path->data,
			    s->path_len);
		path->len = s->path_len;
		if (rc == 0) {
			errno = EIO;
			rc = -1;
		}
	}
	return rc < 0 ? spool_failed(in) : rc;
}

static int
send_suspects(struct intake *in, struct copyin *c)
{
	struct buf path = BUF_INIT;
	struct suspect s;
	uint64_t number = 0;
	int rc;

	if (spool_rewind(&in->suspects) < 0)
		return spool_failed(in);
	while ((rc = next_suspect(in, &s, &path)) > 0) {
		if (copyin_row(c, 5, 16 + room_for(in, path.len,
		    s.pattern)) < 0) {
			rc = fail(in, "compare paths", c->err);
			break;
		}
		copyin_int8(c, number++);
		put_path(in, c, &s.entry, path.data, path.len, s.pattern);
	}
	buf_free(&path);
	return rc;
}

static int
accept_innocent(struct intake *in, const uint64_t *innocent, size_t count)
{
	struct buf path = BUF_INIT;
	struct seen_key key;
	struct suspect s;
	uint64_t number;
	size_t next = 0;
	int rc;

	if (spool_rewind(&in->suspects) < 0)
		return spool_failed(in);
	for (number = 0; (rc = next_suspect(in, &s, &path)) > 0; number++) {
		if (next < count && innocent[next] == number) {
			next++;
			if (seen_inode_key(&in->inodes, s.entry.dev,
			    s.entry.ino, &key) < 0 ||
			    accept_path(in, &s.entry, &key, s.pattern) < 0) {
				rc = -1;
				break;
			}
			continue;
		}
		in->counts.duplicates++;
		if (in->duplicate)
			in->duplicate(&s.entry, s.number, path.data,
			    path.len);
	}
	buf_free(&path);
	return rc;
}

/*
 * Fingerprints that were there before: the server compares the paths
 * themselves.
 */
int
intake_judge(struct intake *in)
{
	struct copyin c;
	uint64_t *innocent = NULL;
	size_t count;
	int rc = -1;

	seen_paths_free(&in->paths);
	if (in->suspect_count == 0)
		return 0;
	copyin_init(&c);
	in->doing = "compare paths";
	if (load_suspects_begin(in->load, &c) == 0 &&
	    send_suspects(in, &c) == 0 &&
	    load_suspects_end(in->load, &c, &innocent, &count) == 0)
		rc = accept_innocent(in, innocent, count);
	free(innocent);
	copyin_free(&c);
	return rc;
}

static const char *
status_of(struct intake *in, const struct intake_entry *e)
{
	if (!e->included && !seen_inode_marked(&in->inodes, e->dev, e->ino)) {
		in->counts.excluded_inodes++;
		return "excluded";
	}
	if (strchr("dbcps", e->type)) {
		in->counts.non_files++;
		return "non_file";
	}
	in->counts.pending++;
	in->counts.pending_bytes += e->size;
	return "pending";
}

int
intake_inodes(struct intake *in)
{
	struct copyin *c = &in->load->inodes;
	const char *status;
	struct intake_entry e;
	int rc;

	progress_start("loading", "inodes", PROGRESS_COUNT, in->counts.inodes);
	in->doing = "load inodes";
	if (load_inodes_begin(in->load) < 0)
		return -1;
	if (spool_rewind(&in->entries) < 0)
		return spool_failed(in);
	while ((rc = spool_get(&in->entries, &e, sizeof e)) > 0) {
		if (copyin_row(c, 7, 128) < 0)
			return fail(in, "load inodes", c->err);
		copyin_int8(c, e.dev);
		copyin_int8(c, e.ino);
		copyin_int8(c, e.nlink);
		copyin_int8(c, e.size);
		copyin_int8(c, (uint64_t)e.mtime);
		status = status_of(in, &e);
		copyin_bytes(c, status, strlen(status));
		copyin_bytes(c, &e.type, 1);
		if (c->rows % 1024 == 0)
			progress_set(c->rows);
	}
	progress_stop();
	return rc < 0 ? spool_failed(in) : 0;
}
