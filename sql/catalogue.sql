-- What every program asks the catalogue: which medium a name means, and what is
-- left out of one.

-- What is left out of medium $1, what failed, what is damaged, what of it
-- was accepted.
PREPARE account_sums AS
SELECT
	omissions,
	failed,
	damaged,
	accepted
FROM
	catalogue_account($1);

-- What is left out of medium $1, by kind.
PREPARE account_kinds AS
SELECT
	kind,
	count(*)
FROM
	omission
WHERE
	medium_hash = $1
	AND settled_at IS NULL
GROUP BY
	kind
ORDER BY
	count(*) DESC,
	kind;

-- Is all that is left out of medium $1, which was rescued whole, that there is no
-- file system on it?
PREPARE account_bits_only AS
SELECT
	coalesce(m.health, 'ok') = 'ok'
	AND a.failed = 0
	AND a.damaged = 0
	AND a.omissions = 1
	AND EXISTS (
		SELECT
		FROM
			omission o
		WHERE
			o.medium_hash = m.medium_hash
			AND o.kind = 'bits_only'
			AND o.settled_at IS NULL)
FROM
	medium m,
	catalogue_account(m.medium_hash) a
WHERE
	m.medium_hash = $1;

-- Something is left out: see catalogue_omit() of the schema.
PREPARE account_omit AS
SELECT
	catalogue_omit($1, $2, $3, NULL, NULL, $4, $5, $6, $7, $8);

-- What $2 left out of medium $1 before $3 it leaves out no more.
PREPARE account_settle AS
UPDATE
	omission
SET
	settled_at = now(),
	settled_by = $2
WHERE
	medium_hash = $1
	AND seen_by = $2
	AND settled_at IS NULL
	AND seen_at < $3::timestamptz;

-- All media that are loaded.
PREPARE medium_all_loaded AS
SELECT
	medium_hash
FROM
	medium
WHERE
	to_regclass(quote_ident('inode_p_' || medium_hash)) IS NOT NULL
ORDER BY
	medium_hash;

-- Media whose title, or else name, is $1.
PREPARE medium_by_title AS
SELECT
	medium_hash
FROM
	medium
WHERE
	coalesce(title, medium_human) = $1
ORDER BY
	added_at;

-- Media whose hash begins with $1.
PREPARE medium_by_prefix AS
SELECT
	medium_hash
FROM
	medium
WHERE
	starts_with(medium_hash, $1)
ORDER BY
	medium_hash;

-- Media that were taken from $1, in their latest state.
PREPARE medium_by_path AS
SELECT
	medium_hash
FROM
	medium m
WHERE
	$1 IN (source_path, image_path)
	AND NOT EXISTS (
		SELECT
		FROM
			medium n
		WHERE
			n.follows = m.medium_hash)
ORDER BY
	added_at;

-- Media whose message has all words of $1.
PREPARE medium_by_words AS
SELECT
	medium_hash
FROM
	medium
WHERE
	regexp_split_to_array(lower(message), '[^[:alnum:]]+') @> regexp_split_to_array(regexp_replace(lower($1), '^[^[:alnum:]]+|[^[:alnum:]]+$', '', 'g'), '[^[:alnum:]]+')
ORDER BY
	added_at;

-- The medium that was added last.
PREPARE medium_last AS
SELECT
	medium_hash
FROM
	medium
ORDER BY
	added_at DESC,
	medium_hash
LIMIT 1;

-- Medium $1; the columns are those of struct medium, in the order of its
-- enum column.
PREPARE medium AS
SELECT
	medium_hash,
	medium_human,
	title,
	message,
	source_kind,
	source_path,
	image_path,
	archive_path,
	health,
	fs_type,
	added_at,
	imaged_at,
	enum_done,
	copy_done,
	archived_at,
	name_base,
	fingerprint,
	fingerprint_file,
	root,
	listing,
	listed_at,
	follows,
	state_number,
	size_bytes,
	load_counts ->> 'records',
	restricted,
	inventory
FROM
	medium
WHERE
	medium_hash = $1;

-- The migrations that were applied.
-- statement: catalogue_versions
CREATE TABLE IF NOT EXISTS schema_version(
	version integer PRIMARY KEY,
	applied_at timestamptz NOT NULL DEFAULT now()
);

-- The id of the catalogue, and whether it ever had anything in root $1.
PREPARE store_mark AS
SELECT
	c.id,
	EXISTS (
		SELECT
		FROM
			store_mark
		WHERE
			root = $1)
	OR $1 = 'BYHASH_ROOT'
	AND EXISTS (
		SELECT
		FROM
			blobs),
	c.private
FROM
	catalogue c;

-- Root $1 bears the mark of the catalogue.
PREPARE store_mark_add AS
INSERT INTO store_mark(root)
	VALUES ($1)
ON CONFLICT
	DO NOTHING;

-- A hundred blobs that must be there, by lot.
PREPARE store_mark_sample AS
SELECT
	blobid
FROM
	blobs
WHERE
	state = 'good'
ORDER BY
	random()
LIMIT 100;

-- Who removed medium $1, unless it was added since.
PREPARE medium_removed AS
SELECT
	'on ' || r.removed_at::date || ' by ' || r.removed_by || coalesce(' (' || r.reason || ')', '')
FROM
	removal r
WHERE
	r.medium_hash = $1
	AND NOT EXISTS (
		SELECT
		FROM
			medium m
		WHERE
			m.medium_hash = $1
			AND m.added_at > r.removed_at)
ORDER BY
	r.removed_at DESC
LIMIT 1;

-- Blob $1 was found in state $2.
PREPARE content_mark AS
UPDATE
	blobs
SET
	state = $2::text::blob_state
WHERE
	blobid = $1
	AND state <> $2::text::blob_state;
