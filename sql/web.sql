-- ntt-web: the collection as pages.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- The session only reads, and for no longer than a page may take.
PREPARE web_session AS
SELECT
	set_config('default_transaction_read_only', 'on', FALSE),
	set_config('statement_timeout', $1, FALSE),
	set_config('lock_timeout', '2000', FALSE),
	set_config('jit', 'off', FALSE),
	set_config('max_parallel_workers_per_gather', '0', FALSE),
	set_config('synchronize_seqscans', 'off', FALSE),
	set_config('client_min_messages', 'warning', FALSE),
	set_config('TimeZone', 'UTC', FALSE);

-- The media after $2, $3 in the order of their names, $4 of them; $1: also
-- restricted ones.
PREPARE web_shelf AS
SELECT
	m.medium_hash,
	m.name,
	m.message,
	m.state,
	m.health,
	m.size_bytes,
	to_char(m.added_at, 'YYYY-MM-DD'),
	m.key,
	(
		SELECT
			count(*)
		FROM
			omission o
		WHERE
			o.medium_hash = m.medium_hash
			AND settled_at IS NULL),
	(
		SELECT
			count(*)
		FROM
			inode_damage d
		WHERE
			d.medium_hash = m.medium_hash)
FROM (
	SELECT
		*,
		coalesce(title, medium_human, medium_hash) AS name,
		lower(coalesce(title, medium_human, medium_hash)) COLLATE "C" AS key,
		CASE WHEN archived_at IS NOT NULL THEN
			'archived'
		WHEN copy_done IS NOT NULL THEN
			'copied'
		WHEN enum_done IS NOT NULL THEN
			'loaded'
		WHEN imaged_at IS NOT NULL THEN
			'imaged'
		ELSE
			'registered'
		END AS state
	FROM
		medium
	WHERE
		$1::boolean
		OR NOT restricted) AS m
WHERE
	$2::text IS NULL
	OR (m.key, m.medium_hash) > ($2, $3::text)
ORDER BY
	m.key,
	m.medium_hash
LIMIT $4::bigint;

-- Media whose name, note or hash has $2.
PREPARE web_media_named AS
SELECT
	medium_hash,
	coalesce(title, medium_human, medium_hash),
	message
FROM
	medium
WHERE ($1::boolean
	OR NOT restricted)
AND (position(lower($2) IN lower(coalesce(title, '') || ' ' || coalesce(medium_human, '') || ' ' || coalesce(message, ''))) > 0
	OR starts_with(medium_hash, lower($2)))
ORDER BY
	2,
	1
LIMIT 50;

-- Medium $2; $1 as above.  See enum medium_column of medium.h.
PREPARE web_medium AS
SELECT
	coalesce(title, medium_human, medium_hash),
	message,
	CASE WHEN archived_at IS NOT NULL THEN
		'archived'
	WHEN copy_done IS NOT NULL THEN
		'copied'
	WHEN enum_done IS NOT NULL THEN
		'loaded'
	WHEN imaged_at IS NOT NULL THEN
		'imaged'
	ELSE
		'registered'
	END,
	health,
	source_kind,
	source_path,
	size_bytes,
	identity ->> 'model',
	identity ->> 'serial',
	fs_type,
	to_char(added_at, 'YYYY-MM-DD HH24:MI'),
	load_counts ->> 'paths',
	to_regclass(quote_ident('path_p_' || medium_hash)) IS NOT NULL,
	load_counts ->> 'implied_directories' = '0'
FROM
	medium
WHERE
	medium_hash = $2
	AND ($1::boolean
		OR NOT restricted);

-- Media in the order in which they are looked through: their names, whether
-- they are loaded, and what an index calls their paths.  to_regclass() and
-- pg_relation_size() open each table, which takes half a second for 2,000.
PREPARE web_media AS
SELECT
	m.medium_hash,
	coalesce(m.title, m.medium_human, m.medium_hash),
	c.oid IS NOT NULL,
	l.names
FROM
	medium m
	LEFT JOIN loaded l USING (medium_hash)
	LEFT JOIN pg_class c ON c.relname = 'path_p_' || m.medium_hash
		AND c.relnamespace = (
			SELECT
				relnamespace
			FROM
				pg_class
			WHERE
				oid = 'medium'::regclass)
WHERE
	$1::boolean
	OR NOT m.restricted
ORDER BY
	m.medium_hash COLLATE "C";

-- The blocks of the paths of a medium.
PREPARE web_blocks AS
SELECT
	pg_relation_size(to_regclass(quote_ident('path_p_' || :'medium'))) / current_setting('block_size')::bigint;

-- The same as web_media for content $2: the third column is also false of media
-- that do not hold it.
PREPARE web_holders AS
SELECT
	m.medium_hash,
	coalesce(m.title, m.medium_human, m.medium_hash),
	CASE WHEN m.medium_hash IN (
		SELECT
			b.medium
		FROM
			blob_medium b
		WHERE
			b.blobid = $2) THEN
		to_regclass(quote_ident('path_p_' || m.medium_hash)) IS NOT NULL
	ELSE
		FALSE
	END
FROM
	medium m
WHERE
	$1::boolean
	OR NOT m.restricted
ORDER BY
	m.medium_hash COLLATE "C";

-- The entry with path $2, whose directory has hash $1.  $3: days after which a
-- content is to be checked again.  See enum entry_column of entry.c.
PREPARE web_entry AS
SELECT
	i.fs_type,
	i.status::text,
	i.blobid,
	p.exclude_reason,
	i.errors[cardinality(i.errors)],
	d.ino IS NOT NULL,
	d.determined,
	d.extents::text,
	i.size,
	i.mode,
	i.uid,
	i.gid,
	i.mtime,
	coalesce(i.mime_type, b.mime_type),
	i.nlink,
	b.state::text,
	to_char(b.last_checked, 'YYYY-MM-DD'),
	b.size,
	greatest(b.last_checked, b.created_at) > now() - make_interval(days => $3::integer)
FROM
	:"path" p
	JOIN :"inode" i ON i.dev = p.dev
		AND i.ino = p.ino
	LEFT JOIN inode_damage d ON d.medium_hash = :'medium'
		AND d.dev = i.dev
		AND d.ino = i.ino
	LEFT JOIN blobs b ON b.blobid = i.blobid
WHERE
	p.dir = $1::bigint
	AND p.path = $2::bytea;

-- What is in the directory with hash $1, whose paths begin with $2: folders
-- first, after $3 (whether it is no folder) and $4, at most $5.
PREPARE web_listing AS
SELECT
	l.path,
	i.fs_type,
	i.size,
	i.mtime,
	i.status::text,
	p_excluded,
	d.ino IS NOT NULL,
	coalesce(b.state::text, 'good'),
	i.blobid,
	coalesce(i.mime_type, b.mime_type)
FROM (
	SELECT
		p.path,
		p.dev,
		p.ino,
		p.exclude_reason IS NOT NULL AS p_excluded,
		i0.fs_type <> 'd' AS rest
	FROM
		:"path" p
		JOIN :"inode" i0 ON i0.dev = p.dev
			AND i0.ino = p.ino
	WHERE
		p.dir = $1::bigint
		AND substring(p.path FOR octet_length($2::bytea)) = $2
		AND ($3::boolean IS NULL
			OR (i0.fs_type <> 'd', p.path) > ($3, $4::bytea))
	ORDER BY
		i0.fs_type <> 'd',
		p.path
	LIMIT $5::bigint) AS l
	JOIN :"inode" i ON i.dev = l.dev
		AND i.ino = l.ino
	LEFT JOIN inode_damage d ON d.medium_hash = :'medium'
		AND d.dev = i.dev
		AND d.ino = i.ino
	LEFT JOIN blobs b ON b.blobid = i.blobid
ORDER BY
	l.rest,
	l.path;

-- Has the directory with hash $1 more than $2 entries?
PREPARE web_is_large AS
SELECT
	count(*) > $2::bigint
FROM (
	SELECT
		FROM :"path" p
	WHERE
		p.dir = $1::bigint
	LIMIT $2 + 1) AS l;

-- The same as web_listing in the order of paths alone: the types of all entries
-- would have to be looked up.  After $3, at most $4.
PREPARE web_listing_large AS
SELECT
	l.path,
	i.fs_type,
	i.size,
	i.mtime,
	i.status::text,
	p_excluded,
	d.ino IS NOT NULL,
	coalesce(b.state::text, 'good'),
	i.blobid,
	coalesce(i.mime_type, b.mime_type)
FROM (
	SELECT
		p.path,
		p.dev,
		p.ino,
		p.exclude_reason IS NOT NULL AS p_excluded
	FROM
		:"path" p
	WHERE
		p.dir = $1::bigint
		AND substring(p.path FOR octet_length($2::bytea)) = $2
		AND ($3::bytea IS NULL
			OR p.path > $3)
	ORDER BY
		p.path
	LIMIT $4::bigint) AS l
	JOIN :"inode" i ON i.dev = l.dev
		AND i.ino = l.ino
	LEFT JOIN inode_damage d ON d.medium_hash = :'medium'
		AND d.dev = i.dev
		AND d.ino = i.ino
	LEFT JOIN blobs b ON b.blobid = i.blobid
ORDER BY
	l.path;

-- Paths after place $1 in the table and before $2 that have $3, in lower case
-- and escaped, $6 at most; of type $4, with a MIME type like $5.
PREPARE web_search AS
SELECT
	p.ctid,
	p.path,
	i.fs_type,
	i.size,
	i.mtime,
	i.blobid,
	i.mime_type
FROM
	:"path" p
	CROSS JOIN LATERAL (
		SELECT
			fs_type,
			size,
			mtime,
			blobid,
			mime_type
		FROM
			:"inode" n
		WHERE
			n.dev = p.dev
			AND n.ino = p.ino OFFSET 0) AS i
WHERE
	p.ctid > $1::tid
	AND p.ctid < $2::tid
	AND ($3::text IS NULL
		OR position($3 IN lower(encode(p.path, 'escape') COLLATE "C")) > 0)
	AND ($4::text IS NULL
		OR i.fs_type::text = $4)
	AND ($5::text IS NULL
		OR i.mime_type LIKE $5)
LIMIT $6::bigint;

-- The same among the paths $5, with what path.dir has for them in $4; $2 and $3
-- are the type and the MIME type.
PREPARE web_search_among AS
SELECT
	p.ctid,
	p.path,
	i.fs_type,
	i.size,
	i.mtime,
	i.blobid,
	i.mime_type
FROM
	:"path" p
	JOIN :"inode" i ON i.dev = p.dev
		AND i.ino = p.ino
WHERE
	p.ctid > $1::tid
	AND ($2::text IS NULL
		OR i.fs_type::text = $2)
	AND ($3::text IS NULL
		OR i.mime_type LIKE $3)
	AND (p.dir, p.path) IN (
		SELECT
			*
		FROM
			unnest($4::bigint[], $5::bytea[]))
ORDER BY
	p.ctid;

-- Names of blob $1 on a medium, at most $2.
PREPARE web_names AS
SELECT
	p.path
FROM
	:"inode" i
	JOIN :"path" p ON p.dev = i.dev
		AND p.ino = i.ino
WHERE
	i.blobid = $1
LIMIT $2::bigint;

-- What taking the folder with path $1 gives.  $2: all its folders have entries,
-- so that they lead to what is below; $3: how many examples.  First files, bytes,
-- entries that are left out, files with lost bytes; then the examples: a path,
-- and whether it is kept, with zeros.
PREPARE web_take AS
WITH RECURSIVE below AS (
	SELECT
		p.path,
		p.dev,
		p.ino,
		p.exclude_reason
	FROM
		:"path" p
	WHERE
		$2::boolean
		AND p.dir = catalogue_dir($1::bytea)
		AND p.path = $1
	UNION ALL
	SELECT
		p.path,
		p.dev,
		p.ino,
		p.exclude_reason
	FROM
		below b
		JOIN :"inode" i ON i.dev = b.dev
			AND i.ino = b.ino
			AND i.fs_type = 'd'
		JOIN :"path" p ON p.dir = catalogue_directory(b.path)
			AND substring(p.path FOR octet_length(b.path) + 1) = b.path || '\x2f'::bytea
),
entries AS (
	SELECT
		*
	FROM
		below
	UNION ALL
	SELECT
		p.path,
		p.dev,
		p.ino,
		p.exclude_reason
	FROM
		:"path" p
	WHERE
		NOT $2
		AND ($1 = ''
			OR p.path = $1
			OR substring(p.path FOR octet_length($1) + 1) = $1 || '\x2f'::bytea)
),
marked AS MATERIALIZED (
	SELECT
		e.path,
		i.fs_type,
		i.size,
		(i.fs_type IN ('f', 'l')
			AND i.blobid IS NULL)
		OR e.exclude_reason IS NOT NULL
		OR b.state <> 'good'
		OR i.fs_type NOT IN ('f', 'd', 'l', 'p') AS out,
		d.ino IS NOT NULL AS zeros
	FROM
		entries e
		JOIN :"inode" i ON i.dev = e.dev
			AND i.ino = e.ino
		LEFT JOIN inode_damage d ON d.medium_hash = :'medium'
			AND d.dev = i.dev
			AND d.ino = i.ino
		LEFT JOIN blobs b ON b.blobid = i.blobid
)
SELECT
	NULL::bytea,
	NULL::boolean,
	count(*) FILTER (WHERE fs_type = 'f'),
	coalesce(sum(size) FILTER (WHERE fs_type = 'f'), 0),
	count(*) FILTER (WHERE out),
	count(*) FILTER (WHERE zeros
		AND out IS NOT TRUE)
FROM
	marked
UNION ALL (
	SELECT
		path,
		out IS NOT TRUE,
		NULL,
		NULL,
		NULL,
		NULL
	FROM
		marked
	WHERE
		out
		OR zeros
	ORDER BY
		path
	LIMIT $3::bigint);

-- What was met in it and is not in the list, the first $2.
PREPARE web_take_omissions AS
SELECT
	coalesce(o.path, convert_to('p' || o.partition, 'UTF8'), ''::bytea),
	count(*) OVER ()
FROM
	omission o
WHERE
	o.medium_hash = :'medium'
	AND o.settled_at IS NULL
	AND ($1::bytea = ''
		OR o.path IS NULL
		OR o.path = $1
		OR substring(o.path FOR octet_length($1) + 1) = $1 || '\x2f'::bytea)
ORDER BY
	1
LIMIT $2::bigint;

-- Of medium $1: files with lost bytes.
PREPARE web_damaged AS
SELECT
	count(*)
FROM
	inode_damage
WHERE
	medium_hash = $1;

-- May the next statements read a table from its beginning?
PREPARE web_scans AS
SELECT
	set_config('enable_seqscan', $1, FALSE),
	set_config('enable_tidscan', $1, FALSE);

-- Until when the next statement may take: $1 milliseconds.
PREPARE web_timeout AS
SELECT
	set_config('statement_timeout', $1, FALSE);

-- Of all media: files, bytes, what is listed and not stored, what was excluded,
-- contents that no other has, their bytes.
PREPARE web_count AS
SELECT
	a.medium_hash,
	a.files,
	a.bytes,
	a.missing,
	a.excluded,
	coalesce(o.contents, 0),
	coalesce(o.bytes, 0)
FROM (
	SELECT
		medium_hash,
		count(*) FILTER (WHERE fs_type = 'f') AS files,
		coalesce(sum(size) FILTER (WHERE fs_type = 'f'), 0) AS bytes,
		count(*) FILTER (WHERE status NOT IN ('success', 'excluded', 'non_file')) AS missing,
		count(*) FILTER (WHERE status = 'excluded') AS excluded
	FROM
		inode
	GROUP BY
		medium_hash) AS a
	LEFT JOIN (
		SELECT
			medium_hash,
			count(*) AS contents,
			sum(size) AS bytes
		FROM (
			SELECT
				min(medium_hash) AS medium_hash,
				max(size) AS size
			FROM
				inode
			WHERE
				fs_type = 'f'
				AND blobid IS NOT NULL
				AND size > 0
			GROUP BY
				blobid
			HAVING
				min(medium_hash) = max(medium_hash)) AS one
		GROUP BY
			medium_hash) AS o USING (medium_hash);

-- Which media have the same contents: a medium, another one, how many contents,
-- their bytes; of each medium the $2 others with most.  Contents that more than
-- $1 media have do not count: they say little of any two.
PREPARE web_shared AS
WITH sets AS (
	SELECT
		loads,
		count(*) AS contents,
		sum(size) AS bytes
	FROM (
		SELECT
			l.loads,
			b.size
		FROM (
			SELECT
				blobid,
				array_agg(LOAD ORDER BY LOAD) AS loads
			FROM
				blob_load
			WHERE
				LOAD IN (
					SELECT
						id
					FROM
						loaded)
			GROUP BY
				blobid
			HAVING
				count(*) BETWEEN 2 AND $1::bigint) AS l
			JOIN blobs b USING (blobid)
		WHERE
			b.size > 0) AS c
	GROUP BY
		loads
),
pairs AS (
	SELECT
		a,
		b,
		sum(contents) AS contents,
		sum(bytes) AS bytes
	FROM
		sets
		CROSS JOIN LATERAL unnest(loads) AS a
		CROSS JOIN LATERAL unnest(loads) AS b
	WHERE
		a <> b
	GROUP BY
		a,
		b
),
ordered AS (
	SELECT
		*,
		row_number() OVER (PARTITION BY a ORDER BY bytes DESC, b) AS place
	FROM
		pairs
)
SELECT
	x.medium_hash,
	y.medium_hash,
	o.contents,
	o.bytes
FROM
	ordered o
	JOIN loaded x ON x.id = o.a
	JOIN loaded y ON y.id = o.b
WHERE
	o.place <= $2::bigint;

-- Of the contents $1 those that the catalogue does not have.
PREPARE web_gone AS
SELECT DISTINCT
	id
FROM
	unnest($1::text[]) AS id
WHERE
	NOT EXISTS (
		SELECT
		FROM
			blobs b
		WHERE
			b.blobid = id);

-- Names of all media; $1: also of restricted ones.
PREPARE web_named AS
SELECT
	medium_hash,
	coalesce(title, medium_human, medium_hash),
	health
FROM
	medium
WHERE
	$1::boolean
	OR NOT restricted
ORDER BY
	medium_hash COLLATE "C";

-- Where the image and the archive of a medium are, or were.
PREPARE web_files AS
SELECT
	image_path,
	archive_path
FROM
	medium
WHERE
	medium_hash = $1;
