/*
 * A verification under way, in NTT_RUN_DIR/verify-<scope>.state: when it
 * began and what was asked for, so that the next run with the same question
 * goes on instead of beginning again.
 */
#ifndef NTT_VERIFY_STATE_H
#define NTT_VERIFY_STATE_H

#include <libpq-fe.h>

/*
 * Locks the scope: a descriptor, or -1 with errno (EWOULDBLOCK: such a run is
 * under way).  *since: when the interrupted run of the same question began, as
 * an SQL literal (PQfreemem), or NULL.
 */
int verify_state_begin(PGconn *db, const char *scope, const char *question,
	char **since);
/* Remembers that a run began now (verify_now()); 0 or -1 with errno. */
int verify_state_note(const char *scope, const char *question,
	const char *now);
void verify_state_end(const char *scope);	/* it is finished */

#endif
