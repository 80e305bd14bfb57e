#!/usr/bin/env bats
# slow: copiers killed at each step of healing
# Blobs that rot, and what puts them right: copiers that meet the bytes again,
# ntt-heal, ntt-re-hardlink.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib

M=aaaabbbbccccdddd0000111122223333
N=beef0000beef0000

setup() {
	isolate
	need b3sum b3sum
	fresh_db
	cd "$T"
}

load_tree() {
	ntt-enum -q "$1" "${2:-$M}" - | ntt-loader -q - "${2:-$M}" >/dev/null
}

# take DIR [MEDIUM]: into the catalogue and the store
take() {
	load_tree "$@"
	ntt-copier -q -m "${2:-$M}"
}

state_of() {
	sql "SELECT state FROM blobs WHERE blobid = '$1'"
}

# one: a blob "right" of medium M, its id in $id and its file in $blob
one() {
	mkdir -p src two
	echo right >src/f && ln src/f src/g && echo other >src/o
	echo right >two/x
	take src
	id=$(b3sum --no-names <src/f)
	blob=$(blob_file "$id")
}

# all_right: every blob has its name's bytes, nothing is marked, and every path
# of every tree is the blob's file
all_right() {
	check_store
	[ "$(sql "SELECT count(*) FROM blobs WHERE state <> 'good'")" = 0 ]
	for m in $(sql 'SELECT medium_hash FROM medium'); do
		ntt-re-hardlink -q -m "$m" --check-only >/dev/null ||
			{ echo "the tree of $m"; return 1; }
	done
}

@test "verify marks what it finds, and takes the mark away" {
	one
	other=$(b3sum --no-names <src/o)
	flip_bit "$blob"
	mv "$(blob_file "$other")" kept
	expect 3 ntt-verify -q --all --sample-rate 1
	[ "$(state_of "$id") $(state_of "$other")" = "bad missing" ]
	# a finding keeps its age, so it is looked at first the next time
	[ -z "$(sql "SELECT last_checked FROM blobs WHERE state <> 'good'")" ]
	expect 3 ntt-verify -q --all --sample-rate 1
	flip_bit "$blob"
	mv kept "$(blob_file "$other")"
	expect 0 ntt-verify -q --all --sample-rate 1
	[ "$(state_of "$id") $(state_of "$other")" = "good good" ]
	mv "$(blob_file "$other")" kept
	expect 3 ntt-verify -q --orphans
	[ "$(state_of "$other")" = missing ]
}

@test "a duplicate of a marked blob heals it, and the trees of all media" {
	one
	mkdir -p third && echo right >third/t && take third cafe0000cafe0000
	flip_bit "$blob"
	old=$(stat -c %i "$blob")
	expect 3 ntt-verify -q --all --sample-rate 1
	load_tree two $N
	expect 0 ntt-copier -m $N
	has "$stderr" 'healed 1 blobs'
	[ "$(cat "$blob")" = right ]
	for f in $M/f $M/g cafe0000cafe0000/t $N/x; do
		[ "$NTT_HOME/archived/$f" -ef "$blob" ]
	done
	# nothing is deleted: the old file is there under its id and the date
	[ "$(stat -c %i "$NTT_HOME/by-hash/.bad/$id".*)" = "$old" ]
	[ "$(sql "SELECT healed_at > created_at AND last_checked IS NOT NULL
		FROM blobs WHERE blobid = '$id'")" = t ]
	grep -q '"stage":"healed","blobid":"'"$id"'","was":"bad"' \
		"$NTT_HOME/log/ntt-copier.jsonl"
	all_right
	expect 0 ntt-verify -q --all --orphans --sample-rate 1
}

@test "a duplicate of a missing blob puts it back, and links the trees" {
	one
	rm "$blob"
	expect 3 ntt-verify -q --all --sample-rate 1
	load_tree two $N
	expect 0 ntt-copier -m $N
	has "$stderr" 'healed 1 blobs'
	[ "$NTT_HOME/archived/$M/f" -ef "$blob" ]
	all_right
}

@test "a blob of another size is healed, though nobody marked it" {
	one
	echo longer than that >>"$blob"
	load_tree two $N
	expect 0 ntt-copier -m $N
	has "$stderr" 'healed 1 blobs'
	all_right
}

@test "a blob checked long ago is read before bytes are dropped for it" {
	one
	flip_bit "$blob"
	load_tree two $N
	expect 0 ntt-copier -m $N
	[ "$(cat "$blob")" != right ]
	sql "UPDATE blobs SET created_at = now() - interval '91 days',
		last_checked = now() - interval '1 day'"
	mkdir a b c
	echo right >a/a && echo right >b/b && echo right >c/c
	load_tree a aaaa && ntt-copier -q -m aaaa
	[ "$(cat "$blob")" != right ]
	sql "UPDATE blobs SET last_checked = now() - interval '91 days'"
	load_tree b bbbb
	NTT_RECHECK=92 expect 0 ntt-copier -m bbbb
	[ "$(cat "$blob")" != right ]
	load_tree c cccc
	expect 0 ntt-copier -m cccc
	has "$stderr" 'healed 1 blobs'
	all_right
	NTT_RECHECK=x expect 64 ntt-copier -m cccc
}

@test "a blob checked long ago that is right is read once, and dated" {
	one
	sql "UPDATE blobs SET created_at = now() - interval '91 days'"
	load_tree two $N
	expect 0 ntt-copier -m $N
	has "$stderr" '1 blobs were read again'
	[ "$(sql "SELECT last_checked > now() - interval '1 hour' FROM blobs
		WHERE blobid = '$id'")" = t ]
	[ ! -e "$NTT_HOME/by-hash/.bad" ]
	all_right
}

@test "a blob that is right and marked: its trees are linked before the mark goes" {
	one
	stale() {
		cp src/f old && flip_bit old && mv -f old "$NTT_HOME/archived/$M/f"
		sql "UPDATE blobs SET state = 'bad' WHERE blobid = '$id'"
	}
	stale
	expect 0 ntt-verify -q --all --sample-rate 1
	all_right
	stale
	load_tree two $N
	expect 0 ntt-copier -q -m $N
	all_right
	stale
	expect 0 ntt-heal -q --all
	all_right
}

@test "--paranoid reads every duplicate's blob" {
	one
	flip_bit "$blob"
	load_tree two $N
	expect 0 ntt-copier -m $N --paranoid
	has "$stderr" 'healed 1 blobs'
	all_right
}

@test "large files, targets of links and the empty file are healed too" {
	mkdir src two
	head -c 3000000 /dev/urandom >src/large
	: >src/empty; ln -s target src/link
	take src
	cp -a src/. two
	for f in src/large src/empty; do
		blob=$(blob_file "$(b3sum --no-names <$f)")
		chmod u+w "$blob"
		[ $f = src/empty ] && echo x >"$blob" || flip_bit "$blob" 2000000
	done
	blob=$(blob_file "$(printf target | b3sum --no-names)")
	flip_bit "$blob" 3
	expect 3 ntt-verify -q --all --sample-rate 1
	load_tree two $N
	expect 0 ntt-copier -m $N
	has "$stderr" 'healed 3 blobs'
	all_right
	same_tree src "$NTT_HOME/archived/$M"
	same_tree two "$NTT_HOME/archived/$N"
}

@test "a file without a row: read, and right or healed" {
	one
	take two $N
	sql "DELETE FROM blobs WHERE blobid = '$id'"
	sql "UPDATE inode SET status = 'pending', blobid = NULL WHERE blobid = '$id'"
	sql "UPDATE work_range SET done = false"
	expect 0 ntt-copier -m $N
	has "$stderr" '1 blobs were read again'
	# which is no healing: copiers side by side meet thousands of these
	[ "$(sql "SELECT healed_at IS NULL FROM blobs WHERE blobid = '$id'")" = t ]
	sql "DELETE FROM blobs WHERE blobid = '$id'"
	sql "UPDATE inode SET status = 'pending', blobid = NULL WHERE blobid = '$id'"
	sql "UPDATE work_range SET done = false"
	flip_bit "$blob"
	expect 0 ntt-copier -m $M
	has "$stderr" 'healed 1 blobs'
	expect 0 ntt-copier -q -m $N
	all_right
}

@test "more links than the file system has: the old file is kept all the same" {
	need_root
	need_loop
	need mkfs.ext4 e2fsprogs
	truncate -s 200M img && mkfs.ext4 -q -N 2000 img
	mkdir fs && mount -o loop img fs
	export BYHASH_ROOT=$T/fs/by-hash ARCHIVED_ROOT=$T/fs/archived
	one
	python3 -c 'import os, sys
try:
	for n in range(70000):
		os.link(sys.argv[1], sys.argv[2] + str(n))
except OSError as e:
	print(e)' "$blob" "$T/fs/l" | grep -q 'Too many links'
	flip_bit "$blob"
	load_tree two $N
	expect 0 ntt-copier -m $N --paranoid
	has "$stderr" 'healed 1 blobs'
	[ "$(cat "$blob")" = right ]
	[ "$T/fs/l7" -ef "$(echo "$BYHASH_ROOT/.bad/$id".2*)" ]
	all_right
	umount fs
}

# rot: one bit each of a hundred blobs
rot() {
	python3 - "$NTT_HOME/by-hash" <<-'END'
		import glob, os, random, sys
		for name in sorted(glob.glob(sys.argv[1] + "/??/??/*"))[:100]:
		    fd = os.open(name, os.O_RDWR)
		    at = random.randrange(os.fstat(fd).st_size)
		    b = os.pread(fd, 1, at)
		    os.pwrite(fd, bytes([b[0] ^ 1 << random.randrange(8)]), at)
		    os.close(fd)
	END
}

hundred() {
	mkdir src
	python3 -c 'import os
for i in range(1, 121):
	open("src/%d" % i, "wb").write(os.urandom(i * 37 + 1))'
	head -c 1500000 /dev/urandom >src/large
	ln -s "somewhere else" src/link
	take src
	cp -a src copy
}

@test "single bits of a hundred blobs, and the same contents come again" {
	hundred
	rot
	expect 3 ntt-verify -q --all --sample-rate 1
	[ "$(sql "SELECT count(*) FROM blobs WHERE state = 'bad'")" = 100 ]
	load_tree copy $N
	expect 0 ntt-copier -m $N
	has "$stderr" 'healed 100 blobs'
	all_right
	same_tree src "$NTT_HOME/archived/$M"
	same_tree copy "$NTT_HOME/archived/$N"
	[ "$(find "$NTT_HOME/by-hash/.bad" -type f | wc -l)" = 100 ]
}

remember() {
	ntt-enum -q two $N x.raw
	flip_bit "$blob"
	sql "UPDATE blobs SET state = 'bad' WHERE blobid = '$id'"
	mkdir then
	cp -a "$NTT_HOME/by-hash" "$NTT_HOME/archived" then
}

# broken: everything as it was then, when a blob had rotted and was marked
broken() {
	rm -rf "$NTT_HOME/by-hash" "$NTT_HOME/archived"
	cp -a then/by-hash then/archived "$NTT_HOME"
	ntt-loader -q --replace --force x.raw $N >/dev/null
	sql "DELETE FROM worker; UPDATE blobs SET state = 'bad' WHERE blobid = '$id'" \
		>/dev/null
}

# right_or_marked: and the right bytes are somewhere
right_or_marked() {
	[ "$(cat "$blob")" = right ] || [ "$(state_of "$id")" = bad ] ||
		{ echo "wrong, and not marked"; return 1; }
	[ "$(cat two/x)" = right ]
	[ -e "$blob" ] || { echo "a moment without the file"; return 1; }
}

# healed: what all_right says of the one blob
healed() {
	[ "$(cat "$blob")" = right ] && [ "$(state_of "$id")" = good ] &&
		[ "$NTT_HOME/archived/$M/f" -ef "$blob" ] &&
		[ "$NTT_HOME/archived/$M/g" -ef "$blob" ] &&
		[ "$NTT_HOME/archived/$N/x" -ef "$blob" ]
}

@test "killed before each step of healing" {
	[ "$(uname -m)" = x86_64 ] || skip "counts system calls of x86-64"
	one
	remember
	for ((n = 1; n < 120; n++)); do
		broken
		status=0
		stepper kill $n ntt-copier -q -m $N >/dev/null 2>&1 || status=$?
		right_or_marked || { echo "at step $n"; return 1; }
		[ $status = 137 ] || break
		ntt-copier -q -m $N || { echo "after step $n"; return 1; }
		healed || { echo "after step $n"; return 1; }
	done
	all_right
	[ $status = 99 ]
	[ "$n" -gt 15 ]
}

@test "a full disk and errors at each step of healing" {
	[ "$(uname -m)" = x86_64 ] || skip "counts system calls of x86-64"
	one
	remember
	for how in 28 once:5; do
		for ((n = 1; n < 120; n++)); do
			broken
			status=0
			stepper $how $n ntt-copier -q -m $N >/dev/null 2>err ||
				status=$?
			right_or_marked || { echo "at step $n"; return 1; }
			[ $status != 99 ] || break
			[ $status = 75 ] || [ $status = 0 ] || [ $status = 1 ] ||
				{ echo "step $n: $status"; cat err; return 1; }
			ntt-copier -q -m $N || [ $? = 2 ]
			healed || { echo "after step $n"; return 1; }
		done
		[ $status = 99 ]
	done
}

@test "copiers that heal and copiers that link, side by side" {
	hundred
	rot
	ntt-verify -q --all --sample-rate 1 >/dev/null || :
	cp -a src other
	load_tree copy $N
	load_tree other cafe0000cafe0000
	pids=()
	for m in $N $N cafe0000cafe0000 cafe0000cafe0000; do
		ntt-copier -q -m $m --batch-size 3 & pids+=($!)
	done
	for p in "${pids[@]}"; do wait "$p"; done
	all_right
	same_tree copy "$NTT_HOME/archived/$N"
	same_tree other "$NTT_HOME/archived/cafe0000cafe0000"
	same_tree src "$NTT_HOME/archived/$M"
	[ "$(find "$NTT_HOME/by-hash/.bad" -type f | wc -l)" = 100 ]
}

@test "re-hardlink heals from the tree when the tree is right" {
	one
	# the tree has a copy of its own, and the blob has rotted
	cp src/f copy && mv -f copy "$NTT_HOME/archived/$M/f"
	flip_bit "$blob"
	expect 0 ntt-re-hardlink -m $M
	has "$output" '1 blobs were healed from the tree'
	[ "$(cat "$blob")" = right ]
	[ -e "$NTT_HOME/by-hash/.bad/$(basename "$blob")".* ]
	all_right
	# the same of a blob that is not there
	cp src/f copy && mv -f copy "$NTT_HOME/archived/$M/f"
	rm "$blob"
	expect 0 ntt-re-hardlink -m $M
	all_right
}

@test "re-hardlink replaces what has rotted in the tree, not the other way" {
	one
	echo wrong >copy && mv -f copy "$NTT_HOME/archived/$M/f"
	expect 0 ntt-re-hardlink -m $M
	all_right
	# both: neither is touched, and the blob is marked
	echo wrong >copy && mv -f copy "$NTT_HOME/archived/$M/f"
	flip_bit "$blob"
	before=$(stat -c '%i %Y' "$blob" "$NTT_HOME/archived/$M/f")
	expect 3 ntt-re-hardlink -m $M
	has "$stderr" '"f": its blob is damaged'
	[ "$(stat -c '%i %Y' "$blob" "$NTT_HOME/archived/$M/f")" = "$before" ]
	[ "$(state_of "$id")" = bad ]
}

@test "ntt-heal: from a tree's own copy" {
	one
	take two $N
	cp src/f copy && mv -f copy "$NTT_HOME/archived/$N/x"
	rm -r src two
	flip_bit "$blob"
	expect 3 ntt-verify -q --all --sample-rate 1
	expect 0 ntt-heal --all
	has "$stderr" '1 blobs healed (1 from trees'
	[ "$(cat "$blob")" = right ]
	all_right
	expect 0 ntt-heal --all
	has "$stderr" '0 blobs healed'
}

@test "ntt-heal: from the source, of one medium, and of one blob" {
	one
	mkdir third && echo third >third/t && take third $N
	t=$(b3sum --no-names <third/t)
	flip_bit "$blob"; flip_bit "$(blob_file "$t")"
	expect 3 ntt-verify -q --all --sample-rate 1
	expect 0 ntt-heal -m $M
	has "$stderr" '1 blobs healed (0 from trees, 1 from sources'
	[ "$(state_of "$id") $(state_of "$t")" = "good bad" ]
	expect 0 ntt-heal "$t"
	has "$stderr" '1 blobs healed'
	all_right
	# one that nobody has marked yet
	flip_bit "$blob"
	expect 0 ntt-heal "$id"
	has "$stderr" '1 blobs healed'
	all_right
}

@test "ntt-heal: one that is right again is only noted" {
	one
	sql "UPDATE blobs SET state = 'bad' WHERE blobid = '$id'"
	expect 0 ntt-heal --all
	has "$stderr" '0 blobs healed'
	has "$stderr" '1 were right'
	[ "$(state_of "$id")" = good ]
}

@test "ntt-heal: what stays bad is named, with all its media and paths" {
	one
	take two $N
	rm -r src two
	flip_bit "$blob"
	expect 3 ntt-verify -q --all --sample-rate 1
	expect 3 ntt-heal --all
	[ "$output" = "$id bad, 6 B
	$M \"src\"
		\"f\"
		\"g\"
	$N \"two\"
		\"x\"" ]
	has "$stderr" '1 stay bad'
	[ "$(state_of "$id")" = bad ]
	expect 64 ntt-heal
	expect 64 ntt-heal --all -m $M
	expect 64 ntt-heal abc
	expect 1 ntt-heal "${id//[0-9]/0}"
	has "$stderr" 'the catalogue has no blob'
}

@test "ntt-heal: the empty file and targets of links" {
	mkdir src
	: >src/empty; ln -s target src/link
	take src
	rm -r src
	blob=$(blob_file "$(b3sum --no-names </dev/null)")
	chmod u+w "$blob"; echo x >"$blob"
	rm "$(blob_file "$(printf target | b3sum --no-names)")"
	expect 3 ntt-verify -q --all --sample-rate 1
	expect 0 ntt-heal --all
	all_right
}

@test "ntt-heal: a hundred blobs, from sources, while copiers heal them too" {
	hundred
	rot
	ntt-verify -q --all --sample-rate 1 >/dev/null || :
	load_tree copy $N
	ntt-copier -q -m $N --batch-size 3 & copier=$!
	ntt-heal -q --all & one=$!
	ntt-heal -q -m $M & two=$!
	wait $copier; wait $one; wait $two
	all_right
	same_tree src "$NTT_HOME/archived/$M"
	same_tree copy "$NTT_HOME/archived/$N"
	[ "$(find "$NTT_HOME/by-hash/.bad" -type f | wc -l)" = 100 ]
}

@test "ntt-heal: killed before each step" {
	[ "$(uname -m)" = x86_64 ] || skip "counts system calls of x86-64"
	one
	remember
	for ((n = 1; n < 120; n++)); do
		broken
		status=0
		stepper kill $n ntt-heal -q --all >/dev/null 2>&1 || status=$?
		right_or_marked || { echo "at step $n"; return 1; }
		[ $status = 137 ] || break
		ntt-heal -q --all || { echo "after step $n"; return 1; }
		[ "$(cat "$blob")" = right ] && [ "$(state_of "$id")" = good ]
		[ "$NTT_HOME/archived/$M/f" -ef "$blob" ]
	done
	[ $status = 99 ]
	[ "$n" -gt 8 ]
}

# image_medium: an archived image with one volume, in $H; its files' contents
# are in by-hash and nowhere else but in the archive
image_medium() {
	need mkfs.ext4 e2fsprogs
	mkdir files && echo right >files/f && mkdir files/d && echo deep >files/d/g
	truncate -s 8M i.img && mkfs.ext4 -q -d files i.img
	ntt-orchestrator --image i.img 2>err || { cat err; return 1; }
	H=$(sql "SELECT medium_hash FROM medium")
}

@test "ntt-heal: from the image in an archive" {
	need_loop
	image_medium
	rm -rf i.img files
	[ ! -e "$NTT_HOME/img/$H.img" ]
	for text in right deep; do
		id=$(echo $text | b3sum --no-names)
		flip_bit "$(blob_file "$id")"
	done
	expect 3 ntt-verify -q --all --sample-rate 1
	expect 0 ntt-heal --all
	has "$stderr" '2 blobs healed (0 from trees, 0 from sources, 2 from archives,'
	all_right
	# what was unpacked and mounted is gone
	[ -z "$(find "$NTT_HOME/img" -name '*.img')" ]
	grep -q "$T" /proc/mounts && return 1
	return 0
}

@test "ntt-heal: from the image that is still there" {
	need_loop
	image_medium
	flip_bit "$(blob_file "$(echo deep | b3sum --no-names)")"
	expect 3 ntt-verify -q --all --sample-rate 1
	expect 0 ntt-heal -m "$H"
	has "$stderr" '1 blobs healed (0 from trees, 1 from sources'
	all_right
}
