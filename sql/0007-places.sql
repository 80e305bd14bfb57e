-- Version 5: places, which are other stores with copies of what this one has.

CREATE TABLE place (
	name		text PRIMARY KEY
			CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,31}$'),
	kind		text NOT NULL CHECK (kind IN ('directory', 'rclone')),
	url		text NOT NULL,	-- a path, as files' names are written
	clear		boolean NOT NULL DEFAULT true,	-- not encrypted
	mark		text NOT NULL UNIQUE,	-- the id in its .ntt-store
	added_at	timestamptz NOT NULL DEFAULT now(),
	last_seen	timestamptz,
	last_mirrored	timestamptz,	-- to the end
	last_checked	timestamptz,	-- all of it
	dump_of		text	-- catalogue_fingerprint() of the dump it has
);

-- What a place holds: sorted lists of some thousand ids, 36 bytes each.  A list
-- is added for each batch that is durable there; small ones are joined.
CREATE TABLE place_ids (
	id		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	place		text NOT NULL REFERENCES place
			ON UPDATE CASCADE ON DELETE CASCADE,
	ids		bytea[] NOT NULL
);
CREATE INDEX place_ids_place_idx ON place_ids (place);
-- hashes do not compress
ALTER TABLE place_ids ALTER ids SET STORAGE EXTERNAL;

-- Remote places have packs, plain tar files of blobs, each with its index as an
-- object beside; what is here can be made of those again.
CREATE TABLE pack (
	place		text NOT NULL REFERENCES place
			ON UPDATE CASCADE ON DELETE CASCADE,
	name		text NOT NULL,
	PRIMARY KEY (place, name)
);

CREATE TABLE blob_pack (
	place		text NOT NULL,
	blobid		text NOT NULL,
	pack		text NOT NULL,
	start		bigint NOT NULL,
	size		bigint NOT NULL,
	PRIMARY KEY (place, blobid),
	FOREIGN KEY (place, pack) REFERENCES pack
		ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX blob_pack_pack_idx ON blob_pack (place, pack);

CREATE VIEW place_content AS
SELECT p.place, encode(i.id, 'hex') AS blobid
FROM place_ids p, unnest(p.ids) i (id)
UNION ALL
SELECT place, blobid FROM blob_pack;

-- Archives and other files there, as they were sent and read back.
CREATE TABLE place_file (
	place		text NOT NULL REFERENCES place
			ON UPDATE CASCADE ON DELETE CASCADE,
	name		text NOT NULL,		-- below the place
	size		bigint NOT NULL,
	source_mtime	bigint NOT NULL,	-- nanoseconds since the epoch
	blake3		text NOT NULL,
	PRIMARY KEY (place, name)
);

-- Lists change only while the row of the place is locked, so that none is lost
-- to who joins them.
CREATE FUNCTION place_add(of text, blobids text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM place WHERE name = of FOR UPDATE;
	INSERT INTO place_ids (place, ids)
	SELECT of, array_agg(decode(b, 'hex') ORDER BY b COLLATE "C")
	FROM unnest(blobids) b
	HAVING count(*) > 0;
END $$;

CREATE FUNCTION place_drop(of text, blobids text[]) RETURNS void
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
END $$;

CREATE FUNCTION place_join(of text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM place WHERE name = of FOR UPDATE;
	IF (SELECT count(*) < 32 FROM place_ids
		WHERE place = of AND cardinality(ids) < 2048) THEN
		RETURN;
	END IF;
	WITH small AS (
		DELETE FROM place_ids
		WHERE place = of AND cardinality(ids) < 2048
		RETURNING ids
	), numbered AS (
		SELECT DISTINCT ON (i) i, dense_rank() OVER (ORDER BY i) AS n
		FROM small, unnest(ids) i
	)
	INSERT INTO place_ids (place, ids)
	SELECT of, array_agg(i ORDER BY i) FROM numbered GROUP BY n / 4096;
END $$;

-- Changes whenever rows do that a dump is made for.  The server counts what a
-- session did when that ends, or a second later, and begins anew after a crash.
CREATE FUNCTION catalogue_fingerprint() RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT md5(string_agg(format('%s %s %s %s', relname, n_tup_ins,
		n_tup_upd, n_tup_del), ',' ORDER BY relname))
	FROM pg_stat_user_tables
	WHERE relname !~ '^place|pack$|^worker$|^store_mark$'
		AND schemaname = current_schema()
$$;
