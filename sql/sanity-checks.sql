-- Every invariant of the catalogue as a query that returns no row when it
-- holds.  ntt-db check runs them all; each can be pasted into psql.
-- The line before a query names the invariant.

-- check: every blobid of an inode has its row in blobs
SELECT i.medium_hash, i.dev, i.ino, i.blobid
FROM inode i LEFT JOIN blobs b USING (blobid)
WHERE i.blobid IS NOT NULL AND b.blobid IS NULL;

-- check: every blobid of a stream has its row in blobs
SELECT s.medium_hash, s.dev, s.ino, s.name, s.blobid
FROM inode_stream s LEFT JOIN blobs b USING (blobid)
WHERE s.blobid IS NOT NULL AND b.blobid IS NULL;

-- check: what is known of an inode has an inode
SELECT x.medium_hash, x.dev, x.ino, x.name
FROM (SELECT medium_hash, dev, ino, name FROM inode_xattr
	UNION ALL SELECT medium_hash, dev, ino, name FROM inode_stream) x
	LEFT JOIN inode i USING (medium_hash, dev, ino)
WHERE i.ino IS NULL;

-- check: the blob of a regular file has the size that was read
SELECT i.medium_hash, i.dev, i.ino, i.size, b.size AS blob_size
FROM inode i JOIN blobs b USING (blobid)
WHERE i.fs_type = 'f' AND i.status = 'success' AND i.size <> b.size
	AND NOT EXISTS (SELECT FROM unnest(i.errors) e WHERE e LIKE 'drift:%'
		OR e LIKE 'unstable:%');

-- check: every inode has a path
SELECT i.medium_hash, i.dev, i.ino
FROM inode i
WHERE NOT EXISTS (SELECT FROM path p WHERE p.medium_hash = i.medium_hash
	AND p.dev = i.dev AND p.ino = i.ino);

-- check: no path stands twice in a medium
SELECT medium_hash, path, count(*)
FROM path GROUP BY medium_hash, path HAVING count(*) > 1;

-- check: every path has its directory
SELECT medium_hash, path, dir
FROM path WHERE dir IS DISTINCT FROM catalogue_dir(path);

-- check: an excluded inode has no path that is not excluded
SELECT i.medium_hash, i.dev, i.ino
FROM inode i
WHERE i.status = 'excluded' AND EXISTS (SELECT FROM path p
	WHERE p.medium_hash = i.medium_hash AND p.dev = i.dev
	AND p.ino = i.ino AND p.exclude_reason IS NULL);

-- check: nothing is pending in a medium that says copy_done
SELECT m.medium_hash, m.copy_done
FROM medium m
WHERE m.copy_done IS NOT NULL AND EXISTS (SELECT FROM inode i
	WHERE i.medium_hash = m.medium_hash AND i.status = 'pending');

-- check: a medium with rows says enum_done
SELECT DISTINCT i.medium_hash
FROM inode i LEFT JOIN medium m USING (medium_hash)
WHERE m.enum_done IS NULL;

-- check: an archived medium was copied
SELECT medium_hash, archived_at, copy_done
FROM medium
WHERE archived_at IS NOT NULL AND copy_done IS NULL;

-- check: partitions come in pairs and are attached
SELECT c.relname
FROM pg_class c
WHERE c.relkind = 'r' AND c.relname ~ '^(inode|path|xattr|stream)_p_'
	AND NOT EXISTS (
	SELECT FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent
	WHERE h.inhrelid = c.oid
	AND p.relname IN ('inode', 'path', 'inode_xattr', 'inode_stream'));

-- check: path partitions have their key and its index
SELECT c.relname
FROM pg_class c
WHERE c.relkind = 'r' AND c.relname ~ '^path_p_' AND NOT (
	EXISTS (SELECT FROM pg_constraint k
		WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.convalidated)
	AND EXISTS (SELECT FROM pg_index x JOIN pg_class n ON n.oid = x.indexrelid
		WHERE x.indrelid = c.oid AND n.relname LIKE '%fk\_idx'));

-- check: a range of work that is done holds nothing pending
SELECT w.medium_hash, w.number
FROM work_range w
WHERE w.done AND EXISTS (SELECT FROM inode i
	WHERE i.medium_hash = w.medium_hash AND i.status = 'pending'
	AND i.dev = w.dev AND i.ino BETWEEN w.first_ino AND w.last_ino);

-- check: health is one of the four words or unknown
SELECT medium_hash, health FROM medium
WHERE health NOT IN ('ok', 'incomplete', 'corrupt', 'failed');

-- check: blob_medium names every medium that holds a content
SELECT medium_hash, blobid
FROM (SELECT medium_hash, blobid FROM inode
	UNION SELECT medium_hash, blobid FROM inode_stream) c
WHERE blobid IS NOT NULL AND NOT EXISTS (SELECT FROM blob_medium m
	WHERE m.blobid = c.blobid AND m.medium = c.medium_hash);

-- check: blob_medium names no other
SELECT m.medium, m.blobid
FROM blob_medium m
WHERE NOT EXISTS (SELECT FROM inode i WHERE i.medium_hash = m.medium
		AND i.blobid = m.blobid)
	AND NOT EXISTS (SELECT FROM inode_stream s
		WHERE s.medium_hash = m.medium AND s.blobid = m.blobid);
