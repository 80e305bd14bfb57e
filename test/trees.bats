#!/usr/bin/env bats
# slow: the guest kernel mounts them
# bats file_tags=guest
# What a driver would leave out without a word: the other trees of a disc, the
# second of two files with one name, what only Windows reads.

load lib

setup() {
	isolate
	need linux.uml user-mode-linux
	need genisoimage genisoimage
	need b3sum b3sum
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
	fresh_db
	cd "$T"
	mkdir -p tree/sub
	for f in one two sub/three only; do
		head -c $((RANDOM + 5000)) /dev/urandom >tree/$f
	done
}

# take_in STATUS IMAGE: through the pipeline
take_in() {
	expect "$1" ntt-orchestrator -q --no-archive --sandbox --image "$2"
	M=$(ntt-identify -q "$2")
}

# kept FILE…: the contents are in the store, under these names
kept() {
	local f id
	for f; do
		id=$(b3sum --no-names "tree/$f")
		[ -f "$NTT_HOME/by-hash/${id:0:2}/${id:2:2}/$id" ] ||
			{ echo "$f is not stored"; return 1; }
		[ "$(sql "SELECT count(*) FROM path JOIN inode
			USING (medium_hash, dev, ino) WHERE blobid = '$id' AND
			lower(convert_from(path, 'UTF8')) LIKE '%$f%'")" -gt 0 ] ||
			{ echo "$f has no name"; return 1; }
	done
}

@test "a file that is only in the primary tree" {
	genisoimage -quiet -J -hide-joliet only -o i.iso tree
	take_in 0 i.iso
	kept one two sub/three only
	[ "$(sql "SELECT reason FROM medium_partition WHERE number = 2")" = \
		"the primary tree of the disc, which has other files" ]
}

@test "a file that is only in the Joliet tree, beside Rock Ridge" {
	genisoimage -quiet -R -J -hide only -o i.iso tree
	take_in 0 i.iso
	kept one two sub/three only
}

@test "an empty file that is only in one of them" {
	: >tree/only
	genisoimage -quiet -R -J -hide only -o i.iso tree
	take_in 0 i.iso
	[ "$(sql "SELECT count(*) FROM path WHERE path = 'p2/only'")" = 1 ]
}

@test "trees with the same files are one volume" {
	genisoimage -quiet -R -J -o i.iso tree
	take_in 0 i.iso
	kept one two sub/three only
	[ "$(sql "SELECT count(*) FROM path WHERE path = 'sub/three'")" = 1 ]
	[ "$(sql "SELECT max(number) FROM medium_partition")" = 0 ]
}

@test "a tree that cannot be read whole does not hide what the other one has" {
	genisoimage -quiet -R -J -o i.iso tree
	python3 - <<-'END'
	# the primary tree's "sub" is zeros
	image = open("i.iso", "r+b")
	image.seek(16 * 2048 + 156 + 2)
	image.seek(int.from_bytes(image.read(4), "little") * 2048)
	root = image.read(2048)
	sub = root.index(b"SUB") - 33
	image.seek(int.from_bytes(root[sub + 2:sub + 6], "little") * 2048)
	image.write(bytes(2048))
	END
	expect 3 ntt-orchestrator -q --no-archive --sandbox --image i.iso
	kept one two sub/three only
	[ "$(sql "SELECT reason FROM medium_partition WHERE number = 2")" = \
		"the Joliet tree of the disc, which may have other files" ]
}

@test "a directory that leads to itself ends" {
	genisoimage -quiet -J -hide-joliet only -o i.iso tree
	python3 - <<-'END'
	# the primary tree's "sub" is its root
	d = bytearray(open('i.iso', 'rb').read())
	root = int.from_bytes(d[16 * 2048 + 158:][:4], 'little') * 2048
	at = root
	while d[at] and d[at + 33:at + 36] != b'SUB':
	    at += d[at]
	assert d[at]
	d[at + 2:at + 10] = d[root + 2:root + 10]
	open('i.iso', 'wb').write(d)
	END
	take_in 3 i.iso
	kept one two only
}

@test "the Macintosh side, with a table and without" {
	for part in -part ""; do
		head -c 5000 /dev/urandom >tree/one	# another disc
		# shellcheck disable=SC2086 # an option or none
		genisoimage -quiet -hfs $part -R -J -hide only -hide-joliet only \
			-o i.iso tree 2>/dev/null
		take_in 0 i.iso
		kept one two sub/three only
	done
}

@test "two entries of one name: the second is said to be out of reach" {
	need mformat mtools
	mformat -C -f 1440 -i i.img ::
	mcopy -i i.img tree/one ::FILE.AAA
	mcopy -i i.img tree/two ::FILE.BBB
	sed -i 's/FILE    BBB/FILE    AAA/' i.img
	take_in 3 i.img
	has "$stderr" "has another entry of this name"
	[ "$(sql "SELECT kind, convert_from(path, 'UTF8') FROM omission
		WHERE settled_at IS NULL")" = "duplicate_name|FILE.AAA" ]
}

@test "what only Windows reads is no link" {
	need_root
	need mkntfs ntfs-3g
	need setfattr attr
	mkdir m
	truncate -s 16M i.img
	mkntfs -Q -F -q i.img >/dev/null 2>&1
	ntfs-3g i.img m
	cp tree/one tree/two m
	# a compressed system file, and one in the cloud
	setfattr -h -n system.ntfs_reparse_data \
		-v 0x170000801000000001000000020000000100000000000000 m/one
	setfattr -h -n system.ntfs_reparse_data \
		-v 0x1a700090080000000000000000000000 m/two
	umount m
	take_in 3 i.img
	[ "$(sql "SELECT kind, convert_from(path, 'UTF8'), detail FROM omission
		ORDER BY path")" = \
"reparse_point|one|only Windows reads it: reparse tag 0x80000017
reparse_point|two|only Windows reads it: reparse tag 0x9000701a" ]
}

@test "the signature of a second file system is said, until it is accepted" {
	need mkfs.xfs xfsprogs
	genisoimage -quiet -o other.iso tree
	truncate -s 310M i.img
	mkfs.xfs -q i.img
	dd if=other.iso of=i.img bs=2048 skip=16 seek=16 count=2 conv=notrunc \
		status=none
	take_in 3 i.img
	[ "$(sql "SELECT kind, detail FROM omission WHERE settled_at IS NULL")" = \
"volume_unread|it has the signature of iso9660, too, and only xfs was read" ]
	expect 0 ntt-recover-failed accept "$M" --all --reason "an old one"
	expect 0 ntt-orchestrator -q --sandbox --image i.img
}

@test "names longer than 255 bytes have a place in the tree, and are kept whole" {
	need_loop
	need mkfs.exfat exfatprogs
	need mount.exfat-fuse exfat-fuse
	long=$(printf '字%.0s' {1..200})
	truncate -s 16M i.img
	mkfs.exfat i.img >/dev/null
	mkdir m
	loop=$(losetup -f --show i.img)
	mount.exfat-fuse "$loop" m >/dev/null
	mkdir "m/$long"
	cp tree/one "m/$long/${long}one"
	cp tree/two "m/$long/${long}two"
	cp tree/only m/only
	umount m
	losetup -d "$loop"
	expect 0 ntt-orchestrator --no-archive --sandbox --image i.img
	has "$stderr" "names are longer than a file system takes"
	M=$(ntt-identify -q i.img)
	kept one two only
	[ "$(sql "SELECT max(length(convert_from(path, 'UTF8'))) FROM path")" = 404 ]
	dir=$NTT_HOME/archived/$M
	[ "$(find "$dir" -type f | wc -l)" = 3 ]
	[ "$(cat "$dir"/字*/字* | b3sum)" = "$(cat tree/one tree/two | b3sum)" ] ||
	[ "$(cat "$dir"/字*/字* | b3sum)" = "$(cat tree/two tree/one | b3sum)" ]
	expect 0 ntt-verify -q -m "$M" --sample-rate 1
	rm "$dir"/字*/字*
	expect 3 ntt-re-hardlink -q --check-only -m "$M"
	expect 0 ntt-re-hardlink -q -m "$M"
	[ "$(find "$dir" -type f | wc -l)" = 3 ]
	check_store
	expect 0 ntt-remove -q --yes --content "$(b3sum --no-names tree/one)"
	[ "$(find "$dir" -type f | wc -l)" = 2 ]
}

@test "an image in a directory that only root may enter" {
	need_root
	need mkfs.ext4 e2fsprogs
	mkdir -m 700 closed
	mkfs.ext4 -q -d tree closed/i.img 16M
	take_in 0 closed/i.img
	kept one two sub/three only
}
