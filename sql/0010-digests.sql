-- Version 10: what else the field calls contents by (NTT_DIGESTS).

-- Of contents that were read while it was set.
CREATE TABLE content_digest (
	blobid		text NOT NULL REFERENCES blobs ON DELETE CASCADE,
	algorithm	text NOT NULL
			CHECK (algorithm IN ('md5', 'sha1', 'sha256')),
	digest		bytea NOT NULL,
	PRIMARY KEY (blobid, algorithm)
);
CREATE INDEX content_digest_idx ON content_digest (digest);
