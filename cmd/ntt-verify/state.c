#define _GNU_SOURCE
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/fsutil.h"
#include "base/lock.h"
#include "base/tempfile.h"

static char *
state_path(const char *scope)
{
	return xasprintf("%s/verify-%s.state", config_get(CONFIG_RUN_DIR),
	    scope);
}

/* Two lines: the question, the moment. */
static char *
read_since(PGconn *db, const char *path, const char *question)
{
	char text[512], *newline, *end;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd >= 0 ? read_full(fd, text, sizeof text - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return NULL;
	text[n] = '\0';
	newline = strchr(text, '\n');
	end = newline ? strchr(newline + 1, '\n') : NULL;
	if (!end)
		return NULL;
	*newline = *end = '\0';
	if (strcmp(text, question))
		return NULL;
	newline++;
	if (strspn(newline, "0123456789-+:. ") != strlen(newline))
		return NULL;
	return PQescapeLiteral(db, newline, strlen(newline));
}

int
verify_state_begin(PGconn *db, const char *scope, const char *question,
    char **since)
{
	char *name = xasprintf("verify-%s.lock", scope);
	char *path = state_path(scope);
	int fd = lock_try(config_get(CONFIG_RUN_DIR), name, LOCK_EXCLUSIVE);
	int err = errno;

	*since = fd >= 0 ? read_since(db, path, question) : NULL;
	free(name);
	free(path);
	errno = err;
	return fd;
}

int
verify_state_note(const char *scope, const char *question, const char *now)
{
	char *path = state_path(scope);
	char *text = xasprintf("%s\n%s\n", question, now);
	struct tempfile t;
	int rc = tempfile_open(&t, path);

	if (rc == 0 && write_all(t.fd, text, strlen(text)) < 0) {
		tempfile_abort(&t);
		rc = -1;
	}
	if (rc == 0)
		rc = tempfile_commit(&t);
	free(text);
	free(path);
	return rc;
}

void
verify_state_end(const char *scope)
{
	char *path = state_path(scope);

	unlink(path);
	free(path);
}
