-- Version 2: what identifies a medium, what is missing of it, and which
-- stores belong to this catalogue.

-- One row.  Stores and archives carry the id in their file .ntt-store.
CREATE TABLE catalogue (
	id		uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	created_at	timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX catalogue_one_row_idx ON catalogue ((true));
INSERT INTO catalogue DEFAULT VALUES;

-- The roots in which this catalogue has, or had, anything.
CREATE TABLE store_mark (
	root		text PRIMARY KEY,	-- "BYHASH_ROOT" and so on
	marked_at	timestamptz NOT NULL DEFAULT now()
);

-- What was found out about a blob the last time it was looked at.
CREATE TYPE blob_state AS ENUM ('good', 'bad', 'missing', 'unreadable');
ALTER TABLE blobs ADD state blob_state NOT NULL DEFAULT 'good';
CREATE INDEX blobs_not_good_idx ON blobs (blobid) WHERE state <> 'good';

-- name_base is the hash that this medium would have if another medium had not
-- got it first.  A fingerprint says "the same", a hash does not.
ALTER TABLE medium
	ADD title		text,
	ADD name_base		text,
	-- images and devices: BLAKE3 of the whole content
	ADD fingerprint		text CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
	-- device, inode, size, mtime and ctime of the file it was made of
	ADD fingerprint_file	text,
	-- 16 bytes for each place of a device that can be compared
	ADD fingerprint_places	bytea,
	-- directories: which directory of which file system
	ADD root		text,
	-- BLAKE3 over the sorted entries, and when the walk began
	ADD listing		text CHECK (listing ~ '^[0-9a-f]{64}$'),
	ADD listed_at		timestamptz,
	-- the state before this one, and the number of this one
	ADD follows		text REFERENCES medium (medium_hash),
	ADD state_number	integer NOT NULL DEFAULT 1;
CREATE INDEX medium_fingerprint_idx ON medium (fingerprint);
CREATE INDEX medium_name_base_idx ON medium (name_base);

-- unstable: the file changed whenever it was read, and what is stored is what
-- the last reading gave.
-- same_as: the blob of a file that has not changed since the state before, for
-- the copier, which then need not read it.
ALTER TABLE inode
	ADD unstable	boolean,
	ADD same_as	text;

-- Everything that was found or met and is not stored.  path NULL: a whole
-- volume, or the whole medium where partition is NULL too.  An omission is
-- open until settled_at is set: by a program that could do it later, or by a
-- person, who alone gives a reason.
CREATE TABLE omission (
	id		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	medium_hash	text NOT NULL REFERENCES medium ON DELETE CASCADE,
	partition	integer,
	path		bytea,
	dev		bigint,
	ino		bigint,
	kind		text NOT NULL CHECK (kind ~ '^[a-z_]{1,40}$'),
	errno		integer,
	bytes		bigint,
	detail		text,
	seen_by		text NOT NULL,		-- a program
	seen_at		timestamptz NOT NULL DEFAULT now(),
	settled_at	timestamptz,
	settled_by	text,			-- a program or a person
	reason		text,
	CHECK (settled_at IS NULL OR settled_by IS NOT NULL)
);
-- the same thing is met by every walk
CREATE UNIQUE INDEX omission_once_idx ON omission (medium_hash, kind,
	coalesce(partition, -1), md5(coalesce(path, '')));
CREATE INDEX omission_inode_idx ON omission (medium_hash, dev, ino)
	WHERE dev IS NOT NULL;

-- Records one, or brings it up to date.  What a person has settled stays
-- settled; what a program has settled and what is met again is open again.
CREATE FUNCTION catalogue_omit(medium text, of_partition integer,
	of_path bytea, of_dev bigint, of_ino bigint, of_kind text,
	of_errno integer, of_bytes bigint, of_detail text, program text)
RETURNS void
LANGUAGE sql AS $$
	INSERT INTO omission AS o (medium_hash, partition, path, dev, ino,
		kind, errno, bytes, detail, seen_by)
	VALUES (medium, of_partition, of_path, of_dev, of_ino, of_kind,
		of_errno, of_bytes, of_detail, program)
	ON CONFLICT (medium_hash, kind, coalesce(partition, -1),
		md5(coalesce(path, ''))) DO UPDATE
	SET dev = excluded.dev, ino = excluded.ino, errno = excluded.errno,
		bytes = excluded.bytes, detail = excluded.detail,
		seen_by = excluded.seen_by, seen_at = excluded.seen_at,
		settled_at = CASE WHEN o.reason IS NOT NULL
			THEN o.settled_at END,
		settled_by = CASE WHEN o.reason IS NOT NULL
			THEN o.settled_by END
$$;

-- What stands between a medium and "all of it": open omissions, failed inodes
-- and inodes with lost bytes that nobody has accepted; and what somebody has.
CREATE FUNCTION catalogue_account(medium text, OUT omissions bigint,
	OUT failed bigint, OUT damaged bigint, OUT accepted bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
	SELECT count(*) FILTER (WHERE o.settled_at IS NULL),
		count(*) FILTER (WHERE o.reason IS NOT NULL)
	INTO omissions, accepted
	FROM omission o WHERE o.medium_hash = medium;
	SELECT count(*) INTO damaged
	FROM inode_damage d
	WHERE d.medium_hash = medium AND NOT EXISTS (
		SELECT FROM omission o
		WHERE o.medium_hash = medium AND o.dev = d.dev
		AND o.ino = d.ino AND o.kind = 'bytes_lost'
		AND o.settled_at IS NOT NULL);
	failed := 0;
	IF to_regclass(quote_ident('inode_p_' || medium)) IS NULL THEN
		RETURN;
	END IF;
	EXECUTE format('SELECT count(*) FROM %I i '
		'WHERE i.status IN (''failed_retryable'', ''failed_permanent'') '
		'AND NOT EXISTS (SELECT FROM omission o '
			'WHERE o.medium_hash = $1 AND o.dev = i.dev '
			'AND o.ino = i.ino AND o.kind = ''file_failed'' '
			'AND o.settled_at IS NOT NULL)', 'inode_p_' || medium)
	INTO failed USING medium;
END $$;

-- A person accepts what is open of a medium, at one path or all of it: open
-- omissions, failed inodes, inodes with lost bytes.  "pN" is the volume N.
-- Returns how many things were accepted.
CREATE FUNCTION catalogue_accept(medium text, of_path bytea, person text,
	why text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	inode_p text := quote_ident('inode_p_' || medium);
	path_p text := quote_ident('path_p_' || medium);
	accepted bigint;
	n bigint;
BEGIN
	UPDATE omission o
	SET settled_at = now(), settled_by = person, reason = why
	WHERE o.medium_hash = medium AND o.settled_at IS NULL
		AND (of_path IS NULL OR o.path = of_path OR (o.path IS NULL
			AND of_path = convert_to('p' || o.partition, 'UTF8')));
	GET DIAGNOSTICS accepted = ROW_COUNT;
	IF to_regclass(inode_p) IS NULL THEN
		RETURN accepted;
	END IF;
	EXECUTE format($statement$
		INSERT INTO omission AS o (medium_hash, path, dev, ino, kind,
			bytes, detail, seen_by, settled_at, settled_by, reason)
		SELECT DISTINCT ON (f.kind, p.dev, p.ino) $1, p.path, p.dev,
			p.ino, f.kind, f.size, f.detail, 'ntt-recover-failed',
			now(), $3, $4
		FROM (
			SELECT i.dev, i.ino, 'file_failed' AS kind, i.size,
				i.errors[cardinality(i.errors)] AS detail
			FROM %1$s i WHERE i.status IN
				('failed_retryable', 'failed_permanent')
			UNION ALL
			SELECT d.dev, d.ino, 'bytes_lost', NULL, d.extents::text
			FROM inode_damage d WHERE d.medium_hash = $1) f
		JOIN %2$s p USING (dev, ino)
		WHERE $2::bytea IS NULL OR p.path = $2
		ORDER BY f.kind, p.dev, p.ino, p.path
		ON CONFLICT (medium_hash, kind, coalesce(partition, -1),
			md5(coalesce(path, ''))) DO UPDATE
		SET settled_at = now(), settled_by = excluded.settled_by,
			reason = excluded.reason, dev = excluded.dev,
			ino = excluded.ino
		WHERE o.settled_at IS NULL
		$statement$, inode_p, path_p)
	USING medium, of_path, person, why;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN accepted + n;
END $$;
