-- ntt-rebuild.  These change the catalogue.
--
-- The lines of a file are in rebuild_line, what the store has in rebuild_blob,
-- what a tree has in rebuild_entry.

-- One at a time.
PREPARE rebuild_lock AS
SELECT
	pg_try_advisory_lock(hashtext('ntt rebuild'));

-- Has the catalogue media, and was it ever finished?
PREPARE rebuild_state AS
SELECT
	EXISTS (
		SELECT
		FROM
			medium),
	EXISTS (
		SELECT
		FROM
			store_mark);

-- The catalogue gets the id of its stores.
PREPARE rebuild_adopt AS
UPDATE
	catalogue
SET
	id = $1,
	private = $2;

-- Tables for this session, and what fills the catalogue from them.
-- statement: rebuild_begin
CREATE TEMPORARY TABLE rebuild_blob(
	blobid text,
	size bigint,
	written double precision,
	ino bigint
);
CREATE TEMPORARY TABLE rebuild_link(
	medium_hash text,
	follows text,
	superseded_by text
);
CREATE TEMPORARY TABLE rebuild_line(
	n bigint GENERATED ALWAYS AS IDENTITY,
	line jsonb
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE rebuild_entry(
	n bigint GENERATED ALWAYS AS IDENTITY,
	path bytea,
	fs_type "char",
	ino bigint,
	size bigint,
	blobid text
) ON COMMIT DELETE ROWS;
CREATE FUNCTION pg_temp.rebuild_bytes(o jsonb, key text) RETURNS jsonb
LANGUAGE sql AS $$
	SELECT CASE WHEN o ? key
		THEN o || jsonb_build_object(key, '\x' ||
			encode(convert_to(o ->> key, 'UTF8'), 'hex'))
	WHEN o ? (key || '_hex')
		THEN o || jsonb_build_object(key, '\x' || (o ->> (key || '_hex')))
	ELSE o END
$$;
CREATE FUNCTION pg_temp.rebuild_insert(parent regclass, target text,
	medium text, objects text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	columns text;
	of text;		-- there is another type "path"
BEGIN
	SELECT format('%I.%I', n.nspname, c.relname) INTO of
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.oid = parent;
	SELECT string_agg(quote_ident(attname), ', ') INTO columns
	FROM pg_attribute
	WHERE attrelid = parent AND attnum > 0 AND NOT attisdropped
		AND attgenerated = '' AND attidentity = '';
	EXECUTE format('INSERT INTO %I (%s) SELECT %s FROM (%s) o (n, object), '
		'jsonb_populate_record(NULL::%s, o.object || '
		'jsonb_build_object(''medium_hash'', $1)) ORDER BY o.n',
		target, columns, columns, objects, of)
	USING medium;
END $$;
CREATE FUNCTION pg_temp.rebuild_medium(medium text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	loaded boolean;
	of text;
BEGIN
	SELECT (line ->> 'loaded')::boolean INTO loaded
	FROM rebuild_line WHERE line ? 'medium';
	PERFORM pg_temp.rebuild_insert('medium', 'medium', medium,
		$q$SELECT n, line -> 'medium' ||
			'{"follows": null, "superseded_by": null}'
		FROM rebuild_line WHERE line ? 'medium'$q$);
	IF loaded THEN
		PERFORM catalogue_create_partitions(medium);
		PERFORM pg_temp.rebuild_insert('inode',
			catalogue_partition_name('inode_p_', medium), medium,
			$q$SELECT n, line -> 'inode' FROM rebuild_line
			WHERE line ? 'inode'$q$);
		PERFORM pg_temp.rebuild_insert('path',
			catalogue_partition_name('path_p_', medium), medium,
			$q$SELECT n, pg_temp.rebuild_bytes(p, 'path') ||
				(line -> 'inode')
			FROM rebuild_line, jsonb_array_elements(line -> 'paths') p
			$q$);
		PERFORM pg_temp.rebuild_insert('inode_xattr',
			catalogue_partition_name('xattr_p_', medium), medium,
			$q$SELECT n, (line -> 'inode') || pg_temp.rebuild_bytes(
				pg_temp.rebuild_bytes(x, 'name'), 'value')
			FROM rebuild_line, jsonb_array_elements(line -> 'xattrs') x
			$q$);
		PERFORM pg_temp.rebuild_insert('inode_stream',
			catalogue_partition_name('stream_p_', medium), medium,
			$q$SELECT n, jsonb_build_object('dev', line #> '{inode,dev}',
				'ino', line #> '{inode,ino}') ||
				pg_temp.rebuild_bytes(s, 'name')
			FROM rebuild_line, jsonb_array_elements(line -> 'streams') s
			$q$);
		PERFORM catalogue_key_partitions(medium);
		PERFORM catalogue_attach_partitions(medium);
		PERFORM catalogue_note_contents(medium);
	END IF;
	PERFORM pg_temp.rebuild_insert('inode_damage', 'inode_damage', medium,
		$q$SELECT n, (line -> 'inode') || (line -> 'damage')
		FROM rebuild_line WHERE line ? 'damage'$q$);
	FOREACH of IN ARRAY
		'{medium_partition,diagnostic_event,copy_minute}'::text[] LOOP
		PERFORM pg_temp.rebuild_insert(of::regclass, of, medium,
			format('SELECT n, line -> %1$L FROM rebuild_line '
			'WHERE line ? %1$L', of));
	END LOOP;
	PERFORM pg_temp.rebuild_insert('medium_owner', 'medium_owner', medium,
		$q$SELECT n, pg_temp.rebuild_bytes(line -> 'medium_owner', 'name')
		FROM rebuild_line WHERE line ? 'medium_owner'$q$);
	PERFORM pg_temp.rebuild_insert('omission', 'omission', medium,
		$q$SELECT n, pg_temp.rebuild_bytes(line -> 'omission', 'path')
		FROM rebuild_line WHERE line ? 'omission'$q$);
END $$;
CREATE FUNCTION pg_temp.rebuild_tree(medium text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO medium (medium_hash, enum_done, copy_done)
	VALUES (medium, now(), now());
	PERFORM catalogue_create_partitions(medium);
	EXECUTE format($q$INSERT INTO %I (dev, ino, nlink, size, mtime, fs_type,
			status, blobid, error_type, errors)
		SELECT 0, e.n, 1, coalesce(b.size, e.size), 0, e.fs_type,
			CASE WHEN e.fs_type = 'd' THEN 'non_file'
			WHEN b.blobid IS NULL THEN 'failed_permanent'
			ELSE 'success' END::inode_status,
			b.blobid,
			CASE WHEN e.fs_type <> 'd' AND b.blobid IS NULL
				THEN 'unknown'::inode_error END,
			CASE WHEN e.fs_type <> 'd' AND b.blobid IS NULL
				THEN '{its content is not in the store}'::text[] END
		FROM rebuild_entry e LEFT JOIN rebuild_blob b
			ON e.fs_type <> 'd' AND CASE WHEN e.blobid IS NULL
				THEN b.ino = e.ino ELSE b.blobid = e.blobid END$q$,
		catalogue_partition_name('inode_p_', medium));
	EXECUTE format('INSERT INTO %I (dev, ino, path) '
		'SELECT 0, n, path FROM rebuild_entry',
		catalogue_partition_name('path_p_', medium));
	PERFORM catalogue_key_partitions(medium);
	PERFORM catalogue_attach_partitions(medium);
	PERFORM catalogue_note_contents(medium);
	PERFORM catalogue_omit(medium, NULL, NULL, NULL, NULL,
		'known_from_tree', NULL, NULL, 'modes, owners, times, '
		'attributes, hard links, devices, what failed or was left out, '
		'and where it came from', 'ntt-rebuild');
END $$;

-- What is wrong with the lines of a file, which should be of medium $1 and of a
-- catalogue not newer than $2; nothing if nothing is.
PREPARE rebuild_wrong AS
SELECT
	CASE WHEN f.line ->> 'format' IS DISTINCT FROM '1' THEN
		'its format is not 1'
	WHEN (f.line ->> 'schema')::integer > $2 THEN
		'a newer NTT wrote it'
	WHEN f.line #>> '{medium,medium_hash}' IS DISTINCT FROM $1 THEN
		'it is of another medium'
	WHEN e.line IS NULL THEN
		'it is cut off'
	WHEN (e.line #>> '{end,lines}')::bigint IS DISTINCT FROM n.lines - 1 THEN
		'lines of it are missing'
	END
FROM (
	SELECT
		count(*) AS lines,
		min(n) AS first,
		max(n) AS last
	FROM
		rebuild_line) n
	LEFT JOIN rebuild_line f ON f.n = n.first
	LEFT JOIN rebuild_line e ON e.n = n.last
		AND e.line ? 'end';

-- The lines become rows of medium $1.
PREPARE rebuild_take AS
SELECT
	pg_temp.rebuild_medium($1);

-- Are $1 as many rows as the file says?  And how many inodes are that?
PREPARE rebuild_whole AS
SELECT
	$1::jsonb @>(line #> '{end,rows}'),
	$1::jsonb ->> 'inode'
FROM
	rebuild_line
WHERE
	line ? 'end';

-- What the tree has becomes rows of medium $1.
PREPARE rebuild_take_tree AS
SELECT
	pg_temp.rebuild_tree($1);

-- Which media medium $1 is to be linked to, of the first line $2 of its file.
PREPARE rebuild_note_links AS
INSERT INTO rebuild_link
SELECT
	$1,
	$2::jsonb #>> '{medium,follows}',
	$2::jsonb #>> '{medium,superseded_by}';

-- Links media that are all there now.
PREPARE rebuild_links AS
UPDATE
	medium m
SET
	follows = coalesce(m.follows, f.medium_hash),
	superseded_by = coalesce(m.superseded_by, s.medium_hash)
FROM
	rebuild_link l
	LEFT JOIN medium f ON f.medium_hash = l.follows
	LEFT JOIN medium s ON s.medium_hash = l.superseded_by
WHERE
	m.medium_hash = l.medium_hash
	AND (f.medium_hash IS NOT NULL
		OR s.medium_hash IS NOT NULL);

-- Media that a medium is linked to and that are not there.
PREPARE rebuild_unlinked AS
SELECT
	l.medium_hash,
	x.hash
FROM
	rebuild_link l,
	unnest(ARRAY[l.follows, l.superseded_by]) x(hash)
WHERE
	x.hash IS NOT NULL
	AND NOT EXISTS (
		SELECT
		FROM
			medium m
		WHERE
			m.medium_hash = x.hash)
ORDER BY
	1,
	2;

-- The archive that medium $1 is said to have.
PREPARE rebuild_archive AS
SELECT
	archive_path
FROM
	medium
WHERE
	medium_hash = $1
	AND archived_at IS NOT NULL;

-- The archive of medium $1 is $2; it was made at $3, unless that is known.
PREPARE rebuild_set_archive AS
UPDATE
	medium
SET
	archive_path = $2,
	archived_at = coalesce(archived_at, $3::timestamptz),
	copy_done = coalesce(copy_done, $3::timestamptz)
WHERE
	medium_hash = $1;

-- A line of removed.jsonl.
PREPARE rebuild_removal AS
INSERT INTO removal(medium_hash, medium_human, blobid, source_path, removed_at, removed_by, reason, inodes, paths, only_there, only_bytes, archive_path)
SELECT
	r ->> 'medium',
	r ->> 'human',
	r ->> 'content',
	r ->> 'source',
	(r ->> 'at')::timestamptz,
	r ->> 'by',
	r ->> 'reason',
	coalesce((r ->> 'inodes')::bigint, 0),
	coalesce((r ->> 'paths')::bigint, 0),
	coalesce((r ->> 'only_there')::bigint, 0),
	coalesce((r ->> 'only_bytes')::bigint, 0),
	r ->> 'archive'
FROM (
	SELECT
		$1::jsonb AS r) AS line
WHERE
	NOT EXISTS (
		SELECT
		FROM
			removal o
		WHERE
			o.removed_at =(r ->> 'at')::timestamptz
			AND o.medium_hash IS NOT DISTINCT FROM r ->> 'medium'
			AND o.blobid IS NOT DISTINCT FROM r ->> 'content');

-- When medium $1 was removed, unless it was taken in again later, as the first
-- line $2 of its file says, where there is one.
PREPARE rebuild_removed AS
SELECT
	'on ' || removed_at::date || ' by ' || removed_by
FROM
	removal
WHERE
	medium_hash = $1
	AND removed_at > coalesce(($2::jsonb #>> '{medium,added_at}')::timestamptz, '-infinity')
ORDER BY
	removed_at DESC
LIMIT 1;

-- Contents that were removed.
PREPARE rebuild_removed_ids AS
SELECT DISTINCT
	blobid
FROM
	removal
WHERE
	blobid IS NOT NULL;

-- Contents that were removed later than the files were written, and are not in
-- the store: their names are excluded.
-- statement: rebuild_removed_contents
UPDATE
	path p
SET
	exclude_reason = coalesce(p.exclude_reason, 'content removed')
FROM
	inode i
WHERE
	i.medium_hash = p.medium_hash
	AND i.dev = p.dev
	AND i.ino = p.ino
	AND i.blobid IN (
		SELECT
			r.blobid
		FROM
			removal r
		WHERE
			NOT EXISTS (
				SELECT
				FROM
					rebuild_blob b
				WHERE
					b.blobid = r.blobid));
UPDATE
	inode i
SET
	status = 'excluded',
	blobid = NULL
WHERE
	i.blobid IN (
		SELECT
			r.blobid
		FROM
			removal r
		WHERE
			NOT EXISTS (
				SELECT
				FROM
					rebuild_blob b
				WHERE
					b.blobid = r.blobid));
DELETE FROM blob_load
WHERE blobid IN (
		SELECT
			r.blobid
		FROM
			removal r
		WHERE
			NOT EXISTS (
				SELECT
				FROM
					rebuild_blob b
				WHERE
					b.blobid = r.blobid));

-- The rows of the blobs that the store has.  One that nothing uses may be of a
-- medium that is not there yet: it counts as new, but not as checked.
PREPARE rebuild_blobs AS
INSERT INTO blobs AS o(blobid, size, created_at, last_checked, n_hardlinks)
SELECT
	b.blobid,
	b.size,
	CASE WHEN u.blobid IS NOT NULL THEN
		to_timestamp(b.written)
	ELSE
		now()
	END,
	CASE WHEN u.blobid IS NULL THEN
		to_timestamp(b.written)
	END,
	CASE WHEN $1 THEN
		coalesce(u.names, 0)
	ELSE
		0
	END
FROM
	rebuild_blob b
	LEFT JOIN (
		SELECT
			blobid,
			sum(names) AS names
		FROM (
			SELECT
				i.blobid,
				count(*) FILTER (WHERE i.fs_type = 'f'
					AND p.exclude_reason IS NULL) AS names
			FROM
				inode i
				JOIN path p ON p.medium_hash = i.medium_hash
					AND p.dev = i.dev
					AND p.ino = i.ino
			WHERE
				i.blobid IS NOT NULL
			GROUP BY
				i.blobid
			UNION ALL
			SELECT
				blobid,
				0
			FROM
				inode_stream
			WHERE
				blobid IS NOT NULL) AS n
		GROUP BY
			blobid) AS u ON u.blobid = b.blobid
ON CONFLICT (blobid)
	DO UPDATE SET
		n_hardlinks = excluded.n_hardlinks;

-- The rows of those that the store should have and has not.
PREPARE rebuild_missing AS
INSERT INTO blobs(blobid, size, state)
SELECT
	blobid,
	max(size),
	'missing'
FROM (
	SELECT
		blobid,
		size
	FROM
		inode
	UNION ALL
	SELECT
		blobid,
		size
	FROM
		inode_stream) AS u
WHERE
	blobid IS NOT NULL
	AND NOT EXISTS (
		SELECT
		FROM
			blobs b
		WHERE
			b.blobid = u.blobid)
GROUP BY
	blobid
RETURNING
	blobid;

-- Blobs whose file has no size that a medium has for them, and a size that one
-- has.
PREPARE rebuild_other_size AS
SELECT
	b.blobid,
	min(u.size)
FROM
	blobs b
	JOIN (
		SELECT
			blobid,
			size
		FROM
			inode
		UNION ALL
		SELECT
			blobid,
			size
		FROM
			inode_stream) AS u ON u.blobid = b.blobid
WHERE
	b.state = 'good'
GROUP BY
	b.blobid,
	b.size
HAVING
	bool_and(u.size <> b.size)
ORDER BY
	b.blobid;

-- Blob $1 has a file that is not right, in state $2; it should have $3 bytes.
PREPARE rebuild_not_good AS
UPDATE
	blobs
SET
	state = $2::blob_state,
	size = $3
WHERE
	blobid = $1;
