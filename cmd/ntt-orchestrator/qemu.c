#define _GNU_SOURCE
#include "opening.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/json_read.h"
#include "base/num.h"
#include "base/progress.h"
#include "base/sig.h"

enum { STEP_MS = 200, GRACE_MS = 2000 };

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

/* Nothing, a remark, or a setting, "ddb.adapterType = "ide"". */
static int
describes_no_part(const char *line)
{
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return 1;
	line += strcspn(line, " \t=\"");
	line += strspn(line, " \t");
	return *line == '=';
}

/*
 * RW 4192256 SPARSE "disk-s001.vmdk"; 1 if it was a descriptor.  qemu-img leaves
 * out what it does not read, such as parts that are not RW, and the disk is
 * shorter then.
 */
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

		if (describes_no_part(line))
			continue;
		if (sscanf(line, "%11s %llu %23s \"%511[^\"]\" %llu", access,
		    &sectors, type, name, &offset) < 4 ||
		    strcmp(access, "RW"))
			cannot(o, " with a part that qemu-img leaves out: %s",
			    quoted(line));
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
void
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

void
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

void
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
