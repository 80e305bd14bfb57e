-- Version 16: what an older state of a directory lacks the next state has.

-- A state is complete: settles the omissions of those before it at paths that
-- it has, or that it lacks itself.  What is at no path of it any more is lost,
-- and stays open.
CREATE FUNCTION catalogue_supersede(newer text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	paths text := catalogue_partition_name('path_p_', newer);
	older text;
	number integer;
BEGIN
	SELECT follows, state_number INTO older, number
	FROM medium WHERE medium_hash = newer;
	WHILE older IS NOT NULL AND to_regclass(quote_ident(paths)) IS NOT NULL
	LOOP
		EXECUTE format('UPDATE omission o '
			'SET settled_at = now(), settled_by = %L '
			'WHERE o.medium_hash = %L AND o.settled_at IS NULL '
			'AND (coalesce(o.path, '''') = '''' '
			'OR o.path IN (SELECT p.path FROM %I p '
				'WHERE p.exclude_reason IS NULL) '
			'OR o.path IN (SELECT n.path FROM omission n '
				'WHERE n.medium_hash = %L))',
			'state ' || number, older, paths, newer);
		SELECT follows INTO older FROM medium WHERE medium_hash = older;
	END LOOP;
END $$;

CREATE FUNCTION catalogue_superseded() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM catalogue_supersede(NEW.medium_hash);
	RETURN NULL;
END $$;
CREATE TRIGGER medium_superseded AFTER UPDATE OF copy_done ON medium
	FOR EACH ROW WHEN (NEW.copy_done IS NOT NULL AND
		OLD.copy_done IS NULL AND NEW.follows IS NOT NULL)
	EXECUTE FUNCTION catalogue_superseded();

DO $$
BEGIN
	PERFORM catalogue_supersede(medium_hash) FROM medium
	WHERE copy_done IS NOT NULL AND follows IS NOT NULL;
END $$;
