# Loaded by tests of what ntt-mount-helper makes of an image, $T/i.img, which is
# compared with its former self when the test ends.

H=0123456789abcdef

setup() {
	isolate
	need_loop
	MNT=$NTT_HOME/mnt/$H
	helper=$NTT_BUILD/bin/ntt-mount-helper
	sample
}

teardown() {
	local point
	tac /proc/self/mountinfo | cut -d' ' -f5 | grep -F "$T" |
		while IFS= read -r point; do
			umount -l "$(printf %b "$point")"
		done
	detach_loops
	[ ! -s "$T/sums" ] || ( cd "$T" && sha256sum -c --quiet sums )
}

# Two small file systems and a swap area to build disks from.
sample() {
	mkdir -p "$T/one" "$T/two"
	echo one >"$T/one/name"; echo two >"$T/two/name"
	head -c 100000 /dev/urandom >"$T/one/data"
	mkfs.ext4 -q -L first -d "$T/one" "$T/fs1" 8M
	mkfs.ext4 -q -d "$T/two" "$T/fs2" 8M
	truncate -s 4M "$T/swap"; mkswap -q "$T/swap"
	truncate -s 64M "$T/i.img"
}

# place FILE SECTOR: into the image
place() {
	dd if="$T/$1" of="$T/i.img" bs=512 seek="$2" conv=notrunc status=none
}

# try STATUS: mounts the image; $parts: one line a partition
try() {
	( cd "$T" && sha256sum i.img >sums )
	expect "$1" "$helper" -q mount $H "$T/i.img"
	parts=$(sed 's/{"num"/\n{"num"/g' <<<"$output" | grep '^{"num"')
}

# part N TEXT…: what the object says of partition N
part() {
	local line text
	line=$(grep "^{\"num\":$1," <<<"$parts")
	shift
	for text; do has "$line" "$text"; done
}

gone() {
	expect 0 "$helper" unmount $H
	[ "$(losetup -n -O NAME -j "$T/i.img" | wc -l)" = 0 ]
	[ ! -e "$MNT" ]
}
