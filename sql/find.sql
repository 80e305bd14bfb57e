-- ntt-find
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- The media to look at, with whether they are loaded and restricted, what their
-- names are in an index, and whether they hold content $2.  $1: words of the
-- message; NULL is any.
PREPARE find_media AS
SELECT
	medium_hash,
	coalesce(title, medium_human, ''),
	to_regclass(quote_ident('path_p_' || medium_hash)) IS NOT NULL,
	restricted,
	l.names,
	$2::text IS NULL
	OR medium_hash IN (
		SELECT
			b.medium
		FROM
			blob_medium b
		WHERE
			b.blobid = $2)
FROM
	medium
	LEFT JOIN loaded l USING (medium_hash)
WHERE
	$1::text IS NULL
	OR position(lower($1) IN lower(message)) > 0
ORDER BY
	added_at,
	medium_hash;

-- A date as seconds since the epoch.
PREPARE find_date AS
SELECT
	floor(extract(epoch FROM $1::timestamptz))::bigint;

-- Entries of a medium.  Parameters that are NULL ask for nothing:
--	$1 at this path or below it, $2 bytes that the path has,
--	$3 types, $4 MIME type as LIKE has it, $5 and $6 smallest and largest size,
--	$7 and $8 first and last time, $9 content, $10 damaged, $11 not stored,
--	$12 content that no other medium has, $13 words of its text,
--	$14 name of a program that ntt-each ran on it, $15 bytes of its answer
PREPARE find_entries AS
SELECT
	p.path,
	i.fs_type,
	i.mode,
	i.nlink,
	i.size,
	i.mtime,
	i.status,
	i.blobid,
	i.mime_type,
	d.ino IS NOT NULL,
	p.exclude_reason
FROM
	:"path" p
	JOIN :"inode" i ON i.dev = p.dev
		AND i.ino = p.ino
	LEFT JOIN inode_damage d ON d.medium_hash = :'medium'
		AND d.dev = i.dev
		AND d.ino = i.ino
WHERE ($1::bytea IS NULL
	OR p.path = $1
	OR substring(p.path FOR octet_length($1) + 1) = $1 || '\x2f'::bytea)
AND ($2::bytea IS NULL
	OR position($2 IN p.path) > 0)
AND ($3::text IS NULL
	OR position(i.fs_type::text IN $3) > 0)
AND ($4::text IS NULL
	OR i.mime_type LIKE $4)
AND ($5::bigint IS NULL
	OR (i.fs_type = 'f'
		AND i.size >= $5))
AND ($6::bigint IS NULL
	OR (i.fs_type = 'f'
		AND i.size <= $6))
AND ($7::bigint IS NULL
	OR i.mtime >= $7)
AND ($8::bigint IS NULL
	OR i.mtime < $8)
AND ($9::text IS NULL
	OR i.blobid = $9)
AND ($10::boolean IS NULL
	OR d.ino IS NOT NULL)
AND ($11::boolean IS NULL
	OR (i.fs_type = 'f'
		AND i.status NOT IN ('success', 'excluded', 'non_file')))
AND ($12::boolean IS NULL
	OR (i.blobid IS NOT NULL
		AND NOT EXISTS (
			SELECT
			FROM
				blob_medium o
			WHERE
				o.blobid = i.blobid
				AND o.medium <> :'medium')))
AND ($13::text IS NULL
	OR i.blobid IN (
		SELECT
			t.blobid
		FROM
			content_text t
		WHERE
			t.words @@ websearch_to_tsquery('simple', $13)))
AND ($14::text IS NULL
	OR i.blobid IN (
		SELECT
			f.blobid
		FROM
			content_fact f
		WHERE
			f.tool = $14
			AND ($15::bytea IS NULL
				OR position($15 IN f.output) > 0)));

-- Those of the paths with $2 as path.dir and $3 that the medium has, at $1 or
-- below it; NULL: all.  The columns are those of find_entries, which takes four
-- times as long, because it opens the partition of inode as well.
PREPARE find_listed AS
SELECT
	p.path,
	NULL,
	NULL,
	NULL,
	NULL,
	NULL,
	NULL,
	NULL,
	NULL,
	NULL,
	NULL
FROM
	:"path" p
WHERE ($1::bytea IS NULL
	OR p.path = $1
	OR substring(p.path FOR octet_length($1) + 1) = $1 || '\x2f'::bytea)
AND (p.dir, p.path) IN (
	SELECT
		*
	FROM
		unnest($2::bigint[], $3::bytea[]));

-- The paths of a medium, at $1 or below it; NULL: all.
PREPARE find_paths AS
SELECT
	p.path
FROM
	:"path" p
WHERE ($1::bytea IS NULL
	OR p.path = $1
	OR substring(p.path FOR octet_length($1) + 1) = $1 || '\x2f'::bytea);

-- Named streams whose contents are asked for: path, a colon, name.  Parameters as
-- in find_entries; a stream has the time of its file, and no MIME type.
PREPARE find_streams AS
SELECT
	p.path || '\x3a'::bytea || s.name,
	'f',
	i.mode,
	1,
	s.size,
	i.mtime,
	s.status,
	s.blobid,
	NULL,
	EXISTS (
		SELECT
		FROM
			omission o
		WHERE
			o.medium_hash = :'medium'
			AND o.dev = s.dev
			AND o.ino = s.ino
			AND o.kind = 'stream_damaged'
			AND o.path = p.path || '\x3a'::bytea || s.name),
	p.exclude_reason
FROM
	inode_stream s
	JOIN :"inode" i ON i.dev = s.dev
		AND i.ino = s.ino
	JOIN :"path" p ON p.dev = s.dev
		AND p.ino = s.ino
WHERE
	s.medium_hash = :'medium'
	AND substring(s.name FOR 6) <> 'xattr:'
	AND s.blobid IS NOT NULL
	AND ($1::bytea IS NULL
		OR p.path = $1
		OR substring(p.path FOR octet_length($1) + 1) = $1 || '\x2f'::bytea)
	AND ($2::bytea IS NULL
		OR position($2 IN p.path || '\x3a'::bytea || s.name) > 0)
	AND ($3::text IS NULL
		OR position('f' IN $3) > 0)
	AND $4::text IS NULL
	AND ($5::bigint IS NULL
		OR s.size >= $5)
	AND ($6::bigint IS NULL
		OR s.size <= $6)
	AND ($7::bigint IS NULL
		OR i.mtime >= $7)
	AND ($8::bigint IS NULL
		OR i.mtime < $8)
	AND ($9::text IS NULL
		OR s.blobid = $9)
	AND $10::boolean IS NULL
	AND $11::boolean IS NULL
	AND ($12::boolean IS NULL
		OR NOT EXISTS (
			SELECT
			FROM
				blob_medium o
			WHERE
				o.blobid = s.blobid
				AND o.medium <> :'medium'))
	AND ($13::text IS NULL
		OR s.blobid IN (
			SELECT
				t.blobid
			FROM
				content_text t
			WHERE
				t.words @@ websearch_to_tsquery('simple', $13)))
	AND ($14::text IS NULL
		OR s.blobid IN (
			SELECT
				f.blobid
			FROM
				content_fact f
			WHERE
				f.tool = $14
				AND ($15::bytea IS NULL
					OR position($15 IN f.output) > 0)));

-- What was met on a medium and is not in its list.  $1 and $2 as above.
PREPARE find_omissions AS
SELECT
	coalesce(o.path, convert_to('p' || o.partition, 'UTF8'), ''::bytea),
	'?',
	NULL,
	0,
	coalesce(o.bytes, 0),
	0,
	o.kind,
	NULL,
	NULL,
	FALSE,
	NULL
FROM
	omission o
WHERE
	o.medium_hash = :'medium'
	AND o.settled_at IS NULL
	AND ($1::bytea IS NULL
		OR o.path = $1
		OR substring(o.path FOR octet_length($1) + 1) = $1 || '\x2f'::bytea)
	AND ($2::bytea IS NULL
		OR position($2 IN o.path) > 0)
	AND NOT EXISTS (
		SELECT
		FROM
			:"inode" i
		WHERE
			i.dev = o.dev
			AND i.ino = o.ino
			AND i.status NOT IN ('success', 'excluded', 'non_file'));

-- Files of a medium that are stored and whose MIME type nobody has looked at.
PREPARE find_mime_unknown AS
SELECT
	count(*)
FROM
	:"inode"
WHERE
	fs_type = 'f'
	AND status = 'success'
	AND mime_type IS NULL;

-- Files of a medium that are stored and whose words nobody has looked at, and
-- those whose text is longer than what was kept of it.
PREPARE find_words_unknown AS
SELECT
	count(*) FILTER (WHERE t.blobid IS NULL),
	count(*) FILTER (WHERE t.truncated)
FROM
	:"inode" i
	LEFT JOIN content_text t ON t.blobid = i.blobid
WHERE
	i.fs_type = 'f'
	AND i.status = 'success';

-- Files of a medium that are stored and of which program $1 has no answer.
PREPARE find_fact_unknown AS
SELECT
	count(*)
FROM
	:"inode" i
WHERE
	i.fs_type = 'f'
	AND i.status = 'success'
	AND NOT EXISTS (
		SELECT
		FROM
			content_fact f
		WHERE
			f.blobid = i.blobid
			AND f.tool = $1);

-- The contents that --copies asks for, for this session.
-- statement: find_copies_begin
CREATE TEMPORARY TABLE find_copies(
	blobid text PRIMARY KEY
);

-- Those with $1 to $2 copies, the good one in the store among them.
PREPARE find_copies_fill AS
INSERT INTO find_copies
SELECT
	blobid
FROM
	content_copies
WHERE
	copies BETWEEN $1::bigint AND $2::bigint;
