/* The .raw reader and writer. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "raw/raw.h"
#include "tap.h"

static int
memory_file(const void *data, size_t len)
{
	int fd = memfd_create("raw", MFD_CLOEXEC);

	if (fd < 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
		abort();
	return fd;
}

static void
put_text(struct buf *b, const char *head, const char *path, size_t len)
{
	for (; *head; head++)
		buf_putc(b, *head == '|' ? 034 : *head);
	buf_put(b, path, len);
	buf_putc(b, '\0');
}

/* The error of a single record, NULL if it is one. */
static const char *
error_of(const char *head, const char *path)
{
	struct buf b = BUF_INIT;
	struct raw_reader r;
	struct raw_record rec;
	const char *error = NULL;
	int fd;

	put_text(&b, head, path, strlen(path));
	fd = memory_file(b.data, b.len);
	raw_reader_init(&r, fd);
	if (raw_next(&r, &rec) < 0)
		error = r.error;
	raw_reader_free(&r);
	buf_free(&b);
	close(fd);
	return error;
}

static void
test_fields(void)
{
	static const struct {
		const char *head, *what;
		int good;
	} cases[] = {
		{ "f|1|2|3|4|5|", "a record", 1 },
		{ "U|0|0|0|0|0|", "type U", 1 },
		{ "?|0|0|0|0|0|", "type ?", 1 },
		{ "100644|1|2|3|4|5|", "an octal mode", 1 },
		{ "755|1|2|3|4|5|", "a short octal mode", 1 },
		{ "f|18446744073709551615|18446744073709551615|"
		    "18446744073709551615|18446744073709551615|"
		    "9223372036854775807|", "the largest numbers", 1 },
		{ "f|1|2|3|4|-9223372036854775808|", "the oldest time", 1 },
		{ "f|18446744073709551616|2|3|4|5|", "a device too large", 0 },
		{ "f|1|99999999999999999999|3|4|5|", "an inode too large", 0 },
		{ "f|1|2|3|4|9223372036854775808|", "a time too late", 0 },
		{ "f|1|2|3|4|-9223372036854775809|", "a time too early", 0 },
		{ "f|1|2|3|4|5.5|", "a fraction of a second", 0 },
		{ "f|1|2|3|4||", "no time", 0 },
		{ "f|1|2|3|4|-|", "a lone minus", 0 },
		{ "f||2|3|4|5|", "no device", 0 },
		{ "f|1|-2|3|4|5|", "a negative inode", 0 },
		{ "f|1|2|+3|4|5|", "a plus sign", 0 },
		{ "f|1| 2|3|4|5|", "a space", 0 },
		{ "|1|2|3|4|5|", "no type", 0 },
		{ "x|1|2|3|4|5|", "an unknown letter", 0 },
		{ "ff|1|2|3|4|5|", "two letters", 0 },
		{ "9|1|2|3|4|5|", "a mode that is not octal", 0 },
		{ "f|1|2|3|4|", "five separators", 0 },
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
		tap_ok((error_of(cases[i].head, "/a") == NULL) ==
		    cases[i].good,
		    "%s: %s", cases[i].what,
		    cases[i].good ? "accepted" : "refused");
	tap_ok(error_of("f|1|2|3|4|5|", "") != NULL, "an empty path: refused");
}

/* Every byte but NUL, more records than the reader's buffer holds. */
static void
test_round_trip(void)
{
	enum { RECORDS = 20000 };
	struct raw_writer w;
	struct raw_reader r;
	struct raw_record rec;
	char path[256];
	uint64_t i, wrong = 0;
	int fd = memory_file("", 0), rc;

	for (i = 1; i < 256; i++)
		path[i - 1] = (char)i;
	path[255] = '\0';
	raw_writer_init(&w, fd, -1);
	for (i = 0; i < RECORDS; i++) {
		struct raw_record in = {
			.type = "fdlbcpsU?"[i % 9], .dev = i * i, .ino = ~i,
			.nlink = i, .size = i << 40, .mtime = -(int64_t)i,
			.path = path + i % 250, .path_len = 255 - i % 250,
		};

		wrong += raw_put(&w, &in) != 0;
	}
	tap_ok(raw_finish(&w) == 0 && wrong == 0, "written");
	tap_is_u64((uint64_t)lseek(fd, 0, SEEK_END), w.bytes, "all bytes");
	lseek(fd, 0, SEEK_SET);
	raw_reader_init(&r, fd);
	for (i = 0; (rc = raw_next(&r, &rec)) > 0; i++)
		wrong += rec.type != "fdlbcpsU?"[i % 9] || rec.dev != i * i ||
		    rec.ino != ~i || rec.nlink != i || rec.size != i << 40 ||
		    rec.mtime != -(int64_t)i ||
		    rec.path_len != 255 - i % 250 ||
		    memcmp(rec.path, path + i % 250, rec.path_len) != 0;
	tap_ok(rc == 0 && wrong == 0, "read back as they were");
	tap_is_u64(r.records, RECORDS, "all of them");
	raw_reader_free(&r);
	raw_writer_free(&w);
	close(fd);
}

static void
test_long_path(void)
{
	struct raw_writer w;
	struct raw_reader r;
	struct raw_record rec = { .type = 'f' };
	char *path = malloc(RAW_PATH_MAX + 2);
	int fd = memory_file("", 0);

	memset(path, 'x', RAW_PATH_MAX + 1);
	rec.path = path;
	rec.path_len = RAW_PATH_MAX + 1;
	raw_writer_init(&w, fd, -1);
	tap_ok(raw_put(&w, &rec) < 0 && errno == ENAMETOOLONG,
	    "a path over 1 MiB is not written");
	rec.path_len = RAW_PATH_MAX;
	tap_ok(raw_put(&w, &rec) == 0 && raw_put(&w, &rec) == 0 &&
	    raw_finish(&w) == 0, "one of 1 MiB is");
	lseek(fd, 0, SEEK_SET);
	raw_reader_init(&r, fd);
	tap_ok(raw_next(&r, &rec) == 1 && rec.path_len == RAW_PATH_MAX &&
	    raw_next(&r, &rec) == 1 && raw_next(&r, &rec) == 0,
	    "and read");
	raw_reader_free(&r);
	raw_writer_free(&w);
	close(fd);
	free(path);
}

static void
test_held_back(void)
{
	struct raw_record rec = { .type = 'f', .path = "/a", .path_len = 2 };
	struct raw_writer w;
	struct raw_reader r;
	int fd = memory_file("", 0), tee = memory_file("", 0);

	raw_writer_init(&w, fd, tee);
	raw_put(&w, &rec);
	raw_put(&w, &rec);
	raw_flush(&w);
	tap_is_u64((uint64_t)lseek(fd, 0, SEEK_END), w.bytes - 1,
	    "the last NUL is held back");
	lseek(fd, 0, SEEK_SET);
	raw_reader_init(&r, fd);
	tap_ok(raw_next(&r, &rec) == 1 && raw_next(&r, &rec) == -1,
	    "so a reader sees a truncated stream");
	tap_is_str(r.error, "the last record is truncated", "and says so");
	tap_is_u64(r.offset, w.bytes / 2, "where");
	raw_reader_free(&r);
	rec.path = "/b";
	tap_ok(raw_put_encoded(&w, "f\0341\0341\0341\0341\0341\034/c", 15,
	    1) == 0 && raw_finish_fd(&w) == 0, "more, and the end");
	tap_is_u64((uint64_t)lseek(fd, 0, SEEK_END), w.bytes, "of the first");
	tap_is_u64((uint64_t)lseek(tee, 0, SEEK_END), w.bytes - 1,
	    "but not of the second");
	tap_ok(raw_finish(&w) == 0, "finished");
	tap_is_u64((uint64_t)lseek(fd, 0, SEEK_END), w.bytes,
	    "nothing twice");
	tap_is_u64((uint64_t)lseek(tee, 0, SEEK_END), w.bytes, "both");
	raw_writer_free(&w);
	close(fd);
	close(tee);
}

static void
test_hash(void)
{
	struct raw_record rec = { .type = 'f', .path = "/a", .path_len = 2 };
	uint8_t want[BLAKE3_OUT_LEN], got[BLAKE3_OUT_LEN];
	char bytes[4096];
	blake3_hasher h;
	struct raw_writer w;
	int fd = memory_file("", 0), i;
	ssize_t len;

	raw_writer_init(&w, fd, -1);
	for (i = 0; i < 9; i++) {
		rec.ino = (uint64_t)i;
		raw_put(&w, &rec);
		if (i % 3 == 1)
			raw_flush(&w);
		if (i % 4 == 2)
			raw_put_encoded(&w, "f\0341\0341\0341\0341\0341\034/c",
			    15, 1);
	}
	raw_finish(&w);
	blake3_hasher_finalize(&w.hash, got, sizeof got);
	len = pread(fd, bytes, sizeof bytes, 0);
	blake3_hasher_init(&h);
	blake3_hasher_update(&h, bytes, (size_t)len);
	blake3_hasher_finalize(&h, want, sizeof want);
	tap_ok(len == (ssize_t)w.bytes && memcmp(got, want, sizeof got) == 0,
	    "the hash is that of the bytes");
	raw_writer_free(&w);
	close(fd);
}

static void
test_damage(void)
{
	static const char good[] = "f|1|2|3|4|5|", bad[] = "f|1|x|3|4|5|";
	struct buf b = BUF_INIT;
	struct raw_reader r;
	struct raw_record rec;
	size_t second;
	int fd;

	put_text(&b, good, "/a", 2);
	second = b.len;
	put_text(&b, bad, "/b", 2);
	put_text(&b, good, "/c\034d\n", 5);
	put_text(&b, "644|1|2|3|4|5|", "/e", 2);
	fd = memory_file(b.data, b.len);
	raw_reader_init(&r, fd);
	tap_ok(raw_next(&r, &rec) == 1, "a good record");
	errno = EIO;
	tap_ok(raw_next(&r, &rec) == -1 && errno == 0 && r.offset == second,
	    "a bad one, and where");
	tap_ok(raw_next(&r, &rec) == -1, "again until resync");
	tap_ok(raw_resync(&r) == 1 && raw_next(&r, &rec) == 1 &&
	    rec.path_len == 5 && rec.path_at == b.len - 17 - 6,
	    "the one behind it");
	tap_ok(raw_next(&r, &rec) == -1 && strstr(r.error, "mixed"),
	    "a mode among letters");
	tap_ok(raw_resync(&r) == 1 && raw_next(&r, &rec) == 0, "the end");
	raw_reader_free(&r);
	close(fd);
	buf_free(&b);

	fd = memory_file("", 0);
	raw_reader_init(&r, fd);
	tap_ok(raw_next(&r, &rec) == -1, "nothing is no stream");
	tap_ok(raw_resync(&r) == 0, "and has nothing behind");
	raw_reader_free(&r);
	close(fd);

	raw_reader_init(&r, -1);
	tap_ok(raw_next(&r, &rec) == -1 && errno == EBADF,
	    "a failed read has its errno");
	raw_reader_free(&r);
}

static void
test_endless(void)
{
	struct raw_reader r;
	struct raw_record rec;
	int fd = memory_file("", 0);

	if (ftruncate(fd, 0) < 0)
		abort();
	{
		char *x = malloc(8 << 20);

		memset(x, 'x', 8 << 20);
		if (pwrite(fd, x, 8 << 20, 0) != 8 << 20)
			abort();
		free(x);
	}
	raw_reader_init(&r, fd);
	tap_ok(raw_next(&r, &rec) == -1 && r.size <= 4 << 20,
	    "a record without end does not fill the memory");
	tap_ok(raw_resync(&r) == 0 && r.size <= 4 << 20,
	    "nor does the search for its end");
	raw_reader_free(&r);
	close(fd);
}

static void
test_epipe(void)
{
	struct raw_record rec = { .type = 'f', .path = "/a", .path_len = 2 };
	struct raw_writer w;
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	if (pipe(fds) < 0)
		abort();
	close(fds[0]);
	raw_writer_init(&w, fds[1], -1);
	raw_put(&w, &rec);
	tap_ok(raw_flush(&w) < 0 && errno == EPIPE && w.failed == fds[1],
	    "EPIPE, and of which descriptor");
	raw_writer_free(&w);
	close(fds[1]);
}

static void
test_tail(void)
{
	static const char head[] = "f|1|2|3|4|5|";
	struct buf b = BUF_INIT;
	uint64_t offset, starts[5];
	char *big = malloc(600 << 10);
	int fd, i;

	/* larger than the blocks that are read backwards */
	memset(big, 'x', 600 << 10);
	for (i = 0; i < 5; i++) {
		starts[i] = b.len;
		put_text(&b, head, big, i == 3 ? 600 << 10 : 5);
	}
	fd = memory_file(b.data, b.len);
	for (i = 1; i <= 5; i++)
		tap_ok(raw_tail(fd, (uint64_t)i, &offset) == 0 &&
		    offset == starts[5 - i], "the last %d", i);
	tap_ok(raw_tail(fd, 99, &offset) == 0 && offset == 0, "all");
	tap_ok(raw_tail(fd, 0, &offset) == 0 && offset == b.len, "none");
	close(fd);
	fd = memory_file(b.data, b.len - 1);
	tap_ok(raw_tail(fd, 1, &offset) == 0 && offset == starts[4],
	    "the last one truncated");
	close(fd);
	buf_free(&b);
	free(big);
}

static void
test_relative(void)
{
	static const struct {
		const char *path, *prefix, *want;
	} cases[] = {
		{ "/mnt/x/a/b", "/mnt/x", "a/b" },
		{ "/mnt/x/a/b", "/mnt/x/", "a/b" },
		{ "/mnt/x//a", "/mnt/x", "a" },
		{ "/mnt/x", "/mnt/x", "" },
		{ "/mnt/x/", "/mnt/x", "" },
		{ "/mnt/x", "/mnt/x/", "" },
		{ "/mnt/xy/a", "/mnt/x", NULL },
		{ "/mnt", "/mnt/x", NULL },
		{ "/bin", "/", "bin" },
		{ "./a", ".", "a" },
	};
	const char *got;
	size_t i, len;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		got = raw_relative(cases[i].path, strlen(cases[i].path),
		    cases[i].prefix, strlen(cases[i].prefix), &len);
		tap_is_str(got, cases[i].want, "%s below %s", cases[i].path,
		    cases[i].prefix);
		if (got)
			tap_is_u64(len, strlen(cases[i].want), "its length");
	}
}

/* Records of len bytes into a pipe nobody reads, until it is full. */
static void __attribute__((noreturn))
fill_pipe(int fd, size_t len, int encoded)
{
	struct raw_record rec = { .type = 'f', .path = "/x" };
	char *path = calloc(1, len), *block = malloc(64 * len);
	struct raw_writer w;
	size_t i, n = 0;

	raw_writer_init(&w, fd, -1);
	/* "f 0 0 0 0 0 " is 12 bytes, and the NUL one more */
	memset(path, 'x', len - 13);
	rec.path = path;
	rec.path_len = len - 13;
	for (i = 0; i < 64; i++)
		n += raw_encode(block + n, &rec);
	if (n != 64 * len)
		_exit(1);
	for (;;)
		if (encoded ? raw_put_encoded(&w, block, n, 64) < 0 :
		    raw_put(&w, &rec) < 0)
			_exit(1);
}

/* Killed while it waits for room, for every way records fit into pages. */
static void
test_killed(void)
{
	size_t len;
	int encoded, bad = 0, rounds = 0;

	for (len = 16; len <= 8192; len += len < 64 ? 1 : len)
	for (encoded = 0; encoded < 2; encoded++) {
		char got[4096], last = 'x';
		int fds[2], full = 0;
		ssize_t n;
		pid_t pid;

		if (pipe(fds) < 0 || (pid = fork()) < 0) {
			tap_ok(false, "pipe and fork");
			return;
		}
		if (pid == 0)
			fill_pipe(fds[1], len, encoded);
		close(fds[1]);
		/* what is in the pipe does not change any more: it waits */
		while (!full) {
			int before, after;

			ioctl(fds[0], FIONREAD, &before);
			usleep(2000);
			ioctl(fds[0], FIONREAD, &after);
			full = before == after && before > 32768;
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while ((n = read(fds[0], got, sizeof got)) > 0)
			last = got[n - 1];
		close(fds[0]);
		rounds++;
		bad += last == '\0';
	}
	tap_ok(rounds > 50 && bad == 0, "%d of %d streams end with a NUL",
	    bad, rounds);
}

/* The only record of a stream; its spans point into stream. */
static int
read_one(const struct buf *stream, struct raw_record *rec)
{
	return raw_decode(rec, stream->data, stream->len);
}

static void
test_omission(void)
{
	static const char path[] = "r\n\034\xff";
	struct raw_omission o = {
		.dev = UINT64_MAX, .ino = 7, .kind = "unreadable_directory",
		.err = EIO, .detail = "a % b\034=\xc3\xa4", .path = path,
		.path_len = sizeof path - 1,
	};
	struct buf b = BUF_INIT, detail = BUF_INIT;
	struct raw_record rec;

	raw_encode_omission(&b, &o);
	tap_ok(read_one(&b, &rec) == 0 && rec.type == RAW_OMISSION &&
	    rec.dev == o.dev && rec.ino == 7 && rec.err == EIO,
	    "an omission comes back");
	raw_unescape(&detail, rec.detail);
	tap_ok(!strcmp(detail.data, o.detail), "its detail: %s", detail.data);
	tap_ok(rec.path_len == o.path_len && !memcmp(rec.path, path,
	    o.path_len), "its path");
	tap_ok(rec.kind.len == strlen(o.kind) && !memcmp(rec.kind.at, o.kind,
	    rec.kind.len), "its kind");
	tap_ok(error_of("o|1|2|Kind|0||", "p") && error_of("o|1|2||0||", "p") &&
	    error_of("o|1|2|k|x||", "p") && error_of("o|1|2|k|0", "") &&
	    error_of("o|1|2|k|0||", ""), "what is no omission");
	buf_free(&b);
	buf_free(&detail);
}

static void
test_meta(void)
{
	struct buf b = BUF_INIT, value_text = BUF_INIT;
	struct raw_span key, value;
	struct raw_record rec;

	raw_meta_begin(&b, 5, 9);
	raw_meta_put(&b, "mode", "644", 3);
	raw_meta_put(&b, "xattr:user.a", "\0=%\377", 4);
	raw_meta_end(&b);
	tap_ok(read_one(&b, &rec) == 0 && rec.type == RAW_META &&
	    rec.dev == 5 && rec.ino == 9 && rec.path_len == 0,
	    "metadata come back");
	tap_ok(raw_meta_next(&rec.meta, &key, &value) == 1 && key.len == 4 &&
	    !memcmp(key.at, "mode", 4) && value.len == 3, "the first key");
	tap_ok(raw_meta_next(&rec.meta, &key, &value) == 1 &&
	    !memcmp(key.at, "xattr:user.a", key.len), "the second key");
	raw_unescape(&value_text, value);
	tap_ok(value_text.len == 4 && !memcmp(value_text.data, "\0=%\377", 4),
	    "any byte in a value");
	tap_ok(raw_meta_next(&rec.meta, &key, &value) == 0, "and no third");
	tap_ok(error_of("m|1|2|mode", "") && error_of("m|1|2|=x", "") &&
	    !error_of("m|1|2|a=|b=2", ""), "what is no metadata");
	buf_free(&b);
	buf_free(&value_text);
}

static struct raw_meta
read_text(const char *text)
{
	struct raw_meta m;
	char *copy = xstrdup(text), *p;

	for (p = copy; *p; p++)
		if (*p == '|')
			*p = 034;
	raw_meta_read((struct raw_span){ copy, strlen(copy) }, &m);
	free(copy);
	return m;
}

static void
test_meta_values(void)
{
	struct raw_record rec;
	struct raw_meta m;
	struct buf b = BUF_INIT;

	raw_meta_begin(&b, 1, 2);
	raw_meta_octal(&b, "mode", 0);
	raw_meta_number(&b, "uid", UINT32_MAX);
	raw_meta_time(&b, "mtime", -5, 1);
	raw_meta_time(&b, "atime", INT64_MIN + 1, 999999999);
	raw_meta_put(&b, "rdev", "4095:1048575", 12);
	raw_meta_put(&b, "user", "a b", 3);
	raw_meta_put(&b, "xattr:user.x", "", 0);
	raw_meta_end(&b);
	tap_ok(read_one(&b, &rec) == 0, "numbers and times make a record");
	raw_meta_read(rec.meta, &m);
	tap_ok(m.mode == 0 && m.uid == UINT32_MAX && m.gid == -1,
	    "modes and owners come back, and what is missing");
	tap_ok(m.mtime.seconds == -5 && m.mtime.ns == 1 &&
	    m.atime.seconds == INT64_MIN + 1 && m.atime.ns == 999999999 &&
	    m.btime.ns == RAW_NO_TIME, "times before 1970, and none");
	tap_ok(m.rdev == ((int64_t)4095 << 32 | 1048575), "a device");
	tap_ok(m.user.len == 5 && m.group.len == 0 && m.xattrs == 1,
	    "a name, and an attribute");
	buf_free(&b);
	m = read_text("mode=8|uid=|gid=99999999999999999999|mtime=1.5|"
	    "atime=1.0000000000|ctime=.000000000|btime=1|rdev=1|attr=874");
	tap_ok(m.mode == -1 && m.uid == -1 && m.gid == -1 && m.rdev == -1,
	    "what is no number is not known");
	tap_ok(m.mtime.ns == RAW_NO_TIME && m.atime.ns == RAW_NO_TIME &&
	    m.ctime.ns == RAW_NO_TIME && m.btime.ns == RAW_NO_TIME,
	    "nor what is no time");
	tap_ok(m.attr == 0x874, "attributes are hexadecimal");
	m = read_text("mode=10000|rdev=99999999999:1");
	tap_ok(m.mode == -1 && m.rdev == -1, "nor what is too large");
}

int
main(void)
{
	test_killed();
	test_omission();
	test_meta();
	test_meta_values();
	test_fields();
	test_round_trip();
	test_long_path();
	test_held_back();
	test_hash();
	test_damage();
	test_endless();
	test_epipe();
	test_tail();
	test_relative();
	return tap_done();
}
