-- ntt-mirror: what a place lacks, or holds, in mirror_work.

-- Blobs to do, in the order of their ids.
-- statement: mirror_begin
CREATE TEMPORARY TABLE mirror_work(
	n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	blobid text NOT NULL,
	size bigint NOT NULL
);

-- Nothing to do.
-- statement: mirror_empty
TRUNCATE mirror_work;

-- What place $1 lacks.  What "ntt-remove --everywhere" wants away is of 1970.
PREPARE mirror_lacks AS
INSERT INTO mirror_work(blobid, size)
SELECT
	b.blobid,
	b.size
FROM
	blobs b
	LEFT JOIN (
		SELECT
			blobid
		FROM
			place_content
		WHERE
			place = $1) AS h ON h.blobid = b.blobid
WHERE
	h.blobid IS NULL
	AND b.created_at > 'epoch'
ORDER BY
	b.blobid COLLATE "C";

-- One in $2 of what place $1 holds, picked at random.
PREPARE mirror_holds AS
INSERT INTO mirror_work(blobid, size)
SELECT
	h.blobid,
	coalesce(b.size, 0)
FROM
	place_content h
	LEFT JOIN blobs b ON b.blobid = h.blobid
WHERE
	h.place = $1
	AND random() * $2::double precision < 1
ORDER BY
	h.blobid COLLATE "C";

-- Blobs $1 of $2 bytes were seen at a place.
PREPARE mirror_saw AS
INSERT INTO mirror_work(blobid, size)
SELECT
	*
FROM
	unnest($1::text[], $2::bigint[]);

-- What was not seen at place $1, or with another size, is not there: how many.
PREPARE mirror_unseen AS
SELECT
	count(*),
	place_drop($1, array_agg(h.blobid) FILTER (WHERE h.blobid IS NOT NULL))
FROM
	place_content h
	LEFT JOIN blobs b ON b.blobid = h.blobid
WHERE
	h.place = $1
	AND NOT EXISTS (
		SELECT
		FROM
			mirror_work w
		WHERE
			w.blobid = h.blobid
			AND w.size = coalesce(b.size, w.size))
HAVING
	count(*) > 0
UNION ALL
SELECT
	0,
	NULL
LIMIT 1;

-- How much is to be done.
PREPARE mirror_sum AS
SELECT
	count(*),
	coalesce(sum(size), 0)
FROM
	mirror_work;

-- The next of them after number $1.
PREPARE mirror_next AS
SELECT
	n,
	blobid,
	size
FROM
	mirror_work
WHERE
	n > $1
ORDER BY
	n
LIMIT 4096;

-- Which of the ids in the lines of $2 nothing uses, and place $1 is not said to
-- have.
PREPARE mirror_forgotten AS
SELECT
	x.blobid
FROM
	unnest(string_to_array($2, E'\n')) x(blobid)
WHERE
	NOT EXISTS (
		SELECT
		FROM
			place_content h
		WHERE
			h.place = $1
			AND h.blobid = x.blobid)
	AND NOT EXISTS (
		SELECT
		FROM
			blobs b
		WHERE
			b.blobid = x.blobid
			AND b.created_at > 'epoch');

-- The packs of place $1.
PREPARE mirror_packs AS
SELECT
	name
FROM
	pack
WHERE
	place = $1
ORDER BY
	name;

-- What pack $2 of place $1 should have, in its order.
PREPARE mirror_pack_blobs AS
SELECT
	blobid,
	start,
	size
FROM
	blob_pack
WHERE
	place = $1
	AND pack = $2
ORDER BY
	start;

-- What place $1 holds and nothing uses: the catalogue has no row of it, or
-- "ntt-remove --everywhere" wants it away.
PREPARE mirror_dead AS
INSERT INTO mirror_work(blobid, size)
SELECT
	h.blobid,
	coalesce(b.size, 0)
FROM
	place_content h
	LEFT JOIN blobs b ON b.blobid = h.blobid
WHERE
	h.place = $1
	AND coalesce(b.created_at, 'epoch') = 'epoch'
ORDER BY
	h.blobid COLLATE "C";

-- What of pack $2 of place $1 something uses, in its order.
PREPARE mirror_pack_live AS
SELECT
	p.blobid,
	p.start,
	p.size
FROM
	blob_pack p
	JOIN blobs b ON b.blobid = p.blobid
		AND b.created_at > 'epoch'
WHERE
	p.place = $1
	AND p.pack = $2
ORDER BY
	p.start;

-- How many contents of pack $2 of place $1 nothing uses, and their bytes.
PREPARE mirror_pack_dead AS
SELECT
	count(*),
	coalesce(sum(p.size), 0)
FROM
	blob_pack p
	LEFT JOIN blobs b ON b.blobid = p.blobid
WHERE
	p.place = $1
	AND p.pack = $2
	AND coalesce(b.created_at, 'epoch') = 'epoch';

-- Place $1 has not pack $2 any more, unless something uses what is in it: is it
-- unknown now, or was it before?
PREPARE mirror_pack_gone AS
WITH gone AS (
	DELETE FROM pack k
	WHERE k.place = $1
		AND k.name = $2
		AND NOT EXISTS (
			SELECT
			FROM
				blob_pack p
				JOIN blobs b ON b.blobid = p.blobid
					AND b.created_at > 'epoch'
			WHERE
				p.place = k.place
				AND p.pack = k.name)
		RETURNING
			name
)
SELECT
	EXISTS (
		SELECT
		FROM
			gone)
	OR NOT EXISTS (
		SELECT
		FROM
			pack
		WHERE
			place = $1
			AND name = $2);

-- Everything was sent to place $1.
PREPARE mirror_done AS
UPDATE
	place
SET
	last_mirrored = now(),
	last_seen = now()
WHERE
	name = $1;

-- Everything in place $1 was read.
PREPARE mirror_checked AS
UPDATE
	place
SET
	last_checked = now(),
	last_seen = now()
WHERE
	name = $1;

-- Small lists of place $1 are joined.
PREPARE mirror_join AS
SELECT
	place_join($1);

-- Has place $1 a dump of the catalogue as it is now?  And what to say of one made
-- now.
PREPARE mirror_dump AS
SELECT
	dump_of IS NOT DISTINCT FROM catalogue_fingerprint(),
	catalogue_fingerprint()
FROM
	place
WHERE
	name = $1;

-- Place $1 has a dump of the catalogue of state $2.
PREPARE mirror_dumped AS
UPDATE
	place
SET
	dump_of = $2
WHERE
	name = $1;

-- Media: their archive, and whether they are loaded and copied.
PREPARE mirror_media AS
SELECT
	medium_hash,
	archive_path,
	archived_at IS NOT NULL,
	enum_done IS NOT NULL,
	copy_done IS NOT NULL
FROM
	medium
ORDER BY
	medium_hash;

-- Was medium $1 removed, and not taken in again?
PREPARE mirror_removed AS
SELECT
	EXISTS (
		SELECT
		FROM
			removal
		WHERE
			medium_hash = $1)
	AND NOT EXISTS (
		SELECT
		FROM
			medium
		WHERE
			medium_hash = $1);
