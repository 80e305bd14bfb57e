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

void
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
