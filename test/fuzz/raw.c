/*
 * The .raw reader: whatever the bytes, it ends, stays inside them, and what
 * it accepts can be written and read again as the same records.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "raw/raw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
memory_file(const void *data, size_t size)
{
	int fd = memfd_create("raw", MFD_CLOEXEC);

	if (fd < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	return fd;
}

/* The records once more, from their encoding. */
static void
read_again(const struct buf *copy, uint64_t records)
{
	int fd = memory_file(copy->data, copy->len), rc;
	struct raw_reader r;
	struct raw_record rec;
	struct buf third = BUF_INIT;

	raw_reader_init(&r, fd);
	while ((rc = raw_next(&r, &rec)) > 0) {
		buf_reserve(&third, RAW_HEAD_MAX + rec.path_len + 1);
		third.len += raw_encode(third.data + third.len, &rec);
	}
	if (rc != 0 || r.records != records || third.len != copy->len ||
	    memcmp(third.data, copy->data, copy->len) != 0)
		abort();
	raw_reader_free(&r);
	buf_free(&third);
	close(fd);
}

static void
check_tail(int fd, size_t size, uint64_t n)
{
	uint64_t offset;

	if (raw_tail(fd, n, &offset) < 0 || offset > size)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memory_file(data, size), rc;
	struct raw_reader r;
	struct raw_record rec;
	struct buf copy = BUF_INIT;
	uint64_t last = 0;

	raw_reader_init(&r, fd);
	while ((rc = raw_next(&r, &rec)) != 0) {
		if (r.offset > size || r.offset < last)
			abort();
		last = r.offset;
		if (rc < 0) {
			if (!r.error || r.error[0] == '\0')
				abort();
			if (!raw_resync(&r))
				break;
			continue;
		}
		if (rec.path_len == 0 || rec.path[rec.path_len] != '\0' ||
		    memcmp(data + rec.path_at, rec.path, rec.path_len) != 0)
			abort();
		buf_reserve(&copy, RAW_HEAD_MAX + rec.path_len + 1);
		copy.len += raw_encode(copy.data + copy.len, &rec);
	}
	if (r.records)
		read_again(&copy, r.records);
	check_tail(fd, size, 1);
	check_tail(fd, size, 3);
	raw_reader_free(&r);
	buf_free(&copy);
	close(fd);
	return 0;
}
