#define _GNU_SOURCE
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive_read.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/tempfile.h"
#include "hash/blake3_hex.h"

enum { CELL = 4096, BLOCK = 1 << 20 };

/* A member on its way to its file: cells of zeros become holes. */
struct out {
	int fd;
	uint64_t at;
	blake3_hasher hasher;
};

static int
give(void *arg, const void *bytes, size_t len)
{
	struct out *o = arg;
	const char *p = bytes;
	size_t n;
	int hole;

	if (sig_caught()) {
		errno = EINTR;
		return -1;
	}
	blake3_hasher_update(&o->hasher, bytes, len);
	for (; len > 0; p += n, len -= n, o->at += n) {
		n = CELL - o->at % CELL;
		n = n < len ? n : len;
		hole = all_zero(p, n);
		if (hole ? lseek(o->fd, (off_t)n, SEEK_CUR) < 0 :
		    write_all(o->fd, p, n) < 0)
			return -1;
	}
	progress_set(o->at);
	return 0;
}

static int
is_right(const blake3_hasher *h, const struct archive_member *member)
{
	char hex[ARCHIVE_HEX + 1];

	blake3_hex(h, hex);
	return !strcmp(hex, member->blake3);
}

/* Has a file the content of a member?  -1: it cannot be read. */
static int
is_member(const char *path, const struct archive_member *member)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *buf = xmalloc(BLOCK);
	uint64_t size = 0;
	blake3_hasher h;
	ssize_t n = -1;

	blake3_hasher_init(&h);
	while (fd >= 0 && !sig_caught() && (n = read(fd, buf, BLOCK)) > 0) {
		blake3_hasher_update(&h, buf, (size_t)n);
		size += (uint64_t)n;
		progress_set(size);
	}
	if (fd >= 0)
		close(fd);
	free(buf);
	return n < 0 ? -1 : n == 0 && is_right(&h, member);
}

/*
 * A member to a file: EXIT_DONE, EXIT_REFUSED if it is there; otherwise why was
 * said.
 */
static int
extract(int archive, const struct archive_member *member, const char *path,
    int overwrite)
{
	struct out out = { .at = 0 };
	struct tempfile t;
	char *why = NULL;
	int there = access(path, F_OK) == 0 ? is_member(path, member) : -1;
	int rc;

	if (there > 0)
		return EXIT_REFUSED;
	if (sig_caught())
		return EXIT_SIGNAL + sig_caught();
	if (access(path, F_OK) == 0 && !overwrite) {
		warn("%s is there and is another file (--overwrite replaces "
		    "it)", quoted(path));
		return EXIT_FAILED;
	}
	if (tempfile_open_output(&t, path) < 0)
		die_errno("could not write %s: %m", quoted(path));
	out.fd = t.fd;
	blake3_hasher_init(&out.hasher);
	rc = archive_extract(archive, member->name, 0, member->size, give,
	    &out, &why);
	if (rc == 0 && ftruncate(t.fd, (off_t)member->size) < 0)
		die_errno("could not write %s: %m", quoted(path));
	progress_hide();
	if (sig_caught()) {
		rc = EXIT_SIGNAL + sig_caught();
	} else if (rc < 0) {
		rc = exit_for_errno(errno);
		warn("could not extract %s: %s", quoted(member->name), why ?
		    why : strerror(errno));
	} else if (out.at != member->size || !is_right(&out.hasher, member)) {
		warn("%s in the archive has other bytes than the manifest "
		    "says", quoted(member->name));
		rc = EXIT_FAILED;
	} else if (tempfile_commit(&t) < 0) {
		die_errno("could not write %s: %m", quoted(path));
	}
	if (rc)
		tempfile_abort(&t);
	free(why);
	return rc;
}

static const struct archive_member *
find_member(const struct archive_manifest *manifest, const char *suffix)
{
	size_t i, n = strlen(suffix), len;

	for (i = 0; i < manifest->count; i++) {
		len = strlen(manifest->members[i].name);
		if (len > n && !strcmp(manifest->members[i].name + len - n,
		    suffix))
			return &manifest->members[i];
	}
	return NULL;
}

static int
open_archive(const struct medium *m, struct archive_manifest *manifest)
{
	char *path = m->archive_path ? xstrdup(m->archive_path) :
	    medium_archive(m->hash), *why = NULL;
	char *image = m->image_path ? xstrdup(m->image_path) :
	    medium_image(m->hash);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && access(image, F_OK) == 0)
		die(EXIT_FAILED, "medium %s is not archived; its image is %s",
		    m->hash, quoted(image));
	if (fd < 0)
		die_errno("could not open the archive %s: %m", quoted(path));
	if (archive_read_manifest(fd, manifest, &why) < 0)
		die(EXIT_FAILED, "could not read the archive %s: %s",
		    quoted(path), why);
	free(path);
	free(image);
	return fd;
}

/* DIRECTORY/HASH.img, or the file itself. */
static char *
final_name(const struct medium *m, const char *to)
{
	struct stat st;
	char *slash, *dir;

	if (stat(to, &st) == 0 && S_ISDIR(st.st_mode))
		return xasprintf("%s/%s.img", to, m->hash);
	/* directories above it are not made */
	dir = xstrdup(to);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	if (slash && access(dir, F_OK) < 0)
		die_errno("could not open %s: %m", quoted(dir));
	free(dir);
	return xstrdup(to);
}

int
image_restore(const struct medium *m, const char *to, int overwrite)
{
	struct archive_manifest manifest = ARCHIVE_MANIFEST_INIT;
	int archive = open_archive(m, &manifest);
	const struct archive_member *image = find_member(&manifest, ".img");
	const struct archive_member *map = find_member(&manifest, ".map");
	const struct archive_member *part = find_member(&manifest, ".part1");
	char *path, *map_path;
	int status, map_status = EXIT_REFUSED;

	if (!image && part)
		die(EXIT_FAILED, "the archive of medium %s holds the file "
		    "that its image was made of: \"ntt-archiver --extract %s "
		    "%s\" writes it", m->hash, m->hash,
		    part->name + strlen(m->hash) + 1);
	if (!image)
		die(EXIT_FAILED, "the archive of medium %s holds no image",
		    m->hash);
	path = final_name(m, to);
	map_path = image_map(path);
	progress_start("writing", NULL, PROGRESS_BYTES, image->size);
	status = extract(archive, image, path, overwrite);
	if (map && (status == EXIT_DONE || status == EXIT_REFUSED))
		map_status = extract(archive, map, map_path, overwrite);
	progress_stop();
	if (status == EXIT_REFUSED)
		say("%s is there already", quoted(path));
	if (status == EXIT_REFUSED && map_status == EXIT_DONE)
		status = EXIT_DONE;
	if (map_status != EXIT_DONE && map_status != EXIT_REFUSED)
		status = map_status;
	if ((status == EXIT_DONE || status == EXIT_REFUSED) && m->health &&
	    strcmp(m->health, "ok")) {
		warn("%s has zeros where the medium could not be read%s%s",
		    quoted(path), map ? ", see " : "", map ? quoted(map_path) :
		    "");
		status = EXIT_PARTIAL;
	}
	archive_manifest_free(&manifest);
	close(archive);
	free(path);
	free(map_path);
	return status;
}
