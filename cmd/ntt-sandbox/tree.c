#define _GNU_SOURCE
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/fnv.h"

enum { SLOTS = 1024, DEVICE_SHIFT = 48, DEVICES = 1 << 16 };

void
tree_init(struct tree *t)
{
	memset(t, 0, sizeof *t);
	t->slots = SLOTS;
	t->table = xcalloc(t->slots, sizeof *t->table);
}

void
tree_free(struct tree *t)
{
	struct node *n, *next;
	size_t i;

	for (i = 0; i < t->slots; i++)
		for (n = t->table[i]; n; n = next) {
			next = n->same_hash;
			if (t->gone)
				t->gone(n);
			free(n->link);
			free(n);
		}
	if (t->root)
		free(t->root->link);
	free(t->root);
	free(t->table);
	free(t->devices.devs);
}

static size_t
slot(const struct tree *t, const struct node *dir, const char *name,
    size_t len)
{
	uint64_t h = fnv((uintptr_t)dir * 0x9e3779b97f4a7c15u, name, len);

	return (size_t)(h >> 20) % t->slots;
}

static void
grow(struct tree *t)
{
	size_t old = t->slots, i, at;
	struct node **table = t->table, *n, *next;

	t->slots *= 4;
	t->table = xcalloc(t->slots, sizeof *t->table);
	for (i = 0; i < old; i++)
		for (n = table[i]; n; n = next) {
			next = n->same_hash;
			at = slot(t, n->parent, n->name, strlen(n->name));
			n->same_hash = t->table[at];
			t->table[at] = n;
		}
	free(table);
}

struct node *
tree_find(const struct tree *t, const struct node *dir, const char *name,
    size_t len)
{
	struct node *n = t->table[slot(t, dir, name, len)];

	while (n && (n->parent != dir || strncmp(n->name, name, len) ||
	    n->name[len]))
		n = n->same_hash;
	return n;
}

static void
link_into(struct tree *t, struct node *dir, struct node *n, size_t len)
{
	size_t at;

	if (++t->count > t->slots)
		grow(t);
	at = slot(t, dir, n->name, len);
	n->same_hash = t->table[at];
	t->table[at] = n;
	n->parent = dir;
	dir->refs++;
	n->before = dir->last;
	if (dir->last)
		dir->last->behind = n;
	else
		dir->first = n;
	dir->last = n;
}

struct node *
tree_add(struct tree *t, struct node *dir, const struct guest_name *name)
{
	size_t len = name->e.name_len;
	struct node *n = xcalloc(1, sizeof *n + len + 1);

	if (tree_attributes(t, &name->e, &n->st) < 0) {
		free(n);
		return NULL;
	}
	n->refs = 1;
	if (len > 0)
		memcpy(n->name, name->name, len);
	if (name->e.link_len)
		n->link = xasprintf("%.*s", (int)name->e.link_len,
		    name->link);
	n->no_xattrs = (name->e.flags & GUEST_NO_XATTRS) != 0;
	if (dir)
		link_into(t, dir, n, len);
	else
		t->root = n;
	return n;
}

void
tree_ref(struct node *n, uint64_t count)
{
	n->refs += count;
}

static void
take_out(struct tree *t, struct node *n)
{
	struct node *dir = n->parent, **p;

	p = &t->table[slot(t, dir, n->name, strlen(n->name))];
	while (*p != n)
		p = &(*p)->same_hash;
	*p = n->same_hash;
	t->count--;
	*(n->before ? &n->before->behind : &dir->first) = n->behind;
	*(n->behind ? &n->behind->before : &dir->last) = n->before;
}

void
tree_unref(struct tree *t, struct node *n, uint64_t count)
{
	struct node *dir;

	while (n && n != t->root) {
		n->refs -= count < n->refs ? count : n->refs;
		if (n->refs > 0)
			return;
		if (t->gone)
			t->gone(n);
		dir = n->parent;
		take_out(t, n);
		free(n->link);
		free(n);
		n = dir;
		count = 1;
	}
}

uint64_t
tree_inode(struct tree *t, uint64_t dev, uint64_t ino)
{
	struct tree_devices *d = &t->devices;
	size_t i = 0;

	while (i < d->count && d->devs[i] != dev)
		i++;
	if (i == d->count) {
		if (i == DEVICES)
			return 0;
		d->devs = xrealloc(d->devs, (i + 1) * sizeof *d->devs);
		d->devs[d->count++] = dev;
	}
	if (i == 0)
		return ino;
	return ino >> DEVICE_SHIFT ? 0 : ino | (uint64_t)i << DEVICE_SHIFT;
}

int
tree_attributes(struct tree *t, const struct guest_entry *e, struct stat *st)
{
	memset(st, 0, sizeof *st);
	st->st_ino = tree_inode(t, e->dev, e->ino);
	if (st->st_ino == 0 && e->ino) {
		errno = EOVERFLOW;
		return -1;
	}
	st->st_mode = e->mode;
	st->st_nlink = e->nlink;
	st->st_uid = e->uid;
	st->st_gid = e->gid;
	st->st_rdev = makedev(e->rdev_major, e->rdev_minor);
	st->st_size = (off_t)e->size;
	st->st_blocks = (blkcnt_t)e->blocks;
	st->st_blksize = 128 << 10;
	st->st_atim.tv_sec = e->atime;
	st->st_atim.tv_nsec = e->atime_ns;
	st->st_mtim.tv_sec = e->mtime;
	st->st_mtim.tv_nsec = e->mtime_ns;
	st->st_ctim.tv_sec = e->ctime;
	st->st_ctim.tv_nsec = e->ctime_ns;
	return 0;
}

/* From the end, for a node knows only who is above it. */
void
tree_path(struct buf *path, const struct node *n, const char *name)
{
	const struct node *p;
	size_t len = 0, part;
	char *at;

	for (p = n; p->parent; p = p->parent)
		len += strlen(p->name) + 1;
	len += name ? strlen(name) : 0;
	len -= len > 0 && !name;
	buf_reset(path);
	buf_reserve(path, len + 1);
	path->len = len;
	at = path->data + len;
	*at = '\0';
	if (name) {
		part = strlen(name);
		at -= part;
		memcpy(at, name, part);
	}
	for (p = n; p->parent; p = p->parent) {
		if (at < path->data + len)
			*--at = '/';
		part = strlen(p->name);
		at -= part;
		memcpy(at, p->name, part);
	}
}
