#define _GNU_SOURCE
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/sig.h"
#include "base/spawn.h"

void
run_command_arg(struct run_command *c, const char *word)
{
	if (c->argc == (int)(sizeof c->argv / sizeof c->argv[0]) - 1)
		abort();
	c->argv[c->argc++] = xstrdup(word);
	c->argv[c->argc] = NULL;
}

void
run_command_init(struct run_command *c, const char *program)
{
	memset(c, 0, sizeof *c);
	run_command_arg(c, program);
	if (diag_verbosity < 0)
		run_command_arg(c, "-q");
	if (diag_verbosity > 0)
		run_command_arg(c, "-v");
}

void
run_command_free(struct run_command *c)
{
	int i;

	for (i = 0; i < c->argc; i++)
		free(c->argv[i]);
}

void
run_command_print(const struct run_command *first,
    const struct run_command *second)
{
	struct buf line = BUF_INIT;

	argv_words(&line, first->argv);
	if (second) {
		buf_puts(&line, " | ");
		argv_words(&line, second->argv);
	}
	printf("    %s\n", line.data);
	buf_free(&line);
}

static int
wait_forwarding(struct child *child)
{
	int status;

	sig_forward(child->pid);
	/* one that came before it could be forwarded */
	if (sig_caught())
		kill(child->pid, SIGTERM);
	status = child_wait(child);
	sig_unforward(child->pid);
	return status;
}

static int
could_not_run(const struct run_command *c)
{
	warn("could not run \"%s\": %m", c->argv[0]);
	return errno == ENOENT ? EXIT_NOPROG : EXIT_NOEXEC;
}

/* The summary says it all; -v shows what each program printed. */
static int
child_output(void)
{
	return diag_verbosity > 0 ? STDERR_FILENO : SPAWN_NULL;
}

int
run_command(const struct run_command *c)
{
	struct spawn_io io = SPAWN_INHERIT;
	struct child child;

	/* ^C reaches us alone, and we pass it on once */
	io.group = SPAWN_NEW_GROUP;
	io.in = SPAWN_NULL;
	io.out = child_output();
	if (spawn(&child, c->argv, &io) < 0)
		return could_not_run(c);
	return wait_forwarding(&child);
}

int
run_fold(int a, int b)
{
	if (a != EXIT_DONE && a != EXIT_PARTIAL)
		return a;
	return b != EXIT_DONE ? b : a;
}

int
run_commands_piped(const struct run_command *from,
    const struct run_command *to)
{
	struct spawn_io in = SPAWN_INHERIT, out = SPAWN_INHERIT;
	struct child reader, writer;
	int fds[2], status;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return EXIT_AGAIN;
	in.in = fds[0];
	in.out = child_output();
	in.group = out.group = SPAWN_NEW_GROUP;
	out.in = SPAWN_NULL;
	out.out = fds[1];
	if (spawn(&reader, to->argv, &in) < 0) {
		close(fds[0]);
		close(fds[1]);
		return could_not_run(to);
	}
	close(fds[0]);
	if (spawn(&writer, from->argv, &out) < 0) {
		status = could_not_run(from);
		close(fds[1]);
		/* it sees the end of an empty stream, and refuses it */
		child_wait(&reader);
		return status;
	}
	close(fds[1]);
	sig_forward(reader.pid);
	status = wait_forwarding(&writer);
	sig_unforward(reader.pid);
	return run_fold(status, wait_forwarding(&reader));
}
