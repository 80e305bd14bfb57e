-- Version 3: everything the source said about a file, for it to come back.

-- NULL: not known.  Times are seconds since the epoch and nanoseconds.
ALTER TABLE inode
	ADD mode	integer,	-- permission, set-id and sticky bits
	ADD uid		bigint,
	ADD gid		bigint,
	ADD rdev	bigint,		-- device nodes: major << 32 | minor
	ADD flags	bigint,		-- FS_IOC_GETFLAGS
	ADD dos_attributes integer,	-- FAT_ATTR_* of <linux/msdos_fs.h>
	ADD mtime_ns	integer,
	ADD atime	bigint,
	ADD atime_ns	integer,
	ADD ctime	bigint,
	ADD ctime_ns	integer,
	ADD btime	bigint,
	ADD btime_ns	integer,
	ADD holes	int8multirange;	-- byte ranges without blocks

-- The names that the source had for its owners and groups.
CREATE TABLE medium_owner (
	medium_hash	text NOT NULL REFERENCES medium ON DELETE CASCADE,
	is_group	boolean NOT NULL,
	id		bigint NOT NULL,
	name		bytea NOT NULL,
	PRIMARY KEY (medium_hash, is_group, id)
);

-- One partition a medium each, like inode and path: xattr_p_<medium_hash> and
-- stream_p_<medium_hash>, see catalogue_partition_name().
CREATE TABLE inode_xattr (
	medium_hash	text NOT NULL,
	dev		bigint NOT NULL,
	ino		bigint NOT NULL,
	name		bytea NOT NULL,		-- "user.comment"
	value		bytea NOT NULL
) PARTITION BY LIST (medium_hash);

-- Named streams are contents: NTFS alternate streams, resource forks,
-- extended attributes too large for a row (name: "xattr:" and its name).
CREATE TABLE inode_stream (
	medium_hash	text NOT NULL,
	dev		bigint NOT NULL,
	ino		bigint NOT NULL,
	name		bytea NOT NULL,
	size		bigint NOT NULL CHECK (size >= 0),
	status		inode_status NOT NULL DEFAULT 'pending',
	blobid		text,
	CONSTRAINT inode_stream_success_has_blob
		CHECK ((status = 'success') = (blobid IS NOT NULL))
) PARTITION BY LIST (medium_hash);

-- The name of a partition: "stream_p_" and the longest hash are a byte too
-- many for an identifier, so the end gives way to the MD5 of the hash.
CREATE FUNCTION catalogue_partition_name(prefix text, medium text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN length(prefix) + length(medium) <= 63
		THEN prefix || medium
		ELSE left(prefix || medium, 46) || '_' ||
			left(md5(medium), 16) END
$$;

-- The parents, and what the names of their partitions begin with.  In the
-- order in which they are attached; they are dropped in the other.
CREATE FUNCTION catalogue_partitioned(OUT parent text, OUT prefix text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE AS $$
	VALUES ('inode', 'inode_p_'), ('path', 'path_p_'),
		('inode_xattr', 'xattr_p_'), ('inode_stream', 'stream_p_')
$$;

CREATE OR REPLACE FUNCTION catalogue_create_partitions(medium text,
	of_schema text DEFAULT current_schema()) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	p record;
BEGIN
	IF medium !~ '^[a-z0-9][a-z0-9_-]{0,54}$' THEN
		RAISE EXCEPTION 'not a medium: %', medium;
	END IF;
	FOR p IN SELECT * FROM catalogue_partitioned() LOOP
		PERFORM catalogue_create_partition(p.parent::regclass, of_schema,
			catalogue_partition_name(p.prefix, medium), medium);
	END LOOP;
END $$;

-- The keys of what is known beside inodes and paths.
CREATE FUNCTION catalogue_key_metadata(medium text,
	of_schema text DEFAULT current_schema()) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	xattr_p text := format('%I.%I', of_schema,
		catalogue_partition_name('xattr_p_', medium));
	stream_p text := format('%I.%I', of_schema,
		catalogue_partition_name('stream_p_', medium));
BEGIN
	EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (dev, ino, name)',
		xattr_p);
	EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (dev, ino, name)',
		stream_p);
	EXECUTE format('ANALYZE %s', xattr_p);
	EXECUTE format('ANALYZE %s', stream_p);
END $$;

CREATE OR REPLACE FUNCTION catalogue_key_partitions(medium text,
	of_schema text DEFAULT current_schema()) RETURNS void
LANGUAGE plpgsql SET default_statistics_target = 30 AS $$
DECLARE
	inode_p text := format('%I.%I', of_schema, 'inode_p_' || medium);
	path_p text := format('%I.%I', of_schema, 'path_p_' || medium);
BEGIN
	EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (dev, ino)', inode_p);
	EXECUTE format('CREATE INDEX %I ON %s (dev, ino)',
		catalogue_fk_index_name(medium), path_p);
	EXECUTE format('ANALYZE %s', inode_p);
	EXECUTE format('ANALYZE %s', path_p);
	EXECUTE format('ALTER TABLE %s ADD FOREIGN KEY (dev, ino) '
		'REFERENCES %s (dev, ino)', path_p, inode_p);
	PERFORM catalogue_key_metadata(medium, of_schema);
END $$;

CREATE FUNCTION catalogue_forget_inodes(medium text) RETURNS void
LANGUAGE sql AS $$
	DELETE FROM work_range WHERE medium_hash = medium;
	DELETE FROM inode_damage WHERE medium_hash = medium;
	DELETE FROM diagnostic_event WHERE medium_hash = medium;
	DELETE FROM copy_minute WHERE medium_hash = medium;
	DELETE FROM medium_owner WHERE medium_hash = medium;
	DELETE FROM omission WHERE medium_hash = medium
		AND seen_by <> 'ntt-orchestrator'
		AND reason IS NULL;
$$;

CREATE OR REPLACE FUNCTION catalogue_attach_partitions(medium text)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	p record;
BEGIN
	PERFORM catalogue_forget_inodes(medium);
	FOR p IN SELECT * FROM catalogue_partitioned() LOOP
		EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I '
			'FOR VALUES IN (%L)', p.parent,
			catalogue_partition_name(p.prefix, medium), medium);
	END LOOP;
END $$;

CREATE OR REPLACE FUNCTION catalogue_drop_partitions(medium text)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	p record;
BEGIN
	FOR p IN SELECT * FROM catalogue_partitioned() WITH ORDINALITY
		ORDER BY ordinality DESC LOOP
		EXECUTE format('DROP TABLE IF EXISTS %I CASCADE',
			catalogue_partition_name(p.prefix, medium));
	END LOOP;
	PERFORM catalogue_forget_inodes(medium);
END $$;

CREATE OR REPLACE FUNCTION catalogue_replace_partitions(medium text)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	p record;
BEGIN
	PERFORM catalogue_drop_partitions(medium);
	FOR p IN SELECT * FROM catalogue_partitioned() LOOP
		EXECUTE format('ALTER TABLE replacement.%I SET SCHEMA %I',
			catalogue_partition_name(p.prefix, medium),
			current_schema());
	END LOOP;
	PERFORM catalogue_attach_partitions(medium);
END $$;

-- What a second walk found, in keyed tables of the schema replacement, takes
-- the place of what the first one found.
--
-- A file that was copied stays copied where the name, type, size and time are
-- what they were; of a source that can change (live), only if it was read two
-- seconds after its time or later, because times have whole seconds here.
-- What was copied and was not met again is kept under a device of its own,
-- which no walk gives; what was not copied and is not there any more is
-- dropped, and is an omission, if the source can change, and kept if not.
-- Exclusions made meanwhile are kept.  A file that was only renamed has not
-- vanished: its birth time shows that its number is no new file's.
--
-- What the copier took of a file goes with a file that stays copied; what the
-- walk took is the second walk's, or the first one's where the second had none.
-- A file of a source that can change is read again where its ctime is another
-- one, for so it shows that its attributes are.
CREATE FUNCTION catalogue_merge_partitions(medium text, live boolean)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	old_i text := format('%I', 'inode_p_' || medium);
	old_p text := format('%I', 'path_p_' || medium);
	old_x text := format('%I',
		catalogue_partition_name('xattr_p_', medium));
	old_s text := format('%I',
		catalogue_partition_name('stream_p_', medium));
	new_i text := 'replacement.' || old_i;
	new_p text := 'replacement.' || old_p;
	new_x text := 'replacement.' || old_x;
	new_s text := 'replacement.' || old_s;
	of record;
	lowest bigint;
	n bigint;
BEGIN
	EXECUTE format($q$CREATE TEMPORARY TABLE merge_same ON COMMIT DROP AS
		SELECT DISTINCT ON (m.dev, m.ino) m.dev, m.ino,
			o.dev AS old_dev, o.ino AS old_ino
		FROM %s n JOIN %s p USING (path)
			JOIN %s m ON m.dev = n.dev AND m.ino = n.ino
			JOIN %s o ON o.dev = p.dev AND o.ino = p.ino
		WHERE o.fs_type = m.fs_type AND o.size = m.size
			AND o.mtime = m.mtime
		ORDER BY m.dev, m.ino, o.dev, o.ino$q$,
		new_p, old_p, new_i, old_i);
	ANALYZE merge_same;
	-- a new name needs its link in the tree, so its file is read again
	EXECUTE format($q$CREATE TEMPORARY TABLE merge_named ON COMMIT DROP AS
		SELECT DISTINCT n.dev, n.ino
		FROM %s n LEFT JOIN %s p USING (path)
			LEFT JOIN merge_same s ON s.dev = n.dev
				AND s.ino = n.ino
		WHERE p.path IS NULL OR s.old_dev IS DISTINCT FROM p.dev
			OR s.old_ino IS DISTINCT FROM p.ino$q$, new_p, old_p);
	ANALYZE merge_named;

	-- whose extended attributes and streams go along
	CREATE TEMPORARY TABLE merge_kept (dev bigint, ino bigint,
		old_dev bigint, old_ino bigint) ON COMMIT DROP;
	EXECUTE format($q$WITH kept AS (UPDATE %s m
		SET mode = o.mode, uid = o.uid, gid = o.gid, rdev = o.rdev,
			mtime_ns = o.mtime_ns, atime = o.atime,
			atime_ns = o.atime_ns, ctime = o.ctime,
			ctime_ns = o.ctime_ns, btime = o.btime,
			btime_ns = o.btime_ns
		FROM merge_same s, %s o
		WHERE s.dev = m.dev AND s.ino = m.ino AND s.old_dev = o.dev
			AND s.old_ino = o.ino AND m.mode IS NULL
			AND o.mode IS NOT NULL
		RETURNING s.dev, s.ino, s.old_dev, s.old_ino)
		INSERT INTO merge_kept SELECT * FROM kept$q$, new_i, old_i);
	EXECUTE format($q$WITH kept AS (UPDATE %s m
		SET status = o.status, blobid = o.blobid,
			processed_at = o.processed_at, attempts = o.attempts,
			errors = o.errors, error_type = o.error_type,
			mime_type = o.mime_type, flags = o.flags,
			dos_attributes = o.dos_attributes, holes = o.holes
		FROM merge_same s, %s o
		WHERE s.dev = m.dev AND s.ino = m.ino AND s.old_dev = o.dev
			AND s.old_ino = o.ino AND m.status = 'pending'
			AND o.status = 'success'
			AND NOT EXISTS (SELECT FROM merge_named w
				WHERE w.dev = m.dev AND w.ino = m.ino)
			AND (NOT $1
			OR extract(epoch FROM o.processed_at)::float8 - 2
				>= o.mtime::float8)
			AND (NOT $1 OR m.ctime IS NULL OR (m.ctime, m.ctime_ns)
				IS NOT DISTINCT FROM (o.ctime, o.ctime_ns))
		RETURNING s.dev, s.ino, s.old_dev, s.old_ino, m.fs_type)
		INSERT INTO merge_kept SELECT dev, ino, old_dev, old_ino
		FROM kept WHERE fs_type <> 'l'$q$, new_i, old_i)
	USING live;

	-- what was met once, and is not met now
	EXECUTE format($q$CREATE TEMPORARY TABLE merge_gone ON COMMIT DROP AS
		SELECT p.path, p.exclude_reason, o.dev AS old_dev,
			o.ino AS old_ino, o.size, o.status, s.dev, s.ino,
			EXISTS (SELECT FROM %s m WHERE m.dev = o.dev
				AND m.ino = o.ino AND m.fs_type = o.fs_type
				AND (m.size, m.mtime, m.mtime_ns, m.btime,
					m.btime_ns) = (o.size, o.mtime,
					o.mtime_ns, o.btime, o.btime_ns))
				AS renamed
		FROM %s p JOIN %s o USING (dev, ino)
			LEFT JOIN merge_same s ON s.old_dev = o.dev
				AND s.old_ino = o.ino
		WHERE NOT EXISTS (SELECT FROM %s n WHERE n.path = p.path)$q$,
		new_i, old_p, old_i, new_p);
	IF live THEN
		PERFORM catalogue_omit(medium, NULL, path, NULL, NULL,
			'vanished', NULL, size, NULL, 'ntt-loader')
		FROM merge_gone
		WHERE NOT renamed AND status IN ('pending', 'failed_retryable',
			'failed_permanent');
		DELETE FROM merge_gone WHERE status <> 'success';
	END IF;
	EXECUTE format('SELECT least(min(dev), 0) FROM %s', old_i) INTO lowest;
	UPDATE merge_gone g SET dev = lowest - d.rank, ino = g.old_ino
	FROM (SELECT old_dev, dense_rank() OVER (ORDER BY old_dev) AS rank
		FROM merge_gone GROUP BY old_dev) d
	WHERE g.dev IS NULL AND d.old_dev = g.old_dev;
	EXECUTE format($q$INSERT INTO %s (dev, ino, nlink, size, mtime,
			next_attempt_at, processed_at, attempts, status,
			error_type, fs_type, blobid, mime_type, errors,
			mode, uid, gid, rdev, flags, dos_attributes, mtime_ns,
			atime, atime_ns, ctime, ctime_ns, btime, btime_ns,
			holes)
		SELECT DISTINCT ON (g.dev, g.ino) g.dev, g.ino, o.nlink, o.size,
			o.mtime, o.next_attempt_at, o.processed_at, o.attempts,
			o.status, o.error_type, o.fs_type, o.blobid, o.mime_type,
			o.errors, o.mode, o.uid, o.gid, o.rdev, o.flags,
			o.dos_attributes, o.mtime_ns, o.atime, o.atime_ns,
			o.ctime, o.ctime_ns, o.btime, o.btime_ns, o.holes
		FROM merge_gone g JOIN %s o ON o.dev = g.old_dev
			AND o.ino = g.old_ino
		WHERE g.dev < 0
		ON CONFLICT DO NOTHING$q$, new_i, old_i);
	EXECUTE format('INSERT INTO %s (dev, ino, path, exclude_reason) '
		'SELECT dev, ino, path, exclude_reason FROM merge_gone', new_p);
	INSERT INTO merge_kept
		SELECT DISTINCT dev, ino, old_dev, old_ino
		FROM merge_gone WHERE dev < 0;

	EXECUTE format($q$INSERT INTO %s (dev, ino, name, value)
		SELECT k.dev, k.ino, x.name, x.value
		FROM merge_kept k JOIN %s x ON x.dev = k.old_dev
			AND x.ino = k.old_ino
		ON CONFLICT DO NOTHING$q$, new_x, old_x);
	EXECUTE format($q$INSERT INTO %s (dev, ino, name, size, status, blobid)
		SELECT k.dev, k.ino, x.name, x.size, x.status, x.blobid
		FROM merge_kept k JOIN %s x ON x.dev = k.old_dev
			AND x.ino = k.old_ino
		ON CONFLICT DO NOTHING$q$, new_s, old_s);

	EXECUTE format($q$UPDATE %s n SET exclude_reason = p.exclude_reason
		FROM %s p WHERE p.path = n.path AND n.exclude_reason IS NULL
		AND p.exclude_reason IS NOT NULL$q$, new_p, old_p);
	GET DIAGNOSTICS n = ROW_COUNT;
	IF n > 0 THEN
		EXECUTE format($q$UPDATE %s m SET status = 'excluded'
			WHERE status = 'pending' AND NOT EXISTS (SELECT FROM %s p
			WHERE p.dev = m.dev AND p.ino = m.ino
			AND p.exclude_reason IS NULL)$q$, new_i, new_p);
	END IF;

	-- lost ranges go with what is still copied
	CREATE TEMPORARY TABLE merge_damage ON COMMIT DROP AS
		SELECT coalesce(s.dev, g.dev) AS dev, coalesce(s.ino, g.ino) AS ino,
			d.determined, d.extents
		FROM inode_damage d
			LEFT JOIN merge_same s ON s.old_dev = d.dev
				AND s.old_ino = d.ino
			LEFT JOIN (SELECT DISTINCT old_dev, old_ino, dev, ino
				FROM merge_gone) g ON g.old_dev = d.dev
				AND g.old_ino = d.ino
		WHERE d.medium_hash = medium;
	DELETE FROM inode_damage WHERE medium_hash = medium;
	INSERT INTO inode_damage (medium_hash, dev, ino, determined, extents)
		SELECT DISTINCT ON (dev, ino) medium, dev, ino, determined, extents
		FROM merge_damage WHERE dev IS NOT NULL ORDER BY dev, ino;
	UPDATE omission o SET dev = s.dev, ino = s.ino
		FROM merge_same s WHERE o.medium_hash = medium
		AND o.dev = s.old_dev AND o.ino = s.old_ino;

	EXECUTE format('DROP TABLE %s, %s, %s, %s CASCADE', old_s, old_x,
		old_p, old_i);
	FOR of IN SELECT parent,
			catalogue_partition_name(prefix, medium) AS name
		FROM catalogue_partitioned() LOOP
		EXECUTE format('ALTER TABLE replacement.%I SET SCHEMA %I',
			of.name, current_schema());
		EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I '
			'FOR VALUES IN (%L)', of.parent, of.name, medium);
	END LOOP;
	DELETE FROM work_range WHERE medium_hash = medium;
END $$;

-- DROP TABLE inode_p_… CASCADE by hand takes along what is known beside it.
-- Event triggers are a superuser's, as in the private cluster; elsewhere what
-- was left is replaced by the next load.
CREATE FUNCTION catalogue_drop_along() RETURNS event_trigger
LANGUAGE plpgsql AS $$
DECLARE
	dropped record;
	of_prefix text;
BEGIN
	FOR dropped IN SELECT schema_name, substr(object_name, 9) AS medium
		FROM pg_event_trigger_dropped_objects()
		WHERE object_type = 'table' AND NOT is_temporary
		AND object_name LIKE 'inode\_p\_%' LOOP
		FOREACH of_prefix IN ARRAY '{xattr_p_,stream_p_}'::text[] LOOP
			EXECUTE format('DROP TABLE IF EXISTS %I.%I',
				dropped.schema_name, catalogue_partition_name(
				of_prefix, dropped.medium));
		END LOOP;
	END LOOP;
END $$;
DO $$
BEGIN
	EXECUTE format('CREATE EVENT TRIGGER catalogue_drop_along ON sql_drop '
		'WHEN TAG IN (''DROP TABLE'') '
		'EXECUTE FUNCTION %I.catalogue_drop_along()', current_schema());
EXCEPTION WHEN insufficient_privilege THEN
	NULL;
END $$;

-- Media that are loaded already get empty tables.
DO $$
DECLARE
	medium text;
	p record;
BEGIN
	FOR medium IN SELECT substr(c.relname, 9)
		FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
		WHERE h.inhparent = 'inode'::regclass LOOP
		FOR p IN SELECT * FROM catalogue_partitioned() OFFSET 2 LOOP
			PERFORM catalogue_create_partition(p.parent::regclass,
				current_schema(),
				catalogue_partition_name(p.prefix, medium),
				medium);
		END LOOP;
		PERFORM catalogue_key_metadata(medium);
		FOR p IN SELECT * FROM catalogue_partitioned() OFFSET 2 LOOP
			EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I '
				'FOR VALUES IN (%L)', p.parent,
				catalogue_partition_name(p.prefix, medium),
				medium);
		END LOOP;
	END LOOP;
END $$;
