-- Every session: the server notices within 15 seconds that our host vanished.
-- statement: db_session
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 2;
SET tcp_user_timeout = 15000;

-- What ntt-db check asks of all media is answered medium by medium, in
-- memory; over all of them at once it was sorted on disk.
-- statement: db_check_session
SET jit = OFF;
SET work_mem = '64MB';
SET enable_partitionwise_aggregate = ON;
SET enable_partitionwise_join = ON;

-- ntt-db backup, restore and relocate.

-- Is this database a catalogue?
PREPARE backup_is_catalogue AS
SELECT
	to_regclass('schema_version') IS NOT NULL
	AND to_regclass('medium') IS NOT NULL;

-- Has the catalogue anything that a restore would lose?
PREPARE backup_in_use AS
SELECT
	EXISTS (
		SELECT
		FROM
			medium)
	OR EXISTS (
		SELECT
		FROM
			blobs);

-- Images and archives that were below $1 are below $2; $3 and $4 are the same in
-- hexadecimal, for paths that are not UTF-8.
PREPARE db_relocate AS
WITH moved AS (
	SELECT
		medium_hash,
		CASE WHEN starts_with(image_path, $1) THEN
			$2 || substr(image_path, length($1) + 1)
		WHEN starts_with(image_path, $3) THEN
			$4 || substr(image_path, length($3) + 1)
		ELSE
			image_path
		END AS image_path,
		CASE WHEN starts_with(archive_path, $1) THEN
			$2 || substr(archive_path, length($1) + 1)
		WHEN starts_with(archive_path, $3) THEN
			$4 || substr(archive_path, length($3) + 1)
		ELSE
			archive_path
		END AS archive_path
	FROM
		medium)
UPDATE
	medium m
SET
	image_path = moved.image_path,
	archive_path = moved.archive_path
FROM
	moved
WHERE
	moved.medium_hash = m.medium_hash
	AND (moved.image_path IS DISTINCT FROM m.image_path
		OR moved.archive_path IS DISTINCT FROM m.archive_path);

-- What the index of names should have.
PREPARE db_index_loaded AS
SELECT
	medium_hash,
	names
FROM
	loaded
ORDER BY
	id;

-- What the names of medium $1 are called.
PREPARE db_index_medium AS
SELECT
	names
FROM
	loaded
WHERE
	medium_hash = $1;
