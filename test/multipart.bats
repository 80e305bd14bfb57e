#!/usr/bin/env bats
# slow: archives of several disks
# ntt-check-multipart: archives with one, two, extended, GPT, swap-only and
# unreadable images, ours and other people's.

load lib

setup() {
	isolate
	need sfdisk fdisk
	need mkfs.ext4 e2fsprogs
	need zstd zstd
	A=$NTT_HOME/archives
	mkdir -p "$A" "$T/w"
	log=$NTT_HOME/log/multipart-check.jsonl
}

# filesystem IMAGE START_MIB: ext4 of 8 MiB there
filesystem() {
	truncate -s 8M "$T/fs"
	mkfs.ext4 -q -F "$T/fs"
	dd if="$T/fs" of="$1" bs=1M seek="$2" conv=notrunc,sparse status=none
}

# image KIND FILE
image() {
	truncate -s 64M "$2"
	case $1 in
	one) sfdisk -q "$2" <<<$'label: dos\nstart=2048, size=16384' ;;
	two) sfdisk -q "$2" <<-'END' ;;
		label: dos
		start=2048, size=16384
		start=40960, size=16384
	END
	extended) sfdisk -q "$2" <<-'END' ;;
		label: dos
		start=2048, size=16384
		start=40960, size=65536, type=5
		start=43008, size=16384, type=83
		start=63488, size=16384, type=83
	END
	gpt) sfdisk -q "$2" <<-'END' ;;
		label: gpt
		start=2048, size=16384
		start=40960, size=16384
	END
	swap) sfdisk -q "$2" <<-'END' ;;
		label: dos
		start=2048, size=16384
		start=40960, size=16384, type=82
	END
	esac
	filesystem "$2" 1
	case $1 in
	two|gpt) filesystem "$2" 20 ;;
	extended) filesystem "$2" 21; filesystem "$2" 31 ;;
	swap)
		truncate -s 8M "$T/swap"
		mkswap -q "$T/swap" 2>/dev/null
		dd if="$T/swap" of="$2" bs=1M seek=20 conv=notrunc status=none ;;
	esac
}

# hash KIND: 32 digits
hash() {
	printf %s "$1" | md5sum | cut -c 1-32
}

# foreign KIND: an archive as tar and zstd make it
foreign() {
	local h
	h=$(hash "$1")
	image "$1" "$T/w/$h.img"
	tar -C "$T/w" -S -c "$h.img" | zstd -q -o "$A/$h.tar.zst"
	mv "$T/w/$h.img" "$T/$1.img"
}

# The number of partitions the log has for a kind
partitions() {
	grep '"stage":"partition_check"' "$log" |
		grep -o "\"hash\":\"$(hash "$1")\".*" |
		sed 's/.*"partitions":\([0-9]*\).*/\1/'
}

@test "one, two, extended, GPT, swap only" {
	for kind in one two extended gpt swap; do foreign $kind; done
	expect 0 ntt-check-multipart --min-size 0
	[ "$(partitions one)" = 1 ]
	[ "$(partitions two)" = 2 ]
	[ "$(partitions extended)" = 3 ]
	[ "$(partitions gpt)" = 2 ]
	[ "$(partitions swap)" = 1 ]
	for kind in two extended gpt; do
		h=$(hash $kind)
		cmp "$T/$kind.img" "$NTT_HOME/img/tmp/$h/$h.img"
		[ "$(du -k "$NTT_HOME/img/tmp/$h/$h.img" | cut -f 1)" -lt 40000 ]
		has "$output" "$h "
		grep -q "extraction_start.*$h" "$log"
	done
	# nothing of the others was ever written
	[ "$(find "$NTT_HOME/img/tmp" -type f | wc -l)" = 3 ]
	[ "$(find "$NTT_HOME/img/tmp" -mindepth 1 -type d | wc -l)" = 3 ]
	has "$stderr" "5 archives checked, 3 with several partitions"
	grep -q '"stage":"script_start","total_archives":5' "$log"
	grep -q '"total_multipart":3,"archives_checked":5' "$log"
	# smallest first
	[ "$(grep -c '"stage":"archive_start"' "$log")" = 5 ]
	grep '"stage":"archive_start"' "$log" | grep -o '"rank":[0-9]*' >"$T/ranks"
	printf '"rank":%s\n' 1 2 3 4 5 | cmp - "$T/ranks"
}

@test "archives of ntt-archiver: only the frames that are needed" {
	fresh_db
	h=$(hash two)
	mkdir -p "$NTT_HOME/img" "$T/src" && echo x >"$T/src/f"
	image two "$NTT_HOME/img/$h.img"
	cp --sparse=always "$NTT_HOME/img/$h.img" "$T/two.img"
	ntt-enum -q "$T/src" "$h" - | ntt-loader -q - "$h" >/dev/null
	ntt-copier -q -m "$h"
	ntt-archiver -q "$h"
	expect 0 ntt-check-multipart --min-size 0
	[ "$(partitions two)" = 2 ]
	cmp "$T/two.img" "$NTT_HOME/img/tmp/$h/$h.img"
}

@test "unreadable archives are named and passed over" {
	foreign one
	foreign two
	h=$(hash cut)
	size=$(stat -c %s "$A/$(hash two).tar.zst")
	head -c $((size / 3)) "$A/$(hash two).tar.zst" >"$A/$h.tar.zst"
	head -c 5000 /dev/urandom >"$A/$(hash noise).tar.zst"
	expect 0 ntt-check-multipart --min-size 0
	has "$stderr" "could not read \"$A/$(hash noise).tar.zst\""
	has "$stderr" "could not read \"$A/$h.tar.zst\""
	[ "$(partitions two)" = 2 ]
	has "$stderr" "2 could not be read"
	[ ! -e "$NTT_HOME/img/tmp/$h" ]
}

@test "the skip list, the size limit, the default skip list" {
	foreign two
	h=$(hash two)
	cp "$A/$h.tar.zst" "$A/2ae4eb92379b9892ba93693e49f42e08.tar.zst"
	expect 0 ntt-check-multipart
	has "$stderr" "0 archives checked"
	echo "$h # why" >"$T/skip"
	expect 0 ntt-check-multipart --min-size 0 --skip "$T/skip"
	has "$stderr" "1 archives checked"
	grep -q "\"hash\":\"$h\"" "$log" && return 1
	expect 0 ntt-check-multipart --min-size 0
	has "$stderr" "1 archives checked"
	expect 1 ntt-check-multipart --archive-dir "$T/none"
}

@test "below 20 % of free space it stops" {
	need_root
	foreign two
	mkdir "$T/small"
	mount -t tmpfs -o size=40m none "$T/small"
	status=0
	ntt-check-multipart --min-size 0 --staging "$T/small" 2>"$T/err" ||
		status=$?
	left=$(find "$T/small" -type f)
	umount "$T/small"
	[ $status = 1 ]
	grep -q "less than 20 %" "$T/err"
	[ -z "$left" ]
}
