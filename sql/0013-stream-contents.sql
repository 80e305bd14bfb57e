-- Version 13: media hold the contents of their named streams, too.

CREATE OR REPLACE FUNCTION catalogue_note_contents(medium text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO blob_load (blobid, load) '
		'SELECT c.blobid, l.id FROM (SELECT blobid FROM %I '
		'UNION SELECT blobid FROM %I) c, loaded l '
		'WHERE l.medium_hash = %L AND c.blobid IS NOT NULL '
		'ORDER BY c.blobid ON CONFLICT DO NOTHING',
		catalogue_partition_name('inode_p_', medium),
		catalogue_partition_name('stream_p_', medium), medium);
END $$;

INSERT INTO blob_load (blobid, load)
SELECT DISTINCT s.blobid, l.id
FROM inode_stream s JOIN loaded l USING (medium_hash)
WHERE s.blobid IS NOT NULL
ON CONFLICT DO NOTHING;
