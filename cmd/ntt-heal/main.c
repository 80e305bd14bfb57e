/*
 * ntt-heal: finds right bytes for wrong blobs in all other places that may have
 * them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/log.h"
#include "base/num.h"
#include "base/privilege.h"
#include "base/prog.h"
#include "base/sig.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/store_mark.h"
#include "keep/depot.h"
#include "keep/heal.h"
#include "place.h"
#include "wanted.h"

enum { GROUP = 64 };		/* blobs of one transaction */

static const char *medium_option;
static int all;
static PGconn *db;
static struct store store;
static struct heal heal;
static struct wanted wanted;
static uint64_t were_right, from[PLACE_KINDS], from_depots, from_nothing;

static struct heal_item group[GROUP];
static size_t group_blob[GROUP], group_count;

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "all", NULL, "all blobs that are known not to be good",
		OPT_FLAG(&all) },
	OPT_END
};

static const struct prog prog = {
	"ntt-heal",
	"[options] -m MEDIUM | --all\n"
	"[options] BLOB ...",
	"Heal blobs with the right bytes, from wherever they still are"
};

static void __attribute__((noreturn))
database_failed(const char *what)
{
	db_die("could not %s", what);
}

/* What was healed stays so, and the same command goes on. */
static void
check_interrupted(void)
{
	if (!sig_caught())
		return;
	say("interrupted; the same command goes on");
	exit(EXIT_SIGNAL + sig_caught());
}

static struct wanted_blob *
blob_of(const struct heal_item *item)
{
	size_t i;

	for (i = 0; i < group_count; i++)
		if (!strcmp(wanted.blobs[group_blob[i]].id, item->id))
			return &wanted.blobs[group_blob[i]];
	abort();
}

/* The blobs of the group that are right afterwards. */
static uint64_t
heal_group(void)
{
	uint64_t right = 0;
	size_t i;

	if (group_count == 0)
		return 0;
	switch (heal_blobs(&heal, group, group_count)) {
	case HEAL_NO_STORE:
		die_errno("could not write to the store or the archived "
		    "trees: %m");
	case HEAL_NO_DATABASE:
		database_failed("record what was healed");
	case HEAL_DONE:
		break;
	}
	for (i = 0; i < group_count; i++) {
		struct wanted_blob *b = blob_of(&group[i]);

		b->right = group[i].outcome != HEAL_STILL_BAD;
		b->state = group[i].found;
		right += (uint64_t)b->right;
	}
	group_count = 0;
	return right;
}

/* temp: the right bytes of blob number n, or fd -1 to look at its file only. */
static uint64_t
add_to_group(size_t n, const struct store_temp *temp)
{
	struct heal_item *item = &group[group_count];

	memset(item, 0, sizeof *item);
	memcpy(item->id, wanted.blobs[n].id, sizeof item->id);
	item->size = wanted.blobs[n].size;
	item->temp = *temp;
	group_blob[group_count++] = n;
	/* nobody looks for it any more */
	wanted.blobs[n].right = 1;
	return group_count == GROUP ? heal_group() : 0;
}

/* Somebody may have put them right by hand. */
static void
look_again(void)
{
	static const struct store_temp none = { .fd = -1 };
	size_t i;

	for (i = 0; i < wanted.blob_count; i++) {
		check_interrupted();
		were_right += add_to_group(i, &none);
	}
	were_right += heal_group();
}

/* Bytes for a temporary: 1 it has those of the blob, 0 it has not. */
static int
take_text(const char *text, const char *id, struct store_temp *temp)
{
	char got[STORE_ID + 1];

	if (store_temp(&store, temp) < 0 ||
	    write_all(temp->fd, text, strlen(text)) < 0 ||
	    store_hash(temp->fd, got) < 0)
		die_errno("could not write to the store: %m");
	if (!strcmp(got, id))
		return 1;
	store_temp_discard(&store, temp);
	return 0;
}

static void
heal_empty(void)
{
	struct store_temp temp;
	size_t i;

	for (i = 0; i < wanted.blob_count; i++)
		if (!wanted.blobs[i].right &&
		    !strcmp(wanted.blobs[i].id, store_empty_id) &&
		    take_text("", store_empty_id, &temp)) {
			from_nothing += add_to_group(i, &temp);
			from_nothing += heal_group();
		}
}

/* A file there: its bytes may be those of the blob. */
static int
take_file(const struct place *p, const struct wanted_name *n,
    struct wanted_blob *b, struct store_temp *temp)
{
	int fd = place_file(p, n->path), rc = 0;
	char got[STORE_ID + 1];
	struct stat st;
	uint64_t size;

	if (fd < 0)
		return 0;
	/* a hundred names of one file are one file */
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != b->size ||
	    (p->kind == PLACE_TREE && (st.st_ino == b->tried ||
	    st.st_ino == heal_ino(&store, b->id)))) {
		close(fd);
		return 0;
	}
	b->tried = st.st_ino;
	if (store_take(&store, fd, temp, got, &size) == 0) {
		rc = !strcmp(got, b->id);
		if (!rc)
			store_temp_discard(&store, temp);
	} else if (exit_for_errno(errno) == EXIT_AGAIN) {
		die_errno("could not write to the store: %m");
	} else {
		detail("%s could not be read: %s", quoted(n->path),
		    strerror(errno));
	}
	close(fd);
	return rc;
}

static int
take(const struct place *p, const struct wanted_name *n,
    struct wanted_blob *b, struct store_temp *temp)
{
	char *target;
	int rc;

	if (n->type != 'l')
		return take_file(p, n, b, temp);
	target = place_link(p, n->path);
	if (!target)
		return 0;
	rc = take_text(target, b->id, temp);
	free(target);
	return rc;
}

/* The names [first, end) are of one medium. */
static void
look_in(const struct place *p, size_t first, size_t end)
{
	struct store_temp temp;
	size_t i;

	for (i = first; i < end; i++) {
		const struct wanted_name *n = &wanted.names[i];
		struct wanted_blob *b = &wanted.blobs[n->blob];

		check_interrupted();
		if (!b->right && take(p, n, b, &temp))
			from[p->kind] += add_to_group(n->blob, &temp);
	}
	from[p->kind] += heal_group();
}

static int
any_wanted(size_t first, size_t end)
{
	for (; first < end; first++)
		if (!wanted.blobs[wanted.names[first].blob].right)
			return 1;
	return 0;
}

static void
look_everywhere(enum place_kind kind)
{
	size_t first, end;

	for (first = 0; first < wanted.name_count; first = end) {
		const struct medium *m =
		    &wanted.media[wanted.names[first].medium];
		struct place p;

		for (end = first; end < wanted.name_count &&
		    wanted.names[end].medium == wanted.names[first].medium; )
			end++;
		if (!any_wanted(first, end))
			continue;
		log_medium(m->hash);
		if (place_open(&p, kind, m))
			look_in(&p, first, end);
		else if (p.error)
			warn("%s of %s: %s", place_name(kind), m->hash,
			    p.error);
		place_close(&p);
		check_interrupted();
	}
}

/* ---- other places (ntt-places(1)) ---- */

/* The place has it with the right bytes: 1; 0 it has not, which is recorded. */
static int
take_copy(const struct depot *d, const struct wanted_blob *b,
    struct store_temp *temp)
{
	char got[STORE_ID + 1], ids[1][STORE_ID + 1];
	struct depot_blob copy;
	int there = depot_blob(db, d, b->id, &copy), right = 0, came = 1;
	uint64_t size;

	if (there < 0 && errno == 0)
		database_failed("find a copy");
	if (there < 0) {
		warn("%s of %s could not be read: %s", b->id, d->name,
		    strerror(errno));
		return 0;
	}
	if (there && store_take(&store, copy.fd, temp, got, &size) == 0) {
		right = !strcmp(got, b->id);
		if (!right)
			store_temp_discard(&store, temp);
	} else if (there && exit_for_errno(errno) == EXIT_AGAIN) {
		die_errno("could not write to the store: %m");
	}
	if (there)
		came = depot_done(&copy);
	if (right)
		return 1;
	/* it may be there, and rclone has told why it did not come */
	if (!came)
		return 0;
	memcpy(ids[0], b->id, sizeof ids[0]);
	if (depot_holds_not(db, d, ids, 1) < 0)
		database_failed("record what a place has not");
	return 0;
}

static void
look_in_depot(const struct depot *d)
{
	struct store_temp temp;
	size_t i;

	for (i = 0; i < wanted.blob_count; i++) {
		check_interrupted();
		if (!wanted.blobs[i].right &&
		    take_copy(d, &wanted.blobs[i], &temp))
			from_depots += add_to_group(i, &temp);
	}
	from_depots += heal_group();
}

static void
look_in_depots(void)
{
	struct depots depots;
	char *why;
	size_t i;

	if (depots_read(db, NULL, &depots) < 0)
		database_failed("find the places");
	for (i = 0; i < depots.count && wanted_left(&wanted) > 0; i++) {
		if (depot_open(&depots.list[i], &why)) {
			look_in_depot(&depots.list[i]);
			continue;
		}
		warn("the place %s is not in reach: %s",
		    depots.list[i].name, why);
		free(why);
	}
	depots_free(&depots);
}

/* ---- what stays bad ---- */

static void
print_names(size_t blob)
{
	size_t i, medium = SIZE_MAX;

	for (i = 0; i < wanted.name_count; i++) {
		const struct wanted_name *n = &wanted.names[i];
		const struct medium *m = &wanted.media[n->medium];

		if (n->blob != blob)
			continue;
		if (n->medium != medium)
			printf("\t%s %s\n", m->hash,
			    quoted(medium_shown(m)));
		medium = n->medium;
		printf("\t\t%s\n", quoted(n->path));
	}
}

static void
report(void)
{
	uint64_t left = wanted_left(&wanted);
	size_t i;

	for (i = 0; i < wanted.blob_count; i++) {
		const struct wanted_blob *b = &wanted.blobs[i];

		if (b->right)
			continue;
		printf("%s %s, %s\n", b->id, store_state_name(b->state),
		    num_bytes(b->size));
		print_names(i);
	}
	say("%s blobs healed (%s from trees, %s from sources, %s from "
	    "archives, %s from other places), %s were right, %s stay bad",
	    num_grouped(heal.healed), num_grouped(from[PLACE_TREE]),
	    num_grouped(from[PLACE_SOURCE]), num_grouped(from[PLACE_ARCHIVE]),
	    num_grouped(from_depots), num_grouped(were_right),
	    num_grouped(left));
	if (heal.healed)
		say("the old files are in %s/.bad",
		    quoted(config_get(CONFIG_BYHASH_ROOT)));
}

/* ---- the beginning ---- */

static void
open_store(void)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);

	store_mark_need(db, CONFIG_BYHASH_ROOT, 0);
	store_mark_need_owner(CONFIG_BYHASH_ROOT);
	if (*config_get(CONFIG_ARCHIVED_ROOT)) {
		store_mark_need(db, CONFIG_ARCHIVED_ROOT, 0);
		store_mark_need_owner(CONFIG_ARCHIVED_ROOT);
	}
	if (store_open(&store, root) < 0)
		die_errno("could not open the store %s: %m", quoted(root));
	if (store_mark_private(CONFIG_BYHASH_ROOT))
		store_private(&store);
	heal = (struct heal){ .db = db, .store = &store,
		.trees = config_get(CONFIG_ARCHIVED_ROOT) };
}

static void
choose(void)
{
	char *hash = medium_option ? medium_named_hash(db, medium_option) :
	    NULL;
	int i, rc = 0;

	if (hash && medium_loaded(db, hash) == 0)
		die(EXIT_FAILED, "medium %s is not loaded", hash);
	if (hash || all)
		rc = wanted_marked(&wanted, db, hash);
	for (i = 0; rc >= 0 && i < prog_operand_count(); i++) {
		rc = wanted_add(&wanted, db, prog_operand(i));
		if (rc == 0)
			die(EXIT_FAILED, "the catalogue has no blob %s",
			    quoted(prog_operand(i)));
	}
	if (rc < 0)
		database_failed("find the blobs");
	free(hash);
}

static void
parse_options(int argc, char **argv)
{
	uint8_t id[STORE_ID / 2];
	int i;

	prog_start(&prog, argc, argv);
	prog_options(options);
	medium_option = prog_medium(prog_operand_count(),
	    prog_operand_count());
	for (i = 0; i < prog_operand_count(); i++)
		if (hex_decode(id, prog_operand(i), sizeof id) < 0)
			die_usage("%s is not the id of a blob",
			    quoted(prog_operand(i)));
	if ((medium_option != NULL) + all + (prog_operand_count() > 0) != 1)
		die_usage("one of -m MEDIUM, --all and BLOB is needed");
	prog_config();
}

int
main(int argc, char **argv)
{
	enum place_kind kind;

	parse_options(argc, argv);
	db = db_need();
	choose();
	if (privilege_drop(NULL) < 0)
		die_errno("could not give up root rights: %m");
	log_open(config_get(CONFIG_LOG_DIR), prog.name, NULL);
	open_store();
	sig_catch();
	look_again();
	heal_empty();
	if (wanted_left(&wanted) > 0 && wanted_find_names(&wanted, db) < 0)
		database_failed("find the names of the blobs");
	for (kind = 0; kind < PLACE_KINDS && wanted_left(&wanted) > 0; kind++) {
		look_everywhere(kind);
		if (kind == PLACE_TREE && wanted_left(&wanted) > 0)
			look_in_depots();
	}
	report();
	all = wanted_left(&wanted) > 0;
	wanted_free(&wanted);
	store_close(&store);
	PQfinish(db);
	return all ? EXIT_PARTIAL : EXIT_DONE;
}
