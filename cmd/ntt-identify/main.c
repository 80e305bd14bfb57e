/*
 * ntt-identify: finds the hash, size, model and serial number of a device, an
 * image or a directory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/json.h"
#include "base/medium_name.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "image/content_probe.h"
#include "image/device.h"
#include "sql/statements.h"
#include "device_probe.h"
#include "identity.h"
#include "known.h"

static struct {
	const char *label;
	int json, match, force, full;
	double timeout;
} opt = { .timeout = 600 };

static const struct prog_option options[] = {
	{ 0, "json", NULL, "print one JSON object", OPT_FLAG(&opt.json) },
	{ 0, "label", "NAME", "call the medium NAME instead of its hash",
		OPT_TEXT(&opt.label) },
	{ 0, "full", NULL, "read a whole image where only that can tell",
		OPT_FLAG(&opt.full) },
	{ 0, "match", NULL, "look it up in the catalogue",
		OPT_FLAG(&opt.match) },
	{ 0, "force", NULL, "accept a signature that tells nothing",
		OPT_FLAG(&opt.force) },
	{ 0, "timeout", "TIME", "how long a device may take (default 10m)",
		OPT_SECONDS(&opt.timeout, 1) },
	OPT_END
};

static const struct prog prog = {
	"ntt-identify",
	"[options] DEVICE|IMAGE|DIRECTORY",
	"Print the hash that names a medium"
};

enum { LOOK_MS = 60000, READY_MS = 30000, PROBE_MS = 10000 };

static struct device device;
static struct device_probe probed;

/* "floppy_20260131_120000_0123abcd" for what has no name of its own */
static void
name_by_date(struct buf *out, const struct identity *id)
{
	time_t now = time(NULL);
	char date[32];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(date, sizeof date, "%Y%m%d_%H%M%S", &tm);
	buf_printf(out, "%s_%s_%.8s", device_is_floppy(&device) ? "floppy" :
	    device_is_optical(&device) ? "optical" : "disk", date, id->hash);
}

static void
human_name(struct buf *out, const struct identity *id)
{
	const char *base = strrchr(id->path, '/');
	size_t len;

	if (id->kind == IDENTITY_DEVICE) {
		if (!strcmp(id->model, "unknown") &&
		    !strcmp(id->serial, "unknown"))
			name_by_date(out, id);
		else
			buf_printf(out, "%s_%s", id->model, id->serial);
		return;
	}
	base = base ? base + 1 : id->path;
	len = strlen(base);
	if (id->kind == IDENTITY_IMAGE && len > 4 &&
	    !strcmp(base + len - 4, ".img"))
		len -= 4;
	buf_escape(out, base, len);
}

/*
 * Whether a directory has changed only a walk can tell: until then it is the
 * state that the catalogue has.
 */
static const char *
known_now(const struct known *k)
{
	return k->follows ? k->follows : k->hash;
}

static void
put_known(struct buf *b, const struct known *k, const char *name)
{
	json_text(b, "name_base", k->taken_by || k->follows ? name : NULL);
	json_bool(b, "registered", k->registered);
	json_text(b, "fingerprint", *k->fingerprint ? k->fingerprint : NULL);
	json_text(b, "file", k->file);
	json_text(b, "root", k->root);
	json_text(b, "follows", k->follows);
	json_text(b, "next_hash", k->follows ? k->hash : NULL);
	json_i64(b, "state_number", k->state);
}

static void
put_json(struct buf *b, const struct identity *id, const struct known *k,
    const char *name)
{
	struct buf human = BUF_INIT;

	human_name(&human, id);
	json_begin_object(b, NULL);
	json_text(b, "hash", known_now(k));
	put_known(b, k, name);
	json_text(b, "kind", identity_kind_name(id->kind));
	json_name(b, "path", id->path, strlen(id->path));
	json_text(b, "hash_version", id->version);
	if (id->kind != IDENTITY_DIRECTORY) {
		json_u64(b, "size", id->size);
		json_text(b, "model", id->model);
		json_text(b, "serial", id->serial);
		json_text(b, "v1", *id->v1 ? id->v1 : NULL);
		json_text(b, "v2_image", *id->v2_image ? id->v2_image : NULL);
		json_u64(b, "unreadable", id->unreadable);
	}
	if (id->footer)
		json_text(b, "container", "vhd-fixed");
	json_text(b, "human", human.data);
	buf_free(&human);
	if (id->kind != IDENTITY_DEVICE)
		return;
	json_u64(b, "sector", device.sector);
	json_u64(b, "physical_sector", device.physical);
	json_begin_array(b, "probes");
	if (probed.answers.len)
		buf_puts(b, probed.answers.data);
	json_end_array(b);
}

/* The hash alone goes to standard output, for HASH=$(ntt-identify X). */
static void
print_text(const struct identity *id, const struct known *k)
{
	struct buf human = BUF_INIT;

	puts(known_now(k));
	if (diag_verbosity < 1 && !isatty(STDOUT_FILENO))
		return;
	human_name(&human, id);
	fprintf(stderr, "kind    %s\n", identity_kind_name(id->kind));
	if (id->kind != IDENTITY_DIRECTORY)
		fprintf(stderr, "size    %llu\nmodel   %s\nserial  %s\n",
		    (unsigned long long)id->size, id->model, id->serial);
	fprintf(stderr, "name    %s\n", human.data);
	buf_free(&human);
}

/* Without a catalogue nothing is known, and the name is as good as any. */
static void
look_up(const struct identity *id, const char *name, struct known *k)
{
	struct buf why = BUF_INIT;
	PGconn *db = db_open();
	enum known_answer answer = KNOWN_TOLD;

	memset(k, 0, sizeof *k);
	snprintf(k->hash, sizeof k->hash, "%s", name);
	if (!db) {
		detail("the catalogue could not be asked: %s", db_error());
		k->file = id->kind == IDENTITY_IMAGE ? known_file(id->path) :
		    NULL;
		k->root = id->kind == IDENTITY_DIRECTORY ?
		    known_root(id->path) : NULL;
		k->state = 1;
		return;
	}
	answer = known_find(db, id, name, opt.full,
	    id->kind == IDENTITY_DEVICE && device_is_optical(&device), k,
	    &why);
	PQfinish(db);
	if (answer == KNOWN_FAILED && sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
	if (answer == KNOWN_FAILED && errno == 0)
		db_die("could not look up %s", quoted(id->path));
	if (answer == KNOWN_FAILED)
		die_errno("could not compare %s: %m", quoted(id->path));
	if (answer == KNOWN_UNTOLD && opt.match)
		warn("%s", why.data);
	else if (answer == KNOWN_UNTOLD)
		die(EXIT_AGAIN, "cannot tell which medium %s is: %s",
		    quoted(id->path), why.data);
	if (k->taken_by)
		say("%s has the name of %s, but other contents: it is %s",
		    quoted(id->path), k->taken_by, k->hash);
	buf_free(&why);
}

/*
 * Rows of the catalogue under any hash this medium ever had; a row that was
 * made of the device knows what an image of it would have.
 */
static int
match(const struct identity *id, struct buf *b)
{
	const char *params[] = { id->hash, *id->v1 ? id->v1 : NULL,
		*id->v2_image ? id->v2_image : NULL };
	PGconn *db = db_need();
	PGresult *res;
	int i, n;

	res = db_query_n(db, sql_identify_match, 3, params);
	if (!res)
		db_die("could not look up the medium");
	n = PQntuples(res);
	if (b)
		json_begin_array(b, "matches");
	for (i = 0; i < n; i++) {
		if (b)
			json_text(b, NULL, db_text(res, i, 0));
		else
			printf("match   %s %s\n", db_text(res, i, 0),
			    db_text(res, i, 1));
	}
	if (b)
		json_end_array(b);
	PQclear(res);
	PQfinish(db);
	return n > 0;
}

static void __attribute__((noreturn))
cannot(const char *path, const struct identity *id)
{
	if (sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
	if (errno == ENODATA)
		die(EXIT_FAILED, "cannot identify %s: it is empty",
		    quoted(path));
	if (errno == EMEDIUMTYPE)
		die(EXIT_FAILED, "cannot identify %s: %s", quoted(path),
		    content_describe(id->container->name));
	if (errno == ENOTSUP)
		die(EXIT_FAILED, "cannot identify %s: it is neither a "
		    "device nor an image nor a directory", quoted(path));
	if (errno == ENOMEDIUM)
		die(EXIT_FAILED, "could not identify %s: there is no medium "
		    "in it, or it is not ready", quoted(path));
	if (errno == ETIMEDOUT)
		die(EXIT_FAILED, "could not identify %s: it did not answer in "
		    "time", quoted(path));
	die_errno("could not identify %s: %m", quoted(path));
}

static int
milliseconds(double seconds, int most)
{
	return seconds * 1000 < most ? (int)(seconds * 1000) : most;
}

static void
identify_device(const char *path, struct identity *id)
{
	enum { LONGEST = 86400000 };

	if (device_wait(&device, path, milliseconds(opt.timeout, LOOK_MS),
	    milliseconds(opt.timeout, READY_MS)) < 0)
		cannot(path, id);
	device_probe(&probed, &device, milliseconds(opt.timeout, PROBE_MS));
	if (identity_within(path, probed.model, probed.serial, id,
	    milliseconds(opt.timeout, LONGEST)) < 0)
		cannot(path, id);
	if (id->unreadable)
		say("%s bytes at the ends of %s could not be read, and count "
		    "as zeros", num_grouped(id->unreadable), quoted(path));
}

static void
identify(const char *path, struct identity *id)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		identify_device(path, id);
	else if (identity_of(path, NULL, NULL, id) < 0)
		cannot(path, id);
	if (id->degenerate && !opt.label && !opt.force)
		die(EXIT_FAILED, "cannot tell %s from other media: both ends "
		    "hold one byte repeated%s; name it with --label or use "
		    "--force", quoted(path), id->unreadable ?
		    ", or could not be read" : "");
}

int
main(int argc, char **argv)
{
	struct buf b = BUF_INIT;
	struct identity id;
	struct known known;
	const char *name;
	int found = 1;

	prog_start(&prog, argc, argv);
	prog_options(options);
	prog_operands(1, 1);
	prog_config();
	if (opt.label && !medium_valid(opt.label))
		die_usage("--label must be lowercase letters, digits, '_' and "
		    "'-', at most %d of them, not %s", MEDIUM_MAX,
		    quoted(opt.label));
	sig_catch();
	identify(prog_operand(0), &id);
	name = opt.label ? opt.label : id.hash;
	look_up(&id, name, &known);
	if (opt.json) {
		put_json(&b, &id, &known, name);
		if (opt.match)
			found = match(&id, &b);
		json_end_object(&b);
		puts(b.data);
	} else {
		print_text(&id, &known);
		if (opt.match)
			found = match(&id, NULL);
	}
	buf_free(&b);
	known_free(&known);
	free(id.path);
	return found ? EXIT_DONE : EXIT_FAILED;
}
