#!/usr/bin/env bats
# slow: a minute of make prove
# A minute of "make prove": the checker itself, and one disturbance after
# another of every program that writes.  What is tried differs from day to day.

load lib

setup() {
	isolate
	need b3sum b3sum
	need zstd zstd
	need strace strace
	need python3 python3
	[ "$(uname -m)" = x86_64 ] || skip "counts system calls of x86-64"
	need_loop
	cd "$TEST_DIR/.."
	unset NTT_HOME
}

prove() {
	test/prove/prove --build "$NTT_BUILD" "$@" 3>&-
}

@test "the checker finds each thing that is broken, and nothing else" {
	test/check/selftest.py "$NTT_BUILD" 3>&-
}

@test "nothing is told, named or removed before what it stands on is durable" {
	prove --time 60 --only '^(enum|copier|archiver|re-hardlink)/order'
}

@test "what was found once stays found" {
	cases=()
	while read -r name; do
		cases+=(--case "$name")
	done < <(grep -v '^#' test/prove/found)
	prove "${cases[@]}"
}

@test "calls that fail, processes that are killed" {
	[ -z "${ASAN_OPTIONS:-}" ] || skip "not below the sanitizers"
	prove --time 15 --seed "${SEED:-$(date +%Y%m%d)}" --only '/(fault|sql|kill|term)'
}

@test "a loop whose file system has died holds up no other medium" {
	export NTT_HOME=$T/home
	mkdir -p "$T/dead" "$T/tree" "$NTT_HOME"
	echo x >"$T/tree/file"
	mkfs.ext4 -q -d "$T/tree" "$T/i.img" 4M
	truncate -s 1M "$T/other"
	faultfile "$T/other" "$T/dead" 3>&- &
	server=$!
	for _ in {1..100}; do
		[ ! -e "$T/dead/image" ] || break
		sleep 0.05
	done
	loop=$(losetup -f --show -r "$T/dead/image")
	kill -STOP $server
	sleep 1.5	# what FUSE remembers of the file is forgotten
	status=0
	timeout -s KILL 20 ntt-mount-helper -q mount 0123456789abcdef \
		"$T/i.img" >/dev/null || status=$?
	[ $status != 0 ] || timeout -s KILL 20 ntt-mount-helper -q unmount \
		0123456789abcdef >/dev/null || status=$?
	kill -KILL $server
	losetup -d "$loop"
	umount -l "$T/dead"
	[ $status = 0 ]
}

@test "a blob that cannot be read is not verified" {
	export NTT_HOME=$T/home
	fresh_db
	M=aaaabbbbccccdddd0000111122223333
	mkdir -p "$T/src"
	for i in 1 2 3 4 5; do echo $i >"$T/src/$i"; done
	ntt-enum -q "$T/src" $M - | ntt-loader -q - $M >/dev/null
	ntt-copier -q -m $M
	told=0
	for n in {1..60}; do
		status=0
		rm -f "$T/counts"
		LD_PRELOAD=$NTT_BUILD/test/preload/fault.so \
			NTT_FAULT_IN=ntt-verify NTT_FAULT=read:$n:EIO \
			NTT_FAULT_COUNTS=$T/counts ntt-verify -q -m $M \
			--sample-rate 1 -w 1 >"$T/out" 2>&1 || status=$?
		[ $status != 3 ] || ! grep -q unreadable "$T/out" ||
			told=$((told + 1))
	done
	# runs that broke off are gone on with: not all read all
	[ $told -ge 2 ]
}

@test "what a killed copier had claimed goes to who is still at work" {
	export NTT_HOME=$T/home
	fresh_db
	M=aaaabbbbccccdddd0000111122223333
	mkdir -p "$T/src"
	(cd "$T/src" && seq 4000 | split -l 1 -a 4 -)
	ntt-enum -q "$T/src" $M - | ntt-loader -q - $M >/dev/null

	# nobody can commit until both have claimed
	coproc psql -XAtq "$NTT_DB_URL" 3>&-
	echo 'BEGIN; LOCK blobs IN EXCLUSIVE MODE; SELECT 1;' >&"${COPROC[1]}"
	read -r -t 20 _ <&"${COPROC[0]}"
	claimed() {
		for _ in {1..200}; do
			[ "$(sql "SELECT count(DISTINCT worker) FROM work_range
				WHERE worker IS NOT NULL")" != "$1" ] || return 0
			sleep 0.05
		done
		return 1
	}
	ntt-copier -q -m $M 3>&- &
	one=$!
	claimed 1
	ntt-copier -q -m $M 3>&- &
	other=$!
	claimed 2
	kill -STOP $other
	kill -KILL $one
	wait $one || :
	echo 'COMMIT; \q' >&"${COPROC[1]}"
	# the server sees that it is gone; the other has much to do yet
	for _ in {1..200}; do
		[ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE datname =
			current_database() AND application_name = 'ntt-copier'"
			)" != 1 ] || break
		sleep 0.05
	done
	kill -CONT $other
	status=0
	wait $other || status=$?
	[ $status = 0 ]
	[ "$(sql "SELECT count(*) FROM inode WHERE status = 'pending'")" = 0 ]
	check_store
}
