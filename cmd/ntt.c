/*
 * ntt: the front door.  "ntt enum …" is ntt-enum, "ntt help enum" its manual
 * page, and "ntt" alone the state of the collection.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "config.h"
#include "db.h"
#include "diag.h"
#include "num.h"
#include "prog.h"
#include "spawn.h"

static const struct option_help options[] = {
	{ 0, "print-config", NULL, "show each setting and where it came from" },
	{ 0, "commands", NULL, "list the commands" },
	{ 0, NULL, NULL, NULL }
};

static const struct prog prog = {
	"ntt",
	"COMMAND [ARGUMENT ...]\n"
	"help [COMMAND]\n"
	"[--print-config]",
	"Rescue the contents of old media, every content once",
	options
};

static void
print_config(void)
{
	int key;

	for (key = 0; key < CONFIG_KEYS; key++) {
		const char *value = config_get((enum config_key)key);

		if (key == CONFIG_DB_URL)
			value = db_conninfo();
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

/* The programs beside this one. */
static void
print_commands(void)
{
	char *self = program_path("ntt"), **names = NULL;
	const struct dirent *entry;
	size_t n = 0, i;
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
		names = xrealloc(names, (n + 1) * sizeof *names);
		names[n++] = xstrdup(entry->d_name + 4);
	}
	closedir(dir);
	if (n > 0)
		qsort(names, n, sizeof *names, compare);
	for (i = 0; i < n; i++) {
		puts(names[i]);
		free(names[i]);
	}
	free(names);
	free(self);
}

static void __attribute__((noreturn))
help(const char *command)
{
	char *page = command ? xasprintf("ntt-%s", command) : xstrdup("ntt");
	char *self, *pages;

	/* of a build that is not installed: man/ beside build/ */
	self = program_path("ntt");
	if (self && strrchr(self, '/')) {
		*strrchr(self, '/') = '\0';
		pages = xasprintf("%s/../../man/%s.%s", self, page,
		    command ? "1" : "7");
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
	char *name = xasprintf("ntt-%s", args[0]), *path;

	path = strchr(args[0], '/') ? NULL : program_path(name);
	if (!path)
		die_usage("there is no command %s; \"ntt --commands\" lists "
		    "them", quoted(args[0]));
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
	PGconn *db = db_open();
	PGresult *res;
	int i;

	if (!db)
		db_die("could not open the catalogue");
	res = db_query(db, "SELECT count(*), "
	    "count(*) FILTER (WHERE enum_done IS NULL), "
	    "count(*) FILTER (WHERE enum_done IS NOT NULL AND copy_done IS "
	    "NULL), "
	    "count(*) FILTER (WHERE copy_done IS NOT NULL AND archived_at IS "
	    "NULL), "
	    "count(*) FILTER (WHERE archived_at IS NOT NULL), "
	    "count(*) FILTER (WHERE health <> 'ok'), "
	    "(SELECT count(*) FROM worker), "
	    "(SELECT coalesce(sum(new), 0) FROM copy_minute), "
	    "(SELECT coalesce(sum(new_bytes), 0) FROM copy_minute), "
	    "(SELECT coalesce(sum(bytes - new_bytes), 0) FROM copy_minute) "
	    "FROM medium");
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
	res = db_query(db, "SELECT medium_hash, medium_human FROM medium "
	    "ORDER BY added_at DESC LIMIT 1");
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
	const char *name, *value;

	prog_start(&prog, argc, argv);
	prog_stop_at_operand();
	while ((name = prog_option(&value))) {
		if (!strcmp(name, "commands")) {
			print_commands();
		} else {
			prog_config();
			print_config();
		}
		return EXIT_DONE;
	}
	if (prog_operand_count() == 0) {
		prog_config();
		return show_state();
	}
	if (!strcmp(prog_operand(0), "help")) {
		prog_operands(1, 2);
		help(prog_operand(1));
	}
	exec_command(prog_operand_vector());
}
