/*
 * Counts and validates a .raw stream.
 *
 * Duplicate paths are found exactly in two steps, with eight bytes of memory a
 * record: the first pass keeps a 64-bit hash of each path; those that occur
 * twice are looked for again and compared byte by byte.  If there are too many
 * hashes for the memory, several passes take a share each.
 *
 * The sets of seen.c would be less code.  With them 6 million records took 1.55
 * seconds instead of 1.05, and 13 million 7.0 instead of 0.96.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
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

enum {
	KEYS_MAX = 16 << 20,		/* in memory at a time */
	SUSPECTS_MAX = 2 << 20,		/* likewise */
	LISTED = 100,			/* without -v */
	DEVICES = 256,
	INO_BITS = 56
};

/* Numbers, of which only one in 2^bits is kept in this pass. */
struct keys {
	uint64_t *v;
	size_t n, size;
	unsigned int bits;
	uint64_t part;
};

struct inode {
	uint64_t dev, ino;
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
	uint64_t seed[2];
	uint64_t records, bytes, malformed, duplicates, inodes;
	uint64_t types[256];
	int legacy;
	struct keys paths, inode_keys;
	uint64_t devices[DEVICES];
	size_t device_count;
	struct inode *odd;		/* what fits no key */
	size_t odd_count, odd_size;
	uint64_t *twice;		/* hashes that occurred twice */
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

static uint64_t
mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

/* Seeded: nobody can prepare a stream that is slow to check. */
static uint64_t
hash_path(const char *path, size_t len)
{
	uint64_t h = check.seed[0] ^ len, word;

	for (; len >= sizeof word; path += sizeof word, len -= sizeof word) {
		memcpy(&word, path, sizeof word);
		h = mix(h ^ word) + check.seed[1];
	}
	word = 0;
	memcpy(&word, path, len);
	return mix(h ^ word);
}

static int
is_mine(const struct keys *k, uint64_t key)
{
	return k->bits == 0 || mix(key ^ check.seed[1]) >> (64 - k->bits) ==
	    k->part;
}

/* Half of the keys are left for a later pass. */
static void
halve(struct keys *k)
{
	size_t i, n = 0;

	k->bits++;
	for (i = 0; i < k->n; i++)
		if (is_mine(k, k->v[i]))
			k->v[n++] = k->v[i];
	k->n = n;
}

static void
add_key(struct keys *k, uint64_t key)
{
	if (!is_mine(k, key))
		return;
	if (k->n == k->size) {
		k->size = k->size ? k->size * 2 : 1 << 16;
		k->v = xrealloc(k->v, k->size * sizeof *k->v);
	}
	k->v[k->n++] = key;
	/* later passes take what comes: their shares are known to fit */
	if (k->n >= KEYS_MAX && k->part == 0)
		halve(k);
}

static void
sort_small(uint64_t *v, size_t n)
{
	size_t i, j;
	uint64_t x;

	for (i = 1; i < n; i++) {
		x = v[i];
		for (j = i; j > 0 && v[j - 1] > x; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

/* In place, by the byte at shift and those below it. */
static void
sort_keys(uint64_t *v, size_t n, int shift)
{
	size_t start[257], next[256], i, b;

	if (n <= 32 || shift < 0) {
		sort_small(v, n);
		return;
	}
	memset(start, 0, sizeof start);
	for (i = 0; i < n; i++)
		start[(v[i] >> shift & 0xff) + 1]++;
	for (b = 0; b < 256; b++)
		start[b + 1] += start[b];
	memcpy(next, start, sizeof next);
	for (b = 0; b < 256; b++) {
		while (next[b] < start[b + 1]) {
			uint64_t x = v[next[b]], y;
			size_t to = x >> shift & 0xff;

			while (to != b) {
				y = v[next[to]];
				v[next[to]++] = x;
				x = y;
				to = x >> shift & 0xff;
			}
			v[next[b]++] = x;
		}
	}
	if (shift == 0)
		return;
	for (b = 0; b < 256; b++)
		sort_keys(v + start[b], start[b + 1] - start[b], shift - 8);
}

static void
add_inode(const struct raw_record *rec)
{
	size_t i;

	for (i = 0; i < check.device_count; i++)
		if (check.devices[i] == rec->dev)
			break;
	if (i == check.device_count && i < DEVICES)
		check.devices[check.device_count++] = rec->dev;
	if (i < DEVICES && rec->ino >> INO_BITS == 0) {
		add_key(&check.inode_keys, (uint64_t)i << INO_BITS | rec->ino);
		return;
	}
	if (check.inode_keys.part > 0)
		return;		/* counted in the first pass */
	if (check.odd_count == check.odd_size) {
		check.odd_size = check.odd_size ? check.odd_size * 2 : 1024;
		check.odd = xrealloc(check.odd,
		    check.odd_size * sizeof *check.odd);
	}
	check.odd[check.odd_count].dev = rec->dev;
	check.odd[check.odd_count++].ino = rec->ino;
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

static void
first_look(const struct raw_reader *r, const struct raw_record *rec)
{
	(void)r;
	check.types[(unsigned char)rec->type]++;
	add_key(&check.paths, hash_path(rec->path, rec->path_len));
	add_inode(rec);
}

static void
paths_again(const struct raw_reader *r, const struct raw_record *rec)
{
	(void)r;
	add_key(&check.paths, hash_path(rec->path, rec->path_len));
}

static void
inodes_again(const struct raw_reader *r, const struct raw_record *rec)
{
	(void)r;
	add_inode(rec);
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
collect_twice(void)
{
	const struct keys *k = &check.paths;
	size_t i;

	sort_keys(k->v, k->n, 56);
	for (i = 1; i < k->n; i++)
		if (k->v[i] == k->v[i - 1] &&
		    (i == 1 || k->v[i - 2] != k->v[i]))
			add_twice(k->v[i]);
}

static void
count_inodes(void)
{
	const struct keys *k = &check.inode_keys;
	size_t i;

	sort_keys(k->v, k->n, 56);
	for (i = 0; i < k->n; i++)
		check.inodes += i == 0 || k->v[i] != k->v[i - 1];
}

static int
by_inode(const void *a, const void *b)
{
	const struct inode *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static void
count_odd_inodes(void)
{
	size_t i;

	if (check.odd_count)
		qsort(check.odd, check.odd_count, sizeof *check.odd, by_inode);
	for (i = 0; i < check.odd_count; i++)
		check.inodes += i == 0 ||
		    by_inode(&check.odd[i], &check.odd[i - 1]) != 0;
	free(check.odd);
}

static void
next_part(struct keys *k)
{
	k->part++;
	k->n = 0;
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
	struct suspect key = { .hash = hash_path(rec->path, rec->path_len) };
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
	struct keys *k = &check.paths;
	size_t i, j;

	collect_twice();
	while (k->part + 1 < UINT64_C(1) << k->bits) {
		next_part(k);
		pass("checking", paths_again);
		collect_twice();
	}
	free(k->v);
	sort_keys(check.twice, check.twice_count, 56);
	for (i = 0; i < check.twice_count; i += check.suspect_count) {
		check.chained = 0;
		for (j = i; j < check.twice_count && j - i < SUSPECTS_MAX; j++)
			add_suspect(check.twice[j]);
		check.suspect_count = check.chained;
		pass("comparing", compare);
	}
	free(check.twice);
}

static void
find_inodes(void)
{
	struct keys *k = &check.inode_keys;

	count_inodes();
	while (k->part + 1 < UINT64_C(1) << k->bits) {
		next_part(k);
		pass("counting inodes", inodes_again);
		count_inodes();
	}
	free(k->v);
	count_odd_inodes();
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
	if (getrandom(check.seed, sizeof check.seed, 0) < 0)
		die_errno("could not get random numbers: %m");
	open_input(prog_operand(0));
	if (check.json)
		printf("{\"malformed\":[");
	pass("checking", first_look);
	if (check.json)
		printf("],\"duplicates\":[");
	check.listed = 0;
	find_inodes();
	find_duplicates();
	if (check.json)
		print_json();
	else
		print_text();
	free(check.suspects);
	return check.malformed || check.duplicates ? EXIT_FAILED : EXIT_DONE;
}
