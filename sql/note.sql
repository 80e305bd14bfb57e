-- ntt-note

-- Medium $1 is called $2; an empty text takes its title away.
PREPARE note_title AS
UPDATE
	medium
SET
	title = nullif($2, '')
WHERE
	medium_hash = $1;

-- Another line $2 of the message of medium $1; with $3 $2 is the message.
PREPARE note_message AS
UPDATE
	medium
SET
	message = CASE WHEN $3::boolean THEN
		nullif($2, '')
	ELSE
		concat_ws(E'\n', message, $2)
	END
WHERE
	medium_hash = $1;

-- Medium $1 is shown only where it is named, or, without $2, everywhere.
PREPARE note_restricted AS
UPDATE
	medium
SET
	restricted = $2::boolean
WHERE
	medium_hash = $1;
