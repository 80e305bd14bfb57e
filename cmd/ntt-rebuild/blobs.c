#define _GNU_SOURCE
#include "blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "rows.h"
#include "store/store.h"

struct listing {
	struct rows out;
	char **path;		/* where it failed */
	uint64_t count;
};

static int
is_hex(const char *name, size_t len)
{
	return strspn(name, "0123456789abcdef") == len && !name[len];
}

static int
fail(struct listing *l, const char *path)
{
	int err = errno;

	if (!*l->path)
		*l->path = xstrdup(path);
	errno = err;
	return -1;
}

static int
put_blob(struct listing *l, const char *id, const struct stat *st)
{
	buf_printf(&l->out.text, "%s\t%lld\t%lld.%09ld\t%lld", id,
	    (long long)st->st_size, (long long)st->st_mtim.tv_sec,
	    st->st_mtim.tv_nsec, (long long)st->st_ino);
	l->count++;
	if (rows_row(&l->out) == 0)
		return 0;
	errno = 0;
	return -1;
}

/* above: "", "ab", "abcd": what the names below begin with. */
static int
list_directory(struct listing *l, const char *path, const char *above)
{
	size_t depth = strlen(above) / 2;
	DIR *dir = opendir(path);
	const struct dirent *e;
	struct stat st;
	int rc = 0, err;

	if (!dir)
		return fail(l, path);
	while (rc == 0 && (errno = 0, e = readdir(dir))) {
		char *below = path_join(path, e->d_name);

		if (sig_caught()) {
			errno = EINTR;
			rc = fail(l, path);
		} else if (depth < 2 && is_hex(e->d_name, 2)) {
			char *name = xasprintf("%s%s", above, e->d_name);

			rc = list_directory(l, below, name);
			free(name);
		} else if (depth == 2 && is_hex(e->d_name, STORE_ID) &&
		    !strncmp(e->d_name, above, 4)) {
			if (fstatat(dirfd(dir), e->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) < 0)
				rc = errno == ENOENT ? 0 : fail(l, below);
			else if (S_ISREG(st.st_mode))
				rc = put_blob(l, e->d_name, &st);
		}
		err = errno;
		free(below);
		errno = err;
	}
	if (rc == 0 && errno)
		rc = fail(l, path);
	err = errno;
	closedir(dir);
	errno = err;
	return rc;
}

int
blobs_list(PGconn *db, const char *root, uint64_t *count, char **path)
{
	struct listing l = { .path = path };
	int rc = 0, err = 0;

	*path = NULL;
	*count = 0;
	if (rows_begin(&l.out, db, "COPY rebuild_blob FROM STDIN") < 0) {
		errno = 0;
		return -1;
	}
	/* a store that is not there has nothing */
	if (access(root, F_OK) == 0)
		rc = list_directory(&l, root, "");
	err = errno;
	if (rows_end(&l.out, rc < 0 ? "the store cannot be read" : NULL) < 0 &&
	    rc == 0) {
		rc = -1;
		err = 0;
	}
	*count = l.count;
	errno = err;
	return rc;
}
