#define _GNU_SOURCE
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/procstat.h"
#include "base/sig.h"
#include "base/spawn.h"
#include "map_write.h"

enum {
	TICK_MS = 1000,
	SUSPICION_S = 3,	/* errors and nothing rescued for so long */
	ASK_AGAIN_S = 15,
	LOOK_SHARE = 20,
	KILLED_MS = 3000,	/* for a killed child to be gone */
	LITTLE_ROOM = 1 << 20
};

/* What is known while a phase runs. */
struct watch {
	struct imager *im;
	int phase;
	struct mapfile trusted;	/* when the device was seen to answer */
	struct map_sum before;
	double started;		/* this ddrescue */
	double last_gain, last_asked;
	uint64_t errors_asked;
	enum imager_end why;	/* we stopped it, or IMAGER_ENDED */
	int chunk_over, stopping, kills;
	struct timespec map_time;	/* of the map that was looked at */
	double next_look;
};

/* The log. */

static off_t
log_line(const struct imager *im, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Where the log ended before; a log that cannot be written stops nothing. */
static off_t
log_line(const struct imager *im, const char *fmt, ...)
{
	int fd = open_regular(im->setup.log, O_WRONLY | O_APPEND | O_CREAT,
	    0644);
	struct buf b = BUF_INIT;
	off_t end = 0;
	va_list ap;

	if (fd < 0)
		return 0;
	end = lseek(fd, 0, SEEK_END);
	va_start(ap, fmt);
	buf_puts(&b, "# ntt-imager: ");
	buf_vprintf(&b, fmt, ap);
	buf_putc(&b, '\n');
	va_end(ap);
	if (write_all(fd, b.data, b.len) < 0) {
		/* the map is what counts */
	}
	buf_free(&b);
	close(fd);
	return end < 0 ? 0 : end;
}

/* NULL where there is none. */
static FILE *
read_log(const char *log)
{
	int fd = open_regular(log, O_RDONLY, 0);

	return fd < 0 ? NULL : fdopen(fd, "r");
}

int
imager_logged_phase(const char *log)
{
	static const char begins[] = "# ntt-imager: phase %d %15[a-z]";
	FILE *f = read_log(log);
	char *line = NULL, word[16];
	size_t size = 0;
	int phase = 0, n;

	while (f && getline(&line, &size, f) >= 0) {
		if (sscanf(line, begins, &n, word) != 2 || n < 1 ||
		    n > IMAGER_PHASES)
			continue;
		if (!strcmp(word, "begins"))
			phase = n;
		else if (!strcmp(word, "ended"))
			phase = n < IMAGER_PHASES ? n + 1 : 0;
	}
	free(line);
	if (f)
		fclose(f);
	return phase;
}

/* The last complaint of ddrescue after this offset; caller frees, or NULL. */
static char *
complaint(const char *log, off_t from)
{
	static const char prefix[] = "ddrescue: ";
	FILE *f = read_log(log);
	char *line = NULL, *last = NULL;
	size_t size = 0;
	ssize_t n;

	if (f && fseeko(f, from, SEEK_SET) == 0) {
		while ((n = getline(&line, &size, f)) > 0) {
			struct buf b = BUF_INIT;

			if (strncmp(line, prefix, sizeof prefix - 1))
				continue;
			if (line[n - 1] == '\n')
				n--;
			buf_escape(&b, line + sizeof prefix - 1,
			    (size_t)n - (sizeof prefix - 1));
			free(last);
			last = buf_detach(&b);
		}
	}
	free(line);
	if (f)
		fclose(f);
	return last;
}

static int
no_room(const struct imager *im, const char *said)
{
	struct statvfs fs;

	if (said && (strstr(said, strerror(ENOSPC)) ||
	    strstr(said, strerror(EDQUOT))))
		return 1;
	return fstatvfs(im->image_fd, &fs) == 0 &&
	    (uint64_t)fs.f_bavail * fs.f_frsize < LITTLE_ROOM;
}

/* Watching. */

static uint64_t
errors(const struct map_sum *s)
{
	return s->bytes[MAP_UNTRIMMED] + s->bytes[MAP_UNSCRAPED] +
	    s->bytes[MAP_BAD];
}

static void
stop(struct watch *w, const struct child *child, enum imager_end why)
{
	if (w->stopping)
		return;
	w->stopping = 1;
	w->why = why;
	kill(child->pid, SIGINT);
}

/* Errors only: are they the sectors', or is there no device any more? */
static void
ask_device(struct watch *w, const struct child *child, struct mapfile *now)
{
	struct imager *im = w->im;
	double t = monotonic_s();
	enum device_state state;

	if (w->stopping || errors(&im->sum) <= w->errors_asked ||
	    t - w->last_gain < SUSPICION_S || t - w->last_asked < ASK_AGAIN_S)
		return;
	state = device_state(&im->setup.device, now, im->silence_ms);
	w->last_asked = t;
	w->errors_asked = errors(&im->sum);
	if (state == DEVICE_GONE) {
		stop(w, child, IMAGER_GONE);
	} else if (state == DEVICE_ANSWERS) {
		struct mapfile old = w->trusted;

		w->trusted = *now;
		memset(now, 0, sizeof *now);
		mapfile_free(&old);
	}
}

static void
look_at_map(struct watch *w, const struct child *child)
{
	struct imager *im = w->im;
	double from = monotonic_s();
	struct mapfile now;
	struct map_sum sum;
	struct stat st;
	char *error = NULL;

	if (from < w->next_look || stat(im->setup.map, &st) < 0 ||
	    !memcmp(&st.st_mtim, &w->map_time, sizeof st.st_mtim))
		return;
	w->map_time = st.st_mtim;
	/* it is being written: the next look will do */
	if (mapfile_load(&now, im->setup.map, &error) < 0) {
		free(error);
		return;
	}
	map_sum(&now, &sum);
	if (sum.size == im->setup.device.size) {
		if (sum.bytes[MAP_RESCUED] > im->sum.bytes[MAP_RESCUED])
			w->last_gain = monotonic_s();
		im->sum = sum;
		ask_device(w, child, &now);
	}
	mapfile_free(&now);
	/* a map of a very bad disk is no reason to keep a processor busy */
	w->next_look = monotonic_s() + LOOK_SHARE * (monotonic_s() - from);
}

static void
tick(struct watch *w, struct child *child)
{
	struct imager *im = w->im;
	double t;

	if (sig_count() > 1 || (sig_caught() && w->kills)) {
		kill(child->pid, SIGKILL);
		w->kills++;
	}
	look_at_map(w, child);
	t = monotonic_s();
	if (im->tick)
		im->tick(w->phase, &im->sum);
	if (im->deadline > 0 && t >= im->deadline)
		stop(w, child, IMAGER_TIME);
	if (im->stall > 0 && t - w->last_gain >= im->stall)
		stop(w, child, IMAGER_STALLED);
	if (im->chunk > 0 && t - w->started >= im->chunk && !w->stopping) {
		stop(w, child, IMAGER_ENDED);
		w->chunk_over = 1;
	}
}

/* ddrescue once, to its end; its status, or -1 with errno. */
static int
run_once(struct watch *w)
{
	struct imager *im = w->im;
	char **argv = imager_argv(&im->setup, w->phase);
	struct spawn_io io = SPAWN_INHERIT;
	struct child child;
	int status;

	io.in = SPAWN_NULL;
	io.out = SPAWN_NULL;
	io.err = open_regular(im->setup.log, O_WRONLY | O_APPEND | O_CREAT,
	    0644);
	if (io.err < 0)
		io.err = SPAWN_NULL;
	/* ^C reaches us alone, and is passed on once */
	io.group = SPAWN_NEW_GROUP;
	io.keep = im->lock;
	w->started = monotonic_s();
	status = spawn(&child, argv, &io);
	imager_argv_free(argv);
	if (io.err >= 0)
		close(io.err);
	if (status < 0)
		return -1;
	sig_forward(child.pid);
	/* one that came before it could be forwarded */
	if (sig_caught())
		kill(child.pid, SIGINT);
	for (;;) {
		status = child_wait_for(&child, w->kills ? KILLED_MS :
		    TICK_MS);
		/* in the kernel no signal reaches it: it has the lock */
		if (status >= 0 || errno != ETIMEDOUT || w->kills > 1)
			break;
		tick(w, &child);
	}
	sig_unforward(child.pid);
	im->orphan = status < 0;
	return status < 0 ? EXIT_SIGNAL + SIGKILL : status;
}

/* Judging. */

static enum imager_end
failed(struct imager *im, enum imager_end end, char *reason)
{
	free(im->reason);
	im->reason = reason;
	return end;
}

/* Only what was rescued counts of what has been tried since. */
static enum imager_end
forget_errors(struct watch *w, const struct mapfile *after,
    enum device_state state)
{
	struct imager *im = w->im;
	struct mapfile kept;
	int rc;

	map_gain(&kept, &w->trusted, after);
	rc = map_save(&kept, im->setup.map, "The device went away.");
	map_sum(&kept, &im->sum);
	mapfile_free(&kept);
	if (rc < 0)
		return failed(im, IMAGER_FAILED, xasprintf(
		    "the device is gone, and its map could not be put right: "
		    "%s", strerror(errno)));
	if (state == DEVICE_SILENT)
		return failed(im, IMAGER_SILENT, xstrdup(
		    "the device does not answer"));
	return failed(im, IMAGER_GONE, xstrdup("the device is gone"));
}

static enum imager_end
judge_status(struct imager *im, const struct watch *w, int status, off_t log)
{
	char *said = complaint(im->setup.log, log);

	if (status == EXIT_DONE || (status == EXIT_SIGNAL + SIGINT &&
	    w->stopping)) {
		free(said);
		return w->why;
	}
	if (status == EXIT_FAILED && no_room(im, said))
		return failed(im, IMAGER_FULL, said ? said :
		    xstrdup("no space left"));
	if (said)
		return failed(im, IMAGER_FAILED, said);
	if (status > EXIT_SIGNAL)
		return failed(im, IMAGER_FAILED, xasprintf(
		    "ddrescue was ended by signal %d", status - EXIT_SIGNAL));
	return failed(im, IMAGER_FAILED, xasprintf(
	    "ddrescue ended with status %d", status));
}

static enum imager_end
judge(struct watch *w, int status, off_t log)
{
	struct imager *im = w->im;
	enum device_state state = DEVICE_ANSWERS;
	enum imager_end end;
	struct mapfile after;
	char *error = NULL;

	if (mapfile_load(&after, im->setup.map, &error) < 0)
		return failed(im, IMAGER_FAILED, error);
	map_sum(&after, &im->sum);
	if (after.end != im->setup.device.size) {
		end = failed(im, IMAGER_FAILED, xstrdup(
		    "the map does not cover the device any more"));
	} else if (im->sum.bytes[MAP_RESCUED] <
	    w->before.bytes[MAP_RESCUED]) {
		end = failed(im, IMAGER_FAILED, xstrdup(
		    "the map has lost what was rescued before"));
	} else {
		if (im->sum.bytes[MAP_RESCUED] < im->sum.size &&
		    !sig_caught())
			state = device_state(&im->setup.device, &after,
			    im->silence_ms);
		if (w->why == IMAGER_GONE && state == DEVICE_ANSWERS)
			state = DEVICE_GONE;
		if (sig_caught())
			end = IMAGER_INTERRUPTED;
		else if (state != DEVICE_ANSWERS)
			end = forget_errors(w, &after, state);
		else
			end = judge_status(im, w, status, log);
	}
	mapfile_free(&after);
	return end;
}

/* What ddrescue wrote is on the disk before anybody relies on it. */
static enum imager_end
make_durable(struct imager *im, enum imager_end end)
{
	int map = open(im->setup.map, O_RDONLY | O_CLOEXEC), rc;

	rc = fsync(im->image_fd) < 0 || map < 0 || fsync(map) < 0 ||
	    fsync_parent(im->setup.map) < 0 ||
	    fsync_parent(im->setup.image) < 0;
	if (rc && end <= IMAGER_TIME)
		end = failed(im, errno == ENOSPC ? IMAGER_FULL :
		    IMAGER_FAILED, xstrdup(strerror(errno)));
	if (map >= 0)
		close(map);
	return end;
}

/* The map as it was when nothing more came, for who looks into it later. */
static void
keep_stall(const struct imager *im)
{
	struct mapfile m;
	char *error = NULL;

	if (mapfile_load(&m, im->setup.map, &error) == 0) {
		/* a remark only: the map itself is what counts */
		map_save(&m, im->setup.stall, "When a phase stalled.");
		mapfile_free(&m);
	}
	free(error);
}

static void
rest(struct watch *w)
{
	double until = monotonic_s() + w->im->pause;

	if (w->im->deadline > 0 && w->im->deadline < until)
		until = w->im->deadline;
	while (!sig_caught() && monotonic_s() < until) {
		double left = until - monotonic_s();
		struct timespec t;

		t.tv_sec = left > 1 ? 1 : 0;
		t.tv_nsec = left > 1 ? 0 : (long)(left * 1e9) + 1;
		nanosleep(&t, NULL);
	}
	w->last_gain += w->im->pause;
}

enum imager_end
imager_run(struct imager *im, int phase)
{
	struct watch w = { .im = im, .phase = phase, .why = IMAGER_ENDED };
	enum imager_end end;
	char *error = NULL;
	off_t log;

	if (mapfile_load(&w.trusted, im->setup.map, &error) < 0)
		return failed(im, IMAGER_FAILED, error);
	map_sum(&w.trusted, &w.before);
	im->sum = w.before;
	w.errors_asked = errors(&w.before);
	w.last_gain = monotonic_s();
	log = log_line(im, "phase %d begins (%s)", phase,
	    imager_phase_name(phase));
	do {
		w.stopping = w.chunk_over = 0;
		im->status = run_once(&w);
		if (im->status < 0) {
			end = failed(im, IMAGER_FAILED, xasprintf(
			    "could not run ddrescue: %s", strerror(errno)));
			break;
		}
		end = judge(&w, im->status, log);
		if (end == IMAGER_ENDED && w.chunk_over && im->status)
			rest(&w);
	} while (end == IMAGER_ENDED && w.chunk_over && im->status &&
	    !sig_caught());
	if (sig_caught() && end == IMAGER_ENDED)
		end = IMAGER_INTERRUPTED;
	end = make_durable(im, end);
	if (end == IMAGER_STALLED)
		keep_stall(im);
	log_line(im, "phase %d %s, %llu of %llu bytes rescued", phase,
	    end == IMAGER_ENDED || end == IMAGER_STALLED ? "ended" :
	    "stopped", (unsigned long long)im->sum.bytes[MAP_RESCUED],
	    (unsigned long long)im->sum.size);
	mapfile_free(&w.trusted);
	return end;
}

/* Bytes from here to there that are not zero. */
static int
not_zero(int fd, uint64_t from, uint64_t to)
{
	enum { CHUNK = 1 << 16 };
	char *chunk = xmalloc(CHUNK);
	int found = 0;

	while (from < to && !found) {
		off_t data = lseek(fd, (off_t)from, SEEK_DATA);
		size_t len;
		ssize_t n;

		if (data < 0 && errno == ENXIO)
			break;
		if (data > (off_t)from)
			from = (uint64_t)data;
		if (from >= to)
			break;
		len = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
		n = pread_full(fd, chunk, len, (off_t)from);
		if (n < 0)
			found = -1;
		if (n <= 0)
			break;
		found = chunk[0] != 0 || memcmp(chunk, chunk + 1,
		    (size_t)n - 1) != 0;
		from += (uint64_t)n;
	}
	free(chunk);
	return found;
}

int
imager_unread_data(int image, const struct mapfile *m)
{
	size_t i;
	int rc = 0;

	for (i = 0; i < m->count && rc == 0; i++)
		if (m->blocks[i].status != MAPFILE_RESCUED)
			rc = not_zero(image, m->blocks[i].pos,
			    m->blocks[i].pos + m->blocks[i].size);
	return rc;
}
