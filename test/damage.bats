#!/usr/bin/env bats
# slow: images are copied with several workers
# Files over areas that the imager could not read: no error tells, the map
# does.

load lib
load devices

setup_file() {
	export BATS_TEST_TIMEOUT=300	# what hangs has failed
}

setup() {
	isolate
	need_loop
	need debugfs e2fsprogs
	fresh_db
}

# map_without FILE.map SIZE FROM LENGTH: everything was rescued but that
map_without() {
	printf '# map\n0x0 + 1\n0 %d +\n%d %d -\n%d %d +\n' \
		"$3" "$3" "$4" $(($3 + $4)) $(($2 - $3 - $4)) >"$1"
}

damaged() {
	sql "SELECT convert_from(path, 'UTF8'), determined, extents
		FROM inode_damage JOIN path USING (medium_hash, dev, ino)
		ORDER BY 1"
}

tree() {
	mkdir "$T/src"
	for f in a b c; do
		head -c 20000 /dev/urandom >"$T/src/$f"
	done
	echo small >"$T/src/small"
}

# block FILE IMAGE N: the N-th block of a file, in bytes of the image
block() {
	local blocks
	blocks=$(debugfs -R "blocks /$1" "$2" 2>/dev/null)
	# shellcheck disable=SC2086 # a list of numbers
	set -- $blocks
	echo $((${2:-$1} * 4096))
}

@test "one bad block: that file, those bytes, and no other" {
	tree
	mkfs.ext4 -q -b 4096 -d "$T/src" "$T/x.img" 16M
	bad=$(block b "$T/x.img")
	map_without "$T/x.map" $((16 << 20)) "$bad" 4096
	expect 3 ntt-orchestrator --no-archive --image "$T/x.img"
	has "$stderr" "1 files lie over areas that could not be rescued"
	has "$output" "damaged      1"
	[ "$(damaged)" = "b|t|{[4096,8192)}" ]
	[ "$(sql 'SELECT health FROM medium')" = incomplete ]
	[ "$(sql "SELECT count(*) FROM inode WHERE status = 'success'")" = 4 ]
}

@test "in a partition the places are the partition's" {
	tree
	mkfs.ext4 -q -b 4096 -d "$T/src" "$T/part" 16M
	truncate -s 20M "$T/x.img"
	printf 'label: dos\nstart=2048, size=32768\n' | sfdisk -q "$T/x.img"
	dd if="$T/part" of="$T/x.img" bs=1M seek=1 conv=notrunc status=none
	bad=$(($(block c "$T/part") + (1 << 20) + 100))
	map_without "$T/x.map" $((20 << 20)) "$bad" 512
	expect 3 ntt-orchestrator --no-archive --image "$T/x.img"
	[ "$(damaged)" = "p1/c|t|{[4196,4708)}" ]
}

@test "in a member of a RAID1 they begin where its data does" {
	tree
	mkfs.ext4 -q -b 4096 -d "$T/src" "$T/part" 16M
	truncate -s 20M "$T/x.img"
	# superblock 1.2, data at sector 128
	perl -e 'print pack("VVVVH32a32Q<lVQ<VVVV", 0xa92b4efc, 1, 0, 0,
		"1" x 32, "host:7", 0, 1, 0, 32768, 0, 2, 0, 0), "\0" x 24,
		pack("Q<Q<Q<Q<V", 128, 32768, 8, 0, 1), "\0" x 56,
		pack("V", 4), "\0" x 32, pack("v4", 0, 1, 0xffff, 0xffff)' |
		dd of="$T/x.img" bs=512 seek=8 conv=notrunc status=none
	dd if="$T/part" of="$T/x.img" bs=64K seek=1 conv=notrunc status=none
	bad=$(($(block c "$T/part") + 65536 + 1024))
	map_without "$T/x.map" $((20 << 20)) "$bad" 512
	expect 3 ntt-orchestrator --no-archive --image "$T/x.img"
	[ "$(damaged)" = "c|t|{[5120,5632)}" ]
}

@test "a complete map: nothing is damaged" {
	tree
	mkfs.ext4 -q -d "$T/src" "$T/x.img" 16M
	printf '0x0 + 1\n0 %d +\n' $((16 << 20)) >"$T/x.map"
	expect 0 ntt-orchestrator --no-archive --image "$T/x.img"
	[ -z "$(damaged)" ]
	[ "$(sql 'SELECT health FROM medium')" = ok ]
}

@test "a bad sector in a compressed block: all files of the block" {
	need mksquashfs squashfs-tools
	tree
	mksquashfs "$T/src" "$T/x.img" -quiet -no-progress
	size=$(stat -c %s "$T/x.img")
	map_without "$T/x.map" "$size" 4096 512
	expect 3 ntt-orchestrator --no-archive --image "$T/x.img"
	[ "$(damaged)" = 'a|t|{[0,20000)}
b|t|{[0,20000)}
c|t|{[0,20000)}
small|t|{[0,6)}' ]
}

@test "a map that cannot be read is said, and nothing is called whole" {
	tree
	mkfs.ext4 -q -d "$T/src" "$T/x.img" 16M
	echo garbage >"$T/x.map"
	expect 0 ntt-orchestrator --no-archive --image "$T/x.img"
	has "$stderr" "x.map:1: expected"
	has "$stderr" "damaged files cannot be told from others"
	[ "$(sql 'SELECT health IS NULL FROM medium')" = t ]
	# nor of one without a map
	mkfs.ext4 -q -d "$T/src" "$T/y.img" 16M
	expect 0 ntt-orchestrator --no-archive --image "$T/y.img"
	[ "$(sql 'SELECT count(*), count(health) FROM medium')" = "2|0" ]
}

teardown() {
	umount -R "$T/mnt" 2>/dev/null || :
	[ -z "${LOOP:-}" ] || losetup -d "$LOOP" || :
	end_devices
}

@test "a disk that seeks is read by one copier, flash by several" {
	need losetup util-linux
	tree
	mkfs.ext4 -q -b 4096 -d "$T/src" "$T/x.img" 16M
	bad_file "$T/x.img" slow=20 0 $((16 << 20))
	LOOP=$(losetup -r --show -f "$T/fuse/image")
	mkdir "$T/mnt" && mount -o ro,noload "$LOOP" "$T/mnt"
	M=aaaabbbbccccdddd0000111122223333
	ntt-enum -q "$T/mnt" $M - | ntt-loader -q - $M >/dev/null
	echo 1 >/sys/block/"${LOOP#/dev/}"/queue/rotational
	expect 0 ntt-copy-workers -q --wait -m $M
	[ "$(grep -c '^ntt-copier: .* files' <<<"$stderr")" = 1 ]
	echo 0 >/sys/block/"${LOOP#/dev/}"/queue/rotational
	expect 0 ntt-copy-workers -q --wait -m $M
	[ "$(grep -c '^ntt-copier: ' <<<"$stderr")" -gt 1 ]
}

@test "finding out whether a disk rotates leaves access times alone" {
	need losetup util-linux
	tree
	mkfs.ext4 -q -b 4096 -d "$T/src" "$T/x.img" 16M
	LOOP=$(losetup --show -f "$T/x.img")
	mkdir "$T/mnt" && mount -o strictatime "$LOOP" "$T/mnt"
	M=aaaabbbbccccdddd0000111122223333
	ntt-enum -q "$T/mnt" $M - | ntt-loader -q - $M >/dev/null
	find "$T/mnt" -exec touch -a -d '2001-02-03 UTC' {} +
	echo 1 >/sys/block/"${LOOP#/dev/}"/queue/rotational
	expect 0 ntt-copy-workers -q --wait -m $M
	[ -z "$(find "$T/mnt" -mindepth 1 -newerat 2001-02-04)" ]
}

@test "the orchestrator starts one copier where the disk rotates" {
	need losetup util-linux
	local cpus
	cpus=$(nproc)
	mkdir "$T/src" "$T/mnt"
	(cd "$T/src" && seq -f %05.0f 10000 | xargs touch)
	mkfs.ext4 -q -N 11000 -d "$T/src" "$T/x.img" 24M
	LOOP=$(losetup -r --show -f "$T/x.img")
	mount -o ro,noload "$LOOP" "$T/mnt"
	ntt-orchestrator -q --no-archive --stop-after load "$T/mnt" >/dev/null
	# of files without bytes nothing can be measured
	echo 1 >/sys/block/"${LOOP#/dev/}"/queue/rotational
	expect 0 ntt-orchestrator --no-archive --plan "$T/mnt"
	has "$output" "ntt-copy-workers --wait -w 1 -m"
	echo 0 >/sys/block/"${LOOP#/dev/}"/queue/rotational
	expect 0 ntt-orchestrator --no-archive --plan "$T/mnt"
	has "$output" "ntt-copy-workers --wait -w $((cpus > 16 ? 16 : cpus)) -m"
}

@test "EIO: permanent after three attempts, with what the kernel said" {
	need losetup util-linux
	tree
	mkfs.ext4 -q -b 4096 -d "$T/src" "$T/x.img" 16M
	bad_file "$T/x.img" eio "$(block b "$T/x.img")" 4096
	LOOP=$(losetup -r --show -f "$T/fuse/image")
	mkdir "$T/mnt" && mount -o ro,noload "$LOOP" "$T/mnt"
	M=aaaabbbbccccdddd0000111122223333
	ntt-enum -q "$T/mnt" $M - | ntt-loader -q - $M >/dev/null
	said=$(dmesg | grep -c " ${LOOP#/dev/}[, ]" || :)
	expect 3 ntt-copier -m $M
	[ "$(sql "SELECT status, error_type, attempts, array_length(errors, 1)
		FROM inode WHERE status::text LIKE 'failed%'")" = \
		"failed_permanent|io_error|3|3" ]
	[ "$(sql "SELECT count(*) FROM inode WHERE status = 'success'")" = 3 ]
	[ "$(sql "SELECT action, attempt, errno, checks->>'errno' FROM
		diagnostic_event")" = "skipped|3|5|EIO" ]
	# where other disks fail too, the kernel says only so much at a time
	if [ "$(dmesg | grep -c " ${LOOP#/dev/}[, ]")" -gt "$said" ]; then
		kernel=$(sql "SELECT checks->>'kernel' FROM diagnostic_event")
		has "$kernel" "${LOOP#/dev/}"
	fi
	[ "$(sql "SELECT copy_done IS NOT NULL FROM medium")" = t ]
	check_store
	expect 0 ntt-recover-failed list-failures -m $M
	has "$output" io_error
}

@test "many failures are a finding about the medium" {
	mkdir "$T/src"
	for i in {1..150}; do echo $i >"$T/src/$i"; done
	M=aaaabbbbccccdddd0000111122223333
	ntt-enum -q "$T/src" $M - | ntt-loader -q - $M >/dev/null
	rm "$T/src"/1*
	expect 3 ntt-copier -q -m $M
	[ "$(sql "SELECT problems->'high_error_rate' FROM medium")" = true ]
	[ "$(sql "SELECT count(*) FROM diagnostic_event
		WHERE action = 'max_retries'")" = 62 ]
	[ "$(sql "SELECT jsonb_array_length(diagnostics->'diagnostic_events')
		FROM medium_diagnostics")" = 62 ]
}

@test "mounted before: where its partitions are is found out again" {
	tree
	mkfs.ext4 -q -b 4096 -d "$T/src" "$T/x.img" 16M
	map_without "$T/x.map" $((16 << 20)) "$(block b "$T/x.img")" 4096
	M=$(ntt-identify --json "$T/x.img" |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["hash"])')
	expect 0 ntt-mount-helper mount "$M" "$T/x.img"
	expect 3 ntt-orchestrator --no-archive --image "$T/x.img"
	[ "$(damaged)" = "b|t|{[4096,8192)}" ]
}
