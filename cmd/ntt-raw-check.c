/*
 * Counts and validates a .raw stream.
 *
 * Duplicate paths are found exactly in two steps: the first pass keeps a
 * fingerprint of each path (seen.h); those that may have come before are
 * looked for again and compared byte by byte.  What is too much for memory is
 * counted first, and then done in several passes, each with its share.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/tempfile.h"
#include "raw/raw.h"
#include "raw/seen.h"

enum {
	RECORDS_MAX = 12 << 20,		/* seen at a time: 250 MB */
	SUSPECTS_MAX = 2 << 20,		/* likewise, in 100 MB */
	LISTED = 100,			/* without -v */
	AHEAD = 16
};

/*
 * A record is looked for in the sets sixteen records later, when the memory
 * that it needs has come: 2 million take 0.28 s of CPU so, 0.81 s at once.
 * Sorting hashes instead took 0.33 s, and for 6 million 1.05 s where this takes
 * 1.55 s; it was 200 lines.
 */
struct awaited {
	uint64_t hash;
	struct seen_key inode;
	int has_path, has_inode;	/* they are of this pass's share */
};

/* A path hash that occurred twice, and the first record that has it. */
struct suspect {
	uint64_t hash;
	uint64_t offset;		/* UINT64_MAX: not met yet */
	uint64_t path_at;
	size_t path_len;
	ssize_t next;			/* another path with this hash, or -1 */
};

static struct {
	const char *name;
	int fd, json;
	off_t start;
	uint64_t records, bytes, malformed, duplicates, inodes;
	uint64_t types[256];
	int legacy;
	struct seen_paths paths;
	struct seen_inodes seen_inodes;
	struct awaited awaited[AHEAD];
	uint64_t came, went;		/* through the sets, in all */
	uint64_t parts, part;		/* shares, and whose pass this is */
	uint64_t *twice;		/* hashes that may have occurred twice */
	size_t twice_count, twice_size;
	struct suspect *suspects;
	size_t suspect_count;		/* sorted by hash; more behind them */
	size_t chained, suspect_size;
	uint64_t listed;
} check;

static const struct prog_option options[] = {
	{ 0, "json", NULL, "print JSON", OPT_FLAG(&check.json) },
	OPT_END
};

static const struct prog prog = {
	"ntt-raw-check", "[options] FILE|-",
	"Count and validate the records of a .raw stream"
};

static void
add_twice(uint64_t hash)
{
	if (check.twice_count == check.twice_size) {
		check.twice_size = check.twice_size ?
		    check.twice_size * 2 : 64;
		check.twice = xrealloc(check.twice,
		    check.twice_size * sizeof *check.twice);
	}
	check.twice[check.twice_count++] = hash;
}

static void
take_oldest(void)
{
	const struct awaited *a = &check.awaited[check.went++ % AHEAD];

	if (a->has_path && !seen_path_at(&check.paths, a->hash))
		add_twice(a->hash);
	if (a->has_inode)
		check.inodes += seen_inode_at(&check.seen_inodes, &a->inode,
		    0) > 0;
}

static void
look_up(const struct raw_record *rec)
{
	struct awaited a, *half;

	a.hash = seen_path_hash(&check.paths, rec->path, rec->path_len);
	if (seen_inode_key(&check.seen_inodes, rec->dev, rec->ino,
	    &a.inode) < 0)
		die(EXIT_FAILED, "cannot check %s: it has more than %d "
		    "devices", quoted(check.name), SEEN_DEVS_MAX);
	a.has_path = a.hash % check.parts == check.part;
	a.has_inode = seen_inode_share(&a.inode, check.parts) == check.part;
	if (!a.has_path && !a.has_inode)
		return;
	if (check.came - check.went == AHEAD)
		take_oldest();
	check.awaited[check.came++ % AHEAD] = a;
	if (check.came - check.went > AHEAD / 2) {
		half = &check.awaited[(check.came - AHEAD / 2) % AHEAD];
		seen_path_soon(&check.paths, half->hash);
		seen_inode_soon(&check.seen_inodes, &half->inode);
	}
}

static int
may_list(uint64_t n)
{
	return n <= LISTED || diag_verbosity > 0;
}

static void
list_element(struct buf *b)
{
	if (check.json)
		printf("%s%s", check.listed++ ? "," : "", b->data);
	else
		printf("%s\n", b->data);
	buf_free(b);
}

static void
list_malformed(const struct raw_reader *r)
{
	struct buf b = BUF_INIT;

	if (!may_list(++check.malformed))
		return;
	if (check.json) {
		json_begin_object(&b, NULL);
		json_u64(&b, "offset", r->offset);
		json_text(&b, "reason", r->error);
		json_end_object(&b);
	} else {
		buf_printf(&b, "malformed at byte %" PRIu64 ": %s", r->offset,
		    r->error);
	}
	list_element(&b);
}

static void
list_duplicate(uint64_t offset, uint64_t first, const struct raw_record *rec)
{
	struct buf b = BUF_INIT;

	if (!may_list(++check.duplicates))
		return;
	if (check.json) {
		json_begin_object(&b, NULL);
		json_u64(&b, "offset", offset);
		json_u64(&b, "first", first);
		json_name(&b, "path", rec->path, rec->path_len);
		json_end_object(&b);
	} else {
		buf_printf(&b, "duplicate at byte %" PRIu64 " of the record "
		    "at byte %" PRIu64 ": %s", offset, first,
		    quoted_bytes(rec->path, rec->path_len));
	}
	list_element(&b);
}

/* Too many records are only counted: their shares come later. */
static void
first_look(const struct raw_reader *r, const struct raw_record *rec)
{
	check.types[(unsigned char)rec->type]++;
	if (r->records <= RECORDS_MAX)
		look_up(rec);
}

static void
look_again(const struct raw_reader *r, const struct raw_record *rec)
{
	(void)r;
	look_up(rec);
}

/* From the beginning; malformed records are listed only when first met. */
static void
pass(const char *label, void (*look)(const struct raw_reader *,
    const struct raw_record *))
{
	int first = look == first_look, rc;
	struct raw_reader r;
	struct raw_record rec;

	if (lseek(check.fd, check.start, SEEK_SET) < 0)
		die_errno("could not read %s again: %m", quoted(check.name));
	progress_start(label, "records", PROGRESS_COUNT,
	    first ? 0 : check.records);
	raw_reader_init(&r, check.fd);
	while ((rc = raw_next(&r, &rec)) != 0) {
		if (rc > 0 && (rec.type == RAW_OMISSION ||
		    rec.type == RAW_META)) {
			if (first)
				check.types[(unsigned char)rec.type]++;
			continue;
		}
		if (rc > 0) {
			look(&r, &rec);
			progress_set(r.records);
			continue;
		}
		if (errno)
			die_errno("could not read %s: %m", quoted(check.name));
		if (first)
			list_malformed(&r);
		if (!raw_resync(&r))
			break;
	}
	progress_stop();
	if (first) {
		off_t end = lseek(check.fd, 0, SEEK_CUR);

		check.records = r.records;
		check.bytes = (uint64_t)(end - check.start);
		check.legacy = r.legacy > 0;
	}
	raw_reader_free(&r);
}

static void
add_suspect(uint64_t hash)
{
	struct suspect *s;

	if (check.chained == check.suspect_size) {
		check.suspect_size = check.suspect_size ?
		    check.suspect_size * 2 : 64;
		check.suspects = xrealloc(check.suspects,
		    check.suspect_size * sizeof *check.suspects);
	}
	s = &check.suspects[check.chained++];
	memset(s, 0, sizeof *s);
	s->hash = hash;
	s->offset = UINT64_MAX;
	s->next = -1;
}

static void
take_all(void)
{
	while (check.went < check.came)
		take_oldest();
}

static void
empty_sets(void)
{
	seen_paths_empty(&check.paths);
	seen_inodes_empty(&check.seen_inodes);
}

/* Counts all, and collects the hashes of paths that may occur twice. */
static void
look_at_all(void)
{
	seen_paths_init(&check.paths);
	seen_inodes_init(&check.seen_inodes);
	check.parts = 1;
	pass("checking", first_look);
	take_all();
	if (check.records <= RECORDS_MAX)
		return;
	check.parts = check.records / RECORDS_MAX + 1;
	check.inodes = check.twice_count = 0;
	for (; check.part < check.parts; check.part++) {
		empty_sets();
		pass("checking again", look_again);
		take_all();
	}
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int
by_hash(const void *a, const void *b)
{
	const struct suspect *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static int
same_path(const struct suspect *s, const struct raw_record *rec)
{
	char *path;
	int same;

	if (s->path_len != rec->path_len)
		return 0;
	path = xmalloc(s->path_len + 1);
	if (pread_full(check.fd, path, s->path_len,
	    check.start + (off_t)s->path_at) != (ssize_t)s->path_len)
		die_errno("could not read %s again: %m", quoted(check.name));
	same = memcmp(path, rec->path, s->path_len) == 0;
	free(path);
	return same;
}

static void
compare(const struct raw_reader *r, const struct raw_record *rec)
{
	struct suspect key = { .hash = seen_path_hash(&check.paths, rec->path,
	    rec->path_len) };
	struct suspect *s = bsearch(&key, check.suspects, check.suspect_count,
	    sizeof *check.suspects, by_hash);
	size_t i;

	if (!s)
		return;
	i = (size_t)(s - check.suspects);
	while (s->offset != UINT64_MAX && !same_path(s, rec)) {
		if (s->next < 0) {
			add_suspect(key.hash);
			check.suspects[i].next = (ssize_t)check.chained - 1;
		}
		i = (size_t)check.suspects[i].next;
		s = &check.suspects[i];
	}
	if (s->offset != UINT64_MAX) {
		list_duplicate(r->offset, s->offset, rec);
		return;
	}
	s->offset = r->offset;
	s->path_at = rec->path_at;
	s->path_len = rec->path_len;
}

static void
find_duplicates(void)
{
	size_t i = 0, n = check.twice_count;

	empty_sets();
	if (n)
		qsort(check.twice, n, sizeof *check.twice, by_number);
	while (i < n) {
		check.chained = 0;
		for (; i < n && check.chained < SUSPECTS_MAX; i++)
			if (i == 0 || check.twice[i] != check.twice[i - 1])
				add_suspect(check.twice[i]);
		check.suspect_count = check.chained;
		if (check.suspect_count)
			pass("comparing", compare);
	}
	free(check.twice);
}

static void
print_text(void)
{
	static const char letters[] = "fdlbcpsU?om";
	const char *t;

	if (!may_list(check.malformed))
		printf("%" PRIu64 " more malformed records\n",
		    check.malformed - LISTED);
	if (!may_list(check.duplicates))
		printf("%" PRIu64 " more duplicate records\n",
		    check.duplicates - LISTED);
	printf("records %" PRIu64 "\n", check.records);
	printf("paths %" PRIu64 "\n", check.records - check.duplicates);
	printf("inodes %" PRIu64 "\n", check.inodes);
	for (t = letters; *t; t++)
		if (check.types[(unsigned char)*t])
			printf("type %c %" PRIu64 "\n", *t,
			    check.types[(unsigned char)*t]);
	printf("bytes %" PRIu64 "\n", check.bytes);
	printf("malformed %" PRIu64 "\n", check.malformed);
	printf("duplicates %" PRIu64 "\n", check.duplicates);
	if (check.legacy)
		printf("format octal modes\n");
}

static void
print_json(void)
{
	static const char letters[] = "fdlbcpsU?om";
	struct buf b = BUF_INIT;
	char key[2] = "";
	const char *t;

	json_u64(&b, "records", check.records);
	json_u64(&b, "paths", check.records - check.duplicates);
	json_u64(&b, "inodes", check.inodes);
	json_begin_object(&b, "types");
	for (t = letters; *t; t++) {
		key[0] = *t;
		if (check.types[(unsigned char)*t])
			json_u64(&b, key, check.types[(unsigned char)*t]);
	}
	json_end_object(&b);
	json_u64(&b, "bytes", check.bytes);
	json_bool(&b, "legacy", check.legacy);
	json_u64(&b, "malformed_count", check.malformed);
	json_u64(&b, "duplicate_count", check.duplicates);
	printf("],%s}\n", b.data);
	buf_free(&b);
}

/* A pipe is read only once: what comes from it is kept in a file. */
static int
spool(int from)
{
	const char *dir = getenv("TMPDIR");
	char *block = xmalloc(1 << 20);
	ssize_t n;
	int fd;

	if (!dir || !*dir)
		dir = "/var/tmp";
	fd = tempfile_unnamed(dir);
	if (fd < 0)
		die_errno("could not create a temporary file in %s: %m",
		    quoted(dir));
	while ((n = read_full(from, block, 1 << 20)) > 0)
		if (write_all(fd, block, (size_t)n) < 0)
			die_errno("could not write a temporary file in %s: %m",
			    quoted(dir));
	if (n < 0)
		die_errno("could not read %s: %m", quoted(check.name));
	free(block);
	check.start = 0;
	return fd;
}

static void
open_input(const char *name)
{
	check.name = name;
	check.fd = STDIN_FILENO;
	if (!strcmp(name, "-"))
		check.name = "standard input";
	else
		check.fd = open(name, O_RDONLY | O_CLOEXEC);
	if (check.fd < 0)
		die_errno("could not open %s: %m", quoted(name));
	check.start = lseek(check.fd, 0, SEEK_CUR);
	if (check.start < 0)
		check.fd = spool(check.fd);
}

int
main(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(1, 1);
	open_input(prog_operand(0));
	if (check.json)
		printf("{\"malformed\":[");
	look_at_all();
	if (check.json)
		printf("],\"duplicates\":[");
	check.listed = 0;
	find_duplicates();
	if (check.json)
		print_json();
	else
		print_text();
	free(check.suspects);
	seen_paths_free(&check.paths);
	seen_inodes_free(&check.seen_inodes);
	return check.malformed || check.duplicates ? EXIT_FAILED : EXIT_DONE;
}
