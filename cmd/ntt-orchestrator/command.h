/*
 * Commands as a person would type them, run one after the other or as a pipe.
 * A signal that comes is passed on once; the children are in process groups of
 * their own, so that ^C does not reach them twice.
 */
#ifndef NTT_RUN_COMMAND_H
#define NTT_RUN_COMMAND_H

enum { RUN_COMMAND_WORDS = 24 };

struct run_command {
	char *argv[RUN_COMMAND_WORDS];
	int argc;
};

/* The program, and -q or -v as this process has them. */
void run_command_init(struct run_command *c, const char *program);
void run_command_arg(struct run_command *c, const char *word);
void run_command_free(struct run_command *c);
/* On standard output; "first | second" when there is a second. */
void run_command_print(const struct run_command *first,
	const struct run_command *second);

/*
 * The exit status; EXIT_NOPROG or EXIT_NOEXEC with a message when it could not
 * be run.  What it prints is shown only with -v, on standard error.
 */
int run_command(const struct run_command *c);
/* from | to: the worse of both. */
int run_commands_piped(const struct run_command *from,
	const struct run_command *to);

/* A failure before a partial success before success. */
int run_fold(int a, int b);

#endif
