/* The host's end of a guest's line: answers, silence, the end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/procstat.h"
#include "ntt-sandbox/line.h"
#include "tap.h"

enum { LIMIT = 1000 };

struct seen {
	int count, err;
	char bytes[64];
	struct line *again;	/* asks once more when it is answered */
};

static const struct guest_request question = { .op = GUEST_READLINK };

static void
answered(void *arg, int err, const char *bytes, size_t len, int end)
{
	struct seen *s = arg;
	struct line *again = s->again;

	(void)end;
	s->count++;
	s->err = err;
	snprintf(s->bytes, sizeof s->bytes, "%.*s", (int)len, bytes);
	s->again = NULL;
	if (again)
		line_ask(again, &question, "x", 1, answered, s);
}

static void
say(struct line *l, uint32_t id, int err, const char *text)
{
	struct guest_answer a = { id, err, (uint32_t)strlen(text), 0 };

	line_hear(l, (const char *)&a, sizeof a);
	line_hear(l, text, strlen(text));
}

static void
test_answers(void)
{
	struct seen one = { 0, 0, "", NULL }, two = one;
	struct line l;

	line_init(&l, -1, LIMIT);
	line_ask(&l, &question, "a", 1, answered, &one);
	line_ask(&l, &question, "b", 1, answered, &two);
	tap_ok(l.out.len == 2 * (sizeof question + 1), "both are to be sent");
	say(&l, 1, 0, "first");
	tap_ok(one.count == 1 && two.count == 0, "one has its answer");
	tap_is_str(one.bytes, "first", "and its bytes");
	say(&l, 2, EILSEQ, "");
	tap_ok(two.count == 1 && two.err == EILSEQ, "the guest's errno");
	line_ask(&l, &question, "a", 1, answered, &one);
	say(&l, 3, ENOSYS, "");
	tap_ok(one.err == EIO, "what FUSE would misunderstand is EIO");
	line_ask(&l, &question, "a", 1, answered, &one);
	say(&l, 7, 0, "");
	tap_ok(l.dead && one.count == 3 && one.err == ENOTCONN,
	    "an answer to something else ends the line");
	line_ask(&l, &question, "a", 1, answered, &one);
	tap_ok(one.count == 4 && one.err == ENOTCONN,
	    "and nothing waits for it afterwards");
	line_free(&l);
}

static void
test_silence(void)
{
	struct seen one = { 0, 0, "", NULL }, two = one;
	struct line l;
	long now;

	line_init(&l, -1, LIMIT);
	tap_ok(line_left(&l, monotonic_ms() + 5 * LIMIT) == -1,
	    "nothing asked, nothing late");
	one.again = &l;
	line_ask(&l, &question, "a", 1, answered, &one);
	line_ask(&l, &question, "b", 1, answered, &two);
	now = l.heard;
	line_step(&l, 0, now + LIMIT - 1);
	tap_ok(one.count == 0, "not late yet");
	line_step(&l, 0, now + LIMIT);
	tap_ok(one.count == 2 && one.err == ETIMEDOUT && two.count == 1 &&
	    two.err == ETIMEDOUT,
	    "all that wait are late, and so is at once who asks again");
	tap_ok(line_left(&l, now + 9 * LIMIT) == -1,
	    "silence is not found twice");
	say(&l, 1, 0, "late");
	tap_ok(one.count == 2, "a late answer is dropped");
	line_ask(&l, &question, "c", 1, answered, &two);
	tap_ok(two.count == 1, "who is heard again is asked again");
	say(&l, 2, 0, "late");
	say(&l, 3, 0, "third");
	tap_is_str(two.bytes, "third", "and the answers are not mixed up");
	line_free(&l);
}

static void
test_socket(void)
{
	struct seen one = { 0, 0, "", NULL };
	struct guest_request r;
	struct line l;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return;
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	line_init(&l, pair[0], LIMIT);
	tap_ok(line_events(&l) == POLLIN, "nothing to send");
	line_ask(&l, &question, "path", 4, answered, &one);
	tap_ok(line_events(&l) == (POLLIN | POLLOUT), "something to send");
	line_step(&l, POLLOUT, l.heard);
	tap_ok(read(pair[1], &r, sizeof r) == sizeof r && r.len == 4 &&
	    r.id == 1, "it was sent");
	close(pair[1]);
	line_step(&l, POLLIN, l.heard);
	tap_ok(one.count == 1 && one.err == ENOTCONN && !line_events(&l),
	    "the end of the line answers what waits");
	line_free(&l);
	close(pair[0]);
}

int
main(void)
{
	test_answers();
	test_silence();
	test_socket();
	return tap_done();
}
