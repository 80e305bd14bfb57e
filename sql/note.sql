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

-- The inventory of medium $1 gets the pairs $2, [["Box", "7"], …]: names that
-- it has keep their place, whatever their case, and those without a value go;
-- with $3 the pairs are all of it.  A row if that changed it.
PREPARE note_inventory AS
UPDATE
	medium m
SET
	inventory = n.inventory
FROM (
	SELECT
		jsonb_agg(jsonb_build_array(name, value) ORDER BY old_first, place) AS inventory
	FROM (
		SELECT
			(array_agg(name ORDER BY source DESC))[1] AS name,
			(array_agg(value ORDER BY source DESC))[1] AS value,
			min(source) AS old_first,
			(array_agg(place ORDER BY source))[1] AS place
		FROM (
			SELECT
				0 AS source,
				pair ->> 0 AS name,
				pair ->> 1 AS value,
				place
			FROM
				medium o,
				jsonb_array_elements(o.inventory)
				WITH ORDINALITY AS p(pair, place)
			WHERE
				o.medium_hash = $1
				AND NOT $3::boolean
			UNION ALL
			SELECT
				1,
				pair ->> 0,
				pair ->> 1,
				place
			FROM
				jsonb_array_elements($2::jsonb)
				WITH ORDINALITY AS p(pair, place)) AS pairs
		GROUP BY
			lower(name)) AS merged
	WHERE
		value <> '') AS n
WHERE
	m.medium_hash = $1
	AND m.inventory IS DISTINCT FROM n.inventory
RETURNING
	m.medium_hash;
