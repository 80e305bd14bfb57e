/* The sets of inodes and paths against plain arithmetic. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "raw/seen.h"
#include "tap.h"

enum { MANY = 300000 };

static uint64_t
scattered(uint64_t n)
{
	n *= 0x9e3779b97f4a7c15;
	return n ^ n >> 31;
}

static uint64_t
dense(uint64_t n)
{
	return n + 1;
}

static uint64_t
at_the_top(uint64_t n)
{
	return UINT64_MAX - n * 65536;
}

static uint64_t
by_powers(uint64_t n)
{
	return n << 40 | n;
}

/* Every number twice: new once, known once, each mark where it was put. */
static void
try_pattern(const char *name, uint64_t (*number)(uint64_t))
{
	struct seen_inodes s;
	uint64_t n, fresh = 0, known = 0, wrong = 0;

	seen_inodes_init(&s);
	for (n = 0; n < MANY; n++)
		fresh += seen_inode(&s, 1, number(n), 0) == 1;
	for (n = 0; n < MANY; n++)
		known += seen_inode(&s, 1, number(n), n % 3 == 0) == 0;
	for (n = 0; n < MANY; n++)
		wrong += seen_inode_marked(&s, 1, number(n)) != (n % 3 == 0);
	tap_is_u64(fresh, MANY, "%s: all are new", name);
	tap_is_u64(known, MANY, "%s: then none is", name);
	tap_is_u64(wrong, 0, "%s: marks stay where they were put", name);
	seen_inodes_free(&s);
}

/* Equal inode numbers on several devices are different inodes. */
static void
try_devices(void)
{
	struct seen_inodes s;
	uint64_t dev, n, fresh = 0, again = 0;
	int rc = 1;

	seen_inodes_init(&s);
	for (dev = 0; dev < 1000; dev++)
		for (n = 0; n < 100; n++)
			fresh += seen_inode(&s, dev << 54 | dev, n, 0) == 1;
	for (dev = 0; dev < 1000; dev++)
		for (n = 0; n < 100; n++)
			again += seen_inode(&s, dev << 54 | dev, n, 0) == 1;
	tap_is_u64(fresh, 100000, "equal inodes of 1,000 devices are new");
	tap_is_u64(again, 0, "and known afterwards");
	tap_ok(seen_inode(&s, UINT64_MAX, UINT64_MAX, 1) == 1 &&
	    seen_inode(&s, UINT64_MAX, UINT64_MAX, 0) == 0 &&
	    seen_inode_marked(&s, UINT64_MAX, UINT64_MAX), "the largest");
	tap_ok(seen_inode(&s, 0, 0, 0) == 0, "the smallest was there");
	for (dev = 1; rc >= 0 && dev < SEEN_DEVS_MAX + 2; dev++)
		rc = seen_inode(&s, dev | (uint64_t)1 << 63, 1, 0);
	tap_ok(rc == -1, "too many devices are refused");
	seen_inodes_free(&s);
}

static void
try_paths(void)
{
	struct seen_paths s;
	char path[64];
	uint64_t n, fresh = 0, again = 0;
	int len;

	seen_paths_init(&s);
	for (n = 0; n < MANY; n++) {
		len = snprintf(path, sizeof path, "dir%llu/file%llu",
		    (unsigned long long)n / 20, (unsigned long long)n);
		fresh += (uint64_t)seen_path(&s, path, (size_t)len);
	}
	for (n = 0; n < MANY; n++) {
		len = snprintf(path, sizeof path, "dir%llu/file%llu",
		    (unsigned long long)n / 20, (unsigned long long)n);
		again += (uint64_t)seen_path(&s, path, (size_t)len);
	}
	/* 300,000 paths: one wrong suspicion in a hundred thousand runs */
	tap_is_u64(fresh, MANY, "paths are new");
	tap_is_u64(again, 0, "a path that was there is never new");
	tap_ok(seen_path(&s, "", 0) == 1 && seen_path(&s, "", 0) == 0,
	    "the empty path");
	tap_ok(seen_path(&s, "a\0", 2) == 1 && seen_path(&s, "a", 1) == 1,
	    "lengths matter");
	seen_paths_free(&s);
}

/* Eleven million of each must leave room within 256 MB. */
static void
try_memory(void)
{
	struct seen_inodes inodes;
	struct seen_paths paths;
	struct rusage usage;
	uint64_t n, million = 1000000;

	seen_inodes_init(&inodes);
	seen_paths_init(&paths);
	for (n = 0; n < 11 * million; n++) {
		uint64_t x = scattered(n);

		seen_inode(&inodes, 7, x, 0);
		seen_path(&paths, &x, sizeof x);
	}
	getrusage(RUSAGE_SELF, &usage);
	tap_ok(usage.ru_maxrss < 230 * 1024 || getenv("ASAN_OPTIONS"),
	    "eleven million inodes and paths in %ld MB",
	    usage.ru_maxrss / 1024);
	seen_inodes_free(&inodes);
	seen_paths_free(&paths);
}

int
main(void)
{
	try_pattern("dense", dense);
	try_pattern("scattered", scattered);
	try_pattern("large", at_the_top);
	try_pattern("sparse", by_powers);
	try_devices();
	try_paths();
	try_memory();
	return tap_done();
}
