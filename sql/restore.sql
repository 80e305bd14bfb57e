-- ntt-restore: what is to be restored of a medium.
--
-- $1 are paths, $2 the limits of ranges of paths in their order: what is from
-- the first to before the second, from the third to before the fourth, and so
-- on.  Both NULL: all of the medium.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- Which of the paths $1 there are.
PREPARE restore_places AS
SELECT
	p.path,
	i.fs_type = 'd'
FROM
	:"path" p
	JOIN :"inode" i USING (dev, ino)
WHERE
	p.path = ANY ($1::bytea[]);

-- Which of the paths $1 are named streams of files, and how long the path of each
-- file is.
PREPARE restore_streams AS
SELECT
	p.path || '\x3a'::bytea || s.name,
	octet_length(p.path)
FROM
	inode_stream s
	JOIN :"inode" i ON i.dev = s.dev
		AND i.ino = s.ino
	JOIN :"path" p ON p.dev = s.dev
		AND p.ino = s.ino
WHERE
	s.medium_hash = :'medium'
	AND i.fs_type <> 'd'
	AND p.path || '\x3a'::bytea || s.name = ANY ($1::bytea[])
	AND NOT EXISTS (
		SELECT
		FROM
			:"path" q
		WHERE
			q.path = p.path || '\x3a'::bytea || s.name);

-- Everything at the paths $1 and in the ranges $2, parents first: see
-- enum column of plan.c.  Attributes and streams are one bytea each, with the
-- length of every part before it.
PREPARE restore_entries AS
SELECT
	p.path,
	i.fs_type,
	i.dev,
	i.ino,
	i.size,
	i.blobid,
	i.status::text,
	p.exclude_reason,
	i.errors[cardinality(i.errors)],
	CASE WHEN i.nlink > 1 AND i.fs_type <> 'd' THEN
	(
		SELECT
			q.path
		FROM
			:"path" q
		WHERE
			q.dev = i.dev
			AND q.ino = i.ino
			AND q.exclude_reason IS NULL
			AND ($1::bytea[] IS NULL
				OR q.path = ANY ($1)
				OR width_bucket(q.path, $2::bytea[]) % 2 = 1)
		ORDER BY
			q.path
		LIMIT 1)
	END,
	i.mode::bigint,
	i.uid,
	i.gid,
	i.rdev,
	i.flags,
	i.dos_attributes::bigint,
	i.mtime,
	i.mtime_ns::bigint,
	i.atime,
	i.atime_ns::bigint,
	i.holes::text,
	d.ino IS NOT NULL,
	d.extents::text,
	x.packed,
	s.packed
FROM
	:"path" p
	JOIN :"inode" i ON i.dev = p.dev
		AND i.ino = p.ino
	LEFT JOIN inode_damage d ON d.medium_hash = :'medium'
		AND d.dev = i.dev
		AND d.ino = i.ino
	LEFT JOIN (
		SELECT
			dev,
			ino,
			string_agg(int4send(length(name)) || name || int4send(length(value)) || value, ''::bytea ORDER BY name) AS packed
		FROM
			inode_xattr
		WHERE
			medium_hash = :'medium'
		GROUP BY
			dev,
			ino) x ON x.dev = i.dev
		AND x.ino = i.ino
	LEFT JOIN (
		SELECT
			dev,
			ino,
			string_agg(int4send(length(name)) || name || int4send(length(coalesce(blobid, ''))) || convert_to(coalesce(blobid, ''), 'UTF8'), ''::bytea ORDER BY name) AS packed
		FROM
			inode_stream
		WHERE
			medium_hash = :'medium'
		GROUP BY
			dev,
			ino) s ON s.dev = i.dev
		AND s.ino = i.ino
WHERE
	$1::bytea[] IS NULL
	OR p.path = ANY ($1)
	OR width_bucket(p.path, $2::bytea[]) % 2 = 1
ORDER BY
	p.path;

-- What is to be set last, children first: what directories are, and the flags
-- that forbid changes.  Columns as in restore_entries.
PREPARE restore_last AS
SELECT
	p.path,
	i.fs_type,
	i.dev,
	i.ino,
	i.size,
	i.blobid,
	i.status::text,
	p.exclude_reason,
	NULL::text,
	NULL::bytea,
	i.mode::bigint,
	i.uid,
	i.gid,
	i.rdev,
	i.flags,
	i.dos_attributes::bigint,
	i.mtime,
	i.mtime_ns::bigint,
	i.atime,
	i.atime_ns::bigint,
	NULL::text,
	FALSE,
	NULL::text,
	x.packed,
	s.packed
FROM
	:"path" p
	JOIN :"inode" i ON i.dev = p.dev
		AND i.ino = p.ino
	LEFT JOIN (
		SELECT
			dev,
			ino,
			string_agg(int4send(length(name)) || name || int4send(length(value)) || value, ''::bytea ORDER BY name) AS packed
		FROM
			inode_xattr
		WHERE
			medium_hash = :'medium'
		GROUP BY
			dev,
			ino) x ON x.dev = i.dev
		AND x.ino = i.ino
	LEFT JOIN (
		SELECT
			dev,
			ino,
			string_agg(int4send(length(name)) || name || int4send(length(coalesce(blobid, ''))) || convert_to(coalesce(blobid, ''), 'UTF8'), ''::bytea ORDER BY name) AS packed
		FROM
			inode_stream
		WHERE
			medium_hash = :'medium'
		GROUP BY
			dev,
			ino) s ON s.dev = i.dev
		AND s.ino = i.ino
WHERE (i.fs_type = 'd'
	OR i.flags & 48 <> 0)
AND ($1::bytea[] IS NULL
	OR p.path = ANY ($1)
	OR width_bucket(p.path, $2::bytea[]) % 2 = 1)
ORDER BY
	p.path DESC;

-- What was left out of medium $1 and is missing still.
PREPARE restore_omissions AS
SELECT
	path,
	partition,
	kind,
	detail
FROM
	omission
WHERE
	medium_hash = $1
	AND settled_at IS NULL
ORDER BY
	path,
	partition,
	kind;

-- The names that medium $1 had for its owners and groups.
PREPARE restore_owners AS
SELECT
	is_group,
	id,
	name
FROM
	medium_owner
WHERE
	medium_hash = $1;
