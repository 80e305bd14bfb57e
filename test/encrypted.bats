#!/usr/bin/env bats
# slow: whole pipelines
# Encrypted volumes: named, and opened with a key.

load lib

setup() {
	isolate
	need cryptsetup cryptsetup-bin
	need b3sum b3sum
	need bwrap bubblewrap
	need_loop
	fresh_db
	cd "$T"
	mkdir tree c
	seq 30000 >tree/a.txt
	head -c 3000000 /dev/urandom >tree/b.bin
	truncate -s 8M fs
	mke2fs -q -F -t ext4 -O ^has_journal -d tree fs
	printf 'a passphrase' >key
	printf 'another' >wrong
}

teardown() {
	detach_loops
	return 0
}

# luks KEY FORMAT-OPTION…: $T/volume is fs, encrypted.  It is done with the
# openssl command and the key that cryptsetup makes; the kernel need not know
# dm-crypt.
luks() {
	local offset cipher
	rm -f volume
	truncate -s 40M volume
	cryptsetup luksFormat -q --pbkdf-force-iterations 1000 "$@" volume key
	cryptsetup luksDump -q --dump-volume-key --key-file key volume >dump
	python3 "$BATS_TEST_DIRNAME/tools/luks.py" dump "${SECTOR:-512}" fs volume
}

# opened FILE [ARG…]: the medium has the files of tree/
opened() {
	local f
	expect 0 ntt-orchestrator --key key --image "$@" 3>&-
	M=$(sql 'SELECT medium_hash FROM medium')
	for f in a.txt b.bin; do
		cmp "tree/$f" "$NTT_HOME/archived/$M/${SUB:-}$f"
	done
}

forget() {
	fresh_db
	rm -rf "$NTT_HOME"/{by-hash,archived,archives,img,raw}
}

refused() {
	expect 1 ntt-orchestrator --key "$1" --image "$2" 3>&-
	has "$(tail -n 1 <<<"$stderr")" "$3"
	[ "$(sql 'SELECT count(*) FROM medium')" = 0 ]
	[ -z "$(ls -A "$NTT_HOME/img" 2>/dev/null)" ]
}

@test "LUKS volumes of every kind are opened with their key" {
	luks --type luks1
	opened volume
	ntt-archiver --extract "$M" volume.part1 | cmp - volume
	! ntt-archiver --list "$M" | grep key || return 1
	forget
	luks --type luks2 --pbkdf pbkdf2 --sector-size 512
	opened volume
	forget
	SECTOR=4096 luks --type luks2 --pbkdf pbkdf2 --sector-size 4096
	opened volume
	forget
	luks --type luks1 --cipher aes-cbc-essiv:sha256 --key-size 256
	opened volume
	forget
	luks --type luks1 --cipher aes-xts-plain64 --key-size 256
	opened volume
}

@test "an encrypted partition beside another one, and in a qcow2" {
	need qemu-img qemu-utils
	luks --type luks2 --pbkdf pbkdf2 --sector-size 512
	truncate -s 60M disk
	printf 'label: dos\nstart=2048,size=16384\nstart=20480,size=81920\n' |
		sfdisk -q disk
	dd if=fs of=disk bs=512 seek=2048 conv=notrunc status=none
	dd if=volume of=disk bs=512 seek=20480 conv=notrunc status=none
	# without a key: named, and the rest is read
	ntt-orchestrator --no-archive --image disk >out 2>&1 3>&- || got=$?
	[ "$got" = 3 ]
	grep -q 'encrypted: LUKS' out
	forget
	SUB=p2/ opened disk
	cmp tree/a.txt "$NTT_HOME/archived/$M/p1/a.txt"
	forget
	qemu-img convert -O qcow2 disk c/disk.qcow2
	SUB=p2/ opened c/disk.qcow2
	ntt-archiver --extract "$M" disk.qcow2.part1 | cmp - c/disk.qcow2
}

@test "keys and volumes that do not fit: each is told, and nothing is left" {
	luks --type luks1
	refused wrong volume "\"wrong\" does not open volume 0"
	refused key fs "no volume of LUKS is on it"
	head -c 1000000 volume >cut
	refused key cut "cannot open"
	expect 1 ntt-orchestrator --key nokey --image volume
	has "$stderr" "could not read the key"
	expect 64 ntt-orchestrator --key key /dev/null
	# not all of it was rescued
	luks --type luks1
	printf '# map\n0x0 + 1\n0 %d +\n%d 512 -\n' $(((40 << 20) - 512)) \
		$(((40 << 20) - 512)) >volume.map
	refused key volume "of which not all was rescued"
}
