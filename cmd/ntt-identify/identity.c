#define _GNU_SOURCE
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/buf.h"
#include "base/fsutil.h"
#include "base/medium_name.h"
#include "hash/blake3.h"

enum { SECTOR = 512 };

const char *
identity_kind_name(enum identity_kind kind)
{
	static const char *const names[] = { "device", "image", "directory" };

	return names[kind];
}

void
identity_clean(char out[65], const char *text)
{
	size_t i;

	if (!*text)
		text = "unknown";
	for (i = 0; text[i] && i < 64; i++) {
		char c = text[i];

		out[i] = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' ? c : '_';
	}
	out[i] = '\0';
}

static void
finish(blake3_hasher *h, char hex[IDENTITY_HEX + 1])
{
	unsigned char out[IDENTITY_HEX / 2];

	blake3_hasher_finalize(h, out, sizeof out);
	hex_encode(hex, out, sizeof out);
}

void
identity_hash(char hex[IDENTITY_HEX + 1], uint64_t size, const char *model,
    const char *serial, const void *head, const void *tail, size_t edge)
{
	blake3_hasher h;
	char text[256];
	int n;

	blake3_hasher_init(&h);
	if (model) {
		n = snprintf(text, sizeof text, "SIZE:%llu|MODEL:%s|SERIAL:%s|",
		    (unsigned long long)size, model, serial);
		blake3_hasher_update(&h, text, (size_t)n);
	}
	blake3_hasher_update(&h, head, edge);
	blake3_hasher_update(&h, tail, edge);
	finish(&h, hex);
}

/*
 * Fills bytes from offset; sectors that cannot be read stay zero.  Returns how
 * many bytes could not be read.
 */
static uint64_t
read_edge(int fd, size_t sector, char *bytes, size_t len, uint64_t offset)
{
	enum { STEP = 64 * SECTOR };
	uint64_t lost = 0;
	size_t at, n, s;

	for (at = 0; at < len; at += n) {
		n = len - at < STEP ? len - at : STEP;
		if (pread_full(fd, bytes + at, n, (off_t)(offset + at)) ==
		    (ssize_t)n)
			continue;
		for (s = at; s < at + n; s += sector) {
			size_t m = at + n - s < sector ? at + n - s : sector;

			if (pread_full(fd, bytes + s, m,
			    (off_t)(offset + s)) == (ssize_t)m)
				continue;
			memset(bytes + s, 0, m);
			lost += m;
		}
	}
	return lost;
}

static int
one_byte_repeated(const char *bytes, size_t len)
{
	return len == 0 || !memcmp(bytes, bytes + 1, len - 1);
}

/* Aligned for direct reads, and zero. */
static char *
edge_buffer(size_t size)
{
	void *bytes;

	if (posix_memalign(&bytes, 4096, size) != 0)
		bytes = xcalloc(1, size);
	return memset(bytes, 0, size);
}

/* Edges are whole sectors: a short last one is padded with zeros. */
static int
look_at_edges(int fd, size_t sector, struct identity *id)
{
	uint64_t sectors = (id->size + SECTOR - 1) / SECTOR;
	size_t edge = sectors * SECTOR < IDENTITY_EDGE ?
	    (size_t)sectors * SECTOR : IDENTITY_EDGE;
	uint64_t start = sectors * SECTOR - edge;
	size_t head_len = id->size < edge ? (size_t)id->size : edge;
	size_t tail_len = (size_t)(id->size - start);
	char *head = edge_buffer(edge), *tail = edge_buffer(edge);

	id->unreadable = read_edge(fd, sector, head, head_len, 0);
	if (start > 0)
		id->unreadable += read_edge(fd, sector, tail, tail_len,
		    start);
	else
		memcpy(tail, head, edge);
	identity_hash(id->hash, id->size, id->model, id->serial, head, tail,
	    edge);
	identity_hash(id->v1, 0, NULL, NULL, head, tail, edge);
	identity_hash(id->v2_image, id->size, "unknown", "unknown", head, tail,
	    edge);
	id->degenerate = one_byte_repeated(head, head_len) &&
	    one_byte_repeated(tail, tail_len) && head[0] == tail[0];
	free(head);
	free(tail);
	return 0;
}

static int
hash_in_name(const char *path, char hash[IDENTITY_HEX + 1])
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	if (strlen(base) != IDENTITY_HEX + 4 ||
	    strcmp(base + IDENTITY_HEX, ".img"))
		return 0;
	memcpy(hash, base, IDENTITY_HEX);
	hash[IDENTITY_HEX] = '\0';
	return medium_mountable(hash);
}

static void
directory_hash(struct identity *id)
{
	blake3_hasher h;

	blake3_hasher_init(&h);
	blake3_hasher_update(&h, id->path, strlen(id->path));
	finish(&h, id->hash);
	id->version = "directory";
}

/* What its bytes say would be of the container, and not of the disk. */
static int
refuse_container(int fd, struct identity *id)
{
	const struct container *c = container_probe(fd, id->size);

	if (!c)
		return errno ? -1 : 0;
	id->container = c;
	errno = EMEDIUMTYPE;
	return -1;
}

static int
look_at_file(const char *path, int fd, size_t sector, struct identity *id)
{
	if (id->kind == IDENTITY_IMAGE && hash_in_name(path, id->hash)) {
		id->version = "name";
		return 0;
	}
	if (id->kind == IDENTITY_IMAGE && refuse_container(fd, id) < 0)
		return -1;
	if (id->size == 0) {
		errno = ENODATA;
		return -1;
	}
	id->version = "v2";
	return look_at_edges(fd, sector, id);
}

/*
 * Past the cache: what the kernel reads along with a good sector must not
 * make it a bad one.
 */
static int
look_at_device(const char *path, int fd, struct identity *id)
{
	int sector = SECTOR, direct, rc;

	if (ioctl(fd, BLKGETSIZE64, &id->size) < 0)
		return -1;
	direct = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	if (direct < 0 || ioctl(fd, BLKSSZGET, &sector) < 0 ||
	    sector < SECTOR)
		sector = SECTOR;
	rc = look_at_file(path, direct < 0 ? fd : direct, (size_t)sector, id);
	if (direct >= 0)
		close(direct);
	return rc;
}

int
identity_of(const char *path, const char *model, const char *serial,
    struct identity *id)
{
	struct stat st;
	int fd, rc = -1, err;

	memset(id, 0, sizeof *id);
	identity_clean(id->model, model ? model : "");
	identity_clean(id->serial, serial ? serial : "");
	/* a fifo must not make us wait */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		goto out;
	id->path = realpath(path, NULL);
	if (!id->path)
		goto out;
	if (S_ISDIR(st.st_mode)) {
		id->kind = IDENTITY_DIRECTORY;
		directory_hash(id);
		rc = 0;
	} else if (S_ISREG(st.st_mode)) {
		id->kind = IDENTITY_IMAGE;
		id->size = container_raw_size(fd, (uint64_t)st.st_size);
		id->footer = id->size < (uint64_t)st.st_size;
		rc = look_at_file(path, fd, SECTOR, id);
	} else if (S_ISBLK(st.st_mode)) {
		id->kind = IDENTITY_DEVICE;
		rc = look_at_device(path, fd, id);
	} else {
		errno = ENOTSUP;
	}
out:
	err = errno;
	close(fd);
	if (rc < 0) {
		free(id->path);
		id->path = NULL;
	}
	errno = err;
	return rc;
}

/* What the child found, in memory that both see. */
struct shared {
	const char *path, *model, *serial;
	struct identity id;
	int rc, err;
};

static int
look(void *arg)
{
	struct shared *s = arg;

	s->rc = identity_of(s->path, s->model, s->serial, &s->id);
	s->err = errno;
	return 0;
}

int
identity_within(const char *path, const char *model, const char *serial,
    struct identity *id, int timeout_ms)
{
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int rc, err;

	if (s == MAP_FAILED)
		return -1;
	s->path = path;
	s->model = model;
	s->serial = serial;
	rc = bounded_run(look, s, -1, timeout_ms, BOUNDED_SAME);
	err = rc < 0 ? errno : s->err;
	rc = rc < 0 ? -1 : s->rc;
	*id = s->id;
	munmap(s, sizeof *s);
	/* the other one was the child's */
	id->path = rc < 0 ? NULL : realpath(path, NULL);
	if (rc == 0 && !id->path)
		return -1;
	errno = err;
	return rc;
}
