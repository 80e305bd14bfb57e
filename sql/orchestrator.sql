-- ntt-orchestrator: what it asks and notes of its medium, $1
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- Notes what the image holds instead of files, or that it holds none such.
PREPARE orchestrator_content AS
UPDATE
	medium
SET
	problems = nullif(coalesce(problems, '{}') - 'content' || CASE WHEN $2::text IS NULL THEN
			'{}'
		ELSE
			jsonb_build_object('content', $2::text)
		END, '{}')
WHERE
	medium_hash = $1;

-- Notes the health of the image, and that there is one.
PREPARE orchestrator_imaged AS
UPDATE
	medium
SET
	health = $2::text,
	imaged_at = CASE WHEN $3::boolean
		AND ($4::boolean
			OR $2::text <> 'failed') THEN
		now()
	END
WHERE
	medium_hash = $1;

-- Is the row of the medium what it must be?
PREPARE orchestrator_registered AS
SELECT
	$4 <> 'directory'
	AND archived_at IS NOT NULL
	OR health IS NOT DISTINCT FROM $2
	AND (source_path IS NOT DISTINCT FROM $3
		OR source_kind = 'device'
		AND $4 = 'image')
	AND ($5::jsonb IS NULL
		OR diagnostics -> 'container' = $5::jsonb)
FROM
	medium
WHERE
	medium_hash = $1;

-- The row of the medium.  A device that is met again as an image stays a
-- device; an image that is met again as another file is of no container.
PREPARE orchestrator_register AS
INSERT INTO medium AS m(medium_hash, medium_human, message, source_kind, source_path, size_bytes, identity, image_path, health, diagnostics, name_base, fingerprint, fingerprint_file, root, follows, state_number)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, jsonb_strip_nulls(jsonb_build_object('probes', $10::jsonb, 'container', $17::jsonb)), $11, $12, $13, $14, $15, $16)
ON CONFLICT (medium_hash)
	DO UPDATE SET
		message = CASE WHEN position(excluded.message IN m.message) > 0 THEN
			m.message
		ELSE
			concat_ws(E'\n', m.message, excluded.message)
		END, fingerprint = coalesce(m.fingerprint, excluded.fingerprint), fingerprint_file = coalesce(excluded.fingerprint_file, m.fingerprint_file), root = coalesce(m.root, excluded.root), source_kind = CASE WHEN m.source_kind = 'device'
			AND excluded.source_kind = 'image' THEN
			m.source_kind
		ELSE
			excluded.source_kind
		END, source_path = CASE WHEN m.source_kind = 'device'
			AND excluded.source_kind = 'image' THEN
			m.source_path
		ELSE
			excluded.source_path
		END, size_bytes = coalesce(excluded.size_bytes, m.size_bytes), identity = coalesce(m.identity, excluded.identity), diagnostics =(coalesce(m.diagnostics, '{}') - CASE WHEN excluded.image_path IS DISTINCT FROM m.image_path THEN
			'container'
		ELSE
			''
		END) || jsonb_strip_nulls(excluded.diagnostics), image_path = excluded.image_path, health = excluded.health;

-- The medium whose raw image was made of the container with the key $1, that
-- image and its size, whether it is archived, and what is kept of the container.
PREPARE orchestrator_container AS
SELECT
	medium_hash,
	image_path,
	size_bytes,
	archived_at IS NOT NULL
	AND copy_done IS NOT NULL,
	diagnostics -> 'container'
FROM
	medium
WHERE
	diagnostics -> 'container' ->> 'key' = $1
ORDER BY
	archived_at,
	medium_hash
LIMIT 1;

-- The image of the medium, whether it is archived, and whether it was made of a
-- container.
PREPARE orchestrator_image AS
SELECT
	image_path,
	archived_at IS NOT NULL,
	coalesce(diagnostics ? 'container', FALSE)
FROM
	medium
WHERE
	medium_hash = $1;

-- A partition of the medium.
PREPARE orchestrator_partition AS
INSERT INTO medium_partition(medium_hash, number, start_bytes, size_bytes, table_type, filesystem, uuid, label, status, reason, detail)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- Notes what is wrong with the partition table, or that nothing is.
PREPARE orchestrator_layout AS
UPDATE
	medium
SET
	problems = nullif(coalesce(problems, '{}') - 'layout' || CASE WHEN $2::text IS NULL THEN
			'{}'
		ELSE
			jsonb_build_object('layout', $2::text)
		END, '{}')
WHERE
	medium_hash = $1;

-- The file system of the medium is that of its first partition that has one.
PREPARE orchestrator_fs_type AS
UPDATE
	medium
SET
	fs_type =(
		SELECT
			filesystem
		FROM
			medium_partition
		WHERE
			medium_hash = $1
			AND filesystem IS NOT NULL
		ORDER BY
			number
		LIMIT 1)
WHERE
	medium_hash = $1;

-- The medium in numbers, for the summary.  Contents are counted as ntt(7) has
-- it: the different ones of files that are stored, without the empty one.
PREPARE orchestrator_sums AS
WITH contents AS (
	SELECT
		max(size) AS size
	FROM
		:"inode"
	WHERE
		fs_type = 'f'
		AND blobid IS NOT NULL
		AND size > 0
	GROUP BY
		blobid
)
SELECT
	count(*) FILTER (WHERE fs_type = 'f'),
	count(*) FILTER (WHERE fs_type = 'd'),
	count(*) FILTER (WHERE fs_type = 'l'),
(
		SELECT
			count(*)
		FROM
			:"path"),
	(
		SELECT
			count(*)
		FROM
			contents),
count(*) FILTER (WHERE status = 'excluded'),
count(*) FILTER (WHERE status IN ('failed_retryable', 'failed_permanent')),
count(*) FILTER (WHERE status = 'pending'),
coalesce(sum(size) FILTER (WHERE fs_type = 'f'), 0),
(
	SELECT
		count(*)
	FROM
		inode_damage
	WHERE
		medium_hash = $1),
(
	SELECT
		coalesce(sum(size), 0)
	FROM
		contents),
(
	SELECT
		count(*)
	FROM
		inode_stream
	WHERE
		medium_hash = $1
		AND substring(name FOR 6) <> 'xattr:'),
(
	SELECT
		coalesce(sum(size), 0)
	FROM
		inode_stream
	WHERE
		medium_hash = $1
		AND substring(name FOR 6) <> 'xattr:')
FROM
	:"inode";

-- What is left out of the medium.
PREPARE orchestrator_omissions AS
SELECT
	kind,
	PARTITION, path, detail
FROM
	omission
WHERE
	medium_hash = $1
	AND settled_at IS NULL
ORDER BY
	path NULLS FIRST, id
LIMIT 6;

-- What copiers did for the medium.
PREPARE orchestrator_copied AS
SELECT
	coalesce(sum(files), 0),
	coalesce(sum(bytes), 0),
	coalesce(sum(new), 0),
	coalesce(sum(new_bytes), 0)
FROM
	copy_minute
WHERE
	medium_hash = $1;

-- The archive of the medium.
PREPARE orchestrator_archive AS
SELECT
	archive_path
FROM
	medium
WHERE
	medium_hash = $1
	AND archived_at IS NOT NULL;

-- Is anything of the medium pending?
PREPARE orchestrator_pending AS
SELECT
	EXISTS (
		SELECT
		FROM
			:"inode"
		WHERE
			status = 'pending');

-- Did the medium change between its list and its copy?
PREPARE orchestrator_moved AS
SELECT
	EXISTS (
		SELECT
		FROM
			:"inode"
		WHERE
			error_type = 'path_error'
			AND status IN ('failed_retryable', 'failed_permanent')
			OR status = 'success'
			AND errors[array_upper(errors, 1)] LIKE 'drift:%');

-- Are partitions of the medium known?
PREPARE orchestrator_partitions AS
SELECT
	EXISTS (
		SELECT
		FROM
			medium_partition
		WHERE
			medium_hash = $1);

-- Did a walk or a mount leave something of the medium out?
PREPARE orchestrator_left_out AS
SELECT
	EXISTS (
		SELECT
		FROM
			omission
		WHERE
			medium_hash = $1
			AND settled_at IS NULL
			AND seen_by IN ('ntt-loader', 'ntt-orchestrator'));

-- Keeps where the fingerprint $2 was taken.
PREPARE orchestrator_places AS
UPDATE
	medium
SET
	fingerprint_places = $2
WHERE
	medium_hash = $1;

-- Forgets the medium, unless it is loaded.
PREPARE orchestrator_forget AS
DELETE FROM medium
WHERE medium_hash = $1
	AND enum_done IS NULL;

-- Has the medium volumes whose files have named streams?  As long as its volumes
-- are not known it may have.
PREPARE orchestrator_has_streams AS
SELECT
	EXISTS (
		SELECT
		FROM
			medium_partition
		WHERE
			medium_hash = $1
			AND filesystem IN ('ntfs', 'hfs', 'hfsplus'))
	OR NOT EXISTS (
		SELECT
		FROM
			medium_partition
		WHERE
			medium_hash = $1);

-- Were they looked for since it was listed?
PREPARE orchestrator_streams AS
SELECT
	coalesce(streams_done >= enum_done, FALSE)
FROM
	medium
WHERE
	medium_hash = $1;

-- And are some of them left out?
PREPARE orchestrator_streams_left AS
SELECT
	EXISTS (
		SELECT
		FROM
			omission
		WHERE
			medium_hash = $1
			AND settled_at IS NULL
			AND seen_by = 'ntt-streams');
