#include "image/disc_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fsutil.h"

static const char magic[] = "NTT disc image 1\n";

void
disc_image_end(const struct disc_image *d, char end[DISC_END])
{
	struct buf b = BUF_INIT;
	size_t i;

	buf_puts(&b, magic);
	for (i = 0; i < d->count; i++)
		buf_printf(&b, "data %u %u\n", d->data[i].sector,
		    d->data[i].sectors);
	if (d->music_size)
		buf_printf(&b, "music %llu %llu\n",
		    (unsigned long long)d->music,
		    (unsigned long long)d->music_size);
	memset(end, 0, DISC_END);
	/* 99 lines of 30 bytes fit */
	memcpy(end, b.data, b.len < DISC_END ? b.len : DISC_END - 1);
	buf_free(&b);
}

/* A line of a word and two numbers, all in bounds; -1: another one. */
static int
take_line(struct disc_image *d, const char *line, uint64_t size)
{
	unsigned long long n[2];
	char word[6];

	if (sscanf(line, "%5[a-z] %20llu %20llu", word, &n[0], &n[1]) != 3 ||
	    n[1] == 0)
		return -1;
	if (!strcmp(word, "music") && !d->music_size && n[0] % 512 == 0 &&
	    n[0] < size && n[1] <= size - n[0]) {
		d->music = n[0];
		d->music_size = n[1];
		return 0;
	}
	if (strcmp(word, "data") || d->count == DISC_DATA ||
	    n[0] >= size / DISC_SECTOR || n[1] > size / DISC_SECTOR - n[0])
		return -1;
	d->data[d->count].sector = (uint32_t)n[0];
	d->data[d->count++].sectors = (uint32_t)n[1];
	return 0;
}

int
disc_image_read(struct disc_image *d, int fd, uint64_t size)
{
	char end[DISC_END + 1], *line, *stop;

	memset(d, 0, sizeof *d);
	if (size <= DISC_END || size > (uint64_t)1 << 40 ||
	    pread_full(fd, end, DISC_END, (off_t)(size - DISC_END)) !=
	    DISC_END || memcmp(end, magic, sizeof magic - 1))
		return 0;
	end[DISC_END] = '\0';
	for (line = end + sizeof magic - 1; *line; line = stop + 1) {
		stop = strchr(line, '\n');
		if (!stop)
			return 0;
		*stop = '\0';
		if (take_line(d, line, size - DISC_END) < 0)
			return 0;
	}
	return d->count || d->music_size;
}
