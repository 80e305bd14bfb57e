#define _GNU_SOURCE
#include "catalogue/conninfo.h"

#include <libpq-fe.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/exits.h"

static int
is_secret(const PQconninfoOption *o)
{
	return o->dispchar[0] == '*';
}

static void
put_option(struct buf *out, const PQconninfoOption *o)
{
	const char *p;

	buf_printf(out, "%s%s='", out->len ? " " : "", o->keyword);
	for (p = o->val; *p; p++) {
		if (*p == '\'' || *p == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *p);
	}
	buf_putc(out, '\'');
}

/* libpq takes any other text for the name of a database. */
static int
is_name(const char *conninfo)
{
	return strncmp(conninfo, "postgresql://", 13) &&
	    strncmp(conninfo, "postgres://", 11) && !strchr(conninfo, '=');
}

char *
conninfo_open(const char *conninfo, char **password)
{
	PQconninfoOption *options, *o;
	struct buf shown = BUF_INIT;
	int secrets = 0;

	if (password)
		*password = NULL;
	/* "postgres//user:secret@host" is no name that anybody meant */
	if (is_name(conninfo))
		return strchr(conninfo, '@') ? NULL : xstrdup(conninfo);
	options = PQconninfoParse(conninfo, NULL);
	if (!options)
		return NULL;
	for (o = options; o->keyword; o++) {
		if (!o->val)
			continue;
		if (!is_secret(o)) {
			put_option(&shown, o);
			continue;
		}
		secrets++;
		if (password && !strcmp(o->keyword, "password"))
			*password = xstrdup(o->val);
	}
	PQconninfoFree(options);
	if (secrets)
		return buf_detach(&shown);
	buf_free(&shown);
	return xstrdup(conninfo);
}

char *
conninfo_shown(const char *conninfo)
{
	char *shown = conninfo_open(conninfo, NULL);

	return shown ? shown : xstrdup("no connection string of PostgreSQL");
}

char *
conninfo_argument(const char *conninfo)
{
	char *password, *open = conninfo_open(conninfo, &password);

	if (!open)
		die(EXIT_USAGE, "NTT_DB_URL is no connection string of "
		    "PostgreSQL");
	if (password)
		setenv("PGPASSWORD", password, 1);
	free(password);
	return open;
}

char *
conninfo_database(const char *conninfo, const char *database)
{
	PQconninfoOption *options, *o;
	struct buf out = BUF_INIT;

	options = is_name(conninfo) ? NULL : PQconninfoParse(conninfo, NULL);
	if (!options && !is_name(conninfo))
		return NULL;
	for (o = options; o && o->keyword; o++)
		if (o->val && strcmp(o->keyword, "dbname"))
			put_option(&out, o);
	PQconninfoFree(options);
	put_option(&out, &(PQconninfoOption){ .keyword = (char *)"dbname",
		.val = (char *)(uintptr_t)database });
	return buf_detach(&out);
}
