#define _GNU_SOURCE
#include "container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/json_read.h"
#include "base/medium_files.h"
#include "base/num.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/words.h"
#include "catalogue/db.h"
#include "hash/blake3_hex.h"
#include "image/container.h"
#include "image/content_probe.h"
#include "image/layout.h"
#include "image/mapfile.h"
#include "sql/statements.h"
#include "disc.h"
#include "engine.h"
#include "luks.h"
#include "vhd.h"

enum {
	CHAIN = 16,		/* parents of parents */
	PARTS = 16384,
	BLOCK = 1 << 16,	/* zeros of so many bytes are a hole */
	CHUNK = 1 << 20,
	SECTOR = 512,
	LOOK_MS = 60000,
	STEP_MS = 200,
	GRACE_MS = 2000,
	LOST_MOST = 1 << 20,
	TEXT_MAX = 1 << 20,
	LIST_MAX = 64 << 20,
	PAGE_MOST = 256 << 20	/* bytes of a page of AFF */
};

#define MOST ((uint64_t)64 << 40)	/* of a raw image */
#define MAP_MOST ((uint64_t)1 << 30)	/* of what qemu-img map prints */
#define RESERVE ((uint64_t)16 << 20)	/* stays free below IMAGE_ROOT */

struct part {
	char *path;
	char *as;		/* its name for the engine */
	uint64_t size;
	struct stat st;
};

struct opening {
	const struct container *kind;	/* NULL: parts of a raw image */
	const char *path;
	const char *key_file;	/* of encrypted volumes; NULL: none */
	struct part *parts;
	size_t count;
	struct {
		const char *format;
		size_t part;
		int many;	/* its data is in other parts */
	} chain[CHAIN];
	size_t depth;
	uint64_t size;		/* of the raw image, 0: not known before */
	uint64_t needs;		/* bytes of it that are not holes */
	char *temporary;
	int fd;			/* of the temporary file */
	struct lost {
		uint64_t pos, size;	/* nobody has read these bytes */
	} *lost;
	size_t lost_count;
	uint64_t skip;		/* bytes of a header */
	struct vhd *vhd;	/* depth of them */
	struct disc disc;
	int only_data;		/* nothing tells which tracks it has */
	/* of AFF */
	EVP_MD_CTX *sum;
	uint64_t page;
	unsigned char bad[SECTOR];	/* stands for a sector not read */
	int has_bad;
};

/* ---- giving up ---- */

static char *unfinished;
static const char *unfinished_header;
static pid_t maker;

static void
remove_unfinished(void)
{
	char *map;

	if (!unfinished || maker != getpid())
		return;
	unlink(unfinished);
	if (unfinished_header)
		unlink(unfinished_header);
	map = image_map(unfinished);
	unlink(map);
	free(map);
}

static void __attribute__((noreturn, format(printf, 2, 3)))
cannot(const struct opening *o, const char *fmt, ...)
{
	struct buf why = BUF_INIT;
	va_list ap;

	progress_stop();
	if (sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
	va_start(ap, fmt);
	buf_vprintf(&why, fmt, ap);
	va_end(ap);
	die(EXIT_FAILED, "cannot open %s: it is %s%s", quoted(o->path),
	    o->kind ? o->kind->text : "a part of an image", why.data);
}

static const char *
base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- parts ---- */

static char *
directory_of(const char *path)
{
	return xasprintf("%.*s", (int)(base_of(path) - path), path);
}

static struct part *
add_part(struct opening *o, const char *path, const char *as,
    const struct stat *st)
{
	struct part *p;

	if (o->count == PARTS)
		cannot(o, " with more than %d parts", PARTS);
	o->parts = xrealloc(o->parts, (o->count + 1) * sizeof *o->parts);
	p = &o->parts[o->count++];
	memset(p, 0, sizeof *p);
	p->path = xstrdup(path);
	p->as = xstrdup(as);
	p->st = *st;
	p->size = (uint64_t)st->st_size;
	return p;
}

/*
 * A part that another one names is looked for beside the container and nowhere
 * else, through no link: whoever made it must not choose files of this machine.
 * NULL: it is not there.
 */
static struct part *
find_part(struct opening *o, const char *name, const char *as)
{
	char *dir = directory_of(o->path), *path = path_join(dir, name);
	int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	struct part *p = NULL;
	struct stat st;

	if (at >= 0 && !strchr(name, '/') && !is_dot(name))
		fd = open_beneath(at, name, O_RDONLY | O_NONBLOCK, 0);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		p = add_part(o, path, as ? as : name, &st);
	if (fd >= 0)
		close(fd);
	if (at >= 0)
		close(at);
	free(path);
	free(dir);
	return p;
}

/* Names inside of it are of systems that do not tell A from a. */
static struct part *
find_in_any_case(struct opening *o, const char *name)
{
	struct part *p = find_part(o, name, NULL);
	char *dir = directory_of(o->path);
	const struct dirent *e;
	DIR *d = p ? NULL : opendir(dir);

	while (d && !p && (e = readdir(d)))
		if (!strcasecmp(e->d_name, name))
			p = find_part(o, e->d_name, NULL);
	if (d)
		closedir(d);
	free(dir);
	return p;
}

/* Is there a file of this name beside it? */
static int
is_beside(const struct opening *o, const char *name)
{
	char *dir = directory_of(o->path), *path = path_join(dir, name);
	int yes = access(path, F_OK) == 0;

	free(path);
	free(dir);
	return yes;
}

static int
open_part(const struct opening *o, const struct part *p)
{
	int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);

	if (fd < 0)
		cannot(o, ", and %s could not be opened: %s", quoted(p->path),
		    strerror(errno));
	return fd;
}

/* ---- what was not read of the disk, when the container was made ---- */

static void
lose(struct opening *o, uint64_t pos, uint64_t size)
{
	struct lost *last = o->lost_count ? &o->lost[o->lost_count - 1] : NULL;

	if (last && last->pos + last->size == pos) {
		last->size += size;
		return;
	}
	if (o->lost_count == LOST_MOST)
		cannot(o, " with more than %d areas that were not read",
		    LOST_MOST);
	/* room for 1, 2, 4, 8 … of them */
	if ((o->lost_count & (o->lost_count - 1)) == 0)
		o->lost = xrealloc(o->lost, (o->lost_count ?
		    2 * o->lost_count : 1) * sizeof *o->lost);
	o->lost[o->lost_count++] = (struct lost){ pos, size };
}

/* The map that ddrescue would have written, beside the raw image. */
static void
write_map(const struct opening *o)
{
	char *path = image_map(o->temporary);
	struct buf b = BUF_INIT;
	uint64_t at = 0;
	size_t i;
	int fd;

	unlink(path);
	if (o->lost_count == 0) {
		free(path);
		return;
	}
	buf_printf(&b, "# Mapfile of what is in %s\n0x%llx + 1\n",
	    quoted(o->path), (unsigned long long)o->size);
	for (i = 0; i < o->lost_count; i++) {
		const struct lost *l = &o->lost[i];

		if (l->pos < at || l->pos > o->size ||
		    l->size > o->size - l->pos)
			cannot(o, " whose list of read errors makes no sense");
		if (l->pos > at)
			buf_printf(&b, "0x%llx 0x%llx +\n",
			    (unsigned long long)at,
			    (unsigned long long)(l->pos - at));
		buf_printf(&b, "0x%llx 0x%llx -\n",
		    (unsigned long long)l->pos, (unsigned long long)l->size);
		at = l->pos + l->size;
	}
	if (at < o->size)
		buf_printf(&b, "0x%llx 0x%llx +\n", (unsigned long long)at,
		    (unsigned long long)(o->size - at));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write_all(fd, b.data, b.len) < 0 || fchmod(fd,
	    0600 | (o->parts[0].st.st_mode & 0044)) < 0 || fsync(fd) < 0 ||
	    close(fd) < 0)
		die_errno("could not write %s: %m", quoted(path));
	buf_free(&b);
	free(path);
}

/* ---- the engine ---- */

static void
engine_for(const struct opening *o, struct engine *e, const char *program)
{
	struct engine_file *files = xcalloc(o->count, sizeof *files);
	size_t i;

	for (i = 0; i < o->count; i++)
		files[i] = (struct engine_file){ o->parts[i].path,
			o->parts[i].as };
	*e = (struct engine){ .program = program, .files = files,
		.count = o->count, .most = MAP_MOST,
		.seconds = 120 + o->size / (2 << 20), .errors = -1 };
}

static void
engine_end(struct engine *e)
{
	free((void *)(uintptr_t)e->files);
	e->files = NULL;
}

static void
need_engine(const struct opening *o, const char *program)
{
	const char *package = o->kind->package;

	if (!engine_there(program, &package))
		cannot(o, ": install %s to open it%s", package,
		    o->kind->engine == CONTAINER_FILTER ?
		    ", or decompress it" : ", or convert it to a raw image");
}

/* ---- qemu's formats ---- */

/* "driver=qcow2,file.filename=/in/.0,backing.driver=raw,…" from a link on. */
static char *
node(const struct opening *o, size_t from, size_t to)
{
	struct buf b = BUF_INIT, prefix = BUF_INIT;
	size_t i;

	buf_puts(&prefix, "");
	for (i = from; i < to; i++) {
		const char *format = o->chain[i].format;

		buf_printf(&b, "%s%sdriver=%s,%sfile.driver=file,"
		    "%sfile.filename=/in/%s", b.len ? "," : "", prefix.data,
		    format, prefix.data, prefix.data,
		    o->parts[o->chain[i].part].as);
		if (!strcmp(format, "vpc"))
			buf_printf(&b, ",%sforce_size_calc=current_size",
			    prefix.data);
		buf_puts(&prefix, "backing.");
	}
	buf_free(&prefix);
	return buf_detach(&b);
}

/* One of qemu-img's JSON answers about one file; the caller frees it. */
static json_t *
info(const struct opening *o, size_t link)
{
	char *opts = node(o, link, link + 1);
	const char *const args[] = { "info", "-U", "--output=json",
		"--image-opts", opts, NULL };
	struct buf out = BUF_INIT, why = BUF_INIT;
	struct engine e;
	json_t *json = NULL;
	int status;

	engine_for(o, &e, "qemu-img");
	status = engine_capture(&e, args, &out, TEXT_MAX, LOOK_MS, &why);
	if (status == EXIT_DONE && out.len)
		json = json_loads(out.data, 0, NULL);
	if (!json)
		cannot(o, " that qemu-img does not understand%s%s",
		    why.len ? ": " : "", why.len ? why.data : "");
	engine_end(&e);
	buf_free(&out);
	buf_free(&why);
	free(opts);
	return json;
}

/* What it says it is made of, or else what it is. */
static const char *
parent_format(const struct opening *o, const struct part *p,
    const char *declared)
{
	static const char *const known[] = { "raw", "qcow", "qcow2", "qed",
		"vmdk", "vdi", "vhdx", "vpc", "parallels" };
	const struct container *c;
	size_t i;
	int fd;

	for (i = 0; declared && i < sizeof known / sizeof known[0]; i++)
		if (!strcmp(declared, known[i]))
			return known[i];
	fd = open_part(o, p);
	c = container_probe(fd, p->size);
	close(fd);
	if (c && c->engine != CONTAINER_QEMU)
		cannot(o, " whose parent %s is %s", quoted(p->path), c->text);
	return c ? c->option : "raw";
}

static int vmdk_extents(struct opening *o, size_t descriptor);

/* Everything below the container itself, and how large it is. */
static void
follow_chain(struct opening *o)
{
	size_t i;

	for (i = 0; i < o->depth; i++) {
		json_t *json = info(o, i);
		const char *parent = json_read_text(json, "backing-filename");
		const char *format = json_read_text(json,
		    "backing-filename-format");
		const json_t *data = json_object_get(json_object_get(json,
		    "format-specific"), "data");
		const char *base = parent ? base_of(parent) : NULL;
		struct part *p;
		char as[24];

		if (json_read_true(json, "encrypted"))
			cannot(o, " that is encrypted: decrypt it first");
		if (json_read_text(data, "data-file"))
			cannot(o, " that has its data in another file: "
			    "convert it to a raw image");
		if (i == 0)
			o->size = json_read_u64(json, "virtual-size");
		if (base) {
			if (o->depth == CHAIN)
				cannot(o, " with more than %d parents",
				    CHAIN - 1);
			snprintf(as, sizeof as, ".%zu", o->depth);
			p = find_part(o, base, as);
			if (!p)
				cannot(o, " that needs its parent %s, which "
				    "is not beside it", quoted(base));
			o->chain[o->depth].part = o->count - 1;
			o->chain[o->depth].format = parent_format(o, p,
			    format);
			if (!strcmp(o->chain[o->depth].format, "vmdk"))
				o->chain[o->depth].many = vmdk_extents(o,
				    o->count - 1);
			o->depth++;
		}
		json_decref(json);
	}
}

/*
 * A sparse part: header, a directory of tables, tables of grains.  All of them
 * must be in it, and every grain.
 */
static int
vmdk_part_whole(int fd, uint64_t size)
{
	enum { HEADER = 80, TABLE_MOST = 4096 };
	static const uint32_t compressed = 1 << 16;
	unsigned char h[HEADER], number[4], *table;
	uint64_t sectors = size / SECTOR, capacity, grain, entries, tables, i;
	int whole = 1;
	size_t j;

	if (pread_full(fd, h, sizeof h, 0) != sizeof h)
		return 0;
	/* of others it cannot be told */
	if (memcmp(h, "KDMV", 4))
		return 0;
	capacity = le64(h + 12);
	grain = le64(h + 20);
	entries = le32(h + 44);
	if (!grain || grain > 65536 || !entries || entries > TABLE_MOST ||
	    capacity > MOST / SECTOR || le64(h + 56) >= sectors)
		return 0;
	tables = (capacity + grain * entries - 1) / (grain * entries);
	table = xmalloc(entries * 4);
	for (i = 0; i < tables && whole; i++) {
		uint64_t at = le64(h + 56) * SECTOR + i * 4;

		if (pread_full(fd, number, 4, (off_t)at) != 4) {
			whole = 0;
			break;
		}
		if (le32(number) == 0)
			continue;
		whole = pread_full(fd, table, entries * 4,
		    (off_t)le32(number) * SECTOR) == (ssize_t)entries * 4;
		for (j = 0; j < entries && whole; j++) {
			uint64_t first = le32(table + 4 * j);

			if (first > 1)
				whole = first < sectors &&
				    (le32(h + 8) & compressed ||
				    grain <= sectors - first);
		}
	}
	free(table);
	return whole;
}

static void
need_whole_part(const struct opening *o, const struct part *p)
{
	int fd = open_part(o, p), whole = vmdk_part_whole(fd, p->size);

	close(fd);
	if (!whole)
		cannot(o, " whose part %s is damaged or cut, or of an unknown "
		    "kind", quoted(p->path));
}

/* RW 4192256 SPARSE "disk-s001.vmdk"; 1 if it was a descriptor. */
static int
vmdk_extents(struct opening *o, size_t descriptor)
{
	enum { DESCRIPTOR_MAX = 1 << 16 };
	char *text = xcalloc(1, DESCRIPTOR_MAX + 1), *line, *save = NULL;
	int fd = open_part(o, &o->parts[descriptor]);
	ssize_t n = pread_full(fd, text, DESCRIPTOR_MAX, 0);

	close(fd);
	if (n < 21 || strncmp(text, "# Disk DescriptorFile", 21)) {
		free(text);
		return 0;
	}
	for (line = strtok_r(text, "\r\n", &save); line;
	    line = strtok_r(NULL, "\r\n", &save)) {
		char access[12], type[24], name[512];
		unsigned long long sectors, offset = 0;
		struct part *p;

		if (sscanf(line, "%11s %llu %23s \"%511[^\"]\" %llu", access,
		    &sectors, type, name, &offset) < 4 ||
		    (strcmp(access, "RW") && strcmp(access, "RDONLY") &&
		    strcmp(access, "NOACCESS")))
			continue;
		if (name[0] == '.' || strchr(name, '/'))
			cannot(o, " whose part %s is not beside it",
			    quoted(name));
		p = find_part(o, name, NULL);
		if (!p)
			cannot(o, " whose part %s is not there",
			    quoted(name));
		if (strcmp(type, "FLAT") && strcmp(type, "VMFS"))
			need_whole_part(o, p);
		else if (sectors > MOST || offset > MOST || p->size / SECTOR <
		    sectors + offset)
			cannot(o, " whose part %s is shorter than it says",
			    quoted(name));
	}
	free(text);
	return 1;
}

/*
 * What is in which place of the file.  qemu-img reads zeros behind the end of
 * a file, so that a container that was cut would lose files in silence.
 */
static uint64_t
read_map(const struct opening *o, int fd, uint64_t file_size, int many)
{
	FILE *in = fdopen(dup(fd), "r");
	uint64_t data = 0;
	char *line = NULL;
	size_t size = 0;

	if (!in)
		cannot(o, ": %s", strerror(errno));
	while (getline(&line, &size, in) >= 0) {
		const char *at = strstr(line, "\"length\":");
		const char *depth = strstr(line, "\"depth\":");
		const char *offset = strstr(line, "\"offset\":");
		uint64_t length = at ? strtoull(at + 9, NULL, 10) : 0;

		if (!strstr(line, "\"data\": true"))
			continue;
		data += length;
		/* of parents and parts it is not told which file */
		if (!offset || many || !depth ||
		    strtoul(depth + 8, NULL, 10) > 0)
			continue;
		if (strtoull(offset + 9, NULL, 10) > file_size ||
		    length > file_size - strtoull(offset + 9, NULL, 10))
			cannot(o, " that is cut: parts of it lie behind the "
			    "end of the file");
	}
	free(line);
	fclose(in);
	return data;
}

/* Bytes of data in a node; what lies behind the end of a file ends it. */
static uint64_t
map_of(const struct opening *o, const char *opts, uint64_t file_size,
    int many)
{
	const char *const args[] = { "map", "-U", "--output=json",
		"--image-opts", opts, NULL };
	int fd = memfd_create("map", MFD_CLOEXEC), status;
	struct buf why = BUF_INIT;
	struct child child;
	struct engine e;
	uint64_t data;

	engine_for(o, &e, "qemu-img");
	if (fd < 0 || engine_start(&e, args, fd, &child) < 0)
		cannot(o, ", and qemu-img could not be run: %s",
		    strerror(errno));
	while ((status = child_wait_for(&child, STEP_MS)) < 0)
		if (sig_caught())
			child_stop(&child, GRACE_MS);
	engine_said(&e, &why);
	if (status != EXIT_DONE)
		cannot(o, " that is damaged: %s", why.len ? why.data :
		    "qemu-img did not end");
	lseek(fd, 0, SEEK_SET);
	data = read_map(o, fd, file_size, many);
	close(fd);
	engine_end(&e);
	buf_free(&why);
	return data;
}

/* Its own tables, where qemu-img can check those. */
static void
check(const struct opening *o, size_t link)
{
	enum { CORRUPT = 2 };
	char *opts = node(o, link, link + 1);
	const char *const args[] = { "check", "-U", "--image-opts", opts,
		NULL };
	struct buf out = BUF_INIT, why = BUF_INIT;
	struct engine e;
	int status;

	engine_for(o, &e, "qemu-img");
	status = engine_capture(&e, args, &out, TEXT_MAX, 60 * LOOK_MS, &why);
	if (status == CORRUPT || status >= EXIT_SIGNAL ||
	    (status == EXIT_FAILED && out.len))
		cannot(o, " that is damaged: \"qemu-img check -f %s %s\" "
		    "tells what is wrong", o->chain[link].format,
		    quoted(o->parts[o->chain[link].part].path));
	engine_end(&e);
	buf_free(&out);
	buf_free(&why);
	free(opts);
}

/* Petabytes of holes take days to hash, and fit on any disk. */
static void
refuse_empty_giant(const struct opening *o)
{
	enum { MORE = 64 };
	static const uint64_t little = (uint64_t)64 << 30;
	char needs[64];

	if (o->size / MORE <= o->needs + little)
		return;
	snprintf(needs, sizeof needs, "%s", num_bytes(o->needs));
	cannot(o, " that claims to hold %s and has %s: --force opens it",
	    num_bytes(o->size), needs);
}

static void
prepare_qemu(struct opening *o)
{
	char *opts;
	size_t i;

	need_engine(o, "qemu-img");
	o->chain[0].format = o->kind->option;
	o->chain[0].part = 0;
	o->depth = 1;
	o->chain[0].many = vmdk_extents(o, 0);
	follow_chain(o);
	if (o->size == 0)
		cannot(o, " of no bytes");
	if (o->size > MOST)
		cannot(o, " that claims to hold %s bytes, which no disk has",
		    num_grouped(o->size));
	for (i = 0; i < o->depth; i++)
		check(o, i);
	for (i = o->depth; i-- > 0; ) {
		opts = node(o, i, o->depth);
		o->needs = map_of(o, opts,
		    o->parts[o->chain[i].part].size, o->chain[i].many);
		free(opts);
	}
}

/* ---- E01 ---- */

/* What follows "E01", "E99", "EZZ" and so on; 0: nothing does. */
static int
next_extension(char ext[4])
{
	int lower = ext[0] >= 'a';
	char a = lower ? 'a' : 'A', z = lower ? 'z' : 'Z';

	if (ext[1] <= '9' && ext[2] <= '9') {
		if (++ext[2] > '9') {
			ext[2] = '0';
			if (++ext[1] > '9')
				ext[1] = ext[2] = a;
		}
		return 1;
	}
	if (++ext[2] > z) {
		ext[2] = a;
		if (++ext[1] > z) {
			ext[1] = a;
			if (ext[0]++ == z)
				return 0;
		}
	}
	return 1;
}

/* The last section of a segment: "next", "done", or neither. */
static void
last_section(const struct opening *o, const struct part *p, char type[17])
{
	enum { SECTION = 76 };
	int fd = open_part(o, p);

	memset(type, 0, 17);
	if (p->size < SECTION || pread_full(fd, type, 16,
	    (off_t)(p->size - SECTION)) != 16)
		type[0] = '\0';
	close(fd);
}

static void
ewf_segments(struct opening *o)
{
	const char *base = base_of(o->path);
	size_t len = strlen(base);
	char ext[4], type[17], *name, *as;
	unsigned char head[13];
	int fd = open_part(o, &o->parts[0]), more;

	if (pread_full(fd, head, sizeof head, 0) != sizeof head)
		cannot(o, " that is cut");
	close(fd);
	if (le_number(head + 9, 2) != 1)
		cannot(o, ", but part %u of it: give the first, which ends "
		    "with 01", (unsigned int)le_number(head + 9, 2));
	if (len < 5 || base[len - 4] != '.')
		strcpy(ext, "E01");
	else
		memcpy(ext, base + len - 3, 4);
	free(o->parts[0].as);
	o->parts[0].as = xasprintf("image.%s", ext);
	for (;;) {
		last_section(o, &o->parts[o->count - 1], type);
		if (!strcmp(type, "done"))
			return;
		more = len >= 5 && base[len - 4] == '.' &&
		    next_extension(ext);
		name = xasprintf("%.*s%s", (int)len - 3, base, ext);
		as = xasprintf("image.%s", ext);
		if (strcmp(type, "next"))
			cannot(o, " whose part %s is cut",
			    quoted(o->parts[o->count - 1].path));
		if (!more || !find_part(o, name, as))
			cannot(o, " whose part %s is not there",
			    quoted(name));
		free(name);
		free(as);
	}
}

/*
 * "\tat sector(s): 2048 - 2175 number: 128": what the drive did not give when
 * the image was made, for which the image has zeros.
 */
static void
ewf_errors(struct opening *o, const char *args[], uint64_t sector)
{
	static const char key[] = "at sector(s):";
	const char *const words[] = { "-e", args[0], NULL };
	struct buf out = BUF_INIT, why = BUF_INIT;
	unsigned long long first, last;
	struct engine e;
	const char *at;

	engine_for(o, &e, "ewfinfo");
	if (engine_capture(&e, words, &out, LIST_MAX, LOOK_MS, &why) !=
	    EXIT_DONE || out.len == LIST_MAX)
		cannot(o, " that ewfinfo cannot list the read errors of");
	engine_end(&e);
	buf_puts(&out, "");
	for (at = out.data; (at = strstr(at, key)); at += sizeof key - 1) {
		if (sscanf(at + sizeof key - 1, " %llu - %llu", &first,
		    &last) != 2 || last < first || sector == 0 ||
		    last >= o->size / sector)
			cannot(o, " whose list of read errors makes no sense");
		lose(o, first * sector, (last - first + 1) * sector);
	}
	buf_free(&out);
	buf_free(&why);
}

static void
prepare_ewf(struct opening *o)
{
	char *first;
	const char *args[] = { NULL, NULL };
	const char *const verify[] = { "-q", NULL, NULL };
	const char *words[3];
	struct buf out = BUF_INIT, why = BUF_INIT;
	struct engine e;
	const char *at;

	need_engine(o, "ewfexport");
	ewf_segments(o);
	first = path_join("/in", o->parts[0].as);
	args[0] = first;
	engine_for(o, &e, "ewfinfo");
	if (engine_capture(&e, args, &out, TEXT_MAX, LOOK_MS, &why) !=
	    EXIT_DONE || !out.len)
		cannot(o, " that ewfinfo does not understand%s%s", why.len ?
		    ": " : "", why.len ? why.data : "");
	engine_end(&e);
	at = strstr(out.data, "Media size:");
	at = at ? strchr(at, '(') : NULL;
	o->size = o->needs = at ? strtoull(at + 1, NULL, 10) : 0;
	if (o->size == 0 || o->size > MOST)
		cannot(o, " that does not say how large it is");
	at = strstr(out.data, "Bytes per sector:");
	ewf_errors(o, args, at ? strtoull(at + 17, NULL, 10) : 0);
	/* every checksum of its own, and the hash that was stored */
	memcpy(words, verify, sizeof words);
	words[1] = first;
	engine_for(o, &e, "ewfverify");
	buf_reset(&why);
	say("%s: verifying its checksums", quoted(o->path));
	if (engine_capture(&e, words, NULL, 0, 24 * 60 * LOOK_MS, &why) !=
	    EXIT_DONE)
		cannot(o, " that is damaged: \"ewfverify %s\" tells where",
		    quoted(o->path));
	engine_end(&e);
	free(first);
	buf_free(&out);
	buf_free(&why);
}

/* ---- AFF ---- */

/* One of its segments; the caller frees it. */
static struct buf
aff_segment(const struct opening *o, const char *name)
{
	const char *const args[] = { "-s", name, "/in/image.aff", NULL };
	struct buf out = BUF_INIT, why = BUF_INIT;
	struct engine e;

	engine_for(o, &e, "affcat");
	if (engine_capture(&e, args, &out, TEXT_MAX, LOOK_MS, &why) !=
	    EXIT_DONE)
		buf_reset(&out);
	engine_end(&e);
	buf_free(&why);
	return out;
}

/* Lines like "pagesize<tab>arg:1048576<tab>len:0". */
static uint64_t
aff_page_size(const struct opening *o)
{
	static const char key[] = "\npagesize\targ:";
	const char *const args[] = { "-L", "/in/image.aff", NULL };
	struct buf out = BUF_INIT, why = BUF_INIT;
	struct engine e;
	const char *at;
	uint64_t size;

	engine_for(o, &e, "affcat");
	buf_puts(&out, "\n");
	engine_capture(&e, args, &out, LIST_MAX, LOOK_MS, &why);
	engine_end(&e);
	buf_puts(&out, "");
	at = strstr(out.data, key);
	size = at ? strtoull(at + sizeof key - 1, NULL, 10) : 0;
	buf_free(&out);
	buf_free(&why);
	return size;
}

static void
prepare_aff(struct opening *o)
{
	struct buf b;

	need_engine(o, "affcat");
	free(o->parts[0].as);
	o->parts[0].as = xstrdup("image.aff");
	/* the lower half comes first */
	b = aff_segment(o, "imagesize");
	if (b.len == 8)
		o->size = o->needs = (uint64_t)be32(b.data + 4) << 32 |
		    be32(b.data);
	buf_free(&b);
	if (o->size == 0 || o->size > MOST)
		cannot(o, " that does not say how large it is, or is damaged "
		    "or encrypted");
	o->page = aff_page_size(o);
	if (o->page < SECTOR || o->page > PAGE_MOST)
		cannot(o, " without the size of its pages, or of an unknown "
		    "kind");
	b = aff_segment(o, "badflag");
	o->has_bad = b.len == sizeof o->bad;
	if (o->has_bad)
		memcpy(o->bad, b.data, sizeof o->bad);
	buf_free(&b);
}

/* ---- the raw image ---- */

static uint64_t
room(const struct opening *o)
{
	struct statvfs fs;

	if (fstatvfs(o->fd, &fs) < 0)
		return UINT64_MAX;
	return (uint64_t)fs.f_bavail * fs.f_frsize;
}

static void
need_room(const struct opening *o, uint64_t bytes)
{
	uint64_t have = room(o);
	char needs[64];

	if (bytes <= have && have - bytes >= RESERVE)
		return;
	progress_stop();
	if (sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
	snprintf(needs, sizeof needs, "%s", num_bytes(bytes));
	if (o->needs)
		die(EXIT_AGAIN, "cannot open %s: its raw image needs %s in "
		    "%s, where %s are free", quoted(o->path), needs,
		    quoted(config_get(CONFIG_IMAGE_ROOT)), num_bytes(have));
	die(EXIT_AGAIN, "cannot open %s: there is no room for its raw image "
	    "in %s", quoted(o->path),
	    quoted(config_get(CONFIG_IMAGE_ROOT)));
}

/* Named by what it is made of, so that the next run finds what is left. */
static void
make_temporary(struct opening *o, const char *key)
{
	const char *root = config_get(CONFIG_IMAGE_ROOT);
	struct stat st, there;
	uint8_t sum[16];
	char hex[33];
	blake3_hasher h;

	blake3_hasher_init(&h);
	blake3_hasher_update(&h, o->path, strlen(o->path));
	blake3_hasher_update(&h, key, strlen(key));
	blake3_hasher_finalize(&h, sum, sizeof sum);
	hex_encode(hex, sum, sizeof sum);
	if (make_dirs(root) < 0)
		die_errno("could not make %s: %m", quoted(root));
	o->temporary = xasprintf("%s/.container-%s.img", root, hex);
	o->fd = open(o->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (o->fd < 0)
		die_errno("could not create %s: %m", quoted(o->temporary));
	/* what another one has given its name meanwhile is not ours */
	if (flock(o->fd, LOCK_EX | LOCK_NB) < 0 || fstat(o->fd, &st) < 0 ||
	    st.st_nlink == 0 || lstat(o->temporary, &there) < 0 ||
	    st.st_ino != there.st_ino)
		die(EXIT_AGAIN, "another ntt-orchestrator opens %s",
		    quoted(o->path));
	maker = getpid();
	unfinished = o->temporary;
	atexit(remove_unfinished);
	if (ftruncate(o->fd, 0) < 0)
		die_errno("could not write %s: %m", quoted(o->temporary));
}

static int
is_zero(const char *bytes, size_t len)
{
	return bytes[0] == 0 && !memcmp(bytes, bytes + 1, len - 1);
}

static void
put(const struct opening *o, const char *bytes, size_t len, uint64_t at)
{
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = len - i < BLOCK ? len - i : BLOCK;
		if (is_zero(bytes + i, n))
			continue;
		if (pwrite(o->fd, bytes + i, n, (off_t)(at + i)) !=
		    (ssize_t)n)
			die_errno("could not write the raw image of %s: %m",
			    quoted(o->path));
	}
}

/* Room for what comes next; a signal ends it. */
static void
keep_going(const struct opening *o, uint64_t at)
{
	progress_set(at);
	if (sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
	if (at % (16 << 20) == 0)
		need_room(o, 0);
	if (at > MOST)
		cannot(o, " that does not end");
}

/* A compressed qcow2, say: what is in it is opened by a person's choice. */
static void
refuse_nested(const struct opening *o)
{
	const struct container *c = container_probe(o->fd, o->size);
	const char *content = c ? NULL : content_probe(o->fd, o->size, CHUNK);

	if (c)
		cannot(o, " that holds %s: unpack it, and give what is in it",
		    c->text);
	if (content && !strcmp(content, "tar"))
		cannot(o, " that holds a tar archive: unpack it, and give the "
		    "directory");
}

/* So much is known of it before all of it is there. */
static void
refuse_nested_early(const struct opening *o, const char *bytes, size_t len)
{
	int fd = memfd_create("beginning", MFD_CLOEXEC);
	const char *content = NULL;

	if (fd >= 0 && write_all(fd, bytes, len) == 0)
		content = content_probe(fd, len, CHUNK);
	if (fd >= 0)
		close(fd);
	if (content && !strcmp(content, "tar"))
		cannot(o, " that holds a tar archive: unpack it, and give the "
		    "directory");
}

/* Sectors that were not read when it was made become zeros. */
static void
take_out_bad(struct opening *o, char *bytes, size_t len, uint64_t at)
{
	size_t i;

	for (i = 0; i + SECTOR <= len; i += SECTOR)
		if (!memcmp(bytes + i, o->bad, SECTOR)) {
			memset(bytes + i, 0, SECTOR);
			lose(o, at + i, SECTOR);
		}
}

/*
 * What a program prints is the image from byte at on, up to end (0: nobody
 * knows); the end of it is returned.
 */
static uint64_t
take_range(struct opening *o, struct engine *e, const char *const args[],
    uint64_t at, uint64_t end)
{
	char *bytes = xmalloc(CHUNK);
	struct buf why = BUF_INIT;
	struct child child;
	int fds[2], status;
	size_t use;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0 ||
	    engine_start(e, args, fds[1], &child) < 0)
		cannot(o, ", and %s could not be run: %s", e->program,
		    strerror(errno));
	close(fds[1]);
	while ((n = read_full(fds[0], bytes, CHUNK)) > 0) {
		use = end && (uint64_t)n > end - at ? (size_t)(end - at) :
		    (size_t)n;
		if (at == 0)
			refuse_nested_early(o, bytes, use);
		if (o->has_bad)
			take_out_bad(o, bytes, use, at);
		if (o->sum)
			EVP_DigestUpdate(o->sum, bytes, use);
		if (use)
			put(o, bytes, use, at);
		at += use;
		keep_going(o, at);
	}
	close(fds[0]);
	status = child_wait(&child);
	engine_said(e, &why);
	if (status != EXIT_DONE)
		cannot(o, " that is damaged or cut: %s", why.len ? why.data :
		    e->program);
	if (end && at != end)
		cannot(o, " that is cut: it has %s of its %s bytes",
		    num_grouped(at), num_grouped(o->size));
	free(bytes);
	buf_free(&why);
	return at;
}

static void
take_output(struct opening *o, struct engine *e, const char *const args[])
{
	o->size = take_range(o, e, args, 0, o->size);
	if (o->size == 0)
		cannot(o, " with nothing in it");
}

static void
make_ewf(struct opening *o)
{
	char *first = path_join("/in", o->parts[0].as);
	const char *const args[] = { "-u", "-q", "-f", "raw", "-t", "-",
		first, NULL };
	struct engine e;

	engine_for(o, &e, "ewfexport");
	take_output(o, &e, args);
	engine_end(&e);
	free(first);
}

/*
 * All of it as ranges of a page, as affcat reads it.  Asked for everything at
 * once, it prints zeros for what was not read, and leaves out pages that are
 * not there.
 */
static void
take_pages(struct opening *o)
{
	enum { RANGES = 8192 };
	uint64_t at = 0, end;
	char range[64];
	struct engine e;
	int i;

	while (at < o->size) {
		struct words args = WORDS_INIT;

		words_add(&args, "-q");
		for (i = 0, end = at; i < RANGES && end < o->size; i++) {
			uint64_t n = o->size - end < o->page ? o->size - end :
			    o->page;

			snprintf(range, sizeof range, "%llu:%llu",
			    (unsigned long long)end, (unsigned long long)n);
			words_add(&args, "-r");
			words_add(&args, range);
			end += n;
		}
		words_add(&args, "/in/image.aff");
		engine_for(o, &e, "affcat");
		take_range(o, &e, (const char *const *)args.word, at, end);
		engine_end(&e);
		words_free(args.word);
		at = end;
	}
}

/* Its pages have no checksums: the sum of all of it tells. */
static void
make_aff(struct opening *o)
{
	static const struct {
		const char *name;
		const EVP_MD *(*type)(void);
	} sums[] = { { "sha256", EVP_sha256 }, { "sha1", EVP_sha1 },
		{ "md5", EVP_md5 } };
	unsigned char have[EVP_MAX_MD_SIZE];
	struct buf want = BUF_INIT;
	unsigned int len;
	size_t i;

	for (i = 0; i < sizeof sums / sizeof sums[0] && !o->sum; i++) {
		buf_free(&want);
		want = aff_segment(o, sums[i].name);
		if (want.len != (size_t)EVP_MD_size(sums[i].type()))
			continue;
		o->sum = EVP_MD_CTX_new();
		if (!o->sum || !EVP_DigestInit_ex(o->sum, sums[i].type(), NULL))
			cannot(o, ", and its sum cannot be computed");
	}
	take_pages(o);
	if (!o->sum)
		warn("%s has no hash of its contents: whether it is whole "
		    "cannot be told", quoted(o->path));
	else if (!EVP_DigestFinal_ex(o->sum, have, &len) ||
	    (memcmp(have, want.data, len) && !o->lost_count))
		cannot(o, " that is damaged: the hash that is stored in it "
		    "is not that of its contents");
	EVP_MD_CTX_free(o->sum);
	o->sum = NULL;
	buf_free(&want);
}

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

static void
make_qemu(struct opening *o)
{
	char *opts = node(o, 0, o->depth);
	const char *const args[] = { "convert", "-U", "-n",
		"--target-is-zero", "-S", "64k", "--image-opts", opts, "-O",
		"raw", "/out", NULL };
	struct buf why = BUF_INIT;
	struct child child;
	struct engine e;
	struct stat st;
	int status;

	engine_for(o, &e, "qemu-img");
	e.out = o->temporary;
	/* and what it says */
	e.most = o->size + TEXT_MAX;
	if (ftruncate(o->fd, (off_t)o->size) < 0)
		cannot(o, " of %s bytes, for which there is no room: %s",
		    num_grouped(o->size), strerror(errno));
	if (engine_start(&e, args, SPAWN_NULL, &child) < 0)
		cannot(o, ", and qemu-img could not be run: %s",
		    strerror(errno));
	while ((status = child_wait_for(&child, STEP_MS)) < 0) {
		if (fstat(o->fd, &st) == 0)
			progress_set((uint64_t)st.st_blocks * SECTOR);
		if (sig_caught() || room(o) < RESERVE / 2) {
			child_stop(&child, GRACE_MS);
			engine_said(&e, &why);
			need_room(o, 0);
			cannot(o, ": there is no room");
		}
	}
	engine_said(&e, &why);
	if (status != EXIT_DONE)
		cannot(o, " that is damaged: %s", why.len ? why.data :
		    "qemu-img did not end well");
	if (fstat(o->fd, &st) < 0 || (uint64_t)st.st_size != o->size)
		cannot(o, " that qemu-img did not convert in full");
	engine_end(&e);
	buf_free(&why);
	free(opts);
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
		put(o, bytes, n, at);
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

/* ---- CDs ---- */

/* The file of this name but with that ending, NULL: it is not there. */
static struct part *
find_companion(struct opening *o, const char *ending)
{
	const char *base = base_of(o->path), *dot = strrchr(base, '.');
	char *name = xasprintf("%.*s.%s", dot ? (int)(dot - base) : 0, base,
	    ending);
	struct part *p = dot ? find_in_any_case(o, name) : NULL;

	free(name);
	return p;
}

/* Text of a part, or a Nero image's list of tracks at its end. */
static char *
read_sheet(const struct opening *o, const struct part *p, uint64_t from,
    size_t *len)
{
	char *text = xmalloc(TEXT_MAX);
	int fd = open_part(o, p);
	ssize_t n = pread_full(fd, text, TEXT_MAX, (off_t)from);

	close(fd);
	*len = n < 0 ? 0 : (size_t)n;
	return text;
}

static uint64_t
nrg_list(const struct opening *o)
{
	unsigned char end[12];
	uint64_t size = o->parts[0].size;
	int fd = open_part(o, &o->parts[0]);
	ssize_t n = pread_full(fd, end, sizeof end, (off_t)(size - 12));

	close(fd);
	if (n != sizeof end)
		return size;
	return !memcmp(end, "NER5", 4) ? be_number(end + 4, 8) :
	    be32(end + 8);
}

/* Which part a file of the tracks is. */
static size_t
part_of_file(struct opening *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->count; i++)
		if (!strcasecmp(base_of(o->parts[i].path), name))
			return i;
	if (!find_in_any_case(o, name))
		cannot(o, " whose part %s is not there", quoted(name));
	return o->count - 1;
}

/* The part with the tracks is beside the one that describes them. */
static void
open_tracks(struct opening *o, const size_t parts[])
{
	struct disc *d = &o->disc;
	int *fds = xcalloc(d->tracks.files, sizeof *fds);
	uint64_t *sizes = xcalloc(d->tracks.files, sizeof *sizes);
	const char *why;
	size_t i;

	for (i = 0; i < d->tracks.files; i++) {
		fds[i] = open_part(o, &o->parts[parts[i]]);
		sizes[i] = o->parts[parts[i]].size;
	}
	d->fds = fds;
	if (tracks_end(&d->tracks, sizes, &why) < 0 ||
	    disc_plan(d, &why) < 0)
		cannot(o, ", and %s", why);
	o->size = d->size;
	o->needs = d->bytes;
	free(sizes);
}

static void
prepare_disc(struct opening *o)
{
	const char *name = o->kind->name, *why = NULL;
	struct tracks *t = &o->disc.tracks;
	size_t parts[TRACK_FILES] = { 0 }, len, i;
	int is_nrg = !strcmp(name, "nrg");
	char *text = read_sheet(o, &o->parts[0], is_nrg ? nrg_list(o) : 0,
	    &len);

	if (is_nrg)
		tracks_of_nrg(t, (unsigned char *)text, len, &why);
	else if (!strcmp(name, "ccd"))
		tracks_of_ccd(t, text, len, &why);
	else
		tracks_of_cue(t, text, len, &why);
	free(text);
	if (why)
		cannot(o, ", and %s", why);
	if (!strcmp(name, "ccd") && !find_companion(o, "img"))
		cannot(o, " whose .img is not beside it");
	if (!strcmp(name, "ccd"))
		parts[0] = o->count - 1;
	for (i = 0; i < t->files && !strcmp(name, "cue"); i++)
		parts[i] = part_of_file(o, t->file[i]);
	if (!strcmp(name, "ccd"))
		find_companion(o, "sub");
	open_tracks(o, parts);
}

/* What the sheet beside it says, if it is one of this file. */
static int
sheet_of_sectors(struct opening *o)
{
	struct tracks *t = &o->disc.tracks;
	size_t parts[TRACK_FILES] = { 0 }, len, i;
	const char *why, *base = base_of(o->path);
	struct part *p = find_companion(o, "cue");
	char *text;
	int ours = 0;

	if (p) {
		text = read_sheet(o, p, 0, &len);
		if (tracks_of_cue(t, text, len, &why) == 0)
			for (i = 0; i < t->files; i++)
				ours |= !strcasecmp(t->file[i], base);
		free(text);
		for (i = 0; i < t->files && ours; i++)
			parts[i] = part_of_file(o, t->file[i]);
	}
	if (!ours && (p = find_companion(o, "ccd"))) {
		text = read_sheet(o, p, 0, &len);
		ours = tracks_of_ccd(t, text, len, &why) == 0;
		free(text);
	}
	if (ours)
		open_tracks(o, parts);
	return ours;
}

/* What describes it lies beside it, and is archived with it. */
static void
prepare_sectors(struct opening *o)
{
	static const size_t first = 0;
	int fd = open_part(o, &o->parts[0]);
	unsigned int sector = container_sector(fd, o->parts[0].size);
	struct tracks *t = &o->disc.tracks;

	close(fd);
	o->only_data = !sheet_of_sectors(o);
	find_companion(o, "sub");
	find_companion(o, "mds");
	if (!o->only_data)
		return;
	if (o->parts[0].size % sector)
		cannot(o, " that is cut: its last sector is not whole");
	memset(t, 0, sizeof *t);
	t->files = t->count = 1;
	t->track[0] = (struct track){ .number = 1, .sector = sector,
		.raw = 1 };
	open_tracks(o, &first);
}

static void
put_disc(void *arg, const char *bytes, size_t len, uint64_t at)
{
	put(arg, bytes, len, at);
	keep_going(arg, at);
}

static void
other_sector(void *arg, uint64_t at, uint64_t sector)
{
	struct opening *o = arg;

	if (o->only_data)
		cannot(o, " that has other sectors than those of one data "
		    "track (sector %llu): %s", (unsigned long long)sector,
		    o->kind->way);
	lose(o, at, DISC_SECTOR);
}

static void
make_disc(struct opening *o)
{
	struct disc_out out = { put_disc, other_sector, o };
	size_t i;

	if (disc_write(&o->disc, &out) < 0)
		cannot(o, ", and it could not be read in full: %s",
		    strerror(errno));
	for (i = 0; i < o->disc.tracks.files; i++)
		close(o->disc.fds[i]);
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
		put(o, bytes, n, at);
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
			put(o, bytes, (size_t)n, at);
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

/* ---- encrypted volumes ---- */

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
		if (n <= 0 || (!is_zero(bytes, (size_t)n) &&
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
	unfinished_header = path;
	status = dump_luks(o, path, 0, &dump, &why);
	if (status == EXIT_DONE) {
		buf_reset(&why);
		status = dump_luks(o, path, 1, &key, &why);
	}
	unlink(path);
	unfinished_header = NULL;
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

static void
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

static void
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

/* ---- parts of a raw image ---- */

enum { SPLIT_LEAST = 4 << 20 };

/* The number of "disk.003", 0: it has none. */
static unsigned int
split_number(const char *base)
{
	size_t len = strlen(base);

	if (len < 5 || base[len - 4] != '.' ||
	    strspn(base + len - 3, "0123456789") != 3)
		return 0;
	return (unsigned int)strtoul(base + len - 3, NULL, 10);
}

/* The largest number among those beside it. */
static unsigned int
last_number(const struct opening *o)
{
	char *dir = directory_of(o->path);
	const char *base = base_of(o->path);
	size_t stem = strlen(base) - 3;
	unsigned int last = 0, n;
	const struct dirent *e;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d)))
		if (strlen(e->d_name) == stem + 3 &&
		    !strncmp(e->d_name, base, stem) &&
		    (n = split_number(e->d_name)) > last)
			last = n;
	if (d)
		closedir(d);
	free(dir);
	return last;
}

/* A boot sector, a superblock, a descriptor where a disk of its own has it. */
static int
begins_a_disk(const struct opening *o, const char *name)
{
	static const struct { off_t at; size_t len; const char *magic; }
	    marks[] = { { 510, 2, "\x55\xaa" }, { 1080, 2, "\x53\xef" },
		{ 1024, 2, "H+" }, { 1024, 2, "BD" }, { 0, 4, "XFSB" },
		{ 0, 2, "ER" }, { 32769, 5, "CD001" },
		{ 65600, 8, "_BHRfS_M" } };
	char *dir = directory_of(o->path), *path = path_join(dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), yes = 0;
	char there[8];
	size_t i;

	for (i = 0; fd >= 0 && !yes && i < sizeof marks / sizeof marks[0]; i++)
		yes = pread_full(fd, there, marks[i].len, marks[i].at) ==
		    (ssize_t)marks[i].len &&
		    !memcmp(there, marks[i].magic, marks[i].len);
	if (fd >= 0)
		close(fd);
	free(path);
	free(dir);
	return yes;
}

/* Another part than the first begins as a disk does, and the first does not. */
static void
refuse_wrong_order(const struct opening *o, int stem, unsigned int last)
{
	const char *base = base_of(o->path);
	char *first = xasprintf("%.*s001", stem, base), *name;
	unsigned int i;

	for (i = 2; i <= last && is_beside(o, first) &&
	    !begins_a_disk(o, first); i++) {
		name = xasprintf("%.*s%03u", stem, base, i);
		if (begins_a_disk(o, name))
			cannot(o, " in parts in the wrong order: %s begins as "
			    "a disk does, and %s does not (if they are no "
			    "parts, give it another name)", quoted(name),
			    quoted(first));
		free(name);
	}
	free(first);
}

/*
 * Files of one name and numbers from 001 on, all as large as the first but for
 * the last.  Disks that somebody numbered begin as disks do, and floppies are
 * smaller.
 */
static int
find_split(struct opening *o)
{
	const char *base = base_of(o->path);
	int stem = (int)strlen(base) - 3;
	unsigned int number = split_number(base), last, i;
	char *name;

	if (number == 0 || o->parts[0].size < SPLIT_LEAST)
		return 0;
	refuse_wrong_order(o, stem, last_number(o));
	name = xasprintf("%.*s002", stem, base);
	if (begins_a_disk(o, number > 1 ? base : name)) {
		free(name);
		return 0;
	}
	free(name);
	name = xasprintf("%.*s001", stem, base);
	if (number > 1 && is_beside(o, name))
		cannot(o, " in parts: give the first, %s", quoted(name));
	free(name);
	last = number == 1 ? last_number(o) : 0;
	for (i = 2; i <= last; i++) {
		name = xasprintf("%.*s%03u", stem, base, i);
		if (!find_part(o, name, NULL))
			cannot(o, " in parts: %s is not there", quoted(name));
		if (o->parts[i - 1].size > o->parts[0].size ||
		    (i < last && o->parts[i - 1].size != o->parts[0].size))
			cannot(o, " in parts: %s is not as large as the first",
			    quoted(name));
		free(name);
	}
	for (i = 0; i < o->count; i++)
		o->needs += o->parts[i].size;
	return o->count > 1;
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
	unfinished = NULL;
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
		remove_unfinished();
		unfinished = NULL;
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
