-- Version 4: stores that heal, media that were removed.

-- private: what is stored is for the owner and the group alone.
ALTER TABLE catalogue ADD private boolean NOT NULL DEFAULT false;

-- When the file of a blob was last replaced by one with the right bytes.  A
-- copier whose links were made before that makes them again.
ALTER TABLE blobs ADD healed_at timestamptz;
CREATE INDEX blobs_healed_idx ON blobs (healed_at) WHERE healed_at IS NOT NULL;

-- Blobs that nothing uses.  A file, the target of a link and a named stream are
-- uses; the empty content is always used.
CREATE VIEW unused_blob AS
SELECT b.blobid, b.size, b.created_at
FROM blobs b
WHERE b.blobid <>
	'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
	AND NOT EXISTS (SELECT FROM inode i WHERE i.blobid = b.blobid)
	AND NOT EXISTS (SELECT FROM inode_stream s WHERE s.blobid = b.blobid);

-- Media, and single contents, that a person took out of the collection.
CREATE TABLE removal (
	id		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	medium_hash	text,		-- NULL: a content
	medium_human	text,
	blobid		text,		-- NULL: a medium
	source_path	text,
	removed_at	timestamptz NOT NULL DEFAULT now(),
	removed_by	text NOT NULL,
	reason		text,
	inodes		bigint NOT NULL,
	paths		bigint NOT NULL,
	only_there	bigint NOT NULL,	-- contents of no other medium
	only_bytes	bigint NOT NULL,
	archive_path	text,			-- NULL: there is none, or not any more
	CHECK ((medium_hash IS NULL) <> (blobid IS NULL))
);
CREATE INDEX removal_medium_idx ON removal (medium_hash);
