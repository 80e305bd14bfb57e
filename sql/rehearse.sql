-- ntt-rebuild --rehearse: asked of the catalogue and of the one that was made, whose
-- answers are compared.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- One at a time.
PREPARE rehearse_lock AS
SELECT
	pg_try_advisory_lock(hashtext('ntt rebuild --rehearse'));

-- Databases of rehearsals that were killed: nobody is connected to them.
PREPARE rehearse_left AS
SELECT
	datname
FROM
	pg_database d
WHERE
	datname ~ '^ntt_rehearsal_[0-9a-f]{32}$'
	AND pg_has_role(datdba, 'USAGE')
	AND NOT EXISTS (
		SELECT
		FROM
			pg_stat_activity a
		WHERE
			a.datid = d.oid);

-- A name for one, and the time.
PREPARE rehearse_name AS
SELECT
	'ntt_rehearsal_' || replace(gen_random_uuid()::text, '-', ''),
	now();

-- All media, and whether work on them is not done, or was done later than $1.
PREPARE rehearse_media AS
SELECT
	medium_hash,
	enum_done IS NULL
	OR copy_done IS NULL
	OR greatest(added_at, enum_done, copy_done, archived_at) > $1
FROM
	medium
ORDER BY
	medium_hash COLLATE "C";

-- How many paths a medium has, and a sum that another path, content or size
-- changes.
PREPARE rehearse_paths AS
SELECT
	count(*),
	coalesce(sum(hashtextextended(concat_ws(' ', encode(p.path, 'hex'), i.fs_type, i.size, i.mtime, coalesce(i.blobid, '-'), p.exclude_reason), 0)::numeric), 0)
FROM
	:"path" p
	JOIN :"inode" i ON i.dev = p.dev
		AND i.ino = p.ino;

-- Good contents that are not newer than $1, by the first byte of their ids: how
-- many, and a sum.
PREPARE rehearse_contents AS
SELECT
	left (blobid, 2),
	count(*),
	sum(hashtextextended(blobid || ' ' || size, 0)::numeric)
FROM
	blobs
WHERE
	state = 'good'
	AND created_at <= $1
GROUP BY
	1
ORDER BY
	left (blobid, 2) COLLATE "C";

-- Those that begin with $2.
PREPARE rehearse_ids AS
SELECT
	blobid,
	size
FROM
	blobs
WHERE
	state = 'good'
	AND created_at <= $1
	AND blobid LIKE $2 || '%'
ORDER BY
	blobid COLLATE "C";

-- How many media and contents were removed.
PREPARE rehearse_removals AS
SELECT
	count(DISTINCT coalesce(medium_hash, blobid))
FROM
	removal;
