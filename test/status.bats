#!/usr/bin/env bats
# ntt-pipeline-status, ntt-list-media: what an operator asks.

load lib

setup() {
	isolate
	fresh_db
	M=aaaabbbbccccdddd0000111122223333
	mkdir -p "$T/src/docs"
	echo one >"$T/src/docs/a"; echo two >"$T/src/b"
	: >"$T/src/"$'\xff\n'
}

@test "a medium from nothing to archived, with the next command each time" {
	expect 1 ntt-pipeline-status $M
	has "$stderr" "no medium"
	sql "INSERT INTO medium (medium_hash, source_kind, source_path)
		VALUES ('$M', 'directory', '$T/src')"
	expect 1 ntt-pipeline-status $M
	has "$output" "rows         missing"
	has "$output" "next: ntt-orchestrator $T/src"
	ntt-enum -q "$T/src" $M - | ntt-loader -q - $M
	expect 1 ntt-pipeline-status $M
	has "$output" "5 records"
	has "$output" "copying      missing    3 pending"
	has "$output" "next: ntt-copy-workers --wait -m $M"
	ntt-copier -q -m $M
	expect 1 ntt-pipeline-status $M
	has "$output" "copying      done       0 pending, 3 copied, 0 failed"
	has "$output" "next: ntt-archiver $M"
	ntt-enum -q "$T/src" $M "$NTT_HOME/raw/$M.raw"
	ntt-archiver -q $M >/dev/null
	expect 0 ntt-pipeline-status aaaabbbb
	has "$output" "archive      done"
	expect 0 ntt-pipeline-status --json $M
	has "$output" '"complete":true,"next":null}'
	rm "$NTT_HOME/archives/$M.tar.zst"
	expect 1 ntt-pipeline-status $M
	has "$output" "archive      missing"
}

@test "evidence and not dates: copy_done with something pending" {
	ntt-enum -q "$T/src" $M - | ntt-loader -q - $M
	sql "UPDATE medium SET copy_done = now()"
	expect 1 ntt-pipeline-status $M
	has "$output" "copying      missing"
}

@test "the map of an image, whatever words are in it" {
	head -c 1048576 /dev/urandom >"$T/x.img"
	printf '# Finished\n0x0 F 1\n0x0 0x80000 +\n0x80000 0x80000 ?\n' >"$T/x.map"
	sql "INSERT INTO medium (medium_hash, source_kind, image_path)
		VALUES ('$M', 'image', '$T/x.img')"
	expect 1 ntt-pipeline-status $M
	has "$output" "524 kB of 1.0 MB rescued"
}

@test "media by the bytes a path begins with" {
	ntt-enum -q "$T/src" $M - | ntt-loader -q - $M
	mkdir "$T/two" && echo x >"$T/two/docs"
	ntt-enum -q "$T/two" beef0000beef0000 - | ntt-loader -q - beef0000beef0000
	expect 0 ntt-list-media
	[ "$(wc -l <<<"$output")" = 2 ]
	has "$output" "   1  ${M:0:8}  loaded "
	has "$output" "   2  beef0000  loaded "
	expect 0 ntt-list-media --path-prefix docs/
	[ "$output" = $M ]
	expect 0 ntt-list-media --path-prefix docs --format quoted
	[ "$output" = "'$M','beef0000beef0000'" ]
	expect 0 ntt-list-media --path-prefix docs --format comma
	[ "$output" = "$M,beef0000beef0000" ]
	expect 0 ntt-list-media --path-prefix docs --stats
	has "$output" "$M 2 paths 4 bytes"
	expect 0 ntt-list-media --path-prefix $'\xff'
	[ "$output" = $M ]
	expect 1 ntt-list-media --path-prefix nothing
	# no pattern characters, only bytes
	expect 1 ntt-list-media --path-prefix 'doc%'
	expect 64 ntt-list-media --format xml
	expect 64 ntt-list-media --csv --json
}

@test "a path prefix where directories have no rows, or none for some" {
	# of a list by hand: nothing in it names a directory
	printf 'f\0342049\0345\0341\0343\034900000000\034/mnt/docs/deep/a\0' |
		ntt-loader -q --strip /mnt - handmade
	ntt-enum -q "$T/src" $M - | ntt-loader -q - $M
	has "$(sql "SELECT medium_hash, load_counts -> 'implied_directories'
		FROM medium ORDER BY 1")" "handmade|1"
	for p in d docs docs/ docs/d docs/deep docs/deep/ docs/deep/a; do
		expect 0 ntt-list-media --path-prefix "$p"
		has "$output" handmade
	done
	[ "$output" = handmade ]
	expect 0 ntt-list-media --path-prefix docs/a
	[ "$output" = $M ]
	expect 0 ntt-list-media --path-prefix docs/a --stats
	[ "$output" = "$M 1 paths 4 bytes" ]
	expect 0 ntt-list-media --path-prefix ''
	[ "$(wc -l <<<"$output")" = 2 ]
	expect 1 ntt-list-media --path-prefix /docs
	expect 1 ntt-list-media --path-prefix docs/a/
	expect 1 ntt-list-media --path-prefix docs//
	# a medium whose directories are not all known is read through
	sql "UPDATE medium SET load_counts = load_counts - 'implied_directories'"
	sql "DELETE FROM path WHERE path = 'docs'"
	expect 0 ntt-list-media --path-prefix docs/a
	[ "$output" = $M ]
}

@test "digits that tell media apart, and a table for a spreadsheet" {
	need python3 python3
	sql "INSERT INTO medium (medium_hash, medium_human, message, size_bytes)
		VALUES ('aaaabbbbcccc0001', 'one', E'he said \"x, y\"\nand left', 5),
			('aaaabbbbcccc0002', 'two', NULL, NULL)"
	expect 0 ntt-list-media
	has "$output" "   1  aaaabbbbcccc0001  "
	has "$output" "   2  aaaabbbbcccc0002  "
	ntt-list-media --csv | python3 -c '
import csv, sys
a, b = csv.DictReader(sys.stdin, strict=True)
assert a["message"] == "he said \"x, y\"\nand left", a
assert (a["medium"], a["size"], a["state"]) == (
    "aaaabbbbcccc0001", "5", "registered"), a
assert (b["name"], b["size"], b["message"]) == ("two", "", ""), b'
	expect 0 ntt-list-media --json
	[ "$(jq -s '.[1].size' <<<"$output")" = null ]
}
