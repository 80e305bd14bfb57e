-- ntt-doctor: the server and the catalogue before a long run.

-- Settings that matter, the rights of this user, and the server's time in
-- seconds.
PREPARE doctor_server AS
SELECT
	current_setting('server_version'),
	current_setting('server_version_num')::integer,
	current_setting('fsync'),
	current_setting('full_page_writes'),
	current_setting('data_checksums'),
	current_setting('max_locks_per_transaction')::bigint * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint),
	has_schema_privilege(current_schema(), 'CREATE'),
	extract(epoch FROM clock_timestamp())::bigint,
	pg_is_in_recovery();

-- Media, those with something open, and those with work left.
PREPARE doctor_media AS
SELECT
	count(*),
	count(*) FILTER (WHERE EXISTS (
			SELECT
			FROM
				omission o
			WHERE
				o.medium_hash = m.medium_hash
				AND o.settled_at IS NULL)),
	count(*) FILTER (WHERE copy_done IS NULL)
FROM
	medium m;

-- Blobs that are not good, by their state.
PREPARE doctor_blobs AS
SELECT
	state::text,
	count(*)
FROM
	blobs
WHERE
	state <> 'good'
GROUP BY
	state
ORDER BY
	state;

-- Days since the oldest blob was last read, or stored.  An index has the
-- first: never read ones come before all others there.
PREPARE doctor_oldest AS
SELECT
	coalesce(extract(day FROM now() - coalesce(last_checked, created_at)), 0)::integer
FROM
	blobs
ORDER BY
	last_checked NULLS FIRST
LIMIT 1;
