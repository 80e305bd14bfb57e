-- ntt-cat: one content.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- What the catalogue has of path $1: type, status, blob, why it is excluded,
-- the last error, whether bytes are lost, and which.
PREPARE cat_place AS
SELECT
	i.fs_type,
	i.status,
	i.blobid,
	p.exclude_reason,
	i.errors[cardinality(i.errors)],
	d.ino IS NOT NULL,
	d.extents::text
FROM
	:"path" p
	JOIN :"inode" i ON i.dev = p.dev
		AND i.ino = p.ino
	LEFT JOIN inode_damage d ON d.medium_hash = :'medium'
		AND d.dev = i.dev
		AND d.ino = i.ino
WHERE
	p.path = $1::bytea;

-- The named stream $2 of path $1: its status, its blob, what of it is lost or why
-- it could not be read.
PREPARE cat_stream AS
SELECT
	s.status,
	s.blobid,
	(
		SELECT
			o.detail
		FROM
			omission o
		WHERE
			o.medium_hash = :'medium'
			AND o.dev = s.dev
			AND o.ino = s.ino
			AND o.kind IN ('stream_unread', 'stream_damaged')
			AND right(encode(o.path, 'hex'), 2 * octet_length($2::bytea) + 2) = '3a' || encode($2, 'hex')
			AND (o.settled_at IS NULL
				OR o.reason IS NOT NULL)
		LIMIT 1)
FROM
	:"path" p
	JOIN inode_stream s ON s.medium_hash = :'medium'
		AND s.dev = p.dev
		AND s.ino = p.ino
WHERE
	p.path = $1::bytea
	AND s.name = $2;

-- Why path $2 of medium $1 is not in the catalogue.
PREPARE cat_omission AS
SELECT
	kind,
	detail
FROM
	omission
WHERE
	medium_hash = $1
	AND path = $2::bytea
	AND settled_at IS NULL
LIMIT 1;
