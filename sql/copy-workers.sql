-- ntt-copy-workers

-- Where medium $1 is read from.
PREPARE copy_workers_source AS
SELECT
	coalesce(image_path, source_path)
FROM
	medium
WHERE
	medium_hash = $1;

-- The bytes of medium $1 in ranges that are done, and all.
PREPARE copy_workers_progress AS
SELECT
	coalesce(sum(bytes) FILTER (WHERE done), 0),
	coalesce(sum(bytes), 0)
FROM
	work_range
WHERE
	medium_hash = $1;

-- The media on images of which work is left, with the paths of the images
-- (NULL: the usual place), first the one with most for each copier at it.
PREPARE copy_workers_any AS
SELECT
	m.medium_hash,
	m.image_path
FROM
	medium m
	LEFT JOIN (
		SELECT
			medium_hash,
			sum(inodes) FILTER (WHERE NOT done) AS inodes
		FROM
			work_range
		GROUP BY
			medium_hash) r USING (medium_hash)
	LEFT JOIN (
		SELECT
			medium_hash,
			count(*) AS copiers
		FROM
			worker
			JOIN live_worker USING (id)
		GROUP BY
			medium_hash) w USING (medium_hash)
WHERE
	m.source_kind IN ('image', 'device')
	AND m.enum_done IS NOT NULL
	AND m.copy_done IS NULL
	AND m.health IS DISTINCT FROM 'failed'
ORDER BY
	coalesce(r.inodes,(m.load_counts ->> 'inodes')::bigint, 0) / (1 + coalesce(w.copiers, 0)) DESC,
	m.added_at,
	m.medium_hash;
