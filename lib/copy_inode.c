#define _GNU_SOURCE
#include "copy_inode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "json.h"
#include "kmsg.h"
#include "log.h"

static int
pending(void *arg, const char *id)
{
	struct copier *c = arg;

	return copy_batch_pending(&c->batch, id);
}

static void
look(void *arg, const char *head, size_t len)
{
	enum { ENOUGH = 16384 };
	struct copier *c = arg;

	c->mime = c->magic && c->mime_now ? magic_buffer(c->magic, head,
	    len < ENOUGH ? len : ENOUGH) : NULL;
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
		.look = look,
		.arg = c,
		.stop = stop,
	};
	if (!c->reader.buf)
		return -1;
	return copy_batch_init(&c->batch, q, &c->store, &c->archived,
	    paranoid ? &c->reader : NULL);
}

void
copier_free(struct copier *c)
{
	copy_batch_free(&c->batch);
	free(c->reader.buf);
	archived_close(&c->archived);
	store_close(&c->store);
	source_close(&c->source);
	damage_close(c->damage);
	copy_events_free(&c->events);
	if (c->kmsg >= 0)
		close(c->kmsg);
	if (c->magic)
		magic_close(c->magic);
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

	log_begin(&event, "inode_failed");
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
add_failure(struct copier *c, struct queue_inode *inode,
    enum copy_class class, int err, const char *damage)
{
	int attempts = inode->attempts + 1;
	struct queue_result r = { .error_type = copy_class_name(class) };
	char *text = copy_error_text(class, err);

	r.error = text;
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
	free(text);
}

void
copy_inode_failed(struct copier *c, struct queue_inode *inode, int err)
{
	add_failure(c, inode, copy_class_of(err), err, NULL);
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
    const struct stat *st, struct copied *done, const char *damage)
{
	struct queue_result r = { .status = QUEUE_SUCCESS,
		.blobid = done->id, .blob_size = done->size,
		.mime_type = c->mime, .damage = damage };
	char *drift = drift_text(inode, st);

	r.error = drift;
	r.fs_type = inode->fs_type == 'f' ? '\0' : 'f';
	add(c, inode, &r, &done->temp, NULL);
	free(drift);
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

static int
copy_regular(struct copier *c, struct queue_inode *inode, int fd,
    const struct stat *st, int likely_known)
{
	enum copy_outcome outcome;
	char *damage = NULL;
	struct copied done;
	int beyond = 0, rc;

	c->mime = NULL;
	outcome = copy_file(&c->reader, fd, st, likely_known, &done);
	if (c->damage && st->st_size > 0)
		damage = damage_of(c->damage, fd, c->source.partition,
		    &beyond);
	c->beyond_end += (unsigned int)beyond;
	close(fd);
	if (outcome == COPY_NEW || outcome == COPY_KNOWN)
		add_copied(c, inode, st, &done, damage);
	rc = judge(c, inode, outcome, done.err, damage);
	free(damage);
	return rc;
}

static int
copy_link(struct copier *c, struct queue_inode *inode, const char *target,
    size_t len)
{
	struct queue_result r = { .status = QUEUE_SUCCESS };
	struct copied done;
	enum copy_outcome outcome = copy_bytes(&c->reader, target, len,
	    &done);

	if (outcome == COPY_NEW || outcome == COPY_KNOWN) {
		r.blobid = done.id;
		r.blob_size = done.size;
		r.mime_type = "inode/symlink";
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

	r.fs_type = source_type(st->st_mode);
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
	char *target;
	size_t len;
	int fd, rc;

	if (type != 'l') {
		fd = source_file(&c->source, path, type, ino, &st);
		if (fd < 0)
			return errno;
		if (S_ISREG(st.st_mode))
			return copy_regular(c, inode, fd, &st, likely_known);
		close(fd);
		if (!S_ISLNK(st.st_mode))
			return add_non_file(c, inode, &st);
	}
	target = source_link(&c->source, path, ino, &len);
	if (!target)
		return errno;
	rc = copy_link(c, inode, target, len);
	free(target);
	return rc;
}

int
copy_inode(struct copier *c, struct queue_inode *inode, int likely_known)
{
	struct queue_result excluded = { .status = QUEUE_EXCLUDED };
	int i, rc = 0;

	if (inode->path_count == 0) {
		add(c, inode, &excluded, NULL, NULL);
		return 0;
	}
	for (i = 0; i < inode->path_count; i++) {
		rc = try_path(c, inode, inode->paths[i].bytes, likely_known);
		if (rc <= 0)
			return rc;
		if (copy_environment(rc))
			return machine_in_trouble(c, rc);
	}
	return rc;
}
