-- Version 14: how many contents have fewer copies than wanted.  Counting them
-- reads all lists of all places, so who does it leaves the figure here, for those
-- who show it.  No row: it was not counted since a place lost something.
CREATE TABLE place_copies (
	one		boolean PRIMARY KEY DEFAULT true CHECK (one),
	wanted		integer NOT NULL,
	contents	bigint NOT NULL,
	bytes		bigint NOT NULL,
	stored		bigint NOT NULL,	-- contents, by copy_minute
	counted_at	timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION place_copies_unknown() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM place_copies;
	RETURN NULL;
END $$;
CREATE TRIGGER place_gone AFTER DELETE ON place
	FOR EACH ROW EXECUTE FUNCTION place_copies_unknown();
CREATE TRIGGER copy_minute_gone AFTER DELETE ON copy_minute
	FOR EACH ROW EXECUTE FUNCTION place_copies_unknown();

-- As before, and the figure is wrong then.
CREATE OR REPLACE FUNCTION place_drop(of text, blobids text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	gone bytea[] := ARRAY (SELECT decode(b, 'hex') FROM unnest(blobids) b);
BEGIN
	PERFORM FROM place WHERE name = of FOR UPDATE;
	UPDATE place_ids p
	SET ids = ARRAY (SELECT i FROM unnest(p.ids) i
		WHERE i NOT IN (SELECT g FROM unnest(gone) g) ORDER BY i)
	WHERE p.place = of AND EXISTS (
		SELECT FROM unnest(p.ids) i JOIN unnest(gone) g ON i = g);
	DELETE FROM place_ids WHERE place = of AND ids = '{}';
	DELETE FROM blob_pack WHERE place = of AND blobid = ANY (blobids);
	DELETE FROM place_copies;
END $$;

-- The copies of every content: those at places, and a good one in the store.
CREATE VIEW content_copies AS
SELECT b.blobid, b.size,
	coalesce(c.n, 0) + (b.state = 'good')::integer AS copies
FROM blobs b LEFT JOIN (SELECT blobid, count(*) AS n FROM place_content
	GROUP BY blobid) AS c ON c.blobid = b.blobid;
