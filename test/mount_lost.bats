#!/usr/bin/env bats
# slow: searches whole disks
#
# ntt-mount-helper where a partition table is lost, damaged, or not the whole
# truth: nothing that is on the medium goes without a word.

load lib
load image

# zero FIRST COUNT: sectors of the image
zero() {
	dd if=/dev/zero of="$T/i.img" bs=512 seek="$1" count="$2" \
		conv=notrunc status=none
}

# finding TEXT: in the object and on standard error
finding() {
	has "$output" '"finding":"'
	has "$output" "$1"
	has "$stderr" "$1"
}

both() {
	[ "$(cat "$MNT/p1/name" "$MNT/p2/name")" = "one
two" ]
}

@test "MBR lost: every file system is found, and it is said" {
	local start
	for start in 63 2048 8192; do
		truncate -s 0 "$T/i.img"; truncate -s 64M "$T/i.img"
		place fs1 $start; place swap $((start + 16384))
		place fs2 $((start + 16384 + 8192 + 63))
		try 0
		has "$output" '"layout":"multi"'
		finding "partition table is missing: a search found 3 volumes"
		part 1 "\"start\":$((start * 512)),\"size\":8388608" \
			'"status":"ok"' 'found by its signature'
		part 2 '"status":"swap"' '"size":4194304'
		part 3 '"status":"ok"' '"size":8388608'
		[ "$(cat "$MNT/p1/name" "$MNT/p3/name")" = "one
two" ]
		gone
	done
}

@test "--found: what another process found, and nothing is searched for" {
	local list told
	place fs1 2048; place fs2 40960
	try 0
	told=$output
	gone
	expect 0 "$helper" -q --found 1048576,20971520 mount $H "$T/i.img"
	[ "$output" = "$told" ]
	both; gone
	expect 0 "$helper" -q --found 20971520:33554432 mount $H "$T/i.img"
	finding "a search, as far as byte 33554432 found 1 volume,"
	[ "$(cat "$MNT/p1/name")" = two ]
	gone
	expect 1 "$helper" --found '' mount $H "$T/i.img"
	has "$stderr" "no partition table and no known file system"
	for list in 1 1048577 67108864 0 x 1048576, ,1048576 1048576: \
		99999999999999999999 -512; do
		expect 64 "$helper" --found="$list" mount $H "$T/i.img"
		has "$stderr" "is no list of the first bytes of sectors"
	done
}

@test "--found: a lost link and a damaged entry, as a search has them" {
	local told list
	sfdisk -q "$T/i.img" <<-X
	label: dos
	start=2048, size=16384, type=83
	start=30000, size=90000, type=f
	start=32048, size=16384, type=83
	start=52048, size=16384, type=83
	X
	place fs1 2048; place fs1 32048; place fs2 52048
	zero 48432 3616
	try 0
	told=$output
	gone
	expect 0 "$helper" -q --found 26648576 mount $H "$T/i.img"
	[ "$output" = "$told" ]
	gone
	# the second entry begins at sector 0
	printf 'label: dos\n%s\n%s\n' start={2048,20480},size=16384 |
		sfdisk -q "$T/i.img"
	printf '\0\0\0\0' | dd of="$T/i.img" bs=1 seek=470 conv=notrunc \
		status=none
	place fs2 20480
	try 3
	told=$output
	list=$(grep signature <<<"$parts" | grep -oP '"start":\K\d+' |
		paste -sd,)
	gone
	expect 3 "$helper" -q --found "$list" mount $H "$T/i.img"
	[ "$output" = "$told" ]
	gone
}

@test "programs search without the rights of the helper, and tell it" {
	place fs1 2048; place fs2 40960
	mkdir "$T/bin"
	cp "$NTT_BUILD/test/tools/mounted" "$T/bin/"
	printf '#!/bin/sh\nprintf "%%s\\n" "$@" >>%s\nexec %s "$@"\n' \
		"$T/args" "$helper" >"$T/bin/ntt-mount-helper"
	chmod 755 "$T/bin/ntt-mount-helper"
	expect 0 "$T/bin/mounted" mount $H "$T/i.img"
	grep -qx -- --found=1048576,20971520 "$T/args"
	both
	# what is mounted already is not looked at again
	rm "$T/args"
	expect 0 "$T/bin/mounted" mount $H "$T/i.img"
	has "$output" "already 1"
	grep -- --found "$T/args" && return 1
	gone
	# nor is there anything where a table says all
	printf 'label: dos\nstart=2048,size=16384\n' | sfdisk -q "$T/i.img"
	expect 0 "$T/bin/mounted" mount $H "$T/i.img"
	grep -qx -- --found= "$T/args"
	gone
}

@test "MBR lost: far away, at old and new borders of partitions" {
	local at before=
	# no holes to skip
	head -c 280M /dev/zero | tr '\0' x >"$T/i.img"
	# behind the part of which every sector is looked at
	for at in $((200 * 2048)) $((30 * 16065)) $((30 * 16065 + 63)); do
		[ -z "$before" ] || zero "$before" 16384
		before=$at
		place fs2 $at
		try 0
		finding "a search found 1 volume,"
		part 1 "\"start\":$((at * 512))" '"status":"ok"'
		gone
	done
}

@test "GPT with both headers zeroed or damaged: its entries count" {
	local what
	for what in zero random; do
		truncate -s 0 "$T/i.img"; truncate -s 64M "$T/i.img"
		sfdisk -q "$T/i.img" <<-X
		label: gpt
		start=4096, size=16384, name="a name"
		start=40960, size=20480
		start=70000, size=2048, type=21686148-6449-6E6F-744E-656564454649
		X
		place fs1 4096; place fs2 40960
		zero 0 2; zero 131071 1
		[ $what = zero ] || for n in 1 131071; do
			head -c 512 /dev/urandom | dd of="$T/i.img" bs=512 \
				seek=$n conv=notrunc status=none
		done
		try 0
		has "$output" '"table":"gpt"'
		finding "no copy of the GUID partition table is whole"
		part 1 '"start":2097152,"size":8388608' '"status":"ok"'
		part 2 '"start":20971520,"size":10485760'
		has "$output" '"skipped":[{"num":3'
		both; gone
		# the copy at the end is left
		zero 2 32
		try 0
		finding "no copy of the GUID"
		both; gone
		# nothing is left
		zero 131000 72
		try 0
		finding "partition table is missing: a search found 2 volumes"
		both; gone
	done
}

@test "GPT with entries lost in both copies: the others, and a search" {
	printf 'label: gpt\n%s\n%s\n%s\n%s\nstart=81920,size=16384\n' \
		start={2048,20480,40960,61440},size=16384 | sfdisk -q "$T/i.img"
	place fs1 2048; place fs2 81920
	# the first four entries of each
	zero 2 1; zero 131039 1
	try 0
	part 5 '"status":"ok"' '"start":41943040' '"reason":null'
	part 6 '"status":"ok"' '"start":1048576' 'found by its signature'
	finding "entries that are left; a search found 1 volume besides"
	gone
}

@test "GPT with 4096-byte sectors that lost its headers" {
	local dev
	dev=$(losetup -f --show -b 4096 "$T/i.img")
	printf 'label: gpt\nstart=256,size=2048\nstart=4096,size=2048\n' |
		sfdisk -q "$dev"
	losetup -d "$dev"
	place fs1 2048; place fs2 32768
	zero 0 16; zero 131064 8
	try 0
	finding "no copy of the GUID"
	part 2 '"start":16777216,"size":8388608' '"status":"ok"'
	both; gone
}

@test "MBR of a disk with 4096-byte sectors" {
	local dev
	dev=$(losetup -f --show -b 4096 "$T/i.img")
	printf 'label: dos\nstart=256,size=2048\nstart=4096,size=2048\n' |
		sfdisk -q "$dev"
	losetup -d "$dev"
	place fs1 2048; place fs2 32768
	try 0
	has "$output" '"finding":null'
	part 2 '"start":16777216,"size":8388608' '"status":"ok"'
	both; gone
}

@test "a link of the logical partitions is lost: what lies behind is found" {
	sfdisk -q "$T/i.img" <<-X
	label: dos
	start=2048, size=16384, type=83
	start=30000, size=90000, type=f
	start=32048, size=16384, type=83
	start=52048, size=16384, type=83
	X
	place fs1 2048; place fs1 32048; place fs2 52048
	# all between the two, one of which is the link
	zero 48432 3616
	try 0
	part 5 '"status":"ok"'
	part 6 '"status":"ok"' '"start":26648576,"size":8388608' \
		'found by its signature'
	finding "the chain of logical partitions is broken: a search found 1"
	gone
	# the first link, and with it all
	zero 30000 1
	try 0
	finding "a search found 2 volumes"
	gone
}

@test "an old file system inside another, and copies of superblocks: no more" {
	# a disk image within a file system, and the copies of ext4's own
	cp "$T/fs2" "$T/one/inner.img"
	mkfs.ext4 -q -b 1024 -d "$T/one" "$T/outer" 40M
	truncate -s 0 "$T/i.img"; truncate -s 64M "$T/i.img"
	place outer 2048
	try 0
	has "$output" '"layout":"single"'
	part 0 '"start":1048576' '"size":'
	finding "a search found 1 volume"
	cmp "$T/fs2" "$MNT/inner.img"
	gone
	# the first superblock is lost: its copies begin nothing
	rm "$T/one/inner.img" "$T/outer"
	mkfs.ext4 -q -b 1024 -d "$T/one" "$T/outer" 40M
	place outer 2048; zero 2048 128; place fs1 98304
	try 0
	finding "a search found 1 volume,"
	part 1 '"start":50331648' '"status":"ok"'
	gone
}

@test "MBR lost, and the last partition is a member of a RAID1" {
	place fs1 2048; place fs2 20480
	perl -e 'my @w = (0) x 1024;
		@w[0..10] = (0xa92b4efc, 0, 90, 0, 0, 1, 0, 1, 8192, 2, 2);
		@w[992..996] = (1, 7, 1, 1, 6);
		print pack("V*", @w)' >"$T/super"
	# where one of the whole disk would be, too
	place super $((20480 + ((131072 - 20480) & ~127) - 128))
	[ "$(blkid -p -o value -s TYPE "$T/i.img")" = linux_raid_member ]
	try 0
	finding "partition table is missing: a search found 2 volumes"
	both
	gone
}

@test "FAT32 and exfat with their first sector lost: what they are, and where" {
	need mkfs.vfat dosfstools
	need mkfs.exfat exfatprogs
	mkfs.vfat -F 32 -C "$T/fat" 40000 >/dev/null
	truncate -s 20M "$T/exfat"; mkfs.exfat "$T/exfat" >/dev/null
	place fat 4096; place exfat 90112
	zero 4096 1; zero 90112 1
	# they are mounted where there is a device mapper: sandbox.bats
	output=$("$helper" mount $H "$T/i.img" 2>"$T/err") || :
	stderr=$(cat "$T/err")
	parts=$(sed 's/{"num"/\n{"num"/g' <<<"$output")
	part 1 '"fstype":"vfat"' '"start":2097152,"size":40960000' \
		'its boot sector is lost: the copy at byte 2100224 is used'
	part 2 '"fstype":"exfat"' '"start":46137344,"size":20971520' \
		'its boot sector is lost'
	finding "a search found 2 volumes"
	# the only thing on the medium
	"$helper" -q unmount $H >/dev/null || :
	cp "$T/fat" "$T/i.img"; zero 0 1
	output=$("$helper" mount $H "$T/i.img") || :
	has "$output" '"num":0,'
	has "$output" '"start":0,"size":40960000'
}

@test "ISO 9660 without its first descriptor is named, UDF is mounted" {
	need genisoimage genisoimage
	genisoimage -quiet -R -J -o "$T/i.img" "$T/one"
	zero 64 4
	expect 1 "$helper" mount $H "$T/i.img"
	has "$output" '"fstype":"iso9660","status":"unsupported_fs"'
	has "$output" 'its primary volume descriptor is lost'
	rm "$T/i.img"
	genisoimage -quiet -R -udf -o "$T/i.img" "$T/one"
	zero 64 4
	# by a kernel that has it: mount_uml.bats
	"$helper" mount $H "$T/i.img" >"$T/out" || :
	has "$(cat "$T/out")" '"fstype":"udf"'
	has "$(cat "$T/out")" 'its first descriptor is lost'
}

@test "a partition that is one sector short" {
	printf 'label: dos\nstart=2048,size=16383\n' | sfdisk -q "$T/i.img"
	place fs1 2048
	try 0
	part 1 '"status":"ok"' 'larger than the partition'
	gone
}

@test "an MBR with a damaged entry: what it led to is found" {
	printf 'label: dos\n%s\n%s\n' start={2048,20480},size=16384 |
		sfdisk -q "$T/i.img"
	place fs1 2048; place fs2 20480
	# it begins at sector 0
	printf '\0\0\0\0' | dd of="$T/i.img" bs=1 seek=470 conv=notrunc \
		status=none
	try 3
	part 1 '"status":"ok"' '"start":1048576'
	part 2 '"status":"failed"' '"start":0'
	part 3 '"status":"ok"' '"start":10485760'
	[ "$(grep -c '"status"' <<<"$parts")" = 3 ]
	finding "partition table is damaged: a search found 1 volume,"
	gone
	# a flag that no entry has
	printf '\7' | dd of="$T/i.img" bs=1 seek=446 conv=notrunc status=none
	try 0
	finding "a search found 2 volumes"
	both
	gone
}

@test "one device of a btrfs of two: what it has copies of is there" {
	need mkfs.btrfs btrfs-progs
	grep -qw btrfs /proc/filesystems || skip "needs btrfs in the kernel"
	local a b
	rm "$T/i.img"; truncate -s 130M "$T/i.img" "$T/other"
	a=$(losetup -f --show "$T/i.img") b=$(losetup -f --show "$T/other")
	mkfs.btrfs -q -d raid1 -m raid1 "$a" "$b" >/dev/null
	mkdir "$T/rw"
	mount -o "device=$a,device=$b" "$a" "$T/rw"
	cp "$T/one/data" "$T/rw/"
	umount "$T/rw"
	losetup -d "$a"; losetup -d "$b"; rm "$T/other"
	try 0
	part 0 '"fstype":"btrfs"' 'one of 2 devices of a btrfs'
	cmp "$T/one/data" "$MNT/data"
	gone
}

@test "an archive of images is an archive, random bytes are unknown" {
	tar -C "$T" -cf "$T/i.img" fs1 fs2
	expect 1 "$helper" mount $H "$T/i.img"
	has "$output" "a tar archive"
	head -c 40M /dev/urandom >"$T/i.img"
	expect 1 "$helper" mount $H "$T/i.img"
	has "$output" "no partition table and no known file system"
}

@test "almost erased: the one file system far out is found" {
	# a hole of 4 TiB, one piece of data
	truncate -s 4T "$T/i.img"
	place fs1 $((1234567 * 2048))
	parts=; : >"$T/sums"
	expect 0 "$helper" -q mount $H "$T/i.img"
	has "$output" '"finding":"the partition table is missing: a search found 1 '
	gone
}

# hybrid OPTION…: a disc that boots from a USB stick, too, of 8 MiB at least;
# the guest has ISO 9660, and not every machine
hybrid() {
	need xorriso xorriso
	need linux.uml user-mode-linux
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
	helper=$NTT_BUILD/bin/ntt-sandbox
	local boot=$T/one/boot
	mkdir -p "$boot"
	truncate -s 2M "$boot/efi.img"; mkfs.vfat "$boot/efi.img" >/dev/null
	head -c 2048 /dev/urandom >"$boot/bios.img"
	head -c 512 /dev/zero >"$T/mbr"
	xorriso -as mkisofs -quiet -R -o "$T/iso" -isohybrid-mbr "$T/mbr" \
		-b boot/bios.img -no-emul-boot -boot-load-size 4 \
		-eltorito-alt-boot -e boot/efi.img -no-emul-boot "$@" \
		"$T/one" 2>/dev/null
	rm -f "$T/i.img"
	cp "$T/iso" "$T/i.img"
}

# bats test_tags=guest
@test "a hybrid disc alone is a disc, and its other tables are told" {
	hybrid -isohybrid-gpt-basdat
	try 0
	has "$output" '"layout":"single"'
	part 0 '"fstype":"iso9660"' '"status":"ok"'
	has "$output" '"reason":"vfat within the disc"'
	finding "not mounted: vfat"
	cmp "$T/one/data" "$MNT/data"
	gone
}

# bats test_tags=guest
@test "a hybrid disc with a partition behind it: both, by MBR" {
	hybrid -isohybrid-gpt-basdat
	truncate -s 40M "$T/i.img"
	echo 'start=40960, size=16384, type=83' |
		sfdisk -q -a "$T/i.img" >/dev/null
	place fs2 40960
	try 0
	has "$output" '"layout":"multi","already":false'
	part 1 '"fstype":"iso9660"' '"start":0' "\"mount\":\"$MNT/p1\""
	part 3 '"fstype":"ext4"' '"status":"ok"' '"start":20971520'
	cmp "$T/one/data" "$MNT/p1/data"
	[ "$(cat "$MNT/p3/name")" = two ]
	gone
}

# bats test_tags=guest
@test "a hybrid disc with a partition behind it: both, by GPT" {
	truncate -s 2M "$T/esp"; mkfs.vfat "$T/esp" >/dev/null
	hybrid -partition_offset 16 -append_partition 2 0xef "$T/esp" \
		-appended_part_as_gpt
	truncate -s 40M "$T/i.img"
	echo 'start=40960, size=16384' |
		sfdisk -q -a "$T/i.img" >/dev/null
	place fs2 40960
	try 0
	has "$output" '"table":"gpt"'
	part 1 '"fstype":"iso9660"' "\"mount\":\"$MNT/p1\""
	part 4 '"fstype":"ext4"' '"status":"ok"' '"start":20971520'
	[ "$(cat "$MNT/p4/name")" = two ]
	cmp "$T/one/data" "$MNT/p1/data"
	gone
}

# bats test_tags=guest
@test "a partition behind a hybrid disc with nothing known on it" {
	hybrid
	truncate -s 40M "$T/i.img"
	echo 'start=40960, size=16384, type=83' |
		sfdisk -q -a "$T/i.img" >/dev/null
	# never formatted
	try 0
	has "$output" '"layout":"single"'
	has "$output" '"reason":"nothing is on it"'
	gone
	head -c 1M /dev/urandom >"$T/junk"; place junk 40960
	try 3
	part 1 '"fstype":"iso9660"' '"status":"ok"'
	part 2 '"status":"failed"'
	gone
}

# bats test_tags=guest
@test "a disc that was there before the table: partitions, and the disc" {
	# both within what was the disc
	head -c 30M /dev/zero >"$T/one/big"
	hybrid
	truncate -s 40M "$T/i.img"
	printf 'label: dos\nstart=2048,size=16384\nstart=20480,size=16384\n' |
		sfdisk -q --wipe never "$T/i.img"
	place fs1 2048; place fs2 20480
	try 0
	part 1 '"fstype":"ext4"' '"status":"ok"'
	part 2 '"fstype":"ext4"' '"status":"ok"'
	part 3 '"fstype":"iso9660"' 'may be older than the table'
	both
	gone
}
