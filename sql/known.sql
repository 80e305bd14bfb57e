-- Lists of known contents.  Some of these change the catalogue.
--
-- The hashes of a list are in known_hash, the contents that have one in
-- known_match, all that were compared in known_blob.

-- Tables for this session; what is compared is of one moment, and COMMIT ends
-- it.
-- statement: known_begin
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET LOCAL statement_timeout = 0;
SET LOCAL jit = OFF;
CREATE TEMPORARY TABLE known_hash(
	digest bytea NOT NULL
);
CREATE TEMPORARY TABLE known_match(
	blobid text PRIMARY KEY,
	by_blake3 boolean NOT NULL
);
CREATE TEMPORARY TABLE known_blob(
	blobid text PRIMARY KEY,
	known boolean NOT NULL
);

-- A part of the list, which is in known_hash, is compared.
-- statement: known_compare
ANALYZE known_hash;
INSERT INTO known_match
SELECT DISTINCT
	blobid,
	FALSE
FROM
	content_digest
	JOIN known_hash USING (digest)
ON CONFLICT
	DO NOTHING;
INSERT INTO known_match
SELECT DISTINCT
	b.blobid,
	TRUE
FROM
	known_hash k
	JOIN blobs b ON b.blobid = encode(k.digest, 'hex')
WHERE
	octet_length(k.digest) = 32
ON CONFLICT
	DO NOTHING;
TRUNCATE known_hash;

-- Is any content known by its BLAKE3, and any by its SHA-256 among those?
PREPARE known_by_blake3 AS
SELECT
	EXISTS (
		SELECT
		FROM
			known_match
		WHERE
			by_blake3);

-- Contents that were compared.  Each line of the list has one of the sets $1 of
-- digests: 1 MD5, 2 SHA-1, 4 SHA-256, 8 BLAKE3, added up.  A content that
-- matches nothing was compared if it has one digest of each set.
PREPARE known_judge AS
INSERT INTO known_blob
SELECT
	b.blobid,
	m.blobid IS NOT NULL
FROM
	blobs b
	LEFT JOIN known_match m USING (blobid)
	LEFT JOIN (
		SELECT
			blobid,
			sum(
				CASE algorithm
				WHEN 'md5' THEN
					1
				WHEN 'sha1' THEN
					2
				ELSE
					4
				END)::integer AS has
		FROM
			content_digest
		GROUP BY
			blobid) d USING (blobid)
WHERE
	m.blobid IS NOT NULL
	OR NOT EXISTS (
		SELECT
		FROM
			unnest($1::integer[]) s
		WHERE (coalesce(d.has, 0) + 8) & s = 0);

-- How many are known, were compared, are there.
PREPARE known_counts AS
SELECT
	count(*) FILTER (WHERE known),
	count(*),
(
		SELECT
			count(*)
		FROM
			blobs)
FROM
	known_blob;

-- A table for what was compared before.
-- statement: known_recall_begin
CREATE TEMPORARY TABLE IF NOT EXISTS known_blob(
	blobid text PRIMARY KEY,
	known boolean NOT NULL
);

-- The contents that list $1 was compared with, for this session.
PREPARE known_recall AS
INSERT INTO known_blob
SELECT
	blobid,
	known
FROM
	known_content
WHERE
	list = $1;

-- What was compared is kept as list $1, of file $2 with $3 hashes and $4 lines
-- without one; one of that name is replaced.
PREPARE known_keep_list AS
INSERT INTO known_list(list, file, hashes, left_out)
	VALUES ($1, $2, $3::bigint, $4::bigint)
ON CONFLICT (list)
	DO UPDATE SET
		file = excluded.file,
		read_at = now(),
		hashes = excluded.hashes,
		left_out = excluded.left_out;

-- What an earlier list $1 knew is forgotten.
PREPARE known_keep_drop AS
DELETE FROM known_content
WHERE list = $1;

-- What was compared belongs to list $1.
PREPARE known_keep AS
INSERT INTO known_content
SELECT
	$1,
	blobid,
	known
FROM
	known_blob;

-- Is there a list $1?
PREPARE known_is_list AS
SELECT
FROM
	known_list
WHERE
	list = $1;

-- List $1 is forgotten.
PREPARE known_forget AS
DELETE FROM known_list
WHERE list = $1
RETURNING
	list;

-- All lists: name, file, when it was read, hashes, lines without one, contents
-- that it knows, that it was compared with, that there are.
PREPARE known_lists AS
SELECT
	l.list,
	l.file,
	to_char(l.read_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
	l.hashes,
	l.left_out,
	count(c.blobid) FILTER (WHERE c.known),
	count(c.blobid),
(
		SELECT
			count(*)
		FROM
			blobs)
FROM
	known_list l
	LEFT JOIN known_content c USING (list)
GROUP BY
	l.list
ORDER BY
	l.list;
