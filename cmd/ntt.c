/*
 * ntt: the front door.  "ntt enum …" is ntt-enum, "ntt help enum" its manual
 * page, "ntt help" the list of all programs, and "ntt" alone the state of the
 * collection.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/diag.h"
#include "base/nearest.h"
#include "base/num.h"
#include "base/prog.h"
#include "base/spawn.h"
#include "catalogue/conninfo.h"
#include "catalogue/db.h"
#include "sql/statements.h"

static int show_config, list_commands;

static const struct prog_option options[] = {
	{ 0, "print-config", NULL, "show each setting and where it came from",
		OPT_FLAG(&show_config) },
	{ 0, "commands", NULL, "list the commands", OPT_FLAG(&list_commands) },
	OPT_END
};

static const struct prog prog = {
	"ntt",
	"COMMAND [ARGUMENT ...]\n"
	"help [COMMAND]\n"
	"[--print-config]",
	"Rescue the contents of old media, every content once"
};

/* All programs, as "ntt help" shows them; no purpose: a group. */
static const struct {
	const char *name, *purpose;
} programs[] = {
	{ "every day", NULL },
	{ "doctor", "what is missing, wrong or full before a long run" },
	{ "orchestrator", "take in a device, an image or a directory" },
	{ "find", "which files, over all media, by name, content or state" },
	{ "restore", "give files, folders, media or images back" },
	{ "browse", "the collection as a read-only file system" },
	{ "web", "the collection to web browsers of this machine" },
	{ "cat", "write one content to standard output" },
	{ "each", "a program once for each content; MIME types, words" },
	{ "list-media", "the media, or those that hold a path" },
	{ "note", "title, message and inventory of media" },
	{ "pipeline-status", "how far a medium came, and what to do next" },
	{ "dashboard", "watch it all on a terminal" },
	{ "report", "a medium, or all, as pages; DFXML, body files, bags" },
	{ "verify", "hash the store, a medium or an archive again" },
	{ "recover-failed", "what failed, is damaged or missing; settle it" },
	{ "remove", "take a medium or a content out of the collection" },
	{ "by hand, in this order", NULL },
	{ "identify", "device, image or directory: which medium it is" },
	{ "imager", "a device into an image with its map" },
	{ "mount-helper", "mount an image, the one program with root rights" },
	{ "sandbox", "mount an image without any rights" },
	{ "view", "an image as it was meant to be, lost areas as errors" },
	{ "enum", "a tree into a .raw list" },
	{ "loader", "a .raw list into the catalogue" },
	{ "copier", "one worker: read, hash, store, link" },
	{ "copy-workers", "several copiers" },
	{ "streams", "streams of NTFS and resource forks, from an image" },
	{ "stop-workers", "stop running copiers" },
	{ "archiver", "image, list and logs into a verified archive" },
	{ "mark-excluded", "apply ignore patterns after loading" },
	{ "repair and look closer", NULL },
	{ "heal", "right bytes for blobs that have rotted" },
	{ "re-hardlink", "missing links of the trees" },
	{ "rebuild", "a lost catalogue from files, archives and trees" },
	{ "reclaim", "room of blobs that nothing uses" },
	{ "places", "other disks with copies: add, list, forget" },
	{ "mirror", "send copies to a place, or read them back" },
	{ "db", "the catalogue: init, migrate, check, backup, restore" },
	{ "cleanup-mounts", "unmount what is finished" },
	{ "verify-sudo", "ntt-verify under sudo, with your configuration" },
	{ "parse-verify-log", "sum up a log of ntt-verify" },
	{ "check-multipart", "archived images with several partitions" },
	{ "count-hardlinks", "link counts of a tree" },
	{ "raw-check", "count and check a .raw list" },
	{ "raw-tail", "the last records of a .raw list" },
};

/* Words that people try first. */
static const struct {
	const char *word, *name;
} verbs[] = {
	{ "add", "orchestrator" },
	{ "check", "verify" },
	{ "get", "restore" },
	{ "list", "list-media" },
	{ "show", "pipeline-status" },
};

static void
print_programs(void)
{
	size_t i;

	for (i = 0; i < sizeof programs / sizeof programs[0]; i++)
		if (programs[i].purpose)
			printf("  ntt-%-18s %s\n", programs[i].name,
			    programs[i].purpose);
		else
			printf("%s%s\n", i ? "\n" : "", programs[i].name);
	puts("\n\"ntt COMMAND\" runs ntt-COMMAND, \"ntt help COMMAND\" "
	    "explains it; also");
	for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		printf("  ntt %-18s ntt-%s\n", verbs[i].word, verbs[i].name);
}

static const char *
name_of(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (!strcmp(verbs[i].word, word))
			return verbs[i].name;
	return word;
}

static void
print_config(void)
{
	int key;

	for (key = 0; key < CONFIG_KEYS; key++) {
		const char *value = config_get((enum config_key)key);

		if (key == CONFIG_DB_URL)
			value = conninfo_shown(db_conninfo());
		printf("%-20s %s  (%s)\n", config_name((enum config_key)key),
		    value ? quoted(value) : "unset",
		    config_origin((enum config_key)key));
	}
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The programs beside this one, sorted, without "ntt-"; then NULL. */
static char **
commands(void)
{
	char *self = program_path("ntt"), **names = NULL;
	const struct dirent *entry;
	size_t n = 0;
	DIR *dir;

	if (!self)
		die_errno("could not find the programs: %m");
	*strrchr(self, '/') = '\0';
	dir = opendir(self);
	if (!dir)
		die_errno("could not read %s: %m", quoted(self));
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "ntt-", 4))
			continue;
		names = xrealloc(names, (n + 2) * sizeof *names);
		names[n++] = xstrdup(entry->d_name + 4);
		names[n] = NULL;
	}
	closedir(dir);
	free(self);
	if (!names)
		return xcalloc(1, sizeof *names);
	qsort(names, n, sizeof *names, compare);
	return names;
}

static void
print_commands(void)
{
	char **names = commands(), **name;

	for (name = names; *name; name++)
		puts(*name);
}

static void __attribute__((noreturn))
no_command(const char *word)
{
	const char *near = nearest_word(word,
	    (const char *const *)commands()), *verb[2] = { NULL, NULL };
	size_t i;

	for (i = 0; !near && i < sizeof verbs / sizeof verbs[0]; i++) {
		verb[0] = verbs[i].word;
		near = nearest_word(word, verb);
	}
	verb[0] = "help";
	if (!near)
		near = nearest_word(word, verb);
	if (near)
		die_usage("there is no command %s: did you mean %s?",
		    quoted(word), near);
	die_usage("there is no command %s; \"ntt --commands\" lists them",
	    quoted(word));
}

/* The page of a command; of "ntt" that of the suite. */
static void __attribute__((noreturn))
help(const char *command)
{
	int suite = !strcmp(command, "ntt");
	char *page = suite ? xstrdup("ntt") : xasprintf("ntt-%s", command);
	char *program = suite ? NULL : program_path(page);
	char *self, *pages;

	if (!suite && !program)
		no_command(command);

	/* of a build that is not installed: man/ beside build/ */
	self = program_path("ntt");
	if (self && strrchr(self, '/')) {
		*strrchr(self, '/') = '\0';
		pages = xasprintf("%s/../../man/%s.%s", self, page,
		    suite ? "7" : "1");
		if (access(pages, R_OK) == 0)
			execlp("man", "man", "-l", pages, (char *)NULL);
		free(pages);
	}
	execlp("man", "man", page, (char *)NULL);
	die(EXIT_NOPROG, "could not run man: %m");
}

static void __attribute__((noreturn))
exec_command(char **args)
{
	char *name = xasprintf("ntt-%s", name_of(args[0])), *path;

	path = strchr(args[0], '/') ? NULL : program_path(name);
	if (!path)
		no_command(args[0]);
	args[0] = name;
	execv(path, args);
	die(EXIT_NOEXEC, "could not run %s: %m", quoted(path));
}

static void
state_line(const char *label, uint64_t n)
{
	printf("%-11s %s\n", label, num_grouped(n));
}

/* The collection in ten lines; only small tables are asked. */
static int
show_state(void)
{
	PGconn *db = db_need();
	PGresult *res;
	int i;

	res = db_query(db, sql_ntt_state);
	if (!res)
		db_die("could not look at the collection");
	state_line("media", (uint64_t)db_int(res, 0, 0));
	state_line("to load", (uint64_t)db_int(res, 0, 1));
	state_line("to copy", (uint64_t)db_int(res, 0, 2));
	state_line("to archive", (uint64_t)db_int(res, 0, 3));
	state_line("archived", (uint64_t)db_int(res, 0, 4));
	state_line("damaged", (uint64_t)db_int(res, 0, 5));
	state_line("copiers", (uint64_t)db_int(res, 0, 6));
	printf("%-11s %s contents, %s\n", "store",
	    num_grouped((uint64_t)db_int(res, 0, 7)),
	    num_bytes((uint64_t)db_int(res, 0, 8)));
	printf("%-11s %s\n", "saved",
	    num_bytes((uint64_t)db_int(res, 0, 9)));
	PQclear(res);
	res = db_query(db, sql_ntt_last_medium);
	if (!res)
		db_die("could not look at the collection");
	for (i = 0; i < PQntuples(res); i++)
		printf("%-11s %s %s\n", "last", db_text(res, i, 0),
		    quoted(db_text(res, i, 1)));
	PQclear(res);
	PQfinish(db);
	return EXIT_DONE;
}

int
main(int argc, char **argv)
{
	prog_start(&prog, argc, argv);
	prog_stop_at_operand();
	prog_options(options);
	if (list_commands) {
		print_commands();
		return EXIT_DONE;
	}
	if (show_config) {
		prog_config();
		print_config();
		return EXIT_DONE;
	}
	if (prog_operand_count() == 0) {
		prog_config();
		return show_state();
	}
	if (!strcmp(prog_operand(0), "help")) {
		prog_operands(1, 2);
		if (prog_operand(1))
			help(name_of(prog_operand(1)));
		print_programs();
		return EXIT_DONE;
	}
	exec_command(prog_operand_vector());
}
