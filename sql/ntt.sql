-- ntt: the collection in ten lines.  Only small tables are asked.

-- Media by how far they are, copiers at work, contents and bytes stored,
-- bytes saved.
PREPARE ntt_state AS
SELECT
	count(*),
	count(*) FILTER (WHERE enum_done IS NULL),
	count(*) FILTER (WHERE enum_done IS NOT NULL
		AND copy_done IS NULL),
	count(*) FILTER (WHERE copy_done IS NOT NULL
		AND archived_at IS NULL),
	count(*) FILTER (WHERE archived_at IS NOT NULL),
	count(*) FILTER (WHERE health <> 'ok'),
(
		SELECT
			count(*)
		FROM
			worker),
(
		SELECT
			coalesce(sum(new), 0)
		FROM
			copy_minute),
(
		SELECT
			coalesce(sum(new_bytes), 0)
		FROM
			copy_minute),
(
		SELECT
			coalesce(sum(bytes - new_bytes), 0)
		FROM
			copy_minute)
FROM
	medium;

-- The medium that came last.
PREPARE ntt_last_medium AS
SELECT
	medium_hash,
	coalesce(title, medium_human)
FROM
	medium
ORDER BY
	added_at DESC
LIMIT 1;
