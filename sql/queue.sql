-- The queue of the copiers: ranges of inodes, claimed by workers.  A range holds
-- about 1000 inodes or 256 MB, whichever comes first.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- Whoever plans medium $1 is alone.
PREPARE queue_plan_lock AS
SELECT
	pg_advisory_xact_lock(hashtextextended('ntt plan ' || $1, 0));

-- Has medium $1 ranges?
PREPARE queue_planned AS
SELECT
	EXISTS (
		SELECT
		FROM
			work_range
		WHERE
			medium_hash = $1);

-- Makes the ranges of medium $1.
PREPARE queue_plan AS
INSERT INTO work_range(medium_hash, number, dev, first_ino, last_ino, inodes, bytes)
SELECT
	$1,
	row_number() OVER (ORDER BY dev, min(ino)) - 1,
	dev,
	min(ino),
	max(ino),
	count(*),
	sum(size)
FROM (
	SELECT
		dev,
		ino,
		size,
		floor(sum(1.0::float8 / 1000 + size::float8 / 268435456) OVER (PARTITION BY dev ORDER BY ino)) AS part
	FROM
		:"inode"
	WHERE
		status = 'pending'
		OR fs_type = 'd') AS rows
GROUP BY
	dev,
	part;

-- Inodes of medium $1 that no range holds, because they were not pending
-- when the plan was made, in ranges of their own.  "reach" is the end of the
-- last range that begins before an inode; between two ranges it is the same
-- for all, so that a new one never spans an old one.
PREPARE queue_extend AS
WITH events AS (
	SELECT
		dev,
		first_ino AS ino,
		last_ino AS reach,
		NULL::bigint AS size
	FROM
		work_range
	WHERE
		medium_hash = $1
	UNION ALL
	SELECT
		dev,
		ino,
		NULL,
		size
	FROM
		:"inode"
	WHERE
		status = 'pending'
),
swept AS (
	SELECT
		dev,
		ino,
		size,
		max(reach) OVER (PARTITION BY dev ORDER BY ino,
			size NULLS FIRST ROWS UNBOUNDED PRECEDING) AS reach
FROM
	events
),
alone AS (
	SELECT
		dev,
		ino,
		size,
		reach,
		floor(sum(1.0::float8 / 1000 + size::float8 / 268435456) OVER (PARTITION BY dev, reach ORDER BY ino)) AS part
FROM
	swept
	WHERE
		size IS NOT NULL
		AND (reach IS NULL
			OR reach < ino))
	INSERT INTO work_range(medium_hash, number, dev, first_ino, last_ino, inodes, bytes)
	SELECT
		$1,
		last.number + row_number() OVER (ORDER BY dev, min(ino)),
		dev,
		min(ino),
		max(ino),
		count(*),
		sum(size)
	FROM
		alone,
(
			SELECT
				max(number) AS number
			FROM
				work_range
			WHERE
				medium_hash = $1) AS last
	WHERE
		last.number IS NOT NULL
	GROUP BY
		dev,
		reach,
		part,
		last.number;

-- Opens the ranges of medium $1 that have something pending again.
PREPARE queue_reopen AS
UPDATE
	work_range w
SET
	done = FALSE,
	next_attempt_at = NULL
WHERE
	medium_hash = $1
	AND (done
		OR next_attempt_at IS NOT NULL)
	AND EXISTS (
		SELECT
		FROM
			:"inode" i
		WHERE
			i.status = 'pending'
			AND i.dev = w.dev
			AND i.ino BETWEEN w.first_ino AND w.last_ino);

-- A copier: its name, host, pid, start time and medium.  Its id comes back.
PREPARE queue_register AS
INSERT INTO worker(name, host, pid, start_time, medium_hash)
	VALUES ($1, $2, $3, $4, $5)
RETURNING
	id;

-- Worker $1 lives as long as this session holds this lock.
PREPARE queue_live AS
SELECT
	pg_advisory_lock(catalogue_worker_class(), $1);

-- How many copiers of medium $1 live; NULL: of any.
PREPARE queue_workers AS
SELECT
	count(*)
FROM
	worker w
WHERE ($1::text IS NULL
	OR medium_hash = $1)
	AND EXISTS (
		SELECT
		FROM
			live_worker l
		WHERE
			l.id = w.id);

-- Gives back what dead copiers of medium $1 had claimed.
PREPARE queue_bury_claims AS
UPDATE
	work_range w
SET
	worker = NULL
WHERE
	medium_hash = $1
	AND worker IS NOT NULL
	AND NOT EXISTS (
		SELECT
		FROM
			live_worker l
		WHERE
			l.id = w.worker);

-- Forgets the dead copiers of medium $1.
PREPARE queue_bury_workers AS
DELETE FROM worker w
WHERE medium_hash = $1
	AND since < now() - interval '10 s'
	AND NOT EXISTS (
		SELECT
		FROM
			live_worker l
		WHERE
			l.id = w.id);

-- How many other copiers medium $1 has, and how many ranges.
PREPARE queue_place AS
SELECT
	(
		SELECT
			count(*)
		FROM
			worker
		WHERE
			medium_hash = $1) - 1,(
		SELECT
			coalesce(max(number), 0) + 1 FROM work_range
		WHERE
			medium_hash = $1);

-- Gives back all that worker $2 has claimed of medium $1.
PREPARE queue_give_back AS
UPDATE
	work_range
SET
	worker = NULL
WHERE
	medium_hash = $1
	AND worker = $2;

-- Claims for worker $3 the first open range of medium $1 from number $2 on.
-- Materialized: as a subquery it may be the inner side of a loop, run again
-- for each range, and pick another one each time.
PREPARE queue_claim AS
WITH pick AS MATERIALIZED (
	SELECT
		number
	FROM
		work_range
	WHERE
		medium_hash = $1
		AND number >= $2
		AND worker IS NULL
		AND NOT done
		AND (
			next_attempt_at IS NULL
			OR next_attempt_at <= now(
)
)
	ORDER BY
		number
	LIMIT 1
	FOR UPDATE
		SKIP LOCKED)
UPDATE
	work_range w
SET
	worker = $3
FROM
	pick
WHERE
	w.medium_hash = $1
	AND w.number = pick.number
RETURNING
	w.number,
	w.dev,
	w.first_ino,
	w.last_ino,
	w.directories;

-- Milliseconds until something of medium $1 is due: what others have may come
-- back at any time, if their host vanishes.
PREPARE queue_due AS
SELECT
	CASE WHEN bool_or(worker IS NOT NULL) THEN
		least(100, ceil(extract(epoch FROM min(next_attempt_at) - now()) * 1000))
	ELSE
		ceil(extract(epoch FROM min(next_attempt_at) - now()) * 1000)
	END
FROM
	work_range
WHERE
	medium_hash = $1
	AND NOT done;

-- What is to be done of the inodes $2 to $3 of dev $1, with $4 also of the
-- directories, and their names.
PREPARE queue_fetch AS
SELECT
	i.ino,
	i.dev,
	i.size,
	i.mtime,
	i.attempts,
	i.fs_type,
	i.status = 'pending',
	p.path,
	i.same_as,
	i.ctime,
	i.ctime_ns
FROM
	:"inode" i
	LEFT JOIN :"path" p ON p.dev = i.dev
		AND p.ino = i.ino
		AND p.exclude_reason IS NULL
WHERE
	i.dev = $1::bigint
	AND i.ino BETWEEN $2::bigint AND $3::bigint
	AND ((i.status = 'pending'
			AND (i.next_attempt_at IS NULL
				OR i.next_attempt_at <= now()))
		OR (i.fs_type = 'd'
			AND i.status = 'non_file'
			AND $4::boolean))
ORDER BY
	i.ino;

-- Which of these sizes some blob has; only of large ones.
PREPARE queue_known_sizes AS
SELECT DISTINCT
	size
FROM
	blobs
WHERE
	size = ANY ($1::bigint[])
	AND size >= 1048576
ORDER BY
	size;

-- Worker $3 gives range $2 of medium $1 back.
PREPARE queue_release AS
UPDATE
	work_range
SET
	worker = NULL
WHERE
	medium_hash = $1
	AND number = $2
	AND worker = $3;

-- From here on a commit is on the server's disk, and with it all that were
-- made before, when it returns.
PREPARE queue_wait_for_commits AS
SELECT
	set_config('synchronous_commit', CASE reset_val
		WHEN 'off' THEN
			'on'
		ELSE
			reset_val
		END, FALSE)
FROM
	pg_settings
WHERE
	name = 'synchronous_commit';

-- Is anything of the medium pending?
PREPARE queue_pending AS
SELECT
	EXISTS (
		SELECT
		FROM
			:"inode"
		WHERE
			status = 'pending');

-- Has medium $1 open ranges?
PREPARE queue_open_ranges AS
SELECT
	EXISTS (
		SELECT
		FROM
			work_range
		WHERE
			medium_hash = $1
			AND NOT done);

-- Medium $1 is copied.
PREPARE queue_copied AS
UPDATE
	medium
SET
	copy_done = now()
WHERE
	medium_hash = $1
	AND copy_done IS NULL;

-- A session of a copier.
-- Commits are not waited for: those that a crash of the server loses are
-- work that the next run finds undone.  queue_wait_for_commits waits for all
-- of them.
-- statement: queue_session
SET jit = OFF;
SET synchronous_commit = OFF;
