-- ntt-each
--
-- Statements on one medium: \set medium HASH and \i sql/medium.sql first.

-- What was chosen, and what of it is to be done.
-- statement: each_begin
CREATE TEMPORARY TABLE each_chosen (
	blobid text PRIMARY KEY
);
CREATE TEMPORARY TABLE each_todo (
	blobid text PRIMARY KEY
);

-- Contents $1 are chosen.
PREPARE each_choose AS
INSERT INTO each_chosen
SELECT
	unnest($1::text[])
ON CONFLICT (blobid)
	DO NOTHING;

-- The next thing to be done begins from nothing.
-- statement: each_reset
TRUNCATE each_todo;
ANALYZE each_chosen;

-- After the plan below.
-- statement: each_planned
ANALYZE each_todo;

-- To be done: what was chosen and has no answer of tool $1 in version $2, or for
-- $5 'mime' no MIME type, for 'text' no words; with $3 also what has failed,
-- with $4 everything.
PREPARE each_plan AS
INSERT INTO each_todo
SELECT
	c.blobid
FROM
	each_chosen c
WHERE
	$4::boolean
	OR NOT CASE $5::text
	WHEN 'mime' THEN
		EXISTS (
			SELECT
			FROM
				blobs b
			WHERE
				b.blobid = c.blobid
				AND b.mime_type IS NOT NULL)
	WHEN 'text' THEN
		EXISTS (
			SELECT
			FROM
				content_text t
			WHERE
				t.blobid = c.blobid)
	ELSE
		EXISTS (
			SELECT
			FROM
				content_fact f
			WHERE
				f.blobid = c.blobid
				AND f.tool = $1
				AND f.version = $2
				AND f.exit = 0)
	END
	AND NOT EXISTS (
		SELECT
		FROM
			content_fact f
		WHERE
			f.blobid = c.blobid
			AND f.tool = $1
			AND f.version = $2
			AND f.exit <> 0
			AND NOT $3::boolean);

-- How many contents were chosen, are to be done, and of how many bytes; how
-- many of the others tool $1 in version $2 has failed at.
PREPARE each_sums AS
SELECT
	(
		SELECT
			count(*)
		FROM
			each_chosen),
	count(*),
	coalesce(sum(b.size), 0),
(
		SELECT
			count(*)
		FROM
			each_chosen c
			JOIN content_fact f USING (blobid)
		WHERE
			f.tool = $1
			AND f.version = $2
			AND f.exit <> 0
			AND NOT EXISTS (
				SELECT
				FROM
					each_todo t
				WHERE
					t.blobid = c.blobid))
FROM
	each_todo
	LEFT JOIN blobs b USING (blobid);

-- The next 500 after $1: size, MIME type, whether they have a row, and whether
-- they were seen to be right in the last $2 days.
PREPARE each_next AS
SELECT
	t.blobid,
	b.size,
	b.mime_type,
	b.blobid IS NOT NULL,
	coalesce(b.state = 'good'
		AND greatest(b.last_checked, b.created_at) > now() - $2::double precision * interval '1 day', FALSE)
FROM (
	SELECT
		blobid
	FROM
		each_todo
	WHERE
		blobid > $1
	ORDER BY
		blobid
	LIMIT 500) AS t
	LEFT JOIN blobs b ON b.blobid = t.blobid
ORDER BY
	t.blobid;

-- Answers of tool $1 in version $2.  Contents that were removed meanwhile get
-- none.
PREPARE each_answers AS
INSERT INTO content_fact(blobid, tool, version, exit, signal, timed_out, seconds, output, output_bytes, errors)
SELECT
	u.blobid,
	$1,
	$2,
	u.exit,
	nullif(u.signal, 0),
	u.timed_out = 1,
	u.ms / 1000.0,
	u.output,
	u.output_bytes,
	u.errors
FROM
	unnest($3::text[], $4::integer[], $5::integer[], $6::integer[], $7::integer[], $8::bytea[], $9::bigint[], $10::bytea[]) AS u(blobid, exit, signal, timed_out, ms, output, output_bytes, errors)
	JOIN blobs b ON b.blobid = u.blobid
ORDER BY
	u.blobid
FOR KEY SHARE OF b
ON CONFLICT (blobid,
	tool,
	version)
	DO UPDATE SET
		at = excluded.at,
		exit = excluded.exit,
		signal = excluded.signal,
		timed_out = excluded.timed_out,
		seconds = excluded.seconds,
		output = excluded.output,
		output_bytes = excluded.output_bytes,
		errors = excluded.errors;

-- Contents $2 have been done after all: tool $1 has not failed at them.
PREPARE each_forget AS
DELETE FROM content_fact
WHERE tool = $1
	AND blobid = ANY ($2::text[]);

-- MIME types $2 of contents $1, in the order of the ids, like copiers.
PREPARE each_types AS
UPDATE
	blobs b
SET
	mime_type = u.mime_type
FROM (
	SELECT
		k.blobid,
		n.mime_type
	FROM
		blobs k
		JOIN unnest($1::text[], $2::text[]) AS n(blobid, mime_type) ON n.blobid = k.blobid
	ORDER BY
		k.blobid
	FOR NO KEY UPDATE OF k) AS u
WHERE
	b.blobid = u.blobid;

-- Contents of a medium have the MIME types that copiers found.
PREPARE each_learn AS
UPDATE
	blobs b
SET
	mime_type = u.mime_type
FROM (
	SELECT
		k.blobid,
		n.mime_type
	FROM
		blobs k
		JOIN (
			SELECT
				i.blobid,
				min(i.mime_type) AS mime_type
			FROM
				:"inode" i
			WHERE
				i.fs_type = 'f'
				AND i.blobid IS NOT NULL
				AND i.mime_type IS NOT NULL
			GROUP BY
				i.blobid) n ON n.blobid = k.blobid
		WHERE
			k.mime_type IS NULL
		ORDER BY
			k.blobid
		FOR NO KEY UPDATE OF k) AS u
WHERE
	b.blobid = u.blobid
	AND b.mime_type IS NULL;

-- Files of a medium have the MIME types of their contents; with $1 also those
-- that had another.
PREPARE each_teach AS
UPDATE
	:"inode" i
SET
	mime_type = b.mime_type
FROM
	blobs b
WHERE
	i.fs_type = 'f'
	AND b.blobid = i.blobid
	AND b.mime_type IS NOT NULL
	AND (i.mime_type IS NULL
		OR $1::boolean
		AND i.mime_type <> b.mime_type);

-- Texts $3 of contents $1, taken by $2; $4 is 1 where the text was longer.
PREPARE each_texts AS
INSERT INTO content_text(blobid, tool, words, truncated)
SELECT
	u.blobid,
	u.tool,
	w.words,
	u.cut = 1
	OR coalesce(w.truncated, FALSE)
FROM (
	SELECT
		n.*
	FROM
		blobs b
		JOIN unnest($1::text[], $2::text[], $3::text[], $4::integer[]) AS n(blobid, tool, body, cut) ON n.blobid = b.blobid
	ORDER BY
		b.blobid
	FOR KEY SHARE OF b) AS u
	LEFT JOIN LATERAL content_words(u.body) w ON u.body IS NOT NULL
ON CONFLICT (blobid)
	DO UPDATE SET
		tool = excluded.tool,
		at = excluded.at,
		words = excluded.words,
		truncated = excluded.truncated;

-- The next 100 answers of tool $1 in version $2 after content $3.
PREPARE each_show AS
SELECT
	f.blobid,
	f.exit,
	coalesce(f.signal, 0),
	f.timed_out,
	coalesce(f.seconds, 0),
	f.output_bytes,
	f.output,
	f.errors
FROM
	each_chosen c
	JOIN content_fact f ON f.blobid = c.blobid
WHERE
	f.tool = $1
	AND f.version = $2
	AND c.blobid > $3
ORDER BY
	c.blobid
LIMIT 100;
