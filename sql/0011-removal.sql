-- Version 11: what is to be deleted at places that were not in reach when a
-- medium was removed everywhere: the contents that only it had.
CREATE TABLE place_removal (
	place		text NOT NULL REFERENCES place
			ON UPDATE CASCADE ON DELETE CASCADE,
	medium_hash	text NOT NULL,
	blobid		text NOT NULL,
	PRIMARY KEY (place, medium_hash, blobid)
);
