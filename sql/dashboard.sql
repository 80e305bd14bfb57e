-- ntt-dashboard.  It asks them one after the other in one read-only transaction.
-- None of them counts inodes: together they must take less than 50 ms at ten
-- million.  Media whose copying is done have nothing left in the queue.

-- What was copied of each medium until the day before yesterday.  A
-- transaction of yesterday may still write yesterday's minutes, so only what
-- is older is asked for once.
PREPARE dashboard_past AS
SELECT
	medium_hash,
	coalesce(sum(files), 0),
	coalesce(sum(bytes), 0),
	coalesce(sum(new), 0),
	coalesce(sum(new_bytes), 0),
	coalesce(sum(errors), 0)
FROM
	copy_minute
WHERE
	minute < date_trunc('day', now()) - interval '1 day'
GROUP BY
	medium_hash
ORDER BY
	medium_hash;

-- The time, and when today began.
PREPARE dashboard_now AS
SELECT
	extract(epoch FROM now()),
	coalesce(floor(extract(epoch FROM date_trunc('day', now())))::bigint, 0);

-- All media, and what is left of each in the queue.
PREPARE dashboard_media AS
SELECT
	m.medium_hash,
	coalesce(title, medium_human),
	message,
(
		SELECT
			string_agg(concat_ws(': ', pair ->> 0, pair ->> 1), '; ')
		FROM
			jsonb_array_elements(inventory) AS pair),
	source_kind,
	source_path,
	health,
	problems,
	coalesce(floor(extract(epoch FROM added_at))::bigint, 0),
	coalesce(floor(extract(epoch FROM imaged_at))::bigint, 0),
	coalesce(floor(extract(epoch FROM enum_done))::bigint, 0),
	coalesce(floor(extract(epoch FROM copy_done))::bigint, 0),
	coalesce(floor(extract(epoch FROM archived_at))::bigint, 0),
	coalesce(size_bytes, -1),
	coalesce(load_counts ->> 'inodes', '-1'),
	coalesce(load_counts ->> 'paths', '-1'),
	coalesce(o.open, 0),
	q.*
FROM
	medium m
	LEFT JOIN (
		SELECT
			medium_hash,
			count(*) AS open
		FROM
			omission
		WHERE
			settled_at IS NULL
		GROUP BY
			medium_hash) o ON o.medium_hash = m.medium_hash
	LEFT JOIN (
		SELECT
			r.medium_hash,
			count(*),
			count(*) FILTER (WHERE NOT done
					AND worker IS NULL
					AND (next_attempt_at IS NULL
					OR next_attempt_at <= now())),
			count(*) FILTER (WHERE NOT done
				AND worker IS NOT NULL),
			count(*) FILTER (WHERE NOT done
				AND worker IS NULL
				AND next_attempt_at > now()),
			sum(inodes),
			coalesce(sum(inodes) FILTER (WHERE NOT done), 0),
			sum(bytes),
			coalesce(sum(bytes) FILTER (WHERE NOT done), 0)
		FROM
			work_range r
		JOIN medium u ON u.medium_hash = r.medium_hash
			AND u.copy_done IS NULL
	GROUP BY
		r.medium_hash) q ON q.medium_hash = m.medium_hash
ORDER BY
	m.added_at DESC,
	m.medium_hash;

-- Copiers, what each has done and claimed, and whether it lives.
PREPARE dashboard_workers AS
SELECT
	w.id,
	name,
	host,
	pid,
	medium_hash,
	coalesce(floor(extract(epoch FROM since))::bigint, 0),
	coalesce(floor(extract(epoch FROM heartbeat))::bigint, 0),
	files,
	bytes,
	new,
	deduplicated,
	errors,
	coalesce(c.inodes, 0),
	l.id IS NOT NULL
FROM
	worker w
	LEFT JOIN live_worker l USING (id)
	LEFT JOIN (
		SELECT
			worker,
			sum(inodes) AS inodes
		FROM
			work_range
		WHERE
			worker IS NOT NULL
			AND NOT done
		GROUP BY
			worker) c ON c.worker = w.id
ORDER BY
	host,
	w.id;

-- What was copied of each medium today, and since the day before today.
PREPARE dashboard_work AS
SELECT
	medium_hash,
	coalesce(sum(files) FILTER (WHERE minute >= date_trunc('day', now())), 0),
	coalesce(sum(bytes) FILTER (WHERE minute >= date_trunc('day', now())), 0),
	coalesce(sum(new) FILTER (WHERE minute >= date_trunc('day', now())), 0),
	coalesce(sum(new_bytes) FILTER (WHERE minute >= date_trunc('day', now())), 0),
	coalesce(sum(errors) FILTER (WHERE minute >= date_trunc('day', now())), 0),
	coalesce(sum(files), 0),
	coalesce(sum(bytes), 0),
	coalesce(sum(new), 0),
	coalesce(sum(new_bytes), 0),
	coalesce(sum(errors), 0)
FROM
	copy_minute
WHERE
	minute >= date_trunc('day', now()) - interval '1 day'
GROUP BY
	medium_hash
ORDER BY
	medium_hash;

-- What was copied in each of the last five minutes.
PREPARE dashboard_minutes AS
SELECT
	coalesce(floor(extract(epoch FROM minute))::bigint, 0),
	sum(files),
	sum(bytes)
FROM
	copy_minute
WHERE
	minute >= date_trunc('minute', now()) - interval '5 min'
	AND minute < date_trunc('minute', now())
GROUP BY
	1
ORDER BY
	1;

-- The last 50 events.
PREPARE dashboard_events AS
SELECT
	coalesce(floor(extract(epoch FROM at))::bigint, 0),
	medium_hash,
	worker,
	action,
	message,
	dev,
	ino,
	attempt,
	errno
FROM
	diagnostic_event
ORDER BY
	id DESC
LIMIT 50;

-- Copies, as they were counted last: how many there should be, contents with
-- fewer, their bytes, when, how many were stored then; blobs that are not good;
-- places.
PREPARE dashboard_copies AS
SELECT
	c.wanted,
	c.contents,
	c.bytes,
	coalesce(floor(extract(epoch FROM c.counted_at))::bigint, 0),
	c.stored,
	(
		SELECT
			count(*)
		FROM
			blobs
		WHERE
			state <> 'good'),
	(
		SELECT
			count(*)
		FROM
			place)
FROM (
	SELECT) AS always
	LEFT JOIN place_copies c ON TRUE;

-- Nobody waits for a dashboard, and it waits for nobody.
-- statement: dashboard_session
SET statement_timeout = '15s';
SET lock_timeout = '5s';
SET jit = OFF;
