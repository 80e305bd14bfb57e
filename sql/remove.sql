-- ntt-remove and ntt-reclaim.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- Whoever loads or drops medium $1 has this lock.
PREPARE remove_lock AS
SELECT
	pg_try_advisory_lock(catalogue_loader_key($1));

-- How much a medium has, and what of it no other medium has; contents of it
-- that are not good.  OFFSET 0: each content is looked up, in the order of the
-- index; to read those of all media would take as long as there are media.
PREPARE remove_sums AS
WITH contents AS MATERIALIZED (
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
		AND blobid IS NOT NULL
	ORDER BY
		blobid
),
alone AS MATERIALIZED (
	SELECT
		c.blobid
	FROM
		contents c
	WHERE
		NOT EXISTS (
			SELECT
			FROM
				blob_medium m
			WHERE
				m.blobid = c.blobid
				AND m.medium <> :'medium' OFFSET 0)
			AND c.blobid <> 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
)
SELECT
	(
		SELECT
			count(*)
		FROM
			:"inode"),(
		SELECT
			count(*)
		FROM
			:"path"),(
		SELECT
			count(*)
		FROM
			alone),(
		SELECT
			coalesce(sum((
					SELECT
						b.size
					FROM
						blobs b
					WHERE
						b.blobid = alone.blobid)), 0)
		FROM
			alone),(
		SELECT
			count(*)
		FROM
			contents
			JOIN blobs USING (blobid)
		WHERE
			state <> 'good');

-- Some names of contents that only this medium has, the largest first.
PREPARE remove_only_there AS
WITH contents AS MATERIALIZED (
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
		AND blobid IS NOT NULL
	ORDER BY
		blobid
),
alone AS MATERIALIZED (
	SELECT
		c.blobid
	FROM
		contents c
	WHERE
		NOT EXISTS (
			SELECT
			FROM
				blob_medium m
			WHERE
				m.blobid = c.blobid
				AND m.medium <> :'medium' OFFSET 0)
			AND c.blobid <> 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
)
SELECT
	c.path,
	c.size
FROM (
	SELECT
		p.path,
		i.size
	FROM
		alone
		JOIN :"inode" i USING (blobid)
		JOIN :"path" p ON p.dev = i.dev
			AND p.ino = i.ino
	WHERE
		i.fs_type = 'f'
	UNION ALL
	SELECT
		p.path || '\x3a'::bytea || s.name,
		s.size
	FROM
		alone
		JOIN inode_stream s USING (blobid)
		JOIN :"path" p ON p.dev = s.dev
			AND p.ino = s.ino
	WHERE
		s.medium_hash = :'medium') c
WHERE
	c.size > 0
ORDER BY
	c.size DESC,
	c.path
LIMIT 10;

-- Medium $1, its name $2 and source $3 were removed by $4 because of $5; it had
-- $6 inodes, $7 paths, $8 contents of $9 bytes that were only there; its
-- archive is $10.
PREPARE remove_note AS
INSERT INTO removal(medium_hash, medium_human, source_path, removed_by, reason, inodes, paths, only_there, only_bytes, archive_path)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- The names of a medium in its tree are names of blobs no more.  In the order
-- of the ids, like copiers.
PREPARE remove_count_down AS
UPDATE
	blobs b
SET
	n_hardlinks = greatest(0, b.n_hardlinks - l.n)
FROM (
	SELECT
		c.blobid,
		c.n
	FROM (
		SELECT
			i.blobid,
			count(*) AS n
		FROM
			:"inode" i
			JOIN :"path" p ON p.dev = i.dev
				AND p.ino = i.ino
		WHERE
			i.blobid IS NOT NULL
			AND i.fs_type = 'f'
			AND p.exclude_reason IS NULL
		GROUP BY
			i.blobid) AS c
		JOIN blobs k USING (blobid)
	ORDER BY
		c.blobid
	FOR UPDATE OF k) AS l
WHERE
	b.blobid = l.blobid;

-- The medium $1, if it was removed and is not there.
PREPARE remove_removed AS
SELECT DISTINCT
	medium_hash
FROM
	removal
WHERE
	medium_hash = $1
	AND NOT EXISTS (
		SELECT
		FROM
			medium
		WHERE
			medium_hash = $1);

-- Media that point to medium $1 point to what it pointed to.
PREPARE remove_unlink AS
UPDATE
	medium m
SET
	follows = CASE WHEN m.follows = $1 THEN
		g.follows
	ELSE
		m.follows
	END,
	superseded_by = nullif(m.superseded_by, $1)
FROM
	medium g
WHERE
	g.medium_hash = $1
	AND (m.follows = $1
		OR m.superseded_by = $1);

-- The minutes of copiers on medium $1.
PREPARE remove_minutes AS
DELETE FROM copy_minute
WHERE medium_hash = $1;

-- The row of medium $1.
PREPARE remove_medium AS
DELETE FROM medium
WHERE medium_hash = $1;

-- Everything that was removed, as lines of ARCHIVE_ROOT/removed.jsonl.
PREPARE remove_lines AS
SELECT
	json_strip_nulls(json_build_object('at', to_char(removed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'by', removed_by, 'reason', reason, 'medium', medium_hash, 'content', blobid, 'human', medium_human, 'source', source_path, 'inodes', inodes, 'paths', paths, 'only_there', only_there, 'only_bytes', only_bytes, 'archive', archive_path))
FROM
	removal
ORDER BY
	id;

-- Contents that only this medium has.
PREPARE remove_alone AS
SELECT
	b.blobid
FROM
	blobs b
WHERE
	b.blobid <> 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
	AND b.blobid IN (
		SELECT
			blobid
		FROM
			:"inode"
		UNION ALL
		SELECT
			blobid
		FROM
			inode_stream
		WHERE
			medium_hash = :'medium')
	AND NOT EXISTS (
		SELECT
		FROM
			inode i
		WHERE
			i.blobid = b.blobid
			AND i.medium_hash <> :'medium')
	AND NOT EXISTS (
		SELECT
		FROM
			inode_stream s
		WHERE
			s.blobid = b.blobid
			AND s.medium_hash <> :'medium')
ORDER BY
	b.blobid COLLATE "C";

-- Blobs that nothing uses wait for no ntt-reclaim any longer: those that only
-- this medium had.
PREPARE remove_now AS
UPDATE
	blobs b
SET
	created_at = 'epoch'
WHERE
	b.blobid = ANY ($1::text[]);

-- Packs of place $1 that have any of the contents $2, and how many.
PREPARE remove_packs AS
SELECT
	pack,
	count(*)
FROM
	blob_pack
WHERE
	place = $1
	AND blobid = ANY ($2::text[])
GROUP BY
	pack
ORDER BY
	pack;

-- Contents $3 of medium $2 are to be deleted at place $1 when it is in reach.
PREPARE remove_later AS
INSERT INTO place_removal(place, medium_hash, blobid)
SELECT
	$1,
	$2,
	unnest($3::text[])
ON CONFLICT
	DO NOTHING;

-- Those of them that nothing uses again.
PREPARE remove_waiting AS
SELECT
	blobid
FROM
	place_removal r
WHERE
	place = $1
	AND medium_hash = $2
	AND NOT EXISTS (
		SELECT
		FROM
			blobs b
		WHERE
			b.blobid = r.blobid);

-- They are deleted.
PREPARE remove_waited AS
DELETE FROM place_removal
WHERE place = $1
	AND medium_hash = $2;

-- Files that place $1 has of medium $2: its catalogue files; with $3 its
-- archives as well.
PREPARE remove_files AS
SELECT
	name
FROM
	place_file
WHERE
	place = $1
	AND (name ~ ('^archives/' || $2 || '\.([0-9]+\.)?catalogue\.zst$')
		OR ($3::boolean
			AND name ~ ('^archives/(old/)?' || $2 || '\.')));

-- Blobs that nothing uses, older than $1 days.
PREPARE reclaim_list AS
SELECT
	blobid,
	size
FROM
	unused_blob
WHERE
	created_at < now() - $1::double precision * interval '1 day'
ORDER BY
	blobid COLLATE "C";

-- The row of blob $1 goes, unless something uses it by now.
PREPARE reclaim_row AS
DELETE FROM blobs b
WHERE b.blobid = $1
	AND EXISTS (
		SELECT
		FROM
			unused_blob u
		WHERE
			u.blobid = b.blobid);

-- Contents of loads that are gone.
PREPARE reclaim_loads AS
DELETE FROM blob_load b
WHERE NOT EXISTS (
		SELECT
		FROM
			loaded l
		WHERE
			l.id = b.load);

-- Does blob $1 have a row?
PREPARE reclaim_has_row AS
SELECT
	EXISTS (
		SELECT
		FROM
			blobs
		WHERE
			blobid = $1);

-- The names of content $1 in a medium, those that are excluded too.
PREPARE content_names AS
SELECT
	p.path
FROM
	:"inode" i
	JOIN :"path" p ON p.dev = i.dev
		AND p.ino = i.ino
WHERE
	i.blobid = $1
ORDER BY
	p.path;

-- Names of content $1 in a medium are excluded.
PREPARE content_exclude AS
UPDATE
	:"path" p
SET
	exclude_reason = coalesce(p.exclude_reason, 'content removed')
FROM
	:"inode" i
WHERE
	i.blobid = $1
	AND p.dev = i.dev
	AND p.ino = i.ino;

-- Inodes of a medium with content $1 have none.
PREPARE content_forget AS
UPDATE
	:"inode"
SET
	status = 'excluded',
	blobid = NULL
WHERE
	blobid = $1;

-- The same of named streams, in all media.
PREPARE content_streams AS
UPDATE
	inode_stream
SET
	status = 'excluded',
	blobid = NULL
WHERE
	blobid = $1;

-- Content $1 was removed by $2 because of $3; it had $4 names and $5 bytes.
PREPARE content_note AS
INSERT INTO removal(blobid, removed_by, reason, inodes, paths, only_there, only_bytes)
	VALUES ($1, $2, $3, 0, $4, 1, $5);

-- No medium holds content $1.
PREPARE content_nowhere AS
DELETE FROM blob_load
WHERE blobid = $1;

-- The row of blob $1.
PREPARE content_row AS
DELETE FROM blobs
WHERE blobid = $1;
