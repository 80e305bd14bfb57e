/*
 * ntt-parse-verify-log: sums up a log of ntt-verify for people, or prints its
 * ids for ntt-re-hardlink.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/json.h"
#include "base/num.h"
#include "base/prog.h"
#include "verify_log.h"

static int blobs_only, json;

static const struct prog_option options[] = {
	{ 0, "blobs-only", NULL, "print the ids of all findings, each once",
		OPT_FLAG(&blobs_only) },
	{ 0, "json", NULL, "print one JSON object", OPT_FLAG(&json) },
	OPT_END
};

static const struct prog prog = {
	"ntt-parse-verify-log",
	"[--blobs-only | --json] LOG|-",
	"Summarise a log of ntt-verify"
};

static void
read_log(const char *path, struct verify_log *l)
{
	int is_stdin = !strcmp(path, "-");
	FILE *f = is_stdin ? stdin : fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f)
		die_errno("could not open %s: %m", quoted(path));
	while ((n = getline(&line, &size, f)) >= 0)
		verify_log_line(l, line,
		    (size_t)n - (n > 0 && line[n - 1] == '\n'));
	if (ferror(f))
		die_errno("could not read %s: %m", quoted(path));
	free(line);
	if (!is_stdin)
		fclose(f);
}

static void
print_json(const struct verify_log *l)
{
	struct buf b = BUF_INIT;
	int i;

	json_begin_object(&b, NULL);
	json_u64(&b, "runs", l->runs);
	json_u64(&b, "verified", l->verified);
	json_u64(&b, "bytes", l->bytes);
	for (i = 0; i < FINDING_KINDS; i++)
		json_u64(&b, verify_kind_name((enum verify_kind)i),
		    l->counts[i]);
	json_u64(&b, "bad_lines", l->bad_lines);
	json_end_object(&b);
	puts(b.data);
	buf_free(&b);
}

static void
print_text(const struct verify_log *l)
{
	static const char *const names[FINDING_KINDS] = {
		[FINDING_MISMATCH] = "failed", [FINDING_MISSING] = "missing",
		[FINDING_UNREADABLE] = "unreadable",
		[FINDING_ORPHAN] = "orphan"
	};
	int i;

	printf("%-10s %s in %s runs, %s\n", "verified",
	    num_grouped(l->verified), num_grouped(l->runs),
	    num_bytes(l->bytes));
	for (i = 0; i < FINDING_KINDS; i++) {
		printf("%-10s %s\n", names[i], num_grouped(l->counts[i]));
		if (l->samples[i].len)
			fputs(l->samples[i].data, stdout);
		if (l->counts[i] > VERIFY_LOG_SAMPLES)
			printf("  and %s more\n", num_grouped(l->counts[i] -
			    VERIFY_LOG_SAMPLES));
	}
}

int
main(int argc, char **argv)
{
	struct verify_log l = VERIFY_LOG_INIT;

	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(1, 1);
	read_log(prog_operand(0), &l);
	if (l.lines > 0 && l.bad_lines == l.lines)
		die(EXIT_FAILED, "%s is no log of ntt-verify",
		    quoted(prog_operand(0)));
	if (l.bad_lines > 0)
		warn("%s lines of %s are not JSON and were passed over",
		    num_grouped(l.bad_lines), quoted(prog_operand(0)));
	verify_log_unique(&l);
	if (blobs_only)
		fputs(l.ids.len ? l.ids.data : "", stdout);
	else if (json)
		print_json(&l);
	else
		print_text(&l);
	verify_log_free(&l);
	return EXIT_DONE;
}
