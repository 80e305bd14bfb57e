/*
 * ntt-identify: the hash, size, model and serial of a device, an image or a
 * directory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "buf.h"
#include "db.h"
#include "device.h"
#include "device_probe.h"
#include "diag.h"
#include "identity.h"
#include "json.h"
#include "medium.h"
#include "num.h"
#include "prog.h"
#include "sig.h"

static const struct option_help options[] = {
	{ 0, "json", NULL, "print one JSON object" },
	{ 0, "label", "NAME", "call the medium NAME instead of its hash" },
	{ 0, "match", NULL, "look it up in the catalogue" },
	{ 0, "force", NULL, "accept a signature that tells nothing" },
	{ 0, "timeout", "TIME", "how long a device may take (default 10m)" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-identify",
	"[options] DEVICE|IMAGE|DIRECTORY",
	"Print the hash that names a medium",
	options
};

enum { LOOK_MS = 60000, READY_MS = 30000, PROBE_MS = 10000 };

static struct device device;
static struct device_probe probed;
static double timeout = 600;

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

static void
put_json(struct buf *b, const struct identity *id, const char *name)
{
	struct buf human = BUF_INIT;

	human_name(&human, id);
	json_begin_object(b, NULL);
	json_text(b, "hash", name);
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

static void
print_text(const struct identity *id, const char *name)
{
	struct buf human = BUF_INIT;

	human_name(&human, id);
	printf("hash    %s\nkind    %s\n", name,
	    identity_kind_name(id->kind));
	if (id->kind != IDENTITY_DIRECTORY)
		printf("size    %llu\nmodel   %s\nserial  %s\n",
		    (unsigned long long)id->size, id->model, id->serial);
	printf("name    %s\n", human.data);
	buf_free(&human);
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
	PGconn *db = db_open();
	PGresult *res;
	int i, n;

	if (!db)
		db_die("could not open the catalogue");
	res = db_query_n(db, "SELECT medium_hash, medium_human, "
	    "medium_hash = $1 AS current FROM medium "
	    "WHERE medium_hash IN ($1, $2, $3) OR identity->>'v1' = $2 "
	    "OR identity->>'v2_image' = $3 "
	    "ORDER BY current DESC, medium_hash", 3, params);
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
cannot(const char *path)
{
	if (sig_caught())
		exit(EXIT_SIGNAL + sig_caught());
	if (errno == ENODATA)
		die(EXIT_FAILED, "cannot identify %s: it is empty",
		    quoted(path));
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

	if (device_wait(&device, path, milliseconds(timeout, LOOK_MS),
	    milliseconds(timeout, READY_MS)) < 0)
		cannot(path);
	device_probe(&probed, &device, milliseconds(timeout, PROBE_MS));
	if (identity_within(path, probed.model, probed.serial, id,
	    milliseconds(timeout, LONGEST)) < 0)
		cannot(path);
	if (id->unreadable)
		say("%s bytes at the ends of %s could not be read, and count "
		    "as zeros", num_grouped(id->unreadable), quoted(path));
}

static void
identify(const char *path, const char *label, int force, struct identity *id)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		identify_device(path, id);
	else if (identity_of(path, NULL, NULL, id) < 0)
		cannot(path);
	if (id->degenerate && !label && !force)
		die(EXIT_FAILED, "cannot tell %s from other media: both ends "
		    "hold one byte repeated%s; name it with --label or use "
		    "--force", quoted(path), id->unreadable ?
		    ", or could not be read" : "");
}

int
main(int argc, char **argv)
{
	const char *name, *value, *label = NULL;
	struct buf b = BUF_INIT;
	struct identity id;
	int json = 0, matching = 0, force = 0, found = 1;

	prog_start(&prog, argc, argv);
	while ((name = prog_option(&value))) {
		if (!strcmp(name, "json"))
			json = 1;
		else if (!strcmp(name, "match"))
			matching = 1;
		else if (!strcmp(name, "force"))
			force = 1;
		else if (!strcmp(name, "timeout"))
			timeout = seconds_arg("--timeout", value, 1);
		else
			label = value;
	}
	prog_operands(1, 1);
	prog_config();
	if (label && !medium_valid(label))
		die_usage("--label must be lowercase letters, digits, '_' and "
		    "'-', at most %d of them, not %s", MEDIUM_MAX,
		    quoted(label));
	sig_catch();
	identify(prog_operand(0), label, force, &id);
	if (json) {
		put_json(&b, &id, label ? label : id.hash);
		if (matching)
			found = match(&id, &b);
		json_end_object(&b);
		puts(b.data);
	} else {
		print_text(&id, label ? label : id.hash);
		if (matching)
			found = match(&id, NULL);
	}
	buf_free(&b);
	free(id.path);
	return found ? EXIT_DONE : EXIT_FAILED;
}
