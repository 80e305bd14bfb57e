-- Twenty questions an operator asks.  Each can be pasted into psql; all of
-- them, with their questions: ntt-db psql -ef diagnostic-queries.sql
-- They read whole tables where they must: not for every five seconds.

-- question: which failures are there, by medium and class?
SELECT medium_hash, status, error_type, count(*) AS inodes, sum(size) AS bytes
FROM inode
WHERE status IN ('failed_retryable', 'failed_permanent')
GROUP BY medium_hash, status, error_type
ORDER BY inodes DESC, medium_hash;

-- question: what do the failures say, most frequent first?
SELECT errors[cardinality(errors)] AS last_error, count(*) AS inodes,
	count(DISTINCT medium_hash) AS media
FROM inode
WHERE status IN ('failed_retryable', 'failed_permanent')
GROUP BY last_error
ORDER BY inodes DESC
LIMIT 20;

-- question: which media have files that lie beyond the end of their image?
SELECT medium_hash, medium_human, size_bytes, image_path
FROM medium
WHERE problems->'beyond_eof_detected' = 'true'
ORDER BY medium_hash;

-- question: where are retry storms?
SELECT i.medium_hash, i.dev, i.ino, i.attempts, i.status, i.next_attempt_at,
	(SELECT encode(p.path, 'escape') FROM path p
	WHERE p.medium_hash = i.medium_hash AND p.dev = i.dev
	AND p.ino = i.ino LIMIT 1) AS path
FROM inode i
WHERE i.attempts > 2
ORDER BY i.attempts DESC, i.medium_hash, i.dev, i.ino
LIMIT 20;

-- question: what did copiers diagnose in the last week?
SELECT medium_hash, action, errno, count(*) AS events, min(at) AS first,
	max(at) AS last
FROM diagnostic_event
WHERE at > now() - interval '7 days'
GROUP BY medium_hash, action, errno
ORDER BY events DESC, medium_hash;

-- question: which files lie over areas that could not be rescued?
SELECT d.medium_hash, d.dev, d.ino, i.size, d.determined,
	(SELECT sum(upper(r) - lower(r)) FROM unnest(d.extents) r) AS lost,
	(SELECT encode(p.path, 'escape') FROM path p
	WHERE p.medium_hash = d.medium_hash AND p.dev = d.dev
	AND p.ino = d.ino LIMIT 1) AS path
FROM inode_damage d LEFT JOIN inode i USING (medium_hash, dev, ino)
ORDER BY lost DESC NULLS LAST, d.medium_hash, d.dev, d.ino
LIMIT 100;

-- question: which partitions were not read, and why?
SELECT medium_hash, number, filesystem, size_bytes, status, reason
FROM medium_partition
WHERE status NOT IN ('ok', 'swap')
ORDER BY size_bytes DESC NULLS LAST, medium_hash, number;

-- question: which media were slowest to copy?
SELECT medium_hash, sum(files) AS files, sum(bytes) AS bytes,
	count(DISTINCT minute) AS minutes,
	round(sum(bytes) / 60 / count(DISTINCT minute)) AS bytes_per_second
FROM copy_minute
GROUP BY medium_hash
ORDER BY bytes_per_second, medium_hash
LIMIT 20;

-- question: how much was copied, day by day?
SELECT date_trunc('day', minute) AS day, sum(files) AS files,
	sum(bytes) AS bytes, sum(new) AS new, sum(new_bytes) AS new_bytes,
	round(sum(bytes) / nullif(sum(new_bytes), 0), 2) AS dedup_ratio,
	sum(errors) AS errors
FROM copy_minute
GROUP BY day
ORDER BY day DESC
LIMIT 31;

-- question: what is left in the queue of each medium?
SELECT medium_hash, count(*) FILTER (WHERE worker IS NULL
		AND (next_attempt_at IS NULL OR next_attempt_at <= now()))
		AS open,
	count(*) FILTER (WHERE worker IS NOT NULL) AS claimed,
	count(*) FILTER (WHERE worker IS NULL AND next_attempt_at > now())
		AS waiting,
	sum(inodes) AS inodes, sum(bytes) AS bytes
FROM work_range
WHERE NOT done
GROUP BY medium_hash
ORDER BY bytes DESC, medium_hash;

-- question: which copiers run, and which are dead?
SELECT w.id, w.host, w.pid, w.medium_hash, w.files, w.bytes, w.errors,
	now() - w.heartbeat AS silent,
	w.id IN (SELECT id FROM live_worker) AS alive
FROM worker w
ORDER BY alive, w.heartbeat;

-- question: which media are loaded and not copied, and nobody works on them?
SELECT m.medium_hash, m.medium_human, m.enum_done,
	(SELECT max(c.minute) FROM copy_minute c
	WHERE c.medium_hash = m.medium_hash) AS last_work
FROM medium m
WHERE m.enum_done IS NOT NULL AND m.copy_done IS NULL
	AND NOT EXISTS (SELECT FROM copy_minute c
		WHERE c.medium_hash = m.medium_hash
		AND c.minute > now() - interval '1 h')
ORDER BY m.enum_done;

-- question: which media are copied and not archived?
SELECT medium_hash, medium_human, copy_done, size_bytes, image_path
FROM medium
WHERE copy_done IS NOT NULL AND archived_at IS NULL
	AND superseded_by IS NULL
ORDER BY copy_done;

-- question: which media are the largest?
SELECT medium_hash, medium_human, (load_counts->>'inodes')::bigint AS inodes,
	(load_counts->>'paths')::bigint AS paths, size_bytes,
	pg_size_pretty(coalesce(pg_total_relation_size(to_regclass(
		quote_ident('inode_p_' || medium_hash))), 0) +
	coalesce(pg_total_relation_size(to_regclass(
		quote_ident('path_p_' || medium_hash))), 0)) AS in_catalogue
FROM medium
ORDER BY inodes DESC NULLS LAST, size_bytes DESC NULLS LAST, medium_hash
LIMIT 20;

-- question: which files are the largest?
SELECT i.medium_hash, i.size, i.status, i.mime_type,
	(SELECT encode(p.path, 'escape') FROM path p
	WHERE p.medium_hash = i.medium_hash AND p.dev = i.dev
	AND p.ino = i.ino LIMIT 1) AS path
FROM inode i
WHERE i.fs_type = 'f'
ORDER BY i.size DESC, i.medium_hash
LIMIT 20;

-- question: which contents are there most often?
SELECT i.blobid, b.size, count(*) AS inodes,
	count(DISTINCT i.medium_hash) AS media,
	b.size * (count(*) - 1) AS saved
FROM inode i JOIN blobs b USING (blobid)
GROUP BY i.blobid, b.size
HAVING count(*) > 1
ORDER BY saved DESC, i.blobid
LIMIT 20;

-- question: which copied media hold nothing that others do not hold too?
WITH held AS (SELECT DISTINCT medium_hash, blobid FROM inode
	WHERE blobid IS NOT NULL),
alone AS (SELECT min(medium_hash) AS medium_hash FROM held
	GROUP BY blobid HAVING count(*) = 1)
SELECT m.medium_hash, m.medium_human, (SELECT count(*) FROM held h
	WHERE h.medium_hash = m.medium_hash) AS contents
FROM medium m
WHERE m.copy_done IS NOT NULL
	AND m.medium_hash IN (SELECT medium_hash FROM held)
	AND m.medium_hash NOT IN (SELECT medium_hash FROM alone)
ORDER BY contents DESC, m.medium_hash;

-- question: which contents have not been verified for longest?
SELECT blobid, size, created_at, last_checked
FROM blobs
ORDER BY last_checked NULLS FIRST, blobid
LIMIT 20;

-- question: which media may be the same disk?
SELECT identity->>'model' AS model, identity->>'serial' AS serial,
	count(*) AS media, array_agg(medium_hash ORDER BY added_at) AS hashes
FROM medium
WHERE identity->>'serial' <> ''
GROUP BY model, serial
HAVING count(*) > 1
ORDER BY media DESC, model, serial;

-- question: what was excluded, by pattern?
SELECT exclude_reason, count(*) AS paths,
	count(DISTINCT medium_hash) AS media
FROM path
WHERE exclude_reason IS NOT NULL
GROUP BY exclude_reason
ORDER BY paths DESC, exclude_reason
LIMIT 50;
