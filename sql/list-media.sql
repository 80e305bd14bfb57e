-- ntt-list-media
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- The paths of a medium that begin with $1, and the bytes of its files among
-- them.
PREPARE list_media_sums AS
SELECT
	count(*),
	coalesce(sum(i.size) FILTER (WHERE i.fs_type = 'f'), 0)
FROM
	:"path" p
	JOIN :"inode" i USING (dev, ino)
WHERE
	substring(p.path FOR octet_length($1::bytea)) = $1::bytea;

-- 1 if something in the directory that $1 names, all before its last slash,
-- begins with $1; else 0.  Where all directories have rows, no other path of the
-- medium does if none of these does: the directories above it would.
PREPARE list_media_entry AS
SELECT
	count(*),
	0
FROM (
	SELECT
	FROM
		:"path" p
	WHERE
		p.dir = catalogue_dir($1::bytea)
		AND substring(p.path FOR octet_length($1::bytea)) = $1::bytea
	LIMIT 1) AS one;

-- 1 if a path of a medium begins with $1, found by the first; else 0.
PREPARE list_media_any AS
SELECT
	count(*),
	0
FROM (
	SELECT
	FROM
		:"path" p
	WHERE
		substring(p.path FOR octet_length($1::bytea)) = $1::bytea
	LIMIT 1) AS one;

-- All media in the order they came, with how far each is; with $1 only those
-- in whose name, title, message and inventory all its words are.
PREPARE list_media AS
SELECT
	medium_hash,
	medium_human,
	health,
	enum_done IS NOT NULL,
	copy_done IS NOT NULL,
	archived_at IS NOT NULL,
	load_counts ->> 'inodes',
	load_counts ->> 'paths',
	to_regclass(quote_ident('path_p_' || medium_hash)) IS NOT NULL,
	title,
	message,
	added_at::date,
	size_bytes,
(
		SELECT
			count(*)
		FROM
			omission o
		WHERE
			o.medium_hash = m.medium_hash
			AND settled_at IS NULL),
	source_kind,
	to_char(imaged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
	to_char(enum_done AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
	to_char(copy_done AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
	to_char(archived_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
	inventory,
	load_counts ->> 'implied_directories' = '0'
FROM
	medium m
WHERE
	$1::text IS NULL
	OR NOT EXISTS (
		SELECT
		FROM
			regexp_split_to_table(lower($1), '[^[:alnum:]]+') AS word
		WHERE
			word <> ALL (regexp_split_to_array(lower(concat_ws(' ', title, medium_human, message,(
								SELECT
									string_agg(concat_ws(' ', pair ->> 0, pair ->> 1), ' ')
								FROM jsonb_array_elements(inventory) AS pair))), '[^[:alnum:]]+'))
			AND word <> '')
ORDER BY
	added_at,
	medium_hash;
