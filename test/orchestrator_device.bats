#!/usr/bin/env bats
# slow: whole pipelines from bad disks
# The whole pipeline of a device: imaged first, whatever it can still give.

load lib
load devices

setup_file() {
	export BATS_TEST_TIMEOUT=120
}

setup() {
	isolate
	need_loop
	need b3sum b3sum
	need ddrescue gddrescue
	chmod 755 "$T"
	cd "$T"
}

teardown() {
	end_devices
	[ ! -e "$NTT_HOME/pg/data" ] || ntt-db stop -q || :
}

orchestrate() {
	ntt-orchestrator "$@" 3>&-
}

query() {
	ntt-db psql -XAtqc "$1"
}

hash_of() {
	ntt-identify --json "$1" | sed 's/.*"hash":"\([^"]*\)".*/\1/'
}

# disk: a small file system as src
disk() {
	mkdir -p tree
	for i in {1..40}; do head -c 20000 /dev/urandom >"tree/$i"; done
	mkfs.ext4 -q -b 1024 -d tree src 8M
}

@test "a good device: row, image, files, archive; a second time nothing" {
	disk
	sum=$(md5sum <src)
	dev=$(losetup -f --show src)
	hash=$(hash_of "$dev")
	expect 0 orchestrate --message "box 7" "$dev"
	has "$output" "health       ok"
	[ "$(query "SELECT source_kind, source_path, health, message,
		imaged_at IS NOT NULL, archived_at IS NOT NULL, size_bytes,
		image_path, identity->>'kind' FROM medium")" = \
		"device|$dev|ok|box 7|t|t|8388608|$NTT_HOME/img/$hash.img|device" ]
	rmdir "$NTT_HOME/archived/$hash/lost+found"
	diff -r tree "$NTT_HOME/archived/$hash"
	zstd -dcq "$NTT_HOME/archives/$hash.tar.zst" | tar t >list
	for f in .img .map -ddrescue.log .raw .jsonl; do
		grep -qx "$hash$f" list
	done
	zstd -dcq "$NTT_HOME/archives/$hash.tar.zst" | tar xO "$hash.img" | cmp - src
	[ -z "$(ls "$NTT_HOME/img")" ]
	expect 2 orchestrate "$dev"
	[ "$(query "SELECT health FROM medium")" = ok ]
	expect 0 ntt-pipeline-status "$hash"
	[ "$(md5sum <src)" = "$sum" ]
}

@test "a partial image goes on, with its health; the files are what they were" {
	disk
	# a block of a file
	start=$(($(debugfs -R 'bmap /20 0' src 2>/dev/null) * 1024))
	bad_disk eio $start 2048
	hash=$(hash_of "$dev")
	expect 3 orchestrate "$dev"
	has "$output" "health       incomplete"
	[ "$(query "SELECT health, imaged_at IS NOT NULL, archived_at IS NOT NULL
		FROM medium")" = "incomplete|t|f" ]
	[ "$(query "SELECT count(*) FROM inode WHERE fs_type = 'f' AND
		status = 'success'")" = 40 ]
	ntt-recover-failed accept -q -m "$hash" --all --reason "a worn disk"
	expect 0 orchestrate "$dev"
	[ "$(query "SELECT archived_at IS NOT NULL FROM medium")" = t ]
	expect 2 orchestrate "$dev"
	[ "$(query "SELECT health FROM medium")" = incomplete ]
}

@test "failed: stops with a clear message, tries again next time, --force" {
	mkdir tree && echo x >tree/f
	mkfs.ext4 -q -b 1024 -d tree src 1M
	bad_disk eio 32768 1015808
	expect 1 orchestrate "$dev"
	has "$stderr" "less than 20 %"
	has "$stderr" "--force"
	[ "$(query "SELECT health, imaged_at IS NULL, enum_done IS NULL
		FROM medium")" = "failed|t|t" ]
	hash=$(query "SELECT medium_hash FROM medium")
	expect 1 ntt-pipeline-status "$hash"
	has "$output" "imaging is not finished"
	has "$output" "next: ntt-orchestrator $dev"
	expect 1 orchestrate --image "$hash"
	has "$stderr" "less than 20 %"
	expect 3 orchestrate --force --stop-after image "$dev"
	[ "$(query "SELECT health, imaged_at IS NOT NULL FROM medium")" = "failed|t" ]
	# another drive can read it: the map knows what is missing
	unplug
	bad_disk eio 1048064 512
	expect 3 ntt-imager "$dev" "$NTT_HOME/img/$hash.img"
	expect 0 orchestrate --no-archive --image "$hash"
	[ "$(query "SELECT health, source_kind FROM medium")" = "incomplete|device" ]
	[ "$(cat "$NTT_HOME/archived/$hash/f")" = x ]
}

@test "identification failed: no row, no file" {
	ntt-db init -q 3>&-
	expect 1 orchestrate "$T/nothing"
	truncate -s 4M src
	bad_disk
	expect 1 orchestrate "$dev"
	has "$stderr" "cannot tell"
	unplug
	head -c 4M /dev/urandom >src
	bad_disk
	kill -9 "$fault"
	expect 1 orchestrate "$dev"
	[ "$(query 'SELECT count(*) FROM medium')" = 0 ]
	[ ! -d "$NTT_HOME/img" ]
}

@test "it vanishes while it is imaged: stopped; back again the run goes on" {
	disk
	# not where it is identified by
	bad_disk slow=30 2097152 4194304
	hash=$(hash_of "$dev")
	ntt-db init -q 3>&-
	ntt-orchestrator "$dev" >out 2>err 3>&- & pid=$!
	until [ "$(du -k "$NTT_HOME/img/$hash.img" 2>/dev/null | cut -f1)" -gt 300 ] \
		2>/dev/null; do sleep 0.02; done
	kill -9 "$fault"
	status=0; wait $pid || status=$?
	[ $status = 1 ]
	grep -q "the device is gone" err
	[ "$(query "SELECT imaged_at IS NULL, enum_done IS NULL FROM medium")" = "t|t" ]
	unplug
	bad_disk
	expect 0 orchestrate "$dev"
	zstd -dcq "$NTT_HOME/archives/$hash.tar.zst" | tar xO "$hash.img" | cmp - src
	[ "$(query "SELECT count(*), max(health) FROM medium")" = "1|ok" ]
}

@test "interrupted while it is imaged: 130 and the same command goes on" {
	disk
	bad_disk slow=30 2097152 4194304
	hash=$(hash_of "$dev")
	ntt-db init -q 3>&-
	env --default-signal=INT ntt-orchestrator "$dev" >out 2>err 3>&- & pid=$!
	until [ "$(du -k "$NTT_HOME/img/$hash.img" 2>/dev/null | cut -f1)" -gt 300 ] \
		2>/dev/null; do sleep 0.02; done
	kill -INT $pid
	status=0; wait $pid || status=$?
	[ $status = 130 ]
	[ "$(query "SELECT imaged_at IS NULL FROM medium")" = t ]
	expect 0 orchestrate --no-archive "$dev"
	cmp src "$NTT_HOME/img/$hash.img"
	[ "$(query "SELECT imaged_at IS NOT NULL, health FROM medium")" = "t|ok" ]
}

@test "--plan has ntt-imager, and nothing is run" {
	disk
	dev=$(losetup -r -f --show src)
	hash=$(hash_of "$dev")
	expect 0 orchestrate --plan --eject "$dev"
	has "$output" "image: to do"
	has "$output" "ntt-imager --eject -- $dev $NTT_HOME/img/$hash.img"
	has "$output" "mount $hash $NTT_HOME/img/$hash.img"
	[ -z "$(ls -A "$NTT_HOME")" ]
	expect 64 orchestrate --enum-only "$dev"
	has "$stderr" "before it has an image"
}

@test "what is no disk is a finding, and archived as bits" {
	tar cf src -C / etc
	truncate -s 4M src
	dev=$(losetup -r -f --show src)
	expect 3 orchestrate "$dev"
	has "$stderr" "a tar archive"
	[ "$(query "SELECT problems->>'content', health FROM medium")" = "tar|ok" ]
	head -c 4M /dev/zero | tr '\0' '\366' >src2
	dev=$(losetup -r -f --show src2)
	expect 3 orchestrate --force "$dev"
	[ "$(query "SELECT problems->>'content' FROM medium WHERE source_path = '$dev'")" \
		= all_0xf6 ]
}
