#!/usr/bin/env bats
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
	prove --time 300 --only '/(order|race)'
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
	prove --time 20 --seed "${SEED:-$(date +%Y%m%d)}" --only '/(fault|sql|kill|term)'
}

@test "a short week in an archive" {
	prove --time 15 --seed "${SEED:-$(date +%Y%m%d)}" --only '^sim'
}
