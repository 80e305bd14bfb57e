#!/usr/bin/env bats
# slow: images of every kind, damaged
# bats file_tags=guest
#
# A few generated damaged and cut images of each kind: every name and byte that
# an independent reader gets from the whole image is stored right or named as
# lost.  "make check-account" tries many (account/account).

load lib

setup_file() {
	export BATS_TEST_TIMEOUT=600
}

setup() {
	isolate
	need_loop
	chmod 755 "$T"
	export TMPDIR=$T
	fresh_db
}

teardown() {
	local point
	tac /proc/self/mountinfo | cut -d' ' -f5 | grep -F "$T" |
		while IFS= read -r point; do
			umount -l "$(printf %b "$point")"
		done
	detach_loops
}

account() {
	local program
	for program in "${@:2}"; do
		need "${program%:*}" "${program#*:}"
	done
	expect 0 "$TEST_DIR/account/account" "$1" "$1-cut"
}

@test "ext4" { account ext4 debugfs:e2fsprogs; }
@test "xfs" { account xfs mkfs.xfs:xfsprogs; }
@test "btrfs" { account btrfs mkfs.btrfs:btrfs-progs; }
@test "vfat" { account vfat mcopy:mtools mkfs.vfat:dosfstools \
	linux.uml:user-mode-linux; }
@test "iso9660" { account iso9660 isoinfo:genisoimage \
	genisoimage:genisoimage linux.uml:user-mode-linux; }
