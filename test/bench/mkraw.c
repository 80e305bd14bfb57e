/*
 * mkraw RECORDS [SEED [INODES]]: a .raw on standard output that looks like a
 * real disk's, the same for the same seed.
 *
 * Directories nest; three quarters of the files are smaller than 10 KB with a
 * median of 3 KB; one inode in five has several names; a record takes about
 * 190 bytes.  INODES: dense (as on ext4; the default), sparse (48 bits),
 * distinct (64 bits, every file one name), one (all names of one inode) or
 * many (a hundred names each).
 */
#define _GNU_SOURCE
#include <err.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "raw/raw.h"

enum { DEPTH = 9, FILES_A_DIR = 18, RECENT = 4096 };

static enum { DENSE, SPARSE, DISTINCT, ONE, MANY } pattern;
static uint64_t state, serial = 1;
static struct raw_writer out;
static char path[4096];
static size_t ends[DEPTH + 1];

static uint64_t
next(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static double
uniform(void)
{
	return (double)(next() >> 11) / 9007199254740992.0;
}

static uint64_t
inode_number(void)
{
	uint64_t n = serial++, x;

	switch (pattern) {
	case DENSE:
		return n + n / 7;
	case ONE:
		return 5;
	case MANY:
		return n / 100;
	default:
		/* a bijection: distinct, and in no order */
		x = n * 0x9e3779b97f4a7c15;
		x ^= x >> 32;
		x *= 0xd6e8feb86659fd93;
		return pattern == DISTINCT ? x : x >> 16;
	}
}

static uint64_t
file_size(void)
{
	double u = uniform();

	if (u < 0.004)
		return (uint64_t)(3e7 * exp(2 * uniform()));
	return (uint64_t)(3000 * exp(1.8 * sqrt(-2 * log(uniform() + 1e-12)) *
	    cos(6.283185307 * uniform())));
}

static void
put(char type, uint64_t ino, uint64_t nlink, uint64_t size, int64_t mtime,
    size_t len)
{
	struct raw_record r = {
		.type = type, .dev = 2049, .ino = ino, .nlink = nlink,
		.size = size, .mtime = mtime, .path = path, .path_len = len
	};

	if (raw_put(&out, &r) < 0)
		err(1, "could not write");
}

static size_t
add_name(size_t at, const char *kind, uint64_t number)
{
	static const char *const words[] = { "backup", "Projects", "photos-raw",
		"IMG", "Dokumente", "src", "thesis_final", "mail", "accounts",
		"archive", "letters", "interview", "notes", "library" };
	const char *word = words[next() % (sizeof words / sizeof words[0])];

	return at + (size_t)snprintf(path + at, sizeof path - at,
	    "/%s_%s_%07llu", word, kind, (unsigned long long)number);
}

/* Down, up, or beside: a walk's order. */
static int
move(int depth, uint64_t number)
{
	int up = (int)(next() % 3);

	depth = depth == DEPTH ? DEPTH - 1 - up : depth - (depth > 3 ? up : 0);
	ends[depth + 1] = add_name(ends[depth], "d", number);
	return depth + 1;
}

static void
generate(uint64_t records)
{
	static struct { uint64_t ino, size; int64_t mtime; } recent[RECENT];
	uint64_t n, slot;
	int depth = 0;
	size_t len;

	ends[0] = (size_t)snprintf(path, sizeof path,
	    "/mnt/ntt/00000000000000000000000000000001");
	put('d', inode_number(), 2, 4096, 1500000000, ends[0]);
	for (n = 1; n < records; n++) {
		int64_t mtime = 900000000 + (int64_t)(next() % 800000000);

		if (n == 1 || next() % FILES_A_DIR == 0) {
			depth = move(depth, n);
			put('d', inode_number(), 2, 4096, mtime, ends[depth]);
			continue;
		}
		len = add_name(ends[depth], "file", n);
		len += (size_t)snprintf(path + len, sizeof path - len, ".dat");
		slot = next() % RECENT;
		if (pattern < DISTINCT && recent[slot].ino &&
		    next() % 4 == 0) {
			put('f', recent[slot].ino, 2, recent[slot].size,
			    recent[slot].mtime, len);
			continue;
		}
		recent[slot].ino = inode_number();
		recent[slot].size = file_size();
		recent[slot].mtime = mtime;
		put('f', recent[slot].ino, 1, recent[slot].size, mtime, len);
	}
}

int
main(int argc, char **argv)
{
	static const char *const patterns[] = { "dense", "sparse", "distinct",
		"one", "many" };
	int i;

	if (argc < 2 || argc > 4)
		errx(64, "usage: mkraw RECORDS [SEED [INODES]]");
	state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	for (i = 0; argc > 3 && strcmp(argv[3], patterns[i]) != 0; )
		if (++i == 5)
			errx(64, "unknown inodes \"%s\"", argv[3]);
	pattern = (unsigned int)(argc > 3 ? i : 0);
	raw_writer_init(&out, STDOUT_FILENO, -1);
	generate(strtoull(argv[1], NULL, 10));
	if (raw_finish(&out) < 0)
		err(1, "could not write");
	raw_writer_free(&out);
	return 0;
}
