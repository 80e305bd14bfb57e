/*
 * One line on stderr for work that takes more than a second: done, rate, time
 * left.  Shown on a terminal only, unless progress_when() says otherwise; -q
 * hides it.
 */
#ifndef NTT_PROGRESS_H
#define NTT_PROGRESS_H

#include <stdint.h>

/* "auto", "always" or "never"; -1 for anything else. */
int progress_when(const char *when);

enum progress_unit { PROGRESS_COUNT, PROGRESS_BYTES };

/*
 * label: what is being done ("hashing").  noun: what is counted ("files");
 * ignored for bytes.  total 0: unknown.
 */
void progress_start(const char *label, const char *noun,
	enum progress_unit unit, uint64_t total);
/* So much was done by another run: it does not count in the rate. */
void progress_from(uint64_t done);
void progress_set(uint64_t done);	/* cheap: call it as often as you like */
void progress_note(const char *note);	/* shown at the end of the line */
void progress_hide(void);		/* for a message: the line comes back */
void progress_stop(void);		/* removes the line */

#endif
