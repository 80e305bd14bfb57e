/*
 * The manners every program of the suite shares: how it starts, reads its
 * options, names a medium, and finishes.
 *
 *	static const struct prog prog = {
 *		"ntt-example", "[options] MEDIUM FILE", "one line of purpose"
 *	};
 *	static const struct prog_option options[] = {
 *		OPT_MEDIUM,
 *		{ 'n', "limit", "N", "stop after N inodes",
 *			OPT_U64(&limit, 1, UINT64_MAX) },
 *		{ 0, "json", NULL, "print JSON", OPT_FLAG(&json) },
 *		OPT_END
 *	};
 *
 *	prog_start(&prog, argc, argv);
 *	prog_options(options);			every target is set now
 *	medium = prog_need_medium(0, 1);	operand 0, or -m
 *	prog_operands(1, 1);			the others
 *	file = prog_operand(0);
 *	prog_config();
 *
 * An entry of the table says where its value goes, so every option in --help is
 * also read.  A value that does not fit ends the program with EXIT_USAGE and a
 * message that names the option.
 *
 * -h, -V, -v, -q and --progress are understood everywhere.
 */
#ifndef NTT_PROG_H
#define NTT_PROG_H

#include <stddef.h>
#include <stdint.h>

struct prog {
	const char *name;
	const char *usage;	/* what follows the name; lines by \n */
	const char *purpose;	/* one line, no full stop */
};

/* The values of an option that may be given several times, in their order. */
struct option_list {
	const char **values;
	size_t count;
};

enum option_kind {
	OPTION_FLAG, OPTION_COUNT, OPTION_TEXT, OPTION_LIST, OPTION_UINT,
	OPTION_U64, OPTION_SIZE, OPTION_SECONDS, OPTION_CHOICE, OPTION_WORD,
	OPTION_CALL, OPTION_MEDIUM
};

/* Written by one of the macros below, which let the compiler see the type. */
struct option_target {
	enum option_kind kind;
	union {
		int *flag;
		const char **text;
		struct option_list *list;
		unsigned int *uint;
		uint64_t *u64;
		double *seconds;
		void (*call)(const char *value);
	};
	uint64_t min, max;
	double unit;
	const char *const *words;
};

struct prog_option {
	int letter;		/* 0: no short form */
	const char *name;	/* NULL ends the table */
	const char *arg;	/* name of the argument, NULL if it has none */
	const char *help;
	struct option_target to;
};

/* int: set to 1, or one more each time. */
#define OPT_FLAG(to) { .kind = OPTION_FLAG, .flag = (to) }
#define OPT_COUNT(to) { .kind = OPTION_COUNT, .flag = (to) }
/* const char *: the argument as it stands; struct option_list: all of them. */
#define OPT_TEXT(to) { .kind = OPTION_TEXT, .text = (to) }
#define OPT_LIST(to) { .kind = OPTION_LIST, .list = (to) }
/* unsigned int, uint64_t: a number from least to most. */
#define OPT_UINT(to, least, most) { .kind = OPTION_UINT, .uint = (to), \
	.min = (least), .max = (most) }
#define OPT_U64(to, least, most) { .kind = OPTION_U64, .u64 = (to), \
	.min = (least), .max = (most) }
/* uint64_t: bytes, such as 512M.  double: seconds, such as 90s or 1.5h. */
#define OPT_SIZE(to) { .kind = OPTION_SIZE, .u64 = (to) }
#define OPT_SECONDS(to, plain) { .kind = OPTION_SECONDS, .seconds = (to), \
	.unit = (plain) }
/* One of a NULL-terminated list of words: int, its number; const char *, it. */
#define OPT_CHOICE(to, list) { .kind = OPTION_CHOICE, .flag = (to), \
	.words = (list) }
#define OPT_WORD(to, list) { .kind = OPTION_WORD, .text = (to), \
	.words = (list) }
/* A function for the odd one; value is NULL where arg is. */
#define OPT_CALL(function) { .kind = OPTION_CALL, .call = (function) }

/* -m, --medium, and --medium-hash, as older scripts have it: prog_medium() */
#define OPT_MEDIUM { 'm', "medium", "MEDIUM", "the medium", \
	{ .kind = OPTION_MEDIUM } }
#define OPT_END { .name = NULL }

/*
 * Opens what is missing of descriptors 0 to 2, sets umask 022, and arranges
 * that an exit 0 with an unwritten stdout becomes an exit 1 with a message.
 */
void prog_start(const struct prog *prog, int argc, char **argv);

/* Options end at the first operand: what follows is another program's. */
void prog_stop_at_operand(void);

/* Reads the options; options may be NULL.  Operands come after the call. */
void prog_options(const struct prog_option *options);

/*
 * The medium: what -m gave, or else the operand number place, which is taken
 * out so that prog_operand() counts the others; there are at most so many
 * others.  NULL when there is neither; both are wrong usage.
 */
const char *prog_medium(int place, int others);
/* The same for programs that need a medium. */
const char *prog_need_medium(int place, int others);

/* Ends with EXIT_USAGE unless min <= operands <= max; max < 0: any. */
void prog_operands(int min, int max);
int prog_operand_count(void);
const char *prog_operand(int i);	/* NULL beyond the last */
char **prog_operand_vector(void);	/* NULL-terminated */

/*
 * Operand 0 is a command, one of the NULL-terminated words: its number.
 * Ends with EXIT_USAGE when it is none.
 */
int prog_verb(const char *const *words);

/* Loads the configuration (config.h); ends with EXIT_USAGE if it is bad. */
void prog_config(void);

#endif
