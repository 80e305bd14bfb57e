/*
 * hash.c - the hash alone, for hash.sh and blake3.bats
 *
 *	hash [-l level] --sum file ...	lines as b3sum prints them
 *	hash [-l level] --memory	bytes per second, by size of the input
 *	hash --levels			names of the levels this CPU has
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hash/blake3_impl.h"

enum { BUFFER = 256 * 1024 };

static void
sum(const char *path, uint8_t *buf)
{
	blake3_hasher h;
	uint8_t out[BLAKE3_OUT_LEN];
	char hex[2 * BLAKE3_OUT_LEN + 1];
	ssize_t n;
	size_t i;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		err(1, "could not open \"%s\"", path);
	blake3_hasher_init(&h);
	while ((n = read(fd, buf, BUFFER)) > 0)
		blake3_hasher_update(&h, buf, (size_t)n);
	if (n == -1)
		err(1, "could not read \"%s\"", path);
	close(fd);
	blake3_hasher_finalize(&h, out, sizeof(out));
	for (i = 0; i < sizeof(out); i++) {
		hex[2 * i] = "0123456789abcdef"[out[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[out[i] & 15];
	}
	hex[2 * i] = '\0';
	printf("%s  %s\n", hex, path);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
memory(void)
{
	static const size_t sizes[] = { 64, 1024, 1500, 3000, 3072, 5000,
	    8192, 12000, 16384, 65536, 131072, 1 << 20, 16 << 20 };
	blake3_hasher h;
	uint8_t out[BLAKE3_OUT_LEN], *buf;
	double start, t, best;
	size_t i, k, n;
	int run;

	buf = malloc(16 << 20);
	if (buf == NULL)
		err(1, "could not allocate the buffer");
	for (i = 0; i < 16 << 20; i++)
		buf[i] = (uint8_t)(i % 251);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		n = (32 << 20) / (sizes[i] + 512) + 1;
		best = 1e9;
		for (run = 0; run < 5; run++) {
			start = now();
			for (k = 0; k < n; k++) {
				blake3_hasher_init(&h);
				blake3_hasher_update(&h, buf, sizes[i]);
				blake3_hasher_finalize(&h, out, sizeof(out));
			}
			t = (now() - start) / (double)n;
			if (t < best)
				best = t;
		}
		printf("%9zu bytes  %9.2f us  %6.2f GB/s\n", sizes[i],
		    best * 1e6, (double)sizes[i] / best / 1e9);
	}
	free(buf);
}

#ifndef NTT_SYSTEM_BLAKE3
static void
levels(void)
{
	const struct blake3_level *l;
	size_t i;

	for (i = 0; (l = blake3_level_get(i)) != NULL; i++)
		printf("%s\n", l->name);
}

static void
choose(const char *name)
{
	const struct blake3_level *l;
	size_t i;

	for (i = 0; (l = blake3_level_get(i)) != NULL; i++)
		if (strcmp(l->name, name) == 0)
			break;
	if (l == NULL)
		errx(1, "this CPU has no level \"%s\"", name);
	blake3_level_set(l);
}
#else
static void
levels(void)
{
	printf("libblake3\n");
}

static void
choose(const char *name)
{
	if (strcmp(name, "libblake3") != 0)
		errx(1, "built with libblake3, which chooses by itself");
}
#endif

int
main(int argc, char **argv)
{
	uint8_t *buf;

	argv++;
	argc--;
	if (argc >= 2 && strcmp(argv[0], "-l") == 0) {
		choose(argv[1]);
		argv += 2;
		argc -= 2;
	}
	if (argc == 1 && strcmp(argv[0], "--levels") == 0) {
		levels();
	} else if (argc == 1 && strcmp(argv[0], "--memory") == 0) {
		memory();
	} else if (argc >= 1 && strcmp(argv[0], "--sum") == 0) {
		buf = malloc(BUFFER);
		if (buf == NULL)
			err(1, "could not allocate the buffer");
		while (*++argv != NULL)
			sum(*argv, buf);
		free(buf);
	} else {
		fprintf(stderr, "usage: hash [-l level] --sum file ...\n"
		    "       hash [-l level] --memory\n"
		    "       hash --levels\n");
		return 64;
	}
	if (fflush(stdout) == EOF || ferror(stdout))
		err(1, "could not write to stdout");
	return 0;
}
