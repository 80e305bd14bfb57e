#define _GNU_SOURCE
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fsutil.h"
#include "base/procstat.h"
#include "hash/blake3.h"
#include "store/store.h"

enum { CLAIM = 16, WORKERS_MAX = 64, TICK_MS = 200 };

/* Between the owner and its processes. */
struct shared {
	_Atomic uint32_t next[VERIFY_SLOTS];
	_Atomic uint64_t bytes;
	struct verify_item items[VERIFY_SLOTS][VERIFY_BATCH];
};

struct command {
	uint32_t slot, count;
};

struct verify_pool {
	struct shared *shared;
	int workers;
	pid_t pids[WORKERS_MAX];
	int commands[WORKERS_MAX];	/* write ends */
	int done;			/* read end: a slot for each worker */
	int waiting[VERIFY_SLOTS];	/* workers still at it */
};

/* What a process of the pool needs. */
struct worker {
	struct shared *shared;
	int root, uncached;
	uint64_t rate;			/* its share */
	uint64_t bytes;
	double started;
	char *buf;
};

static int
is_old_empty(const struct verify_item *item)
{
	uint8_t id[32];

	return item->got_size == 0 && hex_decode(id, store_old_empty_id,
	    sizeof id) == 0 && !memcmp(id, item->id, sizeof id);
}

static int
hash_file(struct verify_item *item, int fd, char *buf)
{
	blake3_hasher h;
	ssize_t n;

	blake3_hasher_init(&h);
	for (;;) {
		n = read(fd, buf, VERIFY_BUFFER);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		blake3_hasher_update(&h, buf, (size_t)n);
		item->got_size += (uint64_t)n;
		/* small files need no second read to see their end */
		if (n < VERIFY_BUFFER && item->got_size == item->size)
			break;
	}
	if (n < 0)
		return -1;
	blake3_hasher_finalize(&h, item->got, sizeof item->got);
	return 0;
}

void
verify_item_hash(struct verify_item *item, int root, int uncached, char *buf)
{
	struct store store = { .root = root, .temporaries = -1 };
	char hex[STORE_ID + 1];
	struct stat st;
	int fd;

	memset(item->got, 0, sizeof item->got);
	item->got_size = 0;
	item->err = 0;
	hex_encode(hex, item->id, sizeof item->id);
	fd = store_read(&store, hex);
	if (fd < 0) {
		item->err = errno;
		item->outcome = errno == ENOENT ? VERIFY_MISSING :
		    VERIFY_UNREADABLE;
		return;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		item->outcome = VERIFY_MISMATCH;
		return;
	}
	if (uncached)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (hash_file(item, fd, buf) < 0) {
		item->err = errno;
		item->outcome = VERIFY_UNREADABLE;
	} else if ((item->size != VERIFY_ANY_SIZE &&
	    (item->size != item->got_size ||
	    (uint64_t)st.st_size != item->got_size)) ||
	    (memcmp(item->got, item->id, sizeof item->id) &&
	    !is_old_empty(item))) {
		item->outcome = VERIFY_MISMATCH;
	} else {
		item->outcome = VERIFY_GOOD;
	}
	if (uncached)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static void
keep_rate(const struct worker *w)
{
	struct timespec pause;
	double due;

	if (!w->rate)
		return;
	due = (double)w->bytes / (double)w->rate -
	    (monotonic_s() - w->started);
	if (due <= 0)
		return;
	pause.tv_sec = (time_t)due;
	pause.tv_nsec = (long)((due - (double)pause.tv_sec) * 1e9);
	nanosleep(&pause, NULL);
}

static void
work_on(struct worker *w, const struct command *c)
{
	struct shared *s = w->shared;
	uint32_t i, end;

	for (;;) {
		i = atomic_fetch_add(&s->next[c->slot], CLAIM);
		if (i >= c->count)
			return;
		end = i + CLAIM < c->count ? i + CLAIM : c->count;
		for (; i < end; i++) {
			struct verify_item *item = &s->items[c->slot][i];

			verify_item_hash(item, w->root, w->uncached, w->buf);
			atomic_fetch_add(&s->bytes, item->got_size);
			w->bytes += item->got_size;
			keep_rate(w);
		}
	}
}

static void __attribute__((noreturn))
run_worker(struct worker *w, int commands, int done)
{
	struct command c;
	uint8_t slot;

	/* ^C is the owner's to handle */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	w->buf = xmalloc(VERIFY_BUFFER);
	w->started = monotonic_s();
	while (read_full(commands, &c, sizeof c) == sizeof c) {
		work_on(w, &c);
		slot = (uint8_t)c.slot;
		if (write_all(done, &slot, 1) < 0)
			break;
	}
	_exit(0);
}

static int
start_worker(struct verify_pool *p, int i, struct worker *w, int done)
{
	pid_t owner = getpid();
	int ends[2], j;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	p->pids[i] = fork();
	if (p->pids[i] < 0) {
		close(ends[0]);
		close(ends[1]);
		return -1;
	}
	if (p->pids[i] == 0) {
		close(ends[1]);
		close(p->done);
		for (j = 0; j < i; j++)
			close(p->commands[j]);
		if (getppid() != owner)
			_exit(1);
		run_worker(w, ends[0], done);
	}
	close(ends[0]);
	p->commands[i] = ends[1];
	p->workers++;
	return 0;
}

struct verify_pool *
verify_pool_open(int root, int workers, uint64_t rate, int uncached)
{
	struct verify_pool *p = xcalloc(1, sizeof *p);
	struct worker w = { .root = root, .uncached = uncached };
	int done[2], i, err;

	if (workers > WORKERS_MAX)
		workers = WORKERS_MAX;
	w.rate = rate ? rate / (uint64_t)workers + 1 : 0;
	p->shared = mmap(NULL, sizeof *p->shared, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->shared == MAP_FAILED || pipe2(done, O_CLOEXEC) < 0) {
		free(p);
		return NULL;
	}
	w.shared = p->shared;
	p->done = done[0];
	for (i = 0; i < workers; i++)
		if (start_worker(p, i, &w, done[1]) < 0)
			break;
	err = errno;
	close(done[1]);
	if (p->workers == workers)
		return p;
	verify_pool_close(p);
	errno = err;
	return NULL;
}

void
verify_pool_close(struct verify_pool *p)
{
	int i;

	for (i = 0; i < p->workers; i++) {
		close(p->commands[i]);
		kill(p->pids[i], SIGTERM);
	}
	for (i = 0; i < p->workers; i++)
		while (waitpid(p->pids[i], NULL, 0) < 0 && errno == EINTR)
			;
	close(p->done);
	munmap(p->shared, sizeof *p->shared);
	free(p);
}

struct verify_item *
verify_pool_items(struct verify_pool *p, int slot)
{
	return p->shared->items[slot];
}

int
verify_pool_start(struct verify_pool *p, int slot, size_t count)
{
	struct command c = { (uint32_t)slot, (uint32_t)count };
	/* a worker that died is told of, not died of */
	void (*old)(int) = signal(SIGPIPE, SIG_IGN);
	int i, rc = 0, err;

	atomic_store(&p->shared->next[slot], 0);
	p->waiting[slot] = p->workers;
	for (i = 0; i < p->workers; i++)
		if (write_all(p->commands[i], &c, sizeof c) < 0)
			rc = -1;
	err = errno;
	signal(SIGPIPE, old);
	errno = err;
	return rc;
}

static int
some_died(const struct verify_pool *p)
{
	siginfo_t info;
	int i;

	for (i = 0; i < p->workers; i++) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)p->pids[i], &info, WEXITED | WNOHANG |
		    WNOWAIT) < 0 || info.si_pid != 0)
			return 1;
	}
	return 0;
}

int
verify_pool_wait(struct verify_pool *p, int slot,
    void (*progress)(uint64_t bytes), int (*stop)(void))
{
	struct pollfd fd = { .fd = p->done, .events = POLLIN };
	uint8_t which;

	while (p->waiting[slot] > 0) {
		if (stop && stop()) {
			errno = EINTR;
			return -1;
		}
		if (poll(&fd, 1, TICK_MS) > 0) {
			if (read_full(p->done, &which, 1) != 1) {
				errno = ECHILD;
				return -1;
			}
			p->waiting[which]--;
		} else if (some_died(p)) {
			errno = ECHILD;
			return -1;
		}
		if (progress)
			progress(verify_pool_bytes(p));
	}
	return 0;
}

uint64_t
verify_pool_bytes(const struct verify_pool *p)
{
	return atomic_load(&p->shared->bytes);
}
