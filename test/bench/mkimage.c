/*
 * mkimage FILE MIB SEED: a disk image for measurements.  Pieces of 8 MiB by
 * turns: text of a vocabulary, a hole, half noise and half letters.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 8 << 20, WORDS = 4096, WORD = 12 };

static uint64_t state;

static uint64_t
random64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void
fill_text(char *p, size_t len, char words[WORDS][WORD])
{
	size_t n;

	while (len > 0) {
		uint64_t r = random64();
		/* frequent words are frequent, as in languages */
		const char *word = words[(r % WORDS) * (r >> 40) %
		    (WORDS / 4 + r % WORDS + 1) % WORDS];

		n = 3 + (unsigned char)word[0] % (WORD - 3);
		if (n > len)
			n = len;
		memcpy(p, word, n);
		p[n - 1] = ' ';
		p += n;
		len -= n;
	}
}

static void
fill_mixed(char *p, size_t len)
{
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		uint64_t r = random64();

		if (i % 65536 >= 32768)
			r = (r & 0x0707070707070707) + 0x6161616161616161;
		memcpy(p + i, &r, 8);
	}
}

int
main(int argc, char **argv)
{
	static char words[WORDS][WORD];
	char *piece = malloc(PIECE);
	long pieces, i;
	int fd, j;

	if (argc != 4 || !piece)
		errx(64, "usage: mkimage FILE MIB SEED");
	pieces = atol(argv[2]) * (1 << 20) / PIECE;
	state = strtoull(argv[3], NULL, 10) * 2 + 88172645463325252;
	for (i = 0; i < WORDS; i++)
		for (j = 0; j < WORD; j++)
			words[i][j] = (char)('a' + random64() % 26);
	fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, pieces * PIECE) < 0)
		err(1, "%s", argv[1]);
	for (i = 0; i < pieces; i++) {
		if (i % 3 == 1)
			continue;
		if (i % 3 == 0)
			fill_text(piece, PIECE, words);
		else
			fill_mixed(piece, PIECE);
		if (pwrite(fd, piece, PIECE, i * PIECE) != PIECE)
			err(1, "%s", argv[1]);
	}
	free(piece);
	return close(fd) < 0;
}
