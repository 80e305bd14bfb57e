/*
 * The sandbox in which programs see contents: bubblewrap, and who they are.
 *
 *	confine_open(&c);		may end the program: 126, 127, 2
 *	argv = confine_argv(&c, &program, words, "/store/ab/cd/abcd…");
 *	spawn(&child, argv, { .prepare = confine_prepare, .arg = &c, … });
 *	words_free(argv);
 */
#ifndef NTT_EACH_CONFINE_H
#define NTT_EACH_CONFINE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/prog.h"

struct confine {
	int sandbox;			/* 0: --no-sandbox */
	const struct option_list *read;	/* paths that are visible too */
	uint64_t max_memory;
	/* private */
	int nobody;			/* root, and the store is root's */
	uint64_t processes;
	pid_t parent;
};

/* A program that is to run, found and visible in the sandbox. */
struct confine_program {
	char *path;			/* absolute, as it was named */
	char *target;			/* where its links end, if that is
					   elsewhere; or NULL */
};

/*
 * Before: gives up root rights where the store belongs to somebody else.
 * Afterwards sandboxes can be made; ends the program where they cannot.
 */
void confine_open(struct confine *c, const char *store_root);

/* 0, or -1 with errno if there is none that can be executed. */
int confine_find(struct confine_program *p, const char *name);

/*
 * The command that runs p with words, of which the first is its name, on the
 * blob; "{}" in words is the blob.  NULL-terminated; words_free() it.
 */
char **confine_argv(const struct confine *c, const struct confine_program *p,
	const char *const words[], const char *blob);

/* struct confine *: limits and rights of a child that runs such a command. */
int confine_prepare(void *arg);

/* Can the program read a file with this mode? */
int confine_can_read(const struct confine *c, mode_t mode);

#endif
