-- ntt-archiver
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- Medium $1 for the manifest of its archive.
PREPARE archiver_medium AS
SELECT
	source_kind,
	image_path,
	row_to_json(m),
(
		SELECT
			coalesce(json_agg(p ORDER BY number), '[]')
		FROM
			medium_partition p
		WHERE
			p.medium_hash = m.medium_hash), CASE WHEN archived_at IS NOT NULL THEN
			archive_path
		END,
		load_counts ->> 'list',
		load_counts ->> 'list_bytes',
		load_counts ->> 'list_mtime'
	FROM
		medium m
	WHERE
		medium_hash = $1;

-- The files of the container that the image of medium $1 was made of.
PREPARE archiver_parts AS
SELECT
	part ->> 'path',
	part ->> 'size',
	part ->> 'mtime'
FROM
	medium,
	jsonb_array_elements(diagnostics -> 'container' -> 'parts')
	WITH ORDINALITY AS parts(part, number)
WHERE
	medium_hash = $1
ORDER BY
	number;

-- Ranges of medium $1 that a copier works on.  A claim whose worker's
-- session is gone is none.
PREPARE archiver_claims AS
SELECT
	count(*)
FROM
	work_range w
	JOIN live_worker l ON l.id = w.worker
WHERE
	w.medium_hash = $1;

-- Inodes of a medium; those pending; those that were claimed and are not
-- copied.
PREPARE archiver_counts AS
SELECT
	count(*),
	count(*) FILTER (WHERE status = 'pending'),
	count(*) FILTER (WHERE claimed_by IS NOT NULL
		AND NOT copied)
FROM
	:"inode";

-- The archive of medium $1 has its bits, and there is nothing else on it.
PREPARE archiver_bits AS
UPDATE
	omission
SET
	settled_at = now(),
	settled_by = 'ntt-archiver',
	reason = 'there is no file system on it, and its bits are archived'
WHERE
	medium_hash = $1
	AND kind = 'bits_only'
	AND settled_at IS NULL;

-- Medium $1 is archived in $2, unless something of it is pending.
PREPARE archiver_record AS
UPDATE
	medium
SET
	archived_at = now(),
	archive_path = $2,
	copy_done = coalesce(copy_done, now())
WHERE
	medium_hash = $1
	AND NOT EXISTS (
		SELECT
		FROM
			:"inode"
		WHERE
			status = 'pending')
RETURNING
	1;
