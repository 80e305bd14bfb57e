/*
 * ntt-web: shows the collection as web pages, for people who look for a photo
 * and do not use a shell.
 *
 *	listen.c	the socket
 *	access.c	who may look
 *	server.c	HTTP, in one thread; job.c a process for each answer
 *	answer.c	in that process: the catalogue, and then the page
 *	shelf.c medium.c tree.c file.c where.c search.c take.c
 *			the pages
 *	download.c	contents
 *	picture.c	pictures of contents, made in a sandbox, and kept
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/sig.h"
#include "access.h"
#include "listen.h"
#include "picture.h"
#include "server.h"

static const char *where;
static int restricted;

static const struct prog_option options[] = {
	{ 0, "listen", "ADDRESS", "ADDRESS:PORT of the loopback, or unix:PATH",
		OPT_TEXT(&where) },
	{ 0, "restricted", NULL, "show restricted media, too",
		OPT_FLAG(&restricted) },
	OPT_END
};

static const struct prog prog = {
	"ntt-web",
	"[--listen ADDRESS:PORT | --listen unix:PATH] [--restricted]",
	"Show the collection to a web browser"
};

static void
greet(const struct listening *l)
{
	if (l->is_unix)
		printf("%s\n", l->shown);
	else if (l->given)
		/* what systemd starts prints into a log that others read */
		printf("%s/?token=… (the token is in %s)\n", l->shown,
		    access_file());
	else
		printf("%s/?token=%s\n", l->shown, access_token());
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct listening l;
	int signo;

	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(0, 0);
	prog_config();
	num_arg("NTT_RECHECK", config_get(CONFIG_RECHECK), 0, 36500);
	signal(SIGPIPE, SIG_IGN);
	sig_catch();
	listen_start(&l, where);
	access_start(l.is_unix, l.port);
	picture_start();
	greet(&l);
	signo = server_run(l.fd, restricted);
	listen_end(&l);
	return EXIT_SIGNAL + signo;
}
