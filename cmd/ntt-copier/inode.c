#define _GNU_SOURCE
#include "inode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mime.h"
#include "kmsg.h"
#include "raw/raw.h"

static int
pending(void *arg, const char *id)
{
	struct copier *c = arg;

	return copy_batch_pending(&c->batch, id);
}

static int
doubt(void *arg, const char *id, uint64_t size, const void *bytes)
{
	struct copier *c = arg;

	return doubt_ask(&c->doubt, id, size, bytes);
}

static int
marked(void *arg, const char *id)
{
	struct copier *c = arg;

	return doubt_marked(&c->doubt, id);
}

static void
look(void *arg, const char *head, size_t len)
{
	struct copier *c = arg;

	c->mime = c->magic && c->mime_now ? magic_buffer(c->magic, head,
	    len < MIME_HEAD ? len : MIME_HEAD) : NULL;
}

int
copier_init(struct copier *c, struct queue *q, int paranoid,
    int (*stop)(void))
{
	c->reader = (struct copy_reader){
		.store = &c->store,
		.buf = aligned_alloc((size_t)sysconf(_SC_PAGESIZE),
		    COPY_BUFFER),
		.pending = pending,
		.doubt = doubt,
		.marked = marked,
		.look = look,
		.arg = c,
		.stop = stop,
		.digests = &c->digests,
	};
	if (!c->reader.buf)
		return -1;
	return copy_batch_init(&c->batch, q, &c->store, &c->archived,
	    &c->doubt, paranoid ? &c->reader : NULL);
}

void
copier_free(struct copier *c)
{
	copy_batch_free(&c->batch);
	doubt_free(&c->doubt);
	free(c->reader.buf);
	archived_close(&c->archived);
	store_close(&c->store);
	source_close(&c->source);
	damage_close(c->damage);
	lost_close(c->lost);
	copy_events_free(&c->events);
	xattrs_free(&c->xattrs);
	copy_forgive(c);
	free(c->held);
	presence_close(&c->presence);
	if (c->kmsg >= 0)
		close(c->kmsg);
	if (c->magic)
		magic_close(c->magic);
	digests_free(&c->digests);
	memset(c, 0, sizeof *c);
}

static int
in_trouble(struct copier *c, const char *what, int err)
{
	c->trouble = what;
	errno = err;
	return -1;
}

static int
machine_in_trouble(struct copier *c, int err)
{
	return in_trouble(c, "this machine's memory or descriptors", err);
}

static void
log_failure(const struct queue_inode *inode, const struct queue_result *r)
{
	struct buf event = BUF_INIT;

	log_begin(&event, LOG_INODE_FAILED);
	json_i64(&event, "dev", inode->dev);
	json_i64(&event, "ino", inode->ino);
	json_i64(&event, "attempts", inode->attempts + 1);
	json_text(&event, "error_type", r->error_type);
	json_text(&event, "error", r->error);
	if (inode->path_count > 0)
		json_name(&event, "path", inode->paths[0].bytes,
		    inode->paths[0].len);
	log_end(&event);
	buf_free(&event);
}

/* The result goes to the batch, and its paths when they are to be linked. */
static void
add(struct copier *c, struct queue_inode *inode, struct queue_result *r,
    struct store_temp *temp, const char *link)
{
	struct store_temp none = { .fd = -1 };
	int named = r->blobid != NULL;

	r->dev = inode->dev;
	r->ino = inode->ino;
	named = named && !r->stream;
	copy_batch_add(&c->batch, r, temp ? temp : &none,
	    named ? inode->paths : NULL, named ? inode->path_count : 0, link);
	if (named) {
		inode->paths = NULL;
		inode->path_count = 0;
	}
}

/* What is known about a failure, for whoever looks at it later. */
static char *
checks(struct copier *c, enum copy_class class, int err, const char *damage)
{
	struct buf b = BUF_INIT;

	json_begin_object(&b, NULL);
	json_text(&b, "errno", strerrorname_np(err));
	json_bool(&b, "source_in_place", source_alive(&c->source));
	if (c->damage && class == COPY_IO_ERROR)
		json_text(&b, "unrescued", damage ? damage : "none");
	if (class == COPY_IO_ERROR) {
		json_begin_array(&b, "kernel");
		kmsg_lines(c->kmsg, c->source.file_dev, &b);
		json_end_array(&b);
	}
	json_end_object(&b);
	return buf_detach(&b);
}

/*
 * An event when a file is given up, and one on the way when there are many
 * attempts.
 */
static void
diagnose(struct copier *c, const struct queue_inode *inode,
    enum copy_class class, int err, const char *damage,
    enum queue_status status, const char *text)
{
	enum { LOOK_AT = 10, LOOK_AT_UNKNOWN = 5 };
	int attempt = inode->attempts + 1;
	const char *action;

	if (status == QUEUE_FAILED_PERMANENT)
		action = "skipped";
	else if (status == QUEUE_FAILED_RETRYABLE)
		action = "max_retries";
	else if (attempt == (c->health_known ? LOOK_AT : LOOK_AT_UNKNOWN))
		action = "continuing";
	else
		return;
	copy_events_add(&c->events, inode->dev, inode->ino, attempt, err,
	    action, xstrdup(text), checks(c, class, err, damage));
}

static void
blame(struct copier *c, struct queue_inode *inode, enum copy_class class,
    int err, const char *damage, const char *text)
{
	int attempts = inode->attempts + 1;
	struct queue_result r = { .error_type = copy_class_name(class),
		.error = text };

	if (attempts < copy_attempts(class, c->health_known,
	    damage && *damage)) {
		r.status = QUEUE_RETRY;
		r.delay_ms = copy_backoff_ms(attempts);
	} else {
		r.status = class == COPY_IO_ERROR ? QUEUE_FAILED_PERMANENT :
		    QUEUE_FAILED_RETRYABLE;
		log_failure(inode, &r);
	}
	diagnose(c, inode, class, err, damage, r.status, text);
	c->unknown_errors += class == COPY_UNKNOWN_ERROR;
	add(c, inode, &r, NULL, NULL);
}

/* A file that a source which went away could not give either. */
static int
doubtful(enum copy_class class, const char *damage)
{
	return class != COPY_PERMISSION_ERROR && class != COPY_HASH_ERROR &&
	    !(damage && *damage);
}

static void
add_failure_text(struct copier *c, struct queue_inode *inode,
    enum copy_class class, int err, const char *damage, char *text)
{
	struct copy_held *h;

	if (!doubtful(class, damage)) {
		blame(c, inode, class, err, damage, text);
		free(text);
		return;
	}
	c->held = xrealloc(c->held, (c->held_count + 1) * sizeof *c->held);
	h = &c->held[c->held_count++];
	*h = (struct copy_held){ .inode = inode, .class = class, .err = err,
		.damage = damage ? xstrdup(damage) : NULL, .text = text };
	c->answered = 0;
}

void
copy_forgive(struct copier *c)
{
	size_t i;

	for (i = 0; i < c->held_count; i++) {
		free(c->held[i].damage);
		free(c->held[i].text);
	}
	c->held_count = 0;
}

void
copy_blame(struct copier *c)
{
	size_t i;

	for (i = 0; i < c->held_count; i++) {
		const struct copy_held *h = &c->held[i];

		blame(c, h->inode, h->class, h->err, h->damage, h->text);
	}
	copy_forgive(c);
}

static void
add_failure(struct copier *c, struct queue_inode *inode,
    enum copy_class class, int err, const char *damage)
{
	add_failure_text(c, inode, class, err, damage,
	    copy_error_text(class, err));
}

/* An image cannot change: one of its two sizes is wrong. */
static void
add_wrong_size(struct copier *c, struct queue_inode *inode, uint64_t size,
    const char *what, const char *damage)
{
	add_failure_text(c, inode, COPY_IO_ERROR, EIO, damage,
	    xasprintf("%s EIO: %s %llu bytes, and %lld were catalogued",
	    copy_class_name(COPY_IO_ERROR), what, (unsigned long long)size,
	    (long long)inode->size));
}

static char *
drift_text(const struct queue_inode *inode, const struct stat *st)
{
	if (st->st_size == inode->size &&
	    (int64_t)st->st_mtim.tv_sec == inode->mtime)
		return NULL;
	return xasprintf("drift: size %lld, mtime %lld were catalogued, "
	    "%lld and %lld copied", (long long)inode->size,
	    (long long)inode->mtime, (long long)st->st_size,
	    (long long)st->st_mtim.tv_sec);
}

static void
add_copied(struct copier *c, struct queue_inode *inode,
    const struct stat *st, struct copied *done, const char *damage,
    struct queue_meta *meta)
{
	struct queue_result r = { .status = QUEUE_SUCCESS,
		.blobid = done->id, .blob_size = done->size,
		.mime_type = c->mime, .damage = damage, .has_meta = 1,
		.meta = meta, .digests = done->digests,
		.taken_over = done->taken_over };
	char *note = done->unstable ? xasprintf("unstable: it changed "
	    "whenever it was read, %llu bytes are what the last reading gave",
	    (unsigned long long)done->size) : c->live ?
	    drift_text(inode, st) : NULL;

	r.error = note;
	c->unstable += (unsigned int)done->unstable;
	r.fs_type = inode->fs_type == 'f' ? '\0' : 'f';
	add(c, inode, &r, &done->temp, NULL);
	free(note);
}

/* A file was read, or not: 0, or -1 with errno. */
static int
judge(struct copier *c, struct queue_inode *inode, enum copy_outcome outcome,
    int err, const char *damage)
{
	switch (outcome) {
	case COPY_NEW:
	case COPY_KNOWN:
	case COPY_STOPPED:	/* it stays as it was */
		return 0;
	case COPY_SHORT:
		add_failure(c, inode, COPY_IO_ERROR, EIO, damage);
		return 0;
	case COPY_CHANGED:
		add_failure(c, inode, COPY_HASH_ERROR, err, damage);
		return 0;
	case COPY_STORE_FAILED:
		if (err != EBADMSG)
			return in_trouble(c, "the store", err);
		add_failure(c, inode, COPY_HASH_ERROR, err, damage);
		return 0;
	case COPY_SOURCE_FAILED:
		break;
	}
	if (copy_environment(err))
		return machine_in_trouble(c, err);
	add_failure(c, inode, copy_class_of(err), err, damage);
	return 0;
}

/* The lost ranges of a file, as damage_of(). */
static char *
damage_at(struct copier *c, int fd, const struct stat *st, const char *path)
{
	char *damage = NULL;
	int beyond = 0;

	if (c->lost)
		damage = lost_of(c->lost, c->damage, fd, st, path,
		    c->source.partition, &beyond);
	else if (c->damage && st->st_size > 0)
		damage = damage_of(c->damage, fd, c->source.partition,
		    &beyond);
	c->beyond_end += (unsigned int)beyond;
	return damage;
}

/* The store has something else under the name of what was read. */
static enum copy_outcome
heal(struct copier *c, enum copy_outcome outcome, struct copied *done)
{
	if (outcome != COPY_NEW || !done->heals)
		return outcome;
	if (doubt_heal(&c->doubt, done->id, done->size, &done->temp) == 0)
		return COPY_KNOWN;
	done->err = errno;
	return COPY_STORE_FAILED;
}

/* An attribute that is too large for a row: 0, or -1 with errno. */
static int
store_xattr(struct copier *c, struct queue_inode *inode,
    struct queue_meta *meta, const struct queue_xattr *a)
{
	char *name = xasprintf("xattr:%s", a->name);
	struct queue_result r = { .status = QUEUE_SUCCESS, .stream = name };
	struct copied done;
	int rc = 0;

	switch (heal(c, copy_bytes(&c->reader, a->value, a->len, &done),
	    &done)) {
	case COPY_NEW:
	case COPY_KNOWN:
		r.blobid = done.id;
		r.blob_size = done.size;
		add(c, inode, &r, &done.temp, NULL);
		break;
	default:
		if (done.err == EBADMSG)
			meta_unread(meta, a->name, done.err, &inode->paths[0]);
		else
			rc = in_trouble(c, "the store", done.err);
	}
	free(name);
	return rc;
}

/* Those become contents, and leave the others. */
static int
store_large(struct copier *c, struct queue_inode *inode,
    struct queue_meta *meta)
{
	size_t i, kept = 0;
	int rc = 0;

	for (i = 0; meta && i < meta->xattr_count; i++) {
		struct queue_xattr *a = &meta->xattrs[i];

		if (a->len <= META_VALUE_MAX || rc < 0) {
			meta->xattrs[kept++] = *a;
			continue;
		}
		rc = store_xattr(c, inode, meta, a);
		free(a->name);
		free(a->value);
	}
	if (meta)
		meta->xattr_count = kept;
	return rc;
}

static void
answered(struct copier *c, const char *path, uint64_t ino)
{
	c->answered = 1;
	presence_witness(&c->presence, path, ino, c->source.partition);
}

/* It is as it was when its blob was made. */
static int
is_unchanged(const struct copier *c, const struct queue_inode *inode,
    const struct stat *st)
{
	return c->live && *inode->same_as && st->st_size == inode->size &&
	    st->st_mtim.tv_sec == inode->mtime &&
	    st->st_ctim.tv_sec == inode->ctime &&
	    st->st_ctim.tv_nsec == inode->ctime_ns;
}

static int
copy_regular(struct copier *c, struct queue_inode *inode, int fd,
    const struct stat *st, const char *path, int likely_known)
{
	enum copy_outcome outcome;
	struct queue_meta *meta = NULL;
	char *damage = NULL;
	struct copied done;
	int rc;

	c->mime = NULL;
	if (!c->live && st->st_size != inode->size) {
		close(fd);
		add_wrong_size(c, inode, (uint64_t)st->st_size,
		    "the file system says", NULL);
		return 0;
	}
	c->reader.settle = c->live && inode->attempts + 1 >=
	    copy_attempts(COPY_HASH_ERROR, c->health_known, 0);
	c->reader.salvage = c->lost && lost_within(c->lost,
	    c->source.partition);
	outcome = is_unchanged(c, inode, st) && copy_take_over(&c->reader,
	    inode->same_as, (uint64_t)st->st_size, &done) ? COPY_KNOWN :
	    heal(c, copy_file(&c->reader, fd, st, likely_known, &done), &done);
	/* zeros instead of what cannot be read: only where that is lost */
	if (c->reader.zeroed)
		c->confirm();
	else if (done.size > 0 && !done.taken_over && !c->failing)
		answered(c, path, st->st_ino);
	damage = damage_at(c, fd, st, path);
	if (outcome == COPY_NEW || outcome == COPY_KNOWN)
		meta = meta_take(&c->xattrs, fd, st, c->source.file_type,
		    &inode->paths[0]);
	close(fd);
	if (store_large(c, inode, meta) < 0) {
		store_temp_discard(&c->store, &done.temp);
		meta_free(meta);
		free(done.digests);
		free(damage);
		return -1;
	}
	/* what became zeros is lost, also where nothing was refused */
	if (c->reader.zeroed && !damage)
		damage = xstrdup("");
	if (outcome == COPY_SHORT && !c->live) {
		add_wrong_size(c, inode, done.size, "the file ends after",
		    damage);
		free(damage);
		return 0;
	}
	if (outcome == COPY_NEW || outcome == COPY_KNOWN)
		add_copied(c, inode, st, &done, damage, meta);
	rc = judge(c, inode, outcome, done.err, damage);
	free(damage);
	return rc;
}

static int
copy_link(struct copier *c, struct queue_inode *inode, const char *target,
    size_t len, const char *damage)
{
	struct queue_result r = { .status = QUEUE_SUCCESS };
	struct copied done;
	enum copy_outcome outcome = heal(c, copy_bytes(&c->reader, target,
	    len, &done), &done);

	if (outcome == COPY_NEW || outcome == COPY_KNOWN) {
		r.blobid = done.id;
		r.blob_size = done.size;
		r.mime_type = "inode/symlink";
		r.is_link = 1;
		r.damage = damage;
		r.fs_type = inode->fs_type == 'l' ? '\0' : 'l';
		add(c, inode, &r, &done.temp, target);
	}
	return judge(c, inode, outcome, done.err, NULL);
}

int
copy_directory(struct copier *c, const struct queue_inode *inode)
{
	int i;

	for (i = 0; i < inode->path_count; i++) {
		if (archived_mkdir(&c->archived, inode->paths[i].bytes) >= 0)
			continue;
		/* a name the medium has twice keeps what came first */
		if (errno != ENOTDIR && errno != EINVAL &&
		    errno != ENAMETOOLONG && errno != ELOOP)
			return in_trouble(c, "the archived tree", errno);
	}
	c->batch.totals.directories++;
	return 0;
}

/* Neither file nor link after all: only a row in the catalogue. */
static int
add_non_file(struct copier *c, struct queue_inode *inode,
    const struct stat *st)
{
	struct queue_result r = { .status = QUEUE_NON_FILE };

	r.fs_type = raw_letter(st->st_mode);
	if (r.fs_type == 'd' && copy_directory(c, inode) < 0)
		return -1;
	add(c, inode, &r, NULL, NULL);
	return 0;
}

/* One path of an inode, as copy_inode(). */
static int
try_path(struct copier *c, struct queue_inode *inode, const char *path,
    int likely_known)
{
	char type = inode->fs_type == 'U' ? '?' : inode->fs_type;
	uint64_t ino = (uint64_t)inode->ino;
	struct stat st;
	char *target, *damage = NULL;
	size_t len;
	int fd, rc;

	if (type != 'l') {
		fd = source_file(&c->source, path, type, ino, &st);
		if (fd < 0)
			return errno;
		if (S_ISREG(st.st_mode))
			return copy_regular(c, inode, fd, &st, path,
			    likely_known);
		close(fd);
		if (!S_ISLNK(st.st_mode))
			return add_non_file(c, inode, &st);
	}
	target = source_link(&c->source, path, ino, &len);
	if (!target)
		return errno;
	if (c->lost)
		damage = lost_of_link(c->lost, path, ino,
		    c->source.partition, len);
	rc = copy_link(c, inode, target, len, damage);
	free(damage);
	free(target);
	return rc;
}

static int
try_paths(struct copier *c, struct queue_inode *inode, int likely_known)
{
	int i, rc = 0;

	for (i = 0; i < inode->path_count; i++) {
		rc = try_path(c, inode, inode->paths[i].bytes, likely_known);
		if (rc <= 0)
			return rc;
		if (copy_environment(rc))
			return machine_in_trouble(c, rc);
	}
	return rc;
}

/* Some names are only where lost areas fail. */
static int
try_failing(struct copier *c, struct queue_inode *inode, int likely_known,
    int err)
{
	struct source *failing = lost_source(c->lost), plain = c->source;
	int rc;

	if (!failing)
		return err;
	c->source = *failing;
	c->failing = 1;
	rc = try_paths(c, inode, likely_known);
	c->failing = 0;
	*failing = c->source;
	c->source = plain;
	return rc > 0 ? err : rc;
}

int
copy_inode(struct copier *c, struct queue_inode *inode, int likely_known)
{
	struct queue_result excluded = { .status = QUEUE_EXCLUDED };
	int rc;

	if (inode->path_count == 0) {
		add(c, inode, &excluded, NULL, NULL);
		return 0;
	}
	rc = try_paths(c, inode, likely_known);
	if (rc > 0 && c->lost)
		rc = try_failing(c, inode, likely_known, rc);
	if (rc > 0)
		add_failure(c, inode, copy_class_of(rc), rc, NULL);
	return rc < 0 ? -1 : 0;
}
