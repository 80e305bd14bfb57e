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
