#!/usr/bin/env bats
# slow: power cuts
# Exit 0 means durable: what the catalogue was told survives a server that is
# killed in the next moment, with everything it still had in memory.

# expect() sets output and stderr
# shellcheck disable=SC2154,SC2030,SC2031
load lib

M=aaaabbbbccccdddd0000111122223333

setup() {
	isolate
	chmod 755 "$T"
	ntt-db init -q 3>&-
	ntt-db migrate -q || [ $? = 2 ]
	# by itself it syncs its log of what was committed ten seconds later
	query "ALTER SYSTEM SET wal_writer_delay = '10s'"
	ntt-db stop -q
	started
	mkdir -p "$T/src"
	for i in {1..40}; do echo $((i % 30)) >"$T/src/$i"; done
	ntt-enum -q "$T/src" $M "$NTT_HOME/raw/$M.raw"
}

teardown() {
	[ ! -e "$NTT_HOME/pg/data" ] || ntt-db stop -q || :
}

query() {
	ntt-db psql -XAtqc "$1"
}

# started: and has synced its log once, which it does at the first whole page
started() {
	ntt-db start -q 3>&-
	query "SET synchronous_commit = off; SELECT
		pg_logical_emit_message(true, 'test', repeat('x', 40000))" >/dev/null
	sleep 0.2
}

# crash: every process of the server at once
crash() {
	local main
	main=$(head -n 1 "$NTT_HOME/pg/data/postmaster.pid")
	kill -STOP "$main"
	# shellcheck disable=SC2046 # a list of numbers
	kill -KILL $(pgrep -P "$main") "$main"
	started
}

# told SQL WANT: after a crash the catalogue says so
told() {
	local got
	crash
	got=$(query "$1")
	[ "$got" = "$2" ] || { echo "$1: $got, not $2"; return 1; }
}

@test "lists, copies, exclusions, checks, archives that were reported" {
	# what nobody waits for is lost by this
	query "CREATE TABLE memory (n int)"
	crash
	query "SET synchronous_commit = off; INSERT INTO memory VALUES (1)"
	told "SELECT count(*) FROM memory" 0
	query "DROP TABLE memory"

	expect 0 ntt-loader -q "$NTT_HOME/raw/$M.raw" $M
	told "SELECT count(*) FROM inode" 41
	echo '/9$|^9$' >"$T/patterns"
	expect 0 ntt-mark-excluded -q $M --patterns "$T/patterns"
	told "SELECT count(*) FROM path WHERE exclude_reason IS NOT NULL" 1
	expect 0 ntt-copier -q -m $M --limit 10
	told "SELECT count(*) FROM inode WHERE status = 'success'" 10
	expect 0 ntt-copier -q -m $M
	told "SELECT count(*), count(DISTINCT blobid), bool_and(copy_done IS
		NOT NULL) FROM inode JOIN medium USING (medium_hash) WHERE
		status = 'success'" "39|30|t"
	expect 0 ntt-verify -q --all --sample-rate 1
	told "SELECT count(*) FROM blobs WHERE last_checked IS NULL" 0
	mkdir -p "$NTT_HOME/img"
	head -c 100000 /dev/urandom >"$NTT_HOME/img/$M.img"
	query "UPDATE medium SET source_kind = 'image', source_path = NULL"
	expect 0 ntt-archiver -q $M
	told "SELECT archived_at IS NOT NULL FROM medium" t
	expect 0 ntt-db check
}

@test "a failure that was reset stays reset" {
	expect 0 ntt-loader -q "$NTT_HOME/raw/$M.raw" $M
	mv "$T/src/7" "$T/away"
	expect 3 ntt-copier -q -m $M
	told "SELECT count(*) FROM inode WHERE status::text LIKE 'failed%'" 1
	mv "$T/away" "$T/src/7"
	expect 0 ntt-recover-failed reset-failures -q -m $M --execute
	told "SELECT count(*) FROM inode WHERE status = 'pending'" 1
	expect 0 ntt-copy-workers -q -m $M -w 2 --wait
	told "SELECT count(*) FROM inode WHERE status = 'success'" 40
	expect 0 ntt-loader -q --drop --yes $M
	told "SELECT count(*) FROM inode" 0
}
