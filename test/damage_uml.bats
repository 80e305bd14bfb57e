#!/usr/bin/env bats
# slow: boots user-mode-linux
#
# Files over areas that the imager could not read, on a file system that says
# only to root, and only block by block, where they are: FAT, in a kernel that
# has it.  And what else only such a kernel says of files: DOS attributes.

load lib

setup() {
	isolate
	need linux.uml user-mode-linux
	need insmod kmod
	need mcopy mtools
	need mkfs.vfat dosfstools
	mkdir -p "$T/w"
}

@test "FAT: damaged files and their ranges, by FIBMAP; DOS attributes" {
	local at size=$((16 << 20))
	truncate -s $size "$T/w/f.img"
	mkfs.vfat -s 4 "$T/w/f.img" >/dev/null
	head -c 20000 /dev/urandom >"$T/w/whole"
	head -c 20000 /dev/urandom >"$T/w/hurt"
	mcopy -i "$T/w/f.img" "$T/w/whole" "$T/w/hurt" ::
	mattrib -i "$T/w/f.img" +h ::whole
	at=$(python3 - "$T/w/f.img" "$T/w/hurt" <<-X
	import sys
	image, file = (open(name, "rb").read() for name in sys.argv[1:])
	print(image.index(file[:512]))
	X
	)
	# the second cluster of it, zeros as ddrescue leaves them
	dd if=/dev/zero of="$T/w/f.img" bs=512 seek=$((at / 512 + 4)) count=2 \
		conv=notrunc status=none
	printf '# map\n0x0 + 1\n0 %d +\n%d 1024 -\n%d %d +\n' $((at + 2048)) \
		$((at + 2048)) $((at + 3072)) $((size - at - 3072)) >"$T/w/f.map"
	cat >"$T/w/script" <<-X
	for m in loop fuse vfat nls_utf8 nls_cp437 nls_iso8859-1 nls_ascii; do
		modprobe \$m
	done
	mkdir /dev/shm && mount -t tmpfs tmpfs /dev/shm
	export NTT_HOME=/run/ntt PATH=$NTT_BUILD/bin:\$PATH
	ntt-db init -q
	mkdir /run/i && cp f.img f.map /run/i
	ntt-orchestrator -q --no-archive --image /run/i/f.img
	echo "status \$?"
	ntt-db psql -XAtqc "SELECT convert_from(path, 'UTF8'), determined, extents
		FROM inode_damage JOIN path USING (medium_hash, dev, ino)"
	ntt-db psql -XAtqc "SELECT 'attributes of', convert_from(path, 'UTF8'),
		dos_attributes FROM inode JOIN path USING (medium_hash, dev, ino)
		WHERE fs_type = 'f'"
	pgrep ntt-fibmap && echo "it still runs"
	ntt-db stop -q
	X
	run "$BATS_TEST_DIRNAME/uml" "$T/w" script
	echo "$output"
	has "$output" "hurt|t|{[2048,3072)}"
	has "$output" "attributes of|hurt|32"
	has "$output" "attributes of|whole|34"
	[[ $output != *$'\n'"whole|"* ]]
	! has "$output" "it still runs" || return 1
}
