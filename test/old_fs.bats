#!/usr/bin/env bats
# slow: the guest kernel mounts them
# bats file_tags=guest
# File systems, labels and floppy disks of other days, and media without any.

load lib

setup() {
	isolate
	need linux.uml user-mode-linux
	need b3sum b3sum
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
	fresh_db
	cd "$T"
	mkdir -p tree/sub
	for f in one two sub/three; do
		head -c $((RANDOM % 9000 + 3000)) /dev/urandom >tree/$f
	done
}

# read_whole IMAGE [PREFIX]: the pipeline reads it all, and the catalogue has the
# files of tree/ and no others, below PREFIX
read_whole() {
	expect 0 ntt-orchestrator --no-archive --sandbox --image "$1"
	M=$(ntt-identify -q "$1")
	has_files "${2:-}"
}

has_files() {
	local f
	(cd tree && find . -type f | LC_ALL=C sort | while read -r f; do
		echo "${1:-}${f#./} $(b3sum --no-names "$f")"
	done) >want
	sql "SELECT convert_from(path, 'UTF8') || ' ' || blobid FROM path
		JOIN inode USING (medium_hash, dev, ino)
		WHERE medium_hash = '$M' AND fs_type = 'f' AND
		path LIKE '${1:-}%' ORDER BY path" >have
	diff want have
}

@test "a medium without a file system: its bits are archived, 3 once, then 2" {
	local kind
	seq 100000 >text.img
	head -c 700000 /dev/urandom >random.img
	for kind in text random; do
		cp $kind.img same
		expect 3 ntt-orchestrator --sandbox --image $kind.img
		has "$stderr" "there are no files on"
		has "$stderr" "no partition table and no known file system"
		M=$(ntt-identify -q $kind.img)
		ntt-archiver --extract "$M" img | cmp - same
		expect 2 ntt-orchestrator --sandbox --image $kind.img
		[ "$(sql "SELECT settled_by, reason FROM omission
			WHERE medium_hash = '$M' AND kind = 'bits_only'")" = \
"ntt-archiver|there is no file system on it, and its bits are archived" ]
	done
	expect 0 ntt
	has "$output" "archived    2"
	has "$output" "to load     0"
	truncate -s 1M zero.img
	expect 3 ntt-orchestrator --force --sandbox --image zero.img
	has "$stderr" "every byte is zero"
	expect 2 ntt-orchestrator --force --sandbox --image zero.img
}

@test "bits that were not rescued whole are archived when somebody says so" {
	seq 100000 >i.img
	printf '# map\n0x0 + 1\n0 4096 +\n4096 512 -\n4608 %d +\n' \
		$(($(stat -c %s i.img) - 4608)) >i.map
	M=$(ntt-identify -q i.img)
	for _ in 1 2; do
		expect 3 ntt-orchestrator --sandbox --image i.img
		has "$stderr" "so it is not archived"
	done
	expect 1 ntt-archiver "$M"
	has "$stderr" "medium has no file system"
	expect 0 ntt-archiver -q --allow-failures "$M"
	expect 2 ntt-orchestrator --sandbox --image i.img
}

@test "the list of a medium without a file system is its root" {
	seq 100000 >i.img
	expect 3 ntt-orchestrator --enum-only --sandbox --image i.img
	M=$(ntt-identify -q i.img)
	expect 0 ntt-raw-check "$NTT_HOME/raw/$M.raw"
}

@test "a floppy disk without a boot sector, of each format" {
	need mformat mtools
	local size was
	for size in 160 180 320 360 720 1200 1440 2880; do
		head -c 5000 /dev/urandom >tree/one	# another disk
		mformat -C -f $size -i i.img ::
		mcopy -s -i i.img tree/* ::
		# mtools reads it as it was
		for f in one two sub/three; do
			mcopy -n -i i.img ::$f - | cmp - tree/$f
		done
		head -c 512 /dev/urandom |
			dd of=i.img conv=notrunc status=none
		was=$(b3sum <i.img)
		read_whole i.img
		has "$stderr" "that of a floppy disk of $size KiB is taken"
		[ "$(b3sum <i.img)" = "$was" ]
		rm i.img
	done
}

@test "a floppy disk of which the first sector was not rescued" {
	need mformat mtools
	mformat -C -f 1440 -i i.img ::
	mcopy -s -i i.img tree/* ::
	dd if=/dev/zero of=i.img bs=512 count=1 conv=notrunc status=none
	printf '# map\n0x0 + 1\n0 512 -\n512 1474048 +\n' >i.map
	read_whole i.img
	# nor the first sector of the first table, which the second one has
	printf '# map\n0x0 + 1\n0 1024 -\n1024 1473536 +\n' >i.map
	dd if=/dev/zero of=i.img bs=512 count=1 seek=1 conv=notrunc status=none
	head -c 9 /dev/urandom | dd of=i.img bs=1 seek=1474000 conv=notrunc \
		status=none	# another disk
	read_whole i.img
	has "$stderr" "512 B of its first file allocation table"
}

@test "a floppy disk that only lacks the mark of its boot sector" {
	need mformat mtools
	mformat -C -f 720 -i i.img ::
	mcopy -s -i i.img tree/* ::
	# no "FAT12", as DOS 3 left it, and no 55AA
	dd if=/dev/zero of=i.img bs=1 seek=38 count=474 conv=notrunc status=none
	read_whole i.img
	has "$stderr" "its boot sector lacks the mark at its end"
}

@test "what has the size of a floppy disk and no directory of one is none" {
	head -c 368640 /dev/urandom >i.img
	printf '\xfd\xff\xff' | dd of=i.img bs=512 seek=1 conv=notrunc status=none
	printf '\xfd\xff\xff' | dd of=i.img bs=512 seek=3 conv=notrunc status=none
	expect 3 ntt-orchestrator --no-archive --sandbox --image i.img
	has "$stderr" "no known file system"
}

# adf DIR IMAGE …
adf() {
	python3 "$BATS_TEST_DIRNAME/tools/adf.py" "$@"
}

@test "floppy disks of the Amiga: OFS and FFS, as unadf reads them" {
	need unadf unadf
	local kind
	head -c 60000 /dev/urandom >tree/long	# more blocks than a header names
	for kind in 0 1 2 3; do
		head -c 5000 /dev/urandom >tree/one	# another disk
		adf tree i.img $kind
		rm -rf out
		mkdir out
		unadf i.img -d out >/dev/null
		diff -r tree out
		read_whole i.img
		[ "$(sql "SELECT fs_type FROM medium
			WHERE medium_hash = '$M'")" = affs ]
		rm i.img
	done
}

@test "an Amiga's floppy disk with tracks too many, or cut" {
	adf tree i.img 1
	truncate -s +22528 i.img
	read_whole i.img
	head -c 800000 i.img >cut.img
	expect 3 ntt-orchestrator --no-archive --sandbox --image cut.img
	has "$stderr" "the image ends 101 kB before the volume does"
	M=$(ntt-identify -q cut.img)
	has_files
}

@test "the first word of an Amiga's boot block alone is no file system" {
	head -c 901120 /dev/urandom >i.img
	printf 'DOS\0' | dd of=i.img conv=notrunc status=none
	expect 3 ntt-orchestrator --no-archive --sandbox --image i.img
	has "$stderr" "no known file system"
	# nor a root block that does not add up
	adf tree i.img
	printf x | dd of=i.img bs=1 seek=$((880 * 512 + 440)) conv=notrunc \
		status=none
	expect 3 ntt-orchestrator --no-archive --sandbox --image i.img
	has "$stderr" "no known file system"
}

@test "an Amiga's hard disk: its partitions by their table" {
	cp -r tree first
	adf first i.img 1 1760 $((2 * 16384))
	head -c 5000 /dev/urandom >tree/one
	adf tree i.img 3 3520 $((57 * 16384))
	python3 - <<-'END'
	import struct
	def block(kind, words):
	    b = [0] * 64
	    b[0], b[1] = int.from_bytes(kind, "big"), 64
	    for at, value in words.items():
	        b[at] = value
	    b[2] = -sum(b) & 0xffffffff
	    return struct.pack(">64I", *b).ljust(512, b"\0")
	def partition(following, name, low, high):
	    words = {4: following, 32: 16, 33: 128, 35: 1, 36: 1, 37: 32,
	        38: 2, 41: low, 42: high, 48: 0x444f5301}
	    text = bytes([len(name)]) + name
	    words[9] = int.from_bytes(text.ljust(4, b"\0"), "big")
	    return block(b"PART", words)
	with open("i.img", "r+b") as f:
	    f.seek(512)		# not in the first block
	    f.write(block(b"RDSK", {4: 512, 7: 2}))
	    f.write(partition(3, b"DH0", 2, 56))
	    f.write(partition(0xffffffff, b"DH1", 57, 166))
	END
	read_whole i.img p2/
	mv tree second
	mv first tree
	has_files p1/
	[ "$(sql "SELECT number, table_type, filesystem, label, start_bytes
		FROM medium_partition ORDER BY number")" = \
"1|amiga|affs|DH0|32768
2|amiga|affs|DH1|933888" ]
	# an entry that was changed: its sum tells
	printf '\0\0\0\2' | dd of=i.img bs=1 seek=$((3 * 512 + 16)) \
		conv=notrunc status=none
	expect 3 ntt-orchestrator --no-archive --sandbox --image i.img
	has "$stderr" "its entry of the partition table is damaged"
}

@test "labels of other systems lead to what is in their partitions" {
	need mkfs.ext2 e2fsprogs
	local kind lead
	for kind in sun:1 sgi:1 bsd:1 bsd-slice:5 atari:1 minix:5 solaris:5 \
		unixware:5 ultrix:1; do
		lead=p${kind#*:}/
		kind=${kind%:*}
		head -c 5000 /dev/urandom >tree/one	# another disk
		mkfs.ext2 -q -F -d tree fs 3M
		python3 "$BATS_TEST_DIRNAME/tools/labels.py" "$kind" i.img fs
		echo "$kind"
		read_whole i.img "$lead"
		! has "$stderr" "search" || return 1
		rm i.img fs
	done
}

@test "file systems that a program makes of a directory" {
	need genromfs genromfs
	need mkfs.cramfs util-linux
	need makefs makefs
	need mkfs.f2fs f2fs-tools
	need mksquashfs squashfs-tools
	need mkfs.erofs erofs-utils
	local kind
	genromfs -f romfs.img -d tree
	mkfs.cramfs tree cramfs.img >/dev/null
	makefs -t ffs -o version=1 -s 4m ufs.img tree >/dev/null
	makefs -t ffs -B be -o version=1 -s 4m ufs-be.img tree >/dev/null
	truncate -s 100M f2fs.img
	mkfs.f2fs -q f2fs.img >/dev/null
	sload.f2fs -f tree f2fs.img >/dev/null
	mksquashfs tree squashfs.img -quiet -no-progress >/dev/null
	mkfs.erofs erofs.img tree >/dev/null 2>&1
	for kind in romfs cramfs ufs ufs-be f2fs squashfs erofs; do
		echo $kind
		read_whole $kind.img
		[ "$(sql "SELECT fs_type FROM medium
			WHERE medium_hash = '$M'")" = ${kind%-*} ]
	done
}

@test "file systems that are filled by the guest" {
	need mkfs.minix util-linux
	need mkfs.nilfs2 nilfs-tools
	need mkfs.jfs jfsutils
	need mkfs.reiserfs reiserfsprogs
	local kind
	mkdir w
	for kind in 1 2 3; do
		truncate -s 2M w/minix$kind.img
		mkfs.minix -$kind w/minix$kind.img >/dev/null
	done
	truncate -s 130M w/nilfs2.img
	mkfs.nilfs2 -q w/nilfs2.img
	truncate -s 16M w/jfs.img
	mkfs.jfs -q w/jfs.img >/dev/null
	truncate -s 40M w/reiserfs.img
	mkfs.reiserfs -q -f w/reiserfs.img >/dev/null 2>&1
	truncate -s 1M w/bfs.img
	mkfs.bfs w/bfs.img
	cp -r tree w
	cat >w/script <<-'X'
	for m in loop minix nilfs2 bfs jfs; do
		modprobe $m
	done
	mkdir /run/m
	for f in *.img; do
		type=${f%.img}
		cp $f /run/i.img
		mount -o loop -t ${type%[13]} /run/i.img /run/m || mount -o loop \
			-t ${type%2} /run/i.img /run/m || exit 1
		# bfs has no directories
		if [ $type = bfs ]; then
			cp $(find tree -type f) /run/m
		else
			cp -r tree/. /run/m
		fi
		umount /run/m || exit 1
		cat /run/i.img >$f
	done
	X
	"$BATS_TEST_DIRNAME/uml" w script
	for kind in minix1 minix2 minix3 jfs reiserfs; do
		echo $kind
		read_whole w/$kind.img
	done
	: >tree/.nilfs			# a file of its own
	read_whole w/nilfs2.img
	rm tree/.nilfs
	mv tree/sub/three tree
	rmdir tree/sub
	read_whole w/bfs.img
}

@test "floppy and hard disks of the Atari, whose boot sectors have no mark" {
	need mkfs.vfat dosfstools
	need mcopy mtools
	truncate -s 800K i.img			# of no format that has a name
	mkfs.vfat -A i.img >/dev/null
	mcopy -s -i i.img tree/* ::
	read_whole i.img
	has "$stderr" "its boot sector lacks the mark at its end"
	head -c 5000 /dev/urandom >tree/one	# another disk
	truncate -s 12M fs
	mkfs.vfat -A -S 2048 fs >/dev/null	# BGM: large sectors
	mcopy -s -i fs tree/* ::
	python3 "$BATS_TEST_DIRNAME/tools/labels.py" atari j.img fs
	read_whole j.img p1/
}

@test "a disk of a PC-98: its table has no geometry" {
	need mkfs.vfat dosfstools
	need mcopy mtools
	truncate -s 12M fs
	mkfs.vfat -S 1024 fs >/dev/null
	mcopy -s -i fs tree/* ::
	python3 "$BATS_TEST_DIRNAME/tools/labels.py" pc98 i.img fs
	read_whole i.img p1/
	! has "$stderr" "search" || return 1
	[ "$(sql "SELECT table_type, label, start_bytes, size_bytes
		FROM medium_partition")" = "pc98|MS-DOS 3.30|8257536|12902400" ]
	# without a file system there is no geometry, and nothing is invented
	dd if=/dev/zero of=i.img bs=512 seek=16128 count=20 conv=notrunc \
		status=none
	head -c 9 /dev/urandom | dd of=i.img bs=1 seek=9000 conv=notrunc \
		status=none	# another disk
	expect 3 ntt-orchestrator --no-archive --sandbox --image i.img
	! has "$stderr" pc98 || return 1
}

@test "EFS of IRIX, behind its label, and QNX4" {
	head -c 150000 /dev/urandom >tree/long
	python3 "$BATS_TEST_DIRNAME/tools/oldfs.py" efs tree fs
	read_whole fs
	head -c 5000 /dev/urandom >tree/one	# another disk
	python3 "$BATS_TEST_DIRNAME/tools/oldfs.py" efs tree fs
	python3 "$BATS_TEST_DIRNAME/tools/labels.py" sgi i.img fs
	read_whole i.img p1/
	head -c 5000 /dev/urandom >tree/one
	python3 "$BATS_TEST_DIRNAME/tools/oldfs.py" qnx4 tree q.img
	head -c 512 /dev/zero >tree/.bitmap	# a file of its own
	read_whole q.img
}

@test "System V, as Unix of the eighties had it" {
	head -c 40000 /dev/urandom >tree/long	# more blocks than an inode names
	python3 "$BATS_TEST_DIRNAME/tools/oldfs.py" sysv tree i.img
	read_whole i.img
	[ "$(sql "SELECT fs_type FROM medium WHERE medium_hash = '$M'")" = sysv ]
}

@test "UFS2, with its superblock where kernels look for it" {
	need makefs makefs
	# makefs has it at byte 8192, and the first file then lies at 65536,
	# unless others are large
	truncate -s 150000 tree/aaa
	truncate -s 5000 tree/one tree/two tree/sub/three
	makefs -t ffs -o version=2 -s 8m i.img tree >/dev/null
	python3 - <<-'END'
	import struct
	with open("i.img", "r+b") as f:
	    f.seek(8192)
	    block = bytearray(f.read(8192))
	    struct.pack_into("<q", block, 1000, 65536)
	    f.seek(65536)
	    assert f.read(8192) == bytes(8192)
	    f.seek(65536)
	    f.write(block)
	    f.seek(8192)
	    f.write(bytes(8192))
	END
	expect 0 ntt-orchestrator --no-archive --sandbox --image i.img
	M=$(ntt-identify -q i.img)
	! has_files >differences || return 1
	[ "$(grep '^[<>]' differences | cut -c1-5 | tr -d '\n')" = \
		"< aaa> aaa" ]
}
