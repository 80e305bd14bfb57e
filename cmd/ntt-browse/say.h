/*
 * Messages of many threads: quoted() and what uses it has one at a time.
 */
#ifndef NTT_BROWSE_SAY_H
#define NTT_BROWSE_SAY_H

void say_lock(void);
void say_unlock(void);

#endif
