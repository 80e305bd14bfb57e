/*
 * FIBMAP for who gives up being root: a child keeps the one right it takes.
 */
#ifndef NTT_FIBMAP_CHILD_H
#define NTT_FIBMAP_CHILD_H

#include "guest/fibmap.h"

/*
 * The child keeps CAP_SYS_RAWIO alone, becomes user as privilege_drop() does,
 * and answers until the socket is closed.  The socket, or -1 with errno.
 */
int fibmap_start(const char *user);
/* As fibmap_walk(), through that socket; *places is the caller's. */
int fibmap_ask(int socket, int fd, uint64_t size,
	struct fibmap_place **places, size_t *count);

#endif
