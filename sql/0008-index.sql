-- Version 8: which media hold a content, and what an index of names was made of.

-- A medium whose inodes and paths are here.  Each load, also one that adds, is
-- another row: what was noted of an earlier one is nobody's from then on.
CREATE TABLE loaded (
	id		integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	medium_hash	text NOT NULL UNIQUE,
	-- what an index was made of; no other catalogue has the same
	names		uuid NOT NULL DEFAULT gen_random_uuid()
);

-- The contents of each load, files' and links'; named streams are not among
-- them.  Rows of loads that are gone count for nothing (ntt-reclaim).
CREATE TABLE blob_load (
	blobid		text NOT NULL,
	load		integer NOT NULL,
	PRIMARY KEY (blobid, load)
);

-- A row for each content and medium.
CREATE VIEW blob_medium AS
SELECT b.blobid, l.medium_hash AS medium
FROM blob_load b JOIN loaded l ON l.id = b.load;

-- Notes the contents that inodes of a medium have already.
CREATE FUNCTION catalogue_note_contents(medium text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO blob_load (blobid, load) '
		'SELECT DISTINCT i.blobid, l.id FROM %I i, loaded l '
		'WHERE l.medium_hash = %L AND i.blobid IS NOT NULL '
		'ORDER BY i.blobid ON CONFLICT DO NOTHING',
		'inode_p_' || medium, medium);
END $$;

-- The inodes and paths of a medium are others from now on.
CREATE FUNCTION catalogue_loaded(medium text) RETURNS void
LANGUAGE sql AS $$
	DELETE FROM loaded WHERE medium_hash = medium;
	INSERT INTO loaded (medium_hash) VALUES (medium);
$$;

CREATE OR REPLACE FUNCTION catalogue_attach_partitions(medium text)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	p record;
BEGIN
	PERFORM catalogue_forget_inodes(medium);
	FOR p IN SELECT * FROM catalogue_partitioned() LOOP
		EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I '
			'FOR VALUES IN (%L)', p.parent,
			catalogue_partition_name(p.prefix, medium), medium);
	END LOOP;
	PERFORM catalogue_loaded(medium);
END $$;

CREATE OR REPLACE FUNCTION catalogue_drop_partitions(medium text)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	p record;
BEGIN
	FOR p IN SELECT * FROM catalogue_partitioned() WITH ORDINALITY
		ORDER BY ordinality DESC LOOP
		EXECUTE format('DROP TABLE IF EXISTS %I CASCADE',
			catalogue_partition_name(p.prefix, medium));
	END LOOP;
	PERFORM catalogue_forget_inodes(medium);
	DELETE FROM loaded WHERE medium_hash = medium;
END $$;

-- DROP TABLE inode_p_… CASCADE by hand.
CREATE OR REPLACE FUNCTION catalogue_drop_along() RETURNS event_trigger
LANGUAGE plpgsql AS $$
DECLARE
	dropped record;
	of_prefix text;
BEGIN
	FOR dropped IN SELECT schema_name, substr(object_name, 9) AS medium
		FROM pg_event_trigger_dropped_objects()
		WHERE object_type = 'table' AND NOT is_temporary
		AND object_name LIKE 'inode\_p\_%' LOOP
		FOREACH of_prefix IN ARRAY '{xattr_p_,stream_p_}'::text[] LOOP
			EXECUTE format('DROP TABLE IF EXISTS %I.%I',
				dropped.schema_name, catalogue_partition_name(
				of_prefix, dropped.medium));
		END LOOP;
		IF dropped.schema_name <> 'replacement' THEN
			EXECUTE format('DELETE FROM %I.loaded '
				'WHERE medium_hash = $1', dropped.schema_name)
				USING dropped.medium;
		END IF;
	END LOOP;
END $$;

-- Media that are loaded already.
INSERT INTO loaded (medium_hash)
SELECT substr(c.relname, 9)
FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
WHERE h.inhparent = 'inode'::regclass;
INSERT INTO blob_load (blobid, load)
SELECT DISTINCT i.blobid, l.id
FROM inode i JOIN loaded l USING (medium_hash)
WHERE i.blobid IS NOT NULL
ORDER BY 1, 2;
ANALYZE blob_load;
