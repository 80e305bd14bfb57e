#define _GNU_SOURCE
#include "reader.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/buf.h"
#include "base/exits.h"
#include "base/sig.h"

/* Of one question; the slowest reads 64 MB from a disk that is busy. */
enum { LIMIT_S = 120, SECTOR = 512 };

enum question { LIST, SELECT, READ };

struct reader_shared {
	sem_t asked, answered;
	uint32_t question;
	uint64_t at, pos, len;
	char name[STREAM_NAME];
	struct reader_answer answer;
};

/* The process */

struct work {
	struct reader_shared *s;
	struct volume_bytes volume;
	const struct stream_format *format;
	void *state;
};

static const struct stream_format *
format_of(const struct volume *v)
{
	static const struct {
		const char *fstype;
		const struct stream_format *format;
	} known[] = {
		{ "ntfs", &format_ntfs },
		{ "hfsplus", &format_hfs },
		{ "hfs", &format_hfs },
	};
	size_t i;

	for (i = 0; i < sizeof known / sizeof known[0]; i++)
		if (!strcmp(known[i].fstype, v->fstype))
			return known[i].format;
	return NULL;
}

int
reader_knows(const struct volume *v)
{
	return v->kind == VOLUME_FS && (v->length > 0 || v->pieces > 1) &&
	    format_of(v);
}

static void
set_why(struct reader_answer *a, const char *why)
{
	a->ok = 0;
	snprintf(a->why, sizeof a->why, "%s", why);
}

static void
list(struct work *w, struct reader_answer *a)
{
	enum listing l = LIST_END;

	for (a->count = 0; a->count < READER_FOUND; a->count++) {
		struct reader_found *to = &a->found[a->count];
		struct stream_found f;

		l = w->format->next(w->state, &f, &a->blind);
		if (l != LIST_FOUND)
			break;
		to->at = f.at;
		to->ino = f.ino;
		to->size = f.size;
		memcpy(to->name, f.name, sizeof to->name);
		snprintf(to->why, sizeof to->why, "%s", f.why ? f.why : "");
	}
	a->more = l != LIST_END;
}

static void
add_lost(struct reader_answer *a, uint64_t from, uint64_t to)
{
	struct reader_lost *last = &a->lost[a->lost_count - 1];

	if (a->lost_count > 0 && (last->to == from ||
	    a->lost_count == READER_LOST))
		last->to = to;
	else
		a->lost[a->lost_count++] = (struct reader_lost){ from, to };
}

/* What was lost of a part is looked for by sectors. */
static const char *
find_lost(struct work *w, struct reader_answer *a, uint64_t pos, size_t len)
{
	unsigned char sector[SECTOR];
	const char *why = NULL;

	while (len > 0) {
		size_t part = SECTOR - pos % SECTOR;
		uint64_t lost = w->volume.lost;

		part = part > len ? len : part;
		if (w->format->read(w->state, sector, part, pos, &why) < 0)
			return why;
		if (w->volume.lost != lost)
			add_lost(a, pos, pos + part);
		pos += part;
		len -= part;
	}
	return NULL;
}

static void
answer(struct work *w)
{
	struct reader_shared *s = w->s;
	struct reader_answer *a = &s->answer;
	uint64_t lost = w->volume.lost;
	const char *why = NULL;

	a->ok = 1;
	a->why[0] = '\0';
	switch (s->question) {
	case LIST:
		list(w, a);
		break;
	case SELECT:
		a->lost_count = 0;
		if (w->format->select(w->state, s->at, s->name, &why) < 0)
			set_why(a, why);
		break;
	case READ:
		if (w->format->read(w->state, a->bytes, s->len, s->pos,
		    &why) < 0)
			set_why(a, why);
		else if (w->volume.lost != lost &&
		    (why = find_lost(w, a, s->pos, s->len)))
			set_why(a, why);
		break;
	}
}

static int
serve(void *arg)
{
	struct work *w = arg;
	const char *why = NULL;

	w->state = w->format->open(&w->volume, &why);
	while (sem_wait(&w->s->asked) == 0 || errno == EINTR) {
		if (w->state)
			answer(w);
		else
			set_why(&w->s->answer, why);
		sem_post(&w->s->answered);
	}
	return EXIT_FAILED;
}

/* The other side */

static int
start(struct reader *r)
{
	struct work w = { .s = r->shared, .format = format_of(r->volume) };

	memset(r->shared, 0, sizeof *r->shared);
	if (sem_init(&r->shared->asked, 1, 0) < 0 ||
	    sem_init(&r->shared->answered, 1, 0) < 0)
		return -1;
	volume_bytes_init(&w.volume, r->view, r->image, r->volume);
	r->pid = bounded_start(serve, &w, r->image, BOUNDED_NONE);
	if (r->pid < 0) {
		r->pid = 0;
		return -1;
	}
	return 0;
}

static void
end(struct reader *r)
{
	if (r->pid == 0)
		return;
	/* one that hangs in the kernel is left to init */
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, WNOHANG);
	r->pid = 0;
}

int
reader_begin(struct reader *r, const struct view *view, int image,
    const struct volume *v)
{
	*r = (struct reader){ .view = view, .volume = v, .image = image };
	r->shared = mmap(NULL, sizeof *r->shared, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->shared == MAP_FAILED)
		return -1;
	r->answer = xcalloc(1, sizeof *r->answer);
	return 0;
}

void
reader_end(struct reader *r)
{
	end(r);
	munmap(r->shared, sizeof *r->shared);
	free(r->answer);
}

static int
lost_it(struct reader *r, const char *why)
{
	end(r);
	set_why(r->answer, why);
	return -1;
}

/*
 * Out of its reach, for it may have been taken over; 0: it is nonsense.
 */
static int
take_answer(struct reader *r, enum question q)
{
	const struct reader_answer *from = &r->shared->answer;
	struct reader_answer *a = r->answer;
	uint32_t i;

	memcpy(a, from, offsetof(struct reader_answer, found));
	if (q == LIST)
		memcpy(a->found, from->found, sizeof a->found);
	else
		a->count = 0;
	if (q == READ)
		memcpy(a->bytes, from->bytes, r->len);

	if (a->count > READER_FOUND || a->lost_count > READER_LOST ||
	    !memchr(a->why, 0, sizeof a->why))
		return 0;
	for (i = 0; i < a->count; i++)
		if (!memchr(a->found[i].name, 0, STREAM_NAME) ||
		    !memchr(a->found[i].why, 0, sizeof a->found[i].why))
			return 0;
	return 1;
}

static int
ask(struct reader *r, enum question q)
{
	struct timespec until;
	int seconds, status;

	if (r->pid == 0 && start(r) < 0)
		return lost_it(r, "no process could be started to read it");
	r->shared->question = q;
	sem_post(&r->shared->asked);
	for (seconds = 0; seconds < LIMIT_S; seconds++) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (sem_timedwait(&r->shared->answered, &until) == 0) {
			if (!take_answer(r, q))
				return lost_it(r, "who read it gave nonsense");
			return r->answer->ok ? 0 : -1;
		}
		if (waitpid(r->pid, &status, WNOHANG) == r->pid) {
			r->pid = 0;
			return lost_it(r, "reading it crashed");
		}
		if (sig_caught())
			return lost_it(r, "it was stopped");
	}
	return lost_it(r, "reading it did not end in time");
}

int
reader_list(struct reader *r)
{
	return ask(r, LIST);
}

int
reader_select(struct reader *r, uint64_t at, const char *name)
{
	r->shared->at = at;
	snprintf(r->shared->name, STREAM_NAME, "%s", name);
	return ask(r, SELECT);
}

int
reader_read(struct reader *r, uint64_t pos, size_t len)
{
	r->shared->pos = pos;
	r->shared->len = r->len = len;
	return ask(r, READ);
}
