#define _GNU_SOURCE
#include "known.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive/archive_read.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/medium_files.h"
#include "base/procstat.h"
#include "base/progress.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "hash/blake3_hex.h"
#include "image/container.h"
#include "image/places.h"
#include "sql/statements.h"

enum { READ_SIZE = 1 << 20, LOOK_MS = 60000 };

/* Columns of the candidates. */
enum column {
	HASH, FINGERPRINT, FILE_ID, IMAGE_PATH, ARCHIVE_PATH, COPIED, ROOT,
	STATE, PLACES, IMAGED_AT, FOLLOWS
};

void
known_free(struct known *k)
{
	free(k->taken_by);
	free(k->file);
	free(k->root);
	free(k->follows);
	memset(k, 0, sizeof *k);
}

void
known_derive(char hash[IDENTITY_HEX + 1], const char *name, const char *what)
{
	char *text = xasprintf("NTT3|%s|%s", name, what);
	uint8_t sum[IDENTITY_HEX / 2];
	blake3_hasher h;

	blake3_hasher_init(&h);
	blake3_hasher_update(&h, text, strlen(text));
	blake3_hasher_finalize(&h, sum, sizeof sum);
	hex_encode(hash, sum, sizeof sum);
	free(text);
}

char *
known_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return NULL;
	return xasprintf("%llu:%llu:%lld:%lld.%09ld:%lld.%09ld",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
	    (long long)st.st_size, (long long)st.st_mtim.tv_sec,
	    st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec,
	    st.st_ctim.tv_nsec);
}

/* ---- directories ---- */

#ifndef FS_IOC_GETFSUUID	/* Linux 6.9, linux/fs.h */
struct fsuuid2 {
	uint8_t len, uuid[16];
};
#define FS_IOC_GETFSUUID _IOR(0x15, 0, struct fsuuid2)
#endif

static char *
uuid_text(const uint8_t u[16])
{
	char hex[33];

	hex_encode(hex, u, 16);
	return xasprintf("%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
	    hex + 16, hex + 20);
}

/* As the kernel has it; NULL: this one does not say, or there is none. */
static char *
uuid_of_file_system(const char *path)
{
	struct btrfs_ioctl_fs_info_args btrfs = { 0 };
	struct fsuuid2 any = { 0 };
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *uuid = NULL;

	if (fd < 0)
		return NULL;
	if (ioctl(fd, BTRFS_IOC_FS_INFO, &btrfs) == 0)
		uuid = uuid_text(btrfs.fsid);
	else if (ioctl(fd, FS_IOC_GETFSUUID, &any) == 0 && any.len == 16)
		uuid = uuid_text(any.uuid);
	close(fd);
	return uuid;
}

/* As udev has it; NULL where there is no udev. */
static char *
uuid_of_device(dev_t dev)
{
	static const char where[] = "/dev/disk/by-uuid";
	DIR *dir = opendir(where);
	const struct dirent *e;
	char *uuid = NULL;
	struct stat st;

	while (dir && !uuid && (e = readdir(dir)))
		if (fstatat(dirfd(dir), e->d_name, &st, 0) == 0 &&
		    S_ISBLK(st.st_mode) && st.st_rdev == dev)
			uuid = xstrdup(e->d_name);
	if (dir)
		closedir(dir);
	return uuid;
}

static char *
machine_id(void)
{
	char text[64] = "";
	int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read_full(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return xstrdup(text);
}

char *
known_root(const char *path)
{
	char *uuid, *machine, *root;
	struct statx st;
	struct statfs fs;
	uint64_t fsid;
	dev_t dev;

	if (statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_INO | STATX_BTIME,
	    &st) < 0 || statfs(path, &fs) < 0)
		return NULL;
	dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	memcpy(&fsid, &fs.f_fsid, sizeof fsid);
	uuid = uuid_of_device(dev);
	if (!uuid)
		uuid = uuid_of_file_system(path);
	machine = machine_id();
	root = uuid ? xasprintf("uuid %s inode %llu", uuid,
	    (unsigned long long)st.stx_ino) :
	    xasprintf("machine %s file system %llx inode %llu", machine,
	    (unsigned long long)(fsid ? fsid : dev),
	    (unsigned long long)st.stx_ino);
	if (st.stx_mask & STATX_BTIME) {
		char *with = xasprintf("%s born %lld.%09u", root,
		    (long long)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);

		free(root);
		root = with;
	}
	free(machine);
	free(uuid);
	return root;
}

/*
 * The latest state of this directory: the same medium while it is not
 * finished, and what the next state follows when it is.
 */
static enum known_answer
find_state(PGresult *res, const struct identity *id, const char *name,
    struct known *k)
{
	int row, latest = -1, others = 0;
	char *what;

	k->root = known_root(id->path);
	if (!k->root)
		return KNOWN_FAILED;
	for (row = 0; row < PQntuples(res); row++) {
		/* one of the version before has no root: taken for this one */
		if (!PQgetisnull(res, row, ROOT) &&
		    strcmp(db_text(res, row, ROOT), k->root)) {
			others = 1;
			k->taken_by = k->taken_by ? k->taken_by :
			    xstrdup(db_text(res, row, HASH));
		} else if (latest < 0 || db_int(res, row, STATE) >
		    db_int(res, latest, STATE)) {
			latest = row;
		}
	}
	k->state = 1;
	if (latest >= 0) {
		free(k->taken_by);
		k->taken_by = NULL;
		k->state = (int)db_int(res, latest, STATE);
		k->registered = 1;
		snprintf(k->hash, sizeof k->hash, "%s",
		    db_text(res, latest, HASH));
		if (!db_bool(res, latest, COPIED)) {
			if (!PQgetisnull(res, latest, FOLLOWS))
				k->follows = xstrdup(db_text(res, latest,
				    FOLLOWS));
			return KNOWN_TOLD;
		}
		k->registered = 0;
		k->follows = xstrdup(k->hash);
		k->state++;
	} else if (!others) {
		snprintf(k->hash, sizeof k->hash, "%s", name);
		return KNOWN_TOLD;
	}
	what = xasprintf("%s|%d", k->root, k->state);
	known_derive(k->hash, name, what);
	free(what);
	return KNOWN_TOLD;
}

/* ---- images ---- */

/* BLAKE3 of the image in a file: 0, or -1 with errno (EINTR: a signal came). */
static int
fingerprint_file(const char *path, const char *label, char hex[65])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *block = xmalloc(READ_SIZE);
	uint64_t done = 0, size;
	blake3_hasher h;
	struct stat st;
	ssize_t n = -1;

	blake3_hasher_init(&h);
	if (fd < 0 || fstat(fd, &st) < 0)
		goto out;
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	size = container_raw_size(fd, (uint64_t)st.st_size);
	progress_start(label, "bytes", PROGRESS_BYTES, size);
	while ((n = done == size ? 0 : read(fd, block,
	    size - done < READ_SIZE ? (size_t)(size - done) : READ_SIZE)) >
	    0) {
		blake3_hasher_update(&h, block, (size_t)n);
		progress_set(done += (uint64_t)n);
		if (sig_caught()) {
			errno = EINTR;
			n = -1;
			break;
		}
	}
	progress_stop();
	blake3_hex(&h, hex);
out:
	free(block);
	if (fd >= 0)
		close(fd);
	return n == 0 ? 0 : -1;
}

/* What an archive says of the image in it; 1, or 0: it says nothing. */
static int
fingerprint_in_archive(const char *archive, char hex[65])
{
	struct archive_manifest m = ARCHIVE_MANIFEST_INIT;
	int fd = open(archive, O_RDONLY | O_CLOEXEC), found = 0;
	char *error = NULL, *image;
	const struct archive_member *member;

	if (fd >= 0 && archive_read_manifest(fd, &m, &error) == 0) {
		image = xasprintf("%s.img", m.medium);
		member = archive_manifest_find(&m, image);
		found = member != NULL;
		if (found)
			snprintf(hex, 65, "%s", member->blake3);
		free(image);
	}
	archive_manifest_free(&m);
	free(error);
	if (fd >= 0)
		close(fd);
	return found;
}

/*
 * The fingerprint of a candidate, from the catalogue, its archive or its
 * image; what had to be found out is recorded.  1, 0 nothing has it, -1.
 */
static int
fingerprint_of(PGconn *db, PGresult *res, int row, char hex[65])
{
	char *archive = db_path_value(res, row, ARCHIVE_PATH);
	char *image = db_path_value(res, row, IMAGE_PATH);
	char *file = image ? known_file(image) : NULL;
	int found = 1;

	if (!PQgetisnull(res, row, FINGERPRINT)) {
		snprintf(hex, 65, "%s", db_text(res, row, FINGERPRINT));
		goto out;
	}
	if (archive && fingerprint_in_archive(archive, hex))
		goto record;
	found = 0;
	if (!file || (!PQgetisnull(res, row, FILE_ID) &&
	    strcmp(file, db_text(res, row, FILE_ID))))
		goto out;
	found = fingerprint_file(image, "comparing", hex) < 0 ? -1 : 1;
record:
	if (found > 0 &&
	    db_do(db, sql_identify_fingerprint, db_text(res, row, HASH),
	    hex) < 0) {
		errno = 0;
		found = -1;
	}
out:
	free(file);
	free(image);
	free(archive);
	return found;
}

/* The file that was registered, as it was then or while it grows. */
static int
is_registered_file(PGresult *res, int row, const struct identity *id,
    const char *file)
{
	char *image = db_path_value(res, row, IMAGE_PATH);
	char *real = image ? realpath(image, NULL) : NULL;
	int same = real && !strcmp(real, id->path) &&
	    (PQgetisnull(res, row, FILE_ID) ||
	    !strcmp(db_text(res, row, FILE_ID), file));

	free(real);
	free(image);
	return same;
}

static void
take(struct known *k, PGresult *res, int row)
{
	k->registered = 1;
	snprintf(k->hash, sizeof k->hash, "%s", db_text(res, row, HASH));
}

static enum known_answer
find_image(PGconn *db, PGresult *res, const struct identity *id,
    const char *name, int full, struct known *k, struct buf *why)
{
	int row, found, untold = 0;
	char other[65];

	snprintf(k->hash, sizeof k->hash, "%s", name);
	k->state = 1;
	k->file = known_file(id->path);
	if (!k->file)
		return KNOWN_FAILED;
	for (row = 0; row < PQntuples(res); row++) {
		if (is_registered_file(res, row, id, k->file)) {
			take(k, res, row);
			return KNOWN_TOLD;
		}
	}
	/* its archive will not tell: the footer is in there */
	if (PQntuples(res) == 0 && full && id->footer &&
	    fingerprint_file(id->path, "hashing", k->fingerprint) < 0)
		return KNOWN_FAILED;
	if (PQntuples(res) == 0)
		return KNOWN_TOLD;
	if (!full) {
		buf_printf(why, "%s has the same name, and only reading all "
		    "of it can tell whether it is the same (--full)",
		    db_text(res, 0, HASH));
		return KNOWN_UNTOLD;
	}
	if (fingerprint_file(id->path, "hashing", k->fingerprint) < 0)
		return KNOWN_FAILED;
	for (row = 0; row < PQntuples(res); row++) {
		found = fingerprint_of(db, res, row, other);
		if (found < 0)
			return KNOWN_FAILED;
		if (found > 0 && !strcmp(other, k->fingerprint)) {
			take(k, res, row);
			return KNOWN_TOLD;
		}
		if (found == 0 && !untold++)
			buf_printf(why, "%s has the same name, and neither "
			    "its image nor its archive is there to compare",
			    db_text(res, row, HASH));
	}
	if (untold)
		return KNOWN_UNTOLD;
	k->taken_by = xstrdup(db_text(res, 0, HASH));
	known_derive(k->hash, name, k->fingerprint);
	return KNOWN_TOLD;
}

/* ---- devices ---- */

/* What the image of a candidate has so far. */
struct rescued {
	int fd;
	struct mapfile map;
};

/* 0, or -1: there is no image, or no map. */
static int
rescued_open(PGresult *res, int row, struct rescued *r)
{
	char *image = db_path_value(res, row, IMAGE_PATH);
	char *path = image ? image_map(image) : NULL, *error = NULL;
	int rc = -1;

	r->fd = image ? open(image, O_RDONLY | O_CLOEXEC) : -1;
	if (r->fd >= 0) {
		rc = mapfile_load(&r->map, path, &error);
		if (rc < 0)
			close(r->fd);
	}
	free(error);
	free(path);
	free(image);
	return rc;
}

static void
rescued_close(struct rescued *r)
{
	mapfile_free(&r->map);
	close(r->fd);
}

/* The places of a candidate, from the catalogue or its image; 0 or -1. */
static int
places_of(PGresult *res, int row, uint64_t size, size_t count,
    uint8_t *digests)
{
	struct buf stored = BUF_INIT;
	struct rescued theirs;
	int rc = -1;

	if (!PQgetisnull(res, row, PLACES) &&
	    db_bytea_value(res, row, PLACES, &stored) == 0 &&
	    stored.len == count * PLACE_DIGEST) {
		memcpy(digests, stored.data, stored.len);
		rc = 0;
	} else if (rescued_open(res, row, &theirs) == 0) {
		places_read(theirs.fd, size, &theirs.map, count, LOOK_MS,
		    digests);
		rescued_close(&theirs);
		rc = 0;
	}
	buf_free(&stored);
	return rc;
}

/*
 * An image that is not finished is compared where something was rescued,
 * however little that is: *common places of it, of which *differ are not the
 * same on the device.  Returns how many of them are enough.
 */
static size_t
compare_rescued(const struct rescued *r, int device, size_t *common,
    size_t *differ)
{
	char ours[PLACE_BYTES], theirs[PLACE_BYTES];
	const struct mapfile *map = &r->map;
	uint64_t places = mapfile_bytes(map, MAPFILE_RESCUED) / PLACE_BYTES;
	uint64_t step = (places / PLACES_MAX + 1) * PLACE_BYTES, at;
	int64_t end = monotonic_ms() + LOOK_MS;
	size_t i, tried = 0;

	*common = *differ = 0;
	posix_fadvise(device, 0, 0, POSIX_FADV_RANDOM);
	for (i = 0; i < map->count; i++) {
		const struct mapfile_block *b = &map->blocks[i];

		if (b->status != MAPFILE_RESCUED)
			continue;
		for (at = 0; at < b->size && monotonic_ms() < end; at += step) {
			size_t n = b->size - at < PLACE_BYTES ?
			    (size_t)(b->size - at) : PLACE_BYTES;
			off_t from = (off_t)(b->pos + at);

			tried++;
			if (pread(r->fd, theirs, n, from) != (ssize_t)n ||
			    pread(device, ours, n, from) != (ssize_t)n)
				continue;
			++*common;
			*differ += memcmp(ours, theirs, n) != 0;
		}
	}
	return places_needed(tried);
}

static void
derive_from_places(struct known *k, const char *name, const uint8_t *digests,
    size_t count)
{
	char hex[2 * BLAKE3_OUT_LEN + 1];
	blake3_hasher h;

	blake3_hasher_init(&h);
	blake3_hasher_update(&h, digests, count * PLACE_DIGEST);
	blake3_hex(&h, hex);
	known_derive(k->hash, name, hex);
}

/* Is the device this candidate: 1; 0; -1 too little can be compared. */
static int
is_candidate(PGresult *res, int row, const struct identity *id, int fd,
    const uint8_t *ours, size_t count)
{
	size_t common = 0, differ = 0, needed = places_needed(count);
	uint8_t *theirs = xcalloc(count + 1, PLACE_DIGEST);
	int finished = !PQgetisnull(res, row, IMAGED_AT), told = 1;
	struct rescued r;

	if (!finished && rescued_open(res, row, &r) < 0) {
		/* nothing was read of it yet: it is begun again */
		free(theirs);
		return 1;
	}
	if (!finished) {
		needed = compare_rescued(&r, fd, &common, &differ);
		rescued_close(&r);
	} else if (places_of(res, row, id->size, count, theirs) == 0) {
		common = places_compare(ours, theirs, count, &differ);
	} else {
		told = 0;
	}
	free(theirs);
	if (differ > 0)
		return 0;
	if (!told || common < needed)
		return -1;
	say("%zu places of %s compared: it is %s", common, quoted(id->path),
	    db_text(res, row, HASH));
	return 1;
}

static enum known_answer
find_device(PGresult *res, const struct identity *id, const char *name,
    int optical, struct known *k, struct buf *why)
{
	size_t count = places_count(id->size, optical);
	uint8_t *ours = xcalloc(count + 1, PLACE_DIGEST);
	enum known_answer answer = KNOWN_TOLD;
	int row, fd, is, untold = 0;

	snprintf(k->hash, sizeof k->hash, "%s", name);
	k->state = 1;
	if (PQntuples(res) == 0)
		goto out;
	fd = open(id->path, O_RDONLY | O_CLOEXEC | O_DIRECT);
	if (fd < 0)
		fd = open(id->path, O_RDONLY | O_CLOEXEC);
	places_read(fd, id->size, NULL, count, LOOK_MS, ours);
	if (fd >= 0)
		close(fd);
	fd = open(id->path, O_RDONLY | O_CLOEXEC);
	for (row = 0; row < PQntuples(res) && !k->registered; row++) {
		is = is_candidate(res, row, id, fd, ours, count);
		if (is > 0)
			take(k, res, row);
		untold += is < 0;
	}
	if (fd >= 0)
		close(fd);
	if (!k->registered && untold) {
		buf_puts(why, "too little of it can be compared with the "
		    "medium of this name");
		answer = KNOWN_UNTOLD;
	} else if (!k->registered) {
		k->taken_by = xstrdup(db_text(res, 0, HASH));
		derive_from_places(k, name, ours, count);
	}
out:
	free(ours);
	return answer;
}

enum known_answer
known_find(PGconn *db, const struct identity *id, const char *name, int full,
    int optical, struct known *k, struct buf *why)
{
	const char *params[] = { name, *id->v2_image ? id->v2_image : NULL };
	enum known_answer answer;
	PGresult *res;

	memset(k, 0, sizeof *k);
	res = db_query_n(db, sql_identify_known, 2, params);
	if (!res) {
		errno = 0;
		return KNOWN_FAILED;
	}
	answer = id->kind == IDENTITY_DIRECTORY ?
	    find_state(res, id, name, k) : id->kind == IDENTITY_DEVICE ?
	    find_device(res, id, name, optical, k, why) :
	    find_image(db, res, id, name, full, k, why);
	PQclear(res);
	return answer;
}
