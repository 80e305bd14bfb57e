#!/usr/bin/env bats
# slow: boots user-mode-linux
#
# ntt-mount-helper on a kernel that has vfat, udf, hfs and the rest, with
# arrays and volume groups made by mdadm and lvm2.

load lib

setup() {
	isolate
	need linux.uml user-mode-linux
	need insmod kmod
	mkdir -p "$T/w/img"
	W=$T/w
	tree
	cat >"$W/prelude" <<-X
	for m in loop fuse vfat isofs udf hfs hfsplus nls_utf8 nls_cp437 \
		nls_iso8859-1 nls_ascii; do modprobe \$m; done
	export NTT_HOME=/run/ntt H=0123456789abcdef
	MNT=/run/ntt/mnt/\$H
	helper=$NTT_BUILD/bin/ntt-mount-helper
	# check IMAGE DIR TEXT: mounts it and compares what is in DIR of it
	check() {
		echo "== \$1"
		local out rc=0 sum
		sum=\$(sha256sum <img/\$1)
		out=\$(\$helper mount \$H img/\$1) || rc=\$?
		echo "\$out"
		case \$out in *"\$3"*) ;; *) echo "no \$3"; return 1 ;; esac
		diff -r tree "\$MNT\$2" && [ "\$(stat -c %Y tree/d/Hello.txt)" = \
			"\$(stat -c %Y "\$MNT\$2/d/Hello.txt")" ] || return 1
		\$helper -q unmount \$H >/dev/null || return 1
		[ "\$sum" = "\$(sha256sum <img/\$1)" ] || return 1
		losetup -a | grep . && return 1
		return 0
	}
	X
}

tree() {
	mkdir -p "$W/tree/d"
	echo hello >"$W/tree/d/Hello.txt"
	head -c 50000 /dev/urandom >"$W/tree/d/a long name, ünï"
	touch -d '2001-02-03 04:05:06 UTC' "$W/tree/d/Hello.txt"
}

boot() {
	cat "$W/prelude" - >"$W/script"
	run "$BATS_TEST_DIRNAME/uml" "$W" script
	echo "$output"
	[ "$status" = 0 ]
}

fat() {
	mkfs.vfat "$@" >/dev/null
}

@test "FAT, ISO 9660, UDF, HFS+, Zip disks on a kernel that has them" {
	need mcopy mtools
	need mkfs.vfat dosfstools
	need xorriso xorriso
	need genisoimage genisoimage
	export TZ=UTC MTOOLS_SKIP_CHECK=1
	local img=$W/img
	truncate -s 20M "$img/fat"; fat -F 16 -n LABEL "$img/fat"
	mcopy -m -s -i "$img/fat" "$W/tree/d" ::/
	truncate -s 1440k "$img/floppy"; fat "$img/floppy"
	mcopy -m -s -i "$img/floppy" "$W/tree/d" ::/
	truncate -s 96M "$img/zip"; fat --offset=32 "$img/zip"
	mcopy -m -s -i "$img/zip@@16384" "$W/tree/d" ::/
	cp --sparse=always "$img/zip" "$img/ziptable"
	printf 'label: dos\n4: start=32,type=6\n' |
		sfdisk -q --wipe never "$img/ziptable"
	genisoimage -quiet -R -J -o "$img/iso" "$W/tree"
	genisoimage -quiet -R -udf -o "$img/bridge" "$W/tree"
	cp "$img/bridge" "$img/damaged"
	dd if=/dev/zero of="$img/damaged" bs=2048 seek=16 count=1 \
		conv=notrunc status=none
	xorriso -as mkisofs -quiet -hfsplus -R -o "$img/hybrid" "$W/tree"
	dd if="$img/hybrid" of="$img/hfsplus" bs=512 skip=128 status=none
	boot <<-'X'
	check fat "" '"fstype":"vfat","status":"ok"' &&
	check floppy "" '"fstype":"vfat","status":"ok"' &&
	check zip "" '"status":"ok","start":16384' &&
	check ziptable /p4 '"num":4' &&
	check iso "" '"fstype":"iso9660","status":"ok"' &&
	check bridge "" '"fstype":"udf","status":"ok"' &&
	check damaged "" '"fstype":"udf","status":"ok"' &&
	check hybrid /p5 '"fstype":"iso9660","status":"ok"' &&
	check hybrid /p3 '"fstype":"hfsplus","status":"ok"' &&
	check hfsplus "" '"fstype":"hfsplus","status":"ok"'
	X
}

@test "RAID1 members as mdadm makes them, all superblocks" {
	need mdadm mdadm
	mkfs.ext4 -q -d "$W/tree" "$W/fs" 8M
	sed -i 's/diff -r/diff -r --exclude=lost+found/' "$W/prelude"
	boot <<-'X'
	for m in md-mod raid1; do modprobe $m; done
	mkdir -p /run/mdadm
	for v in 0.90 1.0 1.1 1.2; do
		truncate -s 24M img/$v other
		a=$(losetup -f --show img/$v) b=$(losetup -f --show other)
		rm -f /dev/md9; mknod /dev/md9 b 9 9
		mdadm -q --create /dev/md9 --run --metadata=$v --level=1 \
			--raid-devices=2 --assume-clean $a $b
		dd if=fs of=/dev/md9 bs=1M status=none
		mdadm -q --stop /dev/md9
		losetup -d $a; losetup -d $b
		check $v "" "\"raid\":{\"version\":\"$v\"" || exit 1
	done
	! grep ^md /proc/mdstat || return 1
	X
}

@test "LVM2 volumes as lvm2 makes them" {
	need lvm lvm2
	mkfs.ext4 -q -d "$W/tree" "$W/fs" 8M
	sed -i 's/diff -r/diff -r --exclude=lost+found/' "$W/prelude"
	boot <<-'X'
	modprobe dm-mod
	mkdir -p /run/lock/lvm /run/lvm
	cat >/run/lvm/lvm.conf <<C
	activation { udev_sync=0 udev_rules=0 }
	devices { use_devicesfile=0 obtain_device_list_from_udev=0
		external_device_info_source="none" }
	C
	export LVM_SYSTEM_DIR=/run/lvm
	truncate -s 64M img/lvm
	a=$(losetup -f --show img/lvm)
	pvcreate -qq -y $a && vgcreate -qq vg $a &&
	lvcreate -qq -y -Wn -Zn -L 12M -n home vg &&
	lvcreate -qq -y -Wn -Zn -L 12M -n root vg &&
	lvextend -qq -L +8M vg/home &&
	dd if=fs of=/dev/mapper/vg-root bs=1M status=none &&
	dd if=fs of=/dev/mapper/vg-home bs=1M status=none &&
	lvchange -qq -an vg && losetup -d $a || exit 1
	check lvm /p2 '"lvs":["home","root"]' &&
	check lvm /p1 '"num":1,"device":"/dev/dm-' && ! dmsetup ls | grep ntt
	X
}
