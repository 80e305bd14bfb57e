-- ntt-identify

-- The media that have $1 as hash, or $2 or $3 as a hash of another kind.
PREPARE identify_match AS
SELECT
	medium_hash,
	medium_human,
	medium_hash = $1 AS current
FROM
	medium
WHERE
	medium_hash IN ($1, $2, $3)
	OR identity ->> 'v1' = $2
	OR identity ->> 'v2_image' = $3
ORDER BY
	CURRENT DESC,
	medium_hash;

-- See ntt-identify(1), --match.
PREPARE identify_known AS
SELECT
	medium_hash,
	fingerprint,
	fingerprint_file,
	image_path,
	archive_path,
	copy_done IS NOT NULL,
	root,
	state_number,
	fingerprint_places,
	imaged_at,
	follows
FROM
	medium
WHERE
	medium_hash = $1
	OR name_base = $1
	OR identity ->> 'v2_image' = $2
ORDER BY
	added_at;

-- Keeps the fingerprint $2 of medium $1.
PREPARE identify_fingerprint AS
UPDATE
	medium
SET
	fingerprint = $2
WHERE
	medium_hash = $1;
