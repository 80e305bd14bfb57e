#define _GNU_SOURCE
#include "bag.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/bag_name.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/num.h"

enum { SHA512 = 64, SHA512_HEX = 2 * SHA512 };

static char *directory, *odd;
static struct spool manifest, tree, tags;
static EVP_MD_CTX *sha;
static uint64_t files, bytes, renamed, links;

void
bag_start(const char *name, const char *medium)
{
	directory = xstrdup(name);
	odd = xasprintf("renamed-%s", medium);
	spool_init(&manifest);
	spool_init(&tree);
	spool_init(&tags);
	sha = EVP_MD_CTX_new();
	if (!sha)
		out_of_memory();
}

const char *
bag_directory(void)
{
	return directory;
}

static void
put(struct spool *s, const struct buf *b)
{
	if (spool_put(s, b->data, b->len) < 0)
		die_errno("could not put a list aside: %m");
}

void
bag_path(struct buf *b, const char *path, size_t len)
{
	buf_printf(b, "%s/data/", directory);
	if (!bag_must_rename(path, len)) {
		buf_put(b, path, len);
		return;
	}
	buf_printf(b, "%s/", odd);
	bag_put_renamed(b, path, len);
}

void
bag_begin(void)
{
	if (!EVP_DigestInit_ex(sha, EVP_sha512(), NULL))
		out_of_memory();
}

void
bag_bytes(const void *p, size_t len)
{
	if (!EVP_DigestUpdate(sha, p, len))
		out_of_memory();
}

/* "DIGEST  name" */
static void
put_line(struct spool *s, const char *name)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char hex[SHA512_HEX + 1];
	struct buf b = BUF_INIT;

	if (!EVP_DigestFinal_ex(sha, digest, NULL))
		out_of_memory();
	hex_encode(hex, digest, SHA512);
	buf_printf(&b, "%s  ", hex);
	bag_put_in_manifest(&b, name);
	buf_putc(&b, '\n');
	put(s, &b);
	buf_free(&b);
}

void
bag_file(const struct buf *name, uint64_t size)
{
	const char *path = name->data + strlen(directory) + 1;
	size_t len = strlen("data/") + strlen(odd);

	put_line(&manifest, path);
	renamed += !strncmp(path + strlen("data/"), odd, strlen(odd)) &&
	    path[len] == '/';
	files++;
	bytes += size;
}

static void
put_time(struct buf *b, const char *key, const struct timespec *t)
{
	char day[64], *text;
	struct tm tm;

	if (t->tv_nsec == UTIME_OMIT)
		return;
	if (!gmtime_r(&t->tv_sec, &tm) || tm.tm_year > 9999 - 1900 ||
	    tm.tm_year < -1900 ||
	    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
		json_i64(b, key, t->tv_sec);
		return;
	}
	text = xasprintf("%s.%09ldZ", day, t->tv_nsec);
	json_text(b, key, text);
	free(text);
}

void
bag_entry(const struct item *e, const struct buf *target)
{
	char type[2] = { e->type, '\0' }, mode[24];
	struct buf b = BUF_INIT;

	json_begin_object(&b, NULL);
	json_name(&b, "path", e->path, e->len);
	json_text(&b, "type", type);
	if (e->meta.mode >= 0) {
		snprintf(mode, sizeof mode, "%04" PRIo64, e->meta.mode);
		json_text(&b, "mode", mode);
	}
	if (e->meta.uid >= 0)
		json_i64(&b, "uid", e->meta.uid);
	if (e->meta.gid >= 0)
		json_i64(&b, "gid", e->meta.gid);
	put_time(&b, "mtime", &e->meta.times[1]);
	put_time(&b, "atime", &e->meta.times[0]);
	if (target)
		json_name(&b, "target", target->data, target->len);
	if (plan_is_link(e))
		json_name(&b, "same_inode_as", e->first, strlen(e->first));
	json_end_object(&b);
	buf_putc(&b, '\n');
	put(&tree, &b);
	links += e->type == 'l';
	buf_free(&b);
}

void
bag_tag(const char *name, const struct buf *text)
{
	bag_begin();
	bag_bytes(text->data, text->len);
	put_line(&tags, name);
}

static void
hash_spool(struct spool *s)
{
	char part[65536];
	long n;

	if (spool_rewind(s) < 0)
		die_errno("could not read a list: %m");
	bag_begin();
	while ((n = spool_some(s, part, sizeof part)) > 0)
		bag_bytes(part, (size_t)n);
	if (n < 0 || spool_rewind(s) < 0)
		die_errno("could not read a list: %m");
}

static void
give(const char *name, struct spool *s,
    void (*to)(const char *, struct spool *))
{
	hash_spool(s);
	put_line(&tags, name);
	to(name, s);
	spool_free(s);
}

static void
give_text(const char *name, const struct buf *text,
    void (*to)(const char *, struct spool *))
{
	struct spool s;

	spool_init(&s);
	put(&s, text);
	give(name, &s, to);
}

void
bag_end(const struct buf *info, void (*to)(const char *, struct spool *))
{
	struct buf b = BUF_INIT;

	buf_puts(&b, "BagIt-Version: 1.0\nTag-File-Character-Encoding: "
	    "UTF-8\n");
	give_text("bagit.txt", &b, to);
	buf_reset(&b);
	buf_put(&b, info->data, info->len);
	buf_printf(&b, "Bag-Size: %s\nPayload-Oxum: %" PRIu64 ".%" PRIu64
	    "\nSymbolic-Links-Left-Out: %" PRIu64 "\n", num_bytes(bytes),
	    bytes, files, links);
	if (renamed > 0)
		buf_printf(&b, "Names-Renamed: %" PRIu64 ", below data/%s "
		    "with =XX for bytes\n", renamed, odd);
	give_text("bag-info.txt", &b, to);
	give("manifest-sha512.txt", &manifest, to);
	give("metadata/tree.jsonl", &tree, to);
	if (spool_rewind(&tags) < 0)
		die_errno("could not read a list: %m");
	to("tagmanifest-sha512.txt", &tags);
	spool_free(&tags);
	EVP_MD_CTX_free(sha);
	buf_free(&b);
	free(directory);
	free(odd);
}
