#!/usr/bin/env bats
# Which disk is this: real block devices, good and bad ones.

load lib
load devices

setup_file() {
	export BATS_TEST_TIMEOUT=300
}

setup() {
	isolate
	need_loop
	cd "$T"
}

teardown() {
	end_devices
	[ ! -e "$NTT_HOME/pg/data" ] || ntt-db stop -q || :
	return 0
}

loop() {
	losetup -r -f --show "$@"
}

# field NAME: of the JSON in $output
field() {
	sed "s/.*\"$1\":\"\\{0,1\\}\\([^\",]*\\).*/\\1/" <<<"$output"
}

# v2 SIZE HEAD TAIL: the hash as ntt-layout(5) defines it
v2() {
	{ printf 'SIZE:%s|MODEL:unknown|SERIAL:unknown|' "$1"; cat "$2" "$3"; } |
		b3sum --no-names --length 16
}

@test "a device: its size from the kernel, its hash from its ends" {
	need b3sum b3sum
	head -c 3M /dev/urandom >src
	dev=$(loop src)
	expect 0 ntt-identify --json "$dev"
	[ "$(field kind)" = device ]
	[ "$(field size)" = 3145728 ]
	[ "$(field sector)" = 512 ]
	head -c 1M src >head; tail -c 1M src >tail
	[ "$(field hash)" = "$(v2 3145728 head tail)" ]
	[ "$(field v1)" = "$(cat head tail | b3sum --no-names --length 16)" ]
	# hardware there is none to ask
	has "$output" '"probes":[]'
	[[ "$(field human)" == disk_20??????_??????_"$(field hash | head -c 8)" ]]
	expect 0 ntt-identify -v "$dev"
	has "$stderr" "size    3145728"
	dev=$(loop -b 4096 src)
	hash=$(field hash)
	expect 0 ntt-identify --json "$dev"
	[ "$(field sector)" = 4096 ]
}

@test "smaller than 1 MiB: head and tail are the whole medium" {
	need b3sum b3sum
	head -c 700416 /dev/urandom >src
	dev=$(loop src)
	expect 0 ntt-identify --json "$dev"
	[ "$(field hash)" = "$(v2 700416 src src)" ]
}

@test "sectors that cannot be read count as zeros, and no others" {
	need b3sum b3sum
	head -c 3M /dev/urandom >src
	bad_disk eio 512 1024 eio 3145216 512
	expect 0 ntt-identify --json "$dev"
	has "$stderr" "1,536 bytes at the ends"
	[ "$(field unreadable)" = 1536 ]
	dd if=/dev/zero of=src bs=512 seek=1 count=2 conv=notrunc status=none
	dd if=/dev/zero of=src bs=512 seek=6143 count=1 conv=notrunc status=none
	head -c 1M src >head; tail -c 1M src >tail
	[ "$(field hash)" = "$(v2 3145728 head tail)" ]
}

@test "a disk that never answers: an error in time, no row, no file" {
	head -c 3M /dev/urandom >src
	bad_disk hang 65536 512
	expect 1 ntt-identify --timeout 1 "$dev"
	has "$stderr" "did not answer in time"
	[ -z "$output" ]
	kill -9 $faults
}

@test "disks that tell nothing are refused, unless one insists" {
	head -c 3M /dev/urandom >src
	bad_disk eio 0 3145728
	expect 1 ntt-identify "$dev"
	has "$stderr" "could not be read"
	expect 0 ntt-identify --force "$dev"
	expect 0 ntt-identify --label my-disk "$dev"
	[ "$output" = my-disk ]
	truncate -s 3M zero
	dev=$(loop zero)
	expect 1 ntt-identify "$dev"
	has "$stderr" "one byte repeated"
	expect 1 ntt-identify /dev/null
	has "$stderr" "neither a device nor an image"
}

@test "--match: a device by its image, an image by its device" {
	ntt-db init -q 3>&-
	head -c 3M /dev/urandom >src
	head -c 3M /dev/urandom >other
	dev=$(loop src)
	expect 1 ntt-identify --match "$dev"
	expect 0 ntt-identify --json "$dev"
	# as a drive with a name of its own would have it
	ntt-db psql -qXc "INSERT INTO medium (medium_hash, medium_human, identity)
		VALUES ('0123456789abcdef0123456789abcdef', 'ACME_1',
			'{\"v1\": \"$(field v1)\", \"v2_image\": \"$(field v2_image)\"}')"
	expect 0 ntt-identify --match src
	has "$output" "match   0123456789abcdef0123456789abcdef ACME_1"
	expect 0 ntt-identify --json --match "$dev"
	has "$output" '0123456789abcdef0123456789abcdef"]}'
	expect 1 ntt-identify --match other
	# by the hash of version 1
	expect 0 ntt-identify --json "$dev"
	ntt-db psql -qXc "DELETE FROM medium"
	ntt-db psql -qXc "INSERT INTO medium (medium_hash) VALUES ('$(field v1)')"
	expect 0 ntt-identify --match "$dev"
}
