#define _GNU_SOURCE
#include "batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "meta.h"

struct copy_item {
	struct queue_result r;
	char id[STORE_ID + 1];
	char *mime, *error, *link, *damage, *stream;
	struct store_temp temp;
	int shared;		/* its blob is another item's */
	struct queue_path *paths;
	int path_count;
};

enum {
	SLOTS = 1 << 16,
	MOST_ITEMS = SLOTS / 4,
	OPEN_FILES = 8192,
	/* most of the time is for copying: a sync takes its part of a batch */
	SYNC_PART = 5,
	META_BYTES = 16 << 20
};
/* No flush sooner than this, nor, after a sync that took long, … */
static const int64_t soonest_ns = 500000000, latest_ns = 10000000000;
/* … unless this much was written. */
#define MANY_BYTES ((uint64_t)512 << 20)

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int
copy_batch_init(struct copy_batch *b, struct queue *q, struct store *s,
    struct archived *a, struct doubt *d, struct copy_reader *paranoid)
{
	struct rlimit files;

	memset(b, 0, sizeof *b);
	b->queue = q;
	b->store = s;
	b->archived = a;
	b->doubt = d;
	b->reader = paranoid;
	b->slots = xcalloc(SLOTS, sizeof *b->slots);
	b->slot_count = SLOTS;
	b->since = now_ns();
	queue_batch_init(&b->rows);
	b->pause = soonest_ns;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -1;
	if (files.rlim_cur < 2 * OPEN_FILES + 1) {
		files.rlim_cur = files.rlim_max < 2 * OPEN_FILES + 1 ?
		    files.rlim_max : 2 * OPEN_FILES + 1;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	b->most_open = files.rlim_cur > 2 * OPEN_FILES ? OPEN_FILES :
	    files.rlim_cur > 64 ? files.rlim_cur / 2 : 16;
	return 0;
}

static void
item_free(struct copy_batch *b, struct copy_item *item)
{
	int i;

	store_temp_discard(b->store, &item->temp);
	for (i = 0; i < item->path_count; i++)
		free(item->paths[i].bytes);
	free(item->paths);
	free(item->mime);
	free(item->error);
	free(item->link);
	free(item->damage);
	free(item->stream);
	meta_free(item->r.meta);
	free(item->r.digests);
}

static void
half_reset(struct copy_batch *b, struct copy_half *h)
{
	size_t i;

	for (i = 0; i < h->count; i++)
		item_free(b, &h->items[i]);
	h->count = h->range_count = h->open_files = 0;
	h->bytes = 0;
	free(h->since);
	h->since = NULL;
	h->meta_bytes = 0;
}

void
copy_batch_free(struct copy_batch *b)
{
	half_reset(b, &b->gathered);
	half_reset(b, &b->published);
	free(b->gathered.items);
	free(b->published.items);
	free(b->gathered.ranges);
	free(b->published.ranges);
	free(b->slots);
	queue_batch_free(&b->rows);
	memset(b, 0, sizeof *b);
}

/* The slot of an id: the item that has it, or the free one for it. */
static uint32_t *
find_slot(const struct copy_batch *b, const char *id)
{
	uint32_t hash;
	char head[9] = "";

	/* the id is a hash already */
	memcpy(head, id, 8);
	hash = (uint32_t)strtoul(head, NULL, 16);
	for (;; hash++) {
		uint32_t *slot = &b->slots[hash % SLOTS];

		if (!*slot || !strcmp(b->gathered.items[*slot - 1].id, id))
			return slot;
	}
}

int
copy_batch_pending(const struct copy_batch *b, const char *id)
{
	return *find_slot(b, id) != 0;
}

void
copy_batch_add(struct copy_batch *b, const struct queue_result *r,
    struct store_temp *temp, struct queue_path *paths, int path_count,
    const char *link)
{
	struct copy_half *h = &b->gathered;
	struct copy_item *item;

	if (h->count == h->size) {
		h->size = h->size ? 2 * h->size : 256;
		h->items = xrealloc(h->items, h->size * sizeof *h->items);
	}
	item = &h->items[h->count++];
	memset(item, 0, sizeof *item);
	item->r = *r;
	if (r->blobid)
		memcpy(item->id, r->blobid, STORE_ID);
	item->r.blobid = NULL;
	item->mime = r->mime_type ? xstrdup(r->mime_type) : NULL;
	item->error = r->error ? xstrdup(r->error) : NULL;
	item->link = link ? xstrdup(link) : NULL;
	item->damage = r->damage ? xstrdup(r->damage) : NULL;
	item->r.stream = item->stream = r->stream ? xstrdup(r->stream) : NULL;
	h->meta_bytes += meta_size(r->meta);
	item->temp = *temp;
	item->paths = paths;
	item->path_count = path_count;
	item->shared = item->id[0] && temp->fd < 0 &&
	    copy_batch_pending(b, item->id);
	if (temp->fd >= 0) {
		*find_slot(b, item->id) = (uint32_t)h->count;
		h->open_files++;
		h->bytes += r->blob_size;
	}
}

void
copy_batch_range(struct copy_batch *b, const struct queue_range *range)
{
	struct copy_half *h = &b->gathered;

	h->ranges = xrealloc(h->ranges,
	    (h->range_count + 1) * sizeof *h->ranges);
	h->ranges[h->range_count++] = *range;
}

int
copy_batch_full(const struct copy_batch *b, size_t n)
{
	const struct copy_half *h = &b->gathered;

	if (h->open_files >= b->most_open || h->count >= MOST_ITEMS ||
	    h->bytes >= MANY_BYTES || h->meta_bytes >= META_BYTES)
		return 1;
	if (n > 0)
		return h->count >= n;
	return h->count > 0 && now_ns() - b->since >= b->pause;
}

static int
link_paths(struct copy_batch *b, struct copy_item *item)
{
	int i, rc;

	for (i = 0; i < item->path_count; i++) {
		const char *path = item->paths[i].bytes;

		rc = item->link ?
		    archived_symlink(b->archived, item->link, path) :
		    archived_link(b->archived, b->store, item->id, path);
		if (rc >= 0) {
			/* a link's tree entry is no name of the blob */
			item->r.links += !item->link && b->archived->root >= 0;
			continue;
		}
		if (!archived_conflict(errno))
			return -1;
		/* the content is safe; the name cannot stand in the tree */
		free(item->error);
		item->error = xasprintf("path_error: no place in the archived "
		    "tree: %s", strerror(errno));
		item->r.error_type = "path_error";
	}
	return 0;
}

/* Not stored, tried again. */
static void
condemn(struct copy_batch *b, struct copy_item *item, const char *why)
{
	store_temp_discard(b->store, &item->temp);
	free(item->error);
	item->error = xasprintf("hash_error: %s", why);
	item->r.error_type = "hash_error";
	item->r.status = QUEUE_RETRY;
	item->r.delay_ms = 1000;
	item->id[0] = '\0';
}

/* --paranoid: 1 the disk has the bytes, 0 it has not, -1 with errno. */
static int
read_back(struct copy_batch *b, const struct copy_item *item)
{
	struct copied c = { .temp = item->temp };

	memcpy(c.id, item->id, sizeof c.id);
	return copy_read_back(b->reader, &c);
}

/* The blob gets its name: 0, or -1 with errno when the store is in trouble. */
static int
name_blob(struct copy_batch *b, struct copy_item *item)
{
	int rc = 1;

	if (b->reader)
		rc = read_back(b, item);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		condemn(b, item, "read back differently");
		return 0;
	}
	rc = store_publish(b->store, &item->temp, item->id);
	if (rc >= 0) {
		item->r.is_new = rc;
		if (b->doubt && rc > 0)
			doubt_settle(b->doubt, item->id);
		return 0;
	}
	if (errno != EBADMSG)
		return -1;
	condemn(b, item, "the stored blob has another size");
	return 0;
}

static int
publish_item(struct copy_batch *b, struct copy_item *item)
{
	uint64_t size;

	if (item->temp.fd >= 0 && name_blob(b, item) < 0)
		return -1;
	if (item->shared && store_has(b->store, item->id, &size) != 1)
		condemn(b, item, "the first copy was not stored");
	/* its file is not done without it */
	if (!item->id[0] && item->stream) {
		errno = EBADMSG;
		return -1;
	}
	if (!item->id[0])
		return 0;
	return link_paths(b, item);
}

/* What did not fit is given back; what did is still to be committed. */
static void
cut(struct copy_batch *b, struct copy_half *h, size_t count)
{
	size_t i;

	for (i = count; i < h->count; i++)
		item_free(b, &h->items[i]);
	h->count = count;
	h->range_count = 0;
}

static int
publish(struct copy_batch *b)
{
	struct copy_half *h = &b->gathered;
	size_t i;
	int rc = 0, err;

	for (i = 0; rc == 0 && i < h->count; i++) {
		rc = publish_item(b, &h->items[i]);
		err = errno;
		if (rc == 0)
			queue_commit_push(b->queue);
		else if (copy_is_full(err))
			cut(b, h, i);
		errno = err;
	}
	if (rc == 0)
		memset(b->slots, 0, b->slot_count * sizeof *b->slots);
	return rc;
}

static void
count(struct copy_totals *t, const struct queue_result *r)
{
	int new = queue_result_is_new_content(r);

	if (r->stream)
		return;
	t->inodes++;
	t->unread += r->status == QUEUE_SUCCESS && r->meta && r->meta->unread;
	switch (r->status) {
	case QUEUE_SUCCESS:
		if (!r->is_link) {
			t->files++;
			t->bytes += r->taken_over ? 0 : r->blob_size;
			t->taken_over += (unsigned int)r->taken_over;
			t->new_blobs += (unsigned int)new;
			t->new_bytes += new ? r->blob_size : 0;
			t->duplicates += !new;
		}
		t->damaged += r->damage && *r->damage;
		t->undetermined += r->damage && !*r->damage;
		break;
	case QUEUE_RETRY:
		t->inodes--;
		t->retries++;
		break;
	case QUEUE_FAILED_RETRYABLE:
	case QUEUE_FAILED_PERMANENT:
		t->failed++;
		break;
	case QUEUE_EXCLUDED:
		t->excluded++;
		break;
	case QUEUE_NON_FILE:
		t->non_files++;
		break;
	}
}

static int
commit_begin(struct copy_batch *b)
{
	struct copy_half *h = &b->published;
	size_t i;

	for (i = 0; i < h->count; i++) {
		struct copy_item *item = &h->items[i];

		item->r.blobid = item->id[0] ? item->id : NULL;
		item->r.mime_type = item->mime;
		item->r.error = item->error;
		item->r.damage = item->id[0] ? item->damage : NULL;
		queue_batch_add(&b->rows, &item->r);
	}
	return queue_commit_begin(b->queue, &b->rows, h->ranges,
	    h->range_count);
}

static int
compare_ids(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* ntt-reclaim may have thrown away what had no row that it could see. */
static int
keep_from_trash(struct copy_batch *b)
{
	struct copy_half *h = &b->published;
	uint64_t size;
	size_t i;

	for (i = 0; i < h->count; i++)
		if (h->items[i].id[0] && !h->items[i].r.is_new &&
		    store_has(b->store, h->items[i].id, &size) == 0 &&
		    store_from_trash(b->store, h->items[i].id) < 0)
			return -1;
	return 0;
}

/*
 * A blob that was healed since its links were made here has another file now,
 * and who healed it did not know of paths that were not committed.
 */
static enum copy_flush
link_again(struct copy_batch *b)
{
	struct copy_half *h = &b->published;
	char (*ids)[STORE_ID + 1];
	size_t count, i;
	int j, rc = 0;

	if (!b->doubt || !h->since || b->archived->root < 0)
		return COPY_FLUSHED;
	if (doubt_healed_since(b->doubt, h->since, &ids, &count) < 0)
		return COPY_NO_DATABASE;
	for (i = 0; count > 0 && rc >= 0 && i < h->count; i++) {
		struct copy_item *item = &h->items[i];

		if (!item->id[0] || item->link || !bsearch(item->id, ids,
		    count, sizeof *ids, compare_ids))
			continue;
		for (j = 0; rc >= 0 && j < item->path_count; j++) {
			rc = archived_link(b->archived, b->store, item->id,
			    item->paths[j].bytes);
			if (rc < 0 && archived_conflict(errno))
				rc = 0;
		}
	}
	if (count > 0 && rc >= 0)
		rc = archived_sync(b->archived) < 0 ? -1 :
		    store_sync(b->store);
	free(ids);
	return rc < 0 ? COPY_NO_STORE : COPY_FLUSHED;
}

static enum copy_flush
commit_end(struct copy_batch *b)
{
	struct copy_half *h = &b->published;
	enum copy_flush rc;
	size_t i;

	if (queue_commit_end(b->queue, &b->rows, h->ranges,
	    h->range_count) < 0)
		return COPY_NO_DATABASE;
	rc = keep_from_trash(b) < 0 ? COPY_NO_STORE : link_again(b);
	if (rc != COPY_FLUSHED)
		return rc;
	for (i = 0; i < h->count; i++)
		count(&b->totals, &h->items[i].r);
	b->totals.overflows = b->archived->overflows;
	b->totals.shortened = b->archived->shortened;
	half_reset(b, h);
	return COPY_FLUSHED;
}

/* What is a duplicate must be right before a name of it is made. */
static enum copy_flush
settle_doubts(struct copy_batch *b)
{
	if (!b->doubt)
		return COPY_FLUSHED;
	if (doubt_resolve(b->doubt) < 0 ||
	    doubt_turn(b->doubt, &b->gathered.since) < 0)
		return b->doubt->database_failed ? COPY_NO_DATABASE :
		    COPY_NO_STORE;
	return COPY_FLUSHED;
}

static int
sync_store(struct copy_batch *b)
{
	int64_t from = now_ns();
	int rc = archived_sync(b->archived) < 0 ? -1 : store_sync(b->store);
	int64_t pause = SYNC_PART * (now_ns() - from);

	b->pause = pause < soonest_ns ? soonest_ns :
	    pause > latest_ns ? latest_ns : pause;
	return rc;
}

enum copy_flush
copy_batch_flush(struct copy_batch *b)
{
	struct copy_half swap;
	enum copy_flush rc;
	int published, err;

	if (b->gathered.count == 0 && b->gathered.range_count == 0 &&
	    b->published.count == 0 && b->published.range_count == 0)
		return COPY_FLUSHED;
	rc = settle_doubts(b);
	if (rc != COPY_FLUSHED)
		return rc;
	if (sync_store(b) < 0)
		return COPY_NO_STORE;
	/* the database works while the file system does */
	if (commit_begin(b) < 0)
		return COPY_NO_DATABASE;
	published = publish(b);
	err = errno;
	rc = commit_end(b);
	if (rc != COPY_FLUSHED)
		return rc;
	errno = err;
	if (published < 0 && !copy_is_full(err))
		return COPY_NO_STORE;
	swap = b->published;
	b->published = b->gathered;
	b->gathered = swap;
	b->since = now_ns();
	if (published == 0)
		return COPY_FLUSHED;
	rc = sync_store(b) < 0 ? COPY_NO_STORE : commit_begin(b) < 0 ?
	    COPY_NO_DATABASE : commit_end(b);
	errno = err;
	return rc == COPY_FLUSHED ? COPY_NO_STORE : rc;
}

int
copy_is_full(int err)
{
	return err == ENOSPC || err == EDQUOT;
}

enum copy_flush
copy_batch_finish(struct copy_batch *b)
{
	enum copy_flush rc = copy_batch_flush(b);

	return rc == COPY_FLUSHED ? copy_batch_flush(b) : rc;
}
