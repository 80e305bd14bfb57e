-- ntt-cleanup-mounts
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- Is medium $1 loaded, and is a loader at work on it?
PREPARE cleanup_loaded AS
SELECT
	enum_done IS NOT NULL,
	EXISTS (
		SELECT
		FROM
			pg_locks k
		WHERE
			k.locktype = 'advisory'
			AND k.granted
			AND k.objsubid = 1
			AND k.database =(
				SELECT
					oid
				FROM
					pg_database
				WHERE
					datname = current_database())
				AND (k.classid::bigint << 32 | k.objid::bigint) = hashtextextended('ntt-loader ' || $1, 0))
	FROM
		medium
	WHERE
		medium_hash = $1;

-- Inodes of medium $1, those pending, seconds since the last was copied, and
-- whether copying is done.
PREPARE cleanup_counts AS
SELECT
	count(*),
	count(*) FILTER (WHERE status = 'pending'),
	coalesce(extract(epoch FROM now() - max(processed_at)), -1)::bigint,
(
		SELECT
			copy_done IS NOT NULL
		FROM
			medium
		WHERE
			medium_hash = $1)
FROM
	:"inode";
