-- ntt-copier: what a worker writes when files are copied, in one transaction for
-- many.  The arrays of a statement go together.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- Contents that were stored or met again, with their new links.  In one
-- order everywhere, so that workers cannot deadlock.
PREPARE copier_blobs AS
INSERT INTO blobs AS b(blobid, size, n_hardlinks)
SELECT
	blobid,
	min(size),
	sum(links)
FROM
	unnest($1::text[], $2::bigint[], $3::integer[]) AS r(blobid,
		size,
		links)
WHERE
	blobid IS NOT NULL
GROUP BY
	blobid
ORDER BY
	blobid
ON CONFLICT (blobid)
	DO UPDATE SET
		n_hardlinks = b.n_hardlinks + excluded.n_hardlinks;

-- Of blobs $1, those that need not be read before bytes are dropped for them:
-- they were written or found good within $2 days.
PREPARE copier_trusted AS
SELECT
	blobid,
	size
FROM
	blobs
WHERE
	blobid = ANY ($1::text[])
	AND state = 'good'
	AND coalesce(last_checked, created_at) > now() - $2::double precision * interval '1 day';

-- Blobs $1 were read and are right.  Those that are marked have to be healed
-- before.  One without a row is on its way to one: another copier has stored it.
PREPARE copier_checked AS
WITH read AS MATERIALIZED (
	SELECT
		blobid,
		size,
		state
	FROM
		blobs
	WHERE
		blobid = ANY ($1::text[])
	ORDER BY
		blobid
	FOR NO KEY UPDATE
),
noted AS (
	UPDATE
		blobs b
	SET
		last_checked = now()
	FROM
		read r
	WHERE
		b.blobid = r.blobid
		AND r.state = 'good')
SELECT
	blobid,
	size
FROM
	read
WHERE
	state <> 'good';

-- What time it is, and the blobs that are not good.  The first row is of no
-- blob.
PREPARE copier_marked AS
SELECT
	NULL,
	clock_timestamp()
UNION ALL (
	SELECT
		blobid,
		NULL
	FROM
		blobs
	WHERE
		state <> 'good'
	LIMIT 100000);

-- Blobs that were healed since $1.
PREPARE copier_healed AS
SELECT
	blobid
FROM
	blobs
WHERE
	healed_at >= $1::timestamptz
ORDER BY
	blobid COLLATE "C";

-- The same where this worker gave all of them their names: nobody else has a
-- row for one yet but in rare races, and without the look-out for conflicts
-- it takes 5 µs, not 8.
PREPARE copier_new_blobs AS
INSERT INTO blobs(blobid, size, n_hardlinks)
SELECT
	blobid,
	size,
	links
FROM
	unnest($1::text[], $2::bigint[], $3::integer[]) AS r(blobid,
		size,
		links)
WHERE
	blobid IS NOT NULL
ORDER BY
	blobid;

-- Inodes that are done, and that the medium holds their contents.  One that is
-- not pending any more keeps what another worker wrote.
PREPARE copier_inodes AS
WITH done AS (
	UPDATE
		:"inode" i
	SET
		status = r.status::inode_status,
		blobid = r.blobid,
		fs_type = coalesce(r.fs_type ::"char", i.fs_type),
		mime_type = coalesce(r.mime, i.mime_type),
		attempts = i.attempts + 1,
		next_attempt_at = NULL,
		processed_at = now()
	FROM
		unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[]) AS r(dev,
			ino,
			status,
			fs_type,
			blobid,
			mime)
	WHERE
		i.dev = r.dev
		AND i.ino = r.ino
		AND i.status = 'pending'
	RETURNING
		i.blobid)
INSERT INTO blob_load(blobid, load)
SELECT DISTINCT
	d.blobid,
	l.id
FROM
	done d,
	loaded l
WHERE
	d.blobid IS NOT NULL
	AND l.medium_hash = :'medium'
ORDER BY
	d.blobid
ON CONFLICT
	DO NOTHING;

-- The same where something went wrong with one of them.  What begins with
-- "unstable:" is said of a file that is stored.
PREPARE copier_inodes_failed AS
WITH done AS (
	UPDATE
		:"inode" i
	SET
		status = r.status::inode_status,
		blobid = r.blobid,
		fs_type = coalesce(r.fs_type ::"char", i.fs_type),
		mime_type = coalesce(r.mime, i.mime_type),
		error_type = coalesce(r.error_type::inode_error, i.error_type),
		errors = CASE WHEN r.error IS NULL THEN
			i.errors
		ELSE
			(i.errors || r.error)[greatest(1, coalesce(array_length(i.errors, 1), 0) - 18) :]
		END,
		unstable = nullif(r.error LIKE 'unstable:%', FALSE),
		attempts = i.attempts + 1,
		next_attempt_at = CASE WHEN r.status = 'pending' THEN
			clock_timestamp() + r.delay * interval '1 ms'
		END,
		processed_at = now()
	FROM
		unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::integer[]) AS r(dev,
			ino,
			status,
			fs_type,
			blobid,
			mime,
			error_type,
			error,
			delay)
	WHERE
		i.dev = r.dev
		AND i.ino = r.ino
		AND i.status = 'pending'
	RETURNING
		i.blobid)
INSERT INTO blob_load(blobid, load)
SELECT DISTINCT
	d.blobid,
	l.id
FROM
	done d,
	loaded l
WHERE
	d.blobid IS NOT NULL
	AND l.medium_hash = :'medium'
ORDER BY
	d.blobid
ON CONFLICT
	DO NOTHING;

-- Which bytes of a file lie over what was not rescued; unknown where the
-- range is empty.
PREPARE copier_damage AS
INSERT INTO inode_damage(medium_hash, dev, ino, determined, extents)
SELECT
	:'medium',
	dev,
	ino,
	damage <> '', nullif(damage, '')::int8multirange
FROM
	unnest($1::bigint[], $2::bigint[], $3::text[]) AS r(dev,
		ino,
		damage)
WHERE
	damage IS NOT NULL
ON CONFLICT (medium_hash,
	dev,
	ino)
	DO UPDATE SET
		determined = excluded.determined,
		extents = excluded.extents;

-- What was known beside their contents of files that are read again.
PREPARE copier_forget_xattrs AS
DELETE FROM inode_xattr x USING unnest($1::bigint[], $2::bigint[]) AS r(dev,
	ino)
WHERE x.medium_hash = :'medium'
	AND x.dev = r.dev
	AND x.ino = r.ino;

-- Those that are streams likewise.  What has no such name is ntt-streams's.
PREPARE copier_forget_streams AS
DELETE FROM inode_stream x USING unnest($1::bigint[], $2::bigint[]) AS r(dev,
	ino)
WHERE x.medium_hash = :'medium'
	AND x.dev = r.dev
	AND x.ino = r.ino
	AND substring(x.name FOR 6) = 'xattr:';

-- What could not be read of them is looked at again.
PREPARE copier_settle_xattrs AS
UPDATE
	omission o
SET
	settled_at = now(),
	settled_by = 'ntt-copier'
FROM
	unnest($1::bigint[], $2::bigint[]) AS r(dev,
		ino)
WHERE
	o.medium_hash = :'medium'
	AND o.kind = 'xattr_unread'
	AND o.dev = r.dev
	AND o.ino = r.ino
	AND o.settled_at IS NULL;

-- Flags, DOS attributes and holes of files that were copied just now.
PREPARE copier_meta AS
UPDATE
	:"inode" i
SET
	flags = coalesce(r.flags, i.flags),
	dos_attributes = r.dos_attributes,
	holes = r.holes::int8multirange
FROM
	unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) AS r(dev,
		ino,
		flags,
		dos_attributes,
		holes)
WHERE
	i.dev = r.dev
	AND i.ino = r.ino;

-- Their extended attributes.
PREPARE copier_xattrs AS
INSERT INTO inode_xattr(medium_hash, dev, ino, name, value)
SELECT
	:'medium',
	dev,
	ino,
	name,
	value
FROM
	unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[]) AS r(dev,
		ino,
		name,
		value);

-- Those that are contents of their own.
PREPARE copier_streams AS
WITH stored AS (
	INSERT INTO inode_stream(medium_hash, dev, ino, name, size, status, blobid)
	SELECT
		:'medium',
		dev,
		ino,
		name,
		size,
		'success',
		blobid
	FROM
		unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[], $5::text[]) AS r(dev,
			ino,
			name,
			size,
			blobid)
	RETURNING
		blobid)
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

-- What else contents are called by.
PREPARE copier_digests AS
INSERT INTO content_digest(blobid, algorithm, digest)
SELECT DISTINCT
	blobid,
	algorithm,
	digest
FROM
	unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[]) AS r(dev,
		ino,
		blobid,
		algorithm,
		digest)
ORDER BY
	blobid,
	algorithm
ON CONFLICT
	DO NOTHING;

-- Those that could not be read.
PREPARE copier_unread AS
SELECT
	count(*)
FROM
	unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::integer[], $5::text[]) AS r(dev,
		ino,
		path,
		errno,
		detail),
	catalogue_omit(:'medium', NULL, path, dev, ino, 'xattr_unread', errno, NULL, detail, 'ntt-copier');

-- Is anything known of files of the medium beside their contents?
PREPARE copier_had_meta AS
SELECT
	EXISTS (
		SELECT
		FROM
			inode_xattr
		WHERE
			medium_hash = :'medium')
	OR EXISTS (
		SELECT
		FROM
			inode_stream
		WHERE
			medium_hash = :'medium')
	OR EXISTS (
		SELECT
		FROM
			omission
		WHERE
			medium_hash = :'medium'
			AND kind = 'xattr_unread'
			AND settled_at IS NULL);

-- What worker $1 did, for the dashboard.
PREPARE copier_worker AS
WITH w AS (
	UPDATE
		worker
	SET
		heartbeat = now(),
		files = files + $2,
		bytes = bytes + $3,
		new = new + $4,
		deduplicated = deduplicated + $6,
		errors = errors + $7
	WHERE
		id = $1)
INSERT INTO copy_minute AS m(minute, medium_hash, worker, files, bytes, new, new_bytes, errors)
	VALUES (date_trunc('minute', now()), $8, $1, $2, $3, $4, $5, $7)
ON CONFLICT (minute, medium_hash, worker)
	DO UPDATE SET
		files = m.files + excluded.files, bytes = m.bytes + excluded.bytes, new = m.new + excluded.new, new_bytes = m.new_bytes + excluded.new_bytes, errors = m.errors + excluded.errors;

-- The end of range $2 of medium $1 is decided by what its inodes are now, so
-- that a range with retries left opens again when the first of them is due.
PREPARE copier_range AS
UPDATE
	work_range w
SET
	worker = NULL,
	directories = TRUE,
	done = s.open = 0,
	next_attempt_at = s.due
FROM (
	SELECT
		count(*) AS open,
		min(next_attempt_at) AS due
	FROM
		:"inode" i
	WHERE
		i.dev = $3::bigint
		AND i.ino BETWEEN $4::bigint AND $5::bigint
		AND i.status = 'pending') AS s
WHERE
	w.medium_hash = $1
	AND w.number = $2::integer;

-- Where the volumes of medium $1 begin whose bytes are in one piece.
PREPARE copier_volumes AS
SELECT
	number,
	start_bytes + coalesce((detail -> 'raid' ->> 'data')::bigint, 0)
FROM
	medium_partition
WHERE
	medium_hash = $1
	AND coalesce((detail -> 'lvm' ->> 'pieces')::int, 1) = 1;

-- An event of an inode.
PREPARE copier_event AS
INSERT INTO diagnostic_event(medium_hash, dev, ino, attempt, errno, action, message, checks, worker)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- Notes $3 under $2 among the problems of medium $1.
PREPARE copier_problem AS
UPDATE
	medium
SET
	problems = coalesce(problems, '{}') || jsonb_build_object($2::text, $3::jsonb)
WHERE
	medium_hash = $1;

-- An event of a medium.
PREPARE copier_medium_event AS
INSERT INTO diagnostic_event(medium_hash, action, worker)
	VALUES ($1, $2, $3);

-- Where the tree of medium $1 is.
PREPARE copier_medium AS
SELECT
	source_kind,
	source_path,
	image_path,
	health,
	fingerprint_file
FROM
	medium
WHERE
	medium_hash = $1;

-- As many as $2 files that were read without loss, below the path $1 (p2/ and
-- so on): one is the first that is met, several are picked at random.
PREPARE copier_witnesses AS
SELECT
	path,
	ino
FROM (
	SELECT
		p.path,
		i.ino
	FROM
		:"inode" i
		JOIN :"path" p ON p.dev = i.dev
			AND p.ino = i.ino
	WHERE
		i.status = 'success'
		AND i.fs_type = 'f'
		AND i.size > 0
		AND p.exclude_reason IS NULL
		AND substring(p.path FROM 1 FOR length($1::bytea)) = $1
		AND NOT EXISTS (
			SELECT
			FROM
				inode_damage d
			WHERE
				d.medium_hash = i.medium_hash
				AND d.dev = i.dev
				AND d.ino = i.ino)
	LIMIT CASE WHEN $2::bigint = 1 THEN
		1
	END) AS w
ORDER BY
	random()
LIMIT $2;

-- The first $1 inodes that are pending, with a name of each.
PREPARE copier_first_pending AS
SELECT
	i.size,
	i.fs_type,
(
		SELECT
			p.path
		FROM
			:"path" p
		WHERE
			p.dev = i.dev
			AND p.ino = i.ino
			AND p.exclude_reason IS NULL
		LIMIT 1)
FROM
	:"inode" i
WHERE
	i.status = 'pending'
ORDER BY
	i.dev,
	i.ino
LIMIT $1;

-- How many inodes are pending, and their bytes.
PREPARE copier_pending AS
SELECT
	count(*),
	coalesce(sum(size), 0)
FROM
	:"inode"
WHERE
	status = 'pending';

-- The bytes of medium $1 that are left to copy.
PREPARE copier_left AS
SELECT
	coalesce(sum(bytes), 0)
FROM
	work_range
WHERE
	medium_hash = $1
	AND NOT done;

-- An area of partition $2 of medium $1 that was not read and of which no
-- file is known to lie over it.
PREPARE copier_omit AS
SELECT
	catalogue_omit($1, $2::int, NULL, NULL, NULL, 'area_unexplained', 5, $3::bigint, $4, 'ntt-copier');
