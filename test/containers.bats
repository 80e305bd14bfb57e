#!/usr/bin/env bats
# slow: whole pipelines
# Images inside of something: recognised before anything is looked for in them,
# opened, and archived as they were given.

load lib
load devices

setup() {
	isolate
	need qemu-img qemu-utils
	need b3sum b3sum
	need bwrap bubblewrap
	fresh_db
	mkdir -p "$T/c"
}

teardown() {
	mountpoint -q "$NTT_HOME"/mnt/* 2>/dev/null && umount "$NTT_HOME"/mnt/*
	mountpoint -q "$T/small" 2>/dev/null && umount "$T/small"
	end_devices
	return 0
}

open_image() {
	ntt-orchestrator --image "$@" 3>&-
}

# raw_image [MIB]: $T/raw.img, ext4 with contents that tell where they are from,
# so that a block from a wrong place is a wrong content.
raw_image() {
	local i
	mkdir -p "$T/tree"
	for i in 1 2 3 4 5 6; do
		seq -f "file $i line %.0f" 9000 >"$T/tree/f$i"
	done
	head -c 1500000 /dev/urandom >"$T/tree/noise"
	truncate -s "${1:-16}M" "$T/raw.img"
	mke2fs -q -F -t ext4 -O ^has_journal -d "$T/tree" "$T/raw.img"
}

# same_contents HASH: every file of the medium is that of $T/tree
same_contents() {
	local f
	for f in "$T"/tree/*; do
		cmp "$f" "$NTT_HOME/archived/$1/${f##*/}" || return 1
	done
	check_store
}

# refused FILE PATTERN [OPTION…]: exit 1, one line, and nothing anywhere
refused() {
	local file=$1 pattern=$2
	shift 2
	expect 1 open_image "$file" "$@"
	has "$(tail -n 1 <<<"$stderr")" "$pattern"
	[ -z "$output" ]
	[ "$(sql 'SELECT count(*) FROM medium')" = 0 ]
	[ -z "$(ls -A "$NTT_HOME/img" 2>/dev/null)" ]
	[ -z "$(ls -A "$NTT_HOME/by-hash" 2>/dev/null | grep -v '^\.')" ]
}

# As if nothing had been done.
forget() {
	fresh_db
	rm -rf "$NTT_HOME"/{by-hash,archived,archives,img,raw}
}

medium() {
	sql 'SELECT medium_hash FROM medium'
}

@test "qemu's formats are opened: the contents are those of the raw image" {
	need_loop
	raw_image
	local f hash
	hash=$(ntt-identify "$T/raw.img")
	cd "$T/c"
	qemu-img convert -O qcow2 ../raw.img a.qcow2
	qemu-img convert -O qcow2 -c ../raw.img b.qcow2
	qemu-img convert -O vmdk ../raw.img c.vmdk
	qemu-img convert -O vmdk -o subformat=streamOptimized ../raw.img d.vmdk
	qemu-img convert -O vmdk -o subformat=monolithicFlat ../raw.img e.vmdk
	qemu-img convert -O vmdk -o subformat=twoGbMaxExtentSparse ../raw.img f.vmdk
	qemu-img convert -O vdi ../raw.img g.vdi
	qemu-img convert -O vpc -o subformat=dynamic,force_size ../raw.img h.vhd
	qemu-img convert -O vhdx ../raw.img j.vhdx
	qemu-img convert -O parallels ../raw.img k.hdd
	for f in *; do
		case $f in *-flat.vmdk|*-s001.vmdk) continue ;; esac
		expect 0 open_image "$T/c/$f" --stop-after register
		[ "$(medium)" = "$hash" ] || { echo "$f is $(medium)"; return 1; }
		cmp "$NTT_HOME/img/$hash.img" "$T/raw.img"
		# the next one finds nothing of it
		rm "$NTT_HOME/img/$hash.img"
		sql "DELETE FROM medium"
	done
	for f in g.vdi h.vhd; do
		expect 0 open_image "$T/c/$f"
		same_contents "$hash"
		forget
	done
}

@test "a disk, its qcow2 and its vmdk are one medium, and only one is archived" {
	need_loop
	raw_image
	qemu-img convert -O qcow2 "$T/raw.img" "$T/a.qcow2"
	qemu-img convert -O vmdk "$T/raw.img" "$T/a.vmdk"
	expect 0 open_image "$T/a.qcow2"
	expect 2 open_image "$T/a.qcow2"
	has "$output" "everything was done already"
	expect 2 open_image "$T/a.vmdk"
	has "$output" "everything was done already"
	expect 2 open_image "$T/raw.img"
	[ "$(sql 'SELECT count(*) FROM medium')" = 1 ]
	[ -z "$(ls -A "$NTT_HOME/img")" ]
	# the other way round
	forget
	expect 0 open_image "$T/raw.img"
	expect 2 open_image "$T/a.vmdk"
	[ "$(sql 'SELECT count(*) FROM medium')" = 1 ]
	[ -z "$(ls -A "$NTT_HOME/img")" ]
}

@test "the archive holds the container, all its parts, bit for bit" {
	need_loop
	raw_image
	local hash part n=0
	mkdir "$T/a b"
	qemu-img convert -O vmdk -o subformat=twoGbMaxExtentSparse "$T/raw.img" \
		"$T/a b/x.vmdk"
	expect 0 open_image "$T/a b/x.vmdk"
	hash=$(medium)
	for part in x.vmdk x-s001.vmdk; do
		((++n))
		ntt-archiver --extract "$hash" "$part.part$n" | cmp - "$T/a b/$part"
	done
	! tar --zstd -tf "$NTT_HOME/archives/$hash.tar.zst" | grep '\.img$' ||
		return 1
	# the raw image was made for this, the container is somebody's
	[ ! -e "$NTT_HOME/img/$hash.img" ]
	[ -e "$T/a b/x.vmdk" ] && [ -e "$T/a b/x-s001.vmdk" ]
	[ "$(sql "SELECT diagnostics->'container'->>'format' FROM medium")" = vmdk ]
	[ "$(sql 'SELECT source_path FROM medium')" = "$T/a b/x.vmdk" ]
	ntt-report -q -o "$T/report.html" "$hash"
	grep -q 'vmdk, 2 files' "$T/report.html"
	expect 1 ntt-restore --image "$hash" "$T/back"
	has "$stderr" "ntt-archiver --extract $hash x.vmdk.part1"
}

@test "a blob that went bad is healed from the container that is given again" {
	need_loop
	raw_image
	local hash id
	qemu-img convert -O qcow2 "$T/raw.img" "$T/a.qcow2"
	expect 0 open_image "$T/a.qcow2"
	hash=$(medium)
	id=$(b3sum --no-names "$T/tree/noise")
	chmod u+w "$(blob_file "$id")"
	flip_bit "$(blob_file "$id")"
	expect 3 ntt-verify --all --sample-rate 1
	ntt-heal --all >"$T/out" 2>&1 || :
	has "$(cat "$T/out")" "ntt-orchestrator --force --image"
	rm -rf "$NTT_HOME/archived/$hash/noise"
	expect 2 open_image "$T/a.qcow2" --force
	[ -e "$NTT_HOME/img/$hash.img" ]
	expect 0 ntt-heal --all
	cmp "$(blob_file "$id")" "$T/tree/noise"
	# and the image goes as it did before
	expect 0 ntt-archiver "$hash"
	[ ! -e "$NTT_HOME/img/$hash.img" ]
}

@test "a container that changes before it is archived is not archived" {
	need_loop
	raw_image
	qemu-img convert -O qcow2 "$T/raw.img" "$T/a.qcow2"
	expect 0 open_image "$T/a.qcow2" --no-archive
	hash=$(medium)
	[ -e "$NTT_HOME/img/$hash.img" ]
	touch "$T/a.qcow2"
	expect 1 ntt-archiver "$hash"
	has "$stderr" "was changed after its image was made"
	[ -e "$NTT_HOME/img/$hash.img" ]
	# given again it is read again
	expect 0 open_image "$T/a.qcow2"
	ntt-archiver --extract "$hash" a.qcow2.part1 | cmp - "$T/a.qcow2"
	[ ! -e "$NTT_HOME/img/$hash.img" ]
}

@test "compressed images are opened" {
	need_loop
	raw_image
	local z hash
	hash=$(ntt-identify "$T/raw.img")
	for z in gzip xz zstd bzip2 lz4; do
		need $z $z
		$z -c "$T/raw.img" >"$T/c/raw.$z"
	done
	expect 0 open_image "$T/c/raw.gzip"
	same_contents "$hash"
	ntt-archiver --extract "$hash" raw.gzip.part1 | cmp - "$T/c/raw.gzip"
	for z in xz zstd bzip2 lz4; do
		expect 2 open_image "$T/c/raw.$z"
	done
	[ "$(medium)" = "$hash" ]
}

@test "an E01 in several parts is opened, and a missing or damaged one is named" {
	need_loop
	need ewfacquire ewf-tools
	need ewfexport ewf-tools
	raw_image
	head -c 5000000 /dev/urandom | dd of="$T/raw.img" bs=1M seek=11 \
		conv=notrunc status=none
	ewfacquire -u -q -f encase6 -t "$T/c/x" -S 2MiB "$T/raw.img" >/dev/null
	[ -e "$T/c/x.E03" ]
	refused "$T/c/x.E02" "part 2 of it: give the first"
	mv "$T/c/x.E02" "$T/c/y"
	refused "$T/c/x.E01" "part \"x.E02\" is not there"
	cp "$T/c/y" "$T/c/x.E02"
	flip_bit "$T/c/x.E02" 100000
	refused "$T/c/x.E01" "is damaged: \"ewfverify"
	head -c 100000 "$T/c/y" >"$T/c/x.E02"
	refused "$T/c/x.E01" "x.E02\" is cut"
	mv "$T/c/y" "$T/c/x.E02"
	expect 0 open_image "$T/c/x.E01"
	hash=$(medium)
	[ "$hash" = "$(ntt-identify --full "$T/raw.img")" ]
	same_contents "$hash"
	ntt-archiver --extract "$hash" x.E02.part2 | cmp - "$T/c/x.E02"
}

@test "what was not read when an E01 was made is lost, and no zeros" {
	need_loop
	need ewfacquire ewf-tools
	raw_image
	cat "$T/raw.img" >"$T/src"
	cd "$T"
	# a file's contents
	local at
	at=$(grep -abo 'file 3 line 400' src | head -n 1)
	at=$((${at%%:*} / 65536 * 65536))
	bad_disk eio $at 512
	ewfacquire -u -q -r 0 -g 1 -f encase6 -t "$T/c/x" "$dev" >/dev/null
	expect 3 open_image "$T/c/x.E01"
	M=$(medium)
	[ "$(sql 'SELECT health FROM medium')" = incomplete ]
	expect 0 ntt-recover-failed list-damaged -m "$M"
	has "$output" f3
	for f in f1 f2 f4 f5 f6 noise; do
		! has "$output" "$f" || return 1
		cmp "$T/tree/$f" "$NTT_HOME/archived/$M/$f"
	done
	# what was lost is archived with the container when somebody says so
	ntt-archiver -q --allow-failures "$M"
	ntt-archiver --extract "$M" map | grep ' -$'
	ntt-archiver --extract "$M" x.E01.part1 | cmp - "$T/c/x.E01"
	[ -z "$(ls -A "$NTT_HOME/img")" ]
}

@test "parts in the wrong order" {
	need_loop
	need ewfacquire ewf-tools
	raw_image 20
	head -c 12000000 /dev/urandom | dd of="$T/raw.img" bs=1M seek=8 \
		conv=notrunc status=none
	split -b 6M -a 3 --numeric-suffixes=1 "$T/raw.img" "$T/c/x."
	mv "$T/c/x.001" "$T/y"; mv "$T/c/x.003" "$T/c/x.001"
	mv "$T/y" "$T/c/x.003"
	refused "$T/c/x.001" "in parts in the wrong order: \"x.003\" begins as"
	refused "$T/c/x.003" "in parts in the wrong order: \"x.003\" begins as"
	# those of an E01 have numbers
	ewfacquire -u -q -f encase6 -t "$T/c/x" -S 2MiB "$T/raw.img" >/dev/null
	mv "$T/c/x.E02" "$T/y"; mv "$T/c/x.E03" "$T/c/x.E02"
	mv "$T/y" "$T/c/x.E03"
	expect 0 open_image "$T/c/x.E01" --stop-after register
	[ "$(medium)" = "$(ntt-identify --full "$T/raw.img")" ]
}

@test "an E01 whose stored hash is not that of its contents" {
	need ewfacquire ewf-tools
	raw_image
	ewfacquire -u -q -f encase6 -t "$T/c/x" "$T/raw.img" >/dev/null
	# with checksums of its own that are right
	python3 - "$T/c/x.E01" <<-'END'
	import struct, sys, zlib
	b = bytearray(open(sys.argv[1], 'rb').read())
	for name, size in (b'hash', 32), (b'digest', 76):
	    at = b.rfind(name + bytes(4))
	    if at >= 0:
	        at += 76
	        b[at] ^= 1
	        struct.pack_into('<I', b, at + size, zlib.adler32(b[at:at + size]))
	open(sys.argv[1], 'wb').write(b)
	END
	refused "$T/c/x.E01" "is damaged: \"ewfverify"
}

@test "a dynamic VHD without its first or its last sector" {
	need_loop
	raw_image
	qemu-img convert -O vpc -o subformat=dynamic,force_size "$T/raw.img" \
		"$T/a.vhd"
	cp "$T/a.vhd" "$T/c/first.vhd"
	dd if=/dev/zero of="$T/c/first.vhd" bs=512 count=1 conv=notrunc \
		status=none
	head -c -512 "$T/a.vhd" >"$T/c/last.vhd"
	expect 0 open_image "$T/c/first.vhd"
	same_contents "$(medium)"
	expect 2 open_image "$T/c/last.vhd"
	[ "$(medium)" = "$(ntt-identify --full "$T/raw.img")" ]
}

@test "an image in parts is joined, and a missing part is named" {
	need_loop
	raw_image 20
	split -b 6M -a 3 --numeric-suffixes=1 "$T/raw.img" "$T/c/x."
	refused "$T/c/x.002" "give the first, \"x.001\""
	mv "$T/c/x.002" "$T/y"
	refused "$T/c/x.001" "\"x.002\" is not there"
	head -c 5M "$T/y" >"$T/c/x.002"
	refused "$T/c/x.001" "\"x.002\" is not as large as the first"
	mv "$T/y" "$T/c/x.002"
	expect 0 open_image "$T/c/x.001"
	[ "$(medium)" = "$(ntt-identify --full "$T/raw.img")" ]
	same_contents "$(medium)"
}

@test "parts in a folder that cannot be listed: there may be more" {
	need_root
	raw_image 20
	split -b 6M -a 3 --numeric-suffixes=1 "$T/raw.img" "$T/c/x."
	mkdir "$T/theirs"
	chmod 755 "$T"
	chown -R nobody "$T/c" "$T/theirs"
	chmod 0311 "$T/c"
	cd /
	expect 1 setpriv --reuid=nobody --regid=nogroup --clear-groups \
		env NTT_HOME="$T/theirs" HOME="$T/theirs" NTT_DB_URL= \
		"$NTT_BUILD/bin/ntt-orchestrator" --stop-after register --image \
		"$T/c/x.001" 3>&-
	has "$stderr" "could not list \"$T/c/\", where other parts"
	NTT_HOME=$T/theirs ntt-db stop -q 3>&- || :
}

@test "numbered floppies and disks are no parts of one image" {
	need_loop
	raw_image 6
	cp "$T/raw.img" "$T/c/y.001"; cp "$T/raw.img" "$T/c/y.002"
	expect 0 open_image "$T/c/y.001" --stop-after register
	[ "$(sql 'SELECT size_bytes FROM medium')" = 6291456 ]
	expect 0 open_image "$T/c/y.002" --stop-after register
	forget
	rm -r "$T/tree"
	mkdir -p "$T/tree" && echo one >"$T/tree/f"
	truncate -s 1440K "$T/c/x.001"
	mke2fs -q -F -d "$T/tree" "$T/c/x.001"
	cp "$T/c/x.001" "$T/c/x.002"
	expect 0 open_image "$T/c/x.001"
	[ "$(sql 'SELECT size_bytes FROM medium')" = 1474560 ]
}

@test "an image with a parent needs it beside itself, and nothing else" {
	need_loop
	raw_image
	cd "$T/c"
	qemu-img convert -O qcow2 "$T/raw.img" base.qcow2
	qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2
	qemu-img create -q -f qcow2 -u -b /etc/passwd -F raw evil.qcow2 1M
	ln -s /etc/passwd passwd
	refused "$T/c/evil.qcow2" "needs its parent \"passwd\", which is not beside"
	mv base.qcow2 other
	refused "$T/c/top.qcow2" "needs its parent \"base.qcow2\", which is not beside"
	mv other base.qcow2
	expect 0 open_image "$T/c/top.qcow2"
	same_contents "$(medium)"
	ntt-archiver --extract "$(medium)" base.qcow2.part2 | cmp - base.qcow2
}

@test "a VMDK with another parent than its own is refused" {
	raw_image
	cd "$T/c"
	qemu-img convert -O vmdk "$T/raw.img" base.vmdk
	qemu-img create -q -f vmdk -b base.vmdk -F vmdk top.vmdk
	sed -i 's/^CID=......../CID=12345678/' base.vmdk
	refused "$T/c/top.vmdk" "is a VMDK image"
}

# differencing_vhd FILE PARENT RAW: what differs from PARENT, a VHD that is the
# beginning of RAW; as Windows makes them, with a block of 512 KiB for them
differencing_vhd() {
	python3 - "$@" <<-'END'
	import struct, sys
	out, parent, raw = sys.argv[1:]
	new = open(raw, 'rb').read()
	with open(parent, 'rb') as f:
	    f.seek(-512, 2)
	    footer = bytearray(f.read())
	old = open(parent + '.raw', 'rb').read().ljust(len(new), b'\0')
	BLOCK, n = 1 << 19, len(new) // (1 << 19)
	def summed(b, at):
	    b[at:at + 4] = bytes(4)
	    b[at:at + 4] = struct.pack('>I', ~sum(b) & 0xffffffff)
	    return bytes(b)
	ident = bytes(footer[68:84])
	footer[16:24] = struct.pack('>Q', 512)
	footer[48:56] = struct.pack('>Q', len(new))
	footer[60:64] = struct.pack('>I', 4)
	footer[68:84] = bytes(range(16)) if ident != bytes(range(16)) else b'x' * 16
	footer = summed(footer, 64)
	head = bytearray(b'cxsparse'.ljust(1024, b'\0'))
	struct.pack_into('>QQIII', head, 8, 2**64 - 1, 1536, 0x10000, n, BLOCK)
	head[40:56] = ident
	name = ('C:\\disks\\' + parent.split('/')[-1].upper()).encode('utf-16-be')
	head[64:64 + len(name)] = name
	table, blocks = [], b''
	at = (1536 + 4 * n + 511) // 512
	for i in range(n):
	    bits, a, b = 0, old[i * BLOCK:], new[i * BLOCK:(i + 1) * BLOCK]
	    data = bytearray(b'\x99' * BLOCK)	# nobody may read that
	    for s in range(0, BLOCK, 512):
	        if a[s:s + 512] != b[s:s + 512]:
	            bits |= 1 << (1023 - s // 512)
	            data[s:s + 512] = b[s:s + 512]
	    table.append(at + len(blocks) // 512 if bits else 0xffffffff)
	    if bits:
	        blocks += bits.to_bytes(128, 'big').ljust(512, b'\0') + data
	t = b''.join(struct.pack('>I', e) for e in table)
	with open(out, 'wb') as f:
	    f.write(footer + summed(head, 36) + t.ljust(at * 512 - 1536, b'\xff')
	        + blocks + footer)
	END
}

@test "a differencing VHD needs its own parent beside it" {
	need_loop
	raw_image
	local f size
	cd "$T/c"
	# the parent, its child, and the child of that
	cp "$T/raw.img" base.vhd.raw
	qemu-img convert -O vpc -o subformat=dynamic,force_size base.vhd.raw \
		base.vhd
	head -c 900000 /dev/urandom >"$T/tree/new"
	debugfs -w -R "write $T/tree/new new" "$T/raw.img" 2>"$T/said"
	cp "$T/raw.img" one.vhd.raw
	differencing_vhd one.vhd base.vhd one.vhd.raw
	seq 2000 >"$T/tree/newer"
	debugfs -w -R "write $T/tree/newer newer" "$T/raw.img" 2>"$T/said"
	differencing_vhd two.vhd one.vhd "$T/raw.img"
	rm ./*.raw
	# not there, another one, cut, damaged
	mv base.vhd "$T/base"
	refused "$T/c/two.vhd" "needs its parent \"BASE.VHD\", which is not beside"
	qemu-img create -q -f vpc -o subformat=dynamic,force_size base.vhd 16M
	refused "$T/c/two.vhd" "needs another parent than \"$T/c/base.vhd\""
	size=$(stat -c %s "$T/base")
	head -c $((size - 70000)) "$T/base" >base.vhd
	refused "$T/c/two.vhd" "base.vhd\" is a file that is cut"
	printf x >base.vhd
	refused "$T/c/two.vhd" "the sum of its footer is not right"
	cp "$T/base" base.vhd
	cp two.vhd whole
	flip_bit two.vhd 700
	refused "$T/c/two.vhd" "the sum of its header is not right"
	head -c 300000 whole >two.vhd
	refused "$T/c/two.vhd" "a differencing VHD image that is cut"
	# the footer at its end is lost, and not the copy
	head -c -512 whole >two.vhd
	expect 0 open_image "$T/c/two.vhd"
	f=$(medium)
	[ "$f" = "$(ntt-identify --full "$T/raw.img")" ]
	same_contents "$f"
	ntt-archiver --extract "$f" two.vhd.part1 | cmp - two.vhd
	ntt-archiver --extract "$f" base.vhd.part3 | cmp - base.vhd
	# a fixed parent
	forget
	qemu-img convert -O vpc -o subformat=fixed,force_size "$T/base" base.vhd
	refused "$T/c/two.vhd" "needs another parent"
}

# sectors [MODE]: standard input as sectors of 2,352 bytes, as in a .bin; 3 of
# them are enough for mode 3, which is mode 1.
sectors() {
	python3 -c 'import sys
mode = int(sys.argv[1])
n = 0
while True:
    b = sys.stdin.buffer.read(2048)
    if not b or (mode == 3 and n == 3):
        break
    m = 2 if mode == 2 else 1
    s = b"\0" + b"\xff" * 10 + b"\0" + bytes([0, 2, n % 75, m])
    s += bytes(8) * (m == 2) + b.ljust(2048, b"\0")
    sys.stdout.buffer.write(s.ljust(2352, b"\x5a"))
    n += 1' "$1"
}

@test "the sectors of a data CD are opened, the cue sheet is archived with them" {
	need_loop
	need genisoimage genisoimage
	local mode
	mkdir "$T/tree"
	seq 90000 >"$T/tree/a.txt" && head -c 3000000 /dev/urandom >"$T/tree/b.bin"
	genisoimage -quiet -R -o "$T/raw.iso" "$T/tree"
	hash=$(ntt-identify "$T/raw.iso")
	sectors 2 <"$T/raw.iso" >"$T/c/two.bin"
	expect 0 open_image "$T/c/two.bin" --stop-after register
	[ "$(medium)" = "$hash" ]
	cmp "$NTT_HOME/img/$hash.img" "$T/raw.iso"
	forget
	sectors 1 <"$T/raw.iso" >"$T/c/one.bin"
	echo 'FILE "one.bin" BINARY' >"$T/c/one.cue"
	expect 0 open_image "$T/c/one.bin"
	same_contents "$hash"
	ntt-archiver --extract "$hash" one.bin.part1 | cmp - "$T/c/one.bin"
	ntt-archiver --extract "$hash" one.cue.part2 | cmp - "$T/c/one.cue"
	expect 2 open_image "$T/raw.iso"
}

# aff IMAGE FILE [BAD]: in the format of afflib, pages of 1 MiB; sector BAD was
# not read
aff() {
	python3 - "$@" <<-'END'
	import hashlib, struct, sys, zlib
	raw, out = open(sys.argv[1], 'rb').read(), open(sys.argv[2], 'wb')
	flag = b'BAD SECTOR\0'.ljust(512, b'\x07')
	image = bytearray(raw)
	if len(sys.argv) > 3:
	    at = int(sys.argv[3]) * 512
	    image[at:at + 512] = flag
	def segment(name, arg, data):
	    out.write(struct.pack('>4sIII', b'AFF\0', len(name), len(data), arg)
	        + name + data + struct.pack('>4sI', b'ATT\0',
	        24 + len(name) + len(data)))
	out.write(b'AFF10\r\n\0')
	segment(b'badflag', 0, flag)
	segment(b'pagesize', 1 << 20, b'')
	segment(b'imagesize', 2, struct.pack('>II', len(raw), 0))
	for i in range(0, len(raw), 1 << 20):
	    segment(b'page%d' % (i >> 20), 1, zlib.compress(image[i:i + (1 << 20)]))
	segment(b'md5', 0, hashlib.md5(raw).digest())
	END
}

@test "an AFF is opened, and its hash and its pages are checked" {
	need_loop
	need affcat afflib-tools
	raw_image
	local size
	cp "$T/raw.img" "$T/raw.raw"
	(cd "$T" && affconvert -q -o c/tools.aff raw.raw >/dev/null)
	aff "$T/raw.img" "$T/c/a.aff"
	size=$(stat -c %s "$T/c/a.aff")
	# the stored hash, behind which there are 8 bytes
	cp "$T/c/a.aff" "$T/c/b.aff"
	flip_bit "$T/c/b.aff" $((size - 20))
	refused "$T/c/b.aff" "hash that is stored in it is not that of its"
	# a page
	cp "$T/c/a.aff" "$T/c/b.aff"
	flip_bit "$T/c/b.aff" 60000
	refused "$T/c/b.aff" "an AFF image that is"
	head -c $((size / 2)) "$T/c/a.aff" >"$T/c/b.aff"
	refused "$T/c/b.aff" "an AFF image"
	# a page that is not there: the name of it is that of none
	sed 's/page3/pagex/' "$T/c/a.aff" >"$T/c/b.aff"
	refused "$T/c/b.aff" "that is cut"
	expect 0 open_image "$T/c/a.aff"
	[ "$(medium)" = "$(ntt-identify --full "$T/raw.img")" ]
	same_contents "$(medium)"
	ntt-archiver --extract "$(medium)" a.aff.part1 | cmp - "$T/c/a.aff"
	expect 2 open_image "$T/c/tools.aff"
	# sectors that were not read
	forget
	at=$(grep -abo 'file 3 line 400' "$T/raw.img" | head -n 1)
	aff "$T/raw.img" "$T/c/c.aff" $((${at%%:*} / 512))
	expect 3 open_image "$T/c/c.aff"
	expect 0 ntt-recover-failed list-damaged -m "$(medium)"
	has "$output" f3
	cmp "$T/tree/f4" "$NTT_HOME/archived/$(medium)/f4"
}

# headed KIND IMAGE FILE: the header of old emulators and programs
headed() {
	python3 - "$@" <<-'END'
	import struct, sys
	kind, raw = sys.argv[1], open(sys.argv[2], 'rb').read()
	n = len(raw)
	if kind == 'hdi':
	    h = struct.pack('<8I', 0, 0, 4096, n, 512, 32, 4, n // 65536).ljust(4096, b'\0')
	elif kind == 'nhd':
	    h = (b'T98HDDIMAGE.R0'.ljust(272, b'\0') + struct.pack('<IIHHH', 512,
	        n // 65536, 4, 32, 512)).ljust(512, b'\0')
	elif kind == '2img':
	    h = struct.pack('<4s4sHHIIIII', b'2IMG', b'NTT!', 64, 1, 1, 0,
	        n // 512, 64, n).ljust(64, b'\0')
	else:
	    s = 0
	    for (w,) in struct.iter_unpack('>H', raw):
	        s = (s + w) & 0xffffffff
	        s = s >> 1 | (s & 1) << 31
	    h = (b'\x05Disk1'.ljust(64, b'\0') + struct.pack('>IIIIBBBB', n, 0, s,
	        0, 3, 0x22, 1, 0))
	open(sys.argv[3], 'wb').write(h + raw)
	END
}

@test "disks behind the header of another program are opened" {
	need_loop
	local kind hash
	mkdir "$T/tree"
	seq 30000 >"$T/tree/a"
	truncate -s 1440K "$T/raw.img"
	mke2fs -q -F -d "$T/tree" "$T/raw.img"
	hash=$(ntt-identify "$T/raw.img")
	for kind in 2img dc42; do
		headed $kind "$T/raw.img" "$T/c/x.$kind"
	done
	cp "$T/c/x.dc42" "$T/c/y"
	flip_bit "$T/c/y" 70000
	refused "$T/c/y" "the sum of its bytes is not the one that it has"
	head -c 900000 "$T/c/x.2img" >"$T/c/y"
	refused "$T/c/y" "it is cut"
	expect 0 open_image "$T/c/x.dc42"
	same_contents "$hash"
	ntt-archiver --extract "$hash" x.dc42.part1 | cmp - "$T/c/x.dc42"
	expect 2 open_image "$T/c/x.2img"
	forget
	rm -r "$T/tree"
	raw_image
	hash=$(ntt-identify "$T/raw.img")
	for kind in hdi nhd; do
		headed $kind "$T/raw.img" "$T/c/x.$kind"
	done
	expect 0 open_image "$T/c/x.hdi"
	same_contents "$hash"
	expect 2 open_image "$T/c/x.nhd"
}

@test "what cannot be opened is named, with the way, by every program" {
	local f
	raw_image
	cd "$T/c"
	printf 'CAPS\0\0\0\x0c%0600d' 0 >a.ipf
	printf 'DMS!%0600d' 0 >a.dms
	printf 'IsZ!%0600d' 0 >a.isz
	printf 'HXCPICFE%0600d' 0 >a.hfe
	printf 'TD\0\0\x15\0\1\0\0\1\x28\0%0600d' 0 >a.td0
	printf 'IMD 1.18: 01/02/1990 10:00:00\r\nnote\x1a%0600d' 0 >a.imd
	printf '\x0e\x0f\0\x09\0\1\0\0\0\x4f\x12\0%0600d' 0 >a.msa
	truncate -s 5000 a.cdi
	printf '\6\0\0\x80\x64\0\0\0' >>a.cdi
	truncate -s 5000 a.uif
	printf 'bbis%060d' 0 >>a.uif
	{ printf 'x%031d' 0 | tr 0 '\0' | head -c 28; printf '\0\x10\0\0\xb0\2\0\0'; } >a.d88
	truncate -s 4096 a.d88
	printf 'EVF2\r\n\x81\0%0600d' 0 >a.Ex01
	printf 'LVF\x09\r\n\xff\0%0600d' 0 >a.L01
	printf 'MSWIM\0\0\0%0600d' 0 >a.wim
	printf 'partclone-image%0600d' 0 >a.pc
	printf "7z\xbc\xaf'\x1c%0600d" 0 >a.7z
	printf 'Rar!\x1a\x07\0%0600d' 0 >a.rar
	sectors 3 <"$T/raw.img" >a.bin
	head -c 2352 /dev/urandom >>a.bin	# a track of music
	for f in a.ipf:IPF a.dms:xdms a.isz:ISZ a.hfe:HFE a.td0:TeleDisk \
		a.imd:ImageDisk a.msa:MSA a.cdi:DiscJuggler a.uif:MagicISO \
		a.d88:D88 a.Ex01:E01 a.L01:ewfexport a.wim:wimtools \
		a.pc:partclone a.7z:unpack a.rar:unpack a.bin:cue; do
		refused "$T/c/${f%:*}" "${f#*:}"
		[ "$f" != a.bin:cue ] || continue
		expect 1 ntt-identify "$T/c/${f%:*}"
		has "$stderr" "${f#*:}"
	done
	need_loop
	qemu-img convert -O vdi "$T/raw.img" x.vdi
	expect 1 ntt-mount-helper mount 0123456789abcdef "$T/c/x.vdi"
	has "$stderr" "it is a VDI image: ntt-orchestrator --image opens it"
	expect 1 ntt-sandbox mount 0123456789abcdef "$T/c/x.vdi"
	has "$stderr" "it is a VDI image"
	# a file system that begins where the container does is not its own
	cp "$T/raw.img" y.qcow2
	printf 'QFI\xfb\0\0\0\2' | dd of=y.qcow2 conv=notrunc status=none
	expect 1 ntt-mount-helper mount 0123456789abcdef "$T/c/y.qcow2"
	has "$stderr" "it is a qcow2 image"
}

@test "a missing engine is named with its package" {
	raw_image
	need xz xz-utils
	local p
	mkdir "$T/bin"
	for p in /usr/bin/* /bin/* "$NTT_BUILD"/bin/*; do
		ln -sf "$p" "$T/bin/"
	done 2>/dev/null
	rm "$T"/bin/qemu-img "$T"/bin/xz
	rm -f "$T"/bin/ewf*
	qemu-img convert -O qcow2 "$T/raw.img" "$T/c/a.qcow2"
	xz -c "$T/raw.img" >"$T/c/a.xz"
	printf 'EVF\x09\r\n\xff\0%0600d' 0 >"$T/c/a.E01"
	PATH=$T/bin refused "$T/c/a.qcow2" "install qemu-utils"
	PATH=$T/bin refused "$T/c/a.xz" "install xz-utils"
	PATH=$T/bin refused "$T/c/a.E01" "install ewf-tools"
	rm "$T/bin/bwrap"; ln -s /bin/true "$T/bin/qemu-img"
	PATH=$T/bin refused "$T/c/a.qcow2" "install bubblewrap"
}

@test "no room: nothing is left, and nothing is written past what there is" {
	need_root
	raw_image 64
	head -c 40M /dev/urandom | dd of="$T/raw.img" bs=1M seek=20 conv=notrunc \
		status=none
	qemu-img convert -O qcow2 "$T/raw.img" "$T/c/a.qcow2"
	gzip -1c "$T/raw.img" >"$T/c/a.gz"
	# how much there is in it shows only while it is read
	{ head -c 60M /dev/zero | tr '\0' x; } | gzip -1 >"$T/c/b.gz"
	mkdir "$T/small"
	mount -t tmpfs -o size=32M none "$T/small"
	export IMAGE_ROOT=$T/small
	for f in a.qcow2 a.gz b.gz; do
		expect 75 open_image "$T/c/$f"
		has "$stderr" "cannot open \"$T/c/$f\""
		[ -z "$(ls -A "$T/small")" ]
	done
	[ "$(sql 'SELECT count(*) FROM medium')" = 0 ]
}

@test "a kilobyte that claims to be a disk of 8 EiB" {
	python3 - "$T/c/a.qcow2" "$T/c/b.vmdk" <<-'END'
	import struct, sys
	open(sys.argv[1], 'wb').write(struct.pack('>4sIQIIQIIQQIIQ', b'QFI\xfb',
	    2, 0, 0, 21, (1 << 63) - 512, 0, 1 << 20, 1 << 21, 1 << 21, 1, 0, 0
	    ).ljust(1024, b'\0'))
	open(sys.argv[2], 'w').write('# Disk DescriptorFile\nversion=1\nCID=1\n'
	    'parentCID=ffffffff\ncreateType="monolithicFlat"\n'
	    'RW 18014398509481983 FLAT "b.flat" 0\n')
	open(sys.argv[2].replace('b.vmdk', 'b.flat'), 'wb').write(bytes(512))
	END
	refused "$T/c/a.qcow2" "is a qcow2 image"
	refused "$T/c/b.vmdk" "\"b.flat\" is shorter than it says"
	qemu-img create -q -f qcow2 "$T/c/c.qcow2" 60T
	refused "$T/c/c.qcow2" "claims to hold 66 TB and has 0 B"
}

@test "cut containers of every kind are refused" {
	raw_image
	local f size
	cd "$T/c"
	qemu-img convert -O qcow2 "$T/raw.img" a.qcow2
	qemu-img convert -O qcow2 -c "$T/raw.img" b.qcow2
	qemu-img convert -O vmdk "$T/raw.img" c.vmdk
	qemu-img convert -O vdi "$T/raw.img" d.vdi
	qemu-img convert -O vpc -o force_size "$T/raw.img" e.vhd
	qemu-img convert -O vhdx "$T/raw.img" f.vhdx
	qemu-img convert -O parallels "$T/raw.img" g.hdd
	gzip -c "$T/raw.img" >h.gz
	xz -0c "$T/raw.img" >i.xz
	for f in *; do
		size=$(stat -c %s "$f")
		mv "$f" whole
		for keep in 600 $((size - 70000)); do
			head -c "$keep" whole >"$f"
			refused "$T/c/$f" "cannot open \"$T/c/$f\""
		done
		rm whole "$f"
	done
	# a part alone
	qemu-img convert -O vmdk -o subformat=twoGbMaxExtentSparse "$T/raw.img" \
		p.vmdk
	refused "$T/c/p-s001.vmdk" "a part of a VMDK image: give the .vmdk"
	truncate -s -70000 p-s001.vmdk
	refused "$T/c/p.vmdk" "p-s001.vmdk\" is damaged or cut"
	rm p-s001.vmdk
	refused "$T/c/p.vmdk" "part \"p-s001.vmdk\" is not there"
	# what qemu-img would leave out, so that the disk is shorter
	rm p.vmdk
	qemu-img convert -O vmdk -o subformat=twoGbMaxExtentFlat "$T/raw.img" \
		p.vmdk
	sed -i 's/^RW /RDONLY /' p.vmdk
	refused "$T/c/p.vmdk" "with a part that qemu-img leaves out"
	sed -i 's/^RDONLY /R7 /' p.vmdk
	refused "$T/c/p.vmdk" "with a part that qemu-img leaves out"
}

@test "flipped bits end a run, never badly" {
	raw_image
	local f i got
	cd "$T/c"
	qemu-img convert -O qcow2 "$T/raw.img" a.qcow2
	qemu-img convert -O vmdk "$T/raw.img" b.vmdk
	qemu-img convert -O vdi "$T/raw.img" c.vdi
	qemu-img convert -O vpc -o force_size "$T/raw.img" d.vhd
	qemu-img convert -O vhdx "$T/raw.img" e.vhdx
	for f in *; do
		for i in 70 1100; do
			cp "$f" "$T/flipped"
			flip_bit "$T/flipped" $i
			got=0
			timeout 60 ntt-orchestrator --stop-after register -q --image \
				"$T/flipped" >"$T/.out" 2>&1 3>&- || got=$?
			case $got in
			0|1|2|75) ;;
			*) echo "$f $i: $got"; cat "$T/.out"; return 1 ;;
			esac
			! ls "$NTT_HOME"/img/.container* 2>/dev/null || return 1
			rm -f "$NTT_HOME"/img/*
			sql 'DELETE FROM medium'
		done
	done
}

@test "a container in a container is not searched" {
	raw_image
	qemu-img convert -O vdi "$T/raw.img" "$T/a.vdi"
	gzip -1c "$T/a.vdi" >"$T/c/a.gz"
	refused "$T/c/a.gz" "a gzip archive that holds a VDI image"
	tar czf "$T/c/b.tgz" -C "$T" tree
	refused "$T/c/b.tgz" "a gzip archive that holds a tar archive"
}

@test "a file system that holds containers is none" {
	need_loop
	mkdir "$T/tree"
	raw_image
	qemu-img convert -O vpc -o subformat=fixed,force_size "$T/raw.img" \
		"$T/tree/x.vhd"
	# what lies at the end of the image is the end of a VHD, and of a dynamic
	truncate -s 48M "$T/i.img"
	mke2fs -q -F -t ext4 -O ^has_journal -d "$T/tree" "$T/i.img"
	tail -c 512 "$T/tree/x.vhd" | dd of="$T/i.img" bs=512 \
		seek=$((48 * 2048 - 1)) conv=notrunc status=none
	[ "$(ntt-identify --json "$T/i.img" | jq .size)" = $((48 << 20)) ]
	expect 0 open_image "$T/i.img"
	qemu-img convert -O vpc -o subformat=dynamic "$T/raw.img" "$T/dynamic"
	tail -c 512 "$T/dynamic" | dd of="$T/i.img" bs=512 \
		seek=$((48 * 2048 - 1)) conv=notrunc status=none
	expect 0 ntt-identify "$T/i.img"
}

@test "a fixed VHD is the image without its footer, and is read where it is" {
	need_loop
	raw_image
	qemu-img convert -O vpc -o subformat=fixed,force_size "$T/raw.img" \
		"$T/x.vhd"
	[ "$(stat -c %s "$T/x.vhd")" = $(((16 << 20) + 512)) ]
	[ "$(ntt-identify "$T/x.vhd")" = "$(ntt-identify "$T/raw.img")" ]
	expect 0 open_image "$T/x.vhd"
	same_contents "$(medium)"
	ntt-archiver --extract "$(medium)" img | cmp - "$T/x.vhd"
	expect 2 open_image "$T/raw.img"
	expect 2 open_image "$T/x.vhd"
	[ "$(sql 'SELECT count(*) FROM medium')" = 1 ]
}

@test "killed while it is opened, it is opened again" {
	need_loop
	raw_image
	local pid
	head -c 10000000 /dev/urandom | dd of="$T/raw.img" bs=1M seek=6 \
		conv=notrunc status=none
	xz -0 -T1 -c "$T/raw.img" >"$T/c/a.xz"
	ntt-orchestrator --image "$T/c/a.xz" >/dev/null 2>&1 3>&- &
	pid=$!
	await 'ls "$NTT_HOME"/img/.container*' $pid >/dev/null 2>&1
	kill -9 $pid; wait $pid || :
	[ "$(sql 'SELECT count(*) FROM medium')" = 0 ]
	expect 0 open_image "$T/c/a.xz"
	! ls -A "$NTT_HOME"/img | grep . || return 1
}

@test "a user without rights opens a file of his own; root one that is not read by others" {
	need_root
	raw_image
	qemu-img convert -O qcow2 "$T/raw.img" "$T/c/a.qcow2"
	chmod 600 "$T/c/a.qcow2"
	expect 0 open_image "$T/c/a.qcow2" --stop-after register
	[ "$(stat -c %U "$NTT_HOME/img/$(medium).img")" = root ]
	chmod 755 "$T" "$T/c"
	mkdir "$T/theirs"
	chown nobody "$T/c/a.qcow2" "$T/theirs"
	# in a sandbox without rights either; not every kernel lets a user have one
	setpriv --reuid=nobody --regid=nogroup --clear-groups \
		bwrap --ro-bind / / --unshare-user true || skip "no sandboxes of users"
	(cd / && setpriv --reuid=nobody --regid=nogroup --clear-groups \
		env NTT_HOME="$T/theirs" HOME="$T/theirs" NTT_DB_URL= \
		"$NTT_BUILD/bin/ntt-orchestrator" --stop-after register --image \
		"$T/c/a.qcow2" 3>&-)
	ls "$T"/theirs/img/*.img
	NTT_HOME=$T/theirs ntt-db stop -q 3>&- || :
}

@test "--plan of a container runs nothing" {
	raw_image
	qemu-img convert -O qcow2 "$T/raw.img" "$T/c/a.qcow2"
	expect 0 open_image "$T/c/a.qcow2" --plan
	has "$output" "is a qcow2 image: its raw image would be made"
	[ -z "$(ls -A "$NTT_HOME/img" 2>/dev/null)" ]
}
