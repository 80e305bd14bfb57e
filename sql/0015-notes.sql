-- Version 15: what people know: inventories, and lists of known contents.

-- What an inventory says of a medium (box, shelf, donor, …), as
-- [["Box", "7"], …] in the order of its columns; NULL is nothing.
ALTER TABLE medium ADD inventory jsonb;

-- Lists that were compared with the contents (ntt-db known).
CREATE TABLE known_list (
	list		text PRIMARY KEY,
	file		text NOT NULL,
	read_at		timestamptz NOT NULL DEFAULT now(),
	hashes		bigint NOT NULL,
	-- lines without a hash
	left_out	bigint NOT NULL
);

-- The contents that a list was compared with.  Others came later, or have none
-- of the digests that the list has: nobody knows whether the list knows them.
CREATE TABLE known_content (
	list		text NOT NULL REFERENCES known_list
			ON UPDATE CASCADE ON DELETE CASCADE,
	blobid		text NOT NULL REFERENCES blobs ON DELETE CASCADE,
	known		boolean NOT NULL,
	PRIMARY KEY (list, blobid)
);
CREATE INDEX known_content_idx ON known_content (blobid);
