/*
 * The server in the guest (wire.h): shows one volume on one line, read-only.
 * One request after the other: what the guest's kernel is slow at delays this
 * volume and no other.
 */
#ifndef NTT_SANDBOX_SERVER_H
#define NTT_SANDBOX_SERVER_H

/* Until the line ends or carries no request; 0, or -1: root cannot be opened. */
int server_run(int line, const char *root);

#endif
