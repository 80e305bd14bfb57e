#include "catalogue.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "db.h"
#include "diag.h"

enum { SHORTEST_PREFIX = 8 };

char *
catalogue_medium(PGconn *db, const char *name, int *matches)
{
	PGresult *res = db_query(db, "SELECT medium_hash FROM medium "
	    "WHERE medium_hash = $1 OR (length($1) >= 8 AND "
	    "starts_with(medium_hash, $1)) "
	    "ORDER BY medium_hash <> $1 LIMIT 2", name);
	char *found = NULL;

	*matches = -1;
	if (!res)
		return NULL;
	*matches = PQntuples(res);
	if (*matches > 0 && (*matches == 1 ||
	    !strcmp(db_text(res, 0, 0), name))) {
		found = xstrdup(db_text(res, 0, 0));
		*matches = 1;
	}
	PQclear(res);
	return found;
}

char *
catalogue_medium_or_die(PGconn *db, const char *name)
{
	int matches;
	char *medium = catalogue_medium(db, name, &matches);

	if (medium)
		return medium;
	if (matches < 0)
		db_die("could not look up medium %s", quoted(name));
	if (matches > 1)
		die(EXIT_FAILED, "%s is the beginning of several media",
		    quoted(name));
	if (strlen(name) < SHORTEST_PREFIX)
		die(EXIT_FAILED, "the catalogue has no medium %s (a prefix "
		    "needs %d characters)", quoted(name), SHORTEST_PREFIX);
	die(EXIT_FAILED, "the catalogue has no medium %s", quoted(name));
}

int
catalogue_loaded(PGconn *db, const char *medium)
{
	PGresult *res = db_query(db, "SELECT to_regclass(quote_ident("
	    "'inode_p_' || $1)) IS NOT NULL", medium);
	int loaded;

	if (!res)
		return -1;
	loaded = db_bool(res, 0, 0);
	PQclear(res);
	return loaded;
}
