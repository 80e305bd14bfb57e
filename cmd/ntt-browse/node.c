#define _GNU_SOURCE
#include "node.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/procstat.h"

enum {
	CHAINS = 1 << 17,
	BATCH = 512,
	/* the kernel needs its time to forget */
	PAUSE_MS = 20,
	/* so long a directory may be where a shell stands */
	IDLE_MS = 60000
};

struct node node_root = { .kind = NODE_ROOT, .path = (char *)"",
	.lookups = 1 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t many = PTHREAD_COND_INITIALIZER;
static struct node *chains[CHAINS];
static struct node *newest, *oldest;
static size_t count, directories;

static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint64_t
node_number(enum node_kind kind, const struct shown *m,
    const struct entry *e, const char *path, size_t len)
{
	uint64_t h = mix((m ? m->salt : 0) + (uint64_t)kind);

	if (kind == NODE_ROOT)
		return 1;
	if (kind == NODE_FILE)
		h = mix(mix(h + e->dev) + e->ino);
	else if (kind == NODE_BLOB)
		memcpy(&h, e->blob, sizeof h);
	while (len-- > 0)
		h = mix(h + (unsigned char)*path++);
	/* no sign, and no small one: they mean something to some programs */
	h >>= 1;
	return h < 256 ? h + 256 : h;
}

void
node_stat(enum node_kind kind, const struct shown *m, const struct entry *e,
    const char *path, size_t len, struct stat *st)
{
	memset(st, 0, sizeof *st);
	st->st_ino = node_number(kind, m, e, path, len);
	st->st_mode = e->mode;
	/* unknown: find(1) believes in two more than there are directories */
	st->st_nlink = S_ISDIR(e->mode) ? 1 : e->nlink;
	st->st_uid = e->uid;
	st->st_gid = e->gid;
	st->st_rdev = S_ISCHR(e->mode) || S_ISBLK(e->mode) ? e->rdev : 0;
	st->st_size = (off_t)e->size;
	st->st_blksize = 128 << 10;
	st->st_blocks = S_ISREG(e->mode) || S_ISDIR(e->mode) ?
	    (blkcnt_t)((e->stored + 511) / 512) : 0;
	st->st_mtim = (struct timespec){ e->mtime, e->mtime_ns };
	st->st_atim = (struct timespec){ e->atime, e->atime_ns };
	st->st_ctim = (struct timespec){ e->ctime, e->ctime_ns };
}

static struct node **
chain_of(enum node_kind kind, const struct shown *m, const struct entry *e,
    const char *path, size_t len)
{
	return &chains[node_number(kind, m, e, path, len) % CHAINS];
}

static int
is_it(const struct node *n, enum node_kind kind, const struct shown *m,
    const struct entry *e, const char *path, size_t len)
{
	if (n->kind != kind || n->medium != m || n->len != len ||
	    memcmp(n->path, path, len))
		return 0;
	if (kind == NODE_FILE)
		return n->entry.dev == e->dev && n->entry.ino == e->ino;
	return kind != NODE_BLOB || !memcmp(n->entry.blob, e->blob,
	    sizeof e->blob);
}

static void
unlist(struct node *n)
{
	*(n->older ? &n->older->newer : &oldest) = n->newer;
	*(n->newer ? &n->newer->older : &newest) = n->older;
}

static void
list(struct node *n)
{
	n->newer = NULL;
	n->older = newest;
	*(newest ? &newest->newer : &oldest) = n;
	newest = n;
}

static void
call_it(struct node *n, struct node *parent, const char *name)
{
	n->parent = parent;
	if (n->name && !strcmp(n->name, name))
		return;
	free(n->name);
	n->name = xstrdup(name);
}

struct node *
node_get(enum node_kind kind, struct shown *m, const struct entry *e,
    const char *path, size_t len, struct node *parent, const char *name)
{
	struct node **chain = chain_of(kind, m, e, path, len), *n;

	pthread_mutex_lock(&lock);
	for (n = *chain; n && !is_it(n, kind, m, e, path, len); n = n->chain)
		;
	if (!n) {
		n = xcalloc(1, sizeof *n);
		n->kind = kind;
		n->medium = m;
		n->path = xmalloc(len + 1);
		memcpy(n->path, path, len);
		n->path[len] = '\0';
		n->len = len;
		n->chain = *chain;
		*chain = n;
		list(n);
		n->used = monotonic_ms();
		count++;
		directories += kind == NODE_DIR;
		if (count > NODES_WANTED)
			pthread_cond_signal(&many);
	}
	n->entry = *e;
	call_it(n, parent, name);
	n->lookups++;
	pthread_mutex_unlock(&lock);
	return n;
}

void
node_forget(struct node *n, uint64_t times)
{
	struct node **at;

	if (n == &node_root)
		return;
	pthread_mutex_lock(&lock);
	n->lookups -= times < n->lookups ? times : n->lookups;
	if (n->lookups > 0) {
		pthread_mutex_unlock(&lock);
		return;
	}
	at = chain_of(n->kind, n->medium, &n->entry, n->path, n->len);
	while (*at != n)
		at = &(*at)->chain;
	*at = n->chain;
	unlist(n);
	count--;
	directories -= n->kind == NODE_DIR;
	pthread_mutex_unlock(&lock);
	free(n->path);
	free(n->name);
	free(n);
}

void
node_entry(struct node *n, struct entry *e)
{
	pthread_mutex_lock(&lock);
	*e = n->entry;
	pthread_mutex_unlock(&lock);
}

void
node_set_entry(struct node *n, const struct entry *e)
{
	pthread_mutex_lock(&lock);
	n->entry = *e;
	pthread_mutex_unlock(&lock);
}

int
node_opened(struct node *n, uint64_t file)
{
	int same;

	pthread_mutex_lock(&lock);
	same = n->opened == 0 || n->opened == file;
	n->opened = file;
	pthread_mutex_unlock(&lock);
	return same;
}

void
node_use(struct node *n)
{
	if (n == &node_root)
		return;
	pthread_mutex_lock(&lock);
	n->used = monotonic_ms();
	unlist(n);
	list(n);
	pthread_mutex_unlock(&lock);
}

struct victim {
	struct node *parent;
	char *name;
};

/* Some that were shown first.  Those that stay are asked for last. */
static size_t
choose(struct victim *victims)
{
	int too_many = directories > NODES_WANTED / 2;
	int64_t now = monotonic_ms();
	struct node *n, *next;
	size_t found = 0, seen = 0, all = count;

	for (n = oldest; n && found < BATCH && seen < all; n = next) {
		next = n->newer;
		if (++seen > 50 * BATCH)
			break;
		unlist(n);
		list(n);
		if (n->kind == NODE_DIR && (!too_many || n->len == 0 ||
		    now - n->used < IDLE_MS))
			continue;
		if (n->kind == NODE_MEDIA || n->kind == NODE_BLOBS ||
		    !n->parent)
			continue;
		victims[found].parent = n->parent;
		victims[found++].name = xstrdup(n->name);
	}
	return found;
}

void
node_sweep(void (*drop)(struct node *parent, const char *name, size_t len))
{
	struct victim victims[BATCH];
	const struct timespec pause = { 0, PAUSE_MS * 1000000L };
	size_t n, i;

	for (;;) {
		pthread_mutex_lock(&lock);
		while (count <= NODES_WANTED)
			pthread_cond_wait(&many, &lock);
		n = choose(victims);
		pthread_mutex_unlock(&lock);
		for (i = 0; i < n; i++) {
			drop(victims[i].parent, victims[i].name,
			    strlen(victims[i].name));
			free(victims[i].name);
		}
		if (n < BATCH)
			nanosleep(&pause, NULL);
	}
}
