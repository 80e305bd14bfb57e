/*
 * ntt-verify-sudo: ntt-verify under sudo, with the configuration of the user
 * who asks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/prog.h"
#include "base/spawn.h"
#include "catalogue/conninfo.h"
#include "store/verify_options.h"

static const struct prog prog = {
	"ntt-verify-sudo",
	verify_usage,
	"Run ntt-verify under sudo with the configuration kept"
};

/*
 * Every user may read the arguments of sudo, and its log has them.  So a URL
 * with a password is not passed.  If it comes from a file, the program below
 * sudo reads it there.
 */
static int
is_secret(enum config_key key, const char *value)
{
	char *open = key == CONFIG_DB_URL ? conninfo_open(value, NULL) : NULL;
	int secret = key == CONFIG_DB_URL && (!open || strcmp(open, value));

	free(open);
	if (secret && !strcmp(config_origin(key), "environment"))
		die(EXIT_USAGE, "NTT_DB_URL of the environment has a password, "
		    "which sudo would show and log: put it into a passfile, "
		    "or NTT_DB_URL into ~/.config/ntt/ntt.env");
	return secret;
}

/*
 * sudo clears the environment, so env(1) sets it again: every value that was
 * configured, not those that follow from others.
 */
static char **
command(int argc, char **argv)
{
	char **words = xcalloc((size_t)argc + CONFIG_KEYS + 8,
	    sizeof *words), *verify = program_path("ntt-verify");
	int n = 0, i;

	if (!verify)
		die(EXIT_NOPROG, "could not find ntt-verify");
	if (geteuid() != 0) {
		words[n++] = (char *)(uintptr_t)"sudo";
		words[n++] = (char *)(uintptr_t)"--";
	}
	words[n++] = (char *)(uintptr_t)"env";
	for (i = 0; i < CONFIG_KEYS; i++) {
		const char *value = config_get((enum config_key)i);
		const char *origin = config_origin((enum config_key)i);

		if (value && strcmp(origin, "default") &&
		    strcmp(origin, "NTT_HOME") &&
		    !is_secret((enum config_key)i, value))
			words[n++] = xasprintf("%s=%s",
			    config_name((enum config_key)i), value);
	}
	words[n++] = verify;
	for (i = 1; i < argc; i++)
		words[n++] = argv[i];
	return words;
}

int
main(int argc, char **argv)
{
	struct verify_options o;
	struct buf words = BUF_INIT;
	char **all = xcalloc((size_t)argc + 1, sizeof *all), **run_words;
	int i;

	/* reading the options may put them into another order */
	for (i = 0; i < argc; i++)
		all[i] = argv[i];
	prog_start(&prog, argc, argv);
	verify_options_parse(&o);
	prog_config();
	run_words = command(argc, all);
	argv_words(&words, run_words);
	detail("%s", words.data);
	buf_free(&words);
	execvp(run_words[0], run_words);
	i = errno;
	warn("could not run %s: %m", quoted(run_words[0]));
	return i == ENOENT ? EXIT_NOPROG : EXIT_NOEXEC;
}
