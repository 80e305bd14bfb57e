#define _GNU_SOURCE
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"

static char token[ACCESS_TOKEN + 1];
static char *file;
static int behind_proxy, port;

static void
make_token(int fd)
{
	unsigned char bytes[ACCESS_TOKEN / 2];

	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		die_errno("could not get random bytes: %m");
	hex_encode(token, bytes, sizeof bytes);
	if (write_all(fd, token, ACCESS_TOKEN) < 0 ||
	    write_all(fd, "\n", 1) < 0)
		die_errno("could not write %s: %m", quoted(file));
}

static void
read_token(int fd)
{
	unsigned char bytes[ACCESS_TOKEN / 2];
	struct stat st;

	if (fstat(fd, &st) < 0)
		die_errno("could not look at %s: %m", quoted(file));
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_mode & 077)
		die(EXIT_FAILED, "%s is not a file of this user that nobody "
		    "else may read; remove it", quoted(file));
	if (read_full(fd, token, ACCESS_TOKEN) != ACCESS_TOKEN ||
	    hex_decode(bytes, token, sizeof bytes) < 0)
		die(EXIT_FAILED, "%s has no token in it; remove it, and a new "
		    "one is made", quoted(file));
}

void
access_start(int is_unix, int listen_port)
{
	const char *dir = config_get(CONFIG_RUN_DIR);
	int fd;

	behind_proxy = is_unix;
	port = listen_port;
	if (is_unix)
		return;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		die_errno("could not make %s: %m", quoted(dir));
	file = xasprintf("%s/web-%u.token", dir, (unsigned int)geteuid());
	fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd >= 0) {
		make_token(fd);
	} else {
		fd = errno == EEXIST ? open(file, O_RDONLY | O_NOFOLLOW |
		    O_CLOEXEC | O_NONBLOCK) : -1;
		if (fd < 0)
			die_errno("could not open %s: %m", quoted(file));
		read_token(fd);
	}
	close(fd);
}

const char *
access_token(void)
{
	return token;
}

const char *
access_file(void)
{
	return file;
}

/* In a time that does not depend on where they differ. */
static int
is_token(const char *given, size_t len)
{
	unsigned char differ = 0;
	size_t i;

	if (len != ACCESS_TOKEN)
		return 0;
	for (i = 0; i < ACCESS_TOKEN; i++)
		differ |= (unsigned char)(given[i] ^ token[i]);
	return differ == 0;
}

/* "127.0.0.1", "localhost" or "[::1]", with the port that is listened to. */
static int
is_loopback(const char *host)
{
	static const char *const names[] = { "127.0.0.1", "localhost",
		"[::1]" };
	uint64_t given;
	size_t i, len;

	for (i = 0; host && i < sizeof names / sizeof names[0]; i++) {
		len = strlen(names[i]);
		if (strncasecmp(host, names[i], len))
			continue;
		if (!host[len])
			return port == 80;
		return host[len] == ':' && num_u64(host + len + 1, 1, 65535,
		    &given) == 0 && (int)given == port;
	}
	return 0;
}

static int
has_cookie(const char *cookies)
{
	static const char name[] = ACCESS_COOKIE "=";

	while (cookies && *cookies) {
		size_t len = strcspn(cookies, ";");

		if (!strncmp(cookies, name, sizeof name - 1) &&
		    len >= sizeof name - 1 && is_token(cookies + sizeof name -
		    1, len - (sizeof name - 1)))
			return 1;
		cookies += len;
		cookies += strspn(cookies, "; ");
	}
	return 0;
}

enum access_answer
access_check(const char *host, const char *cookies, const char *given,
    const char *user)
{
	if (behind_proxy)
		return user && *user ? ACCESS_GRANTED : ACCESS_NO_USER;
	if (!is_loopback(host))
		return ACCESS_WRONG_HOST;
	if (given)
		return is_token(given, strlen(given)) ? ACCESS_LET_IN :
		    ACCESS_NO_TOKEN;
	return has_cookie(cookies) ? ACCESS_GRANTED : ACCESS_NO_TOKEN;
}
