#!/usr/bin/env bats
# slow: a minute of copying, killing and restarting
# The copier and the store: every content once, never wrong, whatever is
# killed.

load lib

setup() {
	isolate
	need b3sum b3sum
	fresh_db
	M=aaaabbbbccccdddd0000111122223333
}

# load DIR [MEDIUM]: into the catalogue
load_tree() {
	ntt-enum -q "$1" "${2:-$M}" - | ntt-loader -q - "${2:-$M}" >/dev/null
}

count() {
	sql "SELECT count(*) FROM inode WHERE $1"
}

teardown() {
	# a test that failed may have left it
	! mountpoint -q "$T/store" || umount -l "$T/store"
}

@test "copies a tree with every difficult name, once" {
	difficult_tree "$T/src"
	load_tree "$T/src"
	expect 0 ntt-copier -q -m $M
	check_store
	same_tree "$T/src" "$NTT_HOME/archived/$M"
	distinct=$( (find "$T/src" -type f -print0 | xargs -0 b3sum --no-names
		find "$T/src" -type l -print0 | while IFS= read -r -d '' l; do
			readlink -n "$l" | b3sum --no-names
		done) | sort -u | wc -l)
	[ "$(find "$NTT_HOME/by-hash" -type f ! -name '*.ntt-store*' | wc -l)" = "$distinct" ]
	[ "$(sql 'SELECT count(*) FROM blobs')" = "$distinct" ]
	[ "$(sql "SELECT copy_done IS NOT NULL FROM medium")" = t ]
	[ "$(sql 'SELECT count(*) FROM worker')" = 0 ]
}

@test "a batch of symbolic links alone has rows for their targets" {
	mkdir "$T/src"
	for i in {1..9}; do
		ln -s "target $i" "$T/src/$i"
	done
	ln -s "target 1" "$T/src/again"
	load_tree "$T/src"
	expect 0 ntt-copier -q -m $M --batch-size 3
	check_store
	[ "$(sql 'SELECT count(*) FROM blobs')" = 9 ]
}

@test "modes and times of day do not matter: 0444, 0755 under any umask" {
	mkdir -p "$T/src/d" && echo x >"$T/src/d/f"
	load_tree "$T/src"
	(umask 077; ntt-copier -q -m $M)
	[ "$(find "$NTT_HOME/by-hash" "$NTT_HOME/archived" -type f ! -name .ntt-store ! -perm 444 | wc -l)" = 0 ]
	[ "$(find "$NTT_HOME/by-hash" "$NTT_HOME/archived" -type d ! -perm 755 |
		wc -l)" = 0 ]
}

@test "a private store: 0440 and 0750 under any umask" {
	mkdir -p "$T/src/d" && echo x >"$T/src/d/f" && ln -s d/f "$T/src/l"
	load_tree "$T/src"
	sql "UPDATE catalogue SET private = true"
	(umask 0; ntt-copier -q -m $M)
	[ "$(find "$NTT_HOME/by-hash" "$NTT_HOME/archived" -type f \
		! -name .ntt-store -printf '%m\n' | sort -u)" = 440 ]
	[ "$(find "$NTT_HOME/by-hash" "$NTT_HOME/archived/$M" -type d \
		-printf '%m\n' | sort -u)" = 750 ]
	grep -qx private "$NTT_HOME/by-hash/.ntt-store"
	grep -q "^owner $(id -u) $(id -un)$" "$NTT_HOME/by-hash/.ntt-store"
}

@test "the copier of another user than the store's owner is refused" {
	mkdir -p "$T/src/d" && echo x >"$T/src/d/f"
	load_tree "$T/src"; ntt-copier -q -m $M
	echo y >"$T/src/d/f"; load_tree "$T/src" beef0000beef0000
	sed -i 's/^owner .*/owner 65534 nobody/' "$NTT_HOME/by-hash/.ntt-store"
	expect 64 ntt-copier -m beef0000beef0000
	has "$stderr" 'belongs to nobody'
	has "$stderr" 'sudo -u nobody ntt-copier'
	[ "$(sql "SELECT count(*) FROM inode WHERE status = 'success'")" = 1 ]
	expect 64 ntt-re-hardlink -m $M
	has "$stderr" 'sudo -u nobody ntt-re-hardlink'
	expect 0 ntt-re-hardlink -m $M --check-only
	# marks of before have no owner
	sed -i '/^owner/d' "$NTT_HOME/by-hash/.ntt-store"
	expect 0 ntt-copier -q -m beef0000beef0000
}

@test "a duplicate medium writes nothing" {
	mkdir "$T/src" && for i in 1 2 3; do echo $i >"$T/src/$i"; done
	load_tree "$T/src"; ntt-copier -q -m $M
	before=$(find "$NTT_HOME/by-hash" -type f ! -name .ntt-store -printf '%p %i %C@\n' | cut -d. -f1 | sort)
	load_tree "$T/src" beef0000beef0000
	expect 0 ntt-copier -q -m beef0000beef0000
	[ "$(find "$NTT_HOME/by-hash" -type f ! -name .ntt-store -printf '%p %i %C@\n' | cut -d. -f1 |
		sort | awk '{print $1, $2}')" = "$(awk '{print $1, $2}' <<<"$before")" ]
	[ "$(sql "SELECT sum(n_hardlinks) FROM blobs")" = 6 ]
	check_store
}

@test "a medium by the beginning of its hash, and none" {
	mkdir "$T/src" && load_tree "$T/src"
	expect 0 ntt-copier -q -m aaaabbbb
	expect 1 ntt-copier -q -m 00000000
	has "$stderr" 'the catalogue has no medium "00000000"'
	expect 64 ntt-copier -q
}

@test "--limit stops after exactly N, --dry-run changes nothing" {
	mkdir "$T/src" && for i in {1..30}; do echo $i >"$T/src/$i"; done
	load_tree "$T/src"
	before=$(sql 'SELECT * FROM inode ORDER BY ino')
	expect 0 ntt-copier -m $M --dry-run --limit 5
	has "$output" "30 inodes"
	[ "$(sql 'SELECT * FROM inode ORDER BY ino')" = "$before" ]
	[ ! -e "$NTT_HOME/by-hash" ]
	[ "$(sql 'SELECT count(*) FROM work_range')" = 0 ]
	expect 0 ntt-copier -q -m $M --limit 7
	[ "$(count "status = 'success'")" = 7 ]
	expect 0 ntt-copier -q -m $M --limit 7
	[ "$(count "status = 'success'")" = 14 ]
	[ "$(sql 'SELECT copy_done IS NULL FROM medium')" = t ]
	expect 0 ntt-copier -q -m $M
	[ "$(count "status = 'success'")" = 30 ]
	check_store
}

@test "a file that vanished, one that changed, one that became a link" {
	mkdir "$T/src" && for i in {1..5}; do echo $i >"$T/src/$i"; done
	load_tree "$T/src"
	rm "$T/src/1" "$T/src/3"
	echo longer than before >"$T/src/2"
	ln -s /etc/shadow "$T/src/3"
	expect 3 ntt-copier -q -m $M
	[ "$(count "status = 'failed_retryable' AND error_type = 'path_error'")" = 2 ]
	[ "$(count "errors[1] LIKE 'drift:%'")" = 1 ]
	[ "$(cat "$NTT_HOME/archived/$M/2")" = "longer than before" ]
	[ ! -e "$NTT_HOME/archived/$M/3" ]
	grep -rqs root: "$NTT_HOME/by-hash" && return 1
	[ "$(sql 'SELECT copy_done IS NOT NULL FROM medium')" = t ]
	[ "$(sql 'SELECT max(attempts) FROM inode')" = 5 ]
	check_store
}

@test "a file that changes whenever it is read is stored, and marked unstable" {
	mkdir "$T/src" && truncate -s 256M "$T/src/log" && echo 1 >"$T/src/still"
	load_tree "$T/src"
	while [ -e "$T/src/log" ]; do echo x >>"$T/src/log"; done 3>&- &
	writer=$!
	expect 0 ntt-copier -q -m $M
	kill $writer
	[ "$(count unstable)" = 1 ]
	[ "$(count "unstable AND status = 'success' AND attempts = 5 AND
		errors[array_upper(errors, 1)] LIKE 'unstable:%'")" = 1 ]
	[ "$(sql "SELECT problems ->> 'unstable_files' FROM medium")" = true ]
	size=$(sql 'SELECT max(size) FROM blobs')
	[ "$size" -gt $((256 << 20)) ]
	head -c "$size" "$T/src/log" | cmp - "$NTT_HOME/archived/$M/log"
	check_store
}

@test "a path that is not UTF-8 and not readable is recorded, not lost" {
	[ "$(id -u)" = 0 ] || skip "needs root to become another user"
	mkdir "$T/src" && echo secret >"$T/src/"$'\xff' && chmod 0 "$T/src/"$'\xff'
	echo open >"$T/src/open"
	load_tree "$T/src"
	chmod 755 "$T" "$T/src" "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" 2>/dev/null || :
	# root, with CAP_DAC_READ_SEARCH kept, reads it all the same
	expect 0 ntt-copier -q -m $M
	[ "$(count "status = 'success'")" = 2 ]
}

@test "the empty file, sparse files, large files" {
	mkdir "$T/src"
	: >"$T/src/empty"
	truncate -s 64M "$T/src/hole"
	printf x | dd of="$T/src/hole" bs=1 seek=5000000 conv=notrunc status=none
	head -c 3000000 /dev/urandom >"$T/src/large"
	cp "$T/src/large" "$T/src/large again"
	load_tree "$T/src"
	expect 0 ntt-copier -q -m $M
	check_store
	same_tree "$T/src" "$NTT_HOME/archived/$M"
	[ "$(stat -c %b "$NTT_HOME/archived/$M/hole")" -lt 100 ]
	[ -f "$NTT_HOME/by-hash/af/13/af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262" ]
}

@test "a large duplicate of another medium is read and not written" {
	mkdir "$T/src"
	head -c 3000000 /dev/urandom >"$T/src/large"
	load_tree "$T/src"; ntt-copier -q -m $M
	mkdir "$T/two"; cp "$T/src/large" "$T/two/same"
	head -c 3000000 /dev/urandom >"$T/two/same size"
	load_tree "$T/two" beef0000beef0000
	expect 0 ntt-copier -q -m beef0000beef0000
	[ "$(find "$NTT_HOME/by-hash" -type f ! -name '*.ntt-store*' | wc -l)" = 2 ]
	[ "$(stat -c %h "$NTT_HOME/archived/$M/large")" = 3 ]
	check_store
}

@test "what stands in the tree already is replaced in one step" {
	mkdir -p "$T/src/d" "$NTT_HOME/archived/$M/d"
	echo right >"$T/src/d/f"
	ln -s target "$T/src/link"
	echo wrong >"$NTT_HOME/archived/$M/d/f"
	ln -s elsewhere "$NTT_HOME/archived/$M/link"
	load_tree "$T/src"
	expect 0 ntt-copier -q -m $M
	same_tree "$T/src" "$NTT_HOME/archived/$M"
}

@test "a symbolic link in the tree of links is not followed" {
	mkdir -p "$T/src/d" "$T/outside" "$NTT_HOME/archived/$M"
	echo x >"$T/src/d/f"
	ln -s "$T/outside" "$NTT_HOME/archived/$M/d"
	load_tree "$T/src"
	expect 75 ntt-copier -q -m $M || expect 0 ntt-copier -q -m $M
	[ ! -e "$T/outside/f" ]
}

@test "store and tree on two file systems are refused, or work without tree" {
	need_root
	mkdir "$T/src" "$T/fs" && echo x >"$T/src/f"
	mount -t tmpfs none "$T/fs"
	load_tree "$T/src"
	ARCHIVED_ROOT=$T/fs expect 64 ntt-copier -q -m $M
	has "$stderr" "different file systems"
	[ "$(count "status = 'pending'")" = 1 ]
	ARCHIVED_ROOT= expect 0 ntt-copier -q -m $M
	umount "$T/fs"
	[ "$(count "status = 'success'")" = 1 ]
	[ "$(find "$NTT_HOME/by-hash" -type f ! -name '*.ntt-store*' | wc -l)" = 1 ]
}

@test "a full store blames no file, and the next run finishes" {
	need_root
	mkdir "$T/src" "$T/fs"
	for i in {1..60}; do head -c 100000 /dev/urandom >"$T/src/$i"; done
	mount -t tmpfs -o size=3m none "$T/fs"
	export BYHASH_ROOT=$T/fs/by-hash ARCHIVED_ROOT=$T/fs/archived
	load_tree "$T/src"
	status=0
	ntt-copier -q -m $M 2>"$T/err" || status=$?
	[ $status = 75 ]
	grep -q 'No space left' "$T/err"
	[ "$(count "error_type IS NOT NULL OR attempts > 1")" = 0 ]
	[ "$(sql 'SELECT count(*) FROM work_range WHERE worker IS NOT NULL')" = 0 ]
	check_store
	# what fitted is kept: all of the room but a batch's names is used
	[ "$(count "status = 'success'")" -gt 20 ]
	mount -o remount,size=30m "$T/fs"
	expect 0 ntt-copier -q -m $M
	check_store
	[ "$(count "status = 'success'")" = 60 ]
	umount "$T/fs"
}

@test "failed health is refused and nothing changes" {
	mkdir "$T/src" && echo x >"$T/src/f"
	load_tree "$T/src"
	sql "UPDATE medium SET health = 'failed'"
	expect 2 ntt-copier -q -m $M
	[ "$(count "status = 'pending'")" = 1 ]
	[ "$(sql 'SELECT health FROM medium')" = failed ]
	expect 0 ntt-copier -q -m $M --ignore-health
	[ "$(sql 'SELECT health FROM medium')" = failed ]
}

@test "an inode whose paths are all excluded is excluded, not retried" {
	mkdir "$T/src" && echo x >"$T/src/f" && echo y >"$T/src/g"
	load_tree "$T/src"
	sql "UPDATE path SET exclude_reason = 'x' WHERE path = 'f'"
	expect 0 ntt-copier -q -m $M
	[ "$(count "status = 'excluded'")" = 1 ]
	[ "$(count "status = 'success'")" = 1 ]
}

@test "a directory that moved away blames no file" {
	mkdir "$T/src" && for i in {1..9}; do echo $i >"$T/src/$i"; done
	load_tree "$T/src"
	mv "$T/src" "$T/moved"
	expect 1 ntt-copier -q -m $M
	[ "$(count "status = 'pending' AND attempts = 0")" = 9 ]
	mv "$T/moved" "$T/src"
	expect 0 ntt-copier -q -m $M
	[ "$(count "status = 'success'")" = 9 ]
}

@test "SIGTERM: what is done is committed, the rest goes on later" {
	mkdir "$T/src"
	for i in {1..6000}; do echo $i >"$T/src/$i"; done
	load_tree "$T/src"
	ntt-copier -q -m $M --batch-size 100 & pid=$!
	await "[ \"\$(count \"status = 'success'\")\" -gt 0 ]"
	kill -TERM $pid
	status=0; wait $pid || status=$?
	[ $status = 143 ]
	[ "$(count "status = 'pending'")" -gt 0 ]
	[ "$(sql 'SELECT count(*) FROM work_range WHERE worker IS NOT NULL')" = 0 ]
	check_store
	expect 0 ntt-copier -q -m $M || expect 2 ntt-copier -q -m $M
	[ "$(count "status = 'success'")" = 6000 ]
	check_store
}

@test "killed at random with four workers on two media, nothing is wrong" {
	mkdir "$T/src" "$T/two"
	for i in {1..300}; do
		head -c $((RANDOM % 20000)) /dev/urandom >"$T/src/$i"
		cp "$T/src/$i" "$T/two/$((i / 2))"
	done
	load_tree "$T/src"
	load_tree "$T/two" beef0000beef0000
	for round in {1..12}; do
		for m in $M $M beef0000beef0000 beef0000beef0000; do
			ntt-copier -q -m $m --batch-size 3 2>/dev/null &
		done
		sleep 0.0$((RANDOM % 10))
		# shellcheck disable=SC2046 # a list of numbers
		kill -9 $(jobs -rp) 2>/dev/null || :
		wait || :
		check_store
	done
	ntt-copier -q -m $M || [ $? = 2 ]
	ntt-copier -q -m beef0000beef0000 || [ $? = 2 ]
	check_store
	[ "$(count "status <> 'success' AND fs_type = 'f'")" = 0 ]
	same_tree "$T/src" "$NTT_HOME/archived/$M"
	same_tree "$T/two" "$NTT_HOME/archived/beef0000beef0000"
}

@test "sixteen workers share one medium, every inode once" {
	mkdir "$T/src"
	for i in {1..3000}; do echo $((i % 700)) >"$T/src/$i"; done
	load_tree "$T/src"
	expect 0 ntt-copy-workers -q --wait -w 16 -m $M
	[ "$(count "fs_type = 'f' AND attempts = 1 AND status = 'success'")" = 3000 ]
	[ "$(sql 'SELECT count(*) FROM blobs')" = 700 ]
	[ "$(sql 'SELECT sum(n_hardlinks) FROM blobs')" = 3000 ]
	check_store
}

@test "a signal reaches the workers that are left, and nobody else" {
	mkdir "$T/src"
	for i in {1..6000}; do echo $i >"$T/src/$i"; done
	load_tree "$T/src"
	# a group of its own with a neighbour in it
	setsid bash -c 'sleep 300 & echo $! >"$1/neighbour"
		ntt-copy-workers -q --wait -w 2 -m "$2" & echo $! >"$1/pid"
		wait $! || echo $? >"$1/status"; wait' - "$T" $M \
		2>/dev/null 3>&- &
	await '[ -s "$T/pid" ] && [ "$(pgrep -cP "$(cat "$T/pid")")" = 2 ]'
	pid=$(cat "$T/pid")
	kill -9 "$(pgrep -P "$pid" | head -n 1)"
	await '[ "$(pgrep -cP "$pid")" = 1 ]'
	kill -TERM "$pid"
	await '[ -s "$T/status" ]'
	kill -0 "$(cat "$T/neighbour")"
	kill "$(cat "$T/neighbour")"
	[ "$(cat "$T/status")" = 143 ]
	check_store
}

@test "workers left running are found and stopped; others are not touched" {
	mkdir "$T/src"
	for i in {1..3000}; do head -c 3000 /dev/urandom >"$T/src/$i"; done
	load_tree "$T/src"
	expect 2 ntt-stop-workers
	ntt-copy-workers -q -w 2 -m $M 3>&-
	[ "$(wc -l <"$NTT_HOME/run/workers.pids")" = 2 ]
	sleep 60 3>&- & other=$!
	printf '%s 1 %s\n' $other $M >>"$NTT_HOME/run/workers.pids"
	ntt-stop-workers -q || [ $? = 2 ]
	kill -0 $other
	kill $other
	[ "$(sql 'SELECT count(*) FROM work_range WHERE worker IS NOT NULL')" = 0 ]
	expect 0 ntt-copier -q -m $M || expect 2 ntt-copier -q -m $M
	check_store
}

@test "a blob that has a row and no file gets its file, and its links count" {
	mkdir "$T/src"
	for i in {1..20}; do echo "$i" >"$T/src/$i"; done
	id=$(b3sum --no-names "$T/src/7")
	load_tree "$T/src"
	mkdir "$NTT_HOME/by-hash" && expect 0 ntt-db adopt
	sql "INSERT INTO blobs (blobid, size, n_hardlinks) VALUES ('$id', 2, 0)"
	expect 0 ntt-copier -q -m $M
	check_store
	[ "$(count "status = 'success'")" = 20 ]
	[ "$(sql "SELECT n_hardlinks FROM blobs WHERE blobid = '$id'")" = 1 ]
	[ "$(sql "SELECT count(*) FROM blobs")" = 20 ]
}

@test "PostgreSQL restarted under a copier: it begins anew, and comes to its end" {
	mkdir "$T/src"
	for i in {1..1500}; do head -c 3000 /dev/urandom >"$T/src/$i"; done
	unset NTT_DB_URL
	ntt-db init -q 3>&-
	load_tree "$T/src"
	ntt-copier -q -m $M --batch-size 20 2>"$T/err" & pid=$!
	NTT_DB_URL=$(ntt-db url)
	export NTT_DB_URL
	await "[ \"\$(count \"status = 'success'\")\" -gt 0 ]"
	unset NTT_DB_URL
	ntt-db stop -q; ntt-db start -q 3>&-
	wait $pid
	grep -q 'the catalogue failed: .*; the work is given back' "$T/err"
	NTT_DB_URL=$(ntt-db url)
	[ "$(sql 'SELECT copy_done IS NOT NULL FROM medium')" = t ]
	[ "$(count "status = 'success'")" = 1500 ]
	NTT_TEST_CLUSTER=$NTT_HOME check_store
	unset NTT_DB_URL
	ntt-db stop -q
}

@test "exit 0 of a copier survives the crash of PostgreSQL" {
	mkdir "$T/src"
	for i in {1..300}; do echo "$i" >"$T/src/$i"; done
	unset NTT_DB_URL
	ntt-db init -q 3>&-
	# nothing reaches the log's disk unless somebody waits for it
	ntt-db psql -qc "ALTER SYSTEM SET wal_writer_delay = '10s'"
	ntt-db stop -q; ntt-db start -q 3>&-
	load_tree "$T/src"
	expect 0 ntt-copier -q -m $M
	pid=$(head -n 1 "$NTT_HOME/pg/data/postmaster.pid")
	pkill -KILL -s "$pid"
	while pgrep -s "$pid" >/dev/null; do :; done
	ntt-db start -q 3>&-
	NTT_DB_URL=$(ntt-db url)
	export NTT_DB_URL
	[ "$(count "status = 'success'")" = 300 ]
	[ "$(sql "SELECT copy_done IS NOT NULL FROM medium")" = t ]
	unset NTT_DB_URL
	ntt-db stop -q
}

@test "no more links to one blob: copies of their own, and it is said" {
	need_loop
	truncate -s 64M "$T/store.img"
	mkfs.ext4 -q -N 70000 "$T/store.img"
	mkdir "$T/store" "$T/src"
	mount -o loop "$T/store.img" "$T/store"
	export BYHASH_ROOT=$T/store/by-hash ARCHIVED_ROOT=$T/store/archived
	for i in {1..5}; do echo same >"$T/src/$i"; done
	load_tree "$T/src"
	ntt-copier -q -m $M --limit 1
	blob=$(find "$BYHASH_ROOT" -type f ! -name .ntt-store)
	mkdir "$T/store/many"
	perl -e 'for ($i = 0; link($ARGV[0], "$ARGV[1]/$i"); $i++) {}' \
		"$blob" "$T/store/many"
	expect 0 ntt-copier -m $M
	has "$stderr" "1 files got copies of their own"
	for i in {1..5}; do
		[ "$(cat "$ARCHIVED_ROOT/$M/$i")" = same ]
	done
	[ "$(count "status = 'success'")" = 5 ]
	umount "$T/store"
}

@test "started through sudo: reads everything, writes as the user" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	mkdir "$T/src" && echo secret >"$T/src/f" && chmod 600 "$T/src/f"
	uid=$(id -u nobody)
	chmod 755 "$T"
	chown nobody "$NTT_HOME"
	unset NTT_DB_URL
	user() { env SUDO_UID="$uid" SUDO_USER=nobody HOME="$T/user" "$@"; }
	user ntt-db init -q 3>&-
	ntt-enum -q "$T/src" $M - | user ntt-loader -q - $M
	rm -rf "$NTT_HOME/log" "$NTT_HOME/run"
	mkdir "$NTT_HOME/run" && chmod 777 "$NTT_HOME/run"
	user ntt-copier -q -m $M
	[ "$(find "$NTT_HOME/by-hash" "$NTT_HOME/archived" ! -user nobody | wc -l)" = 0 ]
	[ "$(cat "$NTT_HOME/archived/$M/f")" = secret ]
	pid=$(head -n 1 "$NTT_HOME/pg/data/postmaster.pid")
	[ "$(awk '/^Uid/ { print $2 }' "/proc/$pid/status")" = "$uid" ]
	user ntt-db stop -q
}

@test "--mime always names the types, never none" {
	mkdir "$T/src"
	printf '%%PDF-1.4\n' >"$T/src/a"; echo '<html>' >"$T/src/b"
	load_tree "$T/src"
	expect 0 ntt-copier -q -m $M --mime always
	[ "$(sql "SELECT string_agg(mime_type, ' ' ORDER BY mime_type) FROM inode
		WHERE fs_type = 'f'")" = "application/pdf text/html" ]
	load_tree "$T/src" beef0000beef0000
	expect 0 ntt-copier -q -m beef0000beef0000 --mime never
	[ "$(count "medium_hash LIKE 'beef%' AND mime_type IS NOT NULL")" = 0 ]
}

@test "--paranoid copies as well" {
	difficult_tree "$T/src"
	head -c 3000001 /dev/urandom >"$T/src/large"
	load_tree "$T/src"
	expect 0 ntt-copier -q -m $M --paranoid
	check_store
	same_tree "$T/src" "$NTT_HOME/archived/$M"
}

@test "--max-errors, --batch-size, --min-free: numbers are checked" {
	for bad in "--max-errors x" "--batch-size 0" "--min-free 1Q" "--limit -1" \
		"--mime maybe"; do
		# shellcheck disable=SC2086 # two words
		expect 64 ntt-copier -m $M $bad
	done
	mkdir "$T/src" && echo x >"$T/src/f" && load_tree "$T/src"
	expect 75 ntt-copier -q -m $M --min-free 1000000G
	has "$stderr" "less than --min-free"
}

@test "tables dropped by hand, loaded anew, copied anew" {
	mkdir "$T/src" && for i in 1 2 3; do echo $i >"$T/src/$i"; done
	load_tree "$T/src"
	ntt-copier -q -m $M
	sql "UPDATE medium SET archived_at = now()"
	sql "DROP TABLE IF EXISTS inode_p_$M CASCADE" 2>/dev/null
	sql "DROP TABLE IF EXISTS path_p_$M CASCADE" 2>/dev/null
	echo 4 >"$T/src/4"
	load_tree "$T/src"
	[ "$(sql "SELECT copy_done IS NULL AND archived_at IS NULL FROM medium")" = t ]
	expect 0 ntt-copier -q -m $M
	[ "$(count "status = 'success'")" = 4 ]
	check_store
}

@test "NTT_DIGESTS: what the field calls contents by, in the catalogue and in DFXML" {
	mkdir "$T/src"
	echo small >"$T/src/small"
	: >"$T/src/empty"
	head -c 5000000 /dev/urandom >"$T/src/large"
	cp "$T/src/large" "$T/src/twice"
	load_tree "$T/src"
	NTT_DIGESTS=sha256,sha3 expect 64 ntt-copier -q -m $M
	has "$stderr" '"sha3" is none of'
	NTT_DIGESTS='sha256, md5' expect 0 ntt-copier -q -m $M
	for f in small empty large; do
		for a in md5 sha256; do
			[ "$(sql "SELECT encode(digest, 'hex') FROM content_digest
				WHERE blobid = '$(b3sum --no-names <"$T/src/$f")'
				AND algorithm = '$a'")" = \
				"$("${a}sum" <"$T/src/$f" | cut -d' ' -f1)" ]
		done
	done
	[ "$(sql 'SELECT count(*) FROM content_digest')" = 6 ]
	ntt-report --dfxml $M >"$T/dfxml"
	grep -q "<hashdigest type=\"sha256\">$(sha256sum <"$T/src/small" |
		cut -d' ' -f1)</hashdigest>" "$T/dfxml"
	# of contents that were stored before, when they are read again
	NTT_DIGESTS=sha1 expect 0 ntt-copier -q -m $M
	ntt-enum -q "$T/src" feed0000 - | ntt-loader -q - feed0000 >/dev/null
	NTT_DIGESTS=sha1 expect 0 ntt-copier -q -m feed0000
	[ "$(sql "SELECT count(*) FROM content_digest WHERE algorithm = 'sha1'")" = 3 ]
}
