-- ntt-loader.  :"inode" and :"path" are the tables that it fills.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- Who stands in the way of the session with pid $1.
PREPARE loader_blockers AS
SELECT
	format('process %s (%s%s, %s for %s)%s', a.pid, coalesce(nullif(a.application_name, ''), a.backend_type), coalesce(' of ' || a.usename, ''), coalesce(a.state, 'running'), date_trunc('second', clock_timestamp() - coalesce(a.state_change, a.backend_start)), coalesce(', transaction begun ' || date_trunc('second', clock_timestamp() - a.xact_start) || ' ago', '') || ': ' || regexp_replace(
	LEFT (a.query, 200), '\s+', ' ', 'g'))
FROM
	unnest(pg_blocking_pids($1::integer)) AS b(pid)
	JOIN pg_stat_activity a USING (pid);

-- Who holds the lock of the loader on medium $1.
PREPARE loader_holder AS
SELECT
	format('process %s (%s%s) since %s', a.pid, coalesce(nullif(a.application_name, ''), a.backend_type), coalesce(' from ' || a.client_addr, ''), date_trunc('second', a.backend_start))
FROM
	loader_lock
	JOIN pg_stat_activity a USING (pid)
WHERE
	granted
	AND key = catalogue_loader_key($1);

-- Nothing ends a session that is slow.
PREPARE loader_no_timeouts AS
SELECT
	set_config(name, '0', FALSE)
FROM
	pg_settings
WHERE
	name IN ('idle_session_timeout', 'statement_timeout');

-- The server looks every second whether we are still there.
PREPARE loader_notice_death AS
SELECT
	set_config(name, '1000', FALSE)
FROM
	pg_settings
WHERE
	name = 'client_connection_check_interval';

-- One loader for medium $1.
PREPARE loader_lock AS
SELECT
	pg_try_advisory_lock(catalogue_loader_key($1));

-- Names that may occur twice.  (BEGIN first.)
-- statement: loader_suspects
CREATE TEMPORARY TABLE load_suspect(
	number bigint,
	dev bigint,
	ino bigint,
	path bytea,
	exclude_reason text
) ON COMMIT DROP;

-- Those that do not, or are the first of their kind.
-- statement: loader_innocents
CREATE TEMPORARY TABLE load_innocent ON COMMIT DROP AS
SELECT
	*
FROM ( SELECT DISTINCT ON (path)
		*
	FROM
		load_suspect
	ORDER BY
		path, number) s
WHERE
	NOT EXISTS (
		SELECT
		FROM
			:"path" p
		WHERE
			p.path = s.path);

-- Adds them to the names of the medium.
PREPARE loader_add_innocents AS
INSERT INTO :"path"(dev, ino, path, exclude_reason, dir)
SELECT
	dev,
	ino,
	path,
	exclude_reason,
	catalogue_dir(path)
FROM
	load_innocent;

-- Medium $1 is copied and archived no more if something of it is pending.
PREPARE loader_reopen AS
UPDATE
	medium
SET
	copy_done = CASE WHEN NOT EXISTS (
		SELECT
		FROM
			:"inode"
		WHERE
			status = 'pending') THEN
		copy_done
	END,
	archived_at = CASE WHEN NOT EXISTS (
		SELECT
		FROM
			:"inode"
		WHERE
			status = 'pending') THEN
		archived_at
	END
WHERE
	medium_hash = $1;

-- What the loader left out of medium $1 before this transaction it leaves
-- out no more.
PREPARE loader_settle AS
UPDATE
	omission
SET
	settled_at = now(),
	settled_by = 'ntt-loader'
WHERE
	medium_hash = $1
	AND seen_by = 'ntt-loader'
	AND settled_at IS NULL
	AND seen_at < now();

-- The medium is loaded; with $7 it stays copied and archived.  $9 and $10 are
-- its image and how many bytes that has.
PREPARE loader_medium AS
INSERT INTO medium AS m(medium_hash, medium_human, source_kind, source_path, load_counts, problems, enum_done, listing, listed_at, image_path, size_bytes)
	VALUES ($1, $2, $3, $4, $5::jsonb, nullif($6::jsonb, '{}'), clock_timestamp(), $8::text, CASE WHEN $8::text IS NOT NULL THEN
			now()
		END, $9, $10::bigint)
ON CONFLICT (medium_hash)
	DO UPDATE SET
		load_counts = EXCLUDED.load_counts, image_path = coalesce(m.image_path, EXCLUDED.image_path), size_bytes = coalesce(m.size_bytes, EXCLUDED.size_bytes), problems = nullif((coalesce(m.problems, '{}') - 'duplicate_paths' - 'oversized_files') || coalesce(EXCLUDED.problems, '{}'), '{}'), enum_done = EXCLUDED.enum_done, listing = EXCLUDED.listing, listed_at = EXCLUDED.listed_at, copy_done = CASE WHEN $7::boolean THEN
			m.copy_done
		END, archived_at = CASE WHEN $7::boolean THEN
			m.archived_at
		END;

-- What is left out.
-- statement: loader_omissions
CREATE TEMPORARY TABLE load_omission(
	dev bigint,
	ino bigint,
	path bytea,
	kind text,
	errno bigint,
	detail text
) ON COMMIT DROP;

-- What the source calls its users and groups.
-- statement: loader_owners
CREATE TEMPORARY TABLE load_owner(
	is_group boolean,
	id bigint,
	name bytea
) ON COMMIT DROP;

-- Those of medium $1; of two volumes of it the first one's names are kept.
PREPARE loader_add_owners AS
INSERT INTO medium_owner(medium_hash, is_group, id, name)
SELECT
	$1,
	is_group,
	id,
	name
FROM
	load_owner
ORDER BY
	ctid
ON CONFLICT
	DO NOTHING;

-- A name that was there twice with the same inode is no loss.  The root has no
-- path here.
PREPARE loader_drop_known AS
DELETE FROM load_omission o USING :"path" p
WHERE o.kind = 'duplicate_name'
	AND p.path = coalesce(o.path, ''::bytea)
	AND p.dev = o.dev
	AND p.ino = o.ino;

-- Records what is left out of medium $1.
PREPARE loader_omit AS
SELECT
	count(*)
FROM
	load_omission,
	catalogue_omit($1, NULL, path, dev, ino, kind, errno::integer, NULL, detail, 'ntt-loader');

-- How much the loader leaves out of medium $1.
PREPARE loader_omitted AS
SELECT
	count(*)
FROM
	omission
WHERE
	medium_hash = $1
	AND seen_by = 'ntt-loader'
	AND settled_at IS NULL;

-- Medium $1 is loaded no more.
PREPARE loader_forget AS
UPDATE
	medium
SET
	enum_done = NULL,
	copy_done = NULL,
	archived_at = NULL,
	load_counts = NULL
WHERE
	medium_hash = $1;

-- Limits for a load of $1 rows.  Times against a server that hangs, far
-- above what a load takes; an index build wants memory for its sort.
PREPARE loader_limits AS
SELECT
	set_config('statement_timeout',(600000 + $1::bigint / 5)::text, TRUE),
	set_config('idle_in_transaction_session_timeout',(600000 + $1::bigint / 5)::text, TRUE),
	set_config('lock_timeout', '2500', TRUE),
	set_config('maintenance_work_mem', greatest(setting::bigint, least(524288, 65536 + $1::bigint / 10))::text, TRUE)
FROM
	pg_settings
WHERE
	name = 'maintenance_work_mem';

-- Files that are as they were when medium $1 was listed, the state before.  A
-- time of the last two seconds before its list shows nothing.
PREPARE loader_take_over AS
UPDATE
	:"inode" n
SET
	same_as = o.blobid,
	mime_type = o.mime_type
FROM
	:"path" p
	JOIN path q ON q.medium_hash = $1
		AND q.path = p.path
	JOIN inode o ON o.medium_hash = $1
		AND o.dev = q.dev
		AND o.ino = q.ino
	JOIN medium m ON m.medium_hash = $1
WHERE
	n.dev = p.dev
	AND n.ino = p.ino
	AND n.status = 'pending'
	AND n.fs_type = 'f'
	AND o.fs_type = 'f'
	AND o.status = 'success'
	AND o.unstable IS NOT TRUE
	AND (n.ino, n.size, n.mtime, n.mtime_ns, n.ctime, n.ctime_ns) =(o.ino, o.size, o.mtime, o.mtime_ns, o.ctime, o.ctime_ns)
	AND o.ctime < extract(epoch FROM m.listed_at) - 2
	AND NOT EXISTS (
		SELECT
		FROM
			unnest(o.errors) e
		WHERE
			e LIKE 'drift:%')
	AND NOT EXISTS (
		SELECT
		FROM
			inode_damage d
		WHERE
			d.medium_hash = $1
			AND d.dev = o.dev
			AND d.ino = o.ino);

-- How large medium $1 is and what it came from.
PREPARE loader_source AS
SELECT
	coalesce(size_bytes, -1),
	source_kind
FROM
	medium
WHERE
	medium_hash = $1;

-- Is $2 the list that medium $1 was loaded from?
PREPARE loader_same_list AS
SELECT
	EXISTS (
		SELECT
		FROM
			medium
		WHERE
			medium_hash = $1
			AND listing = $2);
