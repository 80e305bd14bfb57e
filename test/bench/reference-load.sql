-- The loading steps of the earlier implementation, from their description:
-- text COPY into a staging table, transfer, patterns, two indexes, inodes by
-- DISTINCT ON, paths, excluded inodes, statistics.  Its tables had their keys
-- while they were filled, and the key of a path was the path.
-- Variables: text (a file for COPY), pattern.
CREATE TABLE staging (type text, dev bigint, ino bigint, nlink bigint,
	size bigint, mtime bigint, path text);
\copy staging FROM PROGRAM 'cat "$NTT_BENCH_TEXT"'
CREATE TABLE r_inode (medium_hash text, dev bigint, ino bigint, nlink bigint,
	size bigint, mtime bigint, fs_type text, blobid text,
	status text DEFAULT 'pending', copied boolean DEFAULT false,
	claimed_by text, PRIMARY KEY (medium_hash, dev, ino));
CREATE TABLE r_path (medium_hash text, dev bigint, ino bigint, path bytea,
	exclude_reason text, PRIMARY KEY (medium_hash, path),
	FOREIGN KEY (medium_hash, dev, ino) REFERENCES r_inode);
CREATE TABLE working (medium_hash text, type text, dev bigint, ino bigint,
	nlink bigint, size bigint, mtime bigint, path bytea, exclude_reason text);
INSERT INTO working
	SELECT '00000000000000000000000000000001', type, dev, ino, nlink, size,
		mtime, convert_to(path, 'UTF8'), NULL
	FROM staging;
UPDATE working SET exclude_reason = 'pattern'
	WHERE encode(path, 'escape') ~ :'pattern';
CREATE INDEX working_inode ON working (medium_hash, dev, ino);
CREATE INDEX working_excluded ON working (exclude_reason);
INSERT INTO r_inode (medium_hash, dev, ino, nlink, size, mtime, fs_type)
	SELECT DISTINCT ON (medium_hash, dev, ino) medium_hash, dev, ino, nlink,
		size, mtime, type
	FROM working ORDER BY medium_hash, dev, ino;
INSERT INTO r_path
	SELECT medium_hash, dev, ino, path, exclude_reason FROM working
	ON CONFLICT DO NOTHING;
UPDATE r_inode i SET status = 'EXCLUDED', copied = true
	WHERE NOT EXISTS (SELECT FROM r_path p
		WHERE p.medium_hash = i.medium_hash AND p.dev = i.dev
		AND p.ino = i.ino AND p.exclude_reason IS NULL);
ANALYZE r_inode;
ANALYZE r_path;
DROP TABLE staging, working;
