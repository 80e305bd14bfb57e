#!/usr/bin/env bats
# slow: whole pipelines
# Which medium is this: names, fingerprints, states of a directory.

load lib

setup() {
	isolate
	fresh_db
	cd "$T"
	mkdir -p src/ok && echo 1 >src/ok/a && echo 2 >src/b
}

teardown() {
	umount -l "$T/mnt" "$T"/src/{m,gone,unwanted} 2>/dev/null || :
	detach_loops
}

# holds QUERY VALUE
holds() {
	local got
	got=$(sql "$1")
	[ "$got" = "$2" ] || { echo "got \"$got\" from: $1"; return 1; }
}

# image FILE BYTE: 3 MB, all of one size with the same first and last MiB
image() {
	{ yes first | head -c 1048576; yes "$2" | head -c 1048576
		yes last | head -c 1048576; } >"$1"
}

@test "an unchanged directory: 2, nothing new in the catalogue" {
	expect 0 ntt-orchestrator src
	expect 2 ntt-orchestrator src
	has "$stderr" 'nothing has changed'
	has "$stderr" '4 entries compared'
	holds "SELECT count(*) FROM medium" 1
	holds "SELECT count(*) FROM pg_class WHERE relname LIKE 'inode_p_%'
		AND relkind = 'r'" 1
}

@test "a directory that has changed is a new state, and the old one stays" {
	expect 0 ntt-orchestrator --message first src
	old=$(ntt-identify src)
	sleep 0.1
	echo 22 >src/b && echo 3 >src/c
	expect 0 ntt-orchestrator --message second src
	holds "SELECT string_agg(state_number || coalesce(follows, '-') ||
		message, ' ' ORDER BY state_number) FROM medium" \
		"1-first 2${old}second"
	has "$(sql "SELECT medium_human FROM medium WHERE state_number = 2")" \
		"src ($(date +%F), 2nd)"
	new=$(sql "SELECT medium_hash FROM medium WHERE state_number = 2")
	[ "$(cat "$NTT_HOME/archived/$old/b")" = 2 ]
	[ "$(cat "$NTT_HOME/archived/$new/b")" = 22 ]
	[ -e "$NTT_HOME/archives/$old.tar.zst" ]
	[ -e "$NTT_HOME/archives/$new.tar.zst" ]
	expect 2 ntt-orchestrator src
	echo 4 >src/d
	expect 0 ntt-orchestrator src
	holds "SELECT max(state_number) FROM medium" 3
}

@test "what an older state lacks the next one has, or it stays missing" {
	need_root
	mkdir -p src/m src/gone src/unwanted
	for m in m gone unwanted; do mount -t tmpfs tmpfs src/$m; done
	expect 3 ntt-orchestrator src
	old=$(sql "SELECT medium_hash FROM medium")
	umount src/m src/gone src/unwanted
	rmdir src/gone
	echo in >src/m/in
	echo 'unwanted*' >patterns
	NTT_IGNORE_PATTERNS=$T/patterns expect 0 ntt-orchestrator src
	holds "SELECT convert_from(path, 'UTF8'), settled_by FROM omission
		WHERE medium_hash = '$old' ORDER BY path" \
		$'gone|\nm|state 2\nunwanted|'
	expect 3 ntt-recover-failed list-omissions "$old"
	has "$output" '"gone"'
	[[ $output != *'"m"'* ]]
	expect 3 ntt-recover-failed list-omissions "$old" --all
	has "$output" 'done by state 2'
	# what is excluded there is not stored there either
	sql "UPDATE omission SET settled_at = NULL, settled_by = NULL;
		UPDATE path SET exclude_reason = 'x' WHERE path = 'm'
			AND medium_hash <> '$old';
		UPDATE medium SET copy_done = NULL WHERE medium_hash <> '$old';
		UPDATE medium SET copy_done = now() WHERE medium_hash <> '$old'"
	holds "SELECT count(*) FROM omission WHERE settled_at IS NOT NULL" 0
}

@test "the same size and time within a second, other contents: a new state" {
	touch -d '2020-01-01 00:00:00.1' src/b
	expect 0 ntt-orchestrator src
	echo 3 >src/b && touch -d '2020-01-01 00:00:00.1' src/b
	expect 0 ntt-orchestrator src
	holds "SELECT count(*) FROM medium" 2
}

@test "an empty directory is refused: its disk may not be mounted" {
	mkdir mnt
	expect 1 ntt-orchestrator mnt
	has "$stderr" 'is empty: is the disk mounted?'
	holds "SELECT count(*) FROM medium" 0
	expect 0 ntt-orchestrator --force mnt
}

@test "another disk at the same directory is another medium" {
	need_loop
	mkdir mnt
	for n in 1 2; do
		truncate -s 8M $n.img && mkfs.ext4 -q $n.img
		mount -o loop $n.img mnt
		echo $n >mnt/f
		expect 0 ntt-orchestrator --message "disk $n" mnt
		umount mnt
	done
	holds "SELECT count(*), count(name_base), count(follows) FROM medium" \
		'2|0|0' || holds "SELECT count(*), count(name_base),
		count(follows) FROM medium" '2|1|0'
	[ "$(cat "$NTT_HOME"/archived/*/f | sort | xargs)" = '1 2' ]
	holds "SELECT string_agg(message, ', ' ORDER BY message) FROM medium" \
		'disk 1, disk 2'
}

@test "interrupted, changed, run again: one medium, listed anew" {
	expect 0 ntt-orchestrator --stop-after load src
	rm src/b && echo 5 >src/e
	expect 3 ntt-orchestrator src
	has "$output" 'entry vanished before it was read'
	holds "SELECT count(*) FROM medium" 1
	holds "SELECT count(*) FROM inode WHERE status = 'success'" 2
}

@test "unchanged files of a local file system are not read again" {
	need_loop
	truncate -s 64M disk.img && mkfs.ext4 -q disk.img
	mkdir mnt && mount -o loop disk.img mnt
	for i in {1..40}; do echo "content $i" >mnt/$i; done
	mkdir mnt/d; head -c 3M /dev/urandom >mnt/d/large; ln -s 1 mnt/link
	touch -d 2001-01-01 mnt/2 mnt/3
	sleep 3		# a time of the last two seconds shows nothing
	expect 0 ntt-orchestrator mnt
	first=$(ntt-identify mnt)
	ntt-each --mime -q || :
	touch -r mnt/2 stamp; echo "CONTENT 2" >mnt/2; touch -r stamp mnt/2
	rm mnt/4; echo new >mnt/new; ln mnt/5 mnt/5b
	# rotten, and known to be: its file is read
	id=$(b3sum --no-names mnt/6)
	flip_bit "$(blob_file "$id")"; ntt-verify -q --all --sample-rate 1 || :
	expect 0 ntt-orchestrator mnt
	has "$stderr" '37 files are as they were in the state before, and were not read'
	second=$(sql "SELECT medium_hash FROM medium WHERE follows = '$first'")
	diff -r --no-dereference -x lost+found mnt "$NTT_HOME/archived/$second"
	holds "SELECT count(*) FROM inode WHERE medium_hash = '$second' AND
		status <> 'success' AND fs_type IN ('f', 'l')" 0
	check_store
	# a file that changes between list and copy is read
	echo 7 >mnt/another
	between 'echo "CONTENT 7" >mnt/7'
	expect 0 bin/ntt-orchestrator --no-archive mnt
	third=$(sql "SELECT medium_hash FROM medium WHERE follows = '$second'")
	diff -r --no-dereference -x lost+found mnt "$NTT_HOME/archived/$third"
	echo 8 >mnt/more
	expect 0 ntt-orchestrator --read-all --no-archive mnt
	[[ $stderr != *"were not read"* ]]
}

# between DOES…: an ntt-orchestrator that does this between list and copy, once
between() {
	mkdir -p bin
	cp "$NTT_BUILD/bin/ntt-orchestrator" bin
	printf '#!/bin/sh\n[ -e done ] || { >done; %s; }\nexec "%s" "$@"\n' \
		"$*" "$NTT_BUILD/bin/ntt-copier" >bin/ntt-copier
	chmod +x bin/ntt-copier
}

@test "renamed, replaced, changed and new after the list: listed again, once" {
	echo 3 >src/replaced; echo 4 >src/grown
	between 'mv src/b src/renamed; echo 33 >other; mv other src/replaced;
		echo 44 >src/grown; echo 5 >src/new'
	expect 0 bin/ntt-orchestrator src
	has "$stderr" 'files changed after they were listed'
	diff -r src "$NTT_HOME/archived/$(ntt-identify src)"
	holds "SELECT count(*) FROM omission" 0
	holds "SELECT string_agg(i.size || convert_from(p.path, 'UTF8'), ' '
		ORDER BY p.path) FROM inode i JOIN path p USING (medium_hash,
		dev, ino) WHERE i.fs_type = 'f'" \
		'3grown 2new 2ok/a 2renamed 3replaced'
	# a name that is gone for good is an omission
	rm done; echo 6 >src/6
	between 'rm src/6'
	expect 3 bin/ntt-orchestrator src
	has "$output" 'entry vanished before it was read'
}

@test "two images of one size with equal ends are two media" {
	need_loop
	mkdir img
	for n in 1 2; do
		truncate -s 8M $n.img && mkfs.ext4 -q -U clear -E hash_seed=$(
			printf '00000000-0000-0000-0000-00000000000%d' 1) $n.img
		mkdir -p tree$n && head -c 3000000 /dev/zero | tr '\0' $n >tree$n/f
		debugfs -w -R "write tree$n/f f" $n.img 2>/dev/null
	done
	# the same first and last MiB
	dd if=1.img of=2.img bs=1M count=1 conv=notrunc status=none
	dd if=1.img of=2.img bs=1M count=1 skip=7 seek=7 conv=notrunc status=none
	[ "$(ntt-identify 1.img)" = "$(ntt-identify 2.img)" ]
	ntt-orchestrator --image 1.img || [ $? = 3 ]
	expect 75 ntt-identify 2.img
	has "$stderr" 'only reading all of it can tell'
	h=$(ntt-identify --full 2.img)
	[ "$h" != "$(ntt-identify 1.img)" ]
	ntt-orchestrator --image 2.img || [ $? = 3 ]
	holds "SELECT count(*) FROM medium" 2
	holds "SELECT medium_hash FROM medium WHERE name_base IS NOT NULL" "$h"
	[ "$(head -c 1 "$NTT_HOME/archived/$h/f")" = 2 ]
}

@test "a copy of an image that is done is the same medium, wherever it is" {
	need_loop
	truncate -s 8M 1.img && mkfs.ext4 -q 1.img
	expect 0 ntt-orchestrator --image 1.img
	mkdir other && cp 1.img other/2.img
	expect 2 ntt-orchestrator --image other/2.img
	holds "SELECT count(*) FROM medium" 1
	holds "SELECT length(fingerprint) FROM medium" 64
}

@test "ntt-identify prints the hash and nothing else" {
	expect 0 ntt-identify src
	[[ $output =~ ^[0-9a-f]{32}$ ]]
	[ -z "$stderr" ]
	expect 0 ntt-identify -v src
	[[ $output =~ ^[0-9a-f]{32}$ ]]
	has "$stderr" 'kind    directory'
}

@test "a store that is not mounted is not stored into" {
	expect 0 ntt-orchestrator src
	mv "$NTT_HOME/by-hash" "$T/away" && mkdir "$NTT_HOME/by-hash"
	echo 9 >src/new
	expect 75 ntt-orchestrator src
	has "$stderr" 'is not mounted at'
	[ -z "$(ls "$NTT_HOME/by-hash")" ]
	expect 75 ntt-verify --all --sample-rate 1
	rmdir "$NTT_HOME/by-hash" && mv "$T/away" "$NTT_HOME/by-hash"
	expect 0 ntt-orchestrator src
}

@test "another catalogue's store is refused, until it is adopted" {
	expect 0 ntt-orchestrator src
	sql "UPDATE catalogue SET id = gen_random_uuid()"
	echo 9 >src/new
	expect 1 ntt-orchestrator src
	has "$stderr" 'belongs to catalogue'
	expect 0 ntt-db adopt
	expect 0 ntt-orchestrator src
}

@test "a store whose contents are not the catalogue's is not adopted" {
	expect 0 ntt-orchestrator src
	rm -rf "$NTT_HOME"/by-hash/?? "$NTT_HOME/by-hash/.ntt-store"
	expect 1 ntt-db adopt
	has "$stderr" 'of the catalogue is not in'
}

@test "a catalogue of nothing beside a full store is refused" {
	mkdir -p "$NTT_HOME/by-hash/ab/cd" && : >"$NTT_HOME/by-hash/ab/cd/x"
	expect 1 ntt-orchestrator src
	has "$stderr" 'it may be another catalogue'
}

@test "an archive that is replaced is kept" {
	expect 0 ntt-orchestrator src
	h=$(sql "SELECT medium_hash FROM medium")
	before=$(b3sum --no-names "$NTT_HOME/archives/$h.tar.zst")
	expect 0 ntt-orchestrator --reset --yes src
	[ "$(b3sum --no-names "$NTT_HOME"/archives/old/$h.*.tar.zst)" = "$before" ]
}

@test "a catalogue that is missing beside a store is not made anew" {
	unset NTT_DB_URL
	mkdir -p "$NTT_HOME/by-hash/ab"
	expect 1 ntt-db init
	has "$stderr" 'so a catalogue is missing'
	[ ! -e "$NTT_HOME/pg" ]
}
