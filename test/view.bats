#!/usr/bin/env bats
# slow: boots user-mode-linux
#
# Images that were not rescued whole, or that end too early: ntt-view by itself,
# what ntt-mount-helper mounts through it, and what the others make of that.

load lib

H=0123456789abcdef

setup_file() {
	export BATS_TEST_TIMEOUT=300	# what hangs has failed
}

setup() {
	isolate
	MNT=$NTT_HOME/mnt/$H
	FAIL=$NTT_HOME/mnt/.failing/$H
	LOG=$NTT_HOME/run/view-$H.refused
	helper=$NTT_BUILD/bin/ntt-mount-helper
	: >"$T/sums"
}

teardown() {
	local point
	[ -z "${VIEW:-}" ] || kill -CONT "$VIEW" 2>/dev/null || :
	tac /proc/self/mountinfo | cut -d' ' -f5 | grep -F "$T" |
		while IFS= read -r point; do
			umount -l "$(printf %b "$point")"
		done
	detach_loops
	[ ! -s "$T/sums" ] || ( cd "$T" && sha256sum -c --quiet sums )
}

# map_without FILE SIZE FROM LENGTH...: what was rescued, in ascending order
map_without() {
	local file=$1 size=$2 at=0
	shift 2
	echo '0x0 + 1' >"$file"
	while [ $# -gt 0 ]; do
		[ "$1" = $at ] || echo "$at $(($1 - at)) +" >>"$file"
		echo "$1 $2 -" >>"$file"
		at=$(($1 + $2))
		shift 2
	done
	echo "$at $((size - at)) +" >>"$file"
}

# lose FILE FROM LENGTH: as ddrescue leaves it
lose() {
	dd if=/dev/zero of="$1" bs=1 seek="$2" count="$3" conv=notrunc \
		status=none
}

# show IMAGE OPTION...: in the background, at $T/v
show() {
	mkdir -p "$T/v"
	ntt-view "${@:2}" "$1" "$T/v" 3>&- &
	VIEW=$!
	await '[ -e "$T/v/image" ]' $VIEW
}

# ---- the program ----

@test "lost bytes fail in one file and are zeros in the other" {
	head -c 1000000 /dev/urandom >"$T/i.img"
	map_without "$T/i.map" 1000000 102400 512
	lose "$T/i.img" 102400 512
	show "$T/i.img" --map "$T/i.map"
	[ "$(stat -c %s "$T/v/image" "$T/v/plain" "$T/v/refused")" = \
		$'1003520\n1003520\n0' ]
	cmp -n 1000000 "$T/v/plain" "$T/i.img"
	dd if="$T/v/image" of="$T/before" bs=512 count=200 status=none
	cmp -n 102400 "$T/before" "$T/i.img"
	dd if="$T/v/image" of="$T/behind" bs=512 skip=201 status=none
	cmp -n 897088 "$T/behind" <(tail -c +102913 "$T/i.img")
	[ ! -s "$T/v/refused" ]
	# nothing of an answer that has a lost byte
	run dd if="$T/v/image" of="$T/got" bs=4096 skip=25 count=1
	[ $status = 1 ] && has "$output" "Input/output error"
	[ ! -s "$T/got" ]
	[ "$(cat "$T/v/refused")" = "00000000000000102400 0000004096" ]
	! dd if="$T/v/image" of="$T/got" bs=512 skip=200 count=1 2>/dev/null || return 1
	[ "$(stat -c %s "$T/v/refused")" = 64 ]
	! : >"$T/v/image" || return 1
	fusermount3 -u "$T/v"
	wait $VIEW
}

@test "a user without rights shows an image" {
	head -c 10000 /dev/urandom >"$T/i.img"
	chmod 644 "$T/i.img"; mkdir "$T/v"; chown nobody "$T/v"; chmod 755 "$T"
	setpriv --reuid nobody --clear-groups \
		"$NTT_BUILD/bin/ntt-view" --length 100K "$T/i.img" "$T/v" 3>&- &
	VIEW=$!
	await 'grep -q " $T/v " /proc/self/mountinfo' $VIEW
	setpriv --reuid nobody --clear-groups sh -c 'cmp -n 10000 "$0/v/plain" \
		"$0/i.img" && test $(stat -c %s "$0/v/image") = 102400 &&
		! cat "$0/v/image" >/dev/null' "$T"
	kill $VIEW
	wait $VIEW || [ $? = 143 ]
	! grep " $T/v " /proc/self/mountinfo || return 1
}

@test "a view is killed: reading fails at once" {
	head -c 10000 /dev/urandom >"$T/i.img"
	show "$T/i.img"
	kill -9 $VIEW
	wait $VIEW || :
	! cat "$T/v/plain" || return 1
}

@test "pieces come by a descriptor, and the log goes to one" {
	head -c 8192 /dev/urandom >"$T/i.img"
	: >"$T/log"
	mkdir "$T/v"
	ntt-view --spec 5 --log 6 "$T/i.img" "$T/v" 3>&- 6<>"$T/log" 5<<-X &
	ntt-view 1
	copy 0 4096 4096
	bytes 4096 3 616263
	zero 4099 4093
	lost 8192 4096
	X
	VIEW=$!
	await '[ -e "$T/v/plain" ]' $VIEW
	cmp -n 4096 "$T/v/plain" <(tail -c 4096 "$T/i.img")
	[ "$(dd if="$T/v/image" bs=1 skip=4096 count=3 status=none)" = abc ]
	! dd if="$T/v/image" of=/dev/null bs=4096 skip=2 2>/dev/null || return 1
	[ "$(cat "$T/log")" = "00000000000000008192 0000004096" ]
	kill $VIEW; wait $VIEW || :
	expect 1 ntt-view --spec 0 "$T/i.img" "$T/v" <<<"ntt-view 2"
	has "$stderr" "cannot use the view in descriptor 0"
	expect 64 ntt-view --spec 0 --length 3 "$T/i.img" "$T/v"
}

# ---- ntt-mount-helper ----

tree() {
	mkdir -p "$T/src/dir"
	local i
	for i in {100..399}; do echo "$i" >"$T/src/dir/file$i"; done
	head -c 200000 /dev/urandom >"$T/src/big"
	head -c 20000 /dev/urandom >"$T/src/other"
}

# block IMAGE FILE N: the N-th block of a file of ext4, in bytes of the image
block() {
	debugfs -R "blocks /$2" "$1" 2>/dev/null |
		awk -v n="$3" '{ print $n * 1024 }'
}

# damaged: $T/i.img, ext4, with a bad sector in a directory and one in a file
damaged() {
	need_loop
	need debugfs e2fsprogs
	tree
	mkfs.ext4 -q -b 1024 -O ^metadata_csum -d "$T/src" "$T/i.img" 16M
	local dir file
	dir=$(block "$T/i.img" dir 2)
	file=$(block "$T/i.img" big 20)
	lose "$T/i.img" "$dir" 512
	lose "$T/i.img" "$file" 512
	if [ "$dir" -lt "$file" ]; then
		map_without "$T/i.map" $((16 << 20)) "$dir" 512 "$file" 512
	else
		map_without "$T/i.map" $((16 << 20)) "$file" 512 "$dir" 512
	fi
	( cd "$T" && sha256sum i.img i.map >sums )
}

# viewer: the process that serves the medium
viewer() {
	lslocks -n -r -u -o PID,PATH | awk -v path="$LOG" '$2 == path { print $1 }'
}

gone() {
	[ -z "$(ls -l /proc/[0-9]*/fd 2>/dev/null | grep -F "$T/i.img")" ]
	[ ! -e "$LOG" ] && [ ! -e "$NTT_HOME/run/mount-$H.registry" ]
	[ ! -e "$MNT" ] && [ ! -e "$NTT_HOME/mnt/.failing" ]
	[ -z "$(grep -F "$T" /proc/self/mountinfo)" ]
}

@test "everything was rescued: the loop is on the image" {
	need_loop
	tree
	mkfs.ext4 -q -d "$T/src" "$T/i.img" 16M
	echo $'0x0 + 1\n0 16777216 +' >"$T/i.map"
	expect 0 "$helper" mount $H "$T/i.img"
	[ "$(losetup -n -O NAME -j "$T/i.img" | wc -l)" = 1 ]
	[ "$(jq -r '.refused, .partitions[0].failing' <<<"$output")" = \
		$'null\nnull' ]
	[ ! -e "$LOG" ]
	expect 0 "$helper" unmount $H
	gone
}

@test "one of the two mounts is left: that is not unmounted" {
	damaged
	expect 0 "$helper" mount $H "$T/i.img"
	umount "$MNT"
	mountpoint -q "$FAIL"
	expect 1 "$helper" status $H
	has "$output" "not mounted as it was registered"
	expect 0 "$helper" unmount $H
	gone
	# and no registry, as when the helper was killed
	expect 0 "$helper" mount $H "$T/i.img"
	umount "$MNT"
	rm "$NTT_HOME/run/mount-$H.registry"
	expect 1 "$helper" status $H
	has "$output" "not mounted as it was registered"
	expect 0 "$helper" unmount $H
	[ -z "$(grep -F "$T" /proc/self/mountinfo)" ]
	# nothing is left to be done of it, but this
	fresh_db
	expect 3 ntt-orchestrator -q --image "$T/i.img"
	H=$(sql "SELECT medium_hash FROM medium")
	ntt-recover-failed accept -q -m "$H" --all --reason "a test"
	expect 0 "$helper" mount "$H" "$T/i.img"
	umount "$NTT_HOME/mnt/$H"
	expect 1 ntt-archiver -q "$H"
	has "$stderr" "it is mounted"
	expect 0 ntt-orchestrator -q --image "$T/i.img"
	[ -z "$(grep -F "$T" /proc/self/mountinfo)" ]
}

@test "a damaged volume is mounted twice, and nothing stays of it" {
	damaged
	expect 0 "$helper" mount $H "$T/i.img"
	[ "$(jq -r '.refused, .partitions[0].mount, .partitions[0].failing,
		.partitions[0].lost' <<<"$output")" = \
		"$LOG"$'\n'"$MNT"$'\n'"$FAIL"$'\n1024' ]
	cmp "$MNT/other" "$T/src/other"
	cmp "$FAIL/other" "$T/src/other"
	[ "$(wc -c <"$MNT/big")" = 200000 ]
	! cat "$FAIL/big" >"$T/part" || return 1
	! ls "$FAIL/dir" >/dev/null || return 1
	[ $(($(stat -c %s "$LOG") % 32)) = 0 ] && [ -s "$LOG" ]
	# without rights, and of no use to who would take it over
	VIEW=$(viewer)
	[ "$(awk '/^Uid/ { print $2 $3 $4 } /^NoNewPrivs/ { print $2 }
		/^CapEff/ { print $2 }' "/proc/$VIEW/status")" = \
		$'655346553465534\n0000000000000000\n1' ]
	expect 0 "$helper" mount $H "$T/i.img"
	has "$output" '"already":true'
	expect 0 "$helper" unmount $H
	VIEW=
	gone
}

@test "the view is killed: errors at once, not mounted, mounted again" {
	damaged
	expect 0 "$helper" mount $H "$T/i.img"
	kill -9 "$(viewer)"
	echo 3 >/proc/sys/vm/drop_caches
	! cat "$MNT/other" >/dev/null || return 1
	expect 1 "$helper" status $H
	expect 0 "$helper" mount $H "$T/i.img"
	has "$output" '"already":false'
	cmp "$MNT/other" "$T/src/other"
	expect 0 "$helper" unmount $H
	gone
}

@test "the view hangs: unmounting ends it" {
	damaged
	expect 0 "$helper" mount $H "$T/i.img"
	VIEW=$(viewer)
	kill -STOP "$VIEW"
	expect 0 "$helper" --timeout 2 unmount $H
	[ ! -d "/proc/$VIEW" ] || grep -q '^State:.Z' "/proc/$VIEW/status"
	VIEW=
	gone
}

@test "a map that cannot be read is said, and the image mounted" {
	need_loop
	tree
	mkfs.ext4 -q -d "$T/src" "$T/i.img" 16M
	echo garbage >"$T/i.map"
	expect 0 "$helper" mount $H "$T/i.img"
	has "$stderr" "the map is ignored: $T/i.map:1:"
	expect 0 "$helper" unmount $H
	rm "$T/i.map"; ln -s /etc/shadow "$T/i.map"
	expect 0 "$helper" mount $H "$T/i.img"
	has "$stderr" "i.map\" is ignored: it is a symbolic link"
	expect 0 "$helper" unmount $H
}

@test "ntt-view that others can change is not run under sudo" {
	damaged
	mkdir -p "$T/bin" "$T/sys/img"
	cp "$NTT_BUILD/bin/ntt-mount-helper" "$NTT_BUILD/bin/ntt-view" "$T/bin"
	ln "$T/i.img" "$T/i.map" "$T/sys/img"
	mkdir -p "$T/etc/ntt"
	cp /etc/passwd /etc/group /etc/nsswitch.conf "$T/etc/"
	echo "NTT_HOME=$T/sys" >"$T/etc/ntt/ntt.env"
	chmod 777 "$T/bin/ntt-view"
	SUDO_UID=1000 expect 1 unshare -m --propagation slave sh -c \
		'mount --bind "$0" /etc && exec "$@"' "$T/etc" \
		"$T/bin/ntt-mount-helper" mount $H "$T/sys/img/i.img"
	has "$stderr" "ntt-view can be changed by others than root"
	chmod 755 "$T/bin/ntt-view"
	SUDO_UID=1000 expect 0 unshare -m --propagation slave sh -c \
		'mount --bind "$0" /etc && exec "$@"' "$T/etc" \
		"$T/bin/ntt-mount-helper" mount $H "$T/sys/img/i.img"
}

@test "killed at any moment while it mounts a view: nothing is left" {
	damaged
	local i
	for i in {1..12}; do
		"$helper" mount $H "$T/i.img" >"$T/out" 2>&1 &
		sleep "0.0$((i * 7 % 10))"
		kill -9 $! 2>"$T/err" || :
		wait $! || :
		expect 0 "$helper" mount $H "$T/i.img"
		cmp "$MNT/other" "$T/src/other"
		expect 0 "$helper" unmount $H
		gone
	done
}

# ---- images that end too early ----

# short IMAGE AT MISSING [PROGRAM]: of what is in it some files are whole
short() {
	local program=${4:-$helper}
	( cd "$T" && sha256sum "$1" >sums )
	expect 3 "$program" mount $H "$T/$1"
	[ "$(jq -r '.partitions[0].status' <<<"$output")" = truncated ]
	has "$(jq -r '.partitions[0].reason' <<<"$output")" \
		"the image ends $3 before the volume does"
	[ "$(jq -r '.partitions[0].failing' <<<"$output")" != null ]
	local f whole=0
	for f in "$T/src"/f?; do
		cmp -s "$f" "$MNT$2/${f##*/}" && whole=$((whole + 1))
	done
	[ $whole -gt 1 ] && [ $whole -lt 9 ]
	expect 0 "$program" unmount $H
	gone
}

ten_files() {
	need_loop
	mkdir "$T/src"
	local i
	for i in {1..9}; do head -c 2000000 /dev/urandom >"$T/src/f$i"; done
}

@test "ext4 whose end is missing" {
	ten_files
	mkfs.ext4 -q -d "$T/src" "$T/i.img" 24M
	truncate -s 12M "$T/i.img"
	short i.img "" "13 MB"
}

@test "a partition whose end is missing" {
	ten_files
	mkfs.ext4 -q -d "$T/src" "$T/part" 24M
	truncate -s 25M "$T/i.img"
	printf 'label: dos\nstart=2048\n' | sfdisk -q "$T/i.img"
	dd if="$T/part" of="$T/i.img" bs=1M seek=1 conv=notrunc status=none
	truncate -s 13M "$T/i.img"
	short i.img /p1 "13 MB"
}

@test "a volume whose end is missing is one omission, and of its root" {
	need_loop
	fresh_db
	tree
	mkfs.ext4 -q -d "$T/src" "$T/part" 16M
	truncate -s 17M "$T/i.img"
	printf 'label: dos\nstart=2048\n' | sfdisk -q "$T/i.img"
	dd if="$T/part" of="$T/i.img" bs=1M seek=1 conv=notrunc status=none
	truncate -s 13M "$T/i.img"
	expect 3 ntt-orchestrator -q --no-archive --image "$T/i.img"
	[ "$(sql "SELECT partition, convert_from(path, 'UTF8'), detail
		FROM omission WHERE kind = 'truncated'")" = \
		"|p1|the image ends 4.2 MB before the volume does" ] ||
		{ sql "SELECT * FROM omission"; false; }
}

in_guest() {
	need linux.uml user-mode-linux
	ten_files
	mkdir "$T/rw"
	chmod 755 "$T"
	truncate -s 24M "$T/i.img"
}

# bats test_tags=guest
@test "NTFS whose end is missing" {
	need mkntfs ntfs-3g; need ntfs-3g ntfs-3g
	in_guest
	mkntfs -Q -F -q "$T/i.img" >/dev/null
	ntfs-3g "$T/i.img" "$T/rw"; cp "$T/src"/* "$T/rw"; umount "$T/rw"
	truncate -s 12M "$T/i.img"
	short i.img "" "13 MB" ntt-sandbox
}

# bats test_tags=guest
@test "FAT whose end is missing" {
	need mkfs.vfat dosfstools; need mcopy mtools
	in_guest
	mkfs.vfat "$T/i.img" >/dev/null
	mcopy -i "$T/i.img" "$T/src"/* ::
	truncate -s 12M "$T/i.img"
	short i.img "" "13 MB" ntt-sandbox
}

# bats test_tags=guest
@test "exfat whose end is missing" {
	need mkfs.exfat exfatprogs; need mount.exfat-fuse exfat-fuse
	in_guest
	mkfs.exfat "$T/i.img" >/dev/null
	LOOP=$(losetup -f --show "$T/i.img")
	mount.exfat-fuse "$LOOP" "$T/rw" >/dev/null
	cp "$T/src"/* "$T/rw"; umount "$T/rw"; losetup -d "$LOOP"
	truncate -s 12M "$T/i.img"
	short i.img "" "13 MB" ntt-sandbox
}

# bats test_tags=guest
@test "ISO 9660 whose end is missing, within a sector" {
	need genisoimage genisoimage
	in_guest
	genisoimage -quiet -R -o "$T/i.img" "$T/src"
	truncate -s 9000001 "$T/i.img"
	short i.img "" "9.4 MB" ntt-sandbox
}

# bats test_tags=guest
@test "the first FAT is lost: files are read through the second" {
	need linux.uml user-mode-linux
	need mkfs.vfat dosfstools; need mcopy mtools
	ten_files
	chmod 755 "$T"
	truncate -s 24M "$T/i.img"
	mkfs.vfat "$T/i.img" >/dev/null
	mcopy -i "$T/i.img" "$T/src"/* ::
	lose "$T/i.img" 2560 4096
	expect 0 ntt-sandbox mount $H "$T/i.img"
	has "$(jq -r '.partitions[0].reason' <<<"$output")" \
		"of its first file allocation table are read from the second"
	diff -r "$T/src" "$MNT"
	expect 0 ntt-sandbox unmount $H
}

@test "an image shorter than its map has lost what lies behind" {
	need_loop
	tree
	mkfs.ext4 -q -d "$T/src" "$T/i.img" 16M
	# the partition is whole, and the disk was larger
	printf '0x0 + 1\n0 16777216 +\n16777216 4194304 -\n' >"$T/i.map"
	expect 0 "$helper" mount $H "$T/i.img"
	diff -r --exclude=lost+found "$T/src" "$MNT"
	[ "$(jq -r '.partitions[0].failing' <<<"$output")" = null ]
	expect 0 "$helper" unmount $H
	gone
}

# ---- ntt-enum, ntt-copier ----

# omissions FILE: kind and path of each
omissions() {
	tr '\0\034' '\n\t' <"$1" | awk -F'\t' -v root="$MNT" '$1 == "o" {
		print $4, substr($7, length(root) + 1) }'
}

@test "a directory with a bad sector: names may be missing in it" {
	damaged
	expect 0 "$helper" mount $H "$T/i.img"
	expect 3 ntt-enum "$MNT" $H "$T/o.raw"
	has "$(omissions "$T/o.raw")" "names_may_be_missing /dir"
	! has "$(omissions "$T/o.raw")" "inode_damaged" || return 1
	has "$stderr" 'names may be missing in it'
	# of the names that the bad sector left, each is in the list
	[ "$(tr '\0' '\n' <"$T/o.raw" | grep -c '/dir/file')" -gt 100 ]
	expect 0 "$helper" unmount $H
}

@test "an inode table with a bad sector: its inodes are named" {
	need_loop
	need debugfs e2fsprogs
	tree
	mkfs.ext4 -q -b 1024 -I 256 -O ^metadata_csum -d "$T/src" "$T/i.img" 16M
	at=$(debugfs -R 'imap /dir/file200' "$T/i.img" 2>/dev/null |
		sed -n 's/.*block \([0-9]*\), offset.*/\1/p')
	lose "$T/i.img" $((at * 1024)) 1024
	map_without "$T/i.map" $((16 << 20)) $((at * 1024)) 1024
	expect 0 "$helper" mount $H "$T/i.img"
	expect 3 ntt-enum -q "$MNT" $H "$T/o.raw"
	has "$(omissions "$T/o.raw")" "unreadable_entry /dir/file200"
	# those four of 256 bytes that the block holds: what is read ahead in the
	# table marks no others
	[ "$(omissions "$T/o.raw" | wc -l)" = 4 ]
	expect 0 "$helper" unmount $H
}

@test "a file whose file system tells no extents: lost to the sector" {
	need_loop
	fresh_db
	tree
	# btrfs has extents of its own kind
	truncate -s 128M "$T/b.img"
	mkfs.btrfs -q -m single -d single --rootdir "$T/src" "$T/b.img"
	at=$(python3 -c 'import sys
image, file = (open(n, "rb").read() for n in sys.argv[1:])
print(image.index(file[8192:8704]))' "$T/b.img" "$T/src/big")
	lose "$T/b.img" "$at" 512
	map_without "$T/b.map" $((128 << 20)) "$at" 512
	expect 3 ntt-orchestrator --no-archive --image "$T/b.img"
	[ "$(sql "SELECT convert_from(path, 'UTF8'), determined, extents
		FROM inode_damage JOIN path USING (medium_hash, dev, ino)")" = \
		"big|t|{[8192,12288)}" ]
	# its other bytes were read
	[ "$(sql "SELECT count(*) FROM inode WHERE status = 'success'")" = 302 ]
	check_store
}

@test "an image does not drift: another size is a failure" {
	need_loop
	fresh_db
	tree
	mkfs.ext4 -q -d "$T/src" "$T/i.img" 16M
	expect 0 ntt-orchestrator -q --no-archive --stop-after load \
		--image "$T/i.img"
	sql "UPDATE inode SET size = size + 1 WHERE size = 200000"
	M=$(sql "SELECT medium_hash FROM medium")
	expect 3 ntt-copier -q -m "$M"
	[ "$(sql "SELECT status, error_type FROM inode WHERE size = 200001")" = \
		"failed_permanent|io_error" ]
	has "$(sql "SELECT errors FROM inode WHERE size = 200001")" \
		"the file system says 200000 bytes, and 200001 were catalogued"
	[ "$(sql "SELECT count(*) FROM inode WHERE array_to_string(errors, ' ')
		LIKE '%drift%'")" = 0 ]
}

@test "what a file system asked for and nothing explains is said" {
	need_loop
	need btrfs-map-logical btrfs-progs
	fresh_db
	tree
	truncate -s 128M "$T/i.img"
	mkfs.btrfs -q -m dup --rootdir "$T/src" "$T/i.img"
	# the first of two copies of a tree that is read at once
	root=$(btrfs inspect-internal dump-tree -r "$T/i.img" |
		awk '/^device tree/ { print $7 }')
	at=$(btrfs-map-logical -l "$root" "$T/i.img" |
		awk '/^mirror 1/ { print $6 }')
	lose "$T/i.img" "$at" 512
	map_without "$T/i.map" $((128 << 20)) "$at" 512
	expect 3 ntt-orchestrator --no-archive --image "$T/i.img"
	has "$stderr" "asked for 512 B that were not rescued"
	[ "$(sql "SELECT kind, bytes, path IS NULL FROM omission")" = \
		"area_unexplained|512|t" ]
	[ "$(sql "SELECT count(*) FROM inode WHERE status = 'success'")" = 302 ]
	[ "$(sql "SELECT count(*) FROM inode_damage")" = 0 ]
}
