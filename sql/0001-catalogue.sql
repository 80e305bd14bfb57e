-- The catalogue: media, their inodes and paths, the blobs of the store.
--
-- A file is (medium_hash, dev, ino).  inode and path have one partition a
-- medium, inode_p_<medium_hash> and path_p_<medium_hash>, made by
-- catalogue_create_partitions() and nothing else; keys stand on the
-- partitions, never on the parents.  dev and ino are unsigned 64-bit numbers
-- kept in a bigint: those of 2^63 and above appear as n - 2^64.

CREATE TYPE inode_status AS ENUM (
	'pending', 'success', 'failed_retryable', 'failed_permanent',
	'excluded', 'non_file');

CREATE TYPE inode_error AS ENUM (
	'path_error', 'io_error', 'permission_error', 'hash_error', 'unknown');

CREATE TABLE medium (
	medium_hash	text PRIMARY KEY
			CHECK (medium_hash ~ '^[a-z0-9][a-z0-9_-]{0,54}$'),
	medium_human	text,
	message		text,
	source_kind	text CHECK (source_kind IN
			('device', 'image', 'directory', 'carved', 'raw')),
	source_path	text,
	size_bytes	bigint CHECK (size_bytes >= 0),
	identity	jsonb,		-- hash version, model, serial, hash inputs
	image_path	text,
	fs_type		text,		-- of the only or first partition
	health		text CHECK (health IN
			('ok', 'incomplete', 'corrupt', 'failed')),
	problems	jsonb,
	diagnostics	jsonb,
	load_counts	jsonb,		-- what the loader counted, by name
	added_at	timestamptz NOT NULL DEFAULT now(),
	imaged_at	timestamptz,
	enum_done	timestamptz,	-- set by the transaction of the load
	copy_done	timestamptz,	-- set when nothing is pending
	archived_at	timestamptz,
	archive_path	text,
	superseded_by	text REFERENCES medium (medium_hash)
);

CREATE TABLE medium_partition (
	medium_hash	text NOT NULL REFERENCES medium ON DELETE CASCADE,
	number		integer NOT NULL,
	start_bytes	bigint,
	size_bytes	bigint,
	table_type	text,
	filesystem	text,
	uuid		text,
	label		text,
	status		text NOT NULL,
	reason		text,
	detail		jsonb,
	PRIMARY KEY (medium_hash, number)
);

CREATE TABLE inode (
	medium_hash	text NOT NULL,
	dev		bigint NOT NULL,
	ino		bigint NOT NULL,
	nlink		bigint NOT NULL,
	size		bigint NOT NULL CHECK (size >= 0),
	mtime		bigint NOT NULL,	-- seconds since the epoch
	next_attempt_at	timestamptz,
	claimed_at	timestamptz,
	processed_at	timestamptz,
	attempts	integer NOT NULL DEFAULT 0,
	status		inode_status NOT NULL DEFAULT 'pending',
	error_type	inode_error,
	copied		boolean NOT NULL GENERATED ALWAYS AS
			(status IN ('success', 'excluded', 'non_file')) STORED,
	fs_type		"char" NOT NULL,	-- f d l b c p s U ?
	blobid		text,
	claimed_by	text,
	mime_type	text,
	errors		text[],			-- the last twenty
	CONSTRAINT inode_file_success_has_blob
		CHECK (fs_type <> 'f' OR (status = 'success') = (blobid IS NOT NULL)),
	CONSTRAINT inode_failure_has_class
		CHECK (status NOT IN ('failed_retryable', 'failed_permanent')
			OR error_type IS NOT NULL),
	CONSTRAINT inode_blob_means_success
		CHECK (blobid IS NULL OR status = 'success')
) PARTITION BY LIST (medium_hash);

CREATE TABLE path (
	medium_hash	text NOT NULL,
	dev		bigint NOT NULL,
	ino		bigint NOT NULL,
	path		bytea NOT NULL,		-- relative to the medium's root
	exclude_reason	text
) PARTITION BY LIST (medium_hash);

CREATE TABLE blobs (
	blobid		text PRIMARY KEY CHECK (length(blobid) = 64),
	size		bigint NOT NULL CHECK (size >= 0),
	created_at	timestamptz NOT NULL DEFAULT now(),
	last_checked	timestamptz,
	n_hardlinks	bigint NOT NULL DEFAULT 0
);

-- Only large files ask whether a blob of their size exists before they are
-- written; small ones are in memory and ask the store.
CREATE INDEX blobs_large_size_idx ON blobs (size) WHERE size >= 1048576;
CREATE INDEX blobs_last_checked_idx ON blobs (last_checked NULLS FIRST);

-- Files that lie over areas the imager could not rescue.  determined is false
-- where no extents could be had; extents are byte ranges of the file.
CREATE TABLE inode_damage (
	medium_hash	text NOT NULL,
	dev		bigint NOT NULL,
	ino		bigint NOT NULL,
	determined	boolean NOT NULL,
	extents		int8multirange,
	PRIMARY KEY (medium_hash, dev, ino)
);

CREATE TABLE diagnostic_event (
	id		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	medium_hash	text NOT NULL,
	dev		bigint,
	ino		bigint,
	attempt		integer,
	checks		jsonb,
	action		text NOT NULL CHECK (action IN
			('skipped', 'continuing', 'max_retries', 'remounted')),
	errno		integer,
	message		text,
	worker		text,
	at		timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX diagnostic_event_medium_idx ON diagnostic_event (medium_hash, at);

-- One row a running copier.  It lives while the session of that copier holds
-- the advisory lock (catalogue_worker_class(), id): a row without it is dead.
CREATE TABLE worker (
	id		integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name		text NOT NULL,
	host		text NOT NULL,
	pid		integer NOT NULL,
	start_time	bigint NOT NULL,	-- field 22 of /proc/PID/stat
	medium_hash	text NOT NULL,
	since		timestamptz NOT NULL DEFAULT now(),
	heartbeat	timestamptz NOT NULL DEFAULT now(),
	files		bigint NOT NULL DEFAULT 0,
	bytes		bigint NOT NULL DEFAULT 0,
	new		bigint NOT NULL DEFAULT 0,
	deduplicated	bigint NOT NULL DEFAULT 0,
	errors		bigint NOT NULL DEFAULT 0
);

-- The queue: one row for a run of consecutive inodes of one device of a
-- medium.  A claim touches one row, however many inodes there are.  A range
-- whose worker is gone (see worker) is free again.
CREATE TABLE work_range (
	medium_hash	text NOT NULL,
	number		integer NOT NULL,
	dev		bigint NOT NULL,
	first_ino	bigint NOT NULL,
	last_ino	bigint NOT NULL,
	inodes		bigint NOT NULL,
	bytes		bigint NOT NULL,
	worker		integer,	-- worker.id while claimed
	next_attempt_at	timestamptz,	-- not before, after failures
	done		boolean NOT NULL DEFAULT false,
	directories	boolean NOT NULL DEFAULT false,	-- were made
	PRIMARY KEY (medium_hash, number)
);
CREATE INDEX work_range_open_idx ON work_range (medium_hash, number)
	WHERE worker IS NULL AND NOT done;

-- What copiers did, by the minute: rates and totals without counting inodes.
CREATE TABLE copy_minute (
	minute		timestamptz NOT NULL,
	medium_hash	text NOT NULL,
	worker		integer NOT NULL,
	files		bigint NOT NULL,
	bytes		bigint NOT NULL,
	new		bigint NOT NULL,
	new_bytes	bigint NOT NULL,
	errors		bigint NOT NULL,
	PRIMARY KEY (minute, medium_hash, worker)
);

-- The diagnostics of a medium in one object.
CREATE VIEW medium_diagnostics AS
SELECT m.medium_hash,
	coalesce(m.problems, '{}') || jsonb_build_object('diagnostic_events',
		coalesce((SELECT jsonb_agg(jsonb_build_object(
				'dev', e.dev, 'ino', e.ino,
				'attempt', e.attempt, 'checks', e.checks,
				'action', e.action, 'errno', e.errno,
				'message', e.message, 'worker', e.worker,
				'at', e.at) ORDER BY e.id)
			FROM diagnostic_event e
			WHERE e.medium_hash = m.medium_hash), '[]')) AS diagnostics
FROM medium m;

CREATE FUNCTION catalogue_worker_class() RETURNS integer
LANGUAGE sql IMMUTABLE AS 'SELECT 1314149463';		-- "NTTW"

-- The tables of a medium, not attached yet, without keys: a load fills them,
-- calls catalogue_key_partitions(), and attaches them in the same transaction.
-- Tables that are to replace others are made in the schema replacement.
--
-- Not LIKE the parents, which would keep them locked until the load is over:
-- whoever drops a medium would wait for it, and everybody else behind him.
CREATE SCHEMA replacement;

CREATE FUNCTION catalogue_create_partition(parent regclass, of_schema text,
	name text, medium text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	columns text;
	checks text;
BEGIN
	SELECT string_agg(format('%I %s%s%s', a.attname,
			format_type(a.atttypid, a.atttypmod),
			CASE WHEN a.attnotnull THEN ' NOT NULL' END,
			CASE WHEN a.attname = 'medium_hash'
				THEN format(' DEFAULT %L', medium)
			WHEN a.attgenerated = 's'
				THEN format(' GENERATED ALWAYS AS (%s) STORED',
					pg_get_expr(d.adbin, d.adrelid))
			WHEN d.adbin IS NOT NULL
				THEN ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid)
			END), ', ' ORDER BY a.attnum)
	INTO columns
	FROM pg_attribute a LEFT JOIN pg_attrdef d
		ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attrelid = parent AND a.attnum > 0 AND NOT a.attisdropped;
	SELECT string_agg(format(', CONSTRAINT %I %s', conname,
			pg_get_constraintdef(oid)), '' ORDER BY conname)
	INTO checks
	FROM pg_constraint WHERE conrelid = parent AND contype = 'c';
	EXECUTE format('CREATE TABLE %I.%I (%s%s, CHECK (medium_hash = %L))',
		of_schema, name, columns, checks, medium);
END $$;

CREATE FUNCTION catalogue_create_partitions(medium text,
	of_schema text DEFAULT current_schema()) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	IF medium !~ '^[a-z0-9][a-z0-9_-]{0,54}$' THEN
		RAISE EXCEPTION 'not a medium: %', medium;
	END IF;
	PERFORM catalogue_create_partition('inode', of_schema,
		'inode_p_' || medium, medium);
	PERFORM catalogue_create_partition('path', of_schema,
		'path_p_' || medium, medium);
END $$;

-- Index names share one schema with all others: where <medium> is too long
-- for path_p_<medium>_fk_idx the end of it gives way to its MD5.
CREATE FUNCTION catalogue_fk_index_name(medium text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN length(medium) <= 49
		THEN 'path_p_' || medium || '_fk_idx'
		ELSE 'path_p_' || left(medium, 32) || '_' ||
			left(md5(medium), 16) || '_fk_idx' END
$$;

-- Statistics of nine thousand rows are made in a third of the time of thirty
-- thousand, and plans need no better; autovacuum makes those later.
CREATE FUNCTION catalogue_key_partitions(medium text,
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
END $$;

-- What else the catalogue keeps of a medium's inodes is of those that were
-- there before, also when their tables were dropped by hand.
CREATE FUNCTION catalogue_attach_partitions(medium text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM work_range WHERE medium_hash = medium;
	DELETE FROM inode_damage WHERE medium_hash = medium;
	DELETE FROM diagnostic_event WHERE medium_hash = medium;
	EXECUTE format('ALTER TABLE inode ATTACH PARTITION %I FOR VALUES IN (%L)',
		'inode_p_' || medium, medium);
	EXECUTE format('ALTER TABLE path ATTACH PARTITION %I FOR VALUES IN (%L)',
		'path_p_' || medium, medium);
END $$;

-- Everything the catalogue holds of a medium's contents; the medium row and
-- the blobs stay.
CREATE FUNCTION catalogue_drop_partitions(medium text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('DROP TABLE IF EXISTS %I CASCADE', 'path_p_' || medium);
	EXECUTE format('DROP TABLE IF EXISTS %I CASCADE', 'inode_p_' || medium);
	DELETE FROM work_range WHERE medium_hash = medium;
	DELETE FROM inode_damage WHERE medium_hash = medium;
	DELETE FROM diagnostic_event WHERE medium_hash = medium;
END $$;

-- What was made in the schema replacement takes the place of what was there.
CREATE FUNCTION catalogue_replace_partitions(medium text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM catalogue_drop_partitions(medium);
	EXECUTE format('ALTER TABLE replacement.%I SET SCHEMA %I',
		'inode_p_' || medium, current_schema());
	EXECUTE format('ALTER TABLE replacement.%I SET SCHEMA %I',
		'path_p_' || medium, current_schema());
	PERFORM catalogue_attach_partitions(medium);
END $$;
