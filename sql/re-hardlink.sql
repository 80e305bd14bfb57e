-- ntt-re-hardlink: the names of a medium, and the number of links of blobs.
-- link_blob are the blobs whose links are counted, link_failed those of names
-- that could not be made, link_found how many names there are, link_wrong the
-- blobs whose number is wrong.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- The tables of a run.
-- statement: link_begin
CREATE TEMPORARY TABLE link_blob(
	blobid text
);
CREATE TEMPORARY TABLE link_failed(
	blobid text
);
CREATE TEMPORARY TABLE link_inode(
	dev bigint,
	ino bigint,
	fs_type "char",
	blobid text,
	status inode_status,
	PRIMARY KEY (dev, ino)
);
CREATE TEMPORARY TABLE link_match(
	dev bigint,
	ino bigint,
	blobid text
);
CREATE TEMPORARY TABLE link_found(
	blobid text,
	n bigint
);
CREATE TEMPORARY TABLE link_wrong(
	blobid text
);
CREATE TEMPORARY VIEW link_counted AS
SELECT
	blobid,
	sum(n) AS n
FROM (
	SELECT
		blobid,
		n
	FROM
		link_found
UNION ALL
SELECT
	blobid,
	-1
FROM
	link_failed) AS f
GROUP BY
	blobid;

-- Adds blobs.
PREPARE link_blob_add AS
INSERT INTO link_blob
SELECT
	*
FROM
	unnest($1::text[]);

-- Adds blobs.
PREPARE link_failed_add AS
INSERT INTO link_failed
SELECT
	*
FROM
	unnest($1::text[]);

-- The blobs of a medium.
PREPARE link_blobs_of AS
INSERT INTO link_blob SELECT DISTINCT
	blobid
FROM
	:"inode"
WHERE
	status = 'success'
	AND fs_type = 'f';

-- The names of these blobs in one medium.  In two steps: the statistics of
-- inodes are of the time before they had a blob, and a planner who expects
-- one row chooses a loop in a loop.
-- statement: link_count_medium
TRUNCATE link_match;
SET enable_nestloop = OFF;
INSERT INTO link_match
SELECT
	dev,
	ino,
	blobid
FROM
	:"inode"
WHERE
	status = 'success'
	AND fs_type = 'f'
	AND blobid IN (
		SELECT
			blobid
		FROM
			link_blob);
RESET enable_nestloop;
ANALYZE link_match;
INSERT INTO link_found
SELECT
	m.blobid,
	count(*)
FROM
	link_match m
	JOIN :"path" p ON p.dev = m.dev
		AND p.ino = m.ino
WHERE
	p.exclude_reason IS NULL
GROUP BY
	m.blobid;

-- Only the blobs that are wrong are counted again.
-- statement: link_only_wrong
TRUNCATE link_blob;
INSERT INTO link_blob
SELECT
	blobid
FROM
	link_wrong;

-- Sets the number of links of those that are wrong.
PREPARE link_correct AS
UPDATE
	blobs b
SET
	n_hardlinks = greatest(coalesce(f.n, 0), 0)
FROM
	link_wrong w
	LEFT JOIN link_counted f ON f.blobid = w.blobid
WHERE
	b.blobid = w.blobid
	AND b.n_hardlinks <> greatest(coalesce(f.n, 0), 0);

-- Locks the rows that differ before they are counted once more: a copier
-- that was before us is in that count, and one that comes after adds to it.
PREPARE link_lock AS
SELECT
FROM
	blobs
WHERE
	blobid IN (
		SELECT
			blobid
		FROM
			link_wrong)
ORDER BY
	blobid
FOR UPDATE;

-- The blobs whose number of links is wrong.
PREPARE link_find_wrong AS
INSERT INTO link_wrong
SELECT
	b.blobid
FROM ( SELECT DISTINCT
		blobid
	FROM
		link_blob) AS l
	JOIN blobs b USING (blobid)
	LEFT JOIN link_counted f ON f.blobid = b.blobid
WHERE
	b.n_hardlinks <> greatest(coalesce(f.n, 0), 0);

-- The next $3 inodes of a medium after dev $1, ino $2, with their names.
PREPARE link_names AS
SELECT
	i.dev,
	i.ino,
	i.fs_type,
	i.blobid,
	p.path
FROM (
	SELECT
		dev,
		ino,
		fs_type,
		blobid
	FROM
		:"inode"
	WHERE (dev, ino) >($1::bigint, $2::bigint)
	AND (status = 'success'
		OR (fs_type = 'd'
			AND status = 'non_file'))
ORDER BY
	dev,
	ino
LIMIT $3::bigint) AS i
	LEFT JOIN :"path" p ON p.dev = i.dev
		AND p.ino = i.ino
		AND p.exclude_reason IS NULL
	ORDER BY
		i.dev,
		i.ino;

-- What a medium has of the blobs of a list.  Statistics from before there
-- were blobs make loops attractive.
-- statement: link_choose
TRUNCATE link_inode;
SET enable_nestloop = OFF;
INSERT INTO link_inode
SELECT
	dev,
	ino,
	fs_type,
	blobid,
	status
FROM
	:"inode"
WHERE
	status = 'success'
	AND blobid IN (
		SELECT
			blobid
		FROM
			link_blob);
RESET enable_nestloop;

-- The same of link_inode.
PREPARE link_names_chosen AS
SELECT
	i.dev,
	i.ino,
	i.fs_type,
	i.blobid,
	p.path
FROM (
	SELECT
		dev,
		ino,
		fs_type,
		blobid
	FROM
		link_inode
	WHERE (dev, ino) >($1::bigint, $2::bigint)
	AND (status = 'success'
		OR (fs_type = 'd'
			AND status = 'non_file'))
ORDER BY
	dev,
	ino
LIMIT $3::bigint) AS i
	LEFT JOIN :"path" p ON p.dev = i.dev
		AND p.ino = i.ino
		AND p.exclude_reason IS NULL
	ORDER BY
		i.dev,
		i.ino;

-- How many rows the server thinks table $1 has.
PREPARE link_expected AS
SELECT
	greatest(reltuples, 0)::bigint
FROM
	pg_class
WHERE
	oid = to_regclass($1);

-- Blobs of a list that the catalogue does not have.
PREPARE link_unknown AS
SELECT
	blobid
FROM
	link_blob
EXCEPT
SELECT
	b.blobid
FROM
	blobs b
	JOIN link_blob USING (blobid);

-- By key: a table that is joined as a whole for each batch is slow.
-- statement: link_by_key
SET enable_hashjoin = OFF;
SET enable_mergejoin = OFF;
SET jit = OFF;
