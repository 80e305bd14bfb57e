#!/usr/bin/env bats
# slow: large lists, and servers that hang
# ntt-loader: what comes in, what stays out, and what is left of a load that
# did not end.

# expect() sets output and stderr; each test has its own NTT_DB_URL
# shellcheck disable=SC2154,SC2030,SC2031
load lib

H=0123456789abcdef0123456789abcdef

setup() {
	isolate
	fresh_db
	mkdir -p "$NTT_HOME/raw"
}

teardown() {
	[ -z "${NTT_DB_URL:-}" ] || sql "SELECT pg_terminate_backend(pid)
		FROM pg_stat_activity WHERE datname = current_database()
		AND pid <> pg_backend_pid()" >/dev/null
	! mountpoint -q "$T/small" || umount -l "$T/small"
}

# rec TYPE DEV INO NLINK SIZE MTIME PATH: one record on stdout
rec() {
	printf '%s\034%s\034%s\034%s\034%s\034%s\034%s\0' "$@"
}

# small: a .raw of a few records below /src
small() {
	rec d 1 2 3 4096 1000 /src
	rec f 1 3 1 10 1000 /src/a
	rec f 1 4 2 20 1000 /src/b
	rec f 1 4 2 20 1000 /src/c
}

big() {
	"$NTT_BUILD"/test/bench/mkraw "${1:-300000}"
}

# nothing_there: no rows, no tables, no medium
nothing_there() {
	[ "$(sql "SELECT count(*) FROM pg_class
		WHERE relname ~ '^(inode|path)_p_'")" = 0 ]
	[ "$(sql 'SELECT count(*) FROM medium WHERE enum_done IS NOT NULL')" = 0 ]
}

# holds SQL VALUE
holds() {
	local got
	got=$(sql "$1")
	[ "$got" = "$2" ] || { echo "$1: got $got, want $2"; return 1; }
}

healthy() {
	expect 0 ntt-db check
}

# wait_for SQL: until it gives t, ten seconds at most
wait_for() {
	local i
	for ((i = 0; i < 200; i++)); do
		[ "$(sql "$1")" = t ] && return
		sleep 0.05
	done
	echo "never true: $1"
	return 1
}

@test "names of every byte arrive as find gives them" {
	difficult_tree "$T/tree"
	ntt-enum -q "$T/tree" $H "$T/x.raw"
	expect 0 ntt-loader "$T/x.raw" $H
	find "$T/tree" -printf '%y %D %i %n %s %Ts %P\0' | od -An -v -tx1 |
		tr -d '\n' | sed 's/ 00/\n/g' | tr -d ' ' | sort >"$T/want"
	sql "SELECT encode(convert_to(concat_ws(' ', fs_type, dev, ino, nlink,
		size, mtime, ''), 'UTF8') || path, 'hex')
		FROM inode JOIN path USING (medium_hash, dev, ino)" |
		sort >"$T/got"
	diff "$T/want" "$T/got"
	[ "$(wc -l <"$T/got")" -gt 280 ]
	healthy
}

@test "a pipe gives the same as a file" {
	difficult_tree "$T/tree"
	ntt-enum -q "$T/tree" $H "$T/x.raw"
	ntt-loader -q "$T/x.raw" $H >/dev/null
	sql "SELECT dev, ino, path FROM path ORDER BY path" >"$T/file"
	ntt-loader -q --drop --yes $H
	ntt-enum -q "$T/tree" $H - | ntt-loader -q - $H >/dev/null
	sql "SELECT dev, ino, path FROM path ORDER BY path" >"$T/pipe"
	diff "$T/file" "$T/pipe"
}

@test "find's own output loads" {
	difficult_tree "$T/tree"
	find "$T/tree" -xdev -printf '%y\034%D\034%i\034%n\034%s\034%Ts\034%p\0' \
		>"$T/x.raw"
	expect 0 ntt-loader "$T/x.raw" $H
	holds 'SELECT count(*) FROM path' "$(find "$T/tree" -printf x | wc -c)"
}

@test "what it prints, as text and as JSON" {
	small | rec_and_fifo >"$T/x.raw"
	expect 0 ntt-loader "$T/x.raw" $H
	has "$output" $'records 5\ninodes 4\npaths 5\nexcluded 0\nduplicates 0\nseconds '
	has "$output" 'rows/s '
	ntt-loader -q --drop --yes $H
	expect 0 ntt-loader --json "$T/x.raw" $H
	has "$output" '"records":5,"inodes":4,"paths":5,"excluded":0,"duplicates":0'
	holds "SELECT load_counts->>'inodes' FROM medium" 4
	grep -q '"stage":"load_done"' "$NTT_HOME/log/ntt-loader.jsonl"
}

rec_and_fifo() {
	cat
	rec p 1 9 1 0 0 /src/fifo
}

@test "statuses: files and links wait, the others are non_file" {
	{
		rec d 1 1 1 0 0 /r
		rec f 1 2 1 0 0 /r/f; rec l 1 3 1 0 0 /r/l
		rec b 1 4 1 0 0 /r/b; rec c 1 5 1 0 0 /r/c
		rec p 1 6 1 0 0 /r/p; rec s 1 7 1 0 0 /r/s
		rec U 1 8 1 0 0 /r/U; rec '?' 1 9 1 0 0 '/r/?'
	} >"$T/x.raw"
	expect 0 ntt-loader "$T/x.raw" $H
	holds "SELECT string_agg(fs_type::text || status, ' ' ORDER BY ino)
		FROM inode" 'dnon_file fpending lpending bnon_file cnon_file pnon_file snon_file ?pending ?pending'
	healthy
}

@test "a truncated file is refused at every offset, with the offset" {
	local size n
	small >"$T/x.raw"
	size=$(stat -c %s "$T/x.raw")
	for ((n = 0; n < size; n++)); do
		head -c $n "$T/x.raw" >"$T/cut.raw"
		# at the end of a record a shorter list is a list
		[ $n -gt 0 ] && [ -z "$(tail -c 1 "$T/cut.raw" | tr -d '\0')" ] &&
			continue
		expect 1 ntt-loader "$T/cut.raw" $H
		has "$stderr" 'damaged at byte '
		has "$stderr" 'nothing was loaded'
	done
	nothing_there
	expect 0 ntt-loader "$T/x.raw" $H
}

@test "a truncated pipe is refused at every offset" {
	local size n
	small >"$T/x.raw"
	size=$(stat -c %s "$T/x.raw")
	for ((n = size - 40; n < size; n++)); do
		head -c $n "$T/x.raw" >"$T/cut.raw"
		[ -z "$(tail -c 1 "$T/cut.raw" | tr -d '\0')" ] && continue
		expect 1 ntt-loader - $H < <(cat "$T/cut.raw")
		has "$stderr" 'damaged at byte '
	done
	nothing_there
}

@test "an enumeration that dies leaves nothing" {
	local i got
	mkdir -p "$T/tree"
	seq 20000 | (cd "$T/tree" && xargs touch)
	mkfifo "$T/fifo"
	for i in 1 2 3 4 5 6; do
		# held open, so that no side waits for the other to come
		exec 9<>"$T/fifo"
		ntt-enum -q "$T/tree" $H - >"$T/fifo" 2>/dev/null 9>&- &
		enum=$!
		ntt-loader "$T/fifo" $H >/dev/null 2>"$T/err" 9>&- &
		loader=$!
		sleep 0.0$i
		kill -9 $enum || true
		# itself, not the shell it was a moment ago
		until [[ $(readlink /proc/$loader/exe) = */ntt-loader &&
			-n $(find /proc/$loader/fd -lname "$T/fifo") ]]; do :; done
		exec 9>&-
		got=0; wait $loader || got=$?
		if [ $got = 0 ]; then
			# it was through before the signal came
			holds 'SELECT count(*) FROM path' 20001
			ntt-loader -q --drop --yes $H
		else
			[ $got = 1 ]
			has "$(cat "$T/err")" 'nothing was loaded'
		fi
		holds "SELECT count(*) FROM pg_class
			WHERE relname ~ '^(inode|path)_p_'" 0
	done
}

@test "damage: the byte, the reason, nothing loaded" {
	local at
	small >"$T/x.raw"
	at=$(stat -c %s "$T/x.raw")
	rec f 1 x 1 0 0 /src/d >>"$T/x.raw"
	rec f 1 9 1 0 0 /src/e >>"$T/x.raw"
	expect 1 ntt-loader "$T/x.raw" $H
	has "$stderr" "damaged at byte $at (record 5): the inode is not a number"
	nothing_there
	: >"$T/x.raw"
	expect 1 ntt-loader "$T/x.raw" $H
	has "$stderr" 'the stream is empty'
	expect 1 ntt-loader "$T/none.raw" $H
	has "$stderr" 'No such file'
	expect 1 ntt-loader "$T" $H
	has "$stderr" 'directory'
	nothing_there
}

@test "a second load is refused and changes nothing" {
	small >"$T/x.raw"
	ntt-loader -q "$T/x.raw" $H
	before=$(sql "SELECT * FROM medium")
	{ small; rec f 1 99 1 0 0 /src/new; } >"$T/y.raw"
	expect 2 ntt-loader "$T/y.raw" $H
	has "$stderr" 'is loaded already'
	expect 2 ntt-loader - $H < <(cat "$T/y.raw")
	holds 'SELECT count(*) FROM path' 4
	[ "$before" = "$(sql "SELECT * FROM medium")" ]
}

@test "--replace loads again, and not over what is copied without --force" {
	small >"$T/x.raw"
	{ small; rec f 1 99 1 0 0 /src/new; } >"$T/y.raw"
	ntt-loader -q "$T/x.raw" $H
	expect 0 ntt-loader --replace "$T/y.raw" $H
	holds 'SELECT count(*) FROM path' 5
	healthy
	sql "INSERT INTO blobs VALUES (repeat('a', 64), 10)"
	sql "UPDATE inode SET status = 'success', blobid = repeat('a', 64)
		WHERE ino = 3"
	expect 2 ntt-loader --replace "$T/x.raw" $H
	has "$stderr" 'copied already'
	holds 'SELECT count(*) FROM path' 5
	sql 'UPDATE medium SET copy_done = now()'
	expect 0 ntt-loader --replace --force "$T/x.raw" $H
	holds 'SELECT count(*) FROM path' 4
	holds "SELECT count(*) FROM inode WHERE status = 'success'" 0
	holds 'SELECT copy_done IS NULL AND enum_done IS NOT NULL FROM medium' t
	healthy
}

@test "a failed --replace leaves what was there" {
	small >"$T/x.raw"
	ntt-loader -q "$T/x.raw" $H
	{ small; printf 'f\0341'; } >"$T/y.raw"
	expect 1 ntt-loader --replace "$T/y.raw" $H
	expect 1 ntt-loader --replace --expect 9 "$T/x.raw" $H
	holds 'SELECT count(*) FROM path' 4
	healthy
}

@test "--replace of a medium that is not loaded just loads" {
	small >"$T/x.raw"
	expect 0 ntt-loader --replace "$T/x.raw" $H
	holds 'SELECT count(*) FROM path' 4
}

@test "--drop asks, and leaves a medium that copiers work on" {
	small | ntt-loader -q - $H
	expect 2 ntt-loader --drop $H </dev/null
	expect 2 ntt-loader --drop $H <<<nothing
	has "$stderr" 'nothing changed'
	[ "$(sql "SELECT to_regclass('inode_p_$H') IS NOT NULL")" = t ]
	id=$(sql "INSERT INTO worker (name, host, pid, start_time, medium_hash)
		VALUES ('w', 'h', 1, 1, '$H') RETURNING id")
	{
		echo "SELECT pg_advisory_lock(catalogue_worker_class(), $id);"
		echo '\! touch '"$T/locked"
		await '[ -e "$T/go" ]'
	} | psql -Xq "$NTT_DB_URL" >/dev/null 3>&- & other=$!
	await '[ -e "$T/locked" ]'
	expect 75 ntt-loader --drop --yes $H
	has "$stderr" '1 copiers are at work'
	touch "$T/go"; wait $other
	expect 0 ntt-loader --drop $H <<<"${H:0:8}"
	[ "$(sql "SELECT to_regclass('inode_p_$H') IS NULL")" = t ]
}

@test "--drop removes a medium's tables and nothing else" {
	local other=0123456789abcdeffedcba9876543210
	small >"$T/x.raw"
	ntt-loader -q "$T/x.raw" $H
	ntt-loader -q "$T/x.raw" $other
	expect 64 ntt-loader --drop --yes 01234567
	has "$stderr" 'means 2 media'
	expect 0 ntt-loader --drop --yes 0123456789abcdef0
	holds "SELECT count(*) FROM path WHERE medium_hash = '$H'" 0
	holds "SELECT count(*) FROM path WHERE medium_hash = '$other'" 4
	holds "SELECT enum_done IS NULL FROM medium WHERE medium_hash = '$H'" t
	expect 2 ntt-loader --drop --yes $H
	expect 1 ntt-loader --drop --yes ffffffffffffffffffffffffffffffff
	expect 0 ntt-loader "$T/x.raw" $H
	healthy
}

@test "the beginning of a hash means the medium that is there" {
	small >"$T/x.raw"
	sql "INSERT INTO medium (medium_hash) VALUES ('$H')"
	expect 0 ntt-loader "$T/x.raw" 01234567
	holds "SELECT medium_hash, enum_done IS NOT NULL FROM medium" "$H|t"
	expect 0 ntt-loader "$T/x.raw" 0123456
	expect 0 ntt-loader "$T/x.raw" 76543210
	holds 'SELECT count(*) FROM medium' 3
}

@test "media whose names begin alike do not touch each other" {
	local a b
	a=$(printf 'a%.0s' {1..54})1
	b=$(printf 'a%.0s' {1..54})2
	small >"$T/x.raw"
	for m in $a $b; do
		expect 0 ntt-loader --kind raw "$T/x.raw" "$m"
	done
	ntt-loader -q --replace "$T/x.raw" "$a" >/dev/null
	ntt-loader -q --drop --yes "$a"
	holds "SELECT count(*) FROM path WHERE medium_hash = '$b'" 4
	healthy
}

@test "equal inode numbers on two devices are two files" {
	{
		rec d 1 2 1 0 0 /r
		rec f 1 7 1 11 0 /r/p1/x
		rec f 2 7 1 22 0 /r/p2/x
	} >"$T/x.raw"
	expect 0 ntt-loader "$T/x.raw" $H
	has "$output" 'inodes 3'
	holds "SELECT string_agg(size::text, ' ' ORDER BY dev)
		FROM inode WHERE ino = 7" '11 22'
}

@test "the first record makes the inode, whatever the others say" {
	{
		rec d 1 1 1 0 0 /r
		rec f 1 7 1 11 5 /r/a
		rec f 1 7 9 22 6 /r/b
	} >"$T/x.raw"
	expect 0 ntt-loader "$T/x.raw" $H
	holds 'SELECT nlink, size, mtime FROM inode WHERE ino = 7' '1|11|5'
	holds 'SELECT count(*) FROM path WHERE ino = 7' 2
}

@test "numbers up to the last bit" {
	{
		rec d 1 1 1 0 0 /r
		rec f 18446744073709551615 18446744073709551615 \
			18446744073709551615 18446744073709551615 \
			9223372036854775807 /r/a
		rec f 9223372036854775808 9223372036854775807 0 0 \
			-9223372036854775808 /r/b
	} >"$T/x.raw"
	expect 0 ntt-loader "$T/x.raw" $H
	holds "SELECT dev, ino, nlink, size, mtime FROM inode WHERE dev < 0
		ORDER BY dev" "-9223372036854775808|9223372036854775807|0|0|-9223372036854775808
-1|-1|9223372036854775807|9223372036854775807|9223372036854775807"
	holds "SELECT problems FROM medium" '{"oversized_files": 1}'
}

@test "paths longer than an index entry" {
	local p2700 p4095
	p2700=/r/$(printf 'x%.0s' {1..2800})
	p4095=/r/$(head -c 4090 /dev/urandom | od -An -v -tx1 | tr -d ' \n' |
		head -c 4090)
	{ rec d 1 1 1 0 0 /r; rec f 1 2 1 0 0 "$p2700"
	rec f 1 3 1 0 0 "$p4095"; rec f 1 3 1 0 0 "${p4095}y"; } >"$T/x.raw"
	expect 0 ntt-loader "$T/x.raw" $H
	holds "SELECT string_agg(length(path)::text, ' ' ORDER BY length(path))
		FROM path" '0 2800 4090 4091'
	holds "SELECT path = '${p4095#/r/}' FROM path WHERE length(path) = 4090" t
}

@test "duplicate paths: the first stays, the others are counted and logged" {
	{
		rec d 1 1 1 0 0 /r
		rec f 1 2 1 11 0 /r/a
		rec f 1 3 1 22 0 /r/a
		rec f 1 4 1 33 0 /r/b
		rec f 1 2 1 11 0 /r/a
		rec f 1 3 1 22 0 /r/c
		rec d 1 1 1 0 0 /r
	} >"$T/x.raw"
	expect 3 ntt-loader "$T/x.raw" $H
	has "$output" $'records 7\ninodes 4\npaths 4\nexcluded 0\nduplicates 3'
	has "$stderr" '3 duplicate paths'
	holds "SELECT ino FROM path WHERE path = 'a'" 2
	holds "SELECT ino FROM path WHERE path = 'c'" 3
	holds "SELECT problems FROM medium" '{"duplicate_paths": 3}'
	[ "$(grep -c '"stage":"duplicate_path"' "$NTT_HOME/log/ntt-loader.jsonl")" = 3 ]
	grep -q '"path":"a","record":3,"dev":1,"ino":3' "$NTT_HOME/log/ntt-loader.jsonl"
	healthy
}

@test "an inode of which every path is a duplicate has no row" {
	{ rec d 1 1 1 0 0 /r; rec f 1 2 1 0 0 /r/a
	rec f 1 3 1 0 0 /r/a; } >"$T/x.raw"
	expect 3 ntt-loader "$T/x.raw" $H
	holds 'SELECT string_agg(ino::text, $$ $$ ORDER BY ino) FROM inode' '1 2'
	healthy
}

@test "a hundred thousand duplicates are found, each of them" {
	big 100000 >"$T/x.raw"
	cat "$T/x.raw" "$T/x.raw" >"$T/y.raw"
	expect 0 ntt-loader "$T/y.raw" $H
	has "$output" 'paths 100000'
	has "$output" 'duplicates 100000'
	healthy
}

@test "files larger than the medium are counted, and keep their size" {
	sql "INSERT INTO medium (medium_hash, source_kind, size_bytes)
		VALUES ('$H', 'image', 1474560)"
	{ rec d 1 1 1 0 0 /r; rec f 1 2 1 1474560 0 /r/a
	rec f 1 3 1 4294967295 0 /r/b; } >"$T/x.raw"
	expect 0 ntt-loader "$T/x.raw" $H
	holds "SELECT string_agg(size::text, ' ' ORDER BY ino) FROM inode" \
		'0 1474560 4294967295'
	holds "SELECT problems->>'oversized_files' FROM medium" 1
	# of a directory the size is not that of a medium
	sql "UPDATE medium SET source_kind = 'directory'"
	expect 0 ntt-loader --replace "$T/x.raw" $H
	holds 'SELECT max(size) FROM inode' 4294967295
	holds 'SELECT problems IS NULL FROM medium' t
}

@test "patterns exclude paths, and inodes when all their paths are" {
	{
		rec d 1 1 1 0 0 /r
		rec d 1 2 1 0 0 /r/cache
		rec f 1 3 1 0 0 /r/cache/x
		rec f 1 4 2 0 0 /r/cache/linked
		rec f 1 4 2 0 0 /r/linked
		rec f 1 5 2 0 0 /r/kept
		rec f 1 5 2 0 0 /r/cache/kept
		rec f 1 6 1 0 0 '/r/#hash'
	} >"$T/x.raw"
	printf '# comment\n\n^cache(/|$)\nnever\n' >"$T/ignore"
	expect 0 ntt-loader --ignore "$T/ignore" -v "$T/x.raw" $H
	has "$output" $'paths 8\nexcluded 4'
	has "$stderr" '4 paths excluded by'
	holds "SELECT string_agg(ino || status::text, ' ' ORDER BY ino)
		FROM inode" '1non_file 2excluded 3excluded 4pending 5pending 6pending'
	holds "SELECT DISTINCT exclude_reason FROM path
		WHERE exclude_reason IS NOT NULL" '^cache(/|$)'
	grep -q '"stage":"load_pattern","pattern":"never","count":0' \
		"$NTT_HOME/log/ntt-loader.jsonl"
	healthy
	ntt-loader -q --drop --yes $H
	NTT_IGNORE_PATTERNS=$T/ignore expect 0 ntt-loader "$T/x.raw" $H
	has "$output" 'excluded 4'
	printf '#\n# #\n' >"$T/ignore"
	expect 0 ntt-loader --replace --ignore "$T/ignore" "$T/x.raw" $H
	has "$output" 'excluded 0'
	printf 'good\n(bad\n' >"$T/ignore"
	expect 64 ntt-loader --replace --ignore "$T/ignore" "$T/x.raw" $H
	has "$stderr" 'line 2'
}

@test "old files: octal modes" {
	{ rec 40755 1 1 1 0 0 /r; rec 100644 1 2 1 0 0 /r/a
	rec 120777 1 3 1 0 0 /r/l; rec 20600 1 4 1 0 0 /r/c
	rec 755 1 5 1 0 0 /r/who; } >"$T/x.raw"
	expect 0 ntt-loader "$T/x.raw" $H
	holds "SELECT string_agg(fs_type::text || status, ' ' ORDER BY ino)
		FROM inode" 'dnon_file fpending lpending cnon_file ?pending'
	rec f 1 6 1 0 0 /r/mixed >>"$T/x.raw"
	expect 1 ntt-loader --replace "$T/x.raw" $H
	has "$stderr" 'mixed'
	holds 'SELECT count(*) FROM path' 5
}

@test "old files: partitions before a colon" {
	{ rec 755 1 1 1 0 0 p1:/; rec 644 1 2 1 0 0 p1:/a/b
	rec 644 2 2 1 0 0 p2:/a:b; } >"$T/x.raw"
	expect 0 ntt-loader "$T/x.raw" $H
	holds "SELECT string_agg(convert_from(path, 'UTF8'), ' ' ORDER BY path)
		FROM path" 'p1 p1/a/b p2/a:b'
}

@test "prefixes: asked for, of the mount, of the root, or an error" {
	{ rec d 1 1 1 0 0 /x/y; rec f 1 2 1 0 0 /x/y/z; } >"$T/x.raw"
	expect 0 ntt-loader --strip /x "$T/x.raw" $H
	holds "SELECT string_agg(convert_from(path, 'UTF8'), ' ' ORDER BY path)
		FROM path" 'y y/z'
	expect 1 ntt-loader --replace --strip /y "$T/x.raw" $H
	has "$stderr" 'byte 12: path "/x/y" is not below "/y"'
	export NTT_MOUNT_ROOT=/media
	{ rec d 1 1 1 0 0 /media/$H/p1; rec d 2 1 1 0 0 /media/$H/p2; } >"$T/x.raw"
	expect 0 ntt-loader --replace "$T/x.raw" $H
	holds "SELECT string_agg(convert_from(path, 'UTF8'), ' ' ORDER BY path)
		FROM path" 'p1 p2'
	rec f 1 2 1 0 0 /x/y/z >"$T/x.raw"
	expect 1 ntt-loader --replace "$T/x.raw" $H
	has "$stderr" 'no directory'
	{ rec d 1 1 1 0 0 /x; rec f 1 2 1 0 0 $'/\ty'; } >"$T/x.raw"
	expect 1 ntt-loader --replace "$T/x.raw" $H
	has "$stderr" 'ty" is not below "/x"'
	healthy
}

@test "--expect: that many records or nothing" {
	small >"$T/x.raw"
	expect 1 ntt-loader --expect 5 "$T/x.raw" $H
	has "$stderr" '4 records, not the expected 5'
	expect 1 ntt-loader --expect 3 - $H < <(cat "$T/x.raw")
	nothing_there
	expect 0 ntt-loader --expect 4 "$T/x.raw" $H
}

@test "the row of the medium: made when missing, kept when there" {
	mkdir "$T/tree"
	ntt-enum -q "$T/tree" $H "$T/x.raw"
	ntt-loader -q "$T/x.raw" $H >/dev/null
	holds 'SELECT source_kind, source_path, medium_human FROM medium' \
		"directory|$T/tree|tree"
	holds 'SELECT enum_done IS NOT NULL AND copy_done IS NULL FROM medium' t
	small >"$T/y.raw"
	ntt-loader -q "$T/y.raw" other >/dev/null
	holds "SELECT source_kind FROM medium WHERE medium_hash = 'other'" raw
	ntt-loader -q --kind carved "$T/y.raw" third >/dev/null
	holds "SELECT source_kind FROM medium WHERE medium_hash = 'third'" carved
	sql "INSERT INTO medium (medium_hash, medium_human, source_kind, message,
		problems) VALUES ('fourth', 'WD_1', 'device', 'hello', '{\"a\": 1}')"
	ntt-loader -q --kind raw "$T/y.raw" fourth >/dev/null
	holds "SELECT medium_human, source_kind, message, problems FROM medium
		WHERE medium_hash = 'fourth'" 'WD_1|device|hello|{"a": 1}'
	{ rec f 1 1 1 0 0 carved-1/recup_dir.1/f1.jpg
	rec f 1 2 1 0 0 carved-1/recup_dir.1/f2.jpg; } >"$T/z.raw"
	ntt-loader -q "$T/z.raw" carved-1 >/dev/null
	holds "SELECT source_kind FROM medium WHERE medium_hash = 'carved-1'" carved
	holds "SELECT convert_from(path, 'UTF8') FROM path
		WHERE medium_hash = 'carved-1' AND ino = 1" recup_dir.1/f1.jpg
}

@test "--take-over and --unless-same-as name a medium, and it is there" {
	mkdir "$T/d" && echo 1 >"$T/d/f"
	ntt-enum -q --meta "$T/d" $H "$T/a.raw"
	for option in --take-over --unless-same-as; do
		expect 1 ntt-loader -q $option nosuch "$T/a.raw" $H
		has "$stderr" 'the catalogue has no medium "nosuch"'
		[ "$(sql "SELECT count(*) FROM medium WHERE medium_hash = '$H'
			AND enum_done IS NOT NULL")" = 0 ]
	done
	expect 0 ntt-loader -q --kind directory "$T/a.raw" $H
	sql "UPDATE medium SET title = 'Box 7' WHERE medium_hash = '$H'"
	# named as people name it; the same list is nothing new
	expect 2 ntt-loader --kind directory --unless-same-as "Box 7" \
		"$T/a.raw" ffff0000ffff0000
	has "$stderr" "nothing has changed since $H"
}

@test "wrong usage" {
	small >"$T/x.raw"
	expect 64 ntt-loader "$T/x.raw"
	expect 64 ntt-loader "$T/x.raw" 'no such/medium'
	expect 64 ntt-loader --kind tape "$T/x.raw" $H
	expect 64 ntt-loader --expect x "$T/x.raw" $H
	expect 64 ntt-loader --drop --yes "$T/x.raw" $H
	expect 64 ntt-loader "$T/x.raw" "${H^^}"
}

@test "keys, index and statistics stand on the partitions, none on the parents" {
	small >"$T/x.raw"
	ntt-loader -q "$T/x.raw" $H
	holds "SELECT count(*) FROM pg_constraint WHERE contype IN ('p', 'f', 'u')
		AND conrelid IN ('inode'::regclass, 'path'::regclass)" 0
	holds "SELECT confrelid::regclass, convalidated FROM pg_constraint
		WHERE contype = 'f' AND conrelid = 'path_p_$H'::regclass" \
		"inode_p_$H|t"
	holds "SELECT indexname FROM pg_indexes
		WHERE tablename = 'path_p_$H' ORDER BY 1" "path_p_${H}_dir_idx
path_p_${H}_fk_idx"
	holds "SELECT string_agg(reltuples::text, ' ' ORDER BY relname)
		FROM pg_class WHERE relname IN ('inode_p_$H', 'path_p_$H')" '3 4'
	holds "SELECT count(*) > 0 FROM pg_stats WHERE tablename = 'inode_p_$H'" t
	# none of the rows awaits a vacuum
	expect 1 sql "INSERT INTO path (medium_hash, dev, ino, path)
		VALUES ('$H', 1, 12345, 'x')"
	has "$stderr" 'violates foreign key'
}

@test "the SQL that people run" {
	difficult_tree "$T/tree"
	ntt-enum -q "$T/tree" $H - | ntt-loader -q - $H >/dev/null
	local paths inodes rest
	paths=$(find "$T/tree" -printf x | wc -c)
	inodes=$(find "$T/tree" -printf '%i\n' | sort -u | wc -l)
	rest=$(find "$T/tree" ! -type f ! -type l -printf '%i\n' | sort -u | wc -l)
	holds "SELECT medium_hash, enum_done IS NULL, copy_done, problems
		FROM medium WHERE medium_hash = '$H'" "$H|f||"
	holds "SELECT (SELECT count(*) FROM inode WHERE medium_hash='$H') AS inodes,
       (SELECT count(*) FROM path  WHERE medium_hash='$H') AS paths" \
		"$inodes|$paths"
	holds "SELECT count(*) FILTER (WHERE copied = true) AS done,
       count(*) FILTER (WHERE copied = false AND claimed_by IS NULL) AS pending,
       count(*) FILTER (WHERE copied = false AND claimed_by IS NOT NULL) AS claimed
  FROM inode WHERE medium_hash='$H'" "$rest|$((inodes - rest))|0"
	holds "SELECT indexname FROM pg_indexes WHERE tablename='path_p_$H' AND indexname LIKE '%fk%'" \
		"path_p_${H}_fk_idx"
	holds "SELECT medium_hash, medium_human FROM medium WHERE problems->'beyond_eof_detected' = 'true'" ''
	holds "SELECT encode(path, 'escape') FROM path
		WHERE path LIKE '%leading and trailing%'" ' leading and trailing '
	sql "UPDATE medium SET copy_done = now() WHERE medium_hash='$H'"
	sql "UPDATE medium SET problems = jsonb_build_object('enum_failed', true, 'error', 'x') WHERE medium_hash='$H'"
	sql "DROP TABLE IF EXISTS inode_p_$H CASCADE"
	sql "DROP TABLE IF EXISTS path_p_$H CASCADE"
	ntt-enum -q "$T/tree" $H "$T/x.raw"
	expect 0 ntt-loader "$T/x.raw" $H
	holds 'SELECT count(*) FROM path' "$paths"
	healthy
}

@test "convert_from finds a name" {
	mkdir "$T/tree"
	echo >"$T/tree/a pattern b"
	ntt-enum -q "$T/tree" $H - | ntt-loader -q - $H >/dev/null
	holds "SELECT convert_from(path, 'UTF8') FROM path
		WHERE convert_from(path,'UTF8') LIKE '%pattern%'" 'a pattern b'
}

@test "killed at any time, the next run succeeds" {
	local i n done=0
	big >"$T/x.raw"
	for ((i = 0; i < 12; i++)); do
		ntt-loader -q "$T/x.raw" $H >/dev/null 2>&1 &
		sleep "0.$(printf %02d $((i * 9 + RANDOM % 9)))"
		kill -9 $! 2>/dev/null || true
		wait $! 2>/dev/null || true
		wait_for "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE
			datname = current_database() AND application_name = 'ntt-loader')"
		n=$(sql "SELECT count(*) FROM path")
		if [ "$n" = 300000 ]; then
			done=$((done + 1))
			ntt-loader -q --drop --yes $H
		fi
		nothing_there
	done
	[ $done -lt 12 ]
	expect 0 ntt-loader "$T/x.raw" $H
	has "$output" 'paths 300000'
	healthy
}

@test "a signal ends it, and nothing is left" {
	big >"$T/x.raw"
	for signal in TERM HUP; do
		query='^COPY'
		[ $signal = TERM ] || query='key_partitions'
		ntt-loader "$T/x.raw" $H >/dev/null 2>"$T/err" &
		wait_for "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE
			datname = current_database() AND pid <> pg_backend_pid()
			AND query ~ '$query')"
		kill -$signal $!
		got=0; wait $! || got=$?
		[ $got = $((128 + $(kill -l $signal))) ]
		has "$(cat "$T/err")" 'interrupted by'
		nothing_there
	done
	mkfifo "$T/fifo"
	exec 9<>"$T/fifo"
	ntt-loader "$T/fifo" $H 2>"$T/err" &
	small >&9
	sleep 0.3
	kill $!
	got=0; wait $! || got=$?
	[ $got = 143 ]
	exec 9>&-
}

@test "a server that does not answer does not keep the loader from ending" {
	local query
	need_root
	big >"$T/x.raw"
	for query in '^COPY "path' 'key_partitions'; do
		ntt-loader "$T/x.raw" $H >/dev/null 2>"$T/err" &
		loader=$!
		wait_for "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE
			datname = current_database() AND pid <> pg_backend_pid()
			AND query ~ '$query')"
		backend=$(sql "SELECT pid FROM pg_stat_activity WHERE
			datname = current_database() AND query ~ '$query'
			AND pid <> pg_backend_pid() AND backend_type = 'client backend'")
		kill -STOP "$backend"
		sleep 0.3
		kill -TERM $loader
		ended=0; timeout 20 tail --pid=$loader -f /dev/null || ended=$?
		kill -CONT "$backend"
		got=0; wait $loader || got=$?
		[ $ended = 0 ]
		[ $got = 143 ]
		nothing_there
	done
	expect 0 ntt-loader "$T/x.raw" $H
}

@test "a loader that waits for its pipe holds no transaction and no table" {
	mkfifo "$T/fifo"
	ntt-loader -q "$T/fifo" $H >/dev/null &
	exec 9>"$T/fifo"
	small >&9
	wait_for "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE
		datname = current_database() AND application_name = 'ntt-loader'
		AND state = 'idle')"
	holds "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE application_name = 'ntt-loader' AND locktype <> 'advisory'" 0
	exec 9>&-
	wait $!
	holds 'SELECT count(*) FROM path' 4
}

@test "while it loads, other media can be dropped and made" {
	small >"$T/x.raw"
	ntt-loader -q "$T/x.raw" $H
	big >"$T/y.raw"
	ntt-loader -q "$T/y.raw" other >/dev/null &
	loader=$!
	wait_for "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE
		datname = current_database() AND query ~ '^COPY')"
	kill -STOP $loader
	holds "SELECT count(*) FROM pg_locks WHERE database =
		(SELECT oid FROM pg_database WHERE datname = current_database())
		AND relation IN ('inode'::regclass, 'path'::regclass)
		AND pid <> pg_backend_pid()" 0
	sql "SET lock_timeout = '5s'; DROP TABLE inode_p_$H CASCADE;
		DROP TABLE path_p_$H CASCADE"
	kill -CONT $loader
	wait $loader
	holds 'SELECT count(*) FROM path' 300000
}

@test "readers go on while a medium is replaced" {
	small >"$T/x.raw"
	ntt-loader -q "$T/x.raw" $H
	big >"$T/y.raw"
	ntt-loader -q --replace "$T/y.raw" $H >/dev/null &
	loader=$!
	wait_for "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE
		datname = current_database() AND query ~ '^COPY')"
	kill -STOP $loader
	holds "SET lock_timeout = '5s'; SELECT count(*) FROM path" 4
	kill -CONT $loader
	wait $loader
	holds 'SELECT count(*) FROM path' 300000
	healthy
}

@test "a backend that is terminated: 75, nothing left, next run succeeds" {
	local query
	big >"$T/x.raw"
	for query in '^COPY "path' '^COPY "inode' 'key_partitions'; do
		ntt-loader "$T/x.raw" $H >/dev/null 2>"$T/err" &
		wait_for "SELECT coalesce(bool_or(pg_terminate_backend(pid)), false)
			FROM pg_stat_activity WHERE datname = current_database()
			AND pid <> pg_backend_pid() AND query ~ '$query'"
		got=0; wait $! || got=$?
		[ $got = 75 ] || { echo "$query: $got"; cat "$T/err"; false; }
		[ "$(wc -l <"$T/err")" = 1 ]
		nothing_there
	done
	expect 0 ntt-loader "$T/x.raw" $H
	healthy
}

@test "a connection lost while the pipe was slow is made again" {
	mkfifo "$T/fifo"
	ntt-loader -q "$T/fifo" $H >/dev/null &
	exec 9>"$T/fifo"
	small >&9
	wait_for "SELECT coalesce(bool_or(pg_terminate_backend(pid)), false)
		FROM pg_stat_activity WHERE datname = current_database()
		AND application_name = 'ntt-loader' AND state = 'idle'"
	exec 9>&-
	wait $!
	holds 'SELECT count(*) FROM path' 4
}

@test "a server that restarts, and one that is down: 75" {
	unset NTT_DB_URL
	ntt-db init -q 3>&-
	NTT_DB_URL=$(ntt-db url)
	export NTT_DB_URL
	big >"$T/x.raw"
	ntt-loader "$T/x.raw" $H >/dev/null 2>"$T/err" &
	wait_for "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query ~ '^COPY')"
	(unset NTT_DB_URL; ntt-db stop -q)
	got=0; wait $! || got=$?
	[ $got = 75 ]
	expect 75 ntt-loader "$T/x.raw" $H
	(unset NTT_DB_URL; ntt-db start -q 3>&-)
	nothing_there
	expect 0 ntt-loader "$T/x.raw" $H
	healthy
	(unset NTT_DB_URL; ntt-db stop -q)
	unset NTT_DB_URL
}

@test "two loaders of one medium: one wins, the other names it" {
	mkfifo "$T/fifo"
	ntt-loader -q "$T/fifo" $H >/dev/null &
	exec 9>"$T/fifo"
	small >&9
	wait_for "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database
		WHERE datname = current_database()))"
	small >"$T/x.raw"
	expect 75 ntt-loader "$T/x.raw" $H
	has "$stderr" 'is being loaded by process '
	has "$stderr" 'ntt-loader) since 2'
	expect 75 ntt-loader --drop --yes $H
	expect 0 ntt-loader "$T/x.raw" other
	exec 9>&-
	wait $!
	holds "SELECT count(*) FROM path WHERE medium_hash = '$H'" 4
}

# blocker SQL: a session that runs it and then sits idle in its transaction
blocker() {
	coproc BLOCK { exec psql -XAtq "$NTT_DB_URL" 3>&-; }
	echo "SET application_name = 'maintenance'; BEGIN; $1; SELECT 'ready';" \
		>&"${BLOCK[1]}"
	local line
	while read -r line <&"${BLOCK[0]}" && [ "$line" != ready ]; do :; done
}

@test "a session in the way is named; 75 when it stays" {
	small >"$T/x.raw"
	blocker 'LOCK TABLE inode IN SHARE UPDATE EXCLUSIVE MODE'
	expect 75 ntt-loader --wait 3 "$T/x.raw" $H
	has "$stderr" 'in the way: process '
	has "$stderr" 'maintenance of '
	has "$stderr" 'idle in transaction for '
	nothing_there
	ntt-loader --wait 60 "$T/x.raw" $H 2>"$T/err" >/dev/null &
	loader=$!
	for ((i = 0; i < 200; i++)); do
		grep -q 'in the way' "$T/err" && break
		sleep 0.05
	done
	# readers do not queue behind the loader
	holds "SET lock_timeout = '5s'; SELECT count(*) FROM inode" 0
	echo 'COMMIT;' >&"${BLOCK[1]}"
	wait $loader
	holds 'SELECT count(*) FROM path' 4
	healthy
}

@test "a row of the medium that somebody holds" {
	small >"$T/x.raw"
	sql "INSERT INTO medium (medium_hash) VALUES ('$H')"
	blocker "UPDATE medium SET message = 'x'"
	expect 75 ntt-loader --wait 1 "$T/x.raw" $H
	has "$stderr" 'in the way: process '
	holds "SELECT count(*) FROM pg_class WHERE relname ~ '^(inode|path)_p_'" 0
}

@test "no room for the temporary file: 75, nothing loaded" {
	need_root
	mkdir "$T/small"
	mount -t tmpfs -o size=1m none "$T/small"
	big >"$T/x.raw"
	got=0
	TMPDIR=$T/small ntt-loader "$T/x.raw" $H >/dev/null 2>"$T/err" || got=$?
	umount "$T/small"
	[ $got = 75 ]
	has "$(cat "$T/err")" 'No space left'
	nothing_there
}

@test "no room on the server's disk: 75, nothing left, next run succeeds" {
	need_root
	mkdir "$T/small"
	chmod 755 "$T"
	mount -t tmpfs -o size=20m none "$T/small"
	# root's servers run as postgres
	chown postgres "$T/small"
	space=small_$$
	sql "CREATE TABLESPACE $space LOCATION '$T/small'"
	sql "ALTER ROLE CURRENT_USER IN DATABASE $(sql 'SELECT current_database()') \
		SET default_tablespace = $space"
	big >"$T/x.raw"
	got=0
	ntt-loader "$T/x.raw" $H >/dev/null 2>"$T/err" || got=$?
	left=$(find "$T/small" -type f -size +0 | wc -l)
	sql "ALTER ROLE CURRENT_USER IN DATABASE $(sql 'SELECT current_database()') \
		RESET default_tablespace"
	expect 0 ntt-loader "$T/x.raw" $H
	sql CHECKPOINT
	sql "DROP TABLESPACE $space"
	umount "$T/small"
	cat "$T/err"
	[ $got = 75 ]
	[ "$left" = 0 ]
	healthy
}

@test "a schema that is older or newer" {
	small >"$T/x.raw"
	sql 'INSERT INTO schema_version SELECT max(version) + 1
		FROM schema_version'
	expect 1 ntt-loader "$T/x.raw" $H
	has "$stderr" 'schema version'
	sql 'DELETE FROM schema_version WHERE version >= (
		SELECT max(version) - 1 FROM schema_version)'
	expect 1 ntt-loader "$T/x.raw" $H
	has "$stderr" 'schema version'
}

@test "three hundred media are no burden" {
	small >"$T/x.raw"
	sql "DO \$\$ DECLARE m text; BEGIN FOR i IN 1..300 LOOP
		m := 'm' || i; INSERT INTO medium (medium_hash, enum_done)
			VALUES (m, now());
		PERFORM catalogue_create_partitions(m);
		PERFORM catalogue_key_partitions(m);
		PERFORM catalogue_attach_partitions(m);
		END LOOP; END \$\$"
	expect 0 ntt-loader "$T/x.raw" $H
	expect 0 ntt-loader --replace "$T/x.raw" $H
	expect 0 ntt-loader --drop --yes $H
}
