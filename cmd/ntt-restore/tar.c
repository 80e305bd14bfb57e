#define _GNU_SOURCE
#include "tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/diag.h"
#include "base/num.h"
#include "base/progress.h"
#include "base/sig.h"
#include "bag.h"
#include "catalogue/db.h"
#include "left.h"
#include "sql/statements.h"
#include "store/blob_read.h"

/* What is larger is read twice: its header comes before its bytes. */
enum { IN_MEMORY = 8 << 20 };

/* An owner or a group of the medium. */
struct owner {
	int is_group;
	int64_t id;
	char *name;
};

static struct archive *tar;
static int is_zip, is_bag;
static struct buf bag_info;
static uint64_t odd_names;	/* that are not UTF-8, in a zip archive */
static char *directory;		/* before every path, with its slash; "" */
static struct owner *owners;
static int owner_count;

static void __attribute__((noreturn))
failed(void)
{
	progress_stop();
	errno = archive_errno(tar);
	if (errno)
		die_errno("could not write the archive: %m");
	die(EXIT_FAILED, "could not write the archive: %s",
	    archive_error_string(tar));
}

/*
 * Contents are stored as they are: most of what is large is compressed already.
 * Nothing follows the end of a zip archive.
 */
static int
set_zip(void)
{
	return archive_write_set_format_zip(tar) == ARCHIVE_OK &&
	    archive_write_zip_set_compression_store(tar) == ARCHIVE_OK &&
	    archive_write_set_bytes_in_last_block(tar, 1) == ARCHIVE_OK;
}

static int
set_pax(void)
{
	return archive_write_set_format_pax(tar) == ARCHIVE_OK &&
	    archive_write_set_options(tar, "xattrheader=SCHILY") ==
	    ARCHIVE_OK;
}

void
tar_open(enum tar_format format, const char *bag)
{
	is_zip = format == TAR_ZIP;
	is_bag = bag != NULL;
	if (bag) {
		char *name = xasprintf("bag-%s", bag);

		bag_start(name, bag);
		free(name);
		buf_printf(&bag_info, "Bag-Software-Agent: ntt-restore %s\n",
		    NTT_VERSION);
	}
	/* names are written as they are; libarchive says which are no UTF-8 */
	setlocale(LC_CTYPE, "C.UTF-8");
	tar = archive_write_new();
	if (!tar || !(is_zip ? set_zip() : set_pax()) ||
	    archive_write_open_fd(tar, STDOUT_FILENO) != ARCHIVE_OK)
		out_of_memory();
}

void
tar_bag_info(const char *label, const char *value)
{
	if (!is_bag || !value || !*value)
		return;
	buf_printf(&bag_info, "%s: ", label);
	buf_escape(&bag_info, value, strlen(value));
	buf_putc(&bag_info, '\n');
}

static void
forget_owners(void)
{
	while (owner_count > 0)
		free(owners[--owner_count].name);
	free(owners);
	owners = NULL;
	free(directory);
}

void
tar_medium(PGconn *db, const char *medium, const char *prefix)
{
	PGresult *res = db_query(db, sql_restore_owners, medium);
	int i;

	if (!res)
		db_die("could not read the owners of medium %s", medium);
	forget_owners();
	directory = prefix ? xasprintf("%s/", prefix) : xstrdup("");
	owners = xcalloc((size_t)PQntuples(res) + 1, sizeof *owners);
	for (i = 0; i < PQntuples(res); i++) {
		struct buf name = BUF_INIT;

		db_bytea_value(res, i, 2, &name);
		owners[i].is_group = db_bool(res, i, 0);
		owners[i].id = db_int(res, i, 1);
		owners[i].name = buf_detach(&name);
	}
	owner_count = PQntuples(res);
	PQclear(res);
}

static const char *
owner_name(int is_group, int64_t id)
{
	int i;

	for (i = 0; i < owner_count; i++)
		if (owners[i].is_group == is_group && owners[i].id == id)
			return owners[i].name;
	return NULL;
}

static char *
full_name(const char *path)
{
	struct buf b = BUF_INIT;
	char *name;

	if (!is_bag)
		return xasprintf("%s%s", directory, *path || *directory ?
		    path : "./");
	name = xasprintf("%s%s", directory, path);
	bag_path(&b, name, strlen(name));
	free(name);
	return buf_detach(&b);
}

/* An access control list, as the kernel's attributes have it. */
static int
add_acl(struct archive_entry *ae, int type, const unsigned char *acl,
    size_t len)
{
	enum { HEADER = 4, ENTRY = 8, VERSION = 2 };
	size_t at;

	if (len < HEADER || le32(acl) != VERSION || (len - HEADER) % ENTRY)
		return -1;
	for (at = HEADER; at < len; at += ENTRY) {
		unsigned int kind = (unsigned int)le_number(acl + at, 2);
		int may = (int)le_number(acl + at + 2, 2) & 7, tag;
		uint32_t id = le32(acl + at + 4);
		int perms = (may & 4 ? ARCHIVE_ENTRY_ACL_READ : 0) |
		    (may & 2 ? ARCHIVE_ENTRY_ACL_WRITE : 0) |
		    (may & 1 ? ARCHIVE_ENTRY_ACL_EXECUTE : 0);

		switch (kind) {
		case 0x01:
			tag = ARCHIVE_ENTRY_ACL_USER_OBJ;
			break;
		case 0x02:
			tag = ARCHIVE_ENTRY_ACL_USER;
			break;
		case 0x04:
			tag = ARCHIVE_ENTRY_ACL_GROUP_OBJ;
			break;
		case 0x08:
			tag = ARCHIVE_ENTRY_ACL_GROUP;
			break;
		case 0x10:
			tag = ARCHIVE_ENTRY_ACL_MASK;
			break;
		case 0x20:
			tag = ARCHIVE_ENTRY_ACL_OTHER;
			break;
		default:
			return -1;
		}
		archive_entry_acl_add_entry(ae, type, perms, tag, (int)id,
		    NULL);
	}
	return 0;
}

/*
 * libarchive writes other bytes as %XX.  Of these GNU tar reads back only
 * %25 and %3D.
 */
static int
keeps_name(const char *name)
{
	for (; *name; name++)
		if (*name <= ' ' || *name > '~')
			return 0;
	return 1;
}

static void
add_xattr(void *arg, const char *name, const void *value, size_t len)
{
	struct archive_entry *ae = arg;

	if (!strcmp(name, "system.posix_acl_access") &&
	    add_acl(ae, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, value, len) == 0)
		return;
	if (!strcmp(name, "system.posix_acl_default") &&
	    add_acl(ae, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, value, len) == 0)
		return;
	archive_entry_xattr_add_entry(ae, name, value, len);
	if (!keeps_name(name)) {
		errno = EOPNOTSUPP;
		meta_lost(META_XATTR_NAME);
	}
}

static void
add_xattrs(struct maker *m, const struct item *e, struct archive_entry *ae)
{
	size_t at = 0, name_len, value_len;
	const char *bytes;
	const void *value;
	char *name;

	while (meta_next_xattr(&e->meta, &at, &bytes, &name_len, &value,
	    &value_len)) {
		name = strndup(bytes, name_len);
		if (!name)
			out_of_memory();
		add_xattr(ae, name, value, value_len);
		free(name);
	}
	make_large_xattrs(m, e, add_xattr, ae);
}

/*
 * libarchive writes seconds, a point and nanoseconds; before 1970 the fraction
 * of a negative number counts the other way.
 */
static struct timespec
as_written(const struct timespec *t)
{
	struct timespec out = *t;

	if (t->tv_sec < 0 && t->tv_nsec > 0) {
		out.tv_sec = t->tv_sec == -1 ? -1 : t->tv_sec + 1;
		out.tv_nsec = t->tv_sec == -1 ? 0 : 1000000000 - t->tv_nsec;
	}
	return out;
}

/* A zip archive has seconds in 32 bits. */
static int
has_place(const struct timespec *t)
{
	return t->tv_nsec != UTIME_OMIT && (!is_zip ||
	    (t->tv_sec >= INT32_MIN && t->tv_sec <= INT32_MAX));
}

static void
add_times(const struct item *e, struct archive_entry *ae)
{
	struct timespec mtime = as_written(&e->meta.times[1]);
	struct timespec atime = as_written(&e->meta.times[0]);

	if (!is_zip && e->meta.times[1].tv_sec == -1 &&
	    mtime.tv_nsec != e->meta.times[1].tv_nsec) {
		errno = EOVERFLOW;	/* -0.5 would be read as 0.5 */
		meta_lost(META_TIMES);
	}
	if (has_place(&e->meta.times[1])) {
		archive_entry_set_mtime(ae, mtime.tv_sec, mtime.tv_nsec);
	} else if (is_zip) {
		errno = EOVERFLOW;
		meta_lost(META_TIMES);
	}
	if (has_place(&e->meta.times[0]))
		archive_entry_set_atime(ae, atime.tv_sec, atime.tv_nsec);
}

static struct archive_entry *
header(struct maker *m, const struct item *e, mode_t type)
{
	struct archive_entry *ae = archive_entry_new();
	const char *owner;
	char *name;

	if (!ae)
		out_of_memory();
	name = full_name(e->path);
	archive_entry_copy_pathname(ae, name);
	free(name);
	archive_entry_set_mode(ae, type | (mode_t)(e->meta.mode >= 0 ?
	    e->meta.mode : S_ISLNK(type) ? 0777 : S_ISDIR(type) ? 0755 :
	    0644));
	if (e->meta.uid >= 0)
		archive_entry_set_uid(ae, e->meta.uid);
	if (e->meta.gid >= 0)
		archive_entry_set_gid(ae, e->meta.gid);
	owner = owner_name(0, e->meta.uid);
	if (owner)
		archive_entry_copy_uname(ae, owner);
	owner = owner_name(1, e->meta.gid);
	if (owner)
		archive_entry_copy_gname(ae, owner);
	add_times(e, ae);
	if (is_zip)
		return ae;
	if (e->meta.rdev >= 0 && (S_ISBLK(type) || S_ISCHR(type))) {
		archive_entry_set_rdevmajor(ae, (dev_t)(e->meta.rdev >> 32));
		archive_entry_set_rdevminor(ae,
		    (dev_t)(e->meta.rdev & 0xffffffff));
	}
	if (e->meta.flags > 0)
		archive_entry_set_fflags(ae, (unsigned long)e->meta.flags, 0);
	add_xattrs(m, e, ae);
	return ae;
}

/*
 * In a zip archive a flag says that a name is UTF-8.  libarchive sets it by the
 * locale, and for bytes that are not UTF-8 it must not be set: some programs
 * would open nothing of such an archive.
 */
static void
set_charset(struct archive_entry *ae)
{
	const char *name = archive_entry_pathname(ae);
	int odd = !utf8_valid(name, strlen(name));

	setlocale(LC_CTYPE, odd ? "C" : "C.UTF-8");
	odd_names += (uint64_t)odd;
}

static void
write_header(struct archive_entry *ae)
{
	int rc;

	if (is_zip)
		set_charset(ae);
	rc = archive_write_header(tar, ae);
	/* a warning is about what other programs may not understand */
	if (rc == ARCHIVE_WARN) {
		progress_hide();
		detail("%s", archive_error_string(tar));
	} else if (rc != ARCHIVE_OK) {
		failed();
	}
	archive_entry_free(ae);
}

static void
write_data(const void *bytes, size_t len)
{
	const char *p = bytes;
	la_ssize_t n;

	for (; len > 0; p += n, len -= (size_t)n) {
		n = archive_write_data(tar, p, len);
		/* what lies in a hole is taken, too */
		if (n <= 0)
			failed();
	}
}

/* A content on its way: first looked at, then written. */
struct content {
	struct maker *m;
	const struct item *e;
	struct buf small;
	uint64_t size;
	size_t hole;
	int holes_are_zero;
};

static void
look_at_holes(struct content *c, const char *bytes, size_t len)
{
	const struct item *e = c->e;
	size_t i;

	for (i = c->hole; i < e->hole_count && e->holes[i].from <
	    c->size + len; i++) {
		uint64_t from = e->holes[i].from, to = e->holes[i].to;

		if (to <= c->size) {
			c->hole = i + 1;
			continue;
		}
		from = from < c->size ? 0 : from - c->size;
		to = to > c->size + len ? len : to - c->size;
		if (!all_zero(bytes + from, (size_t)(to - from)))
			c->holes_are_zero = 0;
	}
}

static int
look(void *arg, const void *bytes, size_t len)
{
	struct content *c = arg;

	look_at_holes(c, bytes, len);
	if (is_bag)
		bag_bytes(bytes, len);
	c->size += len;
	if (c->size <= IN_MEMORY)
		buf_put(&c->small, bytes, len);
	return 0;
}

static int
write_block(void *arg, const void *bytes, size_t len)
{
	struct content *c = arg;

	write_data(bytes, len);
	c->m->done += len;
	progress_set(c->m->done);
	return 0;
}

/* Data is what is between the holes. */
static void
add_sparse(const struct content *c, struct archive_entry *ae)
{
	const struct item *e = c->e;
	uint64_t at = 0;
	size_t i;

	if (e->hole_count == 0 || !c->holes_are_zero)
		return;
	for (i = 0; i < e->hole_count; i++) {
		if (e->holes[i].from > at && e->holes[i].from <= c->size)
			archive_entry_sparse_add_entry(ae, (la_int64_t)at,
			    (la_int64_t)(e->holes[i].from - at));
		at = e->holes[i].to;
	}
	if (at < c->size)
		archive_entry_sparse_add_entry(ae, (la_int64_t)at,
		    (la_int64_t)(c->size - at));
	/* one hole: libarchive takes a file without any data for a full one */
	if (e->holes[0].from == 0 && e->holes[0].to >= c->size)
		archive_entry_sparse_add_entry(ae, 0, 0);
}

static void
note_in_bag(const struct archive_entry *ae, uint64_t size)
{
	struct buf name = BUF_INIT;

	buf_puts(&name, archive_entry_pathname((struct archive_entry *)
	    (uintptr_t)ae));
	bag_file(&name, size);
	buf_free(&name);
}

static int
write_file(struct maker *m, const struct item *e)
{
	struct content c = { .m = m, .e = e, .holes_are_zero = 1 };
	struct blob_sink sink = { .buf = m->buf, .put = look, .arg = &c,
		.stop = sig_caught };
	enum blob_outcome outcome;
	struct archive_entry *ae;

	if (is_bag)
		bag_begin();
	outcome = blob_read(&m->store, e->blob, &sink);
	if (outcome != BLOB_GOOD) {
		make_blame_blob(m, e, (int)outcome, errno);
		buf_free(&c.small);
		return -1;
	}
	ae = header(m, e, S_IFREG);
	if (is_bag)
		note_in_bag(ae, c.size);
	archive_entry_set_size(ae, (la_int64_t)c.size);
	add_sparse(&c, ae);
	write_header(ae);
	if (c.size <= IN_MEMORY) {
		if (c.small.len)
			write_block(&c, c.small.data, c.small.len);
	} else {
		sink.put = write_block;
		outcome = blob_read(&m->store, e->blob, &sink);
		if (outcome != BLOB_GOOD && !sig_caught()) {
			progress_stop();
			die(EXIT_FAILED, "%s changed while it was written; "
			    "the archive is not complete", e->blob);
		}
	}
	buf_free(&c.small);
	m->made++;
	return 0;
}

static void
write_link(struct maker *m, const struct item *e)
{
	struct archive_entry *ae = header(m, e, e->type == 'l' ? S_IFLNK :
	    S_IFREG);
	char *first = full_name(e->first);

	archive_entry_unset_size(ae);
	archive_entry_copy_hardlink(ae, first);
	write_header(ae);
	free(first);
	m->links++;
}

static int
write_symlink(struct maker *m, const struct item *e)
{
	struct buf target = BUF_INIT;
	struct archive_entry *ae;

	if (make_link_target(m, e, &target) < 0) {
		buf_free(&target);
		return -1;
	}
	/* a payload has files only */
	if (is_bag) {
		bag_entry(e, &target);
		buf_free(&target);
		return 0;
	}
	ae = header(m, e, S_IFLNK);
	archive_entry_copy_symlink(ae, target.data);
	write_header(ae);
	buf_free(&target);
	m->made++;
	return 0;
}

static int
write_node(struct maker *m, const struct item *e)
{
	mode_t type = e->type == 'd' ? S_IFDIR : e->type == 'b' ? S_IFBLK :
	    e->type == 'c' ? S_IFCHR : S_IFIFO;

	if (is_bag && e->type == 'd') {
		bag_entry(e, NULL);
		return 0;
	}
	if (e->type == 's' || ((is_zip || is_bag) && e->type != 'd')) {
		left_out(e->path, e->len, "a %s cannot hold a %s", is_bag ?
		    "bag" : is_zip ? "zip archive" : "tar archive",
		    e->type == 's' ? "socket" :
		    e->type == 'p' ? "pipe" : "device");
		return -1;
	}
	if ((type == S_IFBLK || type == S_IFCHR) && e->meta.rdev < 0) {
		left_out(e->path, e->len, "the numbers of this device are "
		    "not known");
		return -1;
	}
	write_header(header(m, e, type));
	m->made++;
	return 0;
}

void
tar_entry(struct maker *m, const struct item *e, int below)
{
	int rc = 0;

	/* of the root only when all was asked for */
	if ((e->len == 0 && (!below || (is_zip && !is_bag))) ||
	    !make_may(m, e))
		return;
	/* a zip archive and a bag have the content once for each name */
	if (!is_zip && !is_bag && plan_is_link(e) && !make_first_failed(m, e))
		write_link(m, e);
	else if (e->type == 'f')
		rc = write_file(m, e);
	else if (e->type == 'l')
		rc = write_symlink(m, e);
	else
		rc = write_node(m, e);
	if (rc < 0)
		make_note_failed(m, e);
	if (rc < 0 || sig_caught())
		return;
	if (is_bag && e->type == 'f')
		bag_entry(e, NULL);
	if (e->damaged)
		make_note_damage(m, e);
	if (e->streams_len && below && !plan_is_link(e))
		make_streams(m, e, write_file);
}

static void
write_text_header(const char *name, uint64_t size)
{
	struct archive_entry *ae = archive_entry_new();

	if (!ae)
		out_of_memory();
	archive_entry_copy_pathname(ae, name);
	archive_entry_set_mode(ae, S_IFREG | 0644);
	archive_entry_set_mtime(ae, time(NULL), 0);
	archive_entry_set_size(ae, (la_int64_t)size);
	write_header(ae);
}

void
tar_text(const char *name, const struct buf *text)
{
	char *tag = xasprintf("metadata/%s", name);
	char *in_bag = is_bag ? xasprintf("%s/%s", bag_directory(), tag) :
	    NULL;

	write_text_header(in_bag ? in_bag : name, text->len);
	write_data(text->data, text->len);
	if (is_bag)
		bag_tag(tag, text);
	free(in_bag);
	free(tag);
}

static void
write_tag(const char *name, struct spool *bytes)
{
	char *in_bag = xasprintf("%s/%s", bag_directory(), name);
	char part[65536];
	long n;

	write_text_header(in_bag, bytes->bytes);
	while ((n = spool_some(bytes, part, sizeof part)) > 0)
		write_data(part, (size_t)n);
	if (n < 0)
		die_errno("could not read a list: %m");
	free(in_bag);
}

void
tar_close(void)
{
	if (is_bag)
		bag_end(&bag_info, write_tag);
	if (archive_write_close(tar) != ARCHIVE_OK)
		failed();
	buf_free(&bag_info);
	if (odd_names > 0)
		say("%s names are not UTF-8; other programs may show other "
		    "letters for them", num_grouped(odd_names));
	archive_write_free(tar);
	forget_owners();
}
