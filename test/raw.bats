#!/usr/bin/env bats
# ntt-raw-check and ntt-raw-tail, and .raw files made by others.

# shellcheck disable=SC2154 # expect sets output and stderr
load lib

setup() {
	isolate
	cd "$T" || return 1
}

# record FIELD…: one record; fields may hold anything
record() {
	local IFS=$'\034'

	printf '%s\0' "$*"
}

@test "find's own output is a .raw" {
	difficult_tree tree
	find tree -printf '%y\034%D\034%i\034%n\034%s\034%Ts\034%p\0' >x.raw
	expect 0 ntt-raw-check x.raw
	has "$output" "records $(find tree -printf x | wc -c)"
	has "$output" "inodes $(find tree -printf '%i\n' | sort -u | wc -l)"
	has "$output" "type l $(find tree -type l -printf x | wc -c)"
	has "$output" "malformed 0"
	expect 0 ntt-raw-check - <x.raw
	expect 0 bash -c 'cat x.raw | ntt-raw-check -'
}

@test "malformed records are found with their offsets, the others counted" {
	need jq jq
	{
		record f 1 2 1 0 0 /a
		record f 1 x 1 0 0 /b
		record f 1 3 1 0 0 $'/c\034\n'
		record f 1 4
		record f 1 5 1 0 0 ''
		record 644 1 6 1 0 0 /d
		record f 1 7 1 0 0 /e
	} >x.raw
	expect 1 ntt-raw-check x.raw
	has "$output" "malformed at byte 15: the inode"
	has "$output" "malformed at byte 47: the inode"
	has "$output" "malformed at byte 53: the path is empty"
	has "$output" "malformed at byte 66: letters and octal modes"
	has "$output" "records 3"
	has "$output" "malformed 4"
	expect 1 ntt-raw-check --json x.raw
	[ "$(jq -c '[[.malformed[].offset], .records, .malformed_count]' \
	    <<<"$output")" = '[[15,47,53,66],3,4]' ]
}

@test "a truncated file is malformed where its last record begins" {
	{ record f 1 2 1 0 0 /a; record f 1 3 1 0 0 /b; } >x.raw
	for size in 16 20 29; do
		head -c $size x.raw >y.raw
		expect 1 ntt-raw-check y.raw
		has "$output" "malformed at byte 15: the last record is trunc"
	done
	: >y.raw
	expect 1 ntt-raw-check y.raw
	has "$output" "empty"
}

@test "duplicate paths are found with the offsets of both" {
	need jq jq
	{
		record d 1 2 1 0 0 /a
		record f 1 3 1 0 0 /a/x
		record f 9 9 1 7 7 /a/x
		record f 1 3 1 0 0 $'/a/\xff'
		record f 1 3 1 0 0 /a/x
		record f 1 3 1 0 0 $'/a/\xff'
	} >x.raw
	expect 1 ntt-raw-check x.raw
	has "$output" 'duplicate at byte 32 of the record at byte 15: "/a/x"'
	has "$output" "at byte 66 of the record at byte 15"
	has "$output" "at byte 83 of the record at byte 49"
	has "$output" "records 6"
	has "$output" "paths 3"
	has "$output" "inodes 3"
	expect 1 bash -c 'cat x.raw | ntt-raw-check --json -'
	[ "$(jq -c '[.duplicates[] | [.offset, .first, .path, .path_hex]]' \
	    <<<"$output")" = \
	    '[[32,15,"/a/x",null],[66,15,"/a/x",null],[83,49,null,"2f612fff"]]' ]
}

@test "inodes are told apart by device, at any size" {
	{
		for dev in 1 2 18446744073709551615; do
			for ino in 5 72057594037927936 18446744073709551615; do
				record f $dev $ino 2 0 0 "/$dev-$ino"
				record f $dev $ino 2 0 0 "/$dev-$ino-link"
			done
		done
	} >x.raw
	expect 0 ntt-raw-check x.raw
	has "$output" "inodes 9"
	has "$output" "paths 18"
}

@test "octal modes are the old form" {
	{ record 40755 1 2 1 0 0 /a; record 100644 1 3 1 0 0 /a/b; } >x.raw
	expect 0 ntt-raw-check x.raw
	has "$output" "octal"
	has "$output" "type ? 2"
	expect 0 ntt-raw-tail x.raw 1
	has "$output" "100644"
}

@test "what is no .raw is refused without a flood" {
	expect 1 ntt-raw-check /bin/ls
	[ "$(grep -c 'malformed at' <<<"$output")" -le 100 ]
	has "$output" "more malformed records"
	expect 1 ntt-raw-check /nonexistent
	expect 1 ntt-raw-check .
	expect 64 ntt-raw-check
}

@test "tail: the last records, operands in either order" {
	for i in {1..30}; do record f 1 "$i" 1 0 "$i" "/f$i"; done >x.raw
	expect 0 ntt-raw-tail x.raw
	[ "$(wc -l <<<"$output")" = 10 ]
	expect 0 ntt-raw-tail x.raw 2
	[ "$(cut -f 7 <<<"$output" | tr '\n' ' ')" = "/f29 /f30 " ]
	has "$output" $'f\t1\t30\t1\t0\t1970-01-01T00:00:30Z\t/f30'
	expect 0 ntt-raw-tail 2 x.raw
	[ "$(cut -f 7 <<<"$output" | tr '\n' ' ')" = "/f29 /f30 " ]
	expect 0 ntt-raw-tail x.raw 1000
	[ "$(wc -l <<<"$output")" = 30 ]
	# a file whose name is a number
	cp x.raw 3
	expect 0 ntt-raw-tail 3 1
	[ "$(wc -l <<<"$output")" = 1 ]
	expect 0 ntt-raw-tail 1 3
	[ "$(wc -l <<<"$output")" = 1 ]
	expect 64 ntt-raw-tail x.raw y
	expect 64 ntt-raw-tail x.raw 0
	expect 1 ntt-raw-tail nowhere
}

@test "tail: bytes as they are in a pipe, escaped on a terminal" {
	need script bsdutils
	record f 1 1 1 0 -99999999999999 $'/a\033[31m\r\xff' >x.raw
	ntt-raw-tail x.raw | grep -q $'/a\033\\[31m\r\xff$'
	script -qec "ntt-raw-tail x.raw" /dev/null </dev/null >out
	grep -qF '/a\x1b[31m\r\xff' out ||
	    grep -qF '/a\033[31m\r\377' out || { cat -A out; false; }
	[[ $(<out) != *$'\033'* ]]
}

@test "tail: a truncated end is shown as such" {
	{ record f 1 2 1 0 0 /a; record f 1 3 1 0 0 /b; } | head -c 29 >x.raw
	expect 1 ntt-raw-tail x.raw 2
	has "$output" "/a"
	has "$stderr" "damaged at byte 15"
	: >y.raw
	expect 1 ntt-raw-tail y.raw
}
