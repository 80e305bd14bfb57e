#define _GNU_SOURCE
#include "opening.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "image/layout.h"
#include "luks.h"

static const char *
cryptsetup(void)
{
	static const char *const places[] = { "/usr/sbin/cryptsetup",
		"/sbin/cryptsetup", "/usr/bin/cryptsetup" };
	size_t i;

	for (i = 0; i < sizeof places / sizeof places[0]; i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* What it prints of a file that has the volume's header. */
static int
dump_luks(const struct opening *o, const char *header, int with_key,
    struct buf *out, struct buf *why)
{
	static char as_volume[] = "volume", as_key[] = "key";
	struct engine_file files[] = { { xstrdup(header), as_volume },
		{ xstrdup(o->key_file), as_key } };
	const char *const plain[] = { "luksDump", "--disable-locks",
		"/in/volume", NULL };
	const char *const key[] = { "luksDump", "-q", "--disable-locks",
		"--dump-volume-key", "--key-file", "/in/key", "/in/volume",
		NULL };
	struct engine e = { .program = cryptsetup(), .files = files,
		.count = 2, .most = TEXT_MAX, .seconds = 600, .errors = -1 };
	int status = engine_capture(&e, with_key ? key : plain, out,
	    TEXT_MAX, 10 * LOOK_MS, why);

	buf_puts(out, "");
	free(files[0].path);
	free(files[1].path);
	return status;
}

/* The beginning of a volume, which has its keys, as a file of its size. */
static void
copy_header(const struct opening *o, const struct volume *v,
    const char *path)
{
	enum { KEYS = 160 << 20 };
	char *bytes = xmalloc(CHUNK);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	uint64_t at;
	ssize_t n;

	if (fd < 0 || ftruncate(fd, (off_t)v->length) < 0)
		die_errno("could not write %s: %m", quoted(path));
	for (at = 0; at < v->length && at < KEYS; at += (uint64_t)n) {
		n = pread_full(o->fd, bytes, v->length - at < CHUNK ?
		    (size_t)(v->length - at) : CHUNK, (off_t)(v->data + at));
		if (n <= 0 || (!all_zero(bytes, (size_t)n) &&
		    pwrite(fd, bytes, (size_t)n, (off_t)at) != n))
			die_errno("could not write %s: %m", quoted(path));
	}
	close(fd);
	free(bytes);
}

/* The data takes the place of the volume, from its first byte on. */
static void
decrypt(const struct opening *o, const struct volume *v,
    const struct luks *l)
{
	uint64_t size = (v->length - l->payload) / l->sector * l->sector, at;
	char *bytes = xmalloc(CHUNK);
	size_t n;

	for (at = 0; at < size; at += n) {
		n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
		if (pread_full(o->fd, bytes, n, (off_t)(v->data + l->payload +
		    at)) != (ssize_t)n || luks_decrypt(l, bytes, n, at) < 0 ||
		    pwrite(o->fd, bytes, n, (off_t)(v->data + at)) !=
		    (ssize_t)n)
			cannot(o, " that could not be decrypted: %s",
			    strerror(errno));
		keep_going(o, at);
	}
	if (fallocate(o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    (off_t)(v->data + size), (off_t)(v->length - size)) < 0)
		die_errno("could not write the raw image of %s: %m",
		    quoted(o->path));
	free(bytes);
}

static void
open_volume(struct opening *o, const struct volume *v)
{
	char *path = xasprintf("%s.header", o->temporary);
	struct buf dump = BUF_INIT, key = BUF_INIT, why = BUF_INIT;
	const char *wrong;
	struct luks l;
	int status;

	copy_header(o, v, path);
	goes_too(path);
	status = dump_luks(o, path, 0, &dump, &why);
	if (status == EXIT_DONE) {
		buf_reset(&why);
		status = dump_luks(o, path, 1, &key, &why);
	}
	unlink(path);
	goes_too(NULL);
	if (status != EXIT_DONE)
		cannot(o, ", and %s does not open volume %u: %s",
		    quoted(o->key_file), v->num, why.len ? why.data :
		    "cryptsetup does not say why");
	if (luks_parse(&l, dump.data, key.data, &wrong) < 0)
		cannot(o, ", and %s (volume %u)", wrong, v->num);
	if (l.payload >= v->length)
		cannot(o, ", and volume %u is cut", v->num);
	say("%s: volume %u is decrypted", quoted(o->path), v->num);
	decrypt(o, v, &l);
	if (v->num == 0 && v->data == 0)
		o->size = (v->length - l.payload) / l.sector * l.sector;
	explicit_bzero(&l, sizeof l);
	explicit_bzero(key.data, key.len);
	buf_free(&dump);
	buf_free(&key);
	buf_free(&why);
	free(path);
}

void
open_volumes(struct opening *o)
{
	struct layout *l = xmalloc(sizeof *l);
	uint32_t i, opened = 0;

	if (!cryptsetup())
		cannot(o, ": install cryptsetup-bin to open it with a key");
	if (o->lost_count)
		cannot(o, " of which not all was read: decrypt it by hand");
	if (ftruncate(o->fd, (off_t)o->size) < 0 ||
	    layout_confined(l, o->fd, o->size, NULL, LOOK_MS, NULL) < 0)
		cannot(o, ", and what is on it cannot be told: %s",
		    strerror(errno));
	for (i = 0; i < l->count; i++) {
		const struct volume *v = &l->volumes[i];

		if (v->pieces || strcmp(v->fstype, "crypto_LUKS")) {
			if (!strncmp(v->reason, "encrypted: ", 11))
				warn("volume %u of %s stays closed: %s",
				    v->num, quoted(o->path), v->reason);
			continue;
		}
		if (v->truncated)
			cannot(o, ", and volume %u is cut", v->num);
		open_volume(o, v);
		opened++;
	}
	free(l);
	if (!opened)
		cannot(o, ", and no volume of LUKS is on it, which a key "
		    "would open");
}

void
prepare_encrypted(struct opening *o)
{
	char *map = image_map(o->path), *error = NULL;
	struct mapfile m;

	if (mapfile_load(&m, map, &error) == 0) {
		if (mapfile_bytes(&m, MAPFILE_RESCUED) < o->parts[0].size)
			cannot(o, " of which not all was rescued: decrypt it "
			    "by hand");
		mapfile_free(&m);
	}
	free(error);
	free(map);
	o->size = o->parts[0].size;
	o->needs = (uint64_t)o->parts[0].st.st_blocks * SECTOR;
	if (o->needs == 0)
		o->needs = o->size;
}
