#include "vhd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/fsutil.h"

enum { HEADER = 1024, UNUSED = -1, BLOCK_MOST = 256 << 20 };

/* The sum of all bytes but those of the sum itself. */
static int
sum_is_right(const unsigned char *b, size_t size, size_t at)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < size; i++)
		if (i < at || i >= at + 4)
			sum += b[i];
	return ~sum == be32(b + at);
}

static int
is_footer(const unsigned char *b)
{
	uint32_t type = be32(b + 60);

	return !memcmp(b, "conectix", 8) && type >= VHD_FIXED &&
	    type <= VHD_DIFFERENCING && sum_is_right(b, VHD_SECTOR, 64);
}

/* UTF-16 to UTF-8, from behind the last slash. */
static void
take_name(char name[VHD_NAME], const unsigned char *units)
{
	enum { UNITS = 256 };
	char *to = name;
	int i;

	for (i = 0; i < UNITS; i++) {
		unsigned int c = (unsigned int)be_number(units + 2 * i, 2);

		if (c == 0)
			break;
		if (c == '\\' || c == '/') {
			to = name;
			continue;
		}
		if (c < 0x80) {
			*to++ = (char)c;
		} else if (c < 0x800) {
			*to++ = (char)(0xc0 | c >> 6);
			*to++ = (char)(0x80 | (c & 0x3f));
		} else if (to + 4 < name + VHD_NAME) {
			*to++ = (char)(0xe0 | c >> 12);
			*to++ = (char)(0x80 | (c >> 6 & 0x3f));
			*to++ = (char)(0x80 | (c & 0x3f));
		}
	}
	*to = '\0';
}

/* Every block must be in the file. */
static const char *
read_table(struct vhd *v, uint64_t at)
{
	size_t bytes = (size_t)v->entries * 4;
	unsigned char *b;
	uint32_t i;

	if (at > v->file_size || bytes > v->file_size - at)
		return " that is cut: its table lies behind the end";
	b = xmalloc(bytes + 1);
	v->table = xcalloc(v->entries + 1, sizeof *v->table);
	if (pread_full(v->fd, b, bytes, (off_t)at) != (ssize_t)bytes) {
		free(b);
		return " that could not be read";
	}
	for (i = 0; i < v->entries; i++) {
		uint64_t start = (uint64_t)be32(b + 4 * i) * VHD_SECTOR;

		v->table[i] = be32(b + 4 * i);
		if (v->table[i] == (uint32_t)UNUSED)
			continue;
		v->allocated += v->block;
		if (start + v->bitmap + v->block > v->file_size) {
			free(b);
			return " that is cut: parts of it lie behind the end "
			    "of the file";
		}
	}
	free(b);
	return NULL;
}

static const char *
read_header(struct vhd *v, uint64_t at)
{
	unsigned char h[HEADER];

	if (at > v->file_size || pread_full(v->fd, h, sizeof h, (off_t)at) !=
	    sizeof h || memcmp(h, "cxsparse", 8) ||
	    !sum_is_right(h, sizeof h, 36))
		return " that is damaged: the sum of its header is not right";
	v->entries = be32(h + 28);
	v->block = be32(h + 32);
	if (v->block < 4096 || v->block > BLOCK_MOST ||
	    (v->block & (v->block - 1)) ||
	    (v->size + v->block - 1) / v->block > v->entries ||
	    v->entries > (1U << 26))
		return " whose header makes no sense";
	v->bitmap = (v->block / VHD_SECTOR / 8 + VHD_SECTOR - 1) /
	    VHD_SECTOR * VHD_SECTOR;
	memcpy(v->parent_id, h + 40, VHD_ID);
	take_name(v->parent, h + 64);
	return read_table(v, be_number(h + 16, 8));
}

int
vhd_open(struct vhd *v, int fd, uint64_t file_size, const char **why)
{
	unsigned char f[VHD_SECTOR];

	memset(v, 0, sizeof *v);
	v->fd = fd;
	v->file_size = file_size;
	*why = " that is damaged: the sum of its footer is not right";
	/* those that are not fixed have a copy at the beginning */
	if (file_size < VHD_SECTOR || ((pread_full(fd, f, sizeof f,
	    (off_t)(file_size - VHD_SECTOR)) != sizeof f || !is_footer(f)) &&
	    (pread_full(fd, f, sizeof f, 0) != sizeof f || !is_footer(f))))
		return -1;
	v->type = be32(f + 60);
	v->size = be_number(f + 48, 8);
	memcpy(v->id, f + 68, VHD_ID);
	*why = NULL;
	if (v->size == 0 || v->size % VHD_SECTOR ||
	    v->size > (uint64_t)64 << 40)
		*why = " that does not say how large it is";
	else if (v->type != VHD_FIXED)
		*why = read_header(v, be_number(f + 16, 8));
	else if (v->size > file_size - VHD_SECTOR)
		*why = " that is cut";
	if (*why)
		vhd_close(v);
	return *why ? -1 : 0;
}

void
vhd_close(struct vhd *v)
{
	free(v->table);
	v->table = NULL;
}

/* Of one link: the sectors of it that are not there yet. */
static int
read_link(const struct vhd *v, char *bytes, size_t size, uint64_t at,
    unsigned char *there)
{
	size_t count = size / VHD_SECTOR, i, n;

	for (i = 0; i < count; i += n) {
		uint64_t pos = at + i * VHD_SECTOR, inside, from;
		unsigned char bits;

		n = 1;
		if (there[i])
			continue;
		from = pos;
		if (v->type != VHD_FIXED) {
			uint32_t start = v->table[pos / v->block];

			if (start == (uint32_t)UNUSED)
				continue;
			inside = pos % v->block;
			from = (uint64_t)start * VHD_SECTOR;
			if (v->type == VHD_DIFFERENCING) {
				uint64_t bit = inside / VHD_SECTOR;

				if (pread_full(v->fd, &bits, 1,
				    (off_t)(from + bit / 8)) != 1)
					return -1;
				if (!(bits & 0x80 >> bit % 8))
					continue;
			}
			from += v->bitmap + inside;
		}
		/* where each is there, all up to the end of the block */
		if (v->type != VHD_DIFFERENCING)
			while (i + n < count && !there[i + n] &&
			    (v->type == VHD_FIXED ||
			    (pos + n * VHD_SECTOR) % v->block))
				n++;
		if (pread_full(v->fd, bytes + i * VHD_SECTOR, n * VHD_SECTOR,
		    (off_t)from) != (ssize_t)(n * VHD_SECTOR))
			return -1;
		memset(there + i, 1, n);
	}
	return 0;
}

int
vhd_read(const struct vhd *chain, size_t links, char *bytes, size_t size,
    uint64_t at)
{
	unsigned char *there = xcalloc(size / VHD_SECTOR + 1, 1);
	size_t i;
	int rc = 0;

	memset(bytes, 0, size);
	errno = EIO;
	for (i = 0; i < links && rc == 0; i++)
		rc = at > chain[i].size || size > chain[i].size - at ? -1 :
		    read_link(&chain[i], bytes, size, at, there);
	free(there);
	return rc;
}
