#!/usr/bin/env bats
#
# BLAKE3 as the suite computes it, against b3sum.

bats_require_minimum_version 1.5.0

setup()
{
	command -v b3sum >/dev/null || skip "b3sum is missing (package b3sum)"
	hash=$(realpath "${NTT_BUILD:-build}/test/bench/hash")
	[ -x "$hash" ] || skip "$hash is not built"
	cd "$BATS_TEST_TMPDIR" || return 1
}

# Files of 60 random lengths up to $1 bytes, the same ones every time.
make_files()
{
	local i

	RANDOM=4711
	for ((i = 0; i < 60; i++)); do
		yes "$RANDOM $i" |
		    head -c $(((RANDOM * 32768 + RANDOM) % ($1 + 1))) >"f$i"
	done
	: >empty
}

# Every level this CPU has prints what b3sum prints.
compare()
{
	local level

	b3sum -- * >../want
	for level in $("$hash" --levels); do
		"$hash" -l "$level" --sum ./* | sed 's,  \./,  ,' >../got
		diff ../want ../got
	done
	rm ../want ../got
}

@test "same sums as b3sum: files of up to 4 KB" {
	make_files 4096
	compare
}

@test "same sums as b3sum: files of up to 64 KB" {
	make_files 65536
	compare
}

@test "same sums as b3sum: files of up to 2 MB, longer than a read" {
	make_files 2000000
	compare
}
