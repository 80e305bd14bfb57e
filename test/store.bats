#!/usr/bin/env bats
# The store on file systems that lack something: files without a name, hard
# links, room.

# expect() sets output and stderr; each test has its own NTT_DB_URL
# shellcheck disable=SC2154,SC2030,SC2031
load lib

M=aaaabbbbccccdddd0000111122223333

setup() {
	isolate
	need_root
	fresh_db
}

teardown() {
	! mountpoint -q "$T/plain" || umount -l "$T/plain"
}

# plain: by-hash and archived where O_TMPFILE, RENAME_NOREPLACE and O_DIRECT
# are unknown, as on many network file systems
plain() {
	need bindfs bindfs
	mkdir -p "$T/real" "$T/plain"
	bindfs "$T/real" "$T/plain" 3>&-
	export BYHASH_ROOT=$T/plain/by-hash ARCHIVED_ROOT=$T/plain/archived
}

no_bindfs() {
	! pgrep -f "bindfs $T/real" >/dev/null
}

loaded() {
	ntt-enum -q "$1" $M - | ntt-loader -q - $M >/dev/null
}

@test "no files without a name: temporary ones get theirs, none is left" {
	plain
	difficult_tree "$T/src"
	head -c 3000000 /dev/urandom >"$T/src/large"
	loaded "$T/src"
	mkdir -p "$T/real/by-hash/.tmp"
	touch -d '2 days ago' "$T/real/by-hash/.tmp/4194304.1" \
		"$T/real/by-hash/.tmp/1.1"
	touch "$T/real/by-hash/.tmp/4194304.2"
	expect 0 ntt-copier -q -m $M
	# what is old; others may be at work elsewhere
	[ "$(ls -A "$T/real/by-hash/.tmp")" = 4194304.2 ]
	rm "$T/real/by-hash/.tmp"/*
	same_tree "$T/src" "$ARCHIVED_ROOT/$M"
	check_store
}

@test "hosts whose copiers have one process number: no blob has another's bytes" {
	plain
	mkdir "$T/one" "$T/two"
	for i in {1..400}; do echo "one $i" >"$T/one/$i"; echo "two $i" >"$T/two/$i"; done
	loaded "$T/one"
	ntt-enum -q "$T/two" feed0000 - | ntt-loader -q - feed0000 >/dev/null
	for m in $M feed0000; do
		# number 1 in a namespace of its own, as in a container
		unshare --pid --fork --mount-proc ntt-copier -q -m $m --batch-size 20 3>&- &
		pids+=" $!"
	done
	for p in $pids; do wait $p; done
	same_tree "$T/one" "$ARCHIVED_ROOT/$M"
	same_tree "$T/two" "$ARCHIVED_ROOT/feed0000"
	check_store
}

@test "where syncfs does nothing, files and directories are synced one by one" {
	plain
	mkdir -p "$T/src/d"
	for i in {1..12}; do echo $i >"$T/src/d/$i"; done
	loaded "$T/src"
	strace -f -qq -y -e trace=fsync,syncfs -o "$T/trace" ntt-copier -q -m $M
	[ "$(grep -c 'fsync(.*/by-hash/\.tmp/' "$T/trace")" -ge 12 ]
	[ "$(grep -oE 'fsync\(.*/by-hash/../..>' "$T/trace" | sort -u | wc -l)" -ge 12 ]
	grep -qF "/archived/$M/d>" "$T/trace"
	grep -qF "/archived/$M>" "$T/trace"
	check_store
}

@test "no files without a name: a copier is killed at its steps" {
	plain
	mkdir -p "$T/src"
	for i in {1..12}; do echo $((i % 7)) >"$T/src/$i"; done
	loaded "$T/src"
	for n in 40 80 120 160; do
		sql "UPDATE inode SET status = 'pending', blobid = NULL
			WHERE fs_type = 'f'; DELETE FROM blobs;
			UPDATE work_range SET done = false, worker = NULL;
			UPDATE medium SET copy_done = NULL;
			DELETE FROM store_mark"
		rm -rf "$T/real"/*
		status=0
		stepper kill $n ntt-copier -q -m $M --batch-size 3 || status=$?
		[ $status = 137 ] || [ $status = 99 ]
		# what the killed one had asked of bindfs is done when that ends
		umount "$T/plain"
		await no_bindfs
		plain
		# what the killed one had begun goes when it is a day old
		[ ! -d "$T/real/by-hash/.tmp" ] || find "$T/real/by-hash/.tmp" \
			-type f -exec touch -d '2 days ago' {} +
		expect 0 ntt-copy-workers -q -m $M -w 1 --wait
		same_tree "$T/src" "$ARCHIVED_ROOT/$M"
		check_store
	done
}

@test "a file system without hard links: no tree is made there, contents are stored" {
	need_loop
	need mount.exfat-fuse exfat-fuse
	need mkfs.exfat exfatprogs
	mkdir "$T/src" "$T/plain"
	for i in {1..20}; do echo $((i % 15)) >"$T/src/$i"; done
	truncate -s 64M "$T/x.img"
	mkfs.exfat "$T/x.img" >/dev/null
	loop=$(losetup -f --show "$T/x.img")
	mount.exfat-fuse "$loop" "$T/plain" >/dev/null 3>&-
	export BYHASH_ROOT=$T/plain/by-hash ARCHIVED_ROOT=$T/plain/archived
	loaded "$T/src"
	expect 64 ntt-copier -q -m $M
	has "$stderr" 'has no hard links; use --no-archived or an empty ARCHIVED_ROOT'
	[ "$(sql "SELECT count(*) FROM inode WHERE status = 'success'")" = 0 ]
	export ARCHIVED_ROOT=
	expect 0 ntt-copier -q -m $M
	expect 0 ntt-verify -q --all --sample-rate 1
	[ "$(find "$BYHASH_ROOT" -type f ! -name .ntt-store ! -path '*/.tmp/*' | wc -l)" = 15 ]
	# rotten, and healed by the next medium that has it
	id=$(echo 7 | b3sum --no-names)
	flip_bit "$(blob_file "$id")"
	expect 3 ntt-verify -q --all --sample-rate 1
	mkdir "$T/two"; echo 7 >"$T/two/f"
	ntt-enum -q "$T/two" feed0000 - | ntt-loader -q - feed0000 >/dev/null
	expect 0 ntt-copier -q -m feed0000
	expect 0 ntt-verify -q --all --sample-rate 1
	[ "$(find "$BYHASH_ROOT/.bad" -type f | wc -l)" = 1 ]
	umount "$T/plain"; losetup -d "$loop"
}

@test "a blob of another size under the name is never taken for it" {
	mkdir -p "$T/src"
	mkdir -p "$T/first" && echo first >"$T/first/f"
	ntt-enum -q "$T/first" cafe - | ntt-loader -q - cafe >/dev/null
	ntt-copier -q -m cafe
	echo good >"$T/src/a"
	echo other >"$T/src/b"
	loaded "$T/src"
	id=$(b3sum --no-names "$T/src/a")
	mkdir -p "$NTT_HOME/by-hash/${id:0:2}/${id:2:2}"
	echo bad and longer >"$NTT_HOME/by-hash/${id:0:2}/${id:2:2}/$id"
	expect 0 ntt-db adopt
	expect 0 timeout 60 ntt-copier -m $M
	has "$stderr" 'healed 1 blobs'
	[ "$(cat "$NTT_HOME/by-hash/.bad/$id".*)" = "bad and longer" ]
	same_tree "$T/src" "$NTT_HOME/archived/$M"
	check_store
}

@test "by-hash and archived on two file systems: told, and nothing is copied" {
	mkdir -p "$T/src" "$T/two"
	echo a >"$T/src/a"
	loaded "$T/src"
	mount -t tmpfs none "$T/two"
	status=0
	ARCHIVED_ROOT=$T/two/archived ntt-copier -q -m $M 2>"$T/err" || status=$?
	umount "$T/two"
	[ $status = 64 ] || [ $status = 1 ]
	grep -q "$T/two/archived" "$T/err"
	[ "$(sql "SELECT count(*) FROM inode WHERE status = 'pending'")" = 1 ]
}
