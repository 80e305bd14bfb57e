#!/usr/bin/env bats
# slow: trees of thousands of links
# What is done to a medium after it was loaded or copied: failures reset,
# paths excluded, links repaired and counted.

load lib

setup() {
	isolate
	need b3sum b3sum
	fresh_db
	M=aaaabbbbccccdddd0000111122223333
	N=beef0000beef0000
}

# load DIR [MEDIUM]: into the catalogue
load_tree() {
	ntt-enum -q "$1" "${2:-$M}" - | ntt-loader -q - "${2:-$M}" >/dev/null
}

count() {
	sql "SELECT count(*) FROM inode WHERE $1"
}

healthy() {
	NTT_HOME=$NTT_TEST_CLUSTER ntt-db check >"$T/check" ||
		{ cat "$T/check"; return 1; }
}

# Everything a program could change of a medium.
state() {
	sql "SELECT i FROM inode i ORDER BY i.medium_hash, i.dev, i.ino"
	sql "SELECT p FROM path p ORDER BY p.medium_hash, p.path"
	sql "SELECT m FROM medium m ORDER BY medium_hash"
	sql "SELECT b FROM blobs b ORDER BY blobid"
	sql "SELECT w FROM work_range w ORDER BY medium_hash, number"
}

# Two files that vanished and one that is broken, of a medium of five.
failures() {
	mkdir "$T/src"
	for i in 1 2 3 4 5; do echo $i >"$T/src/$i"; done
	load_tree "$T/src"
	mkdir "$T/away" && mv "$T/src/1" "$T/src/2" "$T/away"
	expect 3 ntt-copier -q -m $M
	sql "UPDATE inode SET status = 'failed_permanent',
		error_type = 'io_error', blobid = NULL,
		errors = '{\"io_error: Input/output error\"}'
		WHERE ino = (SELECT ino FROM path WHERE path = '3');
		DELETE FROM blob_load b WHERE NOT EXISTS
			(SELECT FROM inode i WHERE i.blobid = b.blobid)"
}

@test "list-failures: classes, numbers, samples, as text and as JSON" {
	failures
	expect 0 ntt-recover-failed list-failures -m aaaabbbb
	has "$output" 'path_error        failed_retryable           2 inodes'
	has "$output" 'io_error          failed_permanent           1 inodes'
	has "$output" '"3" ('
	has "$output" 'Input/output error'
	expect 0 ntt-recover-failed list-failures -m $M --json
	[ "$(python3 -c 'import json, sys
d = json.load(sys.stdin)
print(d["medium"], *sorted((f["error_type"], f["inodes"], f["bytes"],
	len(f["samples"])) for f in d["failures"]))' <<<"$output")" = \
		"$M ('io_error', 1, 2, 1) ('path_error', 2, 4, 2)" ]
	expect 0 ntt-recover-failed list-failures -m $M --error-type hash_error
	[ "$output" = "no failures" ]
	expect 64 ntt-recover-failed list-failures -m $M --error-type no
	expect 64 ntt-recover-failed list-failures
	expect 64 ntt-recover-failed forget -m $M
	expect 1 ntt-recover-failed list-failures -m 00000000
}

@test "list-failures prints no name unescaped" {
	mkdir "$T/src" && echo x >"$T/src/"$'\e[31m\n\xff'
	load_tree "$T/src"
	mv "$T/src" "$T/moved" && mkdir "$T/src"
	echo >"$T/src/x"
	expect 3 ntt-copier -q -m $M --src-root "$T/src"
	expect 0 ntt-recover-failed list-failures -m $M
	grep -qF '\x1b[31m\n\xff' <<<"$output"
	expect 0 ntt-recover-failed list-failures -m $M --json
	has "$output" '"path_hex":"1b5b33316d0aff"'
}

@test "reset-failures shows first, and with --execute resets what may heal" {
	failures
	before=$(state)
	for how in "" --dry-run; do
		# shellcheck disable=SC2086 # no word at all
		expect 0 ntt-recover-failed reset-failures -m $M $how
		has "$output" '2 inodes would become pending'
		[ "$(state)" = "$before" ]
	done
	expect 64 ntt-recover-failed reset-failures -m $M --dry-run --execute
	expect 0 ntt-recover-failed reset-failures -m $M --execute \
		--error-type io_error
	[ "$(state)" = "$before" ]
	expect 0 ntt-recover-failed reset-failures -m $M --execute
	has "$output" '2 inodes are pending again'
	[ "$(count "status = 'pending' AND attempts = 0 AND
		next_attempt_at IS NULL AND array_length(errors, 1) > 1")" = 2 ]
	[ "$(count "status = 'failed_permanent'")" = 1 ]
	[ "$(sql 'SELECT copy_done IS NULL FROM medium')" = t ]
	healthy
	# an archiver would refuse now; a copier has something to do
	mv "$T/away/1" "$T/away/2" "$T/src"
	expect 0 ntt-copier -q -m $M
	[ "$(count "status = 'success' AND fs_type = 'f'")" = 4 ]
	[ "$(sql 'SELECT copy_done IS NOT NULL FROM medium')" = t ]
	check_store
}

@test "what is archived is not reset" {
	failures
	sql "UPDATE medium SET archived_at = now(), archive_path = '/a'"
	before=$(state)
	expect 2 ntt-recover-failed reset-failures -m $M --execute
	has "$stderr" 'is archived already, in "/a"'
	[ "$(state)" = "$before" ]
}

@test "a reset waits for who is about to say that all is copied" {
	failures
	{
		echo 'BEGIN; SELECT FROM medium FOR UPDATE;'
		echo '\! touch '"$T/locked"
		sleep 2
		echo 'UPDATE medium SET copy_done = now(); COMMIT;'
	} | psql -Xq "$NTT_DB_URL" >/dev/null & other=$!
	await '[ -e "$T/locked" ]'
	expect 0 ntt-recover-failed reset-failures -m $M --execute
	wait $other
	[ "$(sql 'SELECT copy_done IS NULL FROM medium')" = t ]
	healthy
}

@test "list-damaged: ranges of bytes by path, unknown where it is" {
	mkdir "$T/src" && for i in 1 2 3; do echo $i >"$T/src/$i"; done
	ln "$T/src/1" "$T/src/again"
	load_tree "$T/src"
	sql "INSERT INTO inode_damage SELECT medium_hash, dev, ino, true,
		'{[0,512),[4096,8192)}' FROM path WHERE path = '1'"
	sql "INSERT INTO inode_damage SELECT medium_hash, dev, ino, false,
		NULL FROM path WHERE path = '2'"
	expect 0 ntt-recover-failed list-damaged -m $M
	[ "$(sort <<<"$output")" = $'0-511,4096-8191 "1"
0-511,4096-8191 "again"\nunknown "2"' ]
	expect 0 ntt-recover-failed list-damaged -m $M --json
	[ "$(python3 -c 'import json, sys
for f in sorted(json.load(sys.stdin)["damaged"], key = lambda f: f["determined"]):
	print(f["determined"], f["ranges"], [p["path"] for p in f["paths"]])' \
		<<<"$output")" = "False [] ['2']
True [[0, 512], [4096, 8192]] ['1', 'again']" ]
}

# Names in a cache, one of a file with a name elsewhere, one copied already.
cached() {
	mkdir -p "$T/src/cache/empty" "$T/src/keep"
	echo 1 >"$T/src/cache/gone"
	echo 2 >"$T/src/cache/both"; ln "$T/src/cache/both" "$T/src/keep/both"
	echo 3 >"$T/src/keep/kept"
	echo 4 >"$T/src/cache/"$'\xff\n#'
	echo 5 >"$T/src/cache/copied"
	load_tree "$T/src"
	printf '# a comment\n\n^cache/\n' >"$T/patterns"
}

copy_one() {
	local id
	id=$(b3sum --no-names <"$1")
	mkdir -p "$NTT_HOME/by-hash/${id:0:2}/${id:2:2}"
	cp "$1" "$NTT_HOME/by-hash/${id:0:2}/${id:2:2}/$id"
	sql "INSERT INTO blobs (blobid, size) VALUES ('$id', 2)"
	ntt-db adopt -q
	sql "UPDATE inode SET status = 'success', blobid = '$id' WHERE ino =
		(SELECT ino FROM path WHERE path = '$2');
		SELECT catalogue_note_contents('$M')"
}

@test "mark-excluded: paths and their inodes, never what is copied" {
	cached
	copy_one "$T/src/cache/copied" cache/copied
	before=$(state)
	expect 0 ntt-mark-excluded $M --patterns "$T/patterns" --dry-run
	[ "$output" = "$M: 4 paths and 3 inodes would be excluded" ]
	[ "$(state)" = "$before" ]
	expect 0 ntt-mark-excluded aaaabbbb --patterns "$T/patterns" -v
	[ "$output" = "$M: 4 paths and 3 inodes excluded" ]
	has "$stderr" '4 paths match "^cache/"'
	[ "$(sql "SELECT string_agg(DISTINCT exclude_reason, ' ') FROM path")" = '^cache/' ]
	[ "$(count "status = 'excluded'")" = 3 ]
	[ "$(sql "SELECT status FROM inode NATURAL JOIN path WHERE path = 'keep/both'")" = pending ]
	[ "$(sql "SELECT exclude_reason IS NULL FROM path WHERE path = 'cache/copied'")" = t ]
	healthy
	expect 0 ntt-mark-excluded $M --patterns "$T/patterns"
	has "$output" ': 0 paths and 0 inodes'
	expect 0 ntt-copier -q -m $M
	[ -e "$NTT_HOME/archived/$M/keep/both" ]
	[ ! -e "$NTT_HOME/archived/$M/cache/both" ]
	[ ! -e "$NTT_HOME/archived/$M/cache/gone" ]
}

@test "mark-excluded --undo: pending again, and copied by the next run" {
	cached
	ntt-mark-excluded -q $M --patterns "$T/patterns" >/dev/null
	expect 0 ntt-copier -q -m $M
	[ "$(sql 'SELECT copy_done IS NOT NULL FROM medium')" = t ]
	before=$(state)
	expect 0 ntt-mark-excluded $M --undo --dry-run
	[ "$output" = "$M: 5 paths and 4 inodes would be included again" ]
	[ "$(state)" = "$before" ]
	expect 0 ntt-mark-excluded $M --undo
	has "$output" "5 paths and 4 inodes included again"
	has "$stderr" "1 of the paths belong to files that are copied"
	[ "$(sql 'SELECT copy_done IS NULL FROM medium')" = t ]
	[ "$(count "status = 'pending'")" = 3 ]
	healthy
	expect 0 ntt-copier -q -m $M
	expect 0 ntt-re-hardlink -q -m $M
	same_tree "$T/src" "$NTT_HOME/archived/$M"
	[ -d "$NTT_HOME/archived/$M/cache/empty" ]
	check_store
}

@test "--undo of inodes that no range of work holds" {
	mkdir "$T/src"
	for i in {1..40}; do echo $i >"$T/src/$i"; done
	load_tree "$T/src"
	# all but every fourth, so that they lie between, before and behind
	echo '^([1-9]|[1-3][1235679])$' >"$T/patterns"
	ntt-mark-excluded -q $M --patterns "$T/patterns" >/dev/null
	expect 0 ntt-copier -q -m $M
	sql "UPDATE work_range SET first_ino = last_ino"
	expect 0 ntt-mark-excluded -q $M --undo
	[ "$(sql "SELECT count(*) FROM inode i WHERE status = 'pending' AND 1 <>
		(SELECT count(*) FROM work_range w WHERE w.dev = i.dev AND
		i.ino BETWEEN w.first_ino AND w.last_ino AND NOT done)")" = 0 ]
	expect 0 ntt-copier -q -m $M
	[ "$(count "status = 'success' AND attempts > 0")" = 40 ]
	[ "$(sql 'SELECT sum(n_hardlinks) FROM blobs')" = 40 ]
	same_tree "$T/src" "$NTT_HOME/archived/$M"
}

@test "--undo with patterns takes back only what matches" {
	cached
	printf '^cache/\nkept\n' >"$T/patterns"
	ntt-mark-excluded -q $M --patterns "$T/patterns" >/dev/null
	echo kept >"$T/some"
	expect 0 ntt-mark-excluded $M --undo --patterns "$T/some"
	[ "$output" = "$M: 1 paths and 1 inodes included again" ]
	[ "$(sql "SELECT string_agg(convert_from(path, 'UTF8'), ' ') FROM path
		WHERE exclude_reason IS NULL AND path LIKE 'keep/k%'")" = keep/kept ]
	healthy
}

@test "the patterns of a Markdown guide are in its fenced blocks" {
	cached
	cat >"$T/guide.md" <<-'END'
		# How to choose

		keep is not a pattern here, nor is `copied`.

		```
		# a comment
		^cache/gone$
		```

		keep

		````text
		^cache/copied$
		````
	END
	expect 0 ntt-mark-excluded $M --patterns "$T/guide.md"
	[ "$output" = "$M: 2 paths and 2 inodes excluded" ]
	printf '```\n(\n```\n' >"$T/bad.md"
	expect 64 ntt-mark-excluded $M --patterns "$T/bad.md"
	has "$stderr" 'bad.md", line 2: invalid pattern "("'
	printf '```\nx\n' >"$T/open.md"
	expect 64 ntt-mark-excluded $M --patterns "$T/open.md"
	has "$stderr" 'has no end'
}

@test "mark-excluded: a bad list, none, all media, copiers at work" {
	cached
	mkdir "$T/two" && echo x >"$T/two/gone" && load_tree "$T/two" $N
	before=$(state)
	expect 64 ntt-mark-excluded $M
	expect 64 ntt-mark-excluded $M --patterns "$T/nowhere"
	printf 'ok\n(\n' >"$T/bad"
	expect 64 ntt-mark-excluded $M --patterns "$T/bad"
	expect 64 ntt-mark-excluded --all $M --patterns "$T/patterns"
	expect 1 ntt-mark-excluded 00000000 --patterns "$T/patterns"
	[ "$(state)" = "$before" ]
	id=$(sql "INSERT INTO worker (name, host, pid, start_time, medium_hash)
		VALUES ('w', 'h', 1, 1, '$M') RETURNING id")
	{
		echo "SELECT pg_advisory_lock(catalogue_worker_class(), $id);"
		echo '\! touch '"$T/locked"
		await '[ -e "$T/go" ]'
	} | psql -Xq "$NTT_DB_URL" >/dev/null 3>&- & other=$!
	await '[ -e "$T/locked" ]'
	echo gone >"$T/patterns"
	expect 75 ntt-mark-excluded --all --patterns "$T/patterns"
	has "$stderr" "1 copiers are at work on $M"
	has "$output" "$N: 1 paths and 1 inodes excluded"
	touch "$T/go"; wait $other
	NTT_IGNORE_PATTERNS=$T/patterns expect 0 ntt-mark-excluded --all
	has "$output" "$M: 1 paths and 1 inodes excluded"
	healthy
	sql "UPDATE medium SET archived_at = now(), copy_done = now()"
	expect 2 ntt-mark-excluded $M --undo
	[ "$(count "status = 'excluded'")" = 2 ]
}

copied() {
	difficult_tree "$T/src"
	load_tree "$T/src"
	ntt-copier -q -m $M
}

@test "re-hardlink makes what is missing of a tree, and nothing twice" {
	copied
	before=$(sql 'SELECT b FROM blobs b ORDER BY blobid')
	expect 0 ntt-re-hardlink -m $M
	has "$output" ', 0 made, '
	mv "$NTT_HOME/archived/$M" "$T/old"
	expect 3 ntt-re-hardlink -q -m $M --check-only
	[ ! -e "$NTT_HOME/archived/$M" ]
	expect 0 ntt-re-hardlink -m $M --verify-after --batch-size 7
	has "$stderr" ' names looked at again, 0 wrong'
	same_tree "$T/src" "$NTT_HOME/archived/$M"
	[ "$(sql 'SELECT b FROM blobs b ORDER BY blobid')" = "$before" ]
	expect 0 ntt-re-hardlink -m $M --check-only
	has "$output" ', 0 made, '
	rm -rf "$T/old"
	check_store
}

@test "re-hardlink replaces what is not the blob" {
	mkdir -p "$T/src/d" && echo right >"$T/src/d/f" && echo r >"$T/src/g"
	ln -s target "$T/src/l" && mkdir "$T/src/e"
	load_tree "$T/src"; ntt-copier -q -m $M
	cd "$NTT_HOME/archived/$M"
	rm d/f && echo wrong >d/f
	cp g h && mv h g
	ln -sfn elsewhere l
	rmdir e
	expect 3 ntt-re-hardlink -m $M --check-only
	has "$output" '4 wrong'
	has "$stderr" '"e": missing in the tree'
	has "$stderr" '"d/f": something else stands in the tree'
	[ "$(cat d/f)" = wrong ]
	expect 0 ntt-re-hardlink -m $M
	has "$output" '4 made'
	same_tree "$T/src" "$NTT_HOME/archived/$M"
	check_store
}

@test "re-hardlink leaves excluded paths alone and follows no link" {
	mkdir -p "$T/src/d" "$T/outside" && echo x >"$T/src/d/f"
	echo y >"$T/src/g" && ln "$T/src/g" "$T/src/h"
	load_tree "$T/src"; ntt-copier -q -m $M
	sql "UPDATE path SET exclude_reason = 'x' WHERE path = 'h'"
	cd "$NTT_HOME/archived/$M"
	rm -r d h && ln -s "$T/outside" d
	expect 3 ntt-re-hardlink -m $M
	has "$stderr" '"d/f": '
	[ ! -e "$T/outside/f" ] && [ ! -e h ]
}

@test "a missing blob is a failure, the other names are made" {
	mkdir "$T/src" && echo 1 >"$T/src/1" && echo 2 >"$T/src/2"
	load_tree "$T/src"; ntt-copier -q -m $M
	id=$(b3sum --no-names <"$T/src/1")
	rm "$NTT_HOME/by-hash/${id:0:2}/${id:2:2}/$id"
	rm -r "$NTT_HOME/archived/$M"
	expect 3 ntt-re-hardlink -m $M --json
	has "$stderr" '"1": its blob is missing in the store'
	has "$output" '"made":1,"good":0,"failed":1,"corrected":1'
	grep -q '"stage":"relink_failed","path":"1","blobid":"'"$id" \
		"$NTT_HOME/log/ntt-re-hardlink.jsonl"
	[ "$(sql "SELECT n_hardlinks FROM blobs WHERE blobid = '$id'")" = 0 ]
	expect 3 ntt-re-hardlink -q -m $M --check-only
	rm -r "$NTT_HOME/by-hash" && mkdir "$NTT_HOME/by-hash"
	expect 75 ntt-re-hardlink -q -m $M
	has "$stderr" 'is not mounted at'
}

@test "n_hardlinks is counted over all media that have a tree" {
	mkdir "$T/src" && echo 1 >"$T/src/1" && ln "$T/src/1" "$T/src/one"
	cp "$T/src/1" "$T/src/copy" && echo 2 >"$T/src/2" && ln -s 2 "$T/src/l"
	load_tree "$T/src"; ntt-copier -q -m $M
	load_tree "$T/src" $N; ntt-copier -q -m $N
	load_tree "$T/src" cafe0000cafe0000
	ntt-copier -q -m cafe0000cafe0000 --no-archived
	before=$(sql 'SELECT b FROM blobs b ORDER BY blobid')
	sql 'UPDATE blobs SET n_hardlinks = 77'
	expect 0 ntt-re-hardlink -m $M
	has "$output" '; the number of links of 2 blobs was corrected'
	[ "$(sql 'SELECT b FROM blobs b WHERE size = 2 ORDER BY blobid')" = \
		"$(grep ',2,' <<<"$before")" ]
}

@test "--from-file repairs some blobs in all media" {
	mkdir "$T/src" && echo 1 >"$T/src/1" && echo 2 >"$T/src/2"
	ln -s target "$T/src/l"
	load_tree "$T/src"; ntt-copier -q -m $M
	load_tree "$T/src" $N; ntt-copier -q -m $N
	rm "$NTT_HOME/archived"/*/*
	{ b3sum --no-names <"$T/src/1"; echo; printf target | b3sum --no-names; } |
		expect 0 ntt-re-hardlink --from-file -
	for m in $M $N; do
		[ "$(cat "$NTT_HOME/archived/$m/1")" = 1 ]
		[ "$(readlink "$NTT_HOME/archived/$m/l")" = target ]
		[ ! -e "$NTT_HOME/archived/$m/2" ]
	done
	b3sum --no-names <"$T/src/2" >"$T/ids"
	expect 0 ntt-re-hardlink -m $N --from-file "$T/ids"
	[ -e "$NTT_HOME/archived/$N/2" ] && [ ! -e "$NTT_HOME/archived/$M/2" ]
	printf '%064d\n' 7 >>"$T/ids"
	expect 3 ntt-re-hardlink -q --from-file "$T/ids"
	has "$stderr" 'the catalogue has no blob'
	[ -e "$NTT_HOME/archived/$M/2" ]
	echo abcd >>"$T/ids"
	expect 1 ntt-re-hardlink --from-file "$T/ids"
	has "$stderr" 'line 3: there is no id of a blob in "abcd"'
	expect 64 ntt-re-hardlink
	expect 1 ntt-re-hardlink -m $M --from-file "$T/nowhere"
}

@test "more names than the file system has links for: copies, made once" {
	need_root
	need mkfs.ext2 e2fsprogs
	need_loop
	truncate -s 200M "$T/img" && mkfs.ext4 -q -N 2000 "$T/img"
	mkdir "$T/fs" "$T/src" && mount -o loop "$T/img" "$T/fs"
	export BYHASH_ROOT=$T/fs/by-hash ARCHIVED_ROOT=$T/fs/archived
	echo x >"$T/src/0"; load_tree "$T/src"; ntt-copier -q -m $M
	sql "INSERT INTO path (medium_hash, dev, ino, path) SELECT medium_hash,
		dev, ino, ('n' || n)::bytea FROM path,
		generate_series(1, 65009) n WHERE path = '0'"
	sql "UPDATE inode SET nlink = 65010 WHERE fs_type = 'f'"
	expect 0 ntt-re-hardlink -m $M
	has "$output" ' 65,009 made, '
	expect 0 ntt-re-hardlink -m $M
	has "$output" ' 0 made, '
	expect 0 ntt-re-hardlink -m $M --check-only
	[ "$(sql 'SELECT max(n_hardlinks) FROM blobs')" = 65010 ]
	[ "$(find "$ARCHIVED_ROOT/$M" -type f -printf '%i\n' | sort -u |
		wc -l)" = 2 ]
	umount "$T/fs"
}

@test "SIGTERM and SIGKILL in the middle, and the next run finishes" {
	mkdir "$T/src"
	for i in {1..3000}; do echo $((i % 900)) >"$T/src/$i"; done
	load_tree "$T/src"; ntt-copier -q -m $M
	for signal in TERM KILL TERM KILL; do
		rm -r "$NTT_HOME/archived/$M"
		ntt-re-hardlink -q -m $M --batch-size 10 >/dev/null 2>&1 & pid=$!
		until [ -e "$NTT_HOME/archived/$M/1" ] ||
			[ -n "$(ls "$NTT_HOME/archived/$M" 2>/dev/null)" ]; do :; done
		kill -$signal $pid
		status=0; wait $pid || status=$?
		[ $status = $((128 + $(kill -l $signal))) ]
	done
	expect 0 ntt-re-hardlink -q -m $M
	same_tree "$T/src" "$NTT_HOME/archived/$M"
	[ "$(sql 'SELECT sum(n_hardlinks) FROM blobs')" = 3000 ]
	check_store
}

@test "copiers and a repair at the same time: the numbers are right" {
	mkdir "$T/src" "$T/two"
	for i in {1..1500}; do echo $((i % 300)) >"$T/src/$i"; done
	cp "$T/src"/* "$T/two"
	load_tree "$T/src"; load_tree "$T/two" $N
	ntt-copier -q -m $M
	sql 'UPDATE blobs SET n_hardlinks = 0'
	ntt-copier -q -m $N --batch-size 5 & pid=$!
	for i in 1 2 3; do ntt-re-hardlink -q -m $M >/dev/null; done
	wait $pid
	[ "$(sql 'SELECT DISTINCT n_hardlinks FROM blobs')" = 10 ]
	check_store
}

@test "count-hardlinks: by number of links, each inode once" {
	mkdir -p "$T/d/e" && cd "$T/d"
	echo one >1; echo two >2; ln 2 "$T/outside"
	echo three >3; ln 3 e/3; ln 3 e/$'\n'
	: >0; ln -s 1 l; mkfifo f
	expect 0 ntt-count-hardlinks "$T/d"
	[ "$(awk '{print $1, $2, $3}' <<<"$output")" = "links files bytes
1 2 4
2 1 4
3+ 1 6
all 4 14" ]
	expect 0 ntt-count-hardlinks --json "$T/d"
	has "$output" '{"links":"3+","files":1,"bytes":6}],"files":4,"bytes":14'
	expect 1 ntt-count-hardlinks "$T/nowhere"
	expect 64 ntt-count-hardlinks
	[ "$(id -u)" = 0 ] || { chmod 0 e; expect 3 ntt-count-hardlinks "$T/d"; chmod 755 e; }
}
