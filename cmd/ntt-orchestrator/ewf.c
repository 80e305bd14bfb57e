#define _GNU_SOURCE
#include "opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/fsutil.h"

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

void
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

void
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
