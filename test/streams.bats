#!/usr/bin/env bats
# slow: the guest kernel mounts them
# bats file_tags=guest
# Named streams: what files have beside their contents, and no mount shows.
# ntfs-3g, icat and hcopy say what there is.

load lib

setup() {
	isolate
	need linux.uml user-mode-linux
	need mkntfs ntfs-3g
	need getfattr attr
	need icat sleuthkit
	need b3sum b3sum
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
	fresh_db
	cd "$T"
	mkdir m tree
}

teardown() {
	umount "$T/m" 2>/dev/null || :
}

# ntfs FILE [OPTION]: an empty file system, mounted at m
ntfs() {
	need_root
	truncate -s 64M "$1"
	mkntfs -Q -F -q "$1" >/dev/null 2>&1
	ntfs-3g -o "streams_interface=windows${2:+,$2}" "$1" m
}

# hfsplus PIECES: hp.img, where doc has a resource fork in so many extents, out
hfsplus() {
	need xorriso xorriso
	echo doc >tree/doc
	head -c 300000 /dev/urandom >tree/fork
	xorriso -as mkisofs -quiet -hfsplus -R -o hybrid tree 2>/dev/null
	dd if=hybrid of=hp.img bs=512 skip=128 status=none
	python3 "$TEST_DIR/tools/hfsplus_fork.py" hp.img doc fork "$1" out
}

# take_in STATUS IMAGE [OPTION…]: through the pipeline
take_in() {
	local status=$1 image=$2
	shift 2
	expect "$status" ntt-orchestrator -q --no-archive "$@" --image "$image"
	M=$(ntt-identify -q "$image")
}

# What the catalogue has: file:stream and the BLAKE3 of its content
kept() {
	sql "SELECT convert_from(p.path || ':' || s.name, 'UTF8'), s.blobid
		FROM inode_stream s JOIN path p USING (medium_hash, dev, ino)
		WHERE s.medium_hash = '$M' AND s.status = 'success'" |
		LC_ALL=C sort
}

@test "by hand, with no word to ntt-orchestrator or ntt-streams" {
	ntfs n.img
	echo main >m/f
	echo beside >'m/f:s'
	umount m
	M=$(ntt-identify -q n.img)
	mkdir -p "$NTT_HOME/img"
	cp n.img "$NTT_HOME/img/$M.img"
	expect 0 ntt-sandbox mount "$M" "$NTT_HOME/img/$M.img" 3>&-
	ntt-enum -q --meta "$NTT_HOME/mnt/$M" "$M" - | ntt-loader -q - "$M" >/dev/null
	expect 0 ntt-copier -q "$M"
	[ "$(kept)" = "f:s|$(echo beside | b3sum --no-names)" ]
	expect 0 ntt-sandbox unmount "$M"
	expect 0 ntt-archiver -q --keep "$M"
	# a medium of which it is known that it has some, and nobody looked
	sql "UPDATE medium SET streams_done = NULL, archived_at = NULL,
		archive_path = NULL; INSERT INTO medium_partition (medium_hash,
		number, filesystem, status) SELECT medium_hash, 0, 'ntfs',
		'mounted' FROM medium ON CONFLICT DO NOTHING"
	expect 1 ntt-archiver -q --force "$M"
	has "$stderr" 'its named streams were not looked for'
}

# The same of the file system that is mounted, by its driver
there() {
	(cd m && find . -printf '%P\0' | while IFS= read -r -d '' f; do
		getfattr -n ntfs.streams.list --only-values -- "./$f" \
			2>/dev/null | tr '\0' '\n' |
			while IFS= read -r s || [ -n "$s" ]; do
				[ -z "$s" ] || echo "$f:$s|$(b3sum --no-names \
					<"./$f:$s")"
			done
	done) | LC_ALL=C sort
}

# Everything is stored, and as the driver has it.
same_streams() {
	local id
	ntfs-3g -o ro,streams_interface=windows "$1" m
	there >said
	umount m
	kept >stored
	diff said stored
	[ "$(wc -l <said)" = "$2" ]
	[ "$(sql "SELECT count(*) FROM inode_stream WHERE medium_hash = '$M'")" \
		= "$2" ]
	cut -d'|' -f2 stored | while read -r id; do
		[ "$(b3sum --no-names <"$(blob_file "$id")")" = "$id" ]
	done
	check_store
}

# As if streams had never been looked for
forget() {
	sql "DELETE FROM inode_stream; UPDATE medium SET streams_done = NULL"
}

failed() {
	sql "SELECT kind, convert_from(coalesce(path, ''), 'UTF8'), detail
		FROM omission WHERE settled_at IS NULL ORDER BY 2"
}

# at IMAGE INODE TEXT: where the record of an inode has these bytes, from byte 0
at() {
	python3 - "$@" <<-'END'
	import subprocess, sys
	image, inode, text = sys.argv[1:]
	d = open(image, "rb").read()
	cluster = d[13] * 512
	mft = int.from_bytes(d[48:56], "little") * cluster + int(inode) * 1024
	print(d.index(text.encode("utf-16-le"), mft, mft + 1024))
	END
}

@test "streams of NTFS, as its driver has them" {
	ntfs i.img
	mkdir m/dir
	echo body >m/file
	printf x >m/file:one
	head -c 100000 /dev/urandom >"m/file:hundert käse"
	head -c 5000000 /dev/urandom >m/file:five
	: >m/file:empty
	head -c 70000 /dev/urandom >m/dir:in-a-row
	echo root >m/:on-the-root
	cp m/file:five m/dir:the-same
	truncate -s 3M m/file:hole
	echo end >>m/file:hole
	umount m
	take_in 0 i.img
	has "$output" "streams      8, "
	same_streams i.img 8
	# and by a reader that shares nothing with that
	for s in $(fls -f ntfs -r i.img | sed -n \
		's/.* \([0-9]*-128-[0-9]*\):.*file:.*/\1/p'); do
		icat -f ntfs i.img "$s" | b3sum --no-names
	done | sort >by-icat
	grep ^file: stored | cut -d'|' -f2 | sort | diff - by-icat
	[ "$(wc -l <by-icat)" = 5 ]
	# they are no attributes, too
	[ "$(sql "SELECT count(*) FROM inode_xattr")" = 0 ]
	[ "$(sql "SELECT count(*) FROM blobs WHERE size = 5000000")" = 1 ]
}

@test "more streams than a record has room for, in pieces" {
	ntfs i.img
	echo x >m/many
	for i in {1..60}; do echo "$i" >"m/many:stream $i"; done
	# two grow in turn, so that each has many extents
	for i in {1..300}; do
		head -c 4096 /dev/urandom >>m/many:grows
		head -c 4096 /dev/urandom >>m/many:grows-too
	done
	umount m
	istat -f ntfs i.img 64 | grep -q ATTRIBUTE_LIST
	take_in 0 i.img
	same_streams i.img 62
}

@test "compressed streams" {
	need setfattr attr
	ntfs i.img compression
	mkdir m/c
	setfattr -n system.ntfs_attrib_be -v 0x00000810 m/c
	echo x >m/c/f
	yes 'text that packs' | head -c 300000 >m/c/f:packed
	head -c 200000 /dev/urandom >m/c/f:random
	{
		head -c 100000 /dev/zero
		yes abc | head -c 50000
		head -c 3000 /dev/urandom
	} >m/c/f:mixed
	umount m
	istat -f ntfs i.img 65 | grep -q 'packed.*Compressed'
	take_in 0 i.img
	same_streams i.img 3
}

@test "a file of two volumes with one number: each has its own streams" {
	for n in 1 2; do
		ntfs v$n
		echo $n >m/f$n
		echo "in $n" >m/f$n:s
		umount m
	done
	truncate -s 140M i.img
	printf 'label: dos\nstart=2048, size=131072, type=7\nstart=139264, size=131072, type=7\n' |
		sfdisk -q i.img
	dd if=v1 of=i.img bs=1M seek=1 conv=notrunc status=none
	dd if=v2 of=i.img bs=1M seek=68 conv=notrunc status=none
	take_in 0 i.img
	[ "$(kept)" = "p1/f1:s|$(echo in 1 | b3sum --no-names)
p2/f2:s|$(echo in 2 | b3sum --no-names)" ]
}

@test "resource forks of HFS+, as icat has them" {
	hfsplus 3
	inode=$(fls -f hfs hp.img | sed -n 's/.* \([0-9]*\):.*doc$/\1/p')
	icat -f hfs hp.img "$inode-4353" | cmp - out
	take_in 0 hp.img
	[ "$(kept)" = "doc:rsrc|$(b3sum --no-names out)" ]
	check_store
}

@test "a resource fork of HFS+ in more extents than its record has" {
	hfsplus 12
	inode=$(fls -f hfs hp.img | sed -n 's/.* \([0-9]*\):.*doc$/\1/p')
	icat -f hfs hp.img "$inode-4353" | cmp - out
	take_in 0 hp.img
	[ "$(kept)" = "doc:rsrc|$(b3sum --no-names out)" ]
}

@test "resource forks of HFS, as hfsutils have them, also in pieces" {
	need hmount hfsutils
	export HOME=$T
	truncate -s 8M h.img
	hformat -l Disk h.img >/dev/null
	hmount h.img >/dev/null
	# room in pieces: of files of one block every second goes
	head -c 4000 /dev/urandom >small
	i=0
	while hcopy -r small ":s$((1000 + i))" 2>/dev/null; do i=$((i + 1)); done
	[ "$i" -gt 500 ]
	for ((j = 0; j < i; j += 2)); do hdel ":s$((1000 + j))"; done
	head -c 300000 /dev/urandom >fork
	python3 - <<-'END'
	import binascii, struct
	fork = open("fork", "rb").read()
	for name, rsrc in (("doc", fork), ("short", b"short")):
	    h = bytearray(128)
	    h[1] = len(name)
	    h[2:2 + len(name)] = name.encode()
	    h[65:73] = b"TEXTttxt"
	    struct.pack_into(">II", h, 83, 4, len(rsrc))
	    h[122] = h[123] = 129
	    struct.pack_into(">H", h, 124, binascii.crc_hqx(bytes(h[:124]), 0))
	    pad = lambda b: b + bytes(-len(b) % 128)
	    open(name + ".bin", "wb").write(bytes(h) + pad(b"data") + pad(rsrc))
	END
	hcopy -m doc.bin short.bin :
	hcopy -m :doc back.bin
	humount
	tail -c +257 back.bin | head -c 300000 | cmp - fork
	take_in 0 h.img
	[ "$(kept)" = "doc:rsrc|$(b3sum --no-names fork)
short:rsrc|$(printf short | b3sum --no-names)" ]
}

@test "they are given back, written, found, verified" {
	ntfs i.img
	mkdir m/dir
	echo body >m/file
	head -c 200000 /dev/urandom >m/file:photo
	echo d >m/dir:note
	cp m/file:photo photo
	umount m
	take_in 0 i.img
	expect 3 ntt-restore "$M" out
	has "$stderr" "2 named streams are not restored"
	[ ! -e out/file:photo ]
	expect 0 ntt-restore --streams "$M" out
	cmp photo out/file:photo
	[ "$(cat out/dir:note)" = d ]
	ntt-restore -q --streams --tar "$M" | tar -xO --force-local file:photo | cmp - photo
	ntt-cat "$M:file:photo" | cmp - photo
	[ "$(ntt-cat -m "$M" dir:note)" = d ]
	expect 1 ntt-cat "$M:file:none"
	[ "$(ntt-find --same-as photo)" = "$M:file:photo" ]
	[ "$(ntt-find --hash "$(b3sum --no-names photo)" 'ph*' '*:ph*')" = \
		"$M:file:photo" ]
	expect 1 ntt-find --hash "$(b3sum --no-names photo)" --type d
	[ "$(ntt-find --type f --count)" = 1 ]
	ntt-find --same-as photo | expect 0 ntt-restore -q --streams \
		--files-from - found
	cmp photo "found/$M/file:photo"
	id=$(b3sum --no-names photo)
	flip_bit "$(blob_file "$id")" 1000
	expect 3 ntt-verify -q -m "$M" --sample-rate 1
	[ "$(sql "SELECT state FROM blobs WHERE blobid = '$id'")" = bad ]
	expect 1 ntt-cat "$M:file:photo"
	# the image has the right bytes
	expect 0 ntt-streams -q "$M"
	[ "$(sql "SELECT state FROM blobs WHERE blobid = '$id'")" = good ]
	check_store
}

@test "what only a stream has, and what a file of another medium has too" {
	ntfs i.img
	echo body >m/file
	echo twin >m/file:twin
	echo alone >m/file:alone
	umount m
	take_in 0 i.img
	echo twin >tree/copy
	ntt-enum -q --meta tree ddddddddcccccccc - |
		ntt-loader -q - ddddddddcccccccc >/dev/null
	ntt-copier -q -m ddddddddcccccccc --no-archived
	[ "$(ntt-find --hash "$(b3sum --no-names tree/copy)" | sort)" = "$(
		printf '%s\n' "$M:file:twin" ddddddddcccccccc:copy | sort)" ]
	expect 1 ntt-find -m ddddddddcccccccc --only-here
	expect 1 ntt-find --only-here --hash "$(b3sum --no-names tree/copy)"
	expect 0 ntt-find --only-here --hash "$(b3sum --no-names <<<alone)"
	expect 0 ntt-remove --dry-run "$M"
	has "$output" "2 contents, 11 B, are on no other medium"
	has "$output" '"file:alone" 6 B'
	[[ $output != *twin* ]]
	expect 0 ntt-remove --dry-run ddddddddcccccccc
	has "$output" "every content of it is on another medium too"
	check_store
}

@test "killed at any moment: the same command goes on, and nothing is read twice" {
	ntfs i.img
	for i in {1..5}; do
		echo "$i" >m/f$i
		echo "stream $i" >m/f$i:s
		cp m/f$i:s m/f$i:twin
	done
	umount m
	take_in 0 i.img
	forget
	stepper count "$T/calls" ntt-streams -q "$M" || [ $? = 99 ]
	calls=$(cat "$T/calls")
	[ "$calls" -gt 20 ]
	every=5
	[ "${NTT_EVERY_STEP:-0}" = 0 ] || every=1
	for ((n = 1; n <= calls; n += every)); do
		# every second time the store has them already
		[ $((n % 2)) = 0 ] || for id in $(sql "DELETE FROM blobs b
			USING inode_stream s WHERE s.blobid = b.blobid
			RETURNING b.blobid"); do
			rm -f "$(blob_file "$id")"
		done
		forget
		stepper kill $n ntt-streams -q "$M" >/dev/null 2>&1 || :
		expect 0 ntt-streams "$M"
		[ "$(sql "SELECT count(*), count(DISTINCT s.blobid)
			FROM inode_stream s JOIN blobs b USING (blobid)
			WHERE s.status = 'success'")" = "10|5" ]
		for id in $(sql "SELECT DISTINCT blobid FROM inode_stream"); do
			[ -f "$(blob_file "$id")" ]
		done
		[ -z "$(find "$NTT_HOME/by-hash" -path '*/.tmp/*')" ]
	done
	expect 0 ntt-streams "$M"
	has "$stderr" "0 named streams stored"
	same_streams i.img 10
}

@test "what was not rescued of a stream is named in its bytes" {
	ntfs i.img
	echo x >m/file
	head -c 100000 /dev/urandom >m/file:photo
	cp m/file:photo photo
	umount m
	block=$(istat -f ntfs i.img 64 | sed -n '/photo/,$p' | sed -n 2p |
		cut -d' ' -f1)
	lost=$((block * 4096 + 5 * 512))
	dd if=/dev/zero of=i.img bs=512 seek=$((lost / 512)) count=3 \
		conv=notrunc status=none
	dd if=/dev/zero of=photo bs=512 seek=5 count=3 conv=notrunc status=none
	size=$(stat -c %s i.img)
	printf '0x0 + 1\n0x0 0x%x +\n0x%x 0x600 -\n0x%x 0x%x +\n' $lost $lost \
		$((lost + 1536)) $((size - lost - 1536)) >i.map
	take_in 3 i.img
	has "$output" "1 named stream has lost bytes"
	[ "$(failed)" = "stream_damaged|file:photo|bytes that were not rescued are zeros: {[2560,4096)}" ]
	[ "$(kept)" = "file:photo|$(b3sum --no-names photo)" ]
	expect 3 ntt-cat "$M:file:photo"
	has "$stderr" "{[2560,4096)}"
	# looking again does not forget it
	expect 0 ntt-streams -q "$M"
	has "$(failed)" stream_damaged
	expect 3 ntt-orchestrator -q --no-archive --image i.img
}

@test "a record that was not rescued: streams may be missing, until it is there" {
	ntfs i.img
	echo x >m/file
	echo s >m/file:s
	echo y >m/other
	echo t >m/other:t
	umount m
	take_in 0 i.img
	forget
	lost=$(($(at i.img 64 file) / 512 * 512))
	size=$(stat -c %s i.img)
	printf '0x0 + 1\n0x0 0x%x +\n0x%x 0x200 -\n0x%x 0x%x +\n' $lost $lost \
		$((lost + 512)) $((size - lost - 512)) >i.map
	expect 3 ntt-streams -q "$M"
	[ "$(failed)" = "streams_unread||1 places of its tables could not be read" ]
	[ "$(kept | cut -d: -f1)" = other ]
	rm i.map
	expect 0 ntt-streams -q "$M"
	[ -z "$(failed)" ]
	[ "$(kept | cut -d: -f1)" = "file
other" ]
}

@test "a stream that cannot be read is named" {
	ntfs i.img
	for s in leads-out encrypted whole; do
		echo $s >m/$s
		head -c 50000 /dev/urandom >m/$s:stream
	done
	umount m
	# the name stands before the extents, in a header of 0x40 bytes
	python3 - "$(at i.img 64 stream)" "$(at i.img 65 stream)" <<-'END'
	import sys
	out, encrypted = map(int, sys.argv[1:])
	d = bytearray(open("i.img", "rb").read())
	# one byte of count, some of place: far away
	runs = out - 0x40 + int.from_bytes(d[out - 0x20:out - 0x1e], "little")
	assert d[runs] >> 4 >= 2
	d[runs + 1 + (d[runs] & 15) + (d[runs] >> 4) - 1] = 0x7f
	d[encrypted - 0x40 + 13] |= 0x40
	open("i.img", "wb").write(d)
	END
	take_in 3 i.img
	has "$output" "2 named streams could not be read"
	[ "$(failed)" = "stream_unread|encrypted:stream|it is encrypted
stream_unread|leads-out:stream|its extents make no sense" ]
	[ "$(kept | cut -d: -f1)" = whole ]
	expect 1 ntt-cat "$M:encrypted:stream"
	has "$stderr" "is not stored: it is encrypted"
	expect 3 ntt-restore --streams "$M" out
	has "$stderr" "encrypted:stream"
	# what a person has accepted stays so
	expect 0 ntt-recover-failed accept "$M" --all --reason known
	expect 0 ntt-orchestrator -q --image i.img
}

@test "streams of what is excluded are not taken; no stage where there are none" {
	ntfs i.img
	echo x >m/file
	echo s >m/file:s
	echo y >m/thumbs.db
	echo t >m/thumbs.db:t
	umount m
	echo '(^|/)thumbs\.db$' >patterns
	export NTT_IGNORE_PATTERNS=$T/patterns
	take_in 0 i.img
	[ "$(sql "SELECT count(*) FROM inode_stream")" = 1 ]
	[ "$(kept | cut -d: -f1)" = file ]
	need mkfs.vfat dosfstools
	truncate -s 8M f.img
	mkfs.vfat f.img >/dev/null
	expect 0 ntt-orchestrator --no-archive --image f.img
	[[ $stderr != *streams* ]]
}

@test "a file that is copied again keeps its streams" {
	ntfs i.img
	echo x >m/file
	echo s >m/file:s
	umount m
	take_in 0 i.img
	sql "UPDATE inode SET status = 'pending', blobid = NULL
		WHERE fs_type = 'f'; DELETE FROM work_range;
		UPDATE medium SET copy_done = NULL"
	expect 0 ntt-orchestrator --no-archive --image i.img
	has "$stderr" ": copy"
	[[ $stderr != *": streams"* ]]
	[ "$(kept | cut -d: -f1)" = file ]
}

@test "of what was archived before: by an image that is given back" {
	ntfs i.img
	echo x >m/file
	echo s >m/file:s
	umount m
	take_in 0 i.img
	expect 0 ntt-orchestrator -q --image i.img
	forget
	mv i.img moved.img
	expect 1 ntt-streams "$M"
	has "$stderr" "could not open the image"
	expect 0 ntt-restore -q --image "$M" back.img
	truncate -s 1M small
	expect 1 ntt-streams --image small "$M"
	has "$stderr" "is not the image of"
	expect 0 ntt-streams -q --image back.img "$M"
	[ "$(kept | cut -d: -f1)" = file ]
	expect 1 ntt-streams 0123
	mkdir dir
	echo a >dir/a
	expect 0 ntt-orchestrator -q --no-archive --label dir dir
	expect 1 ntt-streams dir
	has "$stderr" "has no image"
}
