#define _GNU_SOURCE
#include "target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"

enum { KEY_HEX = 2 * BLAKE3_KEY_LEN };

/*
 * The mark goes before the times of the top are set, because taking it away
 * changes them.  This attribute, where the file system has such, says meanwhile
 * that they are still to be set.
 */
static const char unfinished[] = "user.ntt.restoring";

/* An empty mark is of a run that was killed before anything was made. */
static int
is_empty_mark(int dir, const char *name)
{
	struct stat st;

	return !strncmp(name, TARGET_MARK, sizeof TARGET_MARK - 1) &&
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_size == 0;
}

static int
is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	int empty = dir != NULL;

	while (dir && (entry = readdir(dir)))
		if (!is_dot(entry->d_name) &&
		    !is_empty_mark(fd, entry->d_name))
			empty = 0;
	if (dir)
		closedir(dir);
	return empty;
}

/* The mark of a run that was killed: its key, and whether the top is ours. */
static int
read_mark(struct target *t)
{
	char text[KEY_HEX + 3];
	uint8_t key[sizeof t->key];
	int own;
	ssize_t n = pread_full(t->mark, text, sizeof text, 0);

	if (n != sizeof text - 1 || text[KEY_HEX + 1] != '\n')
		return 0;
	text[KEY_HEX + 1] = '\0';
	own = text[KEY_HEX] == '+';
	text[KEY_HEX] = '\0';
	if (hex_decode(key, text, sizeof key) < 0)
		return 0;
	memcpy(t->key, key, sizeof key);
	t->own = own;
	return 1;
}

static int
write_mark(struct target *t)
{
	char text[KEY_HEX + 3];

	if (getrandom(t->key, sizeof t->key, 0) != sizeof t->key)
		return -1;
	hex_encode(text, t->key, sizeof t->key);
	text[KEY_HEX] = t->own ? '+' : '-';
	text[KEY_HEX + 1] = '\n';
	if (ftruncate(t->mark, 0) < 0 ||
	    pwrite(t->mark, text, KEY_HEX + 2, 0) != KEY_HEX + 2)
		return -1;
	return 0;
}

static void
name_mark(struct target *t, int number)
{
	strcpy(t->mark_name, TARGET_MARK);
	if (number > 0)
		snprintf(t->mark_name, sizeof t->mark_name, TARGET_MARK ".%d",
		    number);
}

/*
 * What else has the name is not touched.  1: it is a mark, or with O_CREAT it
 * will be one.
 */
static int
try_mark(struct target *t, const char *path, int create)
{
	struct stat st;
	int there = fstatat(t->top, t->mark_name, &st,
	    AT_SYMLINK_NOFOLLOW) == 0;

	if ((there && (!S_ISREG(st.st_mode) || st.st_nlink > 1)) ||
	    (!there && !create))
		return 0;
	t->mark = openat(t->top, t->mark_name, O_RDWR | create | O_CLOEXEC |
	    O_NOFOLLOW | O_NONBLOCK, 0600);
	if (t->mark < 0 || fstat(t->mark, &st) < 0)
		die_errno("could not write to %s: %m", quoted(path));
	if (read_mark(t) || (create && st.st_size == 0))
		return 1;
	close(t->mark);
	return 0;
}

/* The mark of a run that was killed, else a new one. */
static int
find_mark(struct target *t, const char *path)
{
	int i;

	for (i = 0; i < TARGET_MARKS; i++) {
		name_mark(t, i);
		if (try_mark(t, path, 0))
			return 1;
	}
	for (i = 0; i < TARGET_MARKS; i++) {
		name_mark(t, i);
		if (try_mark(t, path, O_CREAT))
			return 1;
	}
	return 0;
}

static void
mark(struct target *t, const char *path)
{
	if (!find_mark(t, path))
		die(EXIT_REFUSED, "%s is full of files that are called "
		    TARGET_MARK, quoted(path));
	if (flock(t->mark, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		die(EXIT_REFUSED, "another run restores into %s",
		    quoted(path));
	t->resumed = read_mark(t);
	if (!t->resumed && write_mark(t) < 0)
		die_errno("could not write %s/%s: %m", quoted(path),
		    t->mark_name);
}

int
target_move_mark(struct target *t)
{
	char old[TARGET_MARK_NAME];
	int i;

	strcpy(old, t->mark_name);
	for (i = 0; i < TARGET_MARKS; i++) {
		name_mark(t, i);
		if (renameat2(t->top, old, t->top, t->mark_name,
		    RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	strcpy(t->mark_name, old);
	return -1;
}

void
target_open(struct target *t, const char *path)
{
	int made;

	memset(t, 0, sizeof *t);
	t->mark = t->root = t->parent = -1;
	made = mkdir(path, 0755) == 0;
	if (!made && errno != EEXIST)
		die_errno("could not make %s: %m", quoted(path));
	t->top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->top < 0 || fstat(t->top, &t->before) < 0)
		die_errno("could not open %s: %m", quoted(path));
	t->own = made || is_empty(t->top) ||
	    fgetxattr(t->top, unfinished, NULL, 0) >= 0;
	mark(t, path);
}

static void
forget_parent(struct target *t)
{
	if (t->parent >= 0)
		close(t->parent);
	free(t->parent_path);
	t->parent = -1;
	t->parent_path = NULL;
}

int
target_medium(struct target *t, const char *name)
{
	forget_parent(t);
	if (t->root >= 0)
		close(t->root);
	if (!name) {
		t->root = openat(t->top, ".", O_RDONLY | O_DIRECTORY |
		    O_CLOEXEC);
		return t->root < 0 ? -1 : 0;
	}
	t->own = 1;
	if (mkdirat(t->top, name, 0700) < 0 && errno != EEXIST)
		return -1;
	t->root = open_beneath(t->top, name, O_RDONLY | O_DIRECTORY, 0);
	return t->root < 0 ? -1 : 0;
}

int
target_is_mark(const struct target *t, const char *path)
{
	size_t len = strcspn(path, "/");

	return t->mark >= 0 && strlen(t->mark_name) == len &&
	    !memcmp(path, t->mark_name, len);
}

void
target_unmark(struct target *t)
{
	if (t->mark < 0)
		return;
	if (t->own)
		fsetxattr(t->top, unfinished, "", 0, 0);
	unlinkat(t->top, t->mark_name, 0);
	close(t->mark);
	t->mark = -1;
}

void
target_finished(const struct target *t)
{
	if (t->own)
		fremovexattr(t->top, unfinished);
}

int
target_sync(const struct target *t)
{
	return sync_tree(t->top);
}

void
target_close(struct target *t)
{
	forget_parent(t);
	if (t->root >= 0)
		close(t->root);
	if (t->mark >= 0)
		close(t->mark);
	close(t->top);
}

static int
has_default_acl(int fd)
{
	char link[32];

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	return getxattr(link, "system.posix_acl_default", NULL, 0) > 0;
}

int
target_parent(struct target *t, const char *path, const char **base)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	*base = slash ? slash + 1 : path;
	if (t->parent >= 0 && strlen(t->parent_path) == len &&
	    !memcmp(t->parent_path, path, len))
		return t->parent;
	forget_parent(t);
	t->parent_path = xstrdup(path);
	t->parent_path[len] = '\0';
	t->parent = open_beneath(t->root, len ? t->parent_path : ".",
	    O_PATH | O_DIRECTORY, 0);
	if (t->parent >= 0)
		t->inherits = has_default_acl(t->parent);
	return t->parent;
}

void
target_temp(const struct target *t, const char *path, char name[TARGET_TEMP])
{
	uint8_t out[8];
	blake3_hasher h;

	blake3_hasher_init_keyed(&h, t->key);
	blake3_hasher_update(&h, path, strlen(path));
	blake3_hasher_finalize(&h, out, sizeof out);
	strcpy(name, ".ntt-");
	hex_encode(name + strlen(name), out, sizeof out);
}
