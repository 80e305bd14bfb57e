/*
 * Who may look.
 *
 * On the loopback every user of the machine, and through DNS rebinding every
 * web page, can connect.  So a visitor needs the token, which is given as
 * /?token=… once and is a cookie from then on, and the Host of the request
 * must be a name of the loopback.  On a Unix socket a web server stands in front: it
 * says who the user is (X-Remote-User), and without a user nothing is shown.
 */
#ifndef NTT_WEB_ACCESS_H
#define NTT_WEB_ACCESS_H

#define ACCESS_COOKIE "ntt-web"

enum { ACCESS_TOKEN = 64 };		/* hexadecimal digits */

enum access_answer {
	ACCESS_GRANTED,
	ACCESS_LET_IN,		/* the token was given: a cookie, and "/" */
	ACCESS_NO_TOKEN,
	ACCESS_NO_USER,
	ACCESS_WRONG_HOST
};

/*
 * The token of NTT_RUN_DIR/web-UID.token, which is made if it is missing; the
 * same until somebody removes the file.  Ends the program where it cannot be
 * had, or is another's.
 */
void access_start(int is_unix, int port);
const char *access_token(void);
const char *access_file(void);

/* Values of the request; NULL where it has none. */
enum access_answer access_check(const char *host, const char *cookies,
	const char *token, const char *user);

#endif
