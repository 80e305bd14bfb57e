/*
 * ntt-count-hardlinks: how many names the files of a tree have.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "raw/seen.h"
#include "raw/walk.h"

static int json;

static const struct prog_option options[] = {
	{ 0, "json", NULL, "print JSON", OPT_FLAG(&json) },
	OPT_END
};

static const struct prog prog = {
	"ntt-count-hardlinks",
	"[--json] DIR",
	"Count files and bytes with one, two, three and more links"
};

enum { KINDS = 3 };		/* 1, 2, 3+ links */

static struct {
	uint64_t files, bytes;
} kinds[KINDS];
static uint64_t looked_at, problems;
static struct seen_inodes seen;

static int
take(void *arg, const struct raw_record *rec)
{
	uint64_t kind = rec->nlink < KINDS ? rec->nlink : KINDS;

	(void)arg;
	progress_set(++looked_at);
	if (sig_caught())
		return 1;
	/* a file without other names comes by once anyway */
	if (rec->type != 'f' || (rec->nlink > 1 &&
	    seen_inode(&seen, rec->dev, rec->ino, 0) == 0))
		return 0;
	kind -= kind > 0;
	kinds[kind].files++;
	kinds[kind].bytes += rec->size;
	return 0;
}

static int
complain(void *arg, int err, const char *doing, const char *path, size_t len)
{
	(void)arg;
	problems++;
	progress_hide();
	warn("could not %s %s: %s", doing, quoted_bytes(path, len),
	    strerror(err));
	return sig_caught() != 0;
}

static void
print_json(void)
{
	static const char *const names[KINDS] = { "1", "2", "3+" };
	struct buf b = BUF_INIT;
	uint64_t files = 0, bytes = 0;
	int i;

	json_begin_object(&b, NULL);
	json_begin_array(&b, "links");
	for (i = 0; i < KINDS; i++) {
		json_begin_object(&b, NULL);
		json_text(&b, "links", names[i]);
		json_u64(&b, "files", kinds[i].files);
		json_u64(&b, "bytes", kinds[i].bytes);
		json_end_object(&b);
		files += kinds[i].files;
		bytes += kinds[i].bytes;
	}
	json_end_array(&b);
	json_u64(&b, "files", files);
	json_u64(&b, "bytes", bytes);
	json_u64(&b, "problems", problems);
	json_end_object(&b);
	puts(b.data);
	buf_free(&b);
}

static void
print_table(void)
{
	static const char *const names[KINDS] = { "1", "2", "3+" };
	uint64_t files = 0, bytes = 0;
	int i;

	printf("%-5s %15s %20s\n", "links", "files", "bytes");
	for (i = 0; i < KINDS; i++) {
		printf("%-5s %15" PRIu64 " %20" PRIu64 "  %s\n", names[i],
		    kinds[i].files, kinds[i].bytes,
		    num_bytes(kinds[i].bytes));
		files += kinds[i].files;
		bytes += kinds[i].bytes;
	}
	printf("%-5s %15" PRIu64 " %20" PRIu64 "  %s\n", "all", files, bytes,
	    num_bytes(bytes));
}

int
main(int argc, char **argv)
{
	struct walk_progress signs = { 0, 0 };
	struct walk w = { .entry = take, .problem = complain,
		.progress = &signs };
	int rc;

	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(1, 1);
	sig_catch();
	seen_inodes_init(&seen);
	w.path = xmalloc(WALK_PATH_ROOM);
	progress_start("counting", "files", PROGRESS_COUNT, 0);
	rc = walk_tree(&w, prog_operand(0));
	progress_stop();
	if (sig_caught())
		return EXIT_SIGNAL + sig_caught();
	if (rc < 0)
		die_errno("could not read %s: %m", quoted(prog_operand(0)));
	if (json)
		print_json();
	else
		print_table();
	seen_inodes_free(&seen);
	free(w.path);
	return problems ? EXIT_PARTIAL : EXIT_DONE;
}
