/* Shows the last records of a .raw file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/num.h"
#include "base/prog.h"
#include "raw/raw.h"

static const struct prog prog = {
	"ntt-raw-tail", "[options] FILE [N]",
	"Show the last N records (default 10) of a .raw file"
};

static int
is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

/* The operands come in either order. */
static const char *
operands(uint64_t *n)
{
	const char *file = prog_operand(0), *count = prog_operand(1);

	if (count && is_number(file) &&
	    (!is_number(count) || access(file, F_OK) < 0)) {
		file = count;
		count = prog_operand(0);
	}
	if (count)
		*n = num_arg("N", count, 1, UINT64_MAX);
	return file;
}

static void
put_time(struct buf *line, int64_t seconds)
{
	time_t t = seconds;
	struct tm tm;
	char text[64];

	/* damaged inodes have years that no calendar has */
	if (!gmtime_r(&t, &tm) ||
	    !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm))
		buf_printf(line, "@%" PRId64, seconds);
	else
		buf_puts(line, text);
}

static void
put_omission(struct buf *line, const struct raw_record *rec)
{
	struct buf detail = BUF_INIT;

	raw_unescape(&detail, rec->detail);
	buf_printf(line, "%.*s\t%s\t", (int)rec->kind.len, rec->kind.at,
	    rec->err ? strerrorname_np(rec->err) : "");
	buf_escape(line, detail.data, detail.len);
	buf_putc(line, '\t');
	buf_free(&detail);
}

/* Values stay escaped: they may hold any byte. */
static void
put_meta(struct buf *line, const struct raw_record *rec)
{
	struct raw_span rest = rec->meta, key, value;

	while (raw_meta_next(&rest, &key, &value)) {
		buf_put(line, key.at, key.len);
		buf_putc(line, '=');
		buf_put(line, value.at, value.len);
		buf_putc(line, rest.len ? ' ' : '\n');
	}
}

static void
show(const struct raw_record *rec, int legacy, int escape)
{
	struct buf line = BUF_INIT;

	if (rec->type == RAW_OMISSION || rec->type == RAW_META)
		buf_printf(&line, "%c\t%" PRIu64 "\t%" PRIu64 "\t",
		    rec->type, rec->dev, rec->ino);
	if (rec->type == RAW_META) {
		put_meta(&line, rec);
		goto out;
	}
	if (rec->type == RAW_OMISSION) {
		put_omission(&line, rec);
		goto path;
	}
	if (legacy)
		buf_printf(&line, "%06o", rec->mode);
	else
		buf_putc(&line, rec->type);
	buf_printf(&line, "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
	    "\t", rec->dev, rec->ino, rec->nlink, rec->size);
	put_time(&line, rec->mtime);
	buf_putc(&line, '\t');
path:
	if (escape)
		buf_escape(&line, rec->path, rec->path_len);
	else
		buf_put(&line, rec->path, rec->path_len);
	buf_putc(&line, '\n');
out:
	fwrite(line.data, 1, line.len, stdout);
	buf_free(&line);
}

int
main(int argc, char **argv)
{
	struct raw_reader reader;
	struct raw_record rec;
	const char *file;
	uint64_t n = 10, start;
	int fd, rc, status = EXIT_DONE, escape = isatty(STDOUT_FILENO);

	prog_start(&prog, argc, argv);
	prog_options(NULL);
	prog_operands(1, 2);
	file = operands(&n);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die_errno("could not open %s: %m", quoted(file));
	if (raw_tail(fd, n, &start) < 0 ||
	    lseek(fd, (off_t)start, SEEK_SET) < 0)
		die_errno("could not read %s from its end: %m", quoted(file));
	raw_reader_init(&reader, fd);
	while ((rc = raw_next(&reader, &rec)) != 0) {
		if (rc > 0) {
			show(&rec, reader.legacy, escape);
			continue;
		}
		if (errno)
			die_errno("could not read %s: %m", quoted(file));
		warn("%s: damaged at byte %" PRIu64 ": %s", quoted(file),
		    start + reader.offset, reader.error);
		status = EXIT_FAILED;
		if (!raw_resync(&reader))
			break;
	}
	raw_reader_free(&reader);
	return status;
}
