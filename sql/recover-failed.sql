-- ntt-recover-failed.  Where a class of errors is asked for, NULL is all.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- Failures of a medium by class and state: how many, how many bytes.  With
-- $2 only those that can be tried again.
PREPARE recover_failed_classes AS
SELECT
	error_type,
	status,
	count(*),
	coalesce(sum(size), 0)
FROM
	:"inode"
WHERE (status = 'failed_retryable'
	OR (status = 'failed_permanent'
		AND NOT $2::boolean))
AND ($1::inode_error IS NULL
	OR error_type = $1)
GROUP BY
	1,
	2
ORDER BY
	1,
	2;

-- Five failures of each class and state, with the last error and a path.
PREPARE recover_failed_samples AS
SELECT
	error_type,
	status,
	dev,
	ino,
	attempts,
	size,
	errors[array_length(errors, 1)],
(
		SELECT
			p.path
		FROM
			:"path" p
		WHERE
			p.dev = s.dev
			AND p.ino = s.ino
		ORDER BY
			p.exclude_reason IS NOT NULL,
			p.path
		LIMIT 1)
FROM (
	SELECT
		*,
		row_number() OVER (PARTITION BY error_type, status ORDER BY dev, ino) AS n
	FROM
		:"inode"
	WHERE
		status IN ('failed_retryable', 'failed_permanent')
		AND ($1::inode_error IS NULL
			OR error_type = $1)) AS s
WHERE
	n <= 5
ORDER BY
	error_type,
	status,
	n;

-- Locks medium $1: a copier that finds nothing pending takes the row too
-- before it says so.  Is it archived, and where?
PREPARE recover_failed_lock AS
SELECT
	archived_at IS NOT NULL,
	archive_path
FROM
	medium
WHERE
	medium_hash = $1
FOR UPDATE;

-- Makes what failed and can be tried again pending, and with $2 all that
-- failed.  It keeps its class and its errors until it is copied.
PREPARE recover_failed_reset AS
UPDATE
	:"inode"
SET
	status = 'pending',
	attempts = 0,
	next_attempt_at = NULL
WHERE (status = 'failed_retryable'
	OR (status = 'failed_permanent'
		AND $2::boolean))
AND ($1::inode_error IS NULL
		OR error_type = $1);

-- Medium $1 is no longer copied.
PREPARE recover_failed_reopen AS
UPDATE
	medium
SET
	copy_done = NULL
WHERE
	medium_hash = $1;

-- Files of medium $1 over areas that were not rescued, with the ranges of
-- bytes as text and as JSON, and their paths.
PREPARE recover_failed_damaged AS
SELECT
	d.dev,
	d.ino,
	i.size,
	i.status,
	d.determined,
(
		SELECT
			string_agg(lower(r) || '-' || upper(r) - 1, ',' ORDER BY r)
		FROM
			unnest(d.extents) AS r) AS text,
(
		SELECT
			jsonb_agg(jsonb_build_array(lower(r), upper(r))
			ORDER BY r)
		FROM
			unnest(d.extents) AS r) AS json,
	p.path
FROM
	inode_damage d
	LEFT JOIN :"inode" i ON i.dev = d.dev
		AND i.ino = d.ino
	LEFT JOIN :"path" p ON p.dev = d.dev
		AND p.ino = d.ino
WHERE
	d.medium_hash = $1
	AND (NOT d.determined
		OR NOT isempty(d.extents))
ORDER BY
	d.dev,
	d.ino,
	p.path;

-- What is left out of medium $1; with $2 also what was settled.
PREPARE recover_failed_omissions AS
SELECT
	kind,
	PARTITION, path, errno, bytes, detail, seen_by, seen_at, settled_at, settled_by, reason
FROM
	omission
WHERE
	medium_hash = $1
	AND ($2::boolean
	OR settled_at IS NULL)
ORDER BY
	PARTITION NULLS FIRST, path NULLS FIRST, id;

-- Accepts what is left out: see catalogue_accept() of the schema.
PREPARE recover_failed_accept AS
SELECT
	catalogue_accept($1, $2, $3, $4);
