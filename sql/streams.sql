-- ntt-streams.  Found streams are in a table of the session, in the order in
-- which they are read.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- The image of medium $1, its size, and whether what is in it is known.
PREPARE streams_medium AS
SELECT
	image_path,
	coalesce(size_bytes, -1),
	clock_timestamp()
FROM
	medium
WHERE
	medium_hash = $1;

-- What was found in a volume.
-- statement: streams_begin
CREATE TEMPORARY TABLE IF NOT EXISTS streams_found(
	number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at bigint NOT NULL,
	ino bigint NOT NULL,
	size bigint NOT NULL,
	name bytea NOT NULL,
	why text NOT NULL,
	path bytea,
	dev bigint
);

-- Nothing is found yet of the next volume.
-- statement: streams_anew
TRUNCATE streams_found RESTART IDENTITY;

-- Some that were found.
PREPARE streams_add AS
INSERT INTO streams_found(at, ino, size, name, why)
SELECT
	*
FROM
	unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::text[]);

-- Whose they are, in the volume whose paths begin with $1.
PREPARE streams_owners AS
UPDATE
	streams_found f
SET
	dev = o.dev,
	path = o.path
FROM ( SELECT DISTINCT ON (i.dev, i.ino)
		i.dev,
		i.ino,
		p.path
	FROM
		:"inode" i
		JOIN :"path" p ON p.dev = i.dev
			AND p.ino = i.ino
	WHERE
		i.ino IN (
			SELECT
				ino
			FROM
				streams_found)
		AND p.exclude_reason IS NULL
		AND ($1::bytea = ''
			OR p.path = $1
			OR substring(p.path FOR octet_length($1) + 1) = $1 || '\x2f'::bytea)
	ORDER BY
		i.dev,
		i.ino,
		p.path) o
WHERE
	o.ino = f.ino;

-- Those are in the catalogue from now on.
PREPARE streams_pending AS
INSERT INTO inode_stream(medium_hash, dev, ino, name, size, status)
SELECT
	:'medium',
	dev,
	ino,
	name,
	size,
	'pending'
FROM
	streams_found
WHERE
	dev IS NOT NULL
	AND name <> ''::bytea
ORDER BY
	number
ON CONFLICT
	DO NOTHING;

-- Files of which streams could not be listed.
PREPARE streams_unlisted AS
SELECT
	path,
	why,
	dev,
	ino
FROM
	streams_found
WHERE
	dev IS NOT NULL
	AND name = ''::bytea
ORDER BY
	number;

-- The first $2 behind number $1 that are to be read: those that are not stored,
-- and those whose blob is not what it was.
PREPARE streams_next AS
SELECT
	f.number,
	f.at,
	f.dev,
	f.ino,
	f.name,
	f.size,
	f.why,
	f.path
FROM
	streams_found f
	JOIN inode_stream s ON s.medium_hash = :'medium'
		AND s.dev = f.dev
		AND s.ino = f.ino
		AND s.name = f.name
	LEFT JOIN blobs b ON b.blobid = s.blobid
WHERE
	f.number > $1::bigint
	AND f.name <> ''::bytea
	AND (s.status <> 'success'
		OR b.state <> 'good')
ORDER BY
	f.number
LIMIT $2::bigint;

-- Contents that are in the store now.  What was said of them before is not so
-- any more, for these bytes are right.
PREPARE streams_blobs AS
INSERT INTO blobs AS b(blobid, size)
SELECT DISTINCT
	*
FROM
	unnest($1::text[], $2::bigint[])
ORDER BY
	1
ON CONFLICT (blobid)
	DO UPDATE SET
		state = 'good',
		last_checked = clock_timestamp(),
		healed_at = clock_timestamp()
	WHERE
		b.state <> 'good';

-- Streams that have them.
PREPARE streams_stored AS
WITH stored AS (
	UPDATE
		inode_stream s
	SET
		status = 'success',
		blobid = r.blobid,
		size = r.size
	FROM
		unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[], $5::bigint[]) AS r(dev,
			ino,
			name,
			blobid,
			size)
	WHERE
		s.medium_hash = :'medium'
		AND s.dev = r.dev
		AND s.ino = r.ino
		AND s.name = r.name
	RETURNING
		s.blobid)
INSERT INTO blob_load(blobid, load)
SELECT DISTINCT
	s.blobid,
	l.id
FROM
	stored s,
	loaded l
WHERE
	l.medium_hash = :'medium'
ORDER BY
	s.blobid
ON CONFLICT
	DO NOTHING;

-- A stream that is not.
PREPARE streams_failed AS
UPDATE
	inode_stream
SET
	status = 'failed_permanent'
WHERE
	medium_hash = :'medium'
	AND dev = $1::bigint
	AND ino = $2::bigint
	AND name = $3::bytea;

-- An omission of kind $2 of a stream or a file of medium $1.
PREPARE streams_omit AS
SELECT
	catalogue_omit($1, NULL, $3::bytea, $4::bigint, $5::bigint, $2, NULL, $6::bigint, $7, 'ntt-streams');

-- Damage that is known of streams which are stored is met no more, and stays.
PREPARE streams_keep AS
UPDATE
	omission o
SET
	seen_at = now()
WHERE
	o.medium_hash = :'medium'
	AND o.kind = 'stream_damaged'
	AND EXISTS (
		SELECT
		FROM
			inode_stream s
		WHERE
			s.medium_hash = :'medium'
			AND s.dev = o.dev
			AND s.ino = o.ino
			AND s.status = 'success');

-- All volumes of medium $1 were looked at.
PREPARE streams_done AS
UPDATE
	medium
SET
	streams_done = clock_timestamp()
WHERE
	medium_hash = $1;

-- Are the named streams of medium $1 still to be looked for?  It is a copied
-- image, and has volumes that have some, or those of it are not known.  And: are
-- they known?
PREPARE streams_missing AS
SELECT
	source_kind IN ('image', 'device')
	AND copy_done IS NOT NULL
	AND coalesce(streams_done < enum_done, TRUE)
	AND (v.some
		OR v.n = 0),
	coalesce(v.some, FALSE)
FROM
	medium
	CROSS JOIN (
		SELECT
			count(*) AS n,
			bool_or(filesystem IN ('ntfs', 'hfs', 'hfsplus')) AS some
		FROM
			medium_partition
		WHERE
			medium_hash = $1) AS v
WHERE
	medium_hash = $1;
