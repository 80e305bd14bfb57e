#!/usr/bin/env bats
# slow: whole pipelines
# The whole pipeline: a directory, an image, interrupted anywhere, by anybody.

load lib

setup() {
	isolate
	need b3sum b3sum
	chmod 755 "$T"
}

teardown() {
	[ ! -e "$NTT_HOME/pg/data" ] || ntt-db stop -q || :
	[ ! -d "$T/user/ntt/pg/data" ] || NTT_HOME=$T/user/ntt ntt-db stop -q || :
	mountpoint -q "$NTT_HOME/mnt"/* 2>/dev/null && umount "$NTT_HOME/mnt"/*
	return 0
}

# Without a descriptor of bats that a server would keep.
orchestrate() {
	ntt-orchestrator "$@" 3>&-
}

query() {
	ntt-db psql -XAtqc "$1"
}

hash_of() {
	ntt-identify --json "$1" | sed 's/.*"hash":"\([^"]*\)".*/\1/'
}

# Of a pipeline that is complete; the source is $1, the medium $2.
check_complete() {
	NTT_DB_URL=$(ntt-db url) NTT_TEST_CLUSTER=$NTT_HOME check_store
	same_tree "$1" "$NTT_HOME/archived/$2"
	[ "$(query "SELECT enum_done IS NOT NULL AND copy_done IS NOT NULL AND
		archived_at IS NOT NULL FROM medium")" = t ]
	[ -f "$NTT_HOME/archives/$2.tar.zst" ]
	[ "$(query "SELECT count(*) FROM path")" = \
		"$(find "$1" -printf x | wc -c)" ]
}

@test "a directory, with nothing but NTT_HOME; a second time nothing is done" {
	difficult_tree "$T/src"
	expect 0 orchestrate "$T/src"
	has "$output" "files"
	hash=$(hash_of "$T/src")
	check_complete "$T/src" "$hash"
	before=$(find "$NTT_HOME"/{by-hash,archived,archives} -printf '%p %T@\n' | sort)
	expect 2 orchestrate "$T/src"
	has "$output" "everything was done already"
	[ "$(find "$NTT_HOME"/{by-hash,archived,archives} -printf '%p %T@\n' | sort)" \
		= "$before" ]
}

@test "a user with no rights and nothing configured" {
	[ "$(id -u)" = 0 ] || skip "needs root to become another user"
	mkdir "$T/src" && echo x >"$T/src/f"
	chown -R nobody "$T/src" "$T/user"
	unset NTT_HOME
	(cd / && setpriv --reuid=nobody --regid=nogroup --clear-groups \
		env HOME="$T/user" "$NTT_BUILD/bin/ntt-orchestrator" "$T/src" 3>&-)
	grep -q "NTT_HOME=\"$T/user/ntt\"" "$T/user/.config/ntt/ntt.env"
	NTT_HOME=$T/user/ntt
	check_complete "$T/src" "$(hash_of "$T/src")"
	# every other program finds it by itself
	unset NTT_HOME
	(cd / && setpriv --reuid=nobody --regid=nogroup --clear-groups \
		env HOME="$T/user" "$NTT_BUILD/bin/ntt" | grep -q '^archived *1$')
}

@test "an ext4 image: listed, copied, unmounted, untouched" {
	need_loop
	difficult_tree "$T/src"
	mkfs.ext4 -q -d "$T/src" "$T/the image.img" 64M
	sum=$(b3sum --no-names "$T/the image.img")
	expect 0 ntt-orchestrator --enum-only --image "$T/the image.img"
	ntt-raw-check "$NTT_HOME"/raw/*.raw >/dev/null
	[ ! -e "$NTT_HOME/pg/data/postmaster.pid" ] || ntt-db stop -q
	expect 0 orchestrate --image "$T/the image.img" --message "box 7"
	hash=$(hash_of "$T/the image.img")
	[ "$(b3sum --no-names "$T/the image.img")" = "$sum" ]
	rmdir "$NTT_HOME/archived/$hash/lost+found"
	diff -r --no-dereference "$T/src" "$NTT_HOME/archived/$hash" |
		grep -v ': fifo$' && return 1
	! losetup -a | grep -F "$T" || return 1
	[ -z "$(ls -A "$NTT_HOME/mnt/$hash" 2>/dev/null)" ]
	[ "$(query 'SELECT message FROM medium')" = "box 7" ]
	[ "$(query 'SELECT fs_type FROM medium')" = ext4 ]
	[ "$(query 'SELECT health IS NULL FROM medium')" = t ]
}

@test "health comes from the map beside the image, on every run" {
	need_loop
	mkdir "$T/src" && echo x >"$T/src/f"
	mkfs.ext4 -q -d "$T/src" "$T/x.img" 8M
	printf '# map\n0x0 + 1\n0x0 0x780000 +\n0x780000 0x80000 -\n' >"$T/x.map"
	expect 0 orchestrate --no-archive --stop-after load --image "$T/x.img"
	[ "$(query 'SELECT health FROM medium')" = incomplete ]
	printf '# map\n0x0 + 1\n0x0 0x800000 +\n' >"$T/x.map"
	expect 0 orchestrate --no-archive --image "$T/x.img"
	[ "$(query 'SELECT health FROM medium')" = ok ]
	printf '0x0 + 1\n0x0 0x100000 +\n0x100000 0x700000 -\n' >"$T/x.map"
	expect 1 orchestrate --no-archive --image "$T/x.img"
	has "$stderr" "its health is failed"
	: >"$T/x.map"
	expect 0 orchestrate --no-archive --image "$T/x.img"
	has "$stderr" "the map is empty"
	[ "$(query 'SELECT health IS NULL FROM medium')" = t ]
}

@test "two file systems with equal inode numbers stay two files" {
	need_loop
	for n in 1 2; do
		mkdir "$T/src$n" && echo "content $n" >"$T/src$n/file"
		mkfs.ext4 -q -d "$T/src$n" "$T/part$n" 8M
	done
	truncate -s 20M "$T/disk.img"
	printf 'label: dos\nstart=2048, size=16384\nstart=20480, size=16384\n' |
		sfdisk -q "$T/disk.img"
	dd if="$T/part1" of="$T/disk.img" bs=512 seek=2048 conv=notrunc status=none
	dd if="$T/part2" of="$T/disk.img" bs=512 seek=20480 conv=notrunc status=none
	expect 0 orchestrate --no-archive --image "$T/disk.img"
	hash=$(hash_of "$T/disk.img")
	[ "$(cat "$NTT_HOME/archived/$hash/p1/file")" = "content 1" ]
	[ "$(cat "$NTT_HOME/archived/$hash/p2/file")" = "content 2" ]
	[ "$(query "SELECT count(DISTINCT ino) || ' ' || count(DISTINCT dev) FROM
		inode WHERE fs_type = 'f'")" = "1 2" ]
	[ "$(query 'SELECT count(*) FROM medium_partition')" = 2 ]
}

@test "a lost partition table is a problem of the medium" {
	need_loop
	mkdir -p "$T/a" "$T/b"
	echo one >"$T/a/f"; echo two >"$T/b/f"
	mkfs.ext4 -q -d "$T/a" "$T/fa" 4M; mkfs.ext4 -q -d "$T/b" "$T/fb" 4M
	truncate -s 16M "$T/x.img"
	dd if="$T/fa" of="$T/x.img" bs=1M seek=1 conv=notrunc status=none
	dd if="$T/fb" of="$T/x.img" bs=1M seek=8 conv=notrunc status=none
	# something that tells it from others
	head -c 4096 /dev/urandom | dd of="$T/x.img" bs=1M seek=15 \
		conv=notrunc status=none
	expect 0 orchestrate --no-archive --image "$T/x.img"
	has "$stderr" "the partition table is missing"
	has "$(query "SELECT problems->>'layout' FROM medium")" \
		"partition table is missing: a search found 2 volumes"
	has "$(query 'SELECT string_agg(reason, $$;$$) FROM medium_partition')" \
		"found by its signature"
	hash=$(hash_of "$T/x.img")
	[ "$(cat "$NTT_HOME/archived/$hash/p1/f" \
		"$NTT_HOME/archived/$hash/p2/f")" = "one
two" ]
}

@test "kill -9 of any stage, then the same command again" {
	difficult_tree "$T/src"
	for i in {1..800}; do echo $((i % 500)) >"$T/src/$i"; done
	hash=$(hash_of "$T/src")
	ntt-db init -q 3>&-
	for program in ntt-enum ntt-loader ntt-copier ntt-archiver \
		ntt-orchestrator; do
		ntt-orchestrator -q "$T/src" >/dev/null 2>&1 3>&- & pid=$!
		if [ $program = ntt-orchestrator ]; then
			await 'pgrep -P $pid >/dev/null || ! kill -0 $pid'
			kill -9 $pid || :
		fi 2>/dev/null
		until pkill -9 -x "${program:0:15}" -P $pid ||
			! kill -0 $pid 2>/dev/null; do :; done
		wait $pid || :
		query "SELECT 1" >/dev/null
	done
	# what was killed may still be letting go of its locks
	for i in {1..50}; do
		status=0
		orchestrate -q "$T/src" >/dev/null || status=$?
		[ $status = 75 ] || break
		sleep 0.2
	done
	[ $status = 0 ] || [ $status = 2 ]
	check_complete "$T/src" "$hash"
}

@test "interrupted: children stopped, nothing mounted, the next run goes on" {
	need_loop
	mkdir "$T/src"
	for i in {1..4000}; do echo $i >"$T/src/$i"; done
	mkfs.ext4 -q -N 8192 -d "$T/src" "$T/x.img" 64M
	hash=$(hash_of "$T/x.img")
	ntt-db init -q 3>&-
	ntt-orchestrator -q --no-archive --image "$T/x.img" 3>&- & pid=$!
	await '[ "$(query "SELECT count(*) FROM worker" 2>/dev/null)" = 1 ]'
	kill -TERM $pid
	status=0; wait $pid || status=$?
	[ $status = 143 ]
	! pgrep -x ntt-copier -a | grep "$hash" || return 1
	! losetup -a | grep -F "$T" || return 1
	expect 0 orchestrate -q --no-archive --image "$T/x.img"
	[ "$(query "SELECT count(*) FROM inode WHERE status = 'success'")" = 4000 ]
}

@test "a directory and an image whose own names are not UTF-8" {
	need_loop
	mkdir "$T/"$'bad \xff\n' && echo x >"$T/"$'bad \xff\n/f'
	expect 0 orchestrate "$T/"$'bad \xff\n'
	expect 2 orchestrate "$T/"$'bad \xff\n'
	mkfs.ext4 -q -d "$T/"$'bad \xff\n' "$T/"$'x \xfe.img' 8M
	expect 0 orchestrate --image "$T/"$'x \xfe.img'
	[ "$(query "SELECT count(*) FROM medium WHERE archived_at IS NOT NULL")" = 2 ]
}

@test "--plan prints every command and does nothing" {
	mkdir "$T/src" && echo x >"$T/src/f"
	expect 0 orchestrate --plan "$T/src"
	has "$output" "ntt-enum --tee --meta -- $T/src"
	has "$output" "| ntt-loader"
	has "$output" "ntt-copier -m"
	has "$output" "ntt-archiver"
	[ -z "$(ls -A "$NTT_HOME")" ]
}

@test "--enum-only, --load-only, --stop-after" {
	mkdir "$T/src" && echo x >"$T/src/f"
	hash=$(hash_of "$T/src")
	expect 0 orchestrate --enum-only "$T/src"
	ntt-raw-check "$NTT_HOME/raw/$hash.raw" >/dev/null
	expect 0 orchestrate --load-only "$NTT_HOME/raw/$hash.raw"
	[ "$(query 'SELECT count(*) FROM inode')" = 2 ]
	expect 0 orchestrate --stop-after copy "$T/src"
	[ "$(query 'SELECT archived_at IS NULL FROM medium')" = t ]
	expect 64 orchestrate --stop-after nowhere "$T/src"
}

@test "--reset drops the catalogue of the medium, and only when confirmed" {
	mkdir "$T/src" && echo x >"$T/src/f"
	expect 0 orchestrate --no-archive "$T/src"
	echo y >"$T/src/g"
	expect 2 orchestrate --no-archive --reset "$T/src" </dev/null
	[ "$(query 'SELECT count(*) FROM inode')" = 2 ]
	expect 0 orchestrate --no-archive --reset --yes "$T/src"
	[ "$(query 'SELECT count(*) FROM inode')" = 3 ]
}

@test "two at once: one works, the other says who does" {
	mkdir "$T/src"
	for i in {1..3000}; do echo $i >"$T/src/$i"; done
	ntt-db init -q 3>&-
	ntt-orchestrator -q --no-archive "$T/src" 3>&- & pid=$!
	await "[ \"\$(query 'SELECT count(*) FROM medium' 2>/dev/null)\" = 1 ]"
	expect 75 orchestrate --no-archive "$T/src"
	has "$stderr" "another ntt-orchestrator"
	wait $pid
}

@test "a failed file is a partial run, and is not archived" {
	mkdir "$T/src" && echo x >"$T/src/f" && echo y >"$T/src/g"
	expect 0 orchestrate --stop-after load "$T/src"
	rm "$T/src/f"
	expect 3 orchestrate "$T/src"
	has "$stderr" "--allow-failures"
	[ "$(query 'SELECT archived_at IS NULL FROM medium')" = t ]
}

@test "bad operands: one clear line each" {
	ntt-db init -q 3>&-
	expect 1 orchestrate "$T/nothing"
	has "$stderr" "No such file"
	: >"$T/empty.img"
	expect 1 orchestrate --image "$T/empty.img"
	has "$stderr" "it is empty"
	truncate -s 4M "$T/zero.img"
	expect 1 orchestrate --image "$T/zero.img"
	has "$stderr" "one byte repeated"
	expect 64 orchestrate "$T"
	has "$stderr" "NTT_HOME ("
	mkfifo "$T/fifo"
	expect 1 orchestrate "$T/fifo"
	has "$stderr" "neither a device nor an image nor a directory"
	[ "$(query 'SELECT count(*) FROM medium')" = 0 ]
}
