#define _GNU_SOURCE
#include "opening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/words.h"

enum { PAGE_MOST = 256 << 20 };	/* bytes of a page */

/* Lines like "pagesize<tab>arg:1048576<tab>len:0", each behind a newline. */
static void
list_segments(struct opening *o)
{
	const char *const args[] = { "-L", "/in/image.aff", NULL };
	struct buf why = BUF_INIT;
	struct engine e;

	engine_for(o, &e, "affcat");
	buf_puts(&o->segments, "\n");
	if (engine_capture(&e, args, &o->segments, LIST_MAX, LOOK_MS, &why) !=
	    EXIT_DONE || o->segments.len >= LIST_MAX)
		cannot(o, " whose segments affcat cannot list%s%s", why.len ?
		    ": " : "", why.len ? why.data : "");
	engine_end(&e);
	buf_puts(&o->segments, "");
	buf_free(&why);
}

/* What follows the name in its line, NULL: there is no such segment. */
static const char *
find_segment(const struct opening *o, const char *name)
{
	char *line = xasprintf("\n%s\t", name);
	const char *at = strstr(o->segments.data, line);

	at = at ? at + strlen(line) : NULL;
	free(line);
	return at;
}

/* One of its segments, empty if there is none; the caller frees it. */
static struct buf
aff_segment(const struct opening *o, const char *name)
{
	const char *const args[] = { "-s", name, "/in/image.aff", NULL };
	struct buf out = BUF_INIT, why = BUF_INIT;
	struct engine e;

	if (!find_segment(o, name))
		return out;
	engine_for(o, &e, "affcat");
	if (engine_capture(&e, args, &out, TEXT_MAX, LOOK_MS, &why) !=
	    EXIT_DONE)
		cannot(o, " whose segment %s cannot be read", name);
	engine_end(&e);
	buf_free(&why);
	return out;
}

void
prepare_aff(struct opening *o)
{
	const char *page;
	struct buf b;

	need_engine(o, "affcat");
	free(o->parts[0].as);
	o->parts[0].as = xstrdup("image.aff");
	list_segments(o);
	/* the lower half comes first */
	b = aff_segment(o, "imagesize");
	if (b.len == 8)
		o->size = o->needs = (uint64_t)be32(b.data + 4) << 32 |
		    be32(b.data);
	buf_free(&b);
	if (o->size == 0 || o->size > MOST)
		cannot(o, " that does not say how large it is, or is damaged "
		    "or encrypted");
	page = find_segment(o, "pagesize");
	o->page = page && !strncmp(page, "arg:", 4) ?
	    strtoull(page + 4, NULL, 10) : 0;
	if (o->page < SECTOR || o->page > PAGE_MOST)
		cannot(o, " without the size of its pages, or of an unknown "
		    "kind");
	b = aff_segment(o, "badflag");
	o->has_bad = b.len == sizeof o->bad;
	if (o->has_bad)
		memcpy(o->bad, b.data, sizeof o->bad);
	buf_free(&b);
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
void
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
