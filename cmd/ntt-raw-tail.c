/* Shows the last records of a .raw file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "diag.h"
#include "num.h"
#include "prog.h"
#include "raw.h"

static const struct prog prog = {
	"ntt-raw-tail", "[options] FILE [N]",
	"Show the last N records (default 10) of a .raw file", NULL
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
show(const struct raw_record *rec, int legacy, int escape)
{
	struct buf line = BUF_INIT;

	if (legacy)
		buf_printf(&line, "%06o", rec->mode);
	else
		buf_putc(&line, rec->type);
	buf_printf(&line, "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
	    "\t", rec->dev, rec->ino, rec->nlink, rec->size);
	put_time(&line, rec->mtime);
	buf_putc(&line, '\t');
	if (escape)
		buf_escape(&line, rec->path, rec->path_len);
	else
		buf_put(&line, rec->path, rec->path_len);
	buf_putc(&line, '\n');
	fwrite(line.data, 1, line.len, stdout);
	buf_free(&line);
}

int
main(int argc, char **argv)
{
	struct raw_reader reader;
	struct raw_record rec;
	const char *file, *value;
	uint64_t n = 10, start;
	int fd, rc, status = EXIT_DONE, escape = isatty(STDOUT_FILENO);

	prog_start(&prog, argc, argv);
	while (prog_option(&value))
		;
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
