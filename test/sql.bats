#!/usr/bin/env bats
# sql/: every question of an operator gets the answer that it must, every
# invariant that is broken is found, every hang is seen.

# expect() sets output and stderr; each test has its own NTT_DB_URL
# shellcheck disable=SC2154,SC2030,SC2031
load lib

A=aaaabbbbccccdddd0000111122223333
B=beef0000beef0000beef0000beef0000
C=cafe0000cafe0000cafe0000cafe0000

setup() {
	isolate
	fresh_db
	SQL=$TEST_DIR/../sql
}

teardown() {
	# shellcheck disable=SC2046 # a list of numbers
	[ ! -e "$T/pids" ] || kill -9 $(cat "$T/pids") 2>/dev/null || :
	[ -z "${NTT_DB_URL:-}" ] || sql "SELECT pg_terminate_backend(pid)
		FROM pg_stat_activity WHERE datname = current_database()
		AND pid <> pg_backend_pid()" >/dev/null
}

# statement FILE WORDS: the one whose comment has these words
statement() {
	awk -v words="$2" 'BEGIN { RS = "" } index($0, words) { print; n++ }
		END { exit n != 1 }' "$SQL/$1"
}

# answer WORDS: rows of a question, | between columns
answer() {
	psql -XAtq -v ON_ERROR_STOP=1 "$NTT_DB_URL" \
		-c "$(statement diagnostic-queries.sql "$1")"
}

# look WORDS: the same of a hang
look() {
	psql -XAtq -v ON_ERROR_STOP=1 "$NTT_DB_URL" \
		-c "$(statement diagnose-loader-hang.sql "$1")"
}

# same WORDS WANT: what is asked for begins with these rows
same() {
	local got
	got=$(answer "$1")
	# shellcheck disable=SC2053 # a pattern
	[[ $got == $2 ]] || { echo "$1: got"; echo "$got"; return 1; }
}

# session STATEMENT…: runs in the background until the test ends
session() {
	PGAPPNAME=${NAME:-someone} psql -Xq "$NTT_DB_URL" >/dev/null 2>&1 3>&- 4>&- \
		< <(printf '%s\n' "$@"; exec sleep 60 3>&- 4>&-) &
	echo $! >>"$T/pids"
}

# until_seen WORDS PATTERN: ten seconds at most
until_seen() {
	local i got
	for ((i = 0; i < 200; i++)); do
		got=$(look "$1")
		[[ $got == *$2* ]] && return
		sleep 0.05
	done
	echo "$1: no $2 in: $got"
	return 1
}

# medium HASH: loaded, five files with paths, one blob each for 3 and 4
catalogue() {
	sql "INSERT INTO medium (medium_hash, enum_done, load_counts)
		VALUES ('$1', now(), '{\"inodes\": 5, \"paths\": 5}');
	SELECT catalogue_create_partitions('$1');
	INSERT INTO \"inode_p_$1\" (dev, ino, nlink, size, mtime, fs_type)
		SELECT 1, n, 1, n * 100, 0, 'f' FROM generate_series(1, 5) n;
	INSERT INTO \"path_p_$1\" (dev, ino, path)
		SELECT 1, n, ('f' || n)::bytea || '\xff' FROM generate_series(1, 5) n;
	SELECT catalogue_key_partitions('$1');
	SELECT catalogue_attach_partitions('$1')" >/dev/null
}

blob() {
	printf '%064d' "$1"
}

@test "every file of sql/ runs as a whole, on an empty catalogue too" {
	for f in diagnostic-queries sanity-checks diagnose-loader-hang; do
		expect 0 ntt-db psql -X -v ON_ERROR_STOP=1 -f "$SQL/$f.sql"
	done
	catalogue $A
	for f in diagnostic-queries sanity-checks diagnose-loader-hang; do
		expect 0 ntt-db psql -X -v ON_ERROR_STOP=1 -f "$SQL/$f.sql"
	done
	[ "$(grep -c '^-- question: .*?$' "$SQL/diagnostic-queries.sql")" = 20 ]
	[ "$(grep -c ';$' "$SQL/diagnostic-queries.sql")" = 20 ]
}

@test "nothing in them changes anything" {
	catalogue $A
	for f in diagnostic-queries sanity-checks diagnose-loader-hang; do
		PGOPTIONS='-c default_transaction_read_only=on' expect 0 \
			ntt-db psql -X -v ON_ERROR_STOP=1 -f "$SQL/$f.sql"
	done
}

@test "questions about failures" {
	catalogue $A; catalogue $B
	sql "UPDATE inode SET status = 'failed_permanent', error_type = 'io_error',
		errors = '{first,EIO}', attempts = 10
		WHERE medium_hash = '$A' AND ino < 3;
	UPDATE inode SET status = 'failed_retryable', error_type = 'path_error',
		errors = '{ENOENT}', attempts = 3
		WHERE medium_hash = '$B' AND ino = 5;
	UPDATE medium SET problems = '{\"beyond_eof_detected\": true}',
		size_bytes = 7 WHERE medium_hash = '$B';
	UPDATE medium SET problems = '{\"beyond_eof_detected\": false}'
		WHERE medium_hash = '$A';
	INSERT INTO diagnostic_event (medium_hash, action, errno, at) VALUES
		('$A', 'skipped', 5, now()), ('$A', 'skipped', 5, now()),
		('$B', 'max_retries', 2, now()),
		('$B', 'skipped', 5, now() - interval '8 days');
	INSERT INTO inode_damage VALUES ('$A', 1, 4, true, '{[0,10),[20,25)}'),
		('$A', 1, 3, false, NULL);
	INSERT INTO medium_partition (medium_hash, number, status, size_bytes,
		reason) VALUES ('$A', 1, 'ok', 1, NULL), ('$A', 2, 'swap', 1, NULL),
		('$A', 3, 'hung', 9, 'timed out')"
	same "by medium and class" "$A|failed_permanent|io_error|2|300
$B|failed_retryable|path_error|1|500"
	same "what do the failures say" $'EIO|2|1\nENOENT|1|1'
	same "beyond the end of their image" "$B||7|"
	same "retry storms" "$A|1|1|10|failed_permanent||f1?377
$A|1|2|10|failed_permanent||f2?377
$B|1|5|3|failed_retryable||f5?377"
	same "in the last week" "$A|skipped|5|2|*
$B|max_retries|2|1|*"
	same "could not be rescued" "$A|1|4|400|t|15|f4?377
$A|1|3|300|f||f3?377"
	same "partitions were not read" "$A|3||9|hung|timed out"
}

@test "questions about work" {
	catalogue $A; catalogue $B; catalogue $C
	sql "INSERT INTO copy_minute VALUES
		('2026-01-02 03:04', '$A', 1, 10, 6000, 5, 3000, 1),
		('2026-01-02 03:04', '$A', 2, 10, 6000, 5, 1000, 0),
		('2026-01-03 03:04', '$B', 3, 1, 60, 1, 60, 0),
		(now(), '$C', 4, 1, 0, 0, 0, 0);
	INSERT INTO work_range (medium_hash, number, dev, first_ino, last_ino,
		inodes, bytes, worker, next_attempt_at, done) VALUES
		('$A', 0, 1, 1, 1, 10, 100, NULL, NULL, true),
		('$A', 1, 1, 2, 2, 10, 100, NULL, NULL, false),
		('$A', 2, 1, 3, 3, 10, 100, 1, NULL, false),
		('$A', 3, 1, 4, 4, 10, 100, NULL, now() + interval '1 h', false),
		('$A', 4, 1, 5, 5, 10, 100, NULL, now() - interval '1 h', false);
	INSERT INTO worker (name, host, pid, start_time, medium_hash) VALUES
		('dead', 'x', 1, 1, '$A'), ('alive', 'y', 2, 2, '$A')"
	session "SELECT pg_advisory_lock(catalogue_worker_class(), 2);"
	for ((i = 0; i < 200; i++)); do
		[[ $(answer "which copiers run") != *"|t" ]] || break
		sleep 0.05
	done
	same "which copiers run" "1|x|1|$A|*|f
2|y|2|$A|*|t"
	same "slowest to copy" "$C|1|0|1|0
$B|1|60|1|1
$A|20|12000|1|200"
	same "day by day" "20*
2026-01-03 00:00:00+*|1|60|1|60|1.00|0
2026-01-02 00:00:00+*|20|12000|10|4000|3.00|1"
	same "queue of each medium" "$A|2|1|1|40|400"
	same "nobody works on them" "$A||*|2026-01-02 03:04:00+*
$B||*|2026-01-03 03:04:00+*"
	sql "UPDATE medium SET copy_done = now() WHERE medium_hash <> '$C';
		UPDATE medium SET archived_at = now() WHERE medium_hash = '$A'"
	same "copied and not archived" "$B||*"
	same "nobody works on them" ""
}

@test "questions about contents" {
	catalogue $A; catalogue $B; catalogue $C
	sql "INSERT INTO blobs (blobid, size, last_checked) VALUES
		('$(blob 1)', 300, now()), ('$(blob 2)', 400, NULL),
		('$(blob 3)', 500, '2026-01-01');
	UPDATE inode SET status = 'success', blobid = '$(blob 1)' WHERE ino = 3;
	UPDATE inode SET status = 'success', blobid = '$(blob 2)' WHERE ino = 4
		AND medium_hash < '$C';
	UPDATE inode SET status = 'success', blobid = '$(blob 3)' WHERE ino = 5
		AND medium_hash = '$A';
	UPDATE inode SET size = 7000 WHERE ino = 1 AND medium_hash = '$C';
	UPDATE path SET exclude_reason = 'Thumbs.db' WHERE ino = 2;
	UPDATE path SET exclude_reason = '*.tmp' WHERE ino = 1
		AND medium_hash = '$A';
	UPDATE medium SET copy_done = now();
	UPDATE medium SET load_counts = '{\"inodes\": 9, \"paths\": 8}'
		WHERE medium_hash = '$B';
	UPDATE medium SET identity = '{\"model\": \"ST3\", \"serial\": \"S1\"}'
		WHERE medium_hash <> '$B';
	UPDATE medium SET added_at = now() - interval '1 h'
		WHERE medium_hash = '$C'"
	same "media are the largest" "$B||9|8||* kB
$A||5|5||* kB
$C||5|5||* kB"
	same "files are the largest" "$C|7000|pending||f1?377
$A|500|success||f5?377
$B|500|pending||f5?377*"
	same "most often" "$(blob 1)|300|3|3|600
$(blob 2)|400|2|2|400"
	same "others do not hold too" "$B||2
$C||1"
	same "verified for longest" "$(blob 2)|400|*|
$(blob 3)|500|*|2026-01-01 *
$(blob 1)|300|*"
	same "the same disk" "ST3|S1|2|{$C,$A}"
	same "excluded, by pattern" $'Thumbs.db|3|3\n\\*.tmp|1|1'
}

@test "each invariant that is broken is found, and no other" {
	catalogue $A
	sql "INSERT INTO blobs (blobid, size) VALUES ('$(blob 1)', 100);
	UPDATE inode SET status = 'success', blobid = '$(blob 1)' WHERE ino = 1;
	INSERT INTO work_range (medium_hash, number, dev, first_ino, last_ino,
		inodes, bytes) VALUES ('$A', 0, 1, 1, 5, 5, 1500);
	SELECT catalogue_note_contents('$A')"
	checks=$(grep -c '^-- check: ' "$SQL/sanity-checks.sql")
	# broken WORDS STATEMENT: in a transaction that is rolled back
	broken() {
		local name i out
		out=$({
			echo "BEGIN; $2;"
			cat "$SQL/sanity-checks.sql"
			echo "ROLLBACK;"
		} | sed 's/^-- check: \(.*\)$/\\echo @ \1/' |
			psql -XAtq -v ON_ERROR_STOP=1 "$NTT_DB_URL") || {
			echo "$1: $out"; return 1; }
		found=$(awk '/^@ / { name = $0; next } name && !seen[name]++ {
			print substr(name, 3) }' <<<"$out")
		[[ $found == *"$1"* ]] && [ "$(wc -l <<<"$found")" = 1 ] || {
			echo "$2 broke: $found"; return 1; }
		checks=$((checks - 1))
	}
	[ "$(sed 's/^-- check: .*$//' "$SQL/sanity-checks.sql" |
		psql -XAtq "$NTT_DB_URL")" = "" ]
	broken "has its row in blobs" "DELETE FROM blobs"
	broken "of a stream has its row" "INSERT INTO inode_stream (medium_hash,
		dev, ino, name, size, status, blobid)
		VALUES ('$A', 1, 1, 's', 9, 'success', '$(blob 9)');
		SELECT catalogue_note_contents('$A')"
	broken "what is known of an inode" "INSERT INTO inode_xattr
		VALUES ('$A', 1, 77, 'user.x', 'y')"
	broken "the size that was read" "UPDATE blobs SET size = 7"
	broken "every inode has a path" "DELETE FROM path WHERE ino = 2"
	broken "no path stands twice" "UPDATE path SET path = 'x' WHERE ino < 3"
	broken "every path has its directory" "UPDATE path SET dir = NULL
		WHERE ino = 2"
	broken "an excluded inode" "UPDATE inode SET status = 'excluded'
		WHERE ino = 2"
	broken "nothing is pending" "UPDATE medium SET copy_done = now()"
	broken "says enum_done" "UPDATE medium SET enum_done = NULL"
	broken "an archived medium was copied" \
		"UPDATE medium SET archived_at = now()"
	broken "come in pairs and are attached" \
		"SELECT catalogue_create_partitions('$B');
		SELECT catalogue_key_partitions('$B')"
	broken "have their key and its index" \
		"DROP INDEX path_p_${A}_fk_idx"
	broken "a range of work that is done" "UPDATE work_range SET done = true"
	broken "one of the four words" "ALTER TABLE medium DROP CONSTRAINT
		medium_health_check; UPDATE medium SET health = 'fine'"
	broken "names every medium that holds" "DELETE FROM blob_load"
	broken "blob_medium names no other" "INSERT INTO blob_load
		SELECT '$(blob 9)', id FROM loaded"
	[ "$checks" = 0 ]
	expect 0 ntt-db check
}

@test "a hang: who runs, who blocks whom, and what is idle" {
	catalogue $A
	[ -z "$(look "who waits for whom")" ]
	[ -z "$(look "are waited for")" ]
	NAME=holder session "BEGIN;" "LOCK TABLE inode IN ACCESS EXCLUSIVE MODE;"
	until_seen "are waited for" "|holder|inode|AccessExclusiveLock|t|"
	NAME=waiter session "SELECT count(*) FROM inode;"
	until_seen "who waits for whom" \
		"|waiter|*|holder|idle in transaction|SELECT count(*) FROM inode;|LOCK TABLE"
	until_seen "are waited for" "|waiter|inode|AccessShareLock|f|"
	until_seen "what runs" "|waiter|*|active|*|Lock|relation|SELECT count"
	[[ $(look "what runs") != *holder* ]]
	until_seen "open and do nothing" "|holder|*idle in transaction|00:00:0"
	[[ $(look "open and do nothing") != *waiter* ]]
}

@test "a hang: how far COPY, an index, ANALYZE are" {
	catalogue $A
	session "COPY blobs (blobid, size) FROM STDIN;" "$(blob 1)	1"
	until_seen "how far a COPY is" "|blobs|COPY FROM|"
	catalogue $B
	# an index that waits for a transaction to end
	sql "CREATE TABLE ten AS SELECT n FROM generate_series(1, 10) n"
	NAME=holder session "BEGIN;" "INSERT INTO ten VALUES (1);"
	until_seen "how far a COPY is" "blobs"
	session "CREATE INDEX CONCURRENTLY ten_idx ON ten (n);"
	until_seen "making of an index" "|ten|waiting for "
	sql "CREATE TABLE wide AS SELECT n, md5(n::text) AS t
		FROM generate_series(1, 200000) n;
		CREATE TABLE tall AS TABLE wide"
	session "SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1; ANALYZE wide;" \
		"SELECT pg_sleep(60);"
	until_seen "ANALYZE and VACUUM" "|wide|analyze|"
	session "SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1; VACUUM tall;"
	until_seen "ANALYZE and VACUUM" "|tall|vacuum|"
}

@test "a hang: tables, statistics, keys, attachment, the loader's lock" {
	catalogue $A
	[[ $(look "how large the tables") == *"inode_p_$A|5|8192 bytes|"* ]]
	for words in "planner knows nothing" "not attached" "without their keys" \
		"keys on the parents" "many dead rows" "being loaded: the lock"; do
		[ -z "$(look "$words")" ] || { look "$words"; return 1; }
	done
	sql "SELECT catalogue_create_partitions('$B');
		INSERT INTO inode_p_$B (dev, ino, nlink, size, mtime, fs_type)
		SELECT 1, n, 1, 1, 0, 'f' FROM generate_series(1, 2000) n" >/dev/null
	[ "$(look "planner knows nothing")" = "inode_p_$B|160 kB" ] ||
		[[ $(look "planner knows nothing") == "inode_p_$B|"*kB ]]
	[ "$(look "not attached")" = "public|inode_p_$B
public|path_p_$B" ]
	[ "$(look "without their keys")" = "inode_p_$B|no primary key
path_p_$B|no foreign key" ]
	sql "DROP INDEX path_p_${A}_fk_idx"
	has "$(look "without their keys")" \
		"path_p_$A|no index for the foreign key"
	sql "ALTER TABLE path ADD FOREIGN KEY (medium_hash) REFERENCES medium"
	has "$(look "keys on the parents")" "path|path_medium_hash_fkey|FOREIGN KEY"
	sql "ALTER TABLE inode_p_$B SET (autovacuum_enabled = false)"
	sql "UPDATE inode_p_$B SET size = 2"
	for ((i = 0; i < 200; i++)); do
		[ -z "$(look "many dead rows")" ] || break
		sleep 0.05
	done
	has "$(look "many dead rows")" "inode_p_$B|2000|2000|"
	NAME=loader session "SELECT pg_advisory_lock(hashtextextended('ntt-loader $A', 0));"
	until_seen "being loaded: the lock" "|loader|$A|t"
}

@test "they are installed, and ntt-db psql runs them from there" {
	make -s -C "$TEST_DIR/.." install DESTDIR="$T/root" B="$NTT_BUILD"
	for f in "$T"/root/usr/local/share/ntt/sql/{diag,sanity}*.sql; do
		expect 0 ntt-db psql -X -v ON_ERROR_STOP=1 -f "$f"
	done
	diff <(cd "$T/root/usr/local/share/ntt/sql" && ls) \
		<(cd "$TEST_DIR/../sql" && ls ./*.sql | sed 's|./||')
}
