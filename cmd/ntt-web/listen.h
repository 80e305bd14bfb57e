/* The socket that is listened to. */
#ifndef NTT_WEB_LISTEN_H
#define NTT_WEB_LISTEN_H

struct listening {
	int fd;
	int is_unix;
	int port;		/* of the loopback */
	int given;		/* by systemd */
	char *shown;		/* "http://127.0.0.1:8034", or the path */
};

/*
 * where: "ADDRESS:PORT" of the loopback, "unix:PATH", or NULL: what systemd
 * gives (LISTEN_FDS), or else 127.0.0.1:8034.  Ends the program if it cannot.
 */
void listen_start(struct listening *l, const char *where);
/* Removes the name of a socket that was made here. */
void listen_end(struct listening *l);

#endif
