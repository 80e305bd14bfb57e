-- Version 12: who holds the locks that say that a program lives.

-- The copiers whose sessions are there, by worker.id.
CREATE VIEW live_worker AS
SELECT DISTINCT objid::bigint AS id
FROM pg_locks
WHERE locktype = 'advisory'
	AND database = (SELECT oid FROM pg_database
		WHERE datname = current_database())
	AND classid::bigint = catalogue_worker_class()
	AND objsubid = 2;

-- The lock of a medium that ntt-loader and ntt-remove take.
CREATE FUNCTION catalogue_loader_key(medium text) RETURNS bigint
LANGUAGE sql IMMUTABLE AS
	$$ SELECT hashtextextended('ntt-loader ' || medium, 0) $$;

-- The sessions that hold it or wait for it, by that key.
CREATE VIEW loader_lock AS
SELECT classid::bigint << 32 | objid::bigint AS key, pid, granted
FROM pg_locks
WHERE locktype = 'advisory'
	AND database = (SELECT oid FROM pg_database
		WHERE datname = current_database())
	AND objsubid = 1;
