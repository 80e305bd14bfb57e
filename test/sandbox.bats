#!/usr/bin/env bats
# slow: boots user-mode-linux
#
# ntt-sandbox: images mounted by a user with no rights.  Every image is
# compared with its former self when its test ends.

load lib

H=0123456789abcdef

setup() {
	isolate
	need linux.uml user-mode-linux
	need fusermount3 fuse3
	need modprobe kmod
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	export MTOOLS_SKIP_CHECK=1
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
	mkdir -p "$T/tree/d" "$T/img"
	echo hello >"$T/tree/d/Hello.txt"
	head -c 300000 /dev/urandom >"$T/tree/d/a long name"
	touch -d '2001-02-03 04:05:06 UTC' "$T/tree/d/Hello.txt"
	MNT=$NTT_HOME/mnt/$H
	me=()
	if [ "$(id -u)" = 0 ]; then
		chown nobody "$NTT_HOME" "$HOME"
		me=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
	fi
	: >"$T/sums"
}

teardown() {
	local point pid
	for pid in $(keeper); do kill -9 "$pid" || :; done
	tac /proc/self/mountinfo | cut -d' ' -f5 | grep -F "$T" |
		while IFS= read -r point; do umount -l "$point"; done
	[ ! -d "$NTT_HOME/pg/data" ] || "${me[@]}" ntt-db stop -q || :
	( cd "$T/img" && sha256sum -c --quiet ../sums )
}

sandbox() { "${me[@]}" ntt-sandbox "$@" 3>&-; }

seal() { ( cd "$T/img" && sha256sum -- "$@" >>../sums ); }

fat() {
	truncate -s 20M "$T/img/$1"
	mkfs.vfat -F 16 "$T/img/$1" >/dev/null
	TZ=UTC mcopy -m -s -i "$T/img/$1" "$T/tree/d" ::/
}

# Who holds the lock of the sandbox.
keeper() {
	local f=$NTT_HOME/run/sandbox-$H.lock
	[ ! -e "$f" ] || awk -v i=":$(stat -c %i "$f")" \
		'index($6, i) && $2 == "FLOCK" { print $5 }' /proc/locks
}

# The processes of the sandbox: its guest and its client.
child() { pgrep -P "$(keeper)" -x "$1"; }

nothing_left() {
	local i
	for i in {1..150}; do
		[ -z "$(keeper)" ] && ! pgrep -f -- "$T/|^linux.uml.*$dir" \
			>/dev/null && ! grep -qF "$MNT" /proc/self/mountinfo &&
			return 0
		sleep 0.1
	done
	pgrep -af "$T/|$dir"
	grep -F "$MNT" /proc/self/mountinfo
	return 1
}

# of this guest, in its arguments
guest_dir() {
	tr '\0' '\n' <"/proc/$(child linux.uml)/cmdline" |
		sed -n 's/^ntt_dir=//p'
}

@test "vfat and iso9660, as a user with no rights" {
	need mcopy mtools
	need mkfs.vfat dosfstools
	need genisoimage genisoimage
	fat "the
image, 1"
	genisoimage -quiet -R -J -o "$T/img/iso" "$T/tree"
	seal "the
image, 1" iso
	for image in "the
image, 1" iso; do
		expect 0 sandbox mount $H "$T/img/$image"
		has "$output" '"schema":1,"layout":"single","already":false'
		has "$output" "\"mount\":\"$MNT\",\"fstype\":\""
		has "$output" '"status":"ok"'
		first=$output
		sleep 1 # a line that lost its first bytes stays silent
		"${me[@]}" diff -r "$T/tree" "$MNT"
		[ "$("${me[@]}" stat -c %Y "$MNT/d/Hello.txt")" = \
			"$(stat -c %Y "$T/tree/d/Hello.txt")" ]
		has "$(grep " $MNT " /proc/self/mountinfo)" \
			' ro,nosuid,nodev,noexec,noatime'
		"${me[@]}" touch "$MNT/x" 2>/dev/null && return 1
		expect 0 sandbox status $H
		[ "$output" = "${first/\"already\":false/\"already\":true}" ]
		expect 0 "${me[@]}" ntt-mount-helper status $H
		expect 0 sandbox mount $H "$T/img/$image"
		has "$output" '"already":true'
		dir=$(guest_dir)
		has "$dir" /tmp/ntt-sandbox-
		[ ! -e "$dir" ]
		expect 0 "${me[@]}" ntt-mount-helper --sandbox unmount $H
		has "$output" '"layout":null'
		nothing_left
		[ ! -e "$MNT" ]
	done
	expect 2 sandbox unmount $H
	expect 1 sandbox status $H
}

@test "partitions at pN, beside one that is broken and one that is cut short" {
	need mcopy mtools
	fat one
	truncate -s 64M "$T/img/disk"
	# the third is smaller than its file system
	printf 'label: dos\nstart=2048, size=40960, type=6\nstart=45056, size=16384\nstart=65536, size=20480, type=6\n' |
		sfdisk -q "$T/img/disk"
	dd if="$T/img/one" of="$T/img/disk" bs=1M seek=1 conv=notrunc status=none
	dd if="$T/img/one" of="$T/img/disk" bs=1M seek=32 conv=notrunc status=none
	seal disk
	expect 3 sandbox mount $H "$T/img/disk"
	has "$output" '"layout":"multi"'
	has "$output" "\"num\":1,\"device\":\"ntt-sandbox\",\"mount\":\"$MNT/p1\""
	has "$output" '"num":2,"device":null,"mount":null'
	has "$output" '"reason":"no known file system is on it"'
	has "$output" "\"num\":3,\"device\":\"ntt-sandbox\",\"mount\":\"$MNT/p3\""
	has "$output" '"reason":"its file system is larger than the partition"'
	"${me[@]}" diff -r "$T/tree" "$MNT/p1"
	"${me[@]}" diff -r "$T/tree" "$MNT/p3"
	dir=$(guest_dir)
	expect 0 sandbox unmount $H
	nothing_left
	[ ! -e "$MNT" ]
}

# listing DIR: what a .raw says of a tree, but for devices and the root's path
listing() {
	find "$1" -xdev -printf '%y %i %n %s %Ts %P\0' | sort -z
}

links() {
	"${me[@]}" find "$1" -xdev -type l -printf '%P %l\0' | sort -z
}

raw_listing() {
	perl -0 -ne 'chomp; ($t, $d, $i, $n, $s, $m, $p) = split /\x1c/, $_, 7;
		$p =~ s/^\Q$ENV{POINT}\E\/?//; print "$t $i $n $s $m $p\0"' "$1" |
		sort -z
}

@test "ext4, xfs, btrfs, udf: enumerated inside, as the file systems are" {
	need_loop
	need mkfs.xfs xfsprogs
	need mkfs.btrfs btrfs-progs
	local tree=$T/tree n fs start
	ln "$tree/d/Hello.txt" "$tree/d/second name"
	ln "$tree/d/Hello.txt" "$tree/d/"$'third\nname\x1c'
	mkdir "$tree/d/$(printf 'x%.0s' {1..200})" "$tree/many"
	ln -s nowhere "$tree/d/link"
	ln -s /etc/passwd "$tree/absolute"; ln -s ../../../x "$tree/d/up"
	mkfifo "$tree/d/fifo"
	perl -e 'for (1 .. 255) { next if $_ == 47; open F, ">", "$ARGV[0]/n" .
		chr($_) . "x" or die; print F $_ }' "$tree"
	(cd "$tree/many" && touch {1..3000})
	truncate -s 822M "$T/img/disk"
	printf 'label: gpt\nsize=100MiB\nsize=400MiB\nsize=300MiB\nsize=20MiB\n' |
		sfdisk -q "$T/img/disk"
	truncate -s 100M "$T/1"; mkfs.ext4 -q -d "$tree" "$T/1"
	truncate -s 300M "$T/3"; mkfs.btrfs -q --rootdir "$tree" "$T/3"
	genisoimage -quiet -R -udf -o "$T/4" "$tree/d" 2>/dev/null
	truncate -s 400M "$T/2"; mkfs.xfs -q "$T/2"
	mkdir "$T/m"
	mount -o loop "$T/2" "$T/m"; cp -a "$tree/." "$T/m"; umount "$T/m"
	n=1
	for start in 1 101 501 801; do
		dd if="$T/$n" of="$T/img/disk" bs=1M seek=$start \
			conv=notrunc,sparse status=none
		((n++))
	done
	seal disk
	expect 0 sandbox mount $H "$T/img/disk"
	"${me[@]}" ntt-enum -q "$MNT" $H "$NTT_HOME/x.raw"
	for n in 1 2 3; do
		fs=$(blkid -o value -s TYPE "$T/$n")
		mount -o "loop,ro$([ "$fs" != xfs ] || echo ,nouuid)" "$T/$n" "$T/m"
		listing "$T/m" >"$T/found"
		links "$T/m" >"$T/targets"
		umount "$T/m"
		"${me[@]}" bash -c "$(declare -f listing); listing $MNT/p$n" |
			cmp "$T/found"
		links "$MNT/p$n" | cmp "$T/targets"
		perl -0 -ne "print if m{/p$n(/|\0)}" "$NTT_HOME/x.raw" >"$T/part"
		POINT=$MNT/p$n raw_listing "$T/part" >"$T/said"
		cmp "$T/found" "$T/said"
	done
	perl -0 -ne "print if m{/p4/}" "$NTT_HOME/x.raw" >"$T/part"
	ntt-raw-check --json "$NTT_HOME/x.raw" >"$T/checked"
	has "$(tr '\0' '\n' <"$T/part")" "/p4/Hello.txt"
	# a directory of it, and two who ask at once
	"${me[@]}" ntt-enum -q "$MNT/p1/d/" $H "$NTT_HOME/d.raw" &
	"${me[@]}" ntt-enum -q "$MNT/p1/d/" $H "$NTT_HOME/e.raw"
	wait $!
	cmp "$NTT_HOME/d.raw" "$NTT_HOME/e.raw"
	mount -o loop,ro,noload "$T/1" "$T/m"
	listing "$T/m/d/" >"$T/found"
	umount "$T/m"
	POINT=$MNT/p1/d raw_listing "$NTT_HOME/d.raw" >"$T/said"
	cmp "$T/found" "$T/said"
	# a listing without an end is none
	expect 0 sandbox unmount $H
	expect 0 sandbox mount $H "$T/img/disk"
	dir=$(guest_dir)
	"${me[@]}" ntt-enum -q "$MNT" $H "$NTT_HOME/y.raw" 2>"$T/err" & pid=$!
	kill -STOP "-$(child linux.uml)"
	await '[ -e "$NTT_HOME/y.raw.partial" ] || pgrep -P $pid >/dev/null'
	kill -KILL "-$(child linux.uml)"
	rc=0; wait $pid || rc=$?
	[ $rc != 0 ]
	[ -s "$T/err" ]
	[ $rc = 3 ] || [ ! -e "$NTT_HOME/y.raw" ]
	nothing_left
}

# chain IMAGE FILE N VALUE: in both FATs of a FAT16 the entry of the Nth cluster
# of the file of these contents, which is in one piece, becomes VALUE
chain() {
	perl -0777 -e '
		($name, $file, $n, $value) = @ARGV;
		open F, "<", $file; $f = <F>; open I, "+<", $name; $i = <I>;
		($sector, $per, $reserved, $fats, $root, $size) =
			(unpack "x11vCvCv", $i), unpack("x22v", $i);
		$data = ($reserved + $fats * $size) * $sector + $root * 32;
		$at = index $i, substr $f, 0, 2048;
		$cluster = 2 + ($at - $data) / ($sector * $per) + $n;
		for (0 .. $fats - 1) {
			seek I, ($reserved + $_ * $size) * $sector +
				2 * $cluster, 0;
			print I pack "v", $value;
		}' "$@"
}

@test "what cannot be read is an error, never a short file" {
	need mcopy mtools
	need debugfs e2fsprogs
	local file=$T/tree/d/"a long name" n at
	# the chain ends too soon, leads nowhere, begins with nothing
	cp "$file" "$T/tree/d/free"; echo more >>"$T/tree/d/free"
	cp "$T/tree/d/free" "$T/tree/d/whole"; echo more >>"$T/tree/d/whole"
	fat fat
	chain "$T/img/fat" "$file" 50 65535
	# the inodes of ext4 have checksums
	mkdir "$T/tree/lost"; (cd "$T/tree/lost" && touch {1..20})
	truncate -s 20M "$T/ext"
	mkfs.ext4 -q -O metadata_csum -d "$T/tree" "$T/ext"
	for name in /d/free /lost; do
		n=$(debugfs -R "stat $name" "$T/ext" 2>/dev/null |
			sed -n 's/^Inode: \([0-9]*\).*/\1/p')
		at=$(debugfs -R "imap <$n>" "$T/ext" 2>/dev/null | perl -ne \
			'print $1 * 1024 + hex $2
			if /block (\d+), offset 0x([0-9a-f]+)/')
		printf '\001' | dd of="$T/ext" bs=1 seek=$((at + 8)) \
			conv=notrunc status=none
	done
	truncate -s 42M "$T/img/disk"
	printf 'label: dos\nstart=2048, size=40960, type=6\nstart=43008, size=40960\n' |
		sfdisk -q "$T/img/disk"
	dd if="$T/img/fat" of="$T/img/disk" bs=1M seek=1 conv=notrunc status=none
	dd if="$T/ext" of="$T/img/disk" bs=1M seek=21 conv=notrunc status=none
	seal fat disk
	expect 0 sandbox mount $H "$T/img/disk"
	expect 1 "${me[@]}" cat "$MNT/p1/d/a long name"
	has "$stderr" "Input/output error"
	[ "$("${me[@]}" stat -c %s "$MNT/p1/d/a long name")" = 300000 ]
	# what is in front of the break is there
	"${me[@]}" head -c 65536 "$MNT/p1/d/a long name" |
		cmp - <(head -c 65536 "$file")
	"${me[@]}" cmp "$T/tree/d/whole" "$MNT/p1/d/whole"
	expect 1 "${me[@]}" cat "$MNT/p2/d/free"
	has "$stderr" "Bad message"
	expect 1 "${me[@]}" ls -l "$MNT/p2/d"
	has "$output" "whole"
	expect 2 "${me[@]}" ls "$MNT/p2/lost"
	has "$stderr" "Bad message"
	"${me[@]}" cmp "$T/tree/d/whole" "$MNT/p2/d/whole"
	expect 3 "${me[@]}" ntt-enum -q "$MNT" $H "$NTT_HOME/x.raw"
	dir=$(guest_dir)
	expect 0 sandbox unmount $H
	nothing_left
}

@test "a size that is no multiple of 512" {
	need mcopy mtools
	fat fat
	head -c 100 /dev/urandom >>"$T/img/fat"
	seal fat
	expect 0 sandbox mount $H "$T/img/fat"
	has "$stderr" "the medium (vfat) is read by the guest's kernel"
	"${me[@]}" diff -r "$T/tree" "$MNT"
	expect 0 sandbox unmount $H
}

@test "ISO 9660: a file in several extents is read to its end" {
	need genisoimage genisoimage
	local n
	mkdir "$T/parts"
	for n in A B; do head -c 20480 /dev/urandom >"$T/parts/F$n.BIN"; done
	head -c 1000 /dev/urandom >"$T/parts/FC.BIN"
	genisoimage -quiet -o "$T/img/iso" "$T/parts"
	# three records of one name, the first two to be continued
	perl -0777 -pi -e 's/\x00(.{6}\x08)FA\.BIN;1/\x80$1FA.BIN;1/s;
		s/\x00(.{6}\x08)FB\.BIN;1/\x80$1FA.BIN;1/s;
		s/FC\.BIN;1/FA.BIN;1/' "$T/img/iso"
	seal iso
	expect 0 sandbox mount $H "$T/img/iso"
	[ "$("${me[@]}" ls "$MNT")" = fa.bin ]
	cat "$T/parts/"* | "${me[@]}" cmp - "$MNT/fa.bin"
	expect 0 sandbox unmount $H
}

@test "drivers, a volume in two pieces, a disc of two kinds, rare ones" {
	need_loop
	need mkntfs ntfs-3g
	need mkfs.exfat exfatprogs
	need mount.exfat-fuse exfat-fuse
	need lvcreate lvm2
	need xorriso xorriso
	need mkfs.jfs jfsutils
	need mkfs.reiserfs reiserfsprogs
	need mkudffs udftools
	need hformat hfsutils
	local n start loop
	mkdir "$T/m" "$T/w"
	truncate -s 20M "$T/w/fs"; mkfs.ext4 -q -d "$T/tree" "$T/w/fs"
	cp -a "$T/tree" "$T/w/tree"
	truncate -s 20M "$T/w/jfs" "$T/w/udf" "$T/w/hfs"
	truncate -s 40M "$T/w/reiserfs"
	mkfs.jfs -q "$T/w/jfs" >/dev/null
	mkfs.reiserfs -q -f -s 513 "$T/w/reiserfs" >/dev/null 2>&1
	mkudffs "$T/w/udf" >/dev/null
	hformat -l volume "$T/w/hfs" >/dev/null
	cat >"$T/w/script" <<-'X'
	modprobe -a loop dm-mod jfs reiserfs udf hfs nls_iso8859-1
	for t in jfs reiserfs udf hfs; do
		mkdir /run/$t
		mount -o loop -t $t $t /run/$t && cp -r tree/. /run/$t &&
			umount /run/$t || exit 1
	done
	mkdir -p /run/lock/lvm /run/lvm
	cat >/run/lvm/lvm.conf <<C
	activation { udev_sync=0 udev_rules=0 }
	devices { use_devicesfile=0 obtain_device_list_from_udev=0
		external_device_info_source="none" }
	C
	export LVM_SYSTEM_DIR=/run/lvm
	truncate -s 64M lvm
	a=$(losetup -f --show lvm)
	pvcreate -qq -y $a && vgcreate -qq vg $a &&
	lvcreate -qq -y -Wn -Zn -L 12M -n home vg &&
	lvcreate -qq -y -Wn -Zn -L 12M -n other vg &&
	lvextend -qq -L +8M vg/home &&
	dd if=fs of=/dev/mapper/vg-home bs=1M status=none &&
	lvchange -qq -an vg && losetup -d $a
	X
	"$BATS_TEST_DIRNAME/uml" "$T/w" script
	truncate -s 20M "$T/ntfs"; mkntfs -q -F "$T/ntfs" 2>/dev/null
	ntfs-3g "$T/ntfs" "$T/m"
	cp -a "$T/tree/." "$T/m"; umount "$T/m"
	truncate -s 20M "$T/exfat"; mkfs.exfat "$T/exfat" >/dev/null
	loop=$(losetup -f --show "$T/exfat")
	mount.exfat-fuse "$loop" "$T/m"
	cp -r "$T/tree/." "$T/m"; umount "$T/m"
	losetup -d "$loop"
	xorriso -as mkisofs -quiet -hfsplus -R -o "$T/hybrid" "$T/tree"
	dd if="$T/hybrid" of="$T/hfsplus" bs=512 skip=128 status=none
	genisoimage -quiet -R -udf -o "$T/bridge" "$T/tree"
	# nothing but the mark is left of the UDF
	dd if=/dev/zero of="$T/bridge" bs=2048 seek=257 count=8 conv=notrunc \
		status=none
	truncate -s 302M "$T/img/disk"
	{
		printf 'label: gpt\nsize=64MiB\n'
		printf 'size=20MiB\n%.0s' {1..7}
		echo size=40MiB
	} | sfdisk -q "$T/img/disk"
	start=1
	for n in w/lvm ntfs exfat hfsplus bridge w/jfs w/udf w/hfs w/reiserfs; do
		dd if="$T/$n" of="$T/img/disk" bs=1M seek=$start \
			conv=notrunc,sparse status=none
		start=$((start == 1 ? 65 : start + 20))
	done
	seal disk
	expect 3 sandbox mount $H "$T/img/disk"
	for n in p1001 p{2..9}; do
		"${me[@]}" diff -r -x lost+found "$T/tree" "$MNT/$n"
	done
	has "$output" "\"mount\":\"$MNT/p2\",\"fstype\":\"ntfs\""
	has "$output" "\"mount\":\"$MNT/p5\",\"fstype\":\"iso9660\""
	"${me[@]}" ntt-enum -q "$MNT" $H "$NTT_HOME/x.raw"
	ntt-raw-check -q "$NTT_HOME/x.raw"
	dir=$(guest_dir)
	expect 0 sandbox unmount $H
	nothing_left
}

@test "boot sectors that are lost: their copies are used" {
	need_loop
	need mcopy mtools
	need mkntfs ntfs-3g
	need mkfs.exfat exfatprogs
	need mount.exfat-fuse exfat-fuse
	local loop start=1 n
	mkdir "$T/m"
	truncate -s 40M "$T/fat32"
	mkfs.vfat -F 32 "$T/fat32" >/dev/null
	TZ=UTC mcopy -m -s -i "$T/fat32" "$T/tree/d" ::/
	truncate -s 20M "$T/ntfs" "$T/exfat"
	mkntfs -q -F "$T/ntfs" 2>/dev/null
	ntfs-3g "$T/ntfs" "$T/m"; cp -a "$T/tree/." "$T/m"; umount "$T/m"
	mkfs.exfat "$T/exfat" >/dev/null
	loop=$(losetup -f --show "$T/exfat")
	mount.exfat-fuse "$loop" "$T/m"
	cp -r "$T/tree/." "$T/m"; umount "$T/m"
	losetup -d "$loop"
	truncate -s 82M "$T/img/disk"
	printf 'label: gpt\nsize=40MiB\nsize=20MiB\nsize=20MiB\n' |
		sfdisk -q "$T/img/disk"
	for n in fat32 ntfs exfat; do
		dd if="$T/$n" of="$T/img/disk" bs=1M seek=$start \
			conv=notrunc,sparse status=none
		dd if=/dev/zero of="$T/img/disk" bs=512 count=1 \
			seek=$((start * 2048)) conv=notrunc status=none
		start=$((start == 1 ? 41 : 61))
	done
	seal disk
	expect 0 sandbox mount $H "$T/img/disk"
	for n in p1 p2 p3; do "${me[@]}" diff -r "$T/tree" "$MNT/$n"; done
	has "$output" "its boot sector is lost: the copy at byte 1051648"
	expect 0 sandbox unmount $H
}

@test "kill -9 of any of its processes leaves nothing" {
	need mcopy mtools
	fat fat
	seal fat
	for victim in linux.uml ntt-sandbox keeper; do
		expect 0 sandbox mount $H "$T/img/fat"
		dir=$(guest_dir)
		if [ $victim = keeper ]; then
			kill -9 "$(keeper)"
		else
			kill -9 "$(child $victim)"
		fi
		nothing_left || { echo "of $victim"; return 1; }
		expect 1 sandbox status $H
	done
	# and the next one works
	expect 0 sandbox mount $H "$T/img/fat"
	"${me[@]}" diff -r "$T/tree" "$MNT"
	expect 0 sandbox unmount $H
}

@test "kill -9 of the keeper or the client of root leaves nothing" {
	need mcopy mtools
	[ "$(id -u)" = 0 ] || skip "needs root"
	me=()
	chown root "$NTT_HOME"
	fat fat
	seal fat
	for victim in ntt-sandbox keeper; do
		expect 0 sandbox mount $H "$T/img/fat"
		dir=$(guest_dir)
		[ "$(ps -o user= -p "$(child ntt-sandbox)")" = nobody ]
		[ "$(ps -o user= -p "$(child linux.uml)")" = nobody ]
		setpriv --reuid=nobody --regid=nogroup --clear-groups \
			cat "$MNT/d/Hello.txt"
		if [ $victim = keeper ]; then
			kill -9 "$(keeper)"
		else
			kill -9 "$(child $victim)"
		fi
		nothing_left || { echo "of $victim"; return 1; }
	done
}

@test "unmount where processes of the sandbox were killed: it cleans up" {
	need mcopy mtools
	local try rc
	fat fat
	seal fat
	# all at once: nobody is left to unmount
	expect 0 sandbox mount $H "$T/img/fat"
	dir=$(guest_dir)
	kill -9 "$(child ntt-sandbox)" "$(keeper)" "-$(child linux.uml)"
	grep -qF "$MNT" /proc/self/mountinfo
	expect 1 sandbox status $H
	expect 0 sandbox unmount $H
	nothing_left
	[ ! -e "$MNT" ] && [ ! -e "$NTT_HOME/run/mount-$H.registry" ]
	expect 2 sandbox unmount $H
	# while they end
	for try in 1 2 3; do
		expect 0 sandbox mount $H "$T/img/fat"
		dir=$(guest_dir)
		kill -9 "$(child linux.uml)"
		rc=0; sandbox unmount $H >/dev/null 2>"$T/err" || rc=$?
		[ $rc = 0 ] || [ $rc = 2 ] || { cat "$T/err"; return 1; }
		nothing_left
		[ ! -e "$MNT" ]
	done
}

@test "what cannot be mounted, what is in use, what is missing" {
	need mcopy mtools
	fat fat
	seal fat
	head -c 1M /dev/zero >"$T/img/zero"
	expect 1 sandbox mount $H "$T/img/zero"
	has "$stderr" "cannot mount \"$T/img/zero\": "
	expect 1 sandbox mount $H "$T/img/none"
	expect 64 sandbox mount ../../etc "$T/img/fat"
	# a FAT whose parameters are recognised and mean nothing
	cp "$T/img/fat" "$T/img/bad"
	printf '\377' | dd of="$T/img/bad" bs=1 seek=13 conv=notrunc status=none
	expect 1 sandbox mount $H "$T/img/bad"
	has "$output" '"partitions":['
	[ -z "$(keeper)" ]
	expect 0 sandbox mount $H "$T/img/fat"
	dir=$(guest_dir)
	exec 8<"$NTT_HOME/run/use-$H.lock"
	flock -s 8
	expect 75 sandbox unmount $H
	exec 8<&-
	expect 0 sandbox unmount $H
	expect 127 "${me[@]}" env PATH="$T" "$NTT_BUILD/bin/ntt-sandbox" \
		mount $H "$T/img/fat"
	has "$stderr" "not installed: user-mode-linux, fuse3"
	SUDO_UID=1000 expect 64 ntt-mount-helper --sandbox mount $H "$T/img/fat"
	has "$stderr" "run it without sudo"
}

@test "who has no rights, and what the kernel has not, need no --sandbox" {
	need mcopy mtools
	need b3sum b3sum
	need xorriso xorriso
	fat x.img
	truncate -s 62M "$T/img/two"
	printf 'label: gpt\nsize=20MiB\nsize=20MiB\nsize=20MiB\n' |
		sfdisk -q "$T/img/two"
	truncate -s 20M "$T/ext"; mkfs.ext4 -q -d "$T/tree" "$T/ext"
	xorriso -as mkisofs -quiet -hfsplus -R -o "$T/hybrid" "$T/tree"
	dd if="$T/ext" of="$T/img/two" bs=1M seek=1 conv=notrunc status=none
	dd if="$T/img/x.img" of="$T/img/two" bs=1M seek=21 conv=notrunc status=none
	dd if="$T/hybrid" bs=512 skip=128 status=none |
		dd of="$T/img/two" bs=1M seek=41 conv=notrunc status=none
	seal x.img two
	hash=$(ntt-identify --json "$T/img/x.img" |
		sed 's/.*"hash":"\([^"]*\)".*/\1/')
	(cd / && "${me[@]}" ntt-orchestrator -q --image "$T/img/x.img" 3>&-)
	diff -r "$T/tree" "$NTT_HOME/archived/$hash"
	! grep -F "$T" /proc/self/mountinfo || return 1
	# root, and file systems that this kernel may not have
	need_loop
	"${me[@]}" ntt-db stop -q
	chown root "$NTT_HOME"; rm -rf "${NTT_HOME:?}"/*
	hash=$(ntt-identify --json "$T/img/two" |
		sed 's/.*"hash":"\([^"]*\)".*/\1/')
	me=()
	ntt-orchestrator -q --image "$T/img/two" 3>&-
	for p in p1 p2 p3; do
		diff -r -x lost+found "$T/tree" "$NTT_HOME/archived/$hash/$p"
	done
	! grep -F "$T" /proc/self/mountinfo || return 1
}

@test "the whole pipeline of an image without root" {
	need mcopy mtools
	need b3sum b3sum
	fat x.img
	seal x.img
	hash=$(ntt-identify --json "$T/img/x.img" |
		sed 's/.*"hash":"\([^"]*\)".*/\1/')
	(cd / && "${me[@]}" ntt-orchestrator -q --sandbox \
		--image "$T/img/x.img" 3>&-)
	diff -r "$T/tree" "$NTT_HOME/archived/$hash"
	[ -f "$NTT_HOME/archives/$hash.tar.zst" ]
	! grep -F "$T" /proc/self/mountinfo || return 1
	expect 64 "${me[@]}" ntt-orchestrator --sandbox "$T/tree"
	has "$stderr" "nothing to mount"
	expect 64 ntt-orchestrator --sandbox --load-only "$T/$hash.raw"
}

@test "the whole pipeline of a device, mounted by no kernel but the guest's" {
	need_loop
	need b3sum b3sum
	need ddrescue gddrescue
	me=()
	chown root "$NTT_HOME"
	# which this machine could mount, too
	truncate -s 20M "$T/img/x.img"
	mkfs.ext4 -q -d "$T/tree" "$T/img/x.img"
	seal x.img
	dev=$(losetup -r -f --show "$T/img/x.img")
	ntt-orchestrator -q --sandbox --keep-mounted "$dev" 3>&- || {
		losetup -d "$dev"; return 1; }
	losetup -d "$dev"
	hash=$(basename "$NTT_HOME"/img/*.img .img)
	has "$(grep -F "$T" /proc/self/mountinfo)" 'fuse.ntt-guest ntt-sandbox'
	diff -r -x lost+found "$T/tree" "$NTT_HOME/archived/$hash"
	ntt-sandbox unmount "$hash" >/dev/null
	! grep -F "$T" /proc/self/mountinfo || return 1
}

@test "which bytes of which file were lost, FAT and ISO 9660" {
	need mcopy mtools
	need b3sum b3sum
	need genisoimage genisoimage
	fat fat
	genisoimage -quiet -R -o "$T/iso" "$T/tree"
	truncate -s 24M "$T/img/x.img"
	printf 'label: gpt\nsize=20MiB\n-\n' | sfdisk -q "$T/img/x.img"
	dd if="$T/img/fat" of="$T/img/x.img" bs=1M seek=1 conv=notrunc status=none
	dd if="$T/iso" of="$T/img/x.img" bs=1M seek=21 conv=notrunc status=none
	# the place of the file's fourth kilobyte in each
	at=$(perl -0777 -e 'open F, shift; open I, shift; $f = <F>; $i = <I>;
		print join " ", map { index($i, substr($f, 0, 2048), $_ << 20)
		+ 4096 } 1, 21' "$T/tree/d/a long name" "$T/img/x.img")
	read -r one two <<<"$at"
	printf '0x0 + 1\n0 %d +\n%d 512 -\n%d %d +\n%d 2048 -\n%d %d +\n' \
		"$one" "$one" $((one + 512)) $((two - one - 512)) "$two" \
		$((two + 2048)) $(((24 << 20) - two - 2048)) >"$T/img/x.map"
	seal x.img
	hash=$(ntt-identify --json "$T/img/x.img" |
		sed 's/.*"hash":"\([^"]*\)".*/\1/')
	cd /
	expect 3 "${me[@]}" ntt-orchestrator -q --no-archive --sandbox \
		--image "$T/img/x.img" 3>&-
	expect 0 "${me[@]}" ntt-recover-failed list-damaged -m "$hash"
	# what the guest reads ahead may cast doubt on a neighbour, and that is said
	diff <(grep -v '^unknown ' <<<"$output") - <<-'END'
	4096-4607 "p1/d/a long name"
	4096-6143 "p2/d/a long name"
	END
}

@test "a CD of several sessions: the files of all" {
	need genisoimage genisoimage
	mkdir "$T/more"; echo second >"$T/more/second"
	genisoimage -quiet -R -o "$T/first" "$T/tree"
	at=$(($(stat -c %s "$T/first") / 2048 + 11400))
	genisoimage -quiet -R -C 0,$at -M "$T/first" -o "$T/last" "$T/more"
	cp "$T/first" "$T/img/iso"
	dd if="$T/last" of="$T/img/iso" bs=2048 seek=$at conv=notrunc status=none
	# the image of another disc as a file is no session
	cp "$T/first" "$T/tree/inner.iso"
	genisoimage -quiet -R -o "$T/img/outer" "$T/tree"
	# a DVD: each session of a gigabyte but for the last
	far=$((1 << 19))
	cp "$T/first" "$T/img/dvd"
	perl -e 'open F, "+<", $ARGV[0]; seek F, 16 * 2048 + 80, 0;
		print F pack("VN", $ARGV[1] - 20000, $ARGV[1] - 20000)' \
		"$T/img/dvd" $far
	for n in 1 2; do
		genisoimage -quiet -R -C 0,$((n * far)) -M "$T/first" \
			-o "$T/last" "$T/more"
		dd if="$T/last" of="$T/img/dvd" bs=2048 seek=$((n * far)) \
			conv=notrunc status=none
		echo third >"$T/more/second"
		perl -e 'open F, "+<", $ARGV[0]; seek F, ($ARGV[1] + 16) * 2048
			+ 80, 0; print F pack("VN", ($ARGV[1] - 20000) x 2)' \
			"$T/img/dvd" $far
	done
	seal iso outer
	for image in iso dvd; do
		expect 0 sandbox mount $H "$T/img/$image"
		word=$([ $image = iso ] && echo second || echo third)
		[ "$("${me[@]}" cat "$MNT/second" "$MNT/d/Hello.txt")" = "$word
hello" ]
		expect 0 sandbox unmount $H
	done
	expect 0 sandbox mount $H "$T/img/outer"
	"${me[@]}" cmp "$T/first" "$MNT/inner.iso"
	expect 0 sandbox unmount $H
}
