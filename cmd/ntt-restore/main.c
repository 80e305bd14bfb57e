/*
 * ntt-restore: gives files, folders and media back, with all metadata in the
 * catalogue.
 *
 * For each medium its rows are read in one go (plan.c); then each entry is made
 * (make.c, or tar.c); at the end come the things that must wait: the metadata
 * of directories, and flags that forbid changes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/fsutil.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/tempfile.h"
#include "catalogue/account.h"
#include "catalogue/db.h"
#include "catalogue/medium.h"
#include "catalogue/place.h"
#include "catalogue/store_mark.h"
#include "image.h"
#include "left.h"
#include "make.h"
#include "meta.h"
#include "places.h"
#include "plan.h"
#include "sql/statements.h"
#include "store/blob_read.h"
#include "tar.h"
#include "target.h"

enum damaged { DAMAGED_KEEP, DAMAGED_SKIP };
static const char *const damaged_words[] = { "keep", "skip", NULL };

static struct {
	const char *medium, *files_from, *image, *to;
	int null, tar, zip, bag, overwrite, damaged, streams, reflink;
} opt;

static PGconn *db;
static struct places places;
static struct target target;
static struct maker maker;
static uint64_t missing;	/* places that are not there */

static const struct prog_option options[] = {
	OPT_MEDIUM,
	{ 0, "files-from", "FILE", "places, one a line (-: standard input)",
		OPT_TEXT(&opt.files_from) },
	{ '0', "null", NULL, "places of --files-from end with a NUL",
		OPT_FLAG(&opt.null) },
	{ 0, "tar", NULL, "write a pax archive to standard output",
		OPT_FLAG(&opt.tar) },
	{ 0, "zip", NULL, "write a zip archive to standard output",
		OPT_FLAG(&opt.zip) },
	{ 0, "bag", NULL, "make the archive a bag (BagIt)",
		OPT_FLAG(&opt.bag) },
	{ 0, "image", "MEDIUM", "give the image of a medium back",
		OPT_TEXT(&opt.image) },
	{ 0, "overwrite", NULL, "replace existing files that differ",
		OPT_FLAG(&opt.overwrite) },
	{ 0, "damaged", "WHAT", "files with lost ranges: keep or skip "
		"(default keep)", OPT_CHOICE(&opt.damaged, damaged_words) },
	{ 0, "streams", NULL, "write named streams beside their files",
		OPT_FLAG(&opt.streams) },
	{ 0, "reflink", NULL, "share blocks with the store where possible",
		OPT_FLAG(&opt.reflink) },
	OPT_END
};

static const struct prog prog = {
	"ntt-restore",
	"[options] MEDIUM[:PATH]... DIR\n"
	"[options] -m MEDIUM [PATH]... DIR\n"
	"[options] --files-from FILE [-0] DIR\n"
	"[options] --tar|--zip [--bag] MEDIUM[:PATH]...\n"
	"--image MEDIUM FILE",
	"Give files, folders and media back"
};

static void __attribute__((noreturn))
interrupted(void)
{
	progress_stop();
	say("interrupted; the same command goes on from here");
	if (!opt.tar)
		target_close(&target);
	PQfinish(db);
	/* an archive that ends here must not look whole */
	_exit(EXIT_SIGNAL + sig_caught());
}

/* Omissions that are at or below a place, or are of a whole volume of one. */
static int
concerns(struct places *of, PGresult *res, int row, const char *path,
    size_t len)
{
	char volume[24];
	size_t i;

	if (!PQgetisnull(res, row, 0))
		return places_cover(of, path, len, 0);
	if (places_whole(of) || PQgetisnull(res, row, 1))
		return 1;
	snprintf(volume, sizeof volume, "p%" PRId64, db_int(res, row, 1));
	for (i = 0; i < of->count; i++) {
		const char *place = of->list[i].place.path;
		size_t end = strcspn(place, "/");

		/* a medium with one volume has no such directory */
		if (place[0] != 'p' || (end == strlen(volume) &&
		    !memcmp(place, volume, end)))
			return 1;
	}
	return 0;
}

static void
name_omissions(struct places *of)
{
	PGresult *res = db_query(db, sql_restore_omissions,
	    of->list[0].place.medium);
	struct buf path = BUF_INIT, why = BUF_INIT;
	int row;

	if (!res)
		db_die("could not read what is left out");
	for (row = 0; row < PQntuples(res); row++) {
		buf_reset(&path);
		buf_reset(&why);
		if (!PQgetisnull(res, row, 0))
			db_bytea_value(res, row, 0, &path);
		else if (!PQgetisnull(res, row, 1))
			buf_printf(&path, "p%" PRId64, db_int(res, row, 1));
		if (!concerns(of, res, row, path.data ? path.data : "",
		    path.len))
			continue;
		account_clause(&why, db_text(res, row, 2), 1);
		if (*db_text(res, row, 3))
			buf_printf(&why, " (%s)", db_text(res, row, 3));
		left_changed(path.data ? path.data : "", path.len,
		    "not in the catalogue, so not restored: %s", why.data);
	}
	PQclear(res);
	buf_free(&path);
	buf_free(&why);
}

static void
name_missing(const struct places *of)
{
	size_t i;

	for (i = 0; i < of->count; i++) {
		const struct wanted *w = &of->list[i];

		if (w->found)
			continue;
		missing++;
		left_out(w->place.path, w->place.len, "the medium has no "
		    "such path");
	}
}

static void
check_loaded(const char *medium)
{
	switch (medium_loaded(db, medium)) {
	case -1:
		db_die("could not look at %s", medium);
	case 0:
		die(EXIT_FAILED, "medium %s is not loaded", medium);
	}
}

/* Lines that the list has already stay. */
static void
add_old_lines(struct buf *list, int fd)
{
	struct buf old = BUF_INIT;
	char *line, *end, *found;
	struct stat st;
	ssize_t n;
	size_t len;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	buf_reserve(&old, (size_t)st.st_size + 1);
	n = read_full(fd, old.data, (size_t)st.st_size);
	old.len = n > 0 ? (size_t)n : 0;
	for (line = old.data; line < old.data + old.len; line = end + 1) {
		end = memchr(line, '\n', (size_t)(old.data + old.len - line));
		if (!end)
			break;
		len = (size_t)(end - line) + 1;
		found = list->len ? memmem(list->data, list->len, line, len) :
		    NULL;
		if (!found || (found > list->data && found[-1] != '\n'))
			buf_put(list, line, len);
	}
	buf_free(&old);
}

/* Whoever has only the archive must know what it lacks. */
static void
write_left(const char *medium)
{
	char *name = xasprintf("ntt-left-out.%s.txt", medium);

	if (opt.tar && left_lines()->len > 0)
		tar_text(name, left_lines());
	free(name);
}

static void
write_damaged(const char *medium)
{
	char *name = xasprintf("ntt-damaged.%s.txt", medium);
	char temp[TARGET_TEMP];
	int fd;

	if (maker.damaged.len == 0) {
		free(name);
		return;
	}
	if (opt.tar) {
		tar_text(name, &maker.damaged);
		free(name);
		return;
	}
	target_temp(&target, name, temp);
	fd = openat(target.top, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	if (fd >= 0) {
		add_old_lines(&maker.damaged, fd);
		close(fd);
	}
	unlinkat(target.top, temp, 0);
	fd = openat(target.top, temp, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || write_all(fd, maker.damaged.data,
	    maker.damaged.len) < 0 || close(fd) < 0 ||
	    renameat(target.top, temp, target.top, name) < 0)
		die_errno("could not write %s: %m", quoted(name));
	say("%s lists the files with lost ranges", quoted(name));
	free(name);
}

/* What is called like the mark of this run has to wait until that is gone. */
static int
has_to_wait(const struct item *e, int several)
{
	return !opt.tar && !several && e->len > 0 &&
	    target_is_mark(&target, e->path);
}

/* The number of those that have to wait. */
static size_t
make_all(struct plan *plan, struct places *of, int several)
{
	const struct item *e;
	size_t waiting = 0;
	int below;

	while ((e = plan_next(plan))) {
		if (sig_caught())
			interrupted();
		progress_note(e->path);
		below = places_cover(of, e->path, e->len, 0);
		if (opt.tar) {
			tar_entry(&maker, e, below);
		} else if (has_to_wait(e, several)) {
			waiting++;
			/* other names of it are no links of the mark */
			make_note_failed(&maker, e);
			if (e->first)
				meta_lost(META_LINKS);
		} else {
			make_entry(&maker, e, below);
		}
	}
	if (sig_caught())
		interrupted();
	return waiting;
}

static void
make_waiting(struct plan *plan, struct places *of)
{
	char mark[TARGET_MARK_NAME];
	const struct item *e;
	size_t len;

	strcpy(mark, target.mark_name);
	len = strlen(mark);
	if (target_move_mark(&target) < 0)
		die_errno("could not move %s away: %m", quoted(mark));
	plan_again(plan);
	while ((e = plan_next(plan))) {
		if (sig_caught())
			interrupted();
		if (strcspn(e->path, "/") == len &&
		    !memcmp(e->path, mark, len))
			make_entry(&maker, e, places_cover(of, e->path,
			    e->len, 0));
	}
	if (sig_caught())
		interrupted();
}

static void
finish_all(struct plan *plan, struct places *of)
{
	const struct item *e;

	while ((e = plan_next_last(plan))) {
		if (sig_caught())
			interrupted();
		make_last(&maker, e, places_cover(of, e->path, e->len, 0));
	}
}

/* The places of one medium; several: it gets a directory. */
static void
restore_medium(struct places *of, int several)
{
	const char *medium = of->list[0].place.medium;
	const char *directory = several ? medium : NULL;
	struct plan plan;

	check_loaded(medium);
	left_medium(medium);
	plan_read(&plan, db, of);
	name_missing(of);
	name_omissions(of);
	if (plan.unknown == plan.count && plan.count > 0)
		say("medium %s was loaded without metadata: owners, modes and "
		    "attributes are not known", medium);
	else if (plan.unknown > 0)
		say("of %s entries of medium %s no metadata is known",
		    num_grouped(plan.unknown), medium);
	if (opt.tar)
		tar_medium(db, medium, directory);
	else if (target_medium(&target, directory) < 0)
		die_errno("could not open the directory of medium %s: %m",
		    medium);
	progress_start("restoring", NULL, PROGRESS_BYTES, maker.done +
	    plan.bytes);
	if (make_all(&plan, of, several) > 0)
		make_waiting(&plan, of);
	write_left(medium);
	write_damaged(medium);
	if (!opt.tar) {
		if (!several)
			target_unmark(&target);
		finish_all(&plan, of);
	}
	progress_stop();
	buf_reset(&maker.damaged);
	make_forget(&maker);
	plan_free(&plan);
}

static void
open_store(void)
{
	const char *root = config_get(CONFIG_BYHASH_ROOT);

	store_mark_need(db, CONFIG_BYHASH_ROOT, 0);
	if (store_open_read(&maker.store, root) < 0)
		die_errno("could not open the store %s: %m", quoted(root));
}

/* A directory of the collection itself is no place for copies. */
static void
check_target(enum config_key key)
{
	char *root = realpath(config_get(key), NULL);
	char *to = realpath(opt.to, NULL);
	size_t len = root ? strlen(root) : 0;

	if (root && to && !strncmp(root, to, len) &&
	    (to[len] == '/' || to[len] == '\0'))
		die_usage("%s is in %s (%s)", quoted(opt.to),
		    config_name(key), quoted(root));
	free(root);
	free(to);
}

static void
gather(void)
{
	struct place_names names = PLACE_NAMES_INIT;
	int n = prog_operand_count() - (opt.tar ? 0 : 1), i;

	for (i = 0; i < n; i++)
		places_add(&places, db, &names, opt.medium, prog_operand(i),
		    strlen(prog_operand(i)));
	if (opt.files_from)
		places_read(&places, db, &names, opt.medium, opt.files_from,
		    opt.null ? '\0' : '\n');
	else if (n == 0)
		places_add(&places, db, &names, opt.medium, "", 0);
	place_names_free(&names);
	places_sort(&places);
	if (places_of_streams(&places, db) < 0)
		db_die("could not look for named streams");
	if (places.count == 0)
		die(EXIT_FAILED, "%s has no places", quoted(opt.files_from));
}

static void
report(void)
{
	meta_report();
	if (maker.streams_left)
		warn("%s named streams are not restored (--streams writes "
		    "them beside their files)",
		    num_grouped(maker.streams_left));
	say("%s entries %s%s%s%s%s", num_grouped(maker.made + maker.links),
	    opt.tar ? "written" : "made",
	    maker.there ? ", " : "", maker.there ? num_grouped(maker.there) :
	    "", maker.there ? " were there" : "",
	    left_count() ? ", some could not be given back" : "");
}

/* bag-info.txt says what the bag is of. */
static void
describe_bag(const char *medium)
{
	PGresult *res = db_query(db, sql_report_bag_info, medium);

	if (!res)
		db_die("could not read what medium %s is", medium);
	tar_bag_info("External-Identifier", medium);
	tar_bag_info("External-Description", db_text(res, 0, 0));
	tar_bag_info("Internal-Sender-Description", db_text(res, 0, 1));
	tar_bag_info("Medium-Model", db_text(res, 0, 3));
	tar_bag_info("Medium-Serial-Number", db_text(res, 0, 4));
	PQclear(res);
}

static void
open_archive(void)
{
	const char *medium = NULL;
	char day[16];
	time_t now = time(NULL);
	struct tm tm;
	size_t i;

	tar_open(opt.zip ? TAR_ZIP : TAR_PAX, opt.bag ?
	    places.list[0].place.medium : NULL);
	if (!opt.bag)
		return;
	tar_bag_info("Source-Organization",
	    config_get(CONFIG_ORGANIZATION));
	tar_bag_info("Contact-Name", config_get(CONFIG_CONTACT));
	if (gmtime_r(&now, &tm) && strftime(day, sizeof day, "%Y-%m-%d",
	    &tm) > 0)
		tar_bag_info("Bagging-Date", day);
	for (i = 0; i < places.count; i++) {
		const struct place *p = &places.list[i].place;
		struct buf where = BUF_INIT;

		if (!medium || strcmp(medium, p->medium))
			describe_bag(p->medium);
		medium = p->medium;
		buf_printf(&where, "%s:%s", p->medium, p->path);
		tar_bag_info("Bagged-Place", where.data);
		buf_free(&where);
	}
}

static int
restore(void)
{
	struct places of;
	int several;
	size_t i;

	gather();
	open_store();
	several = opt.files_from || places_of(&places, 0).count !=
	    places.count;
	maker.db = db;
	maker.target = &target;
	maker.buf = xmalloc(BLOB_BLOCK);
	maker.overwrite = opt.overwrite;
	maker.skip_damaged = opt.damaged == DAMAGED_SKIP;
	maker.streams = opt.streams;
	maker.reflink = opt.reflink;
	if (opt.tar)
		open_archive();
	else
		target_open(&target, opt.to);
	for (i = 0; i < places.count; i += of.count) {
		of = places_of(&places, i);
		restore_medium(&of, several);
	}
	if (opt.tar) {
		tar_close();
	} else {
		target_unmark(&target);
		target_finished(&target);
		if (target_sync(&target) < 0)
			die_errno("could not write to %s: %m",
			    quoted(opt.to));
		target_close(&target);
	}
	report();
	free(maker.buf);
	buf_free(&maker.damaged);
	close(maker.store.root);
	if (missing == places.count)
		return EXIT_FAILED;
	return left_count() || maker.streams_left ? EXIT_PARTIAL : EXIT_DONE;
}

static int
restore_image(void)
{
	struct medium m;
	int status;

	medium_named(db, opt.image, &m);
	status = image_restore(&m, opt.to, opt.overwrite);
	medium_free(&m);
	return status;
}

static void
parse_options(int argc, char **argv)
{
	int least;

	prog_start(&prog, argc, argv);
	prog_options(options);
	opt.medium = prog_medium(prog_operand_count(), prog_operand_count());
	if (opt.tar && opt.zip)
		die_usage("--tar and --zip are two formats");
	opt.tar |= opt.zip;
	if (opt.bag && !opt.tar)
		die_usage("--bag is for --tar and --zip");
	if (opt.null && !opt.files_from)
		die_usage("-0 is for --files-from");
	if (opt.image) {
		if (opt.medium || opt.tar || opt.files_from)
			die_usage("--image gives one image and nothing else");
		prog_operands(1, 1);
	} else {
		least = opt.medium || opt.files_from ? 0 : 1;
		prog_operands(least + !opt.tar, -1);
	}
	if (!opt.tar)
		opt.to = prog_operand(prog_operand_count() - 1);
	if (opt.tar && isatty(STDOUT_FILENO))
		die_usage("standard output is a terminal");
	prog_config();
}

int
main(int argc, char **argv)
{
	int status;

	parse_options(argc, argv);
	if (opt.to) {
		check_target(CONFIG_BYHASH_ROOT);
		check_target(CONFIG_ARCHIVED_ROOT);
	}
	db = db_need();
	sig_catch();
	status = opt.image ? restore_image() : restore();
	PQfinish(db);
	places_free(&places);
	return status;
}
