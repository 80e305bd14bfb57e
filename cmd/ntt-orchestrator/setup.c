#define _GNU_SOURCE
#include "setup.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/spawn.h"
#include "base/tempfile.h"
#include "catalogue/cluster.h"
#include "catalogue/db.h"

static int
default_database_answers(void)
{
	PGconn *db = db_connect(0);

	if (!db)
		return 0;
	PQfinish(db);
	return 1;
}

/* Appends to the file, which the user may also have for other purposes. */
static void
remember(const char *file, const char *home)
{
	struct tempfile t = { .fd = -1 };
	struct buf text = BUF_INIT;
	char chunk[4096];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	while (fd >= 0 && (n = read(fd, chunk, sizeof chunk)) > 0)
		buf_put(&text, chunk, (size_t)n);
	if (fd >= 0)
		close(fd);
	if (text.len && text.data[text.len - 1] != '\n')
		buf_putc(&text, '\n');
	buf_printf(&text, "NTT_HOME=\"%s\"\n", home);
	if (tempfile_open(&t, file) < 0 ||
	    write_all(t.fd, text.data, text.len) < 0 ||
	    tempfile_commit(&t) < 0)
		die_errno("could not write %s: %m", quoted(file));
	buf_free(&text);
}

static void
choose_home(void)
{
	const char *user_home = config_invoker()->home;
	char *home, *file;

	if (!user_home || access(user_home, W_OK) < 0)
		die(EXIT_USAGE, "nothing is configured and there is no home "
		    "directory to keep things in: set NTT_HOME");
	/* quoting for the file is not worth a parser of its own */
	if (strpbrk(user_home, "\"\\$`\n"))
		die(EXIT_USAGE, "nothing is configured: set NTT_HOME");
	home = path_join(user_home, "ntt");
	file = path_join(user_home, ".config/ntt/ntt.env");
	say("nothing is configured: keeping everything in %s (NTT_HOME in %s)",
	    quoted(home), quoted(file));
	remember(file, home);
	if (config_load() < 0)
		die(EXIT_USAGE, "%s", config_error());
	free(home);
	free(file);
}

void
run_setup(void)
{
	char *init[] = { (char *)"ntt-db", (char *)"init", (char *)"-q",
		NULL };
	struct spawn_io io = SPAWN_INHERIT;
	int status;

	if (config_all_default() && geteuid() != 0 &&
	    !default_database_answers())
		choose_home();
	if (!config_private_cluster() || cluster_state() != CLUSTER_NONE)
		return;
	io.in = SPAWN_NULL;
	io.out = STDERR_FILENO;
	status = run(init, &io);
	if (status != EXIT_DONE && status != EXIT_REFUSED)
		die(status, "could not make the private database in %s",
		    quoted(config_get(CONFIG_HOME)));
}
