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
