#define _GNU_SOURCE
#include "base/prog.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/nearest.h"
#include "base/num.h"
#include "base/progress.h"

enum { MAX_OPTIONS = 64, LONG_ONLY = 256 };

static const struct prog *self;
static const struct prog_option *own;	/* the program's table, or NULL */
static const struct prog_option *table[MAX_OPTIONS];
static struct option longs[MAX_OPTIONS + 2];
static char shorts[2 * MAX_OPTIONS + 3];
static int count, long_count;
static int arg_count;
static char **args;
static const char *medium;		/* of -m */

static void
set_progress(const char *value)
{
	if (progress_when(value) < 0)
		die_usage("--progress must be auto, always or never, not %s",
		    quoted(value));
}

static void
be_quieter(const char *value)
{
	(void)value;
	diag_verbosity--;
}

static void print_help(const char *value);

static void
print_version(const char *value)
{
	(void)value;
	printf("%s (ntt) %s\n", self->name, NTT_VERSION);
	exit(EXIT_DONE);
}

static const struct prog_option common[] = {
	{ 0, "progress", "WHEN", "auto, always or never (default auto)",
		OPT_CALL(set_progress) },
	{ 'v', "verbose", NULL, "say more", OPT_COUNT(&diag_verbosity) },
	{ 'q', "quiet", NULL, "say less", OPT_CALL(be_quieter) },
	{ 'h', "help", NULL, "show this help", OPT_CALL(print_help) },
	{ 'V', "version", NULL, "show the version", OPT_CALL(print_version) },
	OPT_END
};

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
add_long(const char *name, const struct prog_option *o)
{
	struct option *l = &longs[long_count++];

	l->name = name;
	l->has_arg = o->arg ? required_argument : no_argument;
	l->val = LONG_ONLY + count;
}

static void
add_options(const struct prog_option *o)
{
	char *s = shorts + strlen(shorts);

	for (; o->name; o++) {
		if (count == MAX_OPTIONS)
			abort();
		table[count] = o;
		add_long(o->name, o);
		if (o->to.kind == OPTION_MEDIUM)
			add_long("medium-hash", o);
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
}

void
prog_stop_at_operand(void)
{
	memmove(shorts + 1, shorts, strlen(shorts) + 1);
	shorts[0] = '+';
}

static void
print_options(const struct prog_option *o)
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
print_help(const char *value)
{
	const char *line = self->usage, *end;
	const char *lead = "usage:";

	(void)value;
	for (;; line = end + 1) {
		end = strchrnul(line, '\n');
		printf("%s %s %.*s\n", lead, self->name, (int)(end - line),
		    line);
		lead = "      ";
		if (*end == '\0')
			break;
	}
	printf("\n%s.\n\n", self->purpose);
	if (own)
		print_options(own);
	print_options(common);
	printf("\nThe manual page %s(1) says more.\n"
	    "Patches and reports go to %s.\n", self->name, NTT_CONTACT);
	exit(EXIT_DONE);
}

static const struct prog_option *
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

/* The number of word in words, which what is chosen from. */
static int
choose(const char *what, const char *word, const char *const *words)
{
	struct buf all = BUF_INIT;
	int i;

	for (i = 0; words[i]; i++)
		if (!strcmp(word, words[i]))
			return i;
	for (i = 0; words[i]; i++)
		buf_printf(&all, "%s%s", i == 0 ? "" :
		    words[i + 1] ? ", " : " or ", words[i]);
	die_usage("%s must be %s, not %s", what, all.data, quoted(word));
}

static void
add_to_list(struct option_list *list, const char *value)
{
	list->values = xrealloc(list->values, (list->count + 1) *
	    sizeof *list->values);
	list->values[list->count++] = value;
}

static void
take_medium(const char *value)
{
	if (medium && strcmp(medium, value))
		die_usage("two media are named, %s and %s", quoted(medium),
		    quoted(value));
	medium = value;
}

static void
take(const struct prog_option *o, const char *value)
{
	const struct option_target *to = &o->to;
	char *what = xasprintf("--%s", o->name);

	switch (to->kind) {
	case OPTION_FLAG:
		*to->flag = 1;
		break;
	case OPTION_COUNT:
		++*to->flag;
		break;
	case OPTION_TEXT:
		*to->text = value;
		break;
	case OPTION_LIST:
		add_to_list(to->list, value);
		break;
	case OPTION_UINT:
		*to->uint = (unsigned int)num_arg(what, value, to->min,
		    to->max);
		break;
	case OPTION_U64:
		*to->u64 = num_arg(what, value, to->min, to->max);
		break;
	case OPTION_SIZE:
		*to->u64 = size_arg(what, value);
		break;
	case OPTION_SECONDS:
		*to->seconds = seconds_arg(what, value, to->unit);
		break;
	case OPTION_CHOICE:
		*to->flag = choose(what, value, to->words);
		break;
	case OPTION_WORD:
		*to->text = to->words[choose(what, value, to->words)];
		break;
	case OPTION_CALL:
		to->call(value);
		break;
	case OPTION_MEDIUM:
		take_medium(value);
		break;
	}
	free(what);
}

/* A long option that is none, or the beginning of several. */
static void __attribute__((noreturn))
unknown_long(const char *given)
{
	const char *names[MAX_OPTIONS + 2] = { NULL }, *near;
	char *name = xasprintf("%.*s", (int)strcspn(given + 2, "="),
	    given + 2);
	struct buf several = BUF_INIT;
	int i, n = 0;

	for (i = 0; i < long_count; i++) {
		names[i] = longs[i].name;
		if (!strncmp(names[i], name, strlen(name)))
			buf_printf(&several, "%s--%s", n++ ? ", " : "",
			    names[i]);
	}
	if (n > 1)
		die_usage("option --%s is the beginning of %s", name,
		    several.data);
	near = nearest_word(name, names);
	if (near)
		die_usage("unknown option %s: did you mean --%s?",
		    quoted(given), near);
	die_usage("unknown option %s", quoted(given));
}

void
prog_options(const struct prog_option *options)
{
	int c;

	own = options;
	if (own)
		add_options(own);
	add_options(common);
	while ((c = getopt_long(arg_count, args, shorts, longs, NULL)) != -1) {
		if (c == '?' && optopt >= LONG_ONLY)
			die_usage("option --%s takes no argument",
			    find_option(optopt)->name);
		if (c == '?' && optopt)
			die_usage("unknown option \"-%c\"", optopt);
		if (c == '?')
			unknown_long(args[optind - 1]);
		if (c == ':')
			die_usage("option %s needs an argument",
			    quoted(args[optind - 1]));
		take(find_option(c), optarg);
	}
}

const char *
prog_medium(int place, int others)
{
	const char *operand;
	int n = prog_operand_count();

	if (medium && n > others)
		die_usage("two media are named, -m %s and the operand %s",
		    quoted(medium), quoted(prog_operand(place)));
	if (medium || place >= n)
		return medium;
	operand = prog_operand(place);
	/* the terminating NULL too */
	memmove(args + optind + place, args + optind + place + 1,
	    (size_t)(n - place) * sizeof *args);
	arg_count--;
	return operand;
}

const char *
prog_need_medium(int place, int others)
{
	const char *name = prog_medium(place, others);

	if (!name)
		die_usage("the medium is missing");
	return name;
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

	/* of several forms the first */
	if (n < min)
		die_usage("%s: %s %.*s", n ? "too few operands" :
		    "an operand is missing", self->name,
		    (int)strcspn(self->usage, "\n"), self->usage);
	if (max >= 0 && n > max)
		die_usage("unexpected operand %s", quoted(prog_operand(max)));
}

int
prog_verb(const char *const *words)
{
	const char *verb, *near;
	int i;

	prog_operands(1, -1);
	verb = prog_operand(0);
	for (i = 0; words[i]; i++)
		if (!strcmp(verb, words[i]))
			return i;
	near = nearest_word(verb, words);
	if (near)
		die_usage("unknown command %s: did you mean %s?",
		    quoted(verb), near);
	die_usage("unknown command %s", quoted(verb));
}

void
prog_config(void)
{
	if (config_load() < 0)
		die(EXIT_USAGE, "%s", config_error());
}
