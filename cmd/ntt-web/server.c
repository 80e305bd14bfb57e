#define _GNU_SOURCE
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/procstat.h"
#include "base/sig.h"
#include "page/style.h"
#include "access.h"
#include "answer.h"
#include "count.h"
#include "frame.h"
#include "job.h"
#include "request.h"

enum {
	CONNECTIONS = 4096,
	/* more than these, and the oldest idle one has to go */
	CROWDED = 1024,
	HEAD_S = 15,		/* for the head of a request, and when idle */
	STALLED_S = 60,		/* for a client that does not read */
	MEMORY = 32768,		/* of a connection */
	BLOCK = 65536,
	PAGES = 12,		/* processes that make pages */
	STREAMS = 16,		/* that give contents */
	MAKERS = 2,		/* that make pictures, or give them */
	WAITING = 512,		/* for those */
	PICTURE_S = 90,
	/* a large content is hashed before a part of it is given */
	STREAM_HEAD_S = 600,
	COUNT_EVERY_S = 600,
	COUNT_AGAIN_S = 20	/* after one that failed */
};

/* A connection that may be idle. */
struct client {
	TAILQ_ENTRY(client) all;
	int fd, busy;
	int64_t since;
};

/* A request, from its first line to its last byte. */
struct visit {
	TAILQ_ENTRY(visit) all;
	struct MHD_Connection *connection;
	char *uri;
	int seen, suspended, gone;
	struct request request;
	struct job *job;
	enum kind { PLAIN, STREAM, PICTURE, KINDS } kind;
	int waits;		/* for a process that it may have */
	uint64_t sent;
};

static TAILQ_HEAD(, client) clients = TAILQ_HEAD_INITIALIZER(clients);
static TAILQ_HEAD(, visit) visits = TAILQ_HEAD_INITIALIZER(visits);
static const unsigned int most_jobs[] = { PAGES, STREAMS, MAKERS };
static unsigned int client_count, job_count[KINDS], waiting_count;
static int shows_restricted;

static const char *const policies[] = {
	[POLICY_PAGE] = "default-src 'none'; style-src 'self'; img-src 'self'; "
	    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
	[POLICY_NOTHING] = "default-src 'none'; frame-ancestors 'none'; "
	    "base-uri 'none'; form-action 'none'; sandbox",
	[POLICY_REPORT] = "default-src 'none'; style-src 'unsafe-inline'; "
	    "img-src data:; frame-ancestors 'none'; base-uri 'none'; "
	    "form-action 'none'; sandbox"
};

static void
add_headers(struct MHD_Response *r, enum reply_policy policy)
{
	static const char *const headers[][2] = {
		{ "X-Content-Type-Options", "nosniff" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Cross-Origin-Opener-Policy", "same-origin" },
		{ "Cross-Origin-Embedder-Policy", "require-corp" },
		{ "X-Frame-Options", "DENY" },
		{ "Cache-Control", "no-store" }
	};
	size_t i;

	for (i = 0; i < sizeof headers / sizeof headers[0]; i++)
		MHD_add_response_header(r, headers[i][0], headers[i][1]);
	MHD_add_response_header(r, "Content-Security-Policy",
	    policies[policy]);
}

/* Texts of this process. */
static enum MHD_Result
answer_text(struct MHD_Connection *c, unsigned int status, const char *type,
    const char *bytes, size_t len, const char *location)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len,
	    (void *)bytes, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result rc;
	char *cookie;

	if (!r)
		return MHD_NO;
	add_headers(r, POLICY_PAGE);
	MHD_add_response_header(r, "Content-Type", type);
	if (status == 405)
		MHD_add_response_header(r, "Allow", "GET, HEAD");
	if (status == 503)
		MHD_add_response_header(r, "Retry-After", "5");
	if (location) {
		cookie = xasprintf(ACCESS_COOKIE "=%s; Path=/; HttpOnly; "
		    "SameSite=Strict", access_token());
		MHD_add_response_header(r, "Set-Cookie", cookie);
		MHD_add_response_header(r, "Location", location);
		free(cookie);
	}
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result
answer_error(struct MHD_Connection *c, unsigned int status,
    enum message title, enum message why)
{
	struct buf b = BUF_INIT;
	enum MHD_Result rc;

	frame_error(&b, title, why);
	rc = answer_text(c, status, "text/html; charset=utf-8", b.data, b.len,
	    NULL);
	buf_free(&b);
	return rc;
}

static enum MHD_Result
answer_style(struct MHD_Connection *c)
{
	struct buf b = BUF_INIT;
	enum MHD_Result rc;

	buf_puts(&b, page_style);
	buf_puts(&b, frame_style);
	rc = answer_text(c, 200, "text/css; charset=utf-8", b.data, b.len,
	    NULL);
	buf_free(&b);
	return rc;
}

/* ---- answers of processes ---- */

static void
suspend(struct visit *v)
{
	if (v->suspended)
		return;
	v->suspended = 1;
	MHD_suspend_connection(v->connection);
}

/* A folder, in some form. */
static int
is_folder(enum page p)
{
	return p == PAGE_TAR || p == PAGE_ZIP || p == PAGE_BAG;
}

static ssize_t
give_body(void *arg, uint64_t pos, char *bytes, size_t most)
{
	struct visit *v = arg;
	ssize_t n = v->gone ? -1 : job_read(v->job, bytes, most);

	(void)pos;
	if (n == 0)
		suspend(v);
	if (n >= 0)
		return n;
	/*
	 * Whoever takes a folder may lack what its page has named.  Anything
	 * else that is not right ends without the last part of its length.
	 */
	if (!v->gone && (job_is_good(v->job) || (is_folder(v->request.page) &&
	    v->job->status == EXIT_PARTIAL && !v->job->late &&
	    request_param(&v->request, "without"))))
		return MHD_CONTENT_READER_END_OF_STREAM;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* The process ended, or was ended, before it said anything. */
static enum MHD_Result
answer_for_failed(struct visit *v)
{
	struct MHD_Connection *c = v->connection;

	if (v->job->late)
		return answer_error(c, 503, MSG_E503, MSG_E503_LONG);
	switch (v->job->status) {
	case EXIT_AGAIN:
		return answer_error(c, 503, MSG_E503, MSG_E503_LONG);
	case ANSWER_SLOW:
		return answer_error(c, 503, MSG_E503_SLOW,
		    MSG_E503_SLOW_LONG);
	case ANSWER_VERSION:
		return answer_error(c, 503, MSG_E503_VERSION,
		    MSG_E503_VERSION_LONG);
	default:
		warn("a page was not made: its process ended with status %d",
		    v->job->status);
		return answer_error(c, 500, MSG_E500, MSG_E500_LONG);
	}
}

static enum MHD_Result
answer_from_job(struct visit *v)
{
	struct job *j = v->job;
	struct MHD_Response *r;
	const char *name, *value;
	enum MHD_Result rc;
	size_t at = 0;

	if (!j->has_head)
		return answer_for_failed(v);
	/* what is left of it takes as long as the visitor does */
	j->deadline = 0;
	r = MHD_create_response_from_callback(j->head.length < 0 ?
	    MHD_SIZE_UNKNOWN : (uint64_t)j->head.length, BLOCK, give_body, v,
	    NULL);
	if (!r)
		return MHD_NO;
	add_headers(r, j->head.policy <= POLICY_REPORT ? j->head.policy :
	    POLICY_NOTHING);
	while (job_header(j, &at, &name, &value))
		MHD_add_response_header(r, name, value);
	rc = MHD_queue_response(v->connection, j->head.status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum kind
kind_of(enum page p)
{
	return p == PAGE_GET || p == PAGE_REPORT || is_folder(p) ? STREAM :
	    p == PAGE_IMAGE || p == PAGE_SMALL || p == PAGE_PHOTO ? PICTURE :
	    PLAIN;
}

static int
seconds_for(const struct visit *v)
{
	return v->kind == PICTURE ? PICTURE_S : v->kind == STREAM &&
	    !is_folder(v->request.page) ? STREAM_HEAD_S : PAGE_S;
}

/* 0, or -1 with errno. */
static int
start_process(struct visit *v)
{
	v->job = job_start(&v->request, monotonic_ms() + seconds_for(v) *
	    1000);
	if (!v->job)
		return -1;
	job_count[v->kind]++;
	return 0;
}

static void
set_waiting(struct visit *v, int waits)
{
	waiting_count += (unsigned int)waits - (unsigned int)v->waits;
	v->waits = waits;
}

static enum MHD_Result
start_job(struct visit *v)
{
	v->kind = kind_of(v->request.page);
	if (job_count[v->kind] >= most_jobs[v->kind]) {
		/* a page has many pictures; they come one after the other */
		if (v->kind != PICTURE || waiting_count >= WAITING)
			return answer_error(v->connection, 503, MSG_E503_BUSY,
			    MSG_E503_BUSY_LONG);
		set_waiting(v, 1);
	} else if (start_process(v) < 0) {
		warn("could not start a process: %s", strerror(errno));
		return answer_error(v->connection, 503, MSG_E503_BUSY,
		    MSG_E503_BUSY_LONG);
	}
	suspend(v);
	return MHD_YES;
}

/* Those who came first. */
static void
start_waiting(void)
{
	struct visit *v;

	if (waiting_count == 0)
		return;
	TAILQ_FOREACH(v, &visits, all) {
		if (job_count[PICTURE] >= MAKERS)
			return;
		if (v->waits && start_process(v) == 0)
			set_waiting(v, 0);
	}
}

/* ---- requests ---- */

static const char *
header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static char *
copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static enum MHD_Result
answer_refused(struct MHD_Connection *c, int status)
{
	switch (status) {
	case 400:
		return answer_error(c, 400, MSG_E400, MSG_E400_LONG);
	case 414:
		return answer_error(c, 414, MSG_E414, MSG_E414_LONG);
	default:
		return answer_error(c, 404, MSG_E404, MSG_E404_LONG);
	}
}

static enum MHD_Result
answer_visit(struct visit *v)
{
	struct MHD_Connection *c = v->connection;
	int status = request_parse(&v->request, v->uri);

	switch (access_check(header(c, "Host"), header(c, "Cookie"),
	    request_param(&v->request, "token"),
	    header(c, "X-Remote-User"))) {
	case ACCESS_WRONG_HOST:
		return answer_error(c, 421, MSG_E421, MSG_E421_LONG);
	case ACCESS_NO_TOKEN:
		/* the page that says so looks like the others */
		if (status == 0 && v->request.page == PAGE_STYLE)
			return answer_style(c);
		return answer_error(c, 403, MSG_E403, MSG_E403_LONG);
	case ACCESS_NO_USER:
		return answer_error(c, 403, MSG_E403, MSG_E403_USER);
	case ACCESS_LET_IN:
		return answer_text(c, 303, "text/plain", "", 0, "/");
	case ACCESS_GRANTED:
		break;
	}
	if (status)
		return answer_refused(c, status);
	if (v->request.page == PAGE_STYLE)
		return answer_style(c);
	if (v->request.page == PAGE_ICON)
		return answer_text(c, 200, "image/svg+xml", frame_icon,
		    strlen(frame_icon), NULL);
	v->request.restricted = shows_restricted;
	v->request.range = copy(header(c, "Range"));
	v->request.if_range = copy(header(c, "If-Range"));
	return start_job(v);
}

static struct client *
client_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c,
	    MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void
set_busy(struct client *k, int busy)
{
	if (!k)
		return;
	k->busy = busy;
	k->since = monotonic_ms();
	TAILQ_REMOVE(&clients, k, all);
	TAILQ_INSERT_TAIL(&clients, k, all);
}

static enum MHD_Result
handle(void *cls, struct MHD_Connection *c, const char *url,
    const char *method, const char *version, const char *body,
    size_t *body_len, void **context)
{
	struct visit *v = *context;

	(void)cls;
	(void)url;
	(void)version;
	(void)body;
	if (!v)
		return MHD_NO;
	if (!v->seen) {
		v->seen = 1;
		set_busy(client_of(c), 1);
		MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT,
		    (unsigned int)STALLED_S);
		if (strcmp(method, MHD_HTTP_METHOD_GET) &&
		    strcmp(method, MHD_HTTP_METHOD_HEAD))
			return answer_error(c, 405, MSG_E405, MSG_E405_LONG);
		return MHD_YES;
	}
	/* nobody asks with a body */
	if (*body_len > 0)
		return MHD_NO;
	if (v->gone)
		return MHD_NO;
	return v->job ? answer_from_job(v) : answer_visit(v);
}

static void *
begin_visit(void *cls, const char *uri, struct MHD_Connection *c)
{
	struct visit *v = xcalloc(1, sizeof *v);

	(void)cls;
	v->connection = c;
	v->uri = xstrdup(uri);
	TAILQ_INSERT_TAIL(&visits, v, all);
	return v;
}

static void
end_visit(void *cls, struct MHD_Connection *c, void **context,
    enum MHD_RequestTerminationCode code)
{
	struct visit *v = *context;

	(void)cls;
	(void)code;
	if (!v)
		return;
	*context = NULL;
	set_busy(client_of(c), 0);
	if (v->job)
		job_count[v->kind]--;
	set_waiting(v, 0);
	job_free(v->job);
	request_free(&v->request);
	TAILQ_REMOVE(&visits, v, all);
	free(v->uri);
	free(v);
}

static int
socket_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c,
	    MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

/* In a crowd the one that has been idle longest makes room. */
static void
make_room(void)
{
	struct client *k;

	TAILQ_FOREACH(k, &clients, all) {
		if (k->busy)
			continue;
		shutdown(k->fd, SHUT_RDWR);
		k->busy = 1;
		return;
	}
}

static void
connection_changed(void *cls, struct MHD_Connection *c, void **context,
    enum MHD_ConnectionNotificationCode code)
{
	struct client *k = *context;

	(void)cls;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		if (client_count >= CROWDED)
			make_room();
		k = xcalloc(1, sizeof *k);
		k->fd = socket_of(c);
		k->since = monotonic_ms();
		TAILQ_INSERT_TAIL(&clients, k, all);
		client_count++;
		*context = k;
	} else if (k) {
		TAILQ_REMOVE(&clients, k, all);
		client_count--;
		free(k);
		*context = NULL;
	}
}

/* ---- the loop ---- */

static struct {
	struct job *job;
	struct buf answer;
	int64_t next, began;
} counting;

static void
count_on(void)
{
	int64_t now = monotonic_ms();
	char bytes[4096];
	ssize_t n;

	if (!counting.job) {
		if (now < counting.next)
			return;
		counting.job = job_start(NULL, 0);
		counting.began = now;
		counting.next = now + COUNT_AGAIN_S * 1000;
		buf_reset(&counting.answer);
		return;
	}
	while ((n = job_read(counting.job, bytes, sizeof bytes)) > 0)
		buf_put(&counting.answer, bytes, (size_t)n);
	if (n == 0)
		return;
	/* at most a twentieth of the time is spent with it */
	count_quietly = !job_is_good(counting.job);
	if (!count_quietly && count_take(counting.answer.data ?
	    counting.answer.data : "", counting.answer.len) == 0)
		counting.next = now + COUNT_EVERY_S * 1000 +
		    20 * (now - counting.began);
	job_free(counting.job);
	counting.job = NULL;
}

static void
resume(struct visit *v)
{
	v->suspended = 0;
	MHD_resume_connection(v->connection);
}

/* Once a second: what takes too long, who has gone. */
static void
look_round(int64_t now)
{
	struct client *k;
	struct visit *v;

	TAILQ_FOREACH(k, &clients, all) {
		if (k->busy || now - k->since < HEAD_S * 1000)
			continue;
		shutdown(k->fd, SHUT_RDWR);
		k->busy = 1;
	}
	TAILQ_FOREACH(v, &visits, all) {
		struct pollfd p = { .fd = socket_of(v->connection),
			.events = POLLRDHUP };

		if (!v->job && !v->waits)
			continue;
		if (v->job && v->job->deadline && now > v->job->deadline &&
		    v->job->fd >= 0) {
			job_kill(v->job);
			v->job->late = 1;
			if (v->suspended)
				resume(v);
		} else if (v->suspended && p.fd >= 0 && poll(&p, 1, 0) > 0 &&
		    p.revents) {
			if (v->job)
				job_kill(v->job);
			set_waiting(v, 0);
			v->gone = 1;
			resume(v);
		}
	}
	job_reap();
}

/* Those whose process has something for them go on. */
static void
wake(const struct pollfd *polled, struct visit *const *waiting, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (polled[i].revents && waiting[i]->suspended &&
		    (waiting[i]->job->has_head ||
		    job_listen(waiting[i]->job)))
			resume(waiting[i]);
}

static void
wait_for_something(struct MHD_Daemon *d, int epoll_fd)
{
	struct pollfd polled[2 + PAGES + STREAMS + MAKERS];
	struct visit *waiting[PAGES + STREAMS + MAKERS], *v;
	MHD_UNSIGNED_LONG_LONG most;
	size_t n = 0;
	int ms = 1000;

	TAILQ_FOREACH(v, &visits, all) {
		if (!v->job || !v->suspended || v->job->fd < 0)
			continue;
		polled[n + 2] = (struct pollfd){ .fd = v->job->fd,
			.events = POLLIN };
		waiting[n++] = v;
	}
	polled[0] = (struct pollfd){ .fd = epoll_fd, .events = POLLIN };
	polled[1] = (struct pollfd){ .fd = counting.job ? counting.job->fd :
		-1, .events = POLLIN };
	if (MHD_get_timeout(d, &most) == MHD_YES && most < 1000)
		ms = (int)most;
	if (poll(polled, n + 2, ms) > 0)
		wake(polled + 2, waiting, n);
}

static void
ignore_log(void *arg, const char *format, va_list ap)
{
	(void)arg;
	(void)format;
	(void)ap;
}

/* Escapes are ours to read (request.h). */
static size_t
leave(void *arg, struct MHD_Connection *c, char *s)
{
	(void)arg;
	(void)c;
	return strlen(s);
}

static unsigned int
most_connections(void)
{
	enum { OTHERS = 128 };
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 256;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 256;
	return limit.rlim_cur > CONNECTIONS + OTHERS ? CONNECTIONS :
	    limit.rlim_cur > 2 * OTHERS ? (unsigned int)limit.rlim_cur -
	    OTHERS : OTHERS;
}

int
server_run(int listening, int restricted)
{
	const union MHD_DaemonInfo *info;
	int64_t looked = 0, now;
	struct MHD_Daemon *d;
	struct visit *v;

	shows_restricted = restricted;
	d = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
	    MHD_USE_ERROR_LOG, 0, NULL, NULL, handle, NULL,
	    MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL,
	    MHD_OPTION_LISTEN_SOCKET, listening,
	    MHD_OPTION_CONNECTION_LIMIT, most_connections(),
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)HEAD_S,
	    MHD_OPTION_URI_LOG_CALLBACK, begin_visit, NULL,
	    MHD_OPTION_NOTIFY_COMPLETED, end_visit, NULL,
	    MHD_OPTION_NOTIFY_CONNECTION, connection_changed, NULL,
	    MHD_OPTION_UNESCAPE_CALLBACK, leave, NULL,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_END);
	info = d ? MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info)
		die(EXIT_FAILED, "could not start the HTTP server");
	while (!sig_caught()) {
		wait_for_something(d, info->epoll_fd);
		count_on();
		now = monotonic_ms();
		if (now - looked >= 1000) {
			look_round(now);
			looked = now;
		}
		MHD_run(d);
		start_waiting();
	}
	/* the answers under way end here: their processes, then ours */
	TAILQ_FOREACH(v, &visits, all)
		if (v->job)
			job_kill(v->job);
	job_free(counting.job);
	return sig_caught();
}
