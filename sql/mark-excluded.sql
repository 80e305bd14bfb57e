-- ntt-mark-excluded.  All of it happens in one transaction; the table "excluding"
-- holds the names that are to change.
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- A name that is to change, and the number of its pattern.  (BEGIN first.)
-- statement: mark_excluded_begin
CREATE TEMPORARY TABLE EXCLUDING (
	tid tid,
	dev bigint,
	ino bigint,
	pattern integer
) ON COMMIT DROP;

-- Adds names; the arrays go together.
PREPARE mark_excluded_add AS
INSERT INTO EXCLUDING
SELECT
	*
FROM
	unnest($1::tid[], $2::bigint[], $3::bigint[], $4::integer[]);

-- The names of a medium that are excluded.
-- statement: mark_excluded_excluded
DECLARE excluded_names NO SCROLL CURSOR FOR
	SELECT
		ctid,
		dev,
		ino,
		path
	FROM
		:"path"
	WHERE
		exclude_reason IS NOT NULL;

-- The names of a medium that are not, of files that are not copied.
-- statement: mark_excluded_included
DECLARE included_names NO SCROLL CURSOR FOR
	SELECT
		p.ctid,
		p.dev,
		p.ino,
		p.path
	FROM
		:"path" p
		JOIN :"inode" i ON i.dev = p.dev
			AND i.ino = p.ino
	WHERE
		p.exclude_reason IS NULL
		AND i.status <> 'success';

-- How many inodes would be included again.
PREPARE mark_excluded_would_include AS
SELECT
	count(*)
FROM
	:"inode" i
WHERE
	status = 'excluded'
	AND EXISTS (
		SELECT
		FROM
			EXCLUDING e
		WHERE
			e.dev = i.dev
			AND e.ino = i.ino);

-- How many inodes would be excluded: those of which no name is left.
PREPARE mark_excluded_would_exclude AS
SELECT
	count(*)
FROM
	:"inode" i
	JOIN (
		SELECT
			dev,
			ino,
			count(*) AS n
		FROM
			EXCLUDING
		GROUP BY
			1,
			2) AS e USING (dev, ino)
WHERE
	i.status <> 'excluded'
	AND e.n =(
		SELECT
			count(*)
		FROM
			:"path" p
		WHERE
			p.dev = e.dev
			AND p.ino = e.ino
			AND p.exclude_reason IS NULL);

-- Excludes the names; $1 are the patterns.
PREPARE mark_excluded_paths AS
UPDATE
	:"path" p
SET
	exclude_reason =($1::text[])[e.pattern + 1]
FROM
	EXCLUDING e
WHERE
	p.ctid = e.tid;

-- Excludes the inodes that have no name left and are not copied.
PREPARE mark_excluded_inodes AS
UPDATE
	:"inode" i
SET
	status = 'excluded',
	next_attempt_at = NULL
FROM ( SELECT DISTINCT
		dev,
		ino
	FROM
		EXCLUDING) AS e
WHERE
	i.dev = e.dev
	AND i.ino = e.ino
	AND i.status NOT IN ('success', 'excluded')
	AND NOT EXISTS (
		SELECT
		FROM
			:"path" p
		WHERE
			p.dev = e.dev
			AND p.ino = e.ino
			AND p.exclude_reason IS NULL);

-- How many of the names are of files that are copied.
PREPARE mark_excluded_unlinked AS
SELECT
	count(*)
FROM
	EXCLUDING e
	JOIN :"inode" i USING (dev, ino)
WHERE
	i.status = 'success';

-- Includes the names again.
PREPARE mark_excluded_include_paths AS
UPDATE
	:"path" p
SET
	exclude_reason = NULL
FROM
	EXCLUDING e
WHERE
	p.ctid = e.tid;

-- Includes the inodes of the names again.
PREPARE mark_excluded_include_inodes AS
UPDATE
	:"inode" i
SET
	status = CASE WHEN fs_type IN ('d', 'b', 'c', 'p', 's') THEN
		'non_file'
	ELSE
		'pending'
	END::inode_status,
	attempts = 0,
	next_attempt_at = NULL
FROM ( SELECT DISTINCT
		dev,
		ino
	FROM
		EXCLUDING) AS e
WHERE
	i.dev = e.dev
	AND i.ino = e.ino
	AND i.status = 'excluded';

-- 1 if anything of the medium is pending.
PREPARE mark_excluded_pending AS
SELECT
	EXISTS (
		SELECT
		FROM
			:"inode"
		WHERE
			status = 'pending')::integer;

-- Opens the ranges of medium $1 that the inodes are in.  Directories are
-- made when their range is worked on again.
PREPARE mark_excluded_ranges AS
UPDATE
	work_range w
SET
	done = FALSE,
	directories = FALSE
WHERE
	medium_hash = $1
	AND EXISTS (
		SELECT
		FROM
			EXCLUDING e
		WHERE
			e.dev = w.dev
			AND e.ino BETWEEN w.first_ino AND w.last_ino);

-- Medium $1 is no longer copied.
PREPARE mark_excluded_reopen AS
UPDATE
	medium
SET
	copy_done = NULL
WHERE
	medium_hash = $1;

-- Locks the row of medium $1.  Is it archived?
PREPARE mark_excluded_lock_medium AS
SELECT
	archived_at IS NOT NULL
FROM
	medium
WHERE
	medium_hash = $1
FOR UPDATE;

-- No name is added while this lasts.
-- statement: mark_excluded_lock
LOCK TABLE :"path" IN SHARE ROW EXCLUSIVE MODE;
