-- ntt-verify.  verify_set holds the blobs that a run chooses from, unless it is
-- all of them.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- The blobs of a medium.
-- statement: verify_set_medium
CREATE TEMPORARY TABLE IF NOT EXISTS verify_set AS
SELECT
	i.blobid,
	b.size,
	b.last_checked,
	b.blobid IS NOT NULL AS has_row
FROM (
	SELECT
		blobid
	FROM
		:"inode"
	WHERE
		blobid IS NOT NULL
	UNION
	SELECT
		blobid
	FROM
		inode_stream
	WHERE
		medium_hash = :'medium'
		AND blobid IS NOT NULL) i
	LEFT JOIN blobs b ON b.blobid = i.blobid;

-- For ids from a file: COPY verify_list FROM STDIN, then verify_set_list.
-- statement: verify_list_begin
CREATE TEMPORARY TABLE verify_list(
	blobid text
);

-- The blobs of a list, with those that the catalogue does not have.
-- statement: verify_set_list
CREATE TEMPORARY TABLE IF NOT EXISTS verify_set AS
SELECT
	i.blobid,
	b.size,
	b.last_checked,
	TRUE AS has_row
FROM ( SELECT DISTINCT
		blobid
	FROM
		verify_list) i
	LEFT JOIN blobs b ON b.blobid = i.blobid;

-- The blobs of $1 were found good.
PREPARE verify_mark AS
UPDATE
	blobs b
SET
	last_checked = now()
FROM
	unnest($1::text[]) AS v(id)
WHERE
	b.blobid = v.id
	AND b.state = 'good';

-- Those of them that are marked.
PREPARE verify_marked AS
SELECT
	blobid,
	size
FROM
	blobs
WHERE
	state <> 'good'
	AND blobid = ANY ($1::text[]);

-- How many blobs of verify_set were never checked, and the days since the
-- oldest check.
PREPARE verify_ages AS
SELECT
	count(*) FILTER (WHERE b.last_checked IS NULL),
	extract(epoch FROM now() - min(b.last_checked)) / 86400
FROM
	verify_set s
	JOIN blobs b ON b.blobid = s.blobid;

-- The same of all blobs.
PREPARE verify_ages_all AS
SELECT
	count(*) FILTER (WHERE b.last_checked IS NULL),
	extract(epoch FROM now() - min(b.last_checked)) / 86400
FROM
	blobs b;

-- The blob and the name of every copied file of a medium, for b3sum --check.
-- The empty file may be stored under SHA-256 of nothing, as older stores
-- have it.
-- statement: verify_manifest
COPY (
	SELECT
		CASE i.blobid
		WHEN 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' THEN
			'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
		ELSE
			i.blobid
		END,
		encode(p.path, 'hex')
	FROM
		:"inode" i
		JOIN :"path" p ON p.dev = i.dev
			AND p.ino = i.ino
	WHERE
		i.blobid IS NOT NULL
		AND i.fs_type = 'f'
		AND p.exclude_reason IS NULL
	ORDER BY
		p.path)
	TO STDOUT;

-- The row of blob $1 becomes one of blob $2, or is added to it.
PREPARE verify_rename_blob AS
INSERT INTO blobs AS b(blobid, size, created_at, n_hardlinks)
SELECT
	$2,
	size,
	created_at,
	n_hardlinks
FROM
	blobs
WHERE
	blobid = $1
ON CONFLICT (blobid)
	DO UPDATE SET
		n_hardlinks = b.n_hardlinks + excluded.n_hardlinks;

-- Media that hold $1 hold $2.
PREPARE verify_rename_held AS
INSERT INTO blob_load(blobid, load)
SELECT
	$2,
	load
FROM
	blob_load
WHERE
	blobid = $1
ON CONFLICT
	DO NOTHING;

-- Archives, of medium $1 or of all.
PREPARE verify_archives AS
SELECT
	medium_hash,
	archive_path
FROM
	medium
WHERE
	archived_at IS NOT NULL
	AND ($1::text IS NULL
		OR medium_hash = $1)
ORDER BY
	medium_hash;

-- Is there a row of blob $1?
PREPARE verify_has_blob AS
SELECT
	EXISTS (
		SELECT
		FROM
			blobs
		WHERE
			blobid = $1);

-- Blobs that no inode uses, the oldest first.
-- statement: verify_unused
COPY (
	SELECT
		blobid,
		size,
		to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
	FROM
		unused_blob
	ORDER BY
		created_at,
		blobid)
	TO STDOUT;
