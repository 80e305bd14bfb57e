-- The file of what the catalogue knows of a medium: ntt-catalogue(5).
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.  A
-- line of JSON has none of the bytes 1 and 2, so it is copied as it stands.

-- The first line, of medium $1 in a catalogue of version $2.
PREPARE catalogue_file_first AS
SELECT
	jsonb_build_object('format', 1, 'schema', $2::integer, 'written_at', now(), 'loaded', to_regclass(quote_ident('inode_p_' || m.medium_hash)) IS NOT NULL, 'medium', to_jsonb(m))
FROM
	medium m
WHERE
	medium_hash = $1;

-- Rows without paths or names.
-- statement: catalogue_file_facts
COPY (
	(
		SELECT
			jsonb_build_object('medium_partition', to_jsonb(p) - 'medium_hash')
		FROM
			medium_partition p
		WHERE
			medium_hash = :'medium'
		ORDER BY
			number)
	UNION ALL (
		SELECT
			jsonb_build_object('diagnostic_event', to_jsonb(e) - '{medium_hash,id}'::text[])
		FROM
			diagnostic_event e
		WHERE
			medium_hash = :'medium'
		ORDER BY
			id)
	UNION ALL (
		SELECT
			jsonb_build_object('copy_minute', to_jsonb(c) - 'medium_hash')
		FROM
			copy_minute c
		WHERE
			medium_hash = :'medium'
		ORDER BY
			minute,
			worker))
	TO STDOUT(FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');

-- Rows with paths or names.
-- statement: catalogue_file_names
COPY (
	(
		SELECT
			jsonb_build_object('medium_owner', to_jsonb(o) - 'medium_hash')
		FROM
			medium_owner o
		WHERE
			medium_hash = :'medium'
		ORDER BY
			is_group,
			o.id)
	UNION ALL (
		SELECT
			jsonb_build_object('omission', to_jsonb(o) - '{medium_hash,id}'::text[])
		FROM
			omission o
		WHERE
			medium_hash = :'medium'
		ORDER BY
			o.id))
	TO STDOUT(FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');

-- The inodes, with everything that belongs to them.
-- statement: catalogue_file_inodes
COPY (
	SELECT
		jsonb_strip_nulls(jsonb_build_object('inode', to_jsonb(i) - '{medium_hash,copied}'::text[], 'paths', p.list, 'xattrs', x.list, 'streams', s.list, 'damage', to_jsonb(d) - '{medium_hash,dev,ino}'::text[]))
	FROM
		inode i
		LEFT JOIN (
			SELECT
				dev,
				ino,
				jsonb_agg(to_jsonb(p) - '{medium_hash,dev,ino}'::text[] ORDER BY path) AS list
			FROM
				path p
			WHERE
				medium_hash = :'medium'
			GROUP BY
				dev,
				ino) p ON p.dev = i.dev
			AND p.ino = i.ino
		LEFT JOIN (
			SELECT
				dev,
				ino,
				jsonb_agg(to_jsonb(x) - '{medium_hash,dev,ino}'::text[] ORDER BY name) AS list
			FROM
				inode_xattr x
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
				jsonb_agg(to_jsonb(s) - '{medium_hash,dev,ino}'::text[] ORDER BY name) AS list
			FROM
				inode_stream s
			WHERE
				medium_hash = :'medium'
			GROUP BY
				dev,
				ino) s ON s.dev = i.dev
			AND s.ino = i.ino
		LEFT JOIN inode_damage d ON d.medium_hash = :'medium'
			AND d.dev = i.dev
			AND d.ino = i.ino
	WHERE
		i.medium_hash = :'medium'
	ORDER BY
		i.dev,
		i.ino)
	TO STDOUT(FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');

-- How many rows the tables have of medium $1.
PREPARE catalogue_file_rows AS
SELECT
	jsonb_build_object('medium_partition',(
			SELECT
				count(*)
			FROM medium_partition
			WHERE
				medium_hash = $1), 'medium_owner',(
			SELECT
				count(*)
			FROM medium_owner
			WHERE
				medium_hash = $1), 'omission',(
			SELECT
				count(*)
			FROM omission
			WHERE
				medium_hash = $1), 'diagnostic_event',(
			SELECT
				count(*)
			FROM diagnostic_event
			WHERE
				medium_hash = $1), 'copy_minute',(
			SELECT
				count(*)
			FROM copy_minute
			WHERE
				medium_hash = $1), 'inode_damage',(
			SELECT
				count(*)
			FROM inode_damage
			WHERE
				medium_hash = $1), 'inode',(
			SELECT
				count(*)
			FROM inode
			WHERE
				medium_hash = $1), 'path',(
			SELECT
				count(*)
			FROM path
			WHERE
				medium_hash = $1), 'inode_xattr',(
			SELECT
				count(*)
			FROM inode_xattr
			WHERE
				medium_hash = $1), 'inode_stream',(
			SELECT
				count(*)
			FROM inode_stream
			WHERE
				medium_hash = $1));

-- Is $2 the first line that medium $1 would have now?
PREPARE catalogue_file_current AS
SELECT
	to_jsonb(jsonb_populate_record(NULL::medium, $2::jsonb -> 'medium')) = to_jsonb(m)
FROM
	medium m
WHERE
	medium_hash = $1;

-- One writer of the files of medium $1.
PREPARE catalogue_file_lock AS
SELECT
	pg_advisory_lock(hashtextextended('ntt catalogue file ' || $1, 0));

-- The next writer may.
PREPARE catalogue_file_unlock AS
SELECT
	pg_advisory_unlock(hashtextextended('ntt catalogue file ' || $1, 0));
