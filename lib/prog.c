#define _GNU_SOURCE
#include "prog.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "config.h"
#include "diag.h"
#include "progress.h"

enum { MAX_OPTIONS = 64, LONG_ONLY = 256 };

static const struct option_help common[] = {
	{ 0, "progress", "WHEN", "auto, always or never (default auto)" },
	{ 'v', "verbose", NULL, "say more" },
	{ 'q', "quiet", NULL, "say less" },
	{ 'h', "help", NULL, "show this help" },
	{ 'V', "version", NULL, "show the version" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog *self;
static const struct option_help *table[MAX_OPTIONS];
static struct option longs[MAX_OPTIONS + 1];
static char shorts[2 * MAX_OPTIONS + 3];
static int count;
static int arg_count;
static char **args;

static void
open_missing_descriptors(void)
{
	int fd;

	/* opened read-only, so that writing to a closed stdout fails */
	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static void
finish_stdout(void)
{
	int failed = ferror(stdout);

	/* EBADF with nothing written: stdout was closed from the start */
	if ((fclose(stdout) == 0 || errno == EBADF) && !failed)
		return;
	warn("could not write to standard output: %m");
	_exit(EXIT_FAILED);
}

static void
add_options(const struct option_help *o)
{
	char *s = shorts + strlen(shorts);

	for (; o->name; o++) {
		if (count == MAX_OPTIONS)
			abort();
		table[count] = o;
		longs[count].name = o->name;
		longs[count].has_arg = o->arg ? required_argument :
		    no_argument;
		longs[count].val = LONG_ONLY + count;
		count++;
		if (o->letter) {
			*s++ = (char)o->letter;
			if (o->arg)
				*s++ = ':';
		}
	}
}

void
prog_start(const struct prog *prog, int argc, char **argv)
{
	open_missing_descriptors();
	umask(022);
	self = prog;
	diag_prog = prog->name;
	arg_count = argc;
	args = argv;
	atexit(finish_stdout);
	strcpy(shorts, ":");
	if (prog->options)
		add_options(prog->options);
	add_options(common);
}

void
prog_stop_at_operand(void)
{
	memmove(shorts + 1, shorts, strlen(shorts) + 1);
	shorts[0] = '+';
}

static void
print_options(const struct option_help *o)
{
	for (; o->name; o++) {
		struct buf left = BUF_INIT;

		if (o->letter)
			buf_printf(&left, "-%c, ", o->letter);
		else
			buf_puts(&left, "    ");
		buf_printf(&left, "--%s", o->name);
		if (o->arg)
			buf_printf(&left, " %s", o->arg);
		printf("  %-28s %s\n", left.data, o->help);
		buf_free(&left);
	}
}

static void
print_help(void)
{
	const char *line = self->usage, *end;
	const char *lead = "usage:";

	for (;; line = end + 1) {
		end = strchrnul(line, '\n');
		printf("%s %s %.*s\n", lead, self->name, (int)(end - line),
		    line);
		lead = "      ";
		if (*end == '\0')
			break;
	}
	printf("\n%s.\n\n", self->purpose);
	if (self->options)
		print_options(self->options);
	print_options(common);
	printf("\nThe manual page %s(1) says more.\n", self->name);
}

static const struct option_help *
find_option(int c)
{
	int i;

	if (c >= LONG_ONLY)
		return table[c - LONG_ONLY];
	for (i = 0; i < count; i++)
		if (table[i]->letter == c)
			return table[i];
	abort();
}

static int
is_common(const struct option_help *o)
{
	return o >= common &&
	    o < common + sizeof common / sizeof common[0];
}

static void
do_common(const struct option_help *o, const char *value)
{
	if (!strcmp(o->name, "help")) {
		print_help();
		exit(EXIT_DONE);
	}
	if (!strcmp(o->name, "version")) {
		printf("%s (ntt) %s\n", self->name, NTT_VERSION);
		exit(EXIT_DONE);
	}
	if (!strcmp(o->name, "verbose"))
		diag_verbosity++;
	else if (!strcmp(o->name, "quiet"))
		diag_verbosity--;
	else if (progress_when(value) < 0)
		die_usage("--progress must be auto, always or never, not %s",
		    quoted(value));
}

const char *
prog_option(const char **value)
{
	const struct option_help *o;
	int c;

	while ((c = getopt_long(arg_count, args, shorts, longs, NULL)) != -1) {
		if (c == '?' && optopt && optopt < LONG_ONLY)
			die_usage("unknown option \"-%c\"", optopt);
		if (c == '?')
			die_usage("unknown option or argument %s",
			    quoted(args[optind - 1]));
		if (c == ':')
			die_usage("option %s needs an argument",
			    quoted(args[optind - 1]));
		o = find_option(c);
		*value = optarg;
		if (!is_common(o))
			return o->name;
		do_common(o, optarg);
	}
	return NULL;
}

int
prog_operand_count(void)
{
	return arg_count - optind;
}

char **
prog_operand_vector(void)
{
	return args + optind;
}

const char *
prog_operand(int i)
{
	return i < prog_operand_count() ? args[optind + i] : NULL;
}

void
prog_operands(int min, int max)
{
	int n = prog_operand_count();

	if (n < min)
		die_usage(n ? "too few operands" : "an operand is missing");
	if (max >= 0 && n > max)
		die_usage("unexpected operand %s", quoted(prog_operand(max)));
}

void
prog_config(void)
{
	if (config_load() < 0)
		die(EXIT_USAGE, "%s", config_error());
}
