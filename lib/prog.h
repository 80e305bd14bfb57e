/*
 * The manners every program of the suite shares: how it starts, reads its
 * options, and finishes.
 *
 *	static const struct option_help options[] = {
 *		{ 'n', "limit", "N", "stop after N inodes" },
 *		{ 0, "json", NULL, "print JSON" },
 *		{ 0 }
 *	};
 *	static const struct prog prog = {
 *		"ntt-example", "[options] FILE", "one line of purpose", options
 *	};
 *
 *	prog_start(&prog, argc, argv);
 *	while ((name = prog_option(&value)))
 *		if (!strcmp(name, "limit"))
 *			limit = num_arg("--limit", value, 1, UINT64_MAX);
 *	prog_operands(1, 1);		then argv of prog_operand(0) …
 *
 * -h, -V, -v, -q and --progress are understood everywhere.
 */
#ifndef NTT_PROG_H
#define NTT_PROG_H

struct option_help {
	int letter;		/* 0: no short form */
	const char *name;	/* NULL ends the list */
	const char *arg;	/* name of the argument, NULL if none */
	const char *help;
};

struct prog {
	const char *name;
	const char *usage;	/* what follows the name; lines by \n */
	const char *purpose;	/* one line, no full stop */
	const struct option_help *options;
};

/*
 * Opens what is missing of descriptors 0 to 2, sets umask 022, and arranges
 * that an exit 0 with an unwritten stdout becomes an exit 1 with a message.
 */
void prog_start(const struct prog *prog, int argc, char **argv);

/* Options end at the first operand: what follows is another program's. */
void prog_stop_at_operand(void);

/* The long name of the next option, NULL at the end; *value its argument. */
const char *prog_option(const char **value);

/* Ends with EXIT_USAGE unless min <= operands <= max; max < 0: any. */
void prog_operands(int min, int max);
int prog_operand_count(void);
const char *prog_operand(int i);	/* NULL beyond the last */
char **prog_operand_vector(void);	/* NULL-terminated */

/* Loads the configuration (config.h); ends with EXIT_USAGE if it is bad. */
void prog_config(void);

#endif
