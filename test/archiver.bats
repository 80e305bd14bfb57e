#!/usr/bin/env bats
# slow: archives are read back
# The archiver: nothing is removed before what replaces it has been read back.

load lib

setup() {
	isolate
	need b3sum b3sum
	need zstd zstd
	fresh_db
	M=aaaabbbbccccdddd0000111122223333
	img=$NTT_HOME/img/$M.img
	archive=$NTT_HOME/archives/$M.tar.zst
}

# medium [MIB]: copied, with image, map, .raw, and keepsakes in $T/keep
medium() {
	mkdir -p "$NTT_HOME/img" "$NTT_HOME/raw" "$T/src" "$T/keep"
	echo x >"$T/src/file"
	ntt-enum -q "$T/src" $M "$NTT_HOME/raw/$M.raw"
	ntt-loader -q "$NTT_HOME/raw/$M.raw" $M >/dev/null
	ntt-copier -q -m $M --src-root "$T/src"
	sql "UPDATE medium SET source_kind = 'image', source_path = NULL"
	truncate -s "${1:-8}M" "$img"
	head -c 1500000 /dev/urandom |
		dd of="$img" bs=1M seek=2 conv=notrunc status=none
	yes letters | head -c 900000 |
		dd of="$img" bs=1M seek=5 conv=notrunc status=none
	echo '# map' >"$NTT_HOME/img/$M.map"
	echo 'log' >"$NTT_HOME/img/$M-ddrescue.log"
	cp -a --sparse=always "$NTT_HOME/img/." "$NTT_HOME/raw/." "$T/keep"
}

# restore: as before the archiver ran
restore() {
	rm -rf "$NTT_HOME"/archives/*
	cp -a --sparse=always "$T/keep/$M".img "$T/keep/$M".map \
		"$T/keep/$M"-ddrescue.log "$NTT_HOME/img/"
	cp -a "$T/keep/$M".raw* "$NTT_HOME/raw/"
	sql "UPDATE medium SET archived_at = NULL, archive_path = NULL"
}

# whole: by other programs than ours, the archive has everything
whole() {
	rm -rf "$T/x" && mkdir "$T/x"
	zstd -qdc "$archive" | tar -x -C "$T/x" &&
		for f in "$T/keep"/*; do
			cmp "$f" "$T/x/${f##*/}" || return 1
		done
	sed 's/.*"members":\[\(.*\)\],"catalogue".*/\1/; s/},{/}\n{/g' \
		"$T/x/$M.manifest.json" | sed -n \
		's/.*"name":"\([^"]*\)".*"blake3":"\([0-9a-f]*\)".*/\2  \1/p' \
		>"$T/x/list"
	[ "$(wc -l <"$T/x/list")" -ge 6 ]
	(cd "$T/x" && b3sum --check --quiet list)
}

# safe: each keepsake exists still, or the archive is whole
safe() {
	local f missing=0
	for f in "$T/keep"/*; do
		cmp -s "$f" "$NTT_HOME/img/${f##*/}" ||
			cmp -s "$f" "$NTT_HOME/raw/${f##*/}" || missing=1
	done
	[ $missing = 0 ] || whole
}

sources_gone() {
	[ -z "$(find "$NTT_HOME/img" "$NTT_HOME/raw" -type f)" ]
}

@test "archives, and every tar reads it" {
	medium
	sum=$(b3sum --no-names "$img")
	expect 0 ntt-archiver $M
	for f in img map -ddrescue.log raw raw.json; do
		has "$output" "removed \"$NTT_HOME/"
		has "$output" "${f/#./}\""
	done
	[ "$(wc -l <<<"$output")" = 5 ]
	sources_gone
	whole
	zstd -qt "$archive"
	first=$(zstd -qdc "$archive" | tar -t | head -n 1)
	[ "$first" = "$M.manifest.json" ]
	tar -tf "$archive" >"$T/members"
	printf '%s\n' $M.manifest.json $M.img $M.map $M-ddrescue.log $M.raw \
		$M.raw.json $M.jsonl $M.catalogue.zst | cmp - "$T/members"
	for tar in tar bsdtar; do
		need $tar libarchive-tools
		mkdir "$T/$tar"
		$tar -x -f "$archive" -C "$T/$tar"
		[ "$(b3sum --no-names "$T/$tar/$M.img")" = "$sum" ]
		[ "$(du -k "$T/$tar/$M.img" | cut -f 1)" -lt 3000 ]
	done
	grep -q '"catalogue":{"medium_hash":"'$M "$T/x/$M.manifest.json"
	[ "$(sql "SELECT archived_at IS NOT NULL, archive_path = '$archive',
		copy_done IS NOT NULL FROM medium")" = "t|t|t" ]
	# the log of all media stays, with the lines of others
	[ -s "$NTT_HOME/log/ntt-copier.jsonl" ] ||
		[ -s "$NTT_HOME/log/ntt-loader.jsonl" ]
	expect 2 ntt-archiver $M
	has "$stderr" "already archived"
}

@test "only lines of the medium come out of the common logs" {
	medium
	echo '{"ts":"x","prog":"p","medium":"'$M'0","stage":"other"}' \
		>>"$NTT_HOME/log/some.jsonl"
	echo '{"ts":"x","prog":"p","medium":"'$M'","stage":"mine"}' \
		>>"$NTT_HOME/log/some.jsonl"
	ntt-archiver -q $M >/dev/null
	tar -xOf "$archive" $M.jsonl >"$T/lines"
	grep -q '"stage":"mine"' "$T/lines"
	grep -q other "$T/lines" && return 1
	grep -q '"stage":"other"' "$NTT_HOME/log/some.jsonl"
}

@test "refused: pending, claimed, failed, empty, not loaded, no image" {
	medium
	sql "UPDATE inode SET status = 'pending', blobid = NULL WHERE fs_type = 'f'"
	expect 1 ntt-archiver $M
	has "$stderr" "1 of its 2 inodes are pending"
	sql "UPDATE inode SET status = 'failed_retryable', error_type = 'io_error'
		WHERE fs_type = 'f'"
	expect 1 ntt-archiver $M
	has "$stderr" "failed; --allow-failures"
	sql "UPDATE work_range SET worker = 77"
	expect 1 ntt-archiver $M
	# only a worker that lives has claimed something
	coproc worker { exec psql -XAtq "$NTT_DB_URL" >/dev/null 3>&-; }
	echo 'SELECT pg_advisory_lock(catalogue_worker_class(), 77);' \
		>&"${worker[1]}"
	holder=$worker_PID
	for _ in {1..100}; do
		[ "$(sql "SELECT count(*) FROM pg_locks WHERE objid = 77")" = 0 ] ||
			break
		sleep 0.1
	done
	expect 1 ntt-archiver --allow-failures $M
	has "$stderr" "workers have claimed"
	kill "$holder"
	wait "$holder" || :
	sql "UPDATE work_range SET worker = NULL"
	mv "$img" "$img.away"
	expect 1 ntt-archiver --allow-failures $M
	has "$stderr" "its image \"$img\" is not there"
	mv "$img.away" "$img"
	[ ! -e "$archive" ]
	expect 0 ntt-archiver --allow-failures $M
	sql "DELETE FROM path; DELETE FROM inode;
		UPDATE medium SET archived_at = NULL"
	expect 1 ntt-archiver $M
	has "$stderr" "no inodes at all"
	sql "INSERT INTO medium (medium_hash) VALUES ('beef0000beef0000')"
	expect 1 ntt-archiver beef0000beef0000
	has "$stderr" "not loaded"
	expect 1 ntt-archiver 0000000000000000
}

@test "refused: mounted, looped, deleted while attached, in use" {
	need_loop
	need mkfs.ext4 e2fsprogs
	medium
	rm "$img" && truncate -s 8M "$img" && mkfs.ext4 -q -F "$img"
	mkdir -p "$NTT_HOME/mnt/$M"
	mount -o ro,loop "$img" "$NTT_HOME/mnt/$M"
	status=0
	ntt-archiver $M 2>"$T/err" || status=$?
	umount "$NTT_HOME/mnt/$M"
	[ $status = 1 ] && grep -q "is mounted at" "$T/err"
	dev=$(losetup -f --show -r "$img")
	ntt-archiver $M 2>"$T/err2" || status=$?
	mv "$img" "$T/elsewhere.img"
	cp "$T/elsewhere.img" "$img"
	rm "$T/elsewhere.img"
	losetup -d "$dev"
	[ $status = 1 ] && grep -q "attached to $dev" "$T/err2"
	dev=$(losetup -f --show -r "$img")
	rm "$img"
	status=0
	ntt-archiver $M 2>"$T/err3" || status=$?
	losetup -d "$dev"
	[ $status = 1 ] && grep -q "attached to $dev and deleted" "$T/err3"
	cp "$T/keep/$M.img" "$img"
	mkdir -p "$NTT_HOME/run"
	(exec 9>>"$NTT_HOME/run/use-$M.lock" 3>&-
	flock -s 9 && exec sleep 20) &
	holder=$!
	for _ in {1..100}; do
		flock -n "$NTT_HOME/run/use-$M.lock" true || break
		sleep 0.1
	done
	status=0
	ntt-archiver $M 2>"$T/err4" || status=$?
	kill $holder && wait $holder || :
	[ $status = 75 ] && grep -q "is in use by" "$T/err4"
	[ ! -e "$archive" ]
}

@test "--keep, --force, and what --force must not lose" {
	medium
	expect 0 ntt-archiver --keep $M
	[ -z "$output" ]
	[ -e "$img" ]
	expect 2 ntt-archiver --keep $M
	printf changed | dd of="$img" conv=notrunc status=none
	# the archive is of what was there before: nothing goes
	expect 1 ntt-archiver $M
	has "$stderr" "differ from its archive"
	cmp -n 7 "$img" <(printf changed)
	cp "$img" "$T/keep/$M.img"
	expect 0 ntt-archiver --force --level 9 $M
	whole
	sources_gone
	expect 1 ntt-archiver --force $M
	has "$stderr" "its image \"$img\" is not there"
	cp "$T/keep/$M.img" "$img"
	before=$(b3sum "$archive")
	expect 1 ntt-archiver --force $M
	has "$stderr" "is only in its archive"
	[ "$(b3sum "$archive")" = "$before" ]
}

@test "an image elsewhere is archived and left alone" {
	medium
	mkdir "$T/mine" && mv "$img" "$T/mine/where.img"
	rm "$NTT_HOME/img/$M.map" && echo map >"$T/mine/where.map"
	echo map >"$T/keep/$M.map"
	sql "UPDATE medium SET image_path = '$T/mine/where.img'"
	expect 0 ntt-archiver $M
	whole
	[ -e "$T/mine/where.img" ] && [ -e "$T/mine/where.map" ]
	[ ! -e "$NTT_HOME/raw/$M.raw" ]
	expect 2 ntt-archiver $M
}

@test "a directory without an image" {
	medium
	rm "$NTT_HOME/img/"*
	sql "UPDATE medium SET source_kind = 'directory'"
	expect 0 ntt-archiver $M
	[ "$(tar -tf "$archive" | wc -l)" = 5 ]
}

@test "--extract: members and ranges, without the catalogue" {
	medium
	cp --sparse=always "$img" "$T/img"
	truncate -s 180M "$T/img" "$img"
	for at in 70 100 150; do
		head -c 3000000 /dev/urandom |
			tee >(dd of="$T/img" bs=1M seek=$at conv=notrunc \
				iflag=fullblock status=none) |
			dd of="$img" bs=1M seek=$at conv=notrunc \
				iflag=fullblock status=none
	done
	cmp "$T/img" "$img"
	ntt-archiver -q $M >/dev/null
	unset NTT_DB_URL
	ntt-archiver --extract $M img | cmp - "$T/img"
	ntt-archiver --extract $M $M.map | cmp - "$T/keep/$M.map"
	ntt-archiver --extract $M -- -ddrescue.log | cmp - \
		"$T/keep/$M-ddrescue.log"
	for range in 0+512 2097152+1500000 2097000+300 73400319+2 157286400+9M \
		73000000+60000000 188743679+5 200000000+10 5+0; do
		from=${range%+*}
		len=$(numfmt --from=iec "${range#*+}")
		ntt-archiver --extract $M "img:$range" >"$T/part"
		tail -c +$((from + 1)) "$T/img" | head -c "$len" |
			cmp - "$T/part" || { echo "range $range"; return 1; }
	done
	expect 1 ntt-archiver --extract $M nothing
	has "$stderr" "it has no member"
	expect 64 ntt-archiver --extract $M img:5
}

@test "a bit flipped anywhere in an archive is found and named" {
	medium
	ntt-archiver -q $M >/dev/null
	size=$(stat -c %s "$archive")
	cp "$archive" "$T/good"
	packed=$(zstd -qlv "$archive" | grep -c . || :)
	[ -n "$packed" ]
	# magic, manifest, padding after it, image, table: its head, an entry,
	# the number of frames, the descriptor, the magic
	for at in 1 5 300 900 2500 $((size / 4)) $((size / 2)) \
		$((size - 1000)) $((size - 40)) $((size - 33)) $((size - 28)) \
		$((size - 24)) $((size - 18)) $((size - 12)) $((size - 9)) \
		$((size - 5)) $((size - 2)); do
		byte=$(od -An -tu1 -j "$at" -N 1 "$T/good" | tr -d ' ')
		printf "\\x$(printf %02x $((byte ^ 4)))" |
			dd of="$archive" bs=1 seek="$at" conv=notrunc status=none
		expect 3 ntt-verify --archive -m $M || { echo "at $at"; return 1; }
		has "$output" '"finding":"mismatch"'
		has "$output" "$archive"
		cp "$T/good" "$archive"
	done
	truncate -s -1 "$archive"
	expect 3 ntt-verify --archive -m $M
	truncate -s 5000 "$archive"
	expect 3 ntt-verify --archive -m $M
	cp "$T/good" "$archive" && echo >>"$archive"
	expect 3 ntt-verify --archive -m $M
	cp "$T/good" "$archive"
	expect 0 ntt-verify --archive -m $M
}

@test "damage in the image names the member" {
	medium
	ntt-archiver -q $M >/dev/null
	size=$(stat -c %s "$archive")
	printf XYZ | dd of="$archive" bs=1 seek=$((size / 2)) conv=notrunc \
		status=none
	expect 3 ntt-verify --archive --all
	has "$output" "member $M.img: frame 1, bytes"
}

@test "a truncated archive is never \"already archived\"" {
	medium
	ntt-archiver -q --keep $M
	truncate -s 100000 "$archive"
	sql "UPDATE medium SET archived_at = NULL"
	expect 0 ntt-archiver $M
	has "$stderr" "is not good"
	[ -e "$archive.damaged" ]
	whole
	sources_gone
	# the row says archived, the sources are there, the archive is damaged
	restore
	ntt-archiver -q --keep $M
	printf X | dd of="$archive" bs=1 seek=700000 conv=notrunc status=none
	expect 1 ntt-archiver $M
	[ -e "$img" ]
}

@test "killed at every step: sources or a proven archive, then it finishes" {
	medium
	for ((n = 1; n < 400; n++)); do
		restore
		status=0
		stepper kill $n ntt-archiver -q $M >/dev/null 2>&1 || status=$?
		safe || { echo "lost at step $n"; return 1; }
		[ $status = 137 ] || break
		status=0
		ntt-archiver -q $M >/dev/null 2>"$T/err" || status=$?
		[ $status = 0 ] || [ $status = 2 ] ||
			{ echo "step $n: $status"; cat "$T/err"; return 1; }
		sources_gone || { echo "step $n: sources left"; return 1; }
		whole || { echo "step $n"; return 1; }
		[ ! -e "$archive.partial" ] || { echo "step $n"; return 1; }
		[ "$(sql 'SELECT archived_at IS NOT NULL FROM medium')" = t ]
	done
	[ $status = 99 ]
	[ "$n" -gt 20 ]
}

@test "the disk full from every step on: nothing lost, nothing half" {
	[ "$(uname -m)" = x86_64 ] || skip "makes calls fail on x86-64 only"
	medium
	for ((n = 1; n < 400; n++)); do
		restore
		status=0
		stepper 28 $n ntt-archiver -q $M >/dev/null 2>"$T/err" || status=$?
		[ $status != 99 ] || break
		safe || { echo "lost at step $n"; return 1; }
		[ ! -e "$archive.partial" ] ||
			{ echo "step $n left .partial"; return 1; }
		case $status in
		0|75) ;;
		1) grep -qE 'No space left|could not remove' "$T/err" ;;
		*) echo "step $n: $status"; return 1 ;;
		esac
		rm -rf "$T/x"
		ntt-archiver -q $M >/dev/null 2>&1 || [ $? = 2 ]
		whole || { echo "step $n"; return 1; }
		sources_gone || { echo "step $n: sources left"; return 1; }
	done
	[ $status = 99 ]
	[ "$n" -gt 10 ]
}

@test "a really full disk" {
	need_root
	medium
	head -c 6M /dev/urandom | dd of="$img" conv=notrunc status=none
	cp "$img" "$T/keep/$M.img"
	mkdir -p "$NTT_HOME/archives"
	mount -t tmpfs -o size=3m none "$NTT_HOME/archives"
	status=0
	ntt-archiver $M 2>"$T/err" || status=$?
	left=$(find "$NTT_HOME/archives" -type f ! -name .ntt-store)
	umount "$NTT_HOME/archives"
	[ $status = 75 ] && grep -q "No space left" "$T/err"
	[ -z "$left" ]
	safe
	# the disk was marked, and what is below its mount point is not
	expect 75 ntt-archiver $M
	expect 0 ntt-db adopt
	expect 0 ntt-archiver $M
	whole
}

@test "interrupted: exit 128 + n, nothing half, sources untouched" {
	medium
	truncate -s 40G "$img"
	ntt-archiver -q $M 3>&- &
	pid=$!
	for _ in {1..200}; do
		[ ! -e "$archive.partial" ] || break
		sleep 0.05
	done
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ $status = 143 ]
	[ ! -e "$archive.partial" ] && [ ! -e "$archive" ]
	[ -e "$img" ]
}

@test "images of nothing but holes, of many holes, empty ones" {
	medium
	: >"$img"
	ntt-archiver -q --keep $M
	expect 0 ntt-verify --archive -m $M
	truncate -s 300M "$img"
	ntt-archiver -q --force --keep $M
	expect 0 ntt-verify --archive -m $M
	mkdir "$T/holes" && tar -xf "$archive" -C "$T/holes"
	cmp "$img" "$T/holes/$M.img"
	[ "$(du -k "$T/holes/$M.img" | cut -f 1)" -lt 100 ]
	for ((i = 1; i < 300; i++)); do
		printf %s $i | dd of="$img" bs=65536 seek=$((i * 3)) \
			conv=notrunc status=none
	done
	ntt-archiver -q --force --keep $M
	tar -xf "$archive" -C "$T/holes"
	cmp "$img" "$T/holes/$M.img"
	ntt-archiver --extract $M img:100+30000000 |
		cmp - <(tail -c +101 "$img" | head -c 30000000)
}
