-- ntt-report: pages, and exports
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- All answers are of one moment, and the cursors below need a transaction;
-- COMMIT ends it.
-- statement: report_begin
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL TimeZone = 'UTC';
SET LOCAL work_mem = '64MB';
SET LOCAL jit = OFF;
SET LOCAL statement_timeout = 0;

-- The partitions of medium $1.
PREPARE report_partitions AS
SELECT
	number,
	filesystem,
	label,
	start_bytes,
	size_bytes,
	uuid,
	status,
	reason,
	table_type
FROM
	medium_partition
WHERE
	medium_hash = $1
ORDER BY
	number;

-- What the copiers of medium $1 did: files, bytes, new contents, minutes,
-- copiers.
PREPARE report_copying AS
SELECT
	coalesce(sum(files), 0),
	coalesce(sum(bytes), 0),
	coalesce(sum(new), 0),
	coalesce(sum(new_bytes), 0),
	count(DISTINCT minute),
	count(DISTINCT worker)
FROM
	copy_minute
WHERE
	medium_hash = $1;

-- The files of a medium by state, year, type and directories of three
-- levels, in one pass.  g says by what a row is grouped.  What a name ends in is
-- looked at once for each ending.
PREPARE report_facts AS
SELECT
	g,
	kind,
	status,
	class,
	year,
	type,
	decode(d1, 'escape'),
	decode(d2, 'escape'),
	decode(d3, 'escape'),
	n,
	bytes,
	GROUPS
FROM (
	SELECT
		g, kind, status, class, year, type, d1, d2, d3, sum(n)::bigint AS n, sum(bytes) AS bytes, count(*) OVER w AS groups, row_number() OVER (w ORDER BY sum(bytes) DESC, sum(n) DESC, type, d1, d2, d3) AS place
	FROM (
		SELECT
			GROUPING (kind, status, class, year, ending, d1, d2, d3) AS g,
			kind, status, class, year,
			CASE WHEN kind = 'f' AND GROUPING (ending) = 0 THEN
				CASE WHEN mime IS NOT NULL THEN
					mime
				WHEN ending ~ '^[A-Za-z0-9_~-]+$' THEN
					'.' || lower(ending)
				ELSE
					''
				END
			END AS type,
			d1, d2, d3, sum(n) AS n, sum(bytes) AS bytes
		FROM (
			SELECT
				kind, status, class, mime, year, count(*) AS n, sum(size) AS bytes,
				CASE WHEN mime IS NULL
					AND length(ending) BETWEEN 1 AND 12
					AND length(ending) + 1 < length(a[cardinality(a)]) THEN
					ending
				END AS ending,
				CASE WHEN cardinality(a) > 1 THEN
					a[1]
				END AS d1,
				CASE WHEN cardinality(a) > 2 THEN
					a[2]
				END AS d2,
				CASE WHEN cardinality(a) > 3 THEN
					a[3]
				END AS d3
			FROM (
				SELECT
					i.fs_type::text AS kind, i.status, i.error_type AS class,
					CASE WHEN i.fs_type = 'f' THEN
						i.size
					ELSE
						0
					END AS size,
					nullif(i.mime_type, 'application/octet-stream') AS mime,
					CASE WHEN i.fs_type = 'f' THEN
						extract(year FROM to_timestamp(least(greatest(i.mtime, -62135596800), 253402300799)) AT TIME ZONE 'UTC')::integer
					END AS year,
					CASE WHEN i.fs_type = 'f' THEN
						string_to_array(encode(p.path, 'escape'), '/')
					END AS a,
					CASE WHEN i.fs_type = 'f' THEN
						split_part(encode(p.path, 'escape'), '.', -1)
					END AS ending
				FROM
					:"inode" i
					LEFT JOIN ( SELECT DISTINCT ON (dev, ino)
							dev, ino, path
						FROM
							:"path"
						ORDER BY
							dev, ino, path) p USING (dev, ino) OFFSET 0) AS named
			GROUP BY
				kind, status, class, mime, year, 8, 9, 10, 11) AS f
			GROUP BY
				GROUPING SETS ((kind, status, class), (kind, year), (kind, mime, ending), (kind, d1), (kind, d1, d2), (kind, d1, d2, d3))
			HAVING
				GROUPING (status) = 0
				OR (kind = 'f'
					AND (GROUPING (d1) = 1
						OR d1 IS NOT NULL)
					AND (GROUPING (d2) = 1
						OR d2 IS NOT NULL)
					AND (GROUPING (d3) = 1
						OR d3 IS NOT NULL))) AS counted
	GROUP BY
		g, kind, status, class, year, type, d1, d2, d3
WINDOW w AS (PARTITION BY g)) AS sums
WHERE
	g IN (31, 111)
	OR place <= CASE g
	WHEN 119 THEN
		24
	WHEN 123 THEN
		40
	WHEN 121 THEN
		120
	ELSE
		160
	END
ORDER BY
	g DESC,
	CASE WHEN g = 111 THEN
		year
	END,
	place;

-- Failures of a medium by class and state, five samples each.
PREPARE report_failures AS
SELECT
	error_type::text,
	status::text,
(
		SELECT
			p.path
		FROM
			:"path" p
		WHERE
			p.dev = s.dev
			AND p.ino = s.ino
		ORDER BY
			p.exclude_reason IS NOT NULL,
			p.path
		LIMIT 1),
size,
attempts,
errors[array_length(errors, 1)]
FROM (
	SELECT
		*,
		row_number() OVER (PARTITION BY error_type, status ORDER BY dev, ino) AS n
	FROM
		:"inode"
	WHERE
		status IN ('failed_retryable', 'failed_permanent')) AS s
WHERE
	n <= 5
ORDER BY
	error_type::text COLLATE "C",
	status::text COLLATE "C",
	n;

-- The first 200 things of medium $1 that are not stored, open ones first, and
-- how many there are.
PREPARE report_omissions AS
SELECT
	kind,
	partition,
	path,
	errno,
	bytes,
	detail,
	settled_at,
	settled_by,
	reason,
	count(*) OVER ()
FROM
	omission
WHERE
	medium_hash = $1
	AND (settled_at IS NULL
		OR reason IS NOT NULL)
ORDER BY
	settled_at NULLS FIRST,
	partition NULLS FIRST,
	path NULLS FIRST,
	id
LIMIT 200;

-- The first 200 files of medium $1 that lie over what could not be rescued,
-- and how many there are.
PREPARE report_damage AS
SELECT
	(
		SELECT
			p.path
		FROM
			:"path" p
		WHERE
			p.dev = d.dev
			AND p.ino = d.ino
		ORDER BY
			p.path
		LIMIT 1),
i.size,
d.determined,
(
	SELECT
		sum(upper(e) - lower(e))
	FROM
		unnest(d.extents) AS e),
(
	SELECT
		string_agg(lower(e) || '–' || upper(e) - 1, ', ' ORDER BY e)
	FROM (
		SELECT
			e
		FROM
			unnest(d.extents) AS e
		ORDER BY
			e
		LIMIT 200) AS first),
(
	SELECT
		count(*)
	FROM
		unnest(d.extents)),
d.all
FROM (
	SELECT
		*,
		count(*) OVER () AS all
	FROM
		inode_damage
	WHERE
		medium_hash = $1
		AND (NOT determined
			OR NOT isempty(extents))
	ORDER BY
		dev,
		ino
	LIMIT 200) AS d
	LEFT JOIN :"inode" i USING (dev, ino)
ORDER BY
	d.dev,
	d.ino;

-- What is noted as a problem of medium $1.
PREPARE report_problems AS
SELECT
	replace(key, '_', ' '),
	value
FROM
	medium,
	jsonb_each_text(
		CASE WHEN jsonb_typeof(problems) = 'object' THEN
			problems
		END)
WHERE
	medium_hash = $1
ORDER BY
	key
LIMIT 50;

-- The 50 patterns that exclude most of a medium, and how many there are.
PREPARE report_excluded AS
SELECT
	exclude_reason,
	count(*),
	count(*) OVER ()
FROM
	:"path"
WHERE
	exclude_reason IS NOT NULL
GROUP BY
	1
ORDER BY
	2 DESC,
	1
LIMIT 50;

-- What medium $1 and others ($2: also restricted ones) have in common, after a first row of its own
-- contents and those that are elsewhere too.  Empty files tell nothing.
PREPARE report_shared AS
WITH mine AS MATERIALIZED (
	SELECT
		blobid,
		max(
			size
) AS size,
		count(
			*
) AS files
	FROM
		:"inode"
	WHERE
		blobid IS NOT NULL
		AND fs_type = 'f'
		AND size > 0
	GROUP BY
		blobid
),
shared AS MATERIALIZED (
	SELECT
		o.medium AS medium_hash,
		mine.blobid,
		mine.size
	FROM
		mine
		JOIN blob_medium o ON o.blobid = mine.blobid
	WHERE
		o.medium <> $1
		AND ($2::boolean
			OR o.medium NOT IN (
				SELECT
					m.medium_hash
				FROM
					medium m
				WHERE
					m.restricted))
),
elsewhere AS (
	SELECT DISTINCT
		blobid,
		size
	FROM
		shared
)
SELECT
	NULL,
	NULL,
	count(*),
	coalesce(sum(size), 0),
(
		SELECT
			count(*)
		FROM
			elsewhere),
(
		SELECT
			coalesce(sum(size), 0)
		FROM
			elsewhere),
	coalesce(sum(files), 0),
	coalesce(sum(files * size), 0)
FROM
	mine
UNION ALL (
	SELECT
		medium_hash,
(
			SELECT
				medium_human
			FROM
				medium m
			WHERE
				m.medium_hash = shared.medium_hash), count(*), sum(size), NULL, NULL, NULL, NULL
		FROM
			shared
		GROUP BY
			medium_hash
		ORDER BY
			sum(size) DESC,
			medium_hash);

-- How many paths of a medium are $1 or below it.
PREPARE report_paths_at AS
SELECT
	count(*)
FROM
	:"path"
WHERE
	substring(path FOR octet_length($1::bytea)) = $1::bytea
	AND substring(path FROM octet_length($1::bytea) + 1 FOR 1) IN ('', '/');

-- For bag-info.txt: name, message, date, model and serial of medium $1.
PREPARE report_bag_info AS
SELECT
	coalesce(title, medium_human),
	message,
	to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
	identity ->> 'model',
	identity ->> 'serial'
FROM
	medium
WHERE
	medium_hash = $1;

-- Where medium $1 comes from.
PREPARE report_dfxml_source AS
SELECT
	coalesce(title, medium_human),
	message,
	identity ->> 'model',
	identity ->> 'serial',
	image_path,
	source_path,
	size_bytes,
	to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM
	medium
WHERE
	medium_hash = $1;

-- The volumes of medium $1.
PREPARE report_dfxml_volumes AS
SELECT
	number,
	start_bytes,
	size_bytes,
	filesystem,
	label,
	uuid,
	status
FROM
	medium_partition
WHERE
	medium_hash = $1
ORDER BY
	number;

-- How many partitions of medium $1 were mounted.
PREPARE report_mounted_volumes AS
SELECT
	count(*)
FROM
	medium_partition
WHERE
	medium_hash = $1
	AND status = 'ok'
	AND number > 0;

-- The time of a report.
PREPARE report_now AS
SELECT
	to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS');

-- The row of medium $1, times in UTC.
PREPARE report_medium AS
SELECT
	medium_human,
	message,
	source_kind,
	source_path,
	size_bytes,
	identity ->> 'model',
	identity ->> 'serial',
	identity ->> 'hash_version',
	identity ->> 'unreadable',
	image_path,
	fs_type,
	health,
	archive_path,
	superseded_by,
	load_counts ->> 'records',
	load_counts ->> 'paths',
	to_char(added_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
	to_char(imaged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
	to_char(enum_done AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
	to_char(copy_done AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
	to_char(archived_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
	to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
	extract(year FROM now())::integer,
	diagnostics -> 'container' ->> 'format' || CASE WHEN jsonb_array_length(diagnostics -> 'container' -> 'parts') > 1 THEN
		format(', %s files', jsonb_array_length(diagnostics -> 'container' -> 'parts'))
	ELSE
		''
	END,
	title,
	inventory
FROM
	medium
WHERE
	medium_hash = $1;

-- All media, in the order of their numbers: the first is 0.
PREPARE report_media AS
SELECT
	medium_hash,
	coalesce(title, medium_human),
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
	size_bytes,
	to_char(added_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
(
		SELECT
			count(*)
		FROM
			inode_damage d
		WHERE
			d.medium_hash = m.medium_hash
			AND (NOT determined
				OR NOT isempty(extents))),
	to_regclass(quote_ident('inode_p_' || medium_hash)) IS NOT NULL,
(
		SELECT
			count(*)
		FROM
			omission o
		WHERE
			o.medium_hash = m.medium_hash
			AND settled_at IS NULL),
	message,
	inventory
FROM
	medium m
ORDER BY
	added_at,
	medium_hash;

-- By number of a medium: its files and bytes, its copied files and bytes,
-- what is pending, what failed.
PREPARE report_media_sums AS
SELECT
	n,
	files,
	file_bytes,
	copied,
	copied_bytes,
	pending,
	failed
FROM (
	SELECT
		medium_hash,
		count(*) FILTER (WHERE fs_type = 'f') AS files,
		coalesce(sum(size) FILTER (WHERE fs_type = 'f'), 0) AS file_bytes,
		count(*) FILTER (WHERE fs_type = 'f'
			AND blobid IS NOT NULL
			AND size > 0) AS copied,
		coalesce(sum(size) FILTER (WHERE fs_type = 'f'
				AND blobid IS NOT NULL), 0) AS copied_bytes,
		count(*) FILTER (WHERE status = 'pending') AS pending,
		count(*) FILTER (WHERE status IN ('failed_retryable', 'failed_permanent')) AS failed
	FROM
		inode
	GROUP BY
		medium_hash) AS sums
	JOIN (
		SELECT
			medium_hash,
			row_number() OVER (ORDER BY added_at, medium_hash) - 1 AS n
		FROM
			medium) AS m USING (medium_hash);

-- Sets of media, with what exactly those have in common.  Each medium is
-- reduced to its different contents before contents meet.  $1: the media that
-- have any; others are not read.
PREPARE report_sets AS
SELECT
	media,
	count(*),
	sum(size)
FROM (
	SELECT
		array_agg(n ORDER BY n) AS media,
		max(size) AS size
	FROM (
		SELECT
			medium_hash,
			blobid,
			max(size) AS size
		FROM
			inode
		WHERE
			medium_hash = ANY ($1::text[])
			AND fs_type = 'f'
			AND blobid IS NOT NULL
			AND size > 0
		GROUP BY
			medium_hash,
			blobid) AS i
		JOIN (
			SELECT
				medium_hash,
				row_number() OVER (ORDER BY added_at, medium_hash) - 1 AS n
			FROM
				medium) AS m USING (medium_hash)
		GROUP BY
			blobid) AS s
GROUP BY
media;

-- Every name of a medium with all that is known of its file, in the order of
-- inodes.  The keys are indexes, so that nothing but the names of a file is
-- sorted.
-- statement: report_names_by_inode
DECLARE names_by_inode NO SCROLL CURSOR FOR
	SELECT
		i.ino,
		i.nlink,
		i.size,
		i.mtime,
		i.fs_type,
		i.status,
		i.error_type,
		i.blobid,
		i.mime_type,
		d.ranges,
		p.exclude_reason IS NOT NULL,
		p.path,
		i.mode,
		i.uid,
		i.gid,
		i.mtime_ns,
		i.atime,
		i.atime_ns,
		i.ctime,
		i.ctime_ns,
		i.btime,
		i.btime_ns,
		(
			SELECT
				string_agg(c.algorithm || ' ' || encode(c.digest, 'hex'), ' ' ORDER BY c.algorithm)
			FROM content_digest c
			WHERE
				c.blobid = i.blobid)
	FROM
		:"inode" i
		JOIN :"path" p USING (dev, ino)
		LEFT JOIN (
			SELECT
				dev,
				ino,
				coalesce((
					SELECT
						string_agg(lower(e) || '-' || upper(e) - 1, ',' ORDER BY e)
					FROM unnest(extents) AS e), '') AS ranges
			FROM
				inode_damage
			WHERE
				medium_hash = :'medium'
				AND (NOT determined
					OR NOT isempty(extents))) AS d USING (dev,
			ino)
	ORDER BY
		i.dev,
		i.ino,
		p.path;

-- Every name of a medium with all that is known of its file, in the order of
-- contents.  The keys are indexes, so that nothing but the names of a file
-- is sorted.
-- statement: report_names_by_blob
DECLARE names_by_blob NO SCROLL CURSOR FOR
	SELECT
		i.ino,
		i.nlink,
		i.size,
		i.mtime,
		i.fs_type,
		i.status,
		i.error_type,
		i.blobid,
		i.mime_type,
		d.ranges,
		p.exclude_reason IS NOT NULL,
		p.path,
		i.mode,
		i.uid,
		i.gid,
		i.mtime_ns,
		i.atime,
		i.atime_ns,
		i.ctime,
		i.ctime_ns,
		i.btime,
		i.btime_ns,
		(
			SELECT
				string_agg(c.algorithm || ' ' || encode(c.digest, 'hex'), ' ' ORDER BY c.algorithm)
			FROM content_digest c
			WHERE
				c.blobid = i.blobid)
	FROM
		:"inode" i
		JOIN :"path" p USING (dev, ino)
		LEFT JOIN (
			SELECT
				dev,
				ino,
				coalesce((
					SELECT
						string_agg(lower(e) || '-' || upper(e) - 1, ',' ORDER BY e)
					FROM unnest(extents) AS e), '') AS ranges
			FROM
				inode_damage
			WHERE
				medium_hash = :'medium'
				AND (NOT determined
					OR NOT isempty(extents))) AS d USING (dev,
			ino)
	ORDER BY
		i.blobid,
		i.dev,
		i.ino,
		p.path;

-- How many contents of a medium, of how many bytes, have fewer than $1 copies; and
-- how many places there are.
PREPARE report_copies AS
SELECT
	count(*),
	coalesce(sum(c.size), 0),
	(
		SELECT
			count(*)
		FROM
			place)
FROM
	blob_medium m
	JOIN content_copies c USING (blobid)
WHERE
	m.medium = :'medium'
	AND c.copies < $1;

-- The same of the collection, and then of each medium that has such.
PREPARE report_copies_all AS
WITH few AS (
	SELECT
		blobid,
		size
	FROM
		content_copies
	WHERE
		copies < $1
),
places AS (
	SELECT
		count(*) AS n
	FROM
		place
)
SELECT
	count(*),
	coalesce(sum(size), 0),
	(
		SELECT
			n
		FROM
			places),
	NULL AS medium
FROM
	few
UNION ALL (
	SELECT
		count(*),
		sum(f.size),
		(
			SELECT
				n
			FROM
				places),
		m.medium
	FROM
		few f
		JOIN blob_medium m USING (blobid)
	GROUP BY
		m.medium
	ORDER BY
		m.medium);

-- What the lists of known contents know of medium $1, NULL: of all contents; the
-- first row is of all lists together: name, when it was read, contents that it
-- knows, that it does not know, that it was not compared with.
PREPARE report_known AS
WITH content AS (
	SELECT
		l.list,
		c.blobid,
		k.known
	FROM
		known_list l
		CROSS JOIN (
			SELECT
				blobid
			FROM
				blobs
			WHERE
				$1::text IS NULL
			UNION ALL ( SELECT DISTINCT
					blobid
				FROM
					inode
				WHERE
					medium_hash = $1
					AND fs_type = 'f'
					AND blobid IS NOT NULL)) AS c
		LEFT JOIN known_content k ON k.list = l.list
			AND k.blobid = c.blobid
)
SELECT
	NULL AS list,
	NULL AS read_at,
	count(*) FILTER (WHERE known),
	count(*) FILTER (WHERE NOT known),
	count(*) FILTER (WHERE known IS NULL)
FROM (
	-- known to one, or else compared with all
	SELECT
		CASE WHEN bool_or(known) THEN
			TRUE
		WHEN count(known) = count(*) THEN
			FALSE
		END AS known
	FROM
		content
	GROUP BY
		blobid) AS a
UNION ALL (
	SELECT
		l.list,
		to_char(l.read_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
		count(c.blobid) FILTER (WHERE known),
		count(c.blobid) FILTER (WHERE NOT known),
		count(c.blobid) FILTER (WHERE known IS NULL)
	FROM
		known_list l
		LEFT JOIN content c USING (list)
	GROUP BY
		l.list
	ORDER BY
		l.list);
