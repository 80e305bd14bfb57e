-- Version 5: what programs said about contents, their types and their words.

-- A content has one MIME type.  inode.mime_type is the same, for each file;
-- copiers that are in a hurry leave it to ntt-each --mime-types.
ALTER TABLE blobs ADD mime_type text;

-- The answer of a program about a content (ntt-each).  tool is the program with
-- its arguments, or the name that a person gave them.  It goes with the blob.
CREATE TABLE content_fact (
	blobid		text NOT NULL REFERENCES blobs ON DELETE CASCADE,
	tool		text NOT NULL,
	version		text NOT NULL DEFAULT '',
	at		timestamptz NOT NULL DEFAULT clock_timestamp(),
	exit		integer NOT NULL,	-- 128 + n: ended by signal n
	signal		integer,		-- NULL: it ended by itself
	timed_out	boolean NOT NULL DEFAULT false,
	seconds		real,
	output		bytea NOT NULL,
	output_bytes	bigint NOT NULL,	-- all that it wrote
	truncated	boolean NOT NULL GENERATED ALWAYS AS
			(output_bytes > length(output)) STORED,
	errors		bytea NOT NULL,		-- the first of its stderr
	PRIMARY KEY (blobid, tool, version)
);
CREATE INDEX content_fact_failed_idx ON content_fact (tool, version)
	WHERE exit <> 0;

-- The words of a content, in the configuration "simple".  words is NULL for
-- what has no text that we can take (tool 'none').
CREATE TABLE content_text (
	blobid		text PRIMARY KEY REFERENCES blobs ON DELETE CASCADE,
	tool		text NOT NULL,		-- 'plain', 'pdftotext' …
	at		timestamptz NOT NULL DEFAULT clock_timestamp(),
	words		tsvector,
	truncated	boolean NOT NULL DEFAULT false
);
CREATE INDEX content_text_words_idx ON content_text USING gin (words);

-- The words of a text.  A tsvector has less than 1 MB; where the words do not
-- fit, the end of the text is left out.
CREATE FUNCTION content_words(INOUT body text, OUT words tsvector,
	OUT truncated boolean)
LANGUAGE plpgsql STABLE AS $$
BEGIN
	truncated := false;
	LOOP
		BEGIN
			words := to_tsvector('simple', body);
			RETURN;
		EXCEPTION WHEN program_limit_exceeded THEN
			body := left(body, length(body) / 4 * 3);
			truncated := true;
		END;
	END LOOP;
END $$;
