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
			loader_lock
		WHERE
			granted
			AND key = catalogue_loader_key($1))
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
