#define _GNU_SOURCE
#include "intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/progress.h"

enum {
	/* attributes of statx(2) that FS_IOC_GETFLAGS has as the same bits */
	LIKE_FLAGS = STATX_ATTR_COMPRESSED | STATX_ATTR_IMMUTABLE |
	    STATX_ATTR_APPEND | STATX_ATTR_NODUMP | STATX_ATTR_ENCRYPTED
};

/* In front of the path of a record that may be a duplicate. */
struct suspect {
	struct intake_entry entry;
	int64_t pattern;
	uint64_t number, path_len, xattrs_len;
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

	for (i = 0; i < INTAKE_DEPTH; i++) {
		buf_free(&in->slots[i].path);
		buf_free(&in->slots[i].xattrs);
	}
	buf_free(&in->directory.path);
	parents_free(&in->parents);
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
	char type = r->type == '?' ? raw_letter(r->mode) : r->type;

	return type == 'U' ? '?' : type;
}

/*
 * Compressed file systems have files larger than the medium, and so have
 * damaged ones: reading tells.
 */
static uint64_t
size_of(struct intake *in, const struct raw_record *r)
{
	in->counts.oversized += r->size > in->size_max;
	return r->size > INT64_MAX ? INT64_MAX : r->size;
}

static size_t
room_for(const struct intake *in, size_t len, int64_t pattern)
{
	return 80 + len + (pattern < 0 ? 0 : strlen(pattern_text(in->patterns,
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

/* Those of the inode's metadata, which may be nothing. */
static int
put_xattrs(struct intake *in, const struct intake_entry *e,
    const struct buf *meta)
{
	struct raw_span rest = { meta->data, meta->len }, key, value;
	struct buf name = BUF_INIT, bytes = BUF_INIT;
	int rc = 0;

	while (rc == 0 && rest.len > 0 && raw_meta_next(&rest, &key, &value)) {
		if (key.len < 7 || memcmp(key.at, "xattr:", 6))
			continue;
		buf_reset(&name);
		buf_reset(&bytes);
		raw_unescape(&name, (struct raw_span){ key.at + 6,
		    key.len - 6 });
		raw_unescape(&bytes, value);
		in->doing = "keep extended attributes";
		rc = load_xattr(in->load, e->dev, e->ino, &name, &bytes);
	}
	buf_free(&name);
	buf_free(&bytes);
	return rc;
}

/* A path that stays: it counts, and so does its inode. */
static int
accept_path(struct intake *in, const struct intake_entry *e,
    const struct seen_key *inode, int64_t pattern, const struct buf *xattrs)
{
	int is_new = seen_inode_at(&in->inodes, inode, e->included);

	in->counts.paths++;
	in->counts.excluded += pattern >= 0;
	if (!is_new)
		return 0;
	in->counts.inodes++;
	in->counts.with_meta += (unsigned int)e->has_meta;
	if (xattrs->len > 0 && put_xattrs(in, e, xattrs) < 0)
		return -1;
	return spool_put(&in->entries, e, sizeof *e) < 0 ?
	    spool_failed(in) : 0;
}

static int
suspect_path(struct intake *in, const struct intake_slot *slot)
{
	struct suspect s = {
		.entry = slot->entry, .pattern = slot->pattern,
		.number = slot->number, .path_len = slot->path.len,
		.xattrs_len = slot->xattrs.len
	};

	in->suspect_count++;
	if (spool_put(&in->suspects, &s, sizeof s) < 0 ||
	    spool_put(&in->suspects, slot->path.data, s.path_len) < 0 ||
	    spool_put(&in->suspects, slot->xattrs.data, s.xattrs_len) < 0)
		return spool_failed(in);
	return 0;
}

static int
decide(struct intake *in, const struct intake_slot *s)
{
	struct copyin *c = &in->load->paths;
	int64_t directory = directory_of(&in->directory, s->path.data,
	    s->path.len);

	if (s->path.len > 0)
		parents_wanted(&in->parents, directory);
	if (s->entry.type == 'd')
		parents_there(&in->parents, directory_hash(s->path.data,
		    s->path.len));
	if (!seen_path_at(&in->paths, s->path_hash))
		return suspect_path(in, s);
	if (copyin_row(c, 5, room_for(in, s->path.len, s->pattern)) < 0)
		return fail(in, "load paths", c->err);
	put_path(in, c, &s->entry, s->path.data, s->path.len, s->pattern);
	copyin_int8(c, (uint64_t)directory);
	return accept_path(in, &s->entry, &s->inode, s->pattern, &s->xattrs);
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

static int
take_omission(struct intake *in, const struct raw_record *r,
    const char *path, size_t len)
{
	struct buf detail = BUF_INIT;
	int rc;

	raw_unescape(&detail, r->detail);
	in->doing = "record an omission";
	in->counts.omissions++;
	rc = load_omission(in->load, r->dev, r->ino, path, len, r->kind.at,
	    r->kind.len, r->err, detail.data);
	buf_free(&detail);
	return rc;
}

static void
put_name(struct intake *in, int is_group, int64_t id, struct raw_span escaped,
    int *rc)
{
	struct buf name = BUF_INIT;

	if (*rc < 0 || id < 0 || escaped.len == 0)
		return;
	raw_unescape(&name, escaped);
	in->doing = "keep the names of users and groups";
	*rc = load_owner(in->load, is_group, (uint64_t)id, &name);
	buf_free(&name);
}

static uint32_t
id_of(int64_t id)
{
	return id < 0 || id > UINT32_MAX ? UINT32_MAX : (uint32_t)id;
}

/* Of the record that came last, if it is that inode's. */
static int
take_meta(struct intake *in, const struct raw_record *r)
{
	struct intake_slot *s;
	struct intake_entry *e;
	struct raw_meta m;
	int rc = 0;

	listing_meta(&in->listing, r);
	if (in->slot_next == 0)
		return 0;
	s = &in->slots[(in->slot_next - 1) % INTAKE_DEPTH];
	e = &s->entry;
	if (e->dev != r->dev || e->ino != r->ino || e->has_meta)
		return 0;
	raw_meta_read(r->meta, &m);
	if (m.mode < 0)
		return 0;
	e->has_meta = 1;
	e->mode = (uint16_t)m.mode;
	e->uid = id_of(m.uid);
	e->gid = id_of(m.gid);
	e->rdev = m.rdev;
	e->mtime_ns = m.mtime.ns;
	e->atime = m.atime.seconds;
	e->atime_ns = m.atime.ns;
	e->ctime = m.ctime.seconds;
	e->ctime_ns = m.ctime.ns;
	e->btime = m.btime.seconds;
	e->btime_ns = m.btime.ns;
	e->flags = (uint32_t)(m.attr & LIKE_FLAGS) | (uint32_t)m.flags;
	if (m.xattrs > 0)
		buf_put(&s->xattrs, r->meta.at, r->meta.len);
	put_name(in, 0, m.uid, m.user, &rc);
	put_name(in, 1, m.gid, m.group, &rc);
	return rc;
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
	const char *path;
	size_t len;

	if (r->type == RAW_META)
		return take_meta(in, r);
	path = strip_path(in->strip, r->path, r->path_len, &len);
	if (!path)
		return 1;
	if (r->type == RAW_OMISSION)
		return take_omission(in, r, path, len);
	if (in->wants_listing)
		listing_entry(&in->listing, r, path, len);
	if (in->slot_next - in->slot_done == INTAKE_DEPTH) {
		in->slot_done++;
		if (decide(in, s) < 0)
			return -1;
	}
	buf_reset(&s->path);
	buf_put(&s->path, path, len);
	buf_reset(&s->xattrs);
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

/* len bytes that must be there: 1, or -1. */
static int
get_bytes(struct intake *in, struct buf *b, uint64_t len)
{
	int rc;

	buf_reset(b);
	buf_reserve(b, len + 1);
	b->len = len;
	rc = len > 0 ? spool_get(&in->suspects, b->data, len) : 1;
	if (rc == 0)
		errno = EIO;
	return rc > 0 ? 1 : -1;
}

/* The next suspect with its path: 1; 0 at the end; -1. */
static int
next_suspect(struct intake *in, struct suspect *s, struct buf *path,
    struct buf *xattrs)
{
	int rc = spool_get(&in->suspects, s, sizeof *s);

	if (rc > 0)
		rc = get_bytes(in, path, s->path_len);
	if (rc > 0)
		rc = get_bytes(in, xattrs, s->xattrs_len);
	return rc < 0 ? spool_failed(in) : rc;
}

static int
send_suspects(struct intake *in, struct copyin *c)
{
	struct buf path = BUF_INIT, xattrs = BUF_INIT;
	struct suspect s;
	uint64_t number = 0;
	int rc;

	if (spool_rewind(&in->suspects) < 0)
		return spool_failed(in);
	while ((rc = next_suspect(in, &s, &path, &xattrs)) > 0) {
		if (copyin_row(c, 5, 16 + room_for(in, path.len,
		    s.pattern)) < 0) {
			rc = fail(in, "compare paths", c->err);
			break;
		}
		copyin_int8(c, number++);
		put_path(in, c, &s.entry, path.data, path.len, s.pattern);
	}
	buf_free(&path);
	buf_free(&xattrs);
	return rc;
}

static int
accept_innocent(struct intake *in, const uint64_t *innocent, size_t count)
{
	static const char duplicate[] = "duplicate_name";
	struct buf path = BUF_INIT, xattrs = BUF_INIT;
	struct seen_key key;
	struct suspect s;
	uint64_t number;
	size_t next = 0;
	int rc;

	if (spool_rewind(&in->suspects) < 0)
		return spool_failed(in);
	for (number = 0; (rc = next_suspect(in, &s, &path, &xattrs)) > 0;
	    number++) {
		if (next < count && innocent[next] == number) {
			next++;
			if (seen_inode_key(&in->inodes, s.entry.dev,
			    s.entry.ino, &key) < 0 ||
			    accept_path(in, &s.entry, &key, s.pattern,
			    &xattrs) < 0) {
				rc = -1;
				break;
			}
			continue;
		}
		in->counts.duplicates++;
		if (load_omission(in->load, s.entry.dev, s.entry.ino,
		    path.data, path.len, duplicate, sizeof duplicate - 1, 0,
		    "the first one was kept") < 0) {
			rc = -1;
			break;
		}
		if (in->duplicate)
			in->duplicate(&s.entry, s.number, path.data,
			    path.len);
	}
	buf_free(&path);
	buf_free(&xattrs);
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

static void
put_time(struct copyin *c, int64_t seconds, uint32_t ns)
{
	if (ns >= RAW_NO_TIME) {
		copyin_null(c);
		copyin_null(c);
		return;
	}
	copyin_int8(c, (uint64_t)seconds);
	copyin_int4(c, ns);
}

static void
put_id(struct copyin *c, uint32_t id)
{
	if (id == UINT32_MAX)
		copyin_null(c);
	else
		copyin_int8(c, id);
}

/* LOAD_META_COLUMNS fields. */
static void
put_meta(struct copyin *c, const struct intake_entry *e)
{
	int i;

	if (!e->has_meta) {
		for (i = 0; i < LOAD_META_COLUMNS; i++)
			copyin_null(c);
		return;
	}
	copyin_int4(c, e->mode);
	put_id(c, e->uid);
	put_id(c, e->gid);
	if (e->rdev < 0)
		copyin_null(c);
	else
		copyin_int8(c, (uint64_t)e->rdev);
	if (e->flags)
		copyin_int8(c, e->flags);
	else
		copyin_null(c);
	if (e->mtime_ns >= RAW_NO_TIME)
		copyin_null(c);
	else
		copyin_int4(c, e->mtime_ns);
	put_time(c, e->atime, e->atime_ns);
	put_time(c, e->ctime, e->ctime_ns);
	put_time(c, e->btime, e->btime_ns);
}

int
intake_inodes(struct intake *in)
{
	int with_meta = in->counts.with_meta > 0;
	struct copyin *c = &in->load->inodes;
	const char *status;
	struct intake_entry e;
	int rc;

	progress_start("loading", "inodes", PROGRESS_COUNT, in->counts.inodes);
	in->doing = "load inodes";
	if (load_inodes_begin(in->load, with_meta) < 0)
		return -1;
	if (spool_rewind(&in->entries) < 0)
		return spool_failed(in);
	while ((rc = spool_get(&in->entries, &e, sizeof e)) > 0) {
		if (copyin_row(c, 7 + (with_meta ? LOAD_META_COLUMNS : 0),
		    256) < 0)
			return fail(in, "load inodes", c->err);
		copyin_int8(c, e.dev);
		copyin_int8(c, e.ino);
		copyin_int8(c, e.nlink);
		copyin_int8(c, e.size);
		copyin_int8(c, (uint64_t)e.mtime);
		status = status_of(in, &e);
		copyin_bytes(c, status, strlen(status));
		copyin_bytes(c, &e.type, 1);
		if (with_meta)
			put_meta(c, &e);
		if (c->rows % 1024 == 0)
			progress_set(c->rows);
	}
	progress_stop();
	return rc < 0 ? spool_failed(in) : 0;
}
