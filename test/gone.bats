#!/usr/bin/env bats
# A source that goes away in the middle: no file is blamed for it, and when it
# is back the rest is copied.

load lib
load devices

setup_file() {
	export BATS_TEST_TIMEOUT=300	# what hangs has failed
}

setup() {
	isolate
	need_loop
	fresh_db
	M=aaaabbbbccccdddd0000111122223333
	# a block for each, so that none is read with another
	mkdir "$T/src"
	for i in {10..49}; do
		head -c 40000 /dev/urandom >"$T/src/$i"
	done
	mkfs.ext4 -q -b 4096 -d "$T/src" "$T/disk.img" 16M
	mkdir "$T/mnt"
}

teardown() {
	end_devices
}

count() {
	sql "SELECT count(*) FROM inode WHERE $1"
}

load_tree() {
	ntt-enum -q "$T/mnt" $M - | ntt-loader -q - $M >/dev/null
}

# No file was blamed, and of what is left nothing was tried.
none_blamed() {
	[ "$(count "status::text LIKE 'failed%'")" = 0 ] &&
		[ "$(count "attempts > 0 AND status = 'pending'")" = 0 ] &&
		[ "$(count "fs_type = 'f' AND status = 'pending'")" -gt 15 ]
}

# mount_disk [FAULTS…]: the file system on a disk
mount_disk() {
	bad_file "$T/disk.img" "$@"
	mount -o loop,ro,noload "$T/fuse/image" "$T/mnt"
}

# block FILE: the first block of a file, in bytes
block() {
	local blocks
	blocks=$(debugfs -R "blocks /$1" "$T/disk.img" 2>/dev/null)
	echo $((${blocks%% *} * 4096))
}

@test "a disk that is unplugged: 75, and the rest when it is back" {
	mount_disk
	load_tree
	expect 0 ntt-copier -q -m $M --limit 15
	kill -9 "$fault"
	expect 75 ntt-copier -q -m $M
	has "$stderr" "does not answer"
	has "$stderr" "none is blamed"
	none_blamed
	umount "$T/mnt" "$T/fuse"
	mount_disk
	expect 0 ntt-copier -q -m $M
	[ "$(count "fs_type = 'f' AND status = 'success'")" = 40 ]
	check_store
}

@test "the same with several workers" {
	mount_disk
	load_tree
	expect 0 ntt-copier -q -m $M --limit 15
	kill -9 "$fault"
	expect 75 ntt-copy-workers --wait -q -w 3 -m $M
	none_blamed
	umount "$T/mnt" "$T/fuse"
	mount_disk
	expect 0 ntt-copy-workers --wait -q -w 3 -m $M
	[ "$(count "fs_type = 'f' AND status = 'success'")" = 40 ]
}

@test "before any file was read: 75, and --blame for a disk that is there" {
	mount_disk
	load_tree
	umount "$T/mnt" "$T/fuse"
	mount_disk eio "$(block 10)" $((12 << 20))
	expect 75 ntt-copier -q -m $M
	has "$stderr" "--blame records"
	none_blamed
	expect 3 ntt-copier -q -m $M --blame
	[ "$(count "status = 'failed_permanent'")" = 40 ]
	umount "$T/mnt" "$T/fuse"

	# a better drive reads all of it
	mount_disk
	expect 0 ntt-recover-failed reset-failures $M
	has "$output" "0 inodes would become pending"
	expect 0 ntt-recover-failed reset-failures $M --permanent
	has "$output" "40 inodes would become pending"
	expect 0 ntt-recover-failed reset-failures $M --permanent --execute
	expect 0 ntt-copier -q -m $M
	[ "$(count "fs_type = 'f' AND status = 'success'")" = 40 ]
}

@test "bad sectors of a disk that answers are the files' own" {
	local first
	mount_disk
	load_tree
	umount "$T/mnt" "$T/fuse"
	# the last twenty files, more than a few and all in a row
	first=$(block 30)
	mount_disk eio "$first" $((12 << 20))
	expect 3 ntt-copier -q -m $M
	[ "$(count "status = 'failed_permanent'")" = 20 ]
	[ "$(count "fs_type = 'f' AND status = 'success'")" = 20 ]
}

@test "a witness that has gone bad is not the disk; --blame believes it is there" {
	local first witness
	mount_disk
	load_tree
	expect 0 ntt-copier -q -m $M --limit 15
	# the file that is asked first, and all that are left
	witness=$(sql "SELECT convert_from(path, 'UTF8') FROM path
		JOIN inode i USING (medium_hash, dev, ino)
		WHERE status = 'success' AND fs_type = 'f' LIMIT 1")
	first=$(block "$(sql "SELECT convert_from(path, 'UTF8') FROM path
		JOIN inode i USING (medium_hash, dev, ino)
		WHERE status = 'pending' AND fs_type = 'f'
		ORDER BY path LIMIT 1")")
	umount "$T/mnt" "$T/fuse"
	mount_disk eio "$(block "$witness")" 40960 eio "$first" $((12 << 20))
	expect 3 ntt-copier -q -m $M
	[ "$(count "status = 'failed_permanent'")" = 25 ]
	[ "$(count "fs_type = 'f' AND status = 'success'")" = 15 ]

	# all of them, so that nothing says that the disk is there
	expect 0 ntt-recover-failed reset-failures $M --permanent --execute
	umount "$T/mnt" "$T/fuse"
	mount_disk eio "$(block 10)" $((12 << 20))
	[ "$(count "fs_type = 'f' AND status = 'pending'")" = 25 ]
	expect 75 ntt-copier -q -m $M
	has "$stderr" "--blame"
	expect 3 ntt-copier -q -m $M --blame
	[ "$(count "status = 'failed_permanent'")" = 25 ]
}

@test "an image that is cut while it is mounted" {
	mkdir -p "$NTT_HOME/img"
	cp "$T/disk.img" "$NTT_HOME/img/$M.img"
	expect 0 ntt-orchestrator -q --stop-after load --keep-mounted \
		--image "$NTT_HOME/img/$M.img"
	expect 0 ntt-copier -q -m $M --limit 15
	truncate -s 600000 "$NTT_HOME/img/$M.img"
	echo 3 >/proc/sys/vm/drop_caches
	expect 75 ntt-copier -q -m $M
	has "$stderr" "has 600000 bytes now and had 16777216"
	none_blamed
	dd if="$T/disk.img" of="$NTT_HOME/img/$M.img" conv=notrunc status=none
	expect 0 ntt-copier -q -m $M
	[ "$(count "fs_type = 'f' AND status = 'success'")" = 40 ]
}

@test "a FUSE driver that is killed between two files" {
	need bindfs bindfs
	mkdir "$T/many" "$T/through"
	for ((i = 0; i < 6000; i++)); do
		echo $i >"$T/many/$i"
	done
	bindfs -f "$T/many" "$T/through" 3>&- &
	driver=$!
	await 'mountpoint -q "$T/through"' $driver
	ntt-enum -q "$T/through" $M - | ntt-loader -q - $M >/dev/null
	ntt-copier -q -m $M --batch-size 50 2>"$T/err" 3>&- & pid=$!
	await "[ \"\$(count \"status = 'success'\")\" -gt 0 ]" $pid
	kill -9 $driver
	status=0; wait $pid || status=$?
	[ $status = 75 ]
	none_blamed
	umount "$T/through"
	bindfs "$T/many" "$T/through"
	expect 0 ntt-copier -q -m $M
	[ "$(count "fs_type = 'f' AND status = 'success'")" = 6000 ]
}
