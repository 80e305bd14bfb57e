/*
 * HTTP, by libmicrohttpd, in one thread that waits for nothing but sockets.
 *
 * Answers are made by processes (answer.h), whose output is passed on.  The
 * server itself asks no database and reads no disk, so a slow one stops nobody
 * else, and it parses nothing but the head of a request.
 */
#ifndef NTT_WEB_SERVER_H
#define NTT_WEB_SERVER_H

/* Until a signal comes: the number of it. */
int server_run(int listening, int restricted);

#endif
