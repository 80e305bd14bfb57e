#define _GNU_SOURCE
#include "catalogue/store_mark.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/tempfile.h"
#include "catalogue/db.h"
#include "hash/blake3_hex.h"
#include "sql/statements.h"

enum { ID_LEN = STORE_MARK_ID, MARK_MAX = 4096 };

static const enum config_key roots[] = {
	CONFIG_BYHASH_ROOT, CONFIG_ARCHIVED_ROOT, CONFIG_ARCHIVE_ROOT
};

static const char first_line[] = "NTT store\n";
static const char label[] = "catalogue ";

/* What a mark says. */
struct mark {
	char id[ID_LEN + 1];
	long owner, group;	/* -1: made before marks said so */
	int private;
};

static long
number_after(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	return at ? strtol(at + strlen(word), NULL, 10) : -1;
}

/* A root's mark: 1; 0 there is none; -1 with errno. */
static int
read_mark(const char *root, struct mark *m)
{
	char *path = path_join(root, STORE_MARK), text[MARK_MAX], *at;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n = -1;

	free(path);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	n = read_full(fd, text, sizeof text - 1);
	close(fd);
	if (n < 0)
		return -1;
	text[n] = '\0';
	at = strstr(text, label);
	if (strncmp(text, first_line, sizeof first_line - 1) || !at ||
	    strcspn(at + sizeof label - 1, "\n") != ID_LEN) {
		errno = EBADMSG;
		return -1;
	}
	memcpy(m->id, at + sizeof label - 1, ID_LEN);
	m->id[ID_LEN] = '\0';
	m->owner = number_after(text, "\nowner ");
	m->group = number_after(text, "\ngroup ");
	m->private = strstr(text, "\nprivate\n") != NULL;
	return 1;
}

/*
 * A new mark, which has its name only when it is whole, so that whoever is
 * killed leaves nothing else in the store.  1; 0: the file system cannot do
 * that; -1 with errno.
 */
static int
link_mark(const char *root, const char *path, const char *text)
{
	int fd = open(root, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644), rc = -1;
	char *name;

	if (fd < 0)
		return errno == EOPNOTSUPP || errno == EISDIR ||
		    errno == EINVAL ? 0 : -1;
	name = xasprintf("/proc/self/fd/%d", fd);
	if (write_all(fd, text, strlen(text)) == 0 && fsync(fd) == 0 &&
	    (linkat(AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ||
	    errno == EEXIST) && fsync_parent(path) == 0)
		rc = 1;
	free(name);
	close(fd);
	return rc;
}

static char *
mark_text(const struct mark *m)
{
	const struct passwd *pw = getpwuid((uid_t)m->owner);
	const struct group *gr = getgrgid((gid_t)m->group);

	return xasprintf("%s%s%s\nowner %ld %s\ngroup %ld %s\n%s", first_line,
	    label, m->id, m->owner, pw ? pw->pw_name : "-", m->group,
	    gr ? gr->gr_name : "-", m->private ? "private\n" : "");
}

/* The root is made; over a mark that is there only if replace is set. */
static int
write_mark(const char *root, const struct mark *m, int replace)
{
	char *path = path_join(root, STORE_MARK);
	char *text = mark_text(m);
	struct tempfile t = { .fd = -1 };
	int rc = make_dirs(root);

	if (rc == 0 && m->private && (uid_t)m->owner == geteuid())
		rc = chmod(root, 0750);
	if (rc == 0 && !replace)
		rc = link_mark(root, path, text);
	if (rc == 0)
		rc = tempfile_open(&t, path) < 0 ||
		    write_all(t.fd, text, strlen(text)) < 0 ||
		    tempfile_commit(&t) < 0 ? -1 : 1;
	free(text);
	free(path);
	return rc < 0 ? -1 : 0;
}

/* Nothing of anybody's is in it: 1; 0; -1 with errno. */
static int
is_empty(const char *root)
{
	DIR *dir = opendir(root);
	const struct dirent *e;
	int empty = 1;

	if (!dir)
		return errno == ENOENT ? 1 : -1;
	while (empty && (e = readdir(dir)))
		empty = e->d_name[0] == '.' || !strcmp(e->d_name, "lost+found");
	closedir(dir);
	return empty;
}

/*
 * What the mark of this root must say, and whether the catalogue ever had
 * anything there.
 */
static int
ask(PGconn *db, enum config_key root, struct mark *m)
{
	PGresult *res = db_query(db, sql_store_mark, config_name(root));
	int had;

	if (!res)
		db_die("could not look up the stores of the catalogue");
	if (PQntuples(res) != 1 || PQgetlength(res, 0, 0) != ID_LEN)
		die(EXIT_FAILED, "the catalogue has no id: ntt-db check");
	memcpy(m->id, db_text(res, 0, 0), ID_LEN + 1);
	m->owner = (long)geteuid();
	m->group = (long)getegid();
	m->private = db_bool(res, 0, 2);
	had = db_bool(res, 0, 1);
	PQclear(res);
	return had;
}

static void
record(PGconn *db, enum config_key root)
{
	if (db_do(db, sql_store_mark_add, config_name(root)) < 0)
		db_die("could not record the mark of a store");
}

struct look {
	struct mark ours;
	int had, marked;
	int status;
};

/* Why this root is not to be used, with l->status; NULL: it is fine. */
static char *
look(PGconn *db, enum config_key root, struct look *l)
{
	const char *path = config_get(root);
	struct mark found;
	int empty;

	l->status = EXIT_FAILED;
	l->had = ask(db, root, &l->ours);
	l->marked = read_mark(path, &found);
	if (l->marked < 0)
		return xasprintf("could not read %s/" STORE_MARK ": %s",
		    quoted(path), strerror(errno));
	if (l->marked && strcmp(l->ours.id, found.id))
		return xasprintf("%s %s belongs to catalogue %s, and this is "
		    "%s: \"ntt-db adopt\" if both are right",
		    config_name(root), quoted(path), found.id, l->ours.id);
	if (l->marked)
		return NULL;
	empty = is_empty(path);
	if (empty < 0)
		return xasprintf("could not look at %s: %s", quoted(path),
		    strerror(errno));
	if (l->had && empty) {
		l->status = EXIT_AGAIN;
		return xasprintf("the store of this catalogue is not mounted "
		    "at %s (%s): no " STORE_MARK " is there", quoted(path),
		    config_name(root));
	}
	/* a tree or archives are looked at one by one before they are used */
	if (!empty && root == CONFIG_BYHASH_ROOT)
		return xasprintf("%s (%s) is not empty and has no "
		    STORE_MARK ", so it may be another catalogue's: \"ntt-db "
		    "adopt\" if it is this one's", quoted(path),
		    config_name(root));
	return NULL;
}

void
store_mark_need(PGconn *db, enum config_key root, int making)
{
	const char *path = config_get(root);
	struct look l;
	char *why;

	if (!*path)
		return;
	why = look(db, root, &l);
	if (why)
		die(l.status, "%s", why);
	if (l.marked ? l.had : !making)
		return;
	if (!l.marked && write_mark(path, &l.ours, 0) < 0)
		die_errno("could not mark %s: %m", quoted(path));
	record(db, root);
}

/* Why this user may not link files of the root; NULL: it may. */
static char *
not_owner(enum config_key root, const char *program)
{
	const char *path = config_get(root);
	const struct passwd *pw;
	struct mark found;

	if (read_mark(path, &found) != 1 || found.owner < 0 ||
	    (uid_t)found.owner == geteuid())
		return NULL;
	pw = getpwuid((uid_t)found.owner);
	if (pw)
		return xasprintf("%s %s belongs to %s, and nobody else may "
		    "link its files: sudo -u %s %s …",
		    config_name(root), quoted(path), pw->pw_name, pw->pw_name,
		    program);
	return xasprintf("%s %s belongs to the user with the number %ld, and "
	    "nobody else may link its files: sudo -u '#%ld' %s …",
	    config_name(root), quoted(path), found.owner, found.owner,
	    program);
}

void
store_mark_need_owner(enum config_key root)
{
	char *why = not_owner(root, diag_prog);

	if (why)
		die(EXIT_USAGE, "%s", why);
}

int
store_mark_away(PGconn *db, enum config_key root)
{
	struct look l;
	char *why = *config_get(root) ? look(db, root, &l) : NULL;
	int away = why && l.status == EXIT_AGAIN;

	free(why);
	return away;
}

char *
store_mark_wrong(PGconn *db, enum config_key root)
{
	struct look l;
	char *why;

	if (!*config_get(root))
		return NULL;
	why = look(db, root, &l);
	return why ? why : not_owner(root, "ntt-orchestrator");
}

int
store_mark_private(enum config_key root)
{
	struct mark found;

	return read_mark(config_get(root), &found) == 1 && found.private;
}

const char *
store_mark_orphan(void)
{
	static const enum config_key owned[] = { CONFIG_BYHASH_ROOT,
		CONFIG_ARCHIVE_ROOT };
	size_t i;

	for (i = 0; i < sizeof owned / sizeof owned[0]; i++)
		if (is_empty(config_get(owned[i])) == 0)
			return config_get(owned[i]);
	return NULL;
}

int
store_mark_whose(char id[STORE_MARK_ID + 1], int *private, int *all,
    char **why)
{
	const char *first = NULL;
	struct mark found;
	size_t i;

	*all = 1;
	*private = 0;
	for (i = 0; i < sizeof roots / sizeof roots[0]; i++) {
		const char *path = config_get(roots[i]);
		int marked = *path ? read_mark(path, &found) : 0;

		if (marked < 0) {
			*why = xasprintf("could not read %s/" STORE_MARK
			    ": %s", quoted(path), strerror(errno));
			return -1;
		}
		if (!marked) {
			*all &= !*path || is_empty(path) != 0;
			continue;
		}
		if (first && strcmp(found.id, id)) {
			*why = xasprintf("%s belongs to catalogue %s, and %s "
			    "to %s", quoted(first), id, quoted(path),
			    found.id);
			return -1;
		}
		memcpy(id, found.id, sizeof found.id);
		*private |= found.private;
		first = path;
	}
	return first != NULL;
}

void
store_mark_record(PGconn *db)
{
	struct mark found;
	size_t i;

	for (i = 0; i < sizeof roots / sizeof roots[0]; i++)
		if (*config_get(roots[i]) &&
		    read_mark(config_get(roots[i]), &found) == 1)
			record(db, roots[i]);
}

int
store_mark_put(const char *root, const char *id, int private)
{
	struct mark m = { .owner = (long)geteuid(), .group = (long)getegid(),
		.private = private }, found;
	int marked = read_mark(root, &found);

	if (marked < 0)
		return -1;
	if (marked && !strcmp(found.id, id))
		return 0;
	if (marked) {
		errno = EEXIST;
		return -1;
	}
	snprintf(m.id, sizeof m.id, "%.*s", ID_LEN, id);
	return write_mark(root, &m, 0);
}

/* ---- adopting ---- */

/* A blob of the catalogue is in the store with its bytes: 1 or 0. */
static int
is_right(int store, const char *id)
{
	char path[ID_LEN + 64], hex[2 * BLAKE3_OUT_LEN + 1];
	char *block;
	blake3_hasher h;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "%.2s/%.2s/%s", id, id + 2, id);
	fd = openat(store, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	block = xmalloc(1 << 20);
	blake3_hasher_init(&h);
	while ((n = read(fd, block, 1 << 20)) > 0)
		blake3_hasher_update(&h, block, (size_t)n);
	blake3_hex(&h, hex);
	free(block);
	close(fd);
	return n == 0 && !strcmp(hex, id);
}

/* The owner and group that the files of a store have. */
static void
whose(int store, const char *id, struct mark *m)
{
	char path[ID_LEN + 64];
	struct stat st;

	snprintf(path, sizeof path, "%.2s/%.2s/%s", id, id + 2, id);
	if (fstatat(store, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	m->owner = (long)st.st_uid;
	m->group = (long)st.st_gid;
}

static int
check_blobs(PGconn *db, struct mark *m, char **why)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);
	int store = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), i, rc = -1;
	PGresult *res = db_query(db, sql_store_mark_sample);

	if (!res) {
		*why = xstrdup(db_error());
		goto out;
	}
	if (store < 0 && PQntuples(res) > 0) {
		*why = xasprintf("could not open %s: %s", quoted(root),
		    strerror(errno));
		goto out;
	}
	for (i = 0; i < PQntuples(res); i++) {
		if (is_right(store, db_text(res, i, 0))) {
			whose(store, db_text(res, i, 0), m);
			continue;
		}
		*why = xasprintf("blob %s of the catalogue is not in %s",
		    db_text(res, i, 0), quoted(root));
		goto out;
	}
	rc = 0;
out:
	PQclear(res);
	if (store >= 0)
		close(store);
	return rc;
}

int
store_mark_adopt(PGconn *db, char **why)
{
	struct mark owner = { .owner = -1 }, mark;
	size_t i;

	if (check_blobs(db, &owner, why) < 0)
		return -1;
	for (i = 0; i < sizeof roots / sizeof roots[0]; i++) {
		const char *path = config_get(roots[i]);

		if (!*path || access(path, F_OK) < 0)
			continue;
		ask(db, roots[i], &mark);
		if (owner.owner >= 0) {
			mark.owner = owner.owner;
			mark.group = owner.group;
		}
		if (write_mark(path, &mark, 1) < 0) {
			*why = xasprintf("could not mark %s: %s",
			    quoted(path), strerror(errno));
			return -1;
		}
		record(db, roots[i]);
	}
	return 0;
}
