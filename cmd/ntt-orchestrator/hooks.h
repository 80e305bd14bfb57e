/*
 * Programs of the administrator that hear what became of a medium, as
 * ntt-orchestrator(1), "HOOKS", promises.
 */
#ifndef NTT_RUN_HOOKS_H
#define NTT_RUN_HOOKS_H

/* Is there any? */
int run_hooks_wanted(void);
/*
 * One after another, with the text on their standard input.  What fails is
 * said; nothing ends the program or changes its status.
 */
void run_hooks(const char *medium, int status, const char *text);

#endif
