/*
 * ntt-identify: the hash, size, model and serial of a device, an image or a
 * directory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "db.h"
#include "diag.h"
#include "identity.h"
#include "json.h"
#include "medium.h"
#include "prog.h"

static const struct option_help options[] = {
	{ 0, "json", NULL, "print one JSON object" },
	{ 0, "label", "NAME", "call the medium NAME instead of its hash" },
	{ 0, "match", NULL, "look it up in the catalogue" },
	{ 0, "force", NULL, "accept a signature that tells nothing" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt-identify",
	"[--json] [--label NAME] [--match] DEVICE|IMAGE|DIRECTORY",
	"Print the hash that names a medium",
	options
};

static void
human_name(struct buf *out, const struct identity *id)
{
	const char *base = strrchr(id->path, '/');
	size_t len;

	if (id->kind == IDENTITY_DEVICE) {
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
		json_u64(b, "unreadable", id->unreadable);
	}
	json_text(b, "human", human.data);
	buf_free(&human);
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

/* Rows of the catalogue under any hash this medium ever had. */
static int
match(const struct identity *id, struct buf *b)
{
	PGconn *db = db_open();
	PGresult *res;
	int i, n;

	if (!db)
		db_die("could not open the catalogue");
	res = db_query(db, "SELECT medium_hash, medium_human, "
	    "medium_hash = $1 AS current FROM medium "
	    "WHERE medium_hash IN ($1, $2) ORDER BY current DESC",
	    id->hash, id->v1);
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

static void
identify(const char *path, const char *label, int force, struct identity *id)
{
	if (identity_of(path, NULL, NULL, id) < 0) {
		if (errno == ENODATA)
			die(EXIT_FAILED, "cannot identify %s: it is empty",
			    quoted(path));
		if (errno == ENOTSUP)
			die(EXIT_FAILED, "cannot identify %s: it is neither a "
			    "device nor an image nor a directory",
			    quoted(path));
		die_errno("could not identify %s: %m", quoted(path));
	}
	if (id->kind == IDENTITY_DEVICE)
		die(EXIT_FAILED, "identifying devices is not available in "
		    "this version: make an image first");
	if (id->degenerate && !label && !force)
		die(EXIT_FAILED, "cannot tell %s from other media: both ends "
		    "hold one byte repeated; name it with --label or use "
		    "--force", quoted(path));
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
		else
			label = value;
	}
	prog_operands(1, 1);
	prog_config();
	if (label && !medium_valid(label))
		die_usage("--label must be lowercase letters, digits, '_' and "
		    "'-', at most %d of them, not %s", MEDIUM_MAX,
		    quoted(label));
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
