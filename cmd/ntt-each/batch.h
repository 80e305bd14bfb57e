/*
 * What was found out, on its way into the catalogue: committed every second, or
 * when it is much.  What a kill takes is made again by the next run.
 */
#ifndef NTT_EACH_BATCH_H
#define NTT_EACH_BATCH_H

#include <libpq-fe.h>
#include <stdint.h>

#include "pool.h"
#include "todo.h"

void batch_open(PGconn *db);
/* Answers that come now are this tool's; the others are committed. */
void batch_tool(const struct tool *tool);

void batch_answer(const char *id, const struct pool_answer *a);
void batch_type(const char *id, const char *type);
/* text: valid UTF-8 without NUL, or NULL where there is none. */
void batch_text(const char *id, const char *tool, const char *text, int cut);

/* Commits if a second is over; these end the program if that fails. */
void batch_step(void);
void batch_commit(void);

#endif
