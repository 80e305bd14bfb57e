-- ntt-browse: the collection as a file system.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- The session only reads.  Directories are asked for by one plan, whichever
-- they are, which is made once.  Nothing takes longer than is waited for.
PREPARE browse_session AS
SELECT
	set_config('default_transaction_read_only', 'on', FALSE),
	set_config('plan_cache_mode', 'force_generic_plan', FALSE),
	set_config('jit', 'off', FALSE),
	set_config('max_parallel_workers_per_gather', '0', FALSE),
	set_config('client_min_messages', 'warning', FALSE),
	set_config('work_mem', '32MB', FALSE),
	set_config('statement_timeout', '90000', FALSE);

-- All media: name, restricted, the table of its paths (NULL: not loaded),
-- whether nothing of it will be copied any more, when it was taken in, whether
-- all its directories have rows.
PREPARE browse_media AS
SELECT
	medium_hash,
	coalesce(title, medium_human, medium_hash),
	restricted,
	to_regclass(quote_ident('path_p_' || medium_hash))::oid::bigint,
	copy_done IS NOT NULL,
	floor(extract(epoch FROM coalesce(imaged_at, added_at)))::bigint,
	load_counts ->> 'implied_directories' = '0'
FROM
	medium
ORDER BY
	added_at,
	medium_hash;

-- Contents that cannot be given.
PREPARE browse_not_good AS
SELECT
	decode(blobid, 'hex')
FROM
	blobs
WHERE
	state <> 'good'
ORDER BY
	1;

-- Has the medium any extended attributes, any lost bytes?
PREPARE browse_has AS
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
			medium_hash = :'medium'),
	EXISTS (
		SELECT
		FROM
			inode_damage
		WHERE
			medium_hash = :'medium');

-- What is in directories: their hashes $1, and what the paths in them begin
-- with $2; hash 0 and "" is the root itself.  $3 and $4: the medium has
-- extended attributes, lost bytes.  A file that had another size when it was
-- read has that one.  See enum column of listing.c.
PREPARE browse_listing AS
SELECT
	d.n,
	substring(p.path FROM octet_length(d.prefix) + 1),
	i.fs_type,
	i.dev,
	i.ino,
	i.nlink,
	CASE WHEN i.errors IS NOT NULL THEN
		coalesce((
			SELECT
				b.size
			FROM blobs b
			WHERE
				b.blobid = i.blobid), i.size)
	ELSE
		i.size
	END,
	i.blobid,
	i.mode,
	i.uid,
	i.gid,
	i.rdev,
	i.mtime,
	i.mtime_ns,
	i.atime,
	i.atime_ns,
	i.ctime,
	i.ctime_ns,
	CASE WHEN i.holes IS NOT NULL THEN
	(
		SELECT
			sum(upper(h) - lower(h))::bigint
		FROM
			unnest(i.holes) h)
	END,
	$3::boolean
	AND (EXISTS (
			SELECT
			FROM
				inode_xattr x
			WHERE
				x.medium_hash = :'medium'
				AND x.dev = i.dev
				AND x.ino = i.ino)
		OR EXISTS (
			SELECT
			FROM
				inode_stream s
			WHERE
				s.medium_hash = :'medium'
				AND s.dev = i.dev
				AND s.ino = i.ino
				AND starts_with(encode(s.name, 'escape'), 'xattr:'))),
	$4::boolean
	AND EXISTS (
		SELECT
		FROM
			inode_damage l
		WHERE
			l.medium_hash = :'medium'
			AND l.dev = i.dev
			AND l.ino = i.ino)
FROM
	unnest($1::bigint[], $2::bytea[])
	WITH ORDINALITY AS d(dir, prefix, n)
	JOIN :"path" p ON p.dir = d.dir
		AND substring(p.path FOR octet_length(d.prefix)) = d.prefix
	JOIN :"inode" i ON i.dev = p.dev
		AND i.ino = p.ino;

-- Directories that hold something and are not in the list themselves: those of
-- lists made by hand, and those that were gone when a directory was listed
-- again.
PREPARE browse_implied AS
WITH known AS MATERIALIZED (
	SELECT
		catalogue_directory(p.path) AS dir
	FROM
		:"inode" i
		JOIN :"path" p USING (dev, ino)
	WHERE
		i.fs_type = 'd'
),
used AS (
	SELECT DISTINCT
		dir
	FROM
		:"path"
	WHERE
		dir <> 0
),
missing AS MATERIALIZED (
	SELECT
		dir
	FROM
		used
	EXCEPT
	SELECT
		dir
	FROM
		known
)
SELECT DISTINCT
	catalogue_parent(p.path)
FROM
	missing
	JOIN :"path" p USING (dir)
WHERE
	p.path <> ''
ORDER BY
	1;

-- What inode $1, $2 is by now: blob, size, status, last error, whether bytes of
-- it are lost.
PREPARE browse_inode AS
SELECT
	i.blobid,
	coalesce((
		SELECT
			b.size
		FROM blobs b
		WHERE
			b.blobid = i.blobid), i.size),
	i.status::text,
	i.errors[cardinality(i.errors)],
	EXISTS (
		SELECT
		FROM
			inode_damage l
		WHERE
			l.medium_hash = :'medium'
			AND l.dev = i.dev
			AND l.ino = i.ino)
FROM
	:"inode" i
WHERE
	i.dev = $1::bigint
	AND i.ino = $2::bigint;

-- The lost ranges of inode $1, $2; NULL: nobody knows which.
PREPARE browse_lost AS
SELECT
	lower(r),
	upper(r)
FROM
	inode_damage d
	LEFT JOIN unnest(d.extents) r ON d.determined
WHERE
	d.medium_hash = :'medium'
	AND d.dev = $1::bigint
	AND d.ino = $2::bigint
ORDER BY
	1;

-- The extended attributes of inode $1, $2: the value, or its blob.
PREPARE browse_xattrs AS
SELECT
	name,
	value,
	NULL
FROM
	inode_xattr
WHERE
	medium_hash = :'medium'
	AND dev = $1::bigint
	AND ino = $2::bigint
UNION ALL
SELECT
	substring(name FROM 7),
	NULL,
	coalesce(blobid, '')
FROM
	inode_stream
WHERE
	medium_hash = :'medium'
	AND dev = $1::bigint
	AND ino = $2::bigint
	AND starts_with(encode(name, 'escape'), 'xattr:');

-- For the text on what is missing.  $1 limits the number of lines.

-- What was met and is not stored, and what a person said of it.
PREPARE browse_omissions AS
SELECT
	path,
	partition,
	kind,
	detail,
	reason
FROM
	omission
WHERE
	medium_hash = :'medium'
	AND (settled_at IS NULL
		OR reason IS NOT NULL)
ORDER BY
	reason IS NOT NULL,
	path,
	partition,
	kind
LIMIT $1::bigint;

-- Files and links without a content.
PREPARE browse_without AS
SELECT
	p.path,
	i.fs_type,
	i.status::text,
	p.exclude_reason,
	i.errors[cardinality(i.errors)]
FROM
	:"inode" i
	JOIN :"path" p USING (dev, ino)
WHERE
	i.blobid IS NULL
	AND i.status <> 'non_file'
ORDER BY
	p.path
LIMIT $1::bigint;

-- Files with lost bytes.
PREPARE browse_damaged AS
SELECT
	p.path,
	d.determined,
	d.extents::text
FROM
	inode_damage d
	JOIN :"path" p USING (dev, ino)
WHERE
	d.medium_hash = :'medium'
ORDER BY
	p.path
LIMIT $1::bigint;

-- Files whose blob is not good.
PREPARE browse_bad AS
SELECT
	p.path,
	b.state::text
FROM
	blobs b
	JOIN :"inode" i USING (blobid)
	JOIN :"path" p USING (dev, ino)
WHERE
	b.state <> 'good'
ORDER BY
	p.path
LIMIT $1::bigint;

-- Paths with names that cannot be shown as they are, and some others.
PREPARE browse_names AS
SELECT
	path
FROM
	:"path"
WHERE
	octet_length(path) > 255
	OR position('\x2f2f'::bytea IN '\x2f'::bytea || path || '\x2f'::bytea) > 0
	OR position('\x2f2e2f'::bytea IN '\x2f'::bytea || path || '\x2f'::bytea) > 0
	OR position('\x2f2e2e2f'::bytea IN '\x2f'::bytea || path || '\x2f'::bytea) > 0
ORDER BY
	path
LIMIT $1::bigint;

-- Named streams, which are stored and not shown.
PREPARE browse_streams AS
SELECT
	p.path,
	s.name
FROM
	inode_stream s
	JOIN :"path" p USING (dev, ino)
WHERE
	s.medium_hash = :'medium'
	AND NOT starts_with(encode(s.name, 'escape'), 'xattr:')
ORDER BY
	p.path,
	s.name
LIMIT $1::bigint;
