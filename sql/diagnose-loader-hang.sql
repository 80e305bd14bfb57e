-- A load that does not end, or that nobody gets past: what to look at.
-- ntt-db psql -ef diagnose-loader-hang.sql, while it hangs.  As the owner of
-- the sessions, or as a superuser: others do not see what they run.

-- look: what runs, for how long, and what it waits for
SELECT pid, application_name, client_addr, state,
	date_trunc('second', now() - query_start) AS age,
	wait_event_type, wait_event, left(query, 200) AS query
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
	AND state = 'active'
ORDER BY query_start;

-- look: who waits for whom
SELECT waiting.pid AS waiting, waiting.application_name AS waiting_program,
	date_trunc('second', now() - waiting.query_start) AS age,
	blocking.pid AS blocking, blocking.application_name
	AS blocking_program, blocking.state AS blocking_state,
	left(waiting.query, 100) AS waiting_query,
	left(blocking.query, 100) AS blocking_query
FROM pg_stat_activity waiting
	CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) b (pid)
	JOIN pg_stat_activity blocking ON blocking.pid = b.pid
WHERE waiting.datname = current_database()
ORDER BY waiting.query_start, waiting.pid;

-- look: which locks on the tables of media are waited for, or keep others out
SELECT l.pid, a.application_name, l.relation::regclass AS relation, l.mode,
	l.granted, date_trunc('second', now() - a.xact_start) AS transaction
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
	JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.database = (SELECT oid FROM pg_database
		WHERE datname = current_database())
	AND l.pid <> pg_backend_pid()
	AND c.relname ~ '^(inode|path)(_p_|$)'
	AND (NOT l.granted OR l.mode IN ('AccessExclusiveLock',
		'ExclusiveLock', 'ShareRowExclusiveLock'))
ORDER BY l.granted, a.xact_start;

-- look: transactions that are open and do nothing; none may be here
SELECT pid, application_name, client_addr, state,
	date_trunc('second', now() - state_change) AS idle,
	left(query, 200) AS last_query
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
	AND state LIKE 'idle in transaction%'
	AND state_change < now() - interval '5 s'
ORDER BY state_change;

-- look: how far a COPY is
SELECT p.pid, p.relid::regclass AS relation, p.command, p.bytes_processed,
	p.tuples_processed
FROM pg_stat_progress_copy p
WHERE p.datname = current_database()
ORDER BY p.pid;

-- look: how far the making of an index is
SELECT p.pid, p.relid::regclass AS relation, p.phase, p.blocks_done,
	p.blocks_total, p.tuples_done, p.tuples_total
FROM pg_stat_progress_create_index p
WHERE p.datname = current_database()
ORDER BY p.pid;

-- look: how far ANALYZE and VACUUM are
SELECT pid, relid::regclass AS relation, 'analyze' AS command, phase,
	sample_blks_scanned AS done, sample_blks_total AS of_all
FROM pg_stat_progress_analyze
WHERE datname = current_database()
UNION ALL
SELECT pid, relid::regclass, 'vacuum', phase, heap_blks_scanned,
	heap_blks_total
FROM pg_stat_progress_vacuum
WHERE datname = current_database()
ORDER BY pid;

-- look: how large the tables of media are
SELECT c.relname, c.reltuples::bigint AS rows,
	pg_size_pretty(pg_relation_size(c.oid)) AS size,
	pg_size_pretty(pg_indexes_size(c.oid)) AS indexes
FROM pg_class c
WHERE c.relkind = 'r' AND c.relname ~ '^(inode|path)_p_'
ORDER BY pg_total_relation_size(c.oid) DESC, c.relname
LIMIT 20;

-- look: tables of media that the planner knows nothing of
SELECT c.relname, pg_size_pretty(pg_relation_size(c.oid)) AS size
FROM pg_class c
WHERE c.relkind = 'r' AND c.relname ~ '^(inode|path)_p_'
	AND pg_relation_size(c.oid) > 0
	AND (c.reltuples < 0 OR NOT EXISTS (SELECT FROM pg_statistic s
		WHERE s.starelid = c.oid))
ORDER BY pg_relation_size(c.oid) DESC, c.relname;

-- look: tables with many dead rows, and indexes much larger than their table
SELECT c.relname, t.n_live_tup AS live, t.n_dead_tup AS dead,
	pg_size_pretty(pg_relation_size(c.oid)) AS size,
	pg_size_pretty(pg_indexes_size(c.oid)) AS indexes,
	t.last_autovacuum
FROM pg_class c JOIN pg_stat_user_tables t ON t.relid = c.oid
WHERE (t.n_dead_tup > 1000 AND t.n_dead_tup > t.n_live_tup / 5)
	OR pg_indexes_size(c.oid) > 3 * pg_table_size(c.oid) + 10485760
ORDER BY t.n_dead_tup DESC, c.relname;

-- look: tables of media that are not attached: a load that is under way, or
-- that was not done by ntt-loader
SELECT n.nspname AS schema, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relname ~ '^(inode|path)_p_'
	AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid)
ORDER BY n.nspname, c.relname;

-- look: tables of media without their keys; none may be here
SELECT c.relname, CASE WHEN c.relname LIKE 'inode%' THEN 'no primary key'
	WHEN NOT EXISTS (SELECT FROM pg_constraint k
		WHERE k.conrelid = c.oid AND k.contype = 'f')
	THEN 'no foreign key' ELSE 'no index for the foreign key' END AS lacks
FROM pg_class c
WHERE c.relkind = 'r' AND ((c.relname LIKE 'inode\_p\_%'
	AND NOT EXISTS (SELECT FROM pg_constraint k
		WHERE k.conrelid = c.oid AND k.contype = 'p'))
	OR (c.relname LIKE 'path\_p\_%' AND NOT (EXISTS (SELECT
		FROM pg_constraint k WHERE k.conrelid = c.oid
		AND k.contype = 'f')
	AND EXISTS (SELECT FROM pg_index x JOIN pg_class n
		ON n.oid = x.indexrelid WHERE x.indrelid = c.oid
		AND x.indisvalid AND n.relname LIKE '%fk\_idx'))))
ORDER BY c.relname;

-- look: keys on the parents, which turn a delete into a scan of everything;
-- none may be here
SELECT conrelid::regclass AS relation, conname, pg_get_constraintdef(oid)
FROM pg_constraint
WHERE conrelid IN ('inode'::regclass, 'path'::regclass)
	AND contype IN ('f', 'p', 'u');

-- look: which media are being loaded: the lock of ntt-loader
SELECT l.pid, a.application_name, m.medium_hash, l.granted
FROM medium m JOIN loader_lock l ON l.key = catalogue_loader_key(m.medium_hash)
	LEFT JOIN pg_stat_activity a ON a.pid = l.pid
ORDER BY m.medium_hash, l.granted DESC;
