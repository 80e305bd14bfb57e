#define _GNU_SOURCE
#include "failing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "hash/blake3.h"
#include "image/refused.h"

/* A slot: 59 bits of the path's hash, and its marks; 0: empty. */
enum { MARKS = 0x1f, FIRST_SLOTS = 1 << 12 };

struct failing {
	const char *root;
	struct walk_progress *progress;
	char *room;
	int refused;
	uint64_t *slots;
	size_t slot_count, used;
	size_t met, asked;
	int64_t before;
	/* failing_others() */
	int (*entry)(void *arg, const struct raw_record *rec);
	void *arg;
};

static uint64_t
key_of(const char *path, size_t len)
{
	blake3_hasher h;
	uint64_t key;

	blake3_hasher_init(&h);
	blake3_hasher_update(&h, path, len);
	blake3_hasher_finalize(&h, (uint8_t *)&key, sizeof key);
	key &= ~(uint64_t)MARKS;
	return key ? key : MARKS + 1;
}

static uint64_t *
slot_in(uint64_t *slots, size_t count, uint64_t key)
{
	size_t i = (size_t)(key >> 5) & (count - 1);

	while (slots[i] && (slots[i] & ~(uint64_t)MARKS) != key)
		i = (i + 1) & (count - 1);
	return &slots[i];
}

static void
grow(struct failing *f)
{
	size_t count = f->slot_count ? 2 * f->slot_count : FIRST_SLOTS, i;
	uint64_t *slots = xcalloc(count, sizeof *slots);

	for (i = 0; i < f->slot_count; i++)
		if (f->slots[i])
			*slot_in(slots, count, f->slots[i] &
			    ~(uint64_t)MARKS) = f->slots[i];
	free(f->slots);
	f->slots = slots;
	f->slot_count = count;
}

static unsigned int
mark(struct failing *f, const char *path, size_t len, unsigned int marks)
{
	uint64_t key = key_of(path, len), *slot;

	if (f->used >= f->slot_count / 2)
		grow(f);
	slot = slot_in(f->slots, f->slot_count, key);
	if (!*slot) {
		*slot = key;
		f->used++;
	}
	f->met += (marks & FAILING_MET) && !(*slot & FAILING_MET);
	f->asked += (marks & FAILING_ASKED) && !(*slot & FAILING_ASKED) &&
	    (*slot & FAILING_MET);
	*slot |= marks;
	return (unsigned int)(*slot & MARKS);
}

/* The path behind that of the root and its slash. */
static const char *
below(const struct failing *f, const char *path, size_t *len)
{
	size_t skip = strlen(f->root);

	while (skip < *len && path[skip] == '/')
		skip++;
	if (skip > *len)
		skip = *len;
	*len -= skip;
	return path + skip;
}

static void
mark_below(struct failing *f, const char *path, size_t len,
    unsigned int marks)
{
	const char *name = below(f, path, &len);

	mark(f, name, len, marks);
}

/* ---- the first walk ---- */

static void
around(void *arg, enum walk_act act, int before, const char *path, size_t len)
{
	struct failing *f = arg;
	int64_t now = refused_count(f->refused);

	if (before)
		f->before = now;
	else if (now < 0 || now != f->before)
		mark_below(f, path, len, act == WALK_STAT ? FAILING_INODE :
		    FAILING_GAPS);
}

static void
listed(void *arg, const char *path, size_t len)
{
	mark_below(arg, path, len, FAILING_LISTED);
}

static int
met(void *arg, const struct raw_record *rec)
{
	mark_below(arg, rec->path, rec->path_len, FAILING_MET);
	return 0;
}

static int
in_trouble(void *arg, int err, const char *doing, const char *path,
    size_t len)
{
	(void)err;
	mark_below(arg, path, len, strcmp(doing, "stat") ? FAILING_GAPS :
	    FAILING_INODE);
	return 0;
}

struct failing *
failing_walk(const char *root, const char *refused,
    struct walk_progress *progress, char *room)
{
	struct failing *f = xcalloc(1, sizeof *f);
	struct walk w = { .path = room, .arg = f, .entry = met,
		.problem = in_trouble, .around = around, .listed = listed,
		.progress = progress };
	int err;

	f->root = root;
	f->progress = progress;
	f->room = room;
	f->refused = open(refused, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	/* one at a time: the count is of all that read through the view */
	if (f->refused < 0 || flock(f->refused, LOCK_EX) < 0 ||
	    walk_tree(&w, root) != 0) {
		err = errno;
		failing_free(f);
		errno = err;
		return NULL;
	}
	flock(f->refused, LOCK_UN);
	return f;
}

void
failing_free(struct failing *f)
{
	if (!f)
		return;
	if (f->refused >= 0)
		close(f->refused);
	free(f->slots);
	free(f);
}

unsigned int
failing_marks(struct failing *f, const char *path, size_t len)
{
	return mark(f, path, len, FAILING_ASKED);
}

/* ---- what only it met ---- */

static int
other(void *arg, const struct raw_record *rec)
{
	struct failing *f = arg;
	size_t len = rec->path_len;
	const char *name = below(f, rec->path, &len);

	return mark(f, name, len, 0) & FAILING_ASKED ? 0 :
	    f->entry(f->arg, rec);
}

/* The first walk has said it. */
static int
said_already(void *arg, int err, const char *doing, const char *path,
    size_t len)
{
	(void)arg;
	(void)err;
	(void)doing;
	(void)path;
	(void)len;
	return 0;
}

int
failing_others(struct failing *f, int (*entry)(void *arg,
    const struct raw_record *rec), void *arg)
{
	struct walk w = { .path = f->room, .arg = f, .entry = other,
		.problem = said_already, .progress = f->progress };

	if (f->asked == f->met)
		return 0;
	f->entry = entry;
	f->arg = arg;
	return walk_tree(&w, f->root);
}
