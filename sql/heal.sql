-- Healing, as ntt-copier, ntt-heal and ntt-re-hardlink do it: blobs whose file is
-- replaced by one with the right bytes.  Arrays of a statement go together.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- A healed blob must not be bad again after a crash of the server.
PREPARE heal_begin AS
SELECT
	set_config('synchronous_commit', 'on', TRUE);

-- Files without a row get one.
PREPARE heal_add AS
INSERT INTO blobs(blobid, size)
SELECT
	*
FROM
	unnest($1::text[], $2::bigint[])
ON CONFLICT (blobid)
	DO NOTHING;

-- Blobs that nobody else heals, marks or links from now on.
PREPARE heal_lock AS
SELECT
	blobid
FROM
	blobs
WHERE
	blobid = ANY ($1::text[])
ORDER BY
	blobid
FOR UPDATE;

-- These are right now.
PREPARE heal_good AS
UPDATE
	blobs
SET
	state = 'good',
	last_checked = clock_timestamp(),
	healed_at = clock_timestamp()
WHERE
	blobid = ANY ($1::text[]);

-- The same for one.
PREPARE heal_lock_one AS
SELECT
FROM
	blobs
WHERE
	blobid = $1
FOR UPDATE;

-- What was found out about blob $1.
PREPARE heal_mark AS
UPDATE
	blobs
SET
	state = $2::blob_state
WHERE
	blobid = $1
	AND state <> $2::blob_state;

-- The names of these blobs in the tree of a medium.
PREPARE heal_paths AS
SELECT
	i.blobid,
	p.path
FROM
	:"inode" i
	JOIN :"path" p ON p.dev = i.dev
		AND p.ino = i.ino
WHERE
	i.blobid = ANY ($1::text[])
	AND i.status = 'success'
	AND i.fs_type = 'f'
	AND p.exclude_reason IS NULL;

-- Blobs of which it is known that they are not good, all of them.
PREPARE heal_marked AS
SELECT
	blobid,
	size
FROM
	blobs
WHERE
	state <> 'good'
ORDER BY
	blobid COLLATE "C";

-- The same of a medium.
PREPARE heal_marked_of AS
SELECT
	blobid,
	size
FROM
	blobs
WHERE
	state <> 'good'
	AND blobid IN (
		SELECT
			blobid
		FROM
			:"inode"
		WHERE
			blobid IS NOT NULL
		UNION ALL
		SELECT
			blobid
		FROM
			inode_stream
		WHERE
			medium_hash = :'medium'
			AND blobid IS NOT NULL)
ORDER BY
	blobid COLLATE "C";

-- The row of blob $1.
PREPARE heal_blob AS
SELECT
	blobid,
	size
FROM
	blobs
WHERE
	blobid = $1;

-- Everything in a medium that has these contents, files and links.
PREPARE heal_names AS
SELECT
	i.blobid,
	i.fs_type,
	p.path
FROM
	:"inode" i
	JOIN :"path" p ON p.dev = i.dev
		AND p.ino = i.ino
WHERE
	i.blobid = ANY ($1::text[])
	AND i.status = 'success'
	AND p.exclude_reason IS NULL
ORDER BY
	p.path;
