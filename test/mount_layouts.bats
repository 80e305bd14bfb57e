#!/usr/bin/env bats
# slow: hundreds of mounts
#
# ntt-mount-helper: every layout a medium can have, with file systems that the
# kernels of most machines know.  test/mount_uml.bats has the others.

load lib
load image

# Mounted by this kernel or, where it has no such file system, by a guest's.
somehow() {
	need linux.uml user-mode-linux
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
	chmod 644 "$T/i.img"
	expect 0 mounted mount $H "$T/i.img" 3>&-
}

away() {
	expect 0 mounted unmount $H
	! grep -F "$MNT" /proc/self/mountinfo || return 1
}

@test "MBR: primary, extended, logical, swap, and one that is nothing" {
	sfdisk -q "$T/i.img" <<-X
	label: dos
	start=2048, size=16384, type=83
	start=20480, size=8192, type=82
	start=30000, size=90000, type=f
	start=32048, size=16384, type=83
	start=52048, size=16384, type=7
	X
	place fs1 2048; place swap 20480; place fs2 32048
	try 3
	has "$output" '"layout":"multi"'
	has "$output" '"table":"dos"'
	part 1 '"status":"ok"' "\"mount\":\"$MNT/p1\"" '"start":1048576,"size":8388608' \
		'"label":"first"'
	part 2 '"status":"swap"' '"mount":null'
	part 5 '"status":"ok"' "\"mount\":\"$MNT/p5\""
	part 6 '"status":"failed"' 'no file system was recognised'
	part 3 '"reason":"extended partition"'
	[ "$(grep -c '"status"' <<<"$parts")" = 4 ]
	diff -r --exclude=lost+found "$T/one" "$MNT/p1"
	diff -r --exclude=lost+found "$T/two" "$MNT/p5"
	[ "$(losetup -n -O NAME -j "$T/i.img" | wc -l)" = 2 ]
	expect 3 "$helper" mount $H "$T/i.img"
	has "$output" '"already":true'
	gone
}

@test "GPT: BIOS boot and MSR are skipped, names become labels" {
	sfdisk -q "$T/i.img" <<-X
	label: gpt
	start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649
	start=4096, size=2048, type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE
	start=8192, size=16384, name="other name"
	start=32768, size=16384, name="my data"
	start=57344, size=8192, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F
	X
	place fs1 8192; place fs2 32768; place swap 57344
	try 0
	has "$output" '"table":"gpt"'
	part 1 '"reason":"BIOS boot partition"'
	part 2 '"reason":"Microsoft reserved partition"'
	part 3 '"status":"ok"' '"label":"first"'
	part 4 '"status":"ok"' '"label":"my data"'
	part 5 '"status":"swap"'
	gone
}

@test "one partition is p1 all the same" {
	printf 'label: dos\nstart=2048,size=16384\n' | sfdisk -q "$T/i.img"
	place fs1 2048
	try 0
	has "$output" '"layout":"multi"'
	[ "$(cat "$MNT/p1/name")" = one ]
	[ ! -e "$MNT/name" ]
	gone
}

@test "partitions that end or begin beyond the image" {
	sfdisk -q "$T/i.img" <<-X
	label: dos
	start=2048, size=30000
	start=40960, size=16384
	start=65536, size=16384
	X
	place fs1 2048; place fs2 40960; place fs2 65536
	# 10 MiB: the first partition is cut behind its file system
	truncate -s 10M "$T/i.img"
	try 3
	part 1 '"status":"ok"' "\"mount\":\"$MNT/p1\"" '"reason":null'
	part 2 '"status":"truncated"' '"mount":null' 'begins beyond'
	part 3 '"status":"truncated"'
	[ "$(cat "$MNT/p1/name")" = one ]
	gone
}

@test "a file system cut off in its middle is truncated and named" {
	printf 'label: dos\nstart=2048,size=16384\nstart=20480,size=16384\n' |
		sfdisk -q "$T/i.img"
	place fs1 2048; place fs2 20480
	truncate -s 15M "$T/i.img"
	try 3
	part 1 '"status":"ok"'
	part 2 '"status":"truncated"' "\"mount\":\"$MNT/p2\"" \
		'the image ends 3.1 MB before the volume does'
	gone
}

@test "GPT of a disk of which the image is only the beginning" {
	sfdisk -q "$T/i.img" <<-X
	label: gpt
	start=2048, size=16384
	start=40960, size=16384
	X
	place fs1 2048
	truncate -s 12M "$T/i.img"
	try 3
	part 1 '"status":"ok"'
	part 2 '"status":"truncated"'
	gone
}

@test "GPT with 4096-byte sectors" {
	local dev
	dev=$(losetup -f --show -b 4096 "$T/i.img")
	printf 'label: gpt\nstart=256,size=2048\nstart=4096,size=2048\n' |
		sfdisk -q "$dev"
	losetup -d "$dev"
	place fs1 2048; place fs2 32768
	try 0
	part 1 '"start":1048576,"size":8388608' '"status":"ok"'
	part 2 '"start":16777216' '"status":"ok"'
	gone
}

@test "GPT without its first sectors" {
	local sector dev
	for sector in 512 4096; do
		truncate -s 0 "$T/i.img"; truncate -s 64M "$T/i.img"
		dev=$(losetup -f --show -b $sector "$T/i.img")
		printf 'label: gpt\nsize=8M\nsize=8M\n' | sfdisk -q "$dev"
		losetup -d "$dev"
		place fs1 2048; place fs2 18432
		# the protective MBR, and then all of it but the backup
		for n in $sector 40960; do
			head -c $n /dev/zero | dd of="$T/i.img" bs=512 \
				conv=notrunc status=none
			try 0
			has "$output" '"table":"gpt"'
			[ "$(cat "$MNT/p1/name" "$MNT/p2/name")" = "one
two" ]
			gone
		done
	done
}

@test "a slice of BSD: its partitions, and not itself" {
	printf 'label: dos\nstart=2048,size=100000,type=a5\n' |
		sfdisk -q "$T/i.img"
	# a, b (swap), c (the slice), d
	perl -e '
		my $p = pack("(VVVCCv)4", 16384, 2048, 1024, 7, 8, 0,
		    4096, 20480, 1024, 1, 8, 0, 100000, 2048, 0, 0, 0, 0,
		    16384, 34816, 1024, 7, 8, 0);
		my $l = pack("Vx128Vvv", 0x82564557, 0x82564557, 0, 4) .
		    pack("VV", 8192, 8192) . $p;
		my $sum = 0;
		$sum ^= $_ for unpack("v*", $l);
		substr($l, 136, 2) = pack("v", $sum);
		print $l' >"$T/label"
	place fs1 2048; place fs2 34816; place label 2049
	try 0
	part 5 '"start":1048576,"size":8388608' '"status":"ok"'
	part 6 '"status":"swap"'
	part 7 '"start":17825792' '"status":"ok"'
	has "$output" '"skipped":[{"num":1,'
	[ "$(cat "$MNT/p5/name" "$MNT/p7/name")" = "one
two" ]
	gone
}

# apple_map: three entries, the last a Unix partition at sector 2048
apple_map() {
	perl -e '
		sub entry { my ($start, $n, $name, $type) = @_;
			pack("a2nNNNa32a32NNN", "PM", 0, 3, $start, $n, $name,
			    $type, 0, $n, 0x33) }
		my $b = pack("a2nN", "ER", 512, 131072);
		$b .= "\0" x (512 - length $b);
		for (entry(1, 63, "Apple", "Apple_partition_map"),
		    entry(64, 1984, "", "Apple_Free"),
		    entry(2048, 16384, "Unix", "Apple_UNIX_SVR2")) {
			$b .= $_ . "\0" x (512 - length $_) }
		print $b' >"$T/map"
	place map 0
}

@test "Apple partition map" {
	apple_map
	place fs1 2048
	try 0
	has "$output" '"table":"mac"'
	part 1 '"reason":"partition map"'
	part 2 '"reason":"free space"'
	part 3 '"status":"ok"' "\"mount\":\"$MNT/p3\""
	gone
}

# bats test_tags=guest
@test "Apple partition map with ISO 9660 over the whole disc: both sides" {
	need xorriso xorriso
	rm "$T/i.img"
	xorriso -as mkisofs -quiet -hfsplus -R -o "$T/i.img" "$T/one"
	[ "$(blkid -p -o value -s PTTYPE "$T/i.img")" = mac ]
	somehow
	has "$output" "p3 hfsplus"
	has "$output" "p5 iso9660"
	cmp "$T/one/data" "$MNT/p3/data"
	cmp "$T/one/data" "$MNT/p5/data"
	away
}

# bats test_tags=guest
@test "ISO/UDF bridge: one of the two is mounted" {
	need genisoimage genisoimage
	genisoimage -quiet -udf -R -o "$T/i.img" "$T/one"
	[ "$(blkid -p -o value -s TYPE "$T/i.img")" = udf ]
	somehow
	has "$output" "0 ok "
	cmp "$T/one/data" "$MNT/data"
	away
}

@test "Zip disks: a file system at 16384, 32256 or 1 MiB without a table" {
	local sector
	for sector in 32 63 2048; do
		truncate -s 0 "$T/i.img"; truncate -s 20M "$T/i.img"
		place fs1 $sector
		try 0
		has "$output" '"layout":"single"'
		part 0 "\"start\":$((sector * 512))" '"status":"ok"'
		[ "$(cat "$MNT/name")" = one ]
		gone
	done
}

@test "an old table below a file system on the whole medium" {
	printf 'label: dos\nstart=40000,size=16384\n' | sfdisk -q "$T/i.img"
	dd if="$T/i.img" of="$T/mbr" bs=512 count=1 status=none
	place fs1 0; place mbr 0
	try 0
	has "$output" '"layout":"single"'
	[ "$(cat "$MNT/name")" = one ]
	gone
}

@test "an old file system below a table whose partitions are real" {
	place fs2 0
	printf 'label: dos\nstart=20480,size=16384\n' |
		sfdisk -q --wipe never "$T/i.img"
	place fs1 20480
	try 0
	has "$output" '"layout":"multi"'
	[ "$(cat "$MNT/p1/name")" = one ]
	gone
}

@test "unformatted partitions: nothing is mounted, each is named" {
	printf 'label: dos\nstart=2048,size=16384\n' | sfdisk -q "$T/i.img"
	try 1
	part 1 '"status":"failed"'
	expect 1 "$helper" status $H
	[ ! -e "$MNT" ]
}

# md_super VERSION LEVEL: the bytes of a superblock for member 1 of 2, with
# 64 KiB before the data where the version has an offset
md_super() {
	perl -e '
		my ($version, $level, $size) = @ARGV;
		my $sectors = $size / 512;
		if ($version eq "0.90") {
			my @w = (0) x 1024;
			@w[0..10] = (0xa92b4efc, 0, 90, 0, 0, 0x11111111, 0,
			    $level, 8192, 2, 2);
			@w[13..15] = (0x22222222, 0x33333333, 0x44444444);
			@w[992..996] = (1, 7, 1, 1, 6);
			print pack("V*", map { $_ & 0xffffffff } @w);
			exit;
		}
		my $at = $version eq "1.1" ? 0 : $version eq "1.2" ? 8 :
		    ($sectors - 16) & ~7;
		my $data = $version eq "1.0" ? 0 : 128;
		print pack("VVVVH32a32Q<lVQ<VVVV", 0xa92b4efc, 1, 0, 0,
		    "11111111222222223333333344444444", "host:7", 0, $level,
		    0, 16384, 0, 2, 0, 0),
		    "\0" x 24, pack("Q<Q<Q<Q<V", $data, 16384, $at, 0, 1),
		    "\0" x 56, pack("V", 4), "\0" x 32, pack("v4", 0, 1,
		    0xffff, 0xffff);
	' "$1" "$2" 67108864
}

# member VERSION LEVEL: the image becomes one
member() {
	md_super "$1" "$2" >"$T/super"
	case $1 in
	0.90) place fs1 0; place super $((131072 - 128)) ;;
	1.0) place fs1 0; place super $((131072 - 16)) ;;
	1.1) place fs1 128; place super 0 ;;
	1.2) place fs1 128; place super 8 ;;
	esac
	# libblkid and mdadm must take it for what we say it is
	has "$(blkid -p -o value -s TYPE "$T/i.img")" linux_raid_member
}

raid1() {
	member "$1" 1
	try 0
	part 0 '"status":"ok"' "\"version\":\"$1\"" '"level":1,"disks":2,"role":1' \
		'"uuid":"11111111:22222222:33333333:44444444"'
	[ "$(cat "$MNT/name")" = one ]
	gone
}

@test "RAID1 member, superblock 0.90" { raid1 0.90; }
@test "RAID1 member, superblock 1.1" { raid1 1.1; }
@test "RAID1 member, superblock 1.2" { raid1 1.2; }
@test "RAID1 member, superblock 1.0" { raid1 1.0; }

@test "RAID1 members with partitions, on the disk and on a partition" {
	local base prefix
	truncate -s 8M "$T/array"
	printf 'label: gpt\nsize=3MiB\nsize=3MiB\n' | sfdisk -q "$T/array"
	mkfs.ext4 -q -d "$T/one" "$T/small1" 3M
	mkfs.ext4 -q -d "$T/two" "$T/small2" 3M
	dd if="$T/small1" of="$T/array" bs=1M seek=1 conv=notrunc status=none
	dd if="$T/small2" of="$T/array" bs=1M seek=4 conv=notrunc status=none
	md_super 1.2 1 >"$T/super"
	for base in 0 2048; do
		truncate -s 0 "$T/i.img"; truncate -s 64M "$T/i.img"
		[ $base = 0 ] || printf 'label: dos\nstart=%s\n' $base |
			sfdisk -q "$T/i.img"
		place array $((base + 128)); place super $((base + 8))
		prefix=$([ $base = 0 ] || echo 100)
		try 0
		has "$output" '"layout":"multi"'
		has "$output" '"table":"'"$([ $base = 0 ] && echo gpt || echo dos)"
		[ "$(cat "$MNT/p${prefix}1/name")" = one ]
		[ "$(cat "$MNT/p${prefix}2/name")" = two ]
		has "$output" "member of a RAID1 with partitions"
		gone
	done
}

@test "members of other arrays are described, never assembled" {
	local version
	for version in 0.90 1.0 1.1 1.2; do
		truncate -s 0 "$T/i.img"; truncate -s 64M "$T/i.img"
		member $version 5
		try 1
		part 0 '"status":"raid_member"' '"level":5' '"role":1' \
			"\"version\":\"$version\"" 'member 1 of a RAID5 of 2 disks'
	done
	[ ! -e /proc/mdstat ] || ! grep -q '^md' /proc/mdstat
}

@test "a RAID1 member in a partition" {
	printf 'label: dos\nstart=2048,size=40960,type=fd\n' | sfdisk -q "$T/i.img"
	md_super 1.2 1 >"$T/super"
	place super $((2048 + 8)); place fs1 $((2048 + 128))
	try 0
	part 1 '"status":"ok"' "\"mount\":\"$MNT/p1\"" '"version":"1.2"'
	[ "$(cat "$MNT/p1/name")" = one ]
	gone
}

# lvm_member SECTOR: a physical volume at SECTOR with four volumes: home in
# one piece, root in two, mirror of another kind, far on another disk
lvm_member() {
	perl -e '
		my $text = <<"X";
vg0 {
id = "aaaaaa-aaaa-aaaa-aaaa-aaaa-aaaa-aaaaaa"
seqno = 5
format = "lvm2" # informational
status = ["RESIZEABLE", "READ", "WRITE"]
extent_size = 8192
physical_volumes {
 pv0 { id = "012345-6789-abcd-efgh-ijkl-mnop-qrstuv" pe_start = 2048 pe_count = 12 }
 pv1 { id = "zzzzzz-zzzz-zzzz-zzzz-zzzz-zzzz-zzzzzz" pe_start = 2048 pe_count = 12 }
}
logical_volumes {
 home { id = "hhhhhh-hhhh-hhhh-hhhh-hhhh-hhhh-hhhhhh" segment_count = 2
  segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = [ "pv0", 3 ] }
  segment2 { start_extent = 1 extent_count = 2 type = "striped" stripe_count = 1 stripes = [ "pv0", 4 ] } }
 root { id = "r" segment_count = 2
  segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = [ "pv0", 0 ] }
  segment2 { start_extent = 1 extent_count = 1 type = "striped" stripe_count = 1 stripes = [ "pv0", 8 ] } }
 mirror { id = "m" segment_count = 1
  segment1 { start_extent = 0 extent_count = 1 type = "raid1" device_count = 2 } }
 far { id = "f" segment_count = 1
  segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1 stripes = [ "pv1", 0 ] } }
}
}
X
		my $label = pack("a8Q<VVa8", "LABELONE", 1, 0, 32, "LVM2 001");
		my $pv = pack("a32Q<", "0123456789abcdefghijklmnopqrstuv", 50 << 20) .
		    pack("Q<4", 1 << 20, 0, 0, 0) . pack("Q<4", 4096, 1044480, 0, 0);
		my $mda = pack("Va16VQ<Q<", 0, " LVM2 x[5A%r0N*>", 1, 4096, 1044480);
		# the text is wrapped around the end of its ring
		my $first = 100;
		$mda .= pack("Q<Q<VV", 1044480 - $first, length $text, 0, 0);
		my $b = "\0" x 1048576;
		my $crc = 0xf597a6cf;
		for (unpack "C*", substr($label, 20) . $pv .
		    "\0" x (480 - length $pv)) {
			$crc ^= $_;
			$crc = $crc & 1 ? $crc >> 1 ^ 0xedb88320 : $crc >> 1 for 1..8 }
		substr($label, 16, 4) = pack "V", $crc;
		substr($b, 512, length $label) = $label;
		substr($b, 544, length $pv) = $pv;
		substr($b, 4096, length $mda) = $mda;
		substr($b, 4096 + 1044480 - $first, $first) = substr($text, 0, $first);
		substr($b, 4096 + 512, length($text) - $first) = substr($text, $first);
		print $b' >"$T/pv"
	place pv "$1"
	place fs1 $(($1 + 2048 + 3 * 8192))
	# the other file system in the two pieces of root
	head -c 4M "$T/fs2" >"$T/begin"; tail -c 4M "$T/fs2" >"$T/end"
	place begin $(($1 + 2048)); place end $(($1 + 2048 + 8 * 8192))
}

lvm_parts() {
	part "$1" '"status":"lvm_detected"' '"vg":"vg0"' \
		'"pv_uuid":"012345-6789-abcd-efgh-ijkl-mnop-qrstuv"' \
		'"lvs":?"home","root","mirror","far"?'
	part $(($1 * 1000 + 1)) '"status":"ok"' '"lv":"home"' '"size":12582912'
	part $(($1 * 1000 + 2)) '"lv":"root"' '"fstype":"ext4"' '"size":8388608'
	if grep -q device-mapper /proc/misc; then
		[ "$(cat "$MNT/p$(($1 * 1000 + 2))/name")" = two ]
	else
		part $(($1 * 1000 + 2)) '"status":"lvm_detected"' 'device mapper'
	fi
	part $(($1 * 1000 + 3)) '"status":"lvm_detected"' 'not linear'
	part $(($1 * 1000 + 4)) '"status":"lvm_detected"' 'another physical volume'
	[ "$(cat "$MNT/p$(($1 * 1000 + 1))/name")" = one ]
	gone
}

@test "LVM2 on the whole medium" {
	lvm_member 0
	try 3
	has "$output" '"layout":"multi"'
	lvm_parts 0
}

@test "LVM2 in a partition, with a file system beside it" {
	printf 'label: dos\nstart=2048,size=16384\nstart=20480,size=102400,type=8e\n' |
		sfdisk -q "$T/i.img"
	place fs2 2048
	lvm_member 20480
	try 3
	part 1 '"status":"ok"'
	lvm_parts 2
}

# bats test_tags=guest
@test "logical volumes that lie elsewhere are no reason for a sandbox" {
	need linux.uml user-mode-linux
	lvm_member 0
	# no volume in pieces that are all here
	perl -pi -e 's/"pv0", 8 \]/"pv1", 8 ]/' "$T/pv"
	place pv 0; place fs1 $((2048 + 3 * 8192))
	expect 0 mounted mount $H "$T/i.img"
	has "$output" "mounted 1 "
	has "$output" "2 lvm_detected - -"
	[ ! -e "$NTT_HOME/run/sandbox-$H.lock" ]
	gone
}

@test "LVM1 is described" {
	perl -e '
		my $pv = pack("a2vV10", "HM", 1, 0, 1024, 4096, 1024, 8192, 4096,
		    16384, 656, 65536, 4096);
		$pv .= pack("a128a128", "0123456789abcdefghijklmnopqrstuv", "oldvg");
		$pv .= "\0" x (16384 - length $pv);
		print $pv, pack("a328a328", "/dev/oldvg/lv1", "/dev/oldvg/lv2")
		' >"$T/pv"
	place pv 0
	try 1
	part 0 '"status":"lvm_detected"' '"format":1' '"vg":"oldvg"' \
		'"lvs":?"/dev/oldvg/lv1","/dev/oldvg/lv2"?'
}

# bats test_tags=guest
@test "ntfs and exfat: no driver on this machine, theirs in the guest" {
	need ntfs-3g ntfs-3g
	[ -x /usr/sbin/mount.exfat-fuse ] || [ -x /sbin/mount.exfat-fuse ] ||
		skip "needs mount.exfat-fuse (package exfat-fuse)"
	need mkfs.exfat exfatprogs
	mkdir "$T/rw"
	truncate -s 20M "$T/ntfs" "$T/exfat"
	mkntfs -F -q -L windows "$T/ntfs" 2>/dev/null
	ntfs-3g "$T/ntfs" "$T/rw"; cp "$T/one/data" "$T/rw/"; umount "$T/rw"
	mkfs.exfat -L card "$T/exfat" >/dev/null
	printf 'label: dos\nstart=2048,size=40960\nstart=45056,size=40960\n' |
		sfdisk -q "$T/i.img"
	place ntfs 2048; place exfat 45056
	if ! grep -qwE 'ntfs3|exfat' /proc/filesystems; then
		try 1
		part 1 '"fstype":"ntfs"' '"status":"unsupported_fs"' \
			'"reason":"this kernel has no ntfs3"'
		part 2 '"fstype":"exfat"' '"status":"unsupported_fs"'
	fi
	somehow
	cmp "$T/one/data" "$MNT/p1/data"
	has "$output" "1 ok "
	has "$output" "2 ok "
	away
}

# bats test_tags=guest
@test "what this kernel has not is unsupported, with every missing package" {
	grep -qwE 'vfat|ntfs3' /proc/filesystems && skip "this kernel has them"
	need mkfs.vfat dosfstools
	need mkntfs ntfs-3g
	mkfs.vfat "$T/i.img" >/dev/null
	try 1
	part 0 '"fstype":"vfat"' '"status":"unsupported_fs"' \
		'"reason":"this kernel has no vfat"'
	# as if they were not installed
	without() {
		unshare -m sh -c 'h=$1 i=$2; shift 2; for f; do
			mount --bind /dev/null "$(command -v "$f")" || exit 9
			done; exec mounted mount "$h" "$i"' \
			sh "$H" "$T/i.img" "$@"
	}
	expect 0 without linux.uml fusermount3
	has "$output" "unsupported_fs: this kernel has no vfat; \
not installed: user-mode-linux, fuse3"
	mkntfs -F -q "$T/i.img" 2>/dev/null
	expect 0 without linux.uml ntfs-3g
	has "$output" "unsupported_fs: this kernel has no ntfs3; \
not installed: user-mode-linux, ntfs-3g"
	# what no guest knows either
	: >"$T/sums"
	truncate -s 0 "$T/i.img"; truncate -s 64M "$T/i.img"
	printf 'LUKS\xba\xbe\0\1' >"$T/luks"; truncate -s 4096 "$T/luks"
	place luks 0
	expect 0 without linux.uml
	has "$output" "0 unsupported_fs - crypto_LUKS"
	! has "$output" "not installed" || return 1
}

@test "encrypted and foreign volumes are unsupported and named" {
	printf 'LUKS\xba\xbe\0\1' >"$T/luks"; truncate -s 4096 "$T/luks"
	place luks 0
	try 1
	part 0 '"fstype":"crypto_LUKS"' '"status":"unsupported_fs"'
	# no more than their first sectors
	truncate -s 1M "$T/v"
	printf '\xeb\x58\x90-FVE-FS-' | dd of="$T/v" conv=notrunc status=none
	rm "$T/i.img"; place v 0
	try 1
	part 0 '"fstype":"BitLocker"' "encrypted: BitLocker"
	truncate -s 0 "$T/v"; truncate -s 1M "$T/v"
	printf '\1\0\x10\0' | dd of="$T/v" bs=1 seek=8 conv=notrunc status=none
	printf 'CS\1\0' | dd of="$T/v" bs=1 seek=88 conv=notrunc status=none
	rm "$T/i.img"; place v 0
	try 1
	part 0 '"fstype":"FileVault"' "encrypted: FileVault"
}

@test "a file system larger than its partition" {
	printf 'label: dos\nstart=2048,size=8192\nstart=20480,size=16384\n' |
		sfdisk -q "$T/i.img"
	place fs1 2048; place fs2 20480
	try 0
	part 1 '"status":"ok"' '"size":4194304' "larger than the partition"
	[ "$(cat "$MNT/p1/name" "$MNT/p2/name")" = "one
two" ]
	gone
}

@test "a broken partition does not stop the others" {
	printf 'label: dos\nstart=2048,size=16384\nstart=20480,size=16384\n' |
		sfdisk -q "$T/i.img"
	place fs1 2048; place fs2 20480
	# its group descriptors
	dd if=/dev/urandom of="$T/i.img" bs=1024 seek=1026 count=200 \
		conv=notrunc status=none
	try 3
	part 1 '"status":"failed"' 'could not mount it as ext4'
	part 2 '"status":"ok"'
	gone
}
