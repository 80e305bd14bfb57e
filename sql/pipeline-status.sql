-- ntt-pipeline-status
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- How many inodes of a medium are pending, copied, failed; and all.
PREPARE pipeline_status_rows AS
SELECT
	count(*) FILTER (WHERE status = 'pending'),
	count(*) FILTER (WHERE status = 'success'),
	count(*) FILTER (WHERE status IN ('failed_retryable', 'failed_permanent')),
	count(*)
FROM
	:"inode";

-- The row of medium $1: what it came from and how far it is.
PREPARE pipeline_status_medium AS
SELECT
	source_kind,
	source_path,
	image_path,
	health,
	enum_done,
	copy_done,
	archived_at,
	archive_path,
	load_counts ->> 'records',
	imaged_at
FROM
	medium
WHERE
	medium_hash = $1;
