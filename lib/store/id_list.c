#define _GNU_SOURCE
#include "store/id_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"

int
id_list_open(struct id_list *l, const char *name)
{
	memset(l, 0, sizeof *l);
	l->file = strcmp(name, "-") ? fopen(name, "re") : stdin;
	return l->file ? 0 : -1;
}

/* The first run of exactly so many digits, NULL if there is none. */
static const char *
find_id(const char *line)
{
	size_t span;

	for (; *line; line += span + (span == 0)) {
		span = strspn(line, "0123456789abcdef");
		if (span == STORE_ID)
			return line;
	}
	return NULL;
}

int
id_list_next(struct id_list *l, char id[STORE_ID + 1])
{
	const char *found;
	size_t blanks;

	while (getline(&l->line, &l->size, l->file) >= 0) {
		l->number++;
		l->line[strcspn(l->line, "\r\n")] = '\0';
		blanks = strspn(l->line, " \t");
		if (!l->line[blanks] || l->line[blanks] == '#')
			continue;
		found = find_id(l->line);
		if (!found) {
			errno = EBADMSG;
			return -1;
		}
		memcpy(id, found, STORE_ID);
		id[STORE_ID] = '\0';
		return 1;
	}
	return ferror(l->file) ? -1 : 0;
}

void
id_list_die(const struct id_list *l, const char *name)
{
	if (errno == EBADMSG)
		die(EXIT_FAILED, "%s, line %zu: there is no id of a blob in "
		    "%s", quoted(name), l->number, quoted(l->line));
	die_errno("could not read %s: %m", quoted(name));
}

void
id_list_close(struct id_list *l)
{
	if (l->file && l->file != stdin)
		fclose(l->file);
	free(l->line);
	memset(l, 0, sizeof *l);
}
