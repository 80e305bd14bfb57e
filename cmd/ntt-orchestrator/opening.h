/*
 * A container on its way to a raw image: what container.c and its engines
 * share.
 *
 * container.c finds out what a file is.  Then a prepare_…() looks at all of it,
 * and knows the size of the raw image where it can.  Then a make_…() writes it
 * to o->fd.  Whatever fails ends the program with one line, and nothing is left.
 */
#ifndef NTT_ORCHESTRATOR_OPENING_H
#define NTT_ORCHESTRATOR_OPENING_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "disc.h"
#include "engine.h"
#include "image/container.h"
#include "vhd.h"

enum {
	CHAIN = 16,		/* parents of parents */
	CHUNK = 1 << 20,
	SECTOR = 512,
	LOOK_MS = 60000,	/* for an engine that only looks */
	TEXT_MAX = 1 << 20,
	LIST_MAX = 64 << 20
};

#define MOST ((uint64_t)64 << 40)	/* of a raw image */
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
	struct buf segments;	/* a line each */
	EVP_MD_CTX *sum;
	uint64_t page;
	unsigned char bad[SECTOR];	/* stands for a sector not read */
	int has_bad;
};

/* ---- opening.c ---- */

/* "cannot open NAME: it is …", and ends the program. */
void cannot(const struct opening *o, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* Within the path. */
const char *base_of(const char *path);
/* Caller frees. */
char *folder_of(const char *path);
struct part *add_part(struct opening *o, const char *path, const char *as,
	const struct stat *st);
/* The file of this name beside the container, which becomes a part; or NULL. */
struct part *find_part(struct opening *o, const char *name, const char *as);
struct part *find_in_any_case(struct opening *o, const char *name);
int is_beside(const struct opening *o, const char *name);
/* A descriptor; the file is still the one that was found. */
int open_part(const struct opening *o, const struct part *p);

/* These bytes of the raw image were not read when the container was made. */
void lose(struct opening *o, uint64_t pos, uint64_t size);
/* The map beside the raw image, if any were. */
void write_map(const struct opening *o);

void engine_for(const struct opening *o, struct engine *e,
	const char *program);
void engine_end(struct engine *e);
void need_engine(const struct opening *o, const char *program);

/* The temporary raw image.  It goes when the program ends, unless kept. */
void make_temporary(struct opening *o, const char *key);
/* A second file that goes with it; NULL: none any more. */
void goes_too(const char *path);
void keep_temporary(void);
void discard_temporary(void);
/* Bytes that are free for it; ends the program where these are not. */
uint64_t room(const struct opening *o);
void need_room(const struct opening *o, uint64_t bytes);
void put_bytes(const struct opening *o, const char *bytes, size_t len,
	uint64_t at);
/* After each piece: progress, room for the next one, signals. */
void keep_going(const struct opening *o, uint64_t at);
/* What the engine writes goes to the image from at on; returns where it ends. */
uint64_t take_range(struct opening *o, struct engine *e,
	const char *const args[], uint64_t at, uint64_t end);
void take_output(struct opening *o, struct engine *e,
	const char *const args[]);
void refuse_nested(const struct opening *o);

/* ---- qemu.c: qcow2, VMDK, VDI, VHD, VHDX ---- */

/* One that claims to be much larger than what is in it. */
void refuse_empty_giant(const struct opening *o);
void prepare_qemu(struct opening *o);
void make_qemu(struct opening *o);

/* ---- ewf.c: E01 ---- */

void prepare_ewf(struct opening *o);
void make_ewf(struct opening *o);

/* ---- aff.c ---- */

void prepare_aff(struct opening *o);
void make_aff(struct opening *o);

/* ---- cds.c: sheets with their tracks, and images of bare sectors ---- */

void prepare_disc(struct opening *o);
void prepare_sectors(struct opening *o);
void make_disc(struct opening *o);

/* ---- encrypted.c: LUKS, by --key ---- */

void prepare_encrypted(struct opening *o);
/* In the raw image that is there. */
void open_volumes(struct opening *o);

/* ---- split.c: a raw image in numbered parts ---- */

/* 1 if the file is the first of several, which are parts then. */
int find_split(struct opening *o);

#endif
