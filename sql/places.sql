-- ntt-places, ntt-mirror and who reads copies.

-- All places, or place $1.
PREPARE places_list AS
SELECT
	name,
	url,
	mark,
	to_char(last_seen, 'YYYY-MM-DD HH24:MI'),
	to_char(last_mirrored, 'YYYY-MM-DD HH24:MI'),
	to_char(last_checked, 'YYYY-MM-DD HH24:MI'),
	kind,
	clear
FROM
	place
WHERE
	$1::text IS NULL
	OR name = $1
ORDER BY
	name;

-- The id of the catalogue, whether it is private, and an id for a place.
PREPARE places_ids AS
SELECT
	id,
	private,
	gen_random_uuid()
FROM
	catalogue;

-- Place $1 at $2 with the mark $3, of kind $4, which is not encrypted if $5.
PREPARE places_add AS
INSERT INTO place(name, kind, url, mark, last_seen, clear)
	VALUES ($1, $4, $2, $3, now(), $5);

-- Place $1 has pack $2 with blobs $3 at $4 of $5 bytes.
PREPARE places_pack AS
WITH made AS (
INSERT INTO pack(place, name)
		VALUES ($1, $2)
	ON CONFLICT
		DO NOTHING)
INSERT INTO blob_pack(place, pack, blobid, start, size)
SELECT
	$1,
	$2,
	*
FROM
	unnest($3::text[], $4::bigint[], $5::bigint[])
ON CONFLICT (place, blobid)
	DO UPDATE SET
		pack = excluded.pack,
		start = excluded.start,
		size = excluded.size;

-- Where place $1 has blob $2.
PREPARE places_where AS
SELECT
	pack,
	start,
	size
FROM
	blob_pack
WHERE
	place = $1
	AND blobid = $2;

-- Which place has mark $1?
PREPARE places_marked AS
SELECT
	name
FROM
	place
WHERE
	mark = $1;

-- Place $1 is not one any more.
PREPARE places_forget AS
DELETE FROM place
WHERE name = $1;

-- Place $1 was there.
PREPARE places_seen AS
UPDATE
	place
SET
	last_seen = now()
WHERE
	name = $1;

-- Blobs $2 are files of $3 bytes in place $1.  Where the catalogue knows another
-- size the file is not what its name says.
PREPARE places_found AS
SELECT
	place_add($1, ARRAY (
			SELECT
				u.id
			FROM unnest($2::text[], $3::bigint[]) u(id, size)
			LEFT JOIN blobs b ON b.blobid = u.id
			WHERE
				b.size IS NULL
				OR b.size = u.size));

-- Blobs $2 are in place $1, durably.
PREPARE places_holds AS
SELECT
	place_add($1, $2::text[]);

-- Blobs $2 are not, or not as they should be.
PREPARE places_holds_not AS
SELECT
	place_drop($1, $2::text[]);

-- One at a time sends to a place, or takes from it.
PREPARE places_lock AS
SELECT
	pg_try_advisory_lock(hashtextextended('ntt-mirror ' || $1, 0));

-- How much place $1 holds: contents, bytes, archives and other files; what is only
-- there; what it lacks.
PREPARE places_sums AS
SELECT
	count(h.blobid),
	coalesce(sum(b.size) FILTER (WHERE h.blobid IS NOT NULL), 0),
	count(*) FILTER (WHERE h.blobid IS NOT NULL
		AND (b.blobid IS NULL
			OR b.state <> 'good')),
	count(*) FILTER (WHERE h.blobid IS NULL),
	coalesce(sum(b.size) FILTER (WHERE h.blobid IS NULL), 0),
	(
		SELECT
			count(*)
		FROM
			place_file
		WHERE
			place = $1)
FROM (
	SELECT
		blobid
	FROM
		place_content
	WHERE
		place = $1) AS h
	FULL JOIN blobs b USING (blobid);

-- How many contents, of how many bytes, have fewer than $1 copies.
PREPARE places_count AS
INSERT INTO place_copies(wanted, contents, bytes, stored)
SELECT
	$1::integer,
	count(*),
	coalesce(sum(size), 0),
	(
		SELECT
			coalesce(sum(new), 0)
		FROM
			copy_minute)
FROM
	content_copies
WHERE
	copies < $1::integer
ON CONFLICT (one)
	DO UPDATE SET
		wanted = excluded.wanted,
		contents = excluded.contents,
		bytes = excluded.bytes,
		stored = excluded.stored,
		counted_at = excluded.counted_at
	RETURNING
		contents,
		bytes;

-- The files that place $1 has, of that name if $2 is one.
PREPARE places_files AS
SELECT
	name,
	size,
	source_mtime,
	blake3
FROM
	place_file
WHERE
	place = $1
	AND ($2::text IS NULL
		OR name = $2)
ORDER BY
	name;

-- Place $1 has file $2 of $3 bytes, from one of time $4, with BLAKE3 $5.
PREPARE places_file_is AS
INSERT INTO place_file
	VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (place, name)
	DO UPDATE SET
		size = excluded.size,
		source_mtime = excluded.source_mtime,
		blake3 = excluded.blake3;

-- File $2 of place $1 is not what was sent.
PREPARE places_file_is_not AS
DELETE FROM place_file
WHERE place = $1
	AND name = $2;
