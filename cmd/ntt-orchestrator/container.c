#define _GNU_SOURCE
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/json_read.h"
#include "base/medium_files.h"
#include "base/progress.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "hash/blake3_hex.h"
#include "sql/statements.h"
#include "opening.h"

static void
prepare_header(struct opening *o)
{
	int fd = open_part(o, &o->parts[0]);
	const char *wrong;

	wrong = container_header(fd, o->parts[0].size, &o->skip, &o->size);
	close(fd);
	if (wrong)
		cannot(o, ", and %s", wrong);
	o->needs = o->size;
}

static void
make_filter(struct opening *o)
{
	static const char file[] = "/in/image";
	const char *const args[] = { "-dc", "--", file, NULL };
	/* whatever was compressed with a larger window, too */
	const char *const zstd[] = { "-dcq", "--long=31", "--", file, NULL };
	struct engine e;

	free(o->parts[0].as);
	o->parts[0].as = xstrdup("image");
	engine_for(o, &e, o->kind->option);
	/* nobody knows how much there is */
	e.seconds = UINT32_MAX;
	take_output(o, &e, strcmp(o->kind->option, "zstd") ? args : zstd);
	engine_end(&e);
}

/* ---- differencing VHD ---- */

static void
prepare_vhd(struct opening *o)
{
	struct vhd *v;
	const char *why;
	struct part *p;
	size_t i;

	o->vhd = xcalloc(CHAIN, sizeof *o->vhd);
	for (i = 0; ; i++) {
		v = &o->vhd[i];
		if (vhd_open(v, open_part(o, &o->parts[i]), o->parts[i].size,
		    &why) < 0 && i > 0)
			cannot(o, " whose parent %s is a file%s",
			    quoted(o->parts[i].path), why);
		else if (why)
			cannot(o, "%s", why);
		if (i > 0 && memcmp(v->id, v[-1].parent_id, VHD_ID))
			cannot(o, " that needs another parent than %s, which "
			    "has the name of it", quoted(o->parts[i].path));
		if (v->size != o->vhd[0].size)
			cannot(o, " whose parent %s is not as large as "
			    "itself", quoted(o->parts[i].path));
		o->needs += v->type == VHD_FIXED ? v->size : v->allocated;
		if (v->type != VHD_DIFFERENCING)
			break;
		if (i + 1 == CHAIN)
			cannot(o, " with more than %d parents", CHAIN - 1);
		p = *v->parent ? find_in_any_case(o, v->parent) : NULL;
		if (!p)
			cannot(o, " that needs its parent %s, which is not "
			    "beside it", quoted(v->parent));
	}
	o->depth = i + 1;
	o->size = o->vhd[0].size;
	if (o->needs > o->size)
		o->needs = o->size;
}

static void
make_vhd(struct opening *o)
{
	char *bytes = xmalloc(CHUNK);
	uint64_t at;
	size_t n, i;

	for (at = 0; at < o->size; at += n) {
		n = o->size - at < CHUNK ? (size_t)(o->size - at) : CHUNK;
		if (vhd_read(o->vhd, o->depth, bytes, n, at) < 0)
			cannot(o, ", and it could not be read in full");
		put_bytes(o, bytes, n, at);
		keep_going(o, at);
	}
	for (i = 0; i < o->depth; i++) {
		close(o->vhd[i].fd);
		vhd_close(&o->vhd[i]);
	}
	free(o->vhd);
	o->vhd = NULL;
	free(bytes);
}

static void
make_headed(struct opening *o)
{
	char *bytes = xmalloc(CHUNK);
	int fd = open_part(o, &o->parts[0]);
	uint64_t at;
	size_t n;

	for (at = 0; at < o->size; at += n) {
		n = o->size - at < CHUNK ? (size_t)(o->size - at) : CHUNK;
		if (pread_full(fd, bytes, n, (off_t)(o->skip + at)) !=
		    (ssize_t)n)
			cannot(o, ", and it could not be read in full");
		put_bytes(o, bytes, n, at);
		keep_going(o, at);
	}
	close(fd);
	free(bytes);
}

static void
make_joined(struct opening *o)
{
	char *bytes = xmalloc(CHUNK);
	uint64_t at = 0, from;
	size_t i;
	ssize_t n;

	for (i = 0; i < o->count; i++) {
		int fd = open_part(o, &o->parts[i]);

		for (from = 0; (n = pread_full(fd, bytes, CHUNK,
		    (off_t)from)) > 0; from += (uint64_t)n, at += (uint64_t)n) {
			put_bytes(o, bytes, (size_t)n, at);
			keep_going(o, at);
		}
		if (n < 0 || from != o->parts[i].size)
			cannot(o, ", and %s could not be read",
			    quoted(o->parts[i].path));
		close(fd);
	}
	o->size = at;
	free(bytes);
}

/* BLAKE3 of the raw image, in which holes are quick. */
static void
take_fingerprint(const struct opening *o, char hex[65])
{
	char *bytes = xmalloc(CHUNK);
	blake3_hasher h;
	uint64_t at = 0;
	ssize_t n;

	blake3_hasher_init(&h);
	progress_start("hashing", NULL, PROGRESS_BYTES, o->size);
	while ((n = pread_full(o->fd, bytes, CHUNK, (off_t)at)) > 0) {
		blake3_hasher_update(&h, bytes, (size_t)n);
		progress_set(at += (uint64_t)n);
		if (sig_caught())
			exit(EXIT_SIGNAL + sig_caught());
	}
	progress_stop();
	if (n < 0)
		die_errno("could not read the raw image of %s: %m",
		    quoted(o->path));
	blake3_hex(&h, hex);
	free(bytes);
}

static int
parts_unchanged(const struct opening *o)
{
	struct stat st;
	size_t i;

	for (i = 0; i < o->count; i++)
		if (lstat(o->parts[i].path, &st) < 0 ||
		    st.st_dev != o->parts[i].st.st_dev ||
		    st.st_ino != o->parts[i].st.st_ino ||
		    st.st_size != o->parts[i].st.st_size ||
		    st.st_mtim.tv_sec != o->parts[i].st.st_mtim.tv_sec ||
		    st.st_mtim.tv_nsec != o->parts[i].st.st_mtim.tv_nsec)
			return 0;
	return 1;
}

static void
make_raw(struct opening *o, struct run_container *c)
{
	make_temporary(o, c->key);
	/* what compresses tells nobody how much it will be, but not less */
	need_room(o, o->needs ? o->needs : o->parts[0].size);
	say("%s is %s: its raw image is made in %s", quoted(o->path), c->text,
	    quoted(config_get(CONFIG_IMAGE_ROOT)));
	progress_start("opening", NULL, PROGRESS_BYTES, o->needs);
	if (!o->kind)
		make_joined(o);
	else if (o->kind->engine == CONTAINER_QEMU)
		make_qemu(o);
	else if (o->kind->engine == CONTAINER_EWF)
		make_ewf(o);
	else if (o->kind->engine == CONTAINER_AFF)
		make_aff(o);
	else if (o->kind->engine == CONTAINER_HEADER ||
	    o->kind->engine == CONTAINER_KEY)
		make_headed(o);
	else if (o->kind->engine == CONTAINER_VHD)
		make_vhd(o);
	else if (o->kind->engine == CONTAINER_SECTORS ||
	    o->kind->engine == CONTAINER_DISC)
		make_disc(o);
	else
		make_filter(o);
	if (o->key_file)
		open_volumes(o);
	progress_stop();
	/* for whom the container is */
	if (ftruncate(o->fd, (off_t)o->size) < 0 || fchmod(o->fd,
	    0600 | (o->parts[0].st.st_mode & 0044)) < 0 || fsync(o->fd) < 0)
		die_errno("could not write the raw image of %s: %m",
		    quoted(o->path));
	write_map(o);
	if (!parts_unchanged(o))
		cannot(o, " that changed while it was read");
	refuse_nested(o);
	take_fingerprint(o, c->fingerprint);
	c->raw = xstrdup(o->temporary);
	c->made = 1;
}

/* ---- what the catalogue keeps ---- */

static void
describe(struct run_container *c, const struct opening *o)
{
	struct buf b = BUF_INIT;
	char mtime[48], *path;
	size_t i;

	json_begin_object(&b, NULL);
	json_text(&b, "format", o->kind ? o->kind->name : "split");
	json_text(&b, "key", c->key);
	json_begin_array(&b, "parts");
	for (i = 0; i < o->count; i++) {
		const struct part *p = &o->parts[i];

		snprintf(mtime, sizeof mtime, "%lld.%09ld",
		    (long long)p->st.st_mtim.tv_sec, p->st.st_mtim.tv_nsec);
		path = db_path(p->path);
		json_begin_object(&b, NULL);
		json_text(&b, "path", path);
		json_u64(&b, "size", p->size);
		json_text(&b, "mtime", mtime);
		json_end_object(&b);
		free(path);
	}
	json_end_array(&b);
	json_end_object(&b);
	c->json = buf_detach(&b);
}

/* It is another one with its volumes open. */
static char *
key_of(const struct stat *st, int open)
{
	return xasprintf("%llu:%llu:%lld:%lld.%09ld:%lld.%09ld%s",
	    (unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
	    (long long)st->st_size, (long long)st->st_mtim.tv_sec,
	    st->st_mtim.tv_nsec, (long long)st->st_ctim.tv_sec,
	    st->st_ctim.tv_nsec, open ? ":open" : "");
}

/* Opened before: its raw image is there still, or is needed no more. */
static int
is_known(struct run_container *c, PGconn *db, int again)
{
	PGresult *res;
	struct stat st;
	char *image;
	int known = 0;

	if (!db)
		return 0;
	res = db_query(db, sql_orchestrator_container, c->key);
	if (!res)
		db_die("could not look up %s", quoted(c->path));
	if (PQntuples(res) > 0) {
		image = db_path_value(res, 0, 1);
		if (image && stat(image, &st) == 0 &&
		    st.st_size == db_int(res, 0, 2)) {
			c->raw = xstrdup(image);
			c->json = xstrdup(db_text(res, 0, 4));
			known = 1;
		} else if (db_bool(res, 0, 3) && !again) {
			c->done = xstrdup(db_text(res, 0, 0));
			known = 1;
		}
		free(image);
	}
	PQclear(res);
	return known;
}

/* An image that has its medium's name is what it is. */
static int
is_of_a_medium(const char *path)
{
	const char *base = base_of(path);
	char *root = realpath(config_get(CONFIG_IMAGE_ROOT), NULL);
	size_t len = root ? strlen(root) : 0;
	int yes = len && strlen(base) == 36 &&
	    strspn(base, "0123456789abcdef") == 32 &&
	    !strncmp(path, root, len) && path + len + 1 == base;

	free(root);
	return yes;
}

int
run_container_open(struct run_container *c, const char *operand,
    const char *key_file, PGconn *db, int again, int plan)
{
	struct opening o = { .fd = -1, .key_file = key_file };
	struct stat st;
	int fd = open(operand, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;

	memset(c, 0, sizeof *c);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		/* another program says what is wrong with it */
		if (fd >= 0)
			close(fd);
		return 0;
	}
	c->path = realpath(operand, NULL);
	if (!c->path)
		die_errno("could not resolve %s: %m", quoted(operand));
	o.path = c->path;
	errno = 0;
	o.kind = container_probe(fd, (uint64_t)st.st_size);
	err = errno;
	close(fd);
	if (!o.kind && err) {
		errno = err;
		die_errno("could not read %s: %m", quoted(c->path));
	}
	if (is_of_a_medium(c->path))
		o.kind = NULL;
	add_part(&o, c->path, ".0", &st);
	if (!o.kind && (is_of_a_medium(c->path) || !find_split(&o)) &&
	    key_file) {
		o.kind = container_named("encrypted");
	} else if (!o.kind && o.count == 1) {
		run_container_free(c);
		return 0;
	}
	if (o.kind && o.kind->engine == CONTAINER_NOT_OPENED)
		cannot(&o, ": %s", o.kind->way);
	c->text = o.kind ? o.kind->text : "an image in parts";
	c->key = key_of(&st, key_file != NULL);
	if (is_known(c, db, again))
		return 1;
	if (plan) {
		printf("%s is %s: its raw image would be made in %s first\n",
		    quoted(c->path), c->text,
		    quoted(config_get(CONFIG_IMAGE_ROOT)));
		return 1;
	}
	if (o.kind && o.kind->engine == CONTAINER_QEMU)
		prepare_qemu(&o);
	else if (o.kind && o.kind->engine == CONTAINER_EWF)
		prepare_ewf(&o);
	else if (o.kind && o.kind->engine == CONTAINER_AFF)
		prepare_aff(&o);
	else if (o.kind && o.kind->engine == CONTAINER_HEADER)
		prepare_header(&o);
	else if (o.kind && o.kind->engine == CONTAINER_VHD)
		prepare_vhd(&o);
	else if (o.kind && o.kind->engine == CONTAINER_KEY)
		prepare_encrypted(&o);
	else if (o.kind && o.kind->engine == CONTAINER_SECTORS)
		prepare_sectors(&o);
	else if (o.kind && o.kind->engine == CONTAINER_DISC)
		prepare_disc(&o);
	else if (o.kind)
		need_engine(&o, o.kind->option);
	if (!again)
		refuse_empty_giant(&o);
	make_raw(&o, c);
	describe(c, &o);
	return 1;
}

/* ---- the name of the raw image ---- */

static int
same_bytes(const char *a, const char *b)
{
	char *x = xmalloc(CHUNK), *y = xmalloc(CHUNK);
	int one = open(a, O_RDONLY | O_CLOEXEC);
	int two = open(b, O_RDONLY | O_CLOEXEC), same = one >= 0 && two >= 0;
	off_t at = 0;
	ssize_t n;

	while (same && (n = pread_full(one, x, CHUNK, at)) > 0) {
		same = pread_full(two, y, CHUNK, at) == n &&
		    !memcmp(x, y, (size_t)n);
		at += n;
	}
	same = same && n == 0 && pread_full(two, y, 1, at) == 0;
	if (one >= 0)
		close(one);
	if (two >= 0)
		close(two);
	free(x);
	free(y);
	return same;
}

/*
 * Before its image has its name: nobody may take zeros for what it was.  An
 * image that is there already keeps its own map.
 */
static void
give_map_name(const struct run_container *c, const char *final)
{
	char *map = image_map(c->raw), *name = image_map(final);

	if (access(final, F_OK) == 0)
		unlink(map);
	else if (rename(map, name) < 0 && errno != ENOENT)
		die_errno("could not name the map of %s: %m", quoted(c->path));
	free(map);
	free(name);
}

static void
give_name(struct run_container *c, const struct run_medium *m)
{
	char *final = medium_image(m->hash);

	give_map_name(c, final);

	if (renameat2(AT_FDCWD, c->raw, AT_FDCWD, final,
	    RENAME_NOREPLACE) < 0) {
		if (errno != EEXIST)
			die_errno("could not name the raw image of %s: %m",
			    quoted(c->path));
		if (!same_bytes(c->raw, final))
			die(EXIT_REFUSED, "%s is there already, and is not "
			    "what is in %s", quoted(final), quoted(c->path));
		unlink(c->raw);
	}
	keep_temporary();
	c->made = 0;
	if (fsync_parent(final) < 0)
		die_errno("could not write %s: %m", quoted(final));
	free(c->raw);
	c->raw = final;
}

/* The image that the medium has without this one; NULL: none. */
static char *
other_image(const struct run_medium *m, PGconn *db, int *archived)
{
	PGresult *res = db_query(db, sql_orchestrator_image, m->hash);
	char *image = NULL, *ours = medium_image(m->hash);
	int made = 0;

	if (!res)
		db_die("could not look up %s", m->hash);
	*archived = 0;
	if (PQntuples(res) > 0) {
		image = db_path_value(res, 0, 0);
		*archived = db_bool(res, 0, 1);
		made = db_bool(res, 0, 2);
	}
	PQclear(res);
	/* of a container that was given before: this one takes its place */
	if (image && ((made && !strcmp(image, ours)) ||
	    access(image, R_OK) < 0)) {
		free(image);
		image = NULL;
	}
	free(ours);
	return image;
}

static char *
human_name(const char *path)
{
	const char *base = base_of(path), *dot = strrchr(base, '.');
	struct buf b = BUF_INIT;

	buf_escape(&b, base, dot > base ? (size_t)(dot - base) :
	    strlen(base));
	return buf_detach(&b);
}

/* The raw image is no file that anybody knows. */
static void
identify_as(const struct run_container *c, struct run_medium *m)
{
	json_t *object = m->identity ? json_loads(m->identity, 0, NULL) : NULL;
	char *path = db_path(c->path), *text;

	free(m->human);
	m->human = human_name(c->path);
	json_object_set_new(object, "path", json_string(path));
	json_object_set_new(object, "human", json_string(m->human));
	json_object_del(object, "file");
	text = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) :
	    NULL;
	if (text) {
		free(m->identity);
		m->identity = xstrdup(text);
	}
	free(text);
	free(path);
	json_decref(object);
}

void
run_container_settle(struct run_container *c, struct run_medium *m,
    PGconn *db, int again)
{
	int archived = 0;
	char *other = db && m->registered ? other_image(m, db, &archived) :
	    NULL;

	if (c->made && (other || (archived && !again))) {
		/* known by another file: nothing of this one is needed */
		say("what is in %s is medium %s, which has an image or an "
		    "archive already", quoted(c->path), m->hash);
		free(m->path);
		m->path = other ? other : xstrdup(c->path);
		other = NULL;
		discard_temporary();
		keep_temporary();
		c->made = 0;
	} else {
		if (c->made)
			give_name(c, m);
		free(m->path);
		m->path = xstrdup(c->raw);
		identify_as(c, m);
		m->container = xstrdup(c->path);
		m->container_json = xstrdup(c->json);
		/* it is another one once it has its name */
		free(m->file);
		m->file = NULL;
		if (!m->fingerprint && *c->fingerprint)
			m->fingerprint = xstrdup(c->fingerprint);
	}
	free(other);
}

void
run_container_free(struct run_container *c)
{
	free(c->path);
	free(c->raw);
	free(c->json);
	free(c->key);
	free(c->done);
	memset(c, 0, sizeof *c);
}
