#!/usr/bin/env bats
# slow: every example of the manual
# The examples of the manual pages, run as they are printed: what stands
# behind "$" or "#" in their EXAMPLES, in the order of the page, with names of
# this machine put in.  One that is neither run nor named here fails.

# expect() sets output and stderr
# shellcheck disable=SC2154,SC2030,SC2031
load lib

setup_file() {
	export NTT_HOME=$BATS_FILE_TMPDIR/home HOME=$BATS_FILE_TMPDIR/user
	unset NTT_DB_URL IMAGE_ROOT RAW_ROOT BYHASH_ROOT ARCHIVED_ROOT \
		ARCHIVE_ROOT NTT_MOUNT_ROOT NTT_LOG_DIR NTT_RUN_DIR \
		NTT_IGNORE_PATTERNS
	cd "$BATS_FILE_TMPDIR" || return 1
	chmod 755 .
	mkdir -p "$HOME/Documents" disk sql "$NTT_HOME/img" tree
	echo one >"$HOME/Documents/a"; echo two >disk/b
	mkdir -p tree/Users/anna && echo three >tree/Users/anna/c
	mke2fs -q -t ext2 -d tree floppy.img 1440k
	echo four >tree/d; mke2fs -q -t ext2 -d tree zip7.img 2M
	echo five >tree/e; mke2fs -q -t ext2 -d tree drive.img 2M
	mke2fs -q -t ext2 -d tree "$NTT_HOME/img/zip7.img" 3M
	printf '\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9' >label.jpg
	ntt-db init -q 3>&-
	ntt-orchestrator -q disk >/dev/null 2>&1
	HASH=$(ntt-db psql -XAtqc "SELECT medium_hash FROM medium")
	export HASH
}

teardown_file() {
	ntt-db stop -q || :
	[ ! -e "$BATS_FILE_TMPDIR/loop" ] ||
		losetup -d "$(cat "$BATS_FILE_TMPDIR/loop")" || :
}

setup() {
	cd "$BATS_FILE_TMPDIR"
	export ARCHIVED_ROOT=$NTT_HOME/archived
}

# a disk in a drive that is called /dev/sdx
device() {
	need_loop
	[ -e loop ] || losetup -f --show drive.img >loop
	cat loop
}

# examples PAGE: of its section, without the prompt
examples() {
	awk '/^\.Sh/ { here = $2 == "EXAMPLES" } here && /^\.Dl [$#] /' \
		"$TEST_DIR/../man/$1" | sed 's/^\.Dl [$#] //; s/\\(dq/"/g; s/\\(aq/'"'"'/g'
}

# try PAGE PATTERN: runs those of the page that match, there must be some
try() {
	local line n=0 page=$1 pattern=$2
	while IFS= read -r line; do
		# shellcheck disable=SC2053 # a pattern
		[[ $line == $pattern ]] || continue
		n=$((n + 1))
		echo "$page" "$line" >>"$BATS_FILE_TMPDIR/tried"
		line=${line//0123456789abcdef0123456789abcdef/$HASH}
		line=${line//0123456789abcdef/$HASH}
		line=${line//4f1c90aa/$HASH}
		line=${line//9acf:/$HASH:}
		line=${line//display -/cmp - label.jpg}
		[[ $line != ntt-remove* ]] || line="echo ${HASH:0:8} | $line"
		line=${line//\/tmp\/letters/back}
		line=${line//-C \/mnt/-C unpacked}
		line=${line//\/data\/fast\/img/$NTT_HOME/img}
		line=${line//\/mnt\/disk/disk}
		line=${line//\/usr\/local\/share\/ntt\/sql/$TEST_DIR/../sql}
		line=${line//\/srv\/www\/collection/www}
		line=${line//\/mnt\/transfer/.}
		line=${line//\/var\/lib\/clamav/$PWD/clamav}
		line=${line//\/mnt\/second/.}
		line=${line//\/run\/ntt\/web.sock/$PWD\/web.sock}
		# what runs until it is ended
		[[ $line != ntt-web* ]] || line="timeout -s TERM 2 $line"
		[[ $line != */dev/sdx* ]] || line=${line//\/dev\/sdx/$(device)}
		expect "${WANT:-0}" bash -c "set -o pipefail; $line" 3>&-
	done < <(examples "$page")
	[ $n -gt 0 ] || { echo "no such example in $page: $pattern"; return 1; }
}

@test "ntt(7)" {
	try ntt.7 'ntt-orchestrator ~/*'
	need_loop
	try ntt.7 '*--image /data*'
	try ntt.7 '*/dev/sdx'
	need linux.uml user-mode-linux
	try ntt.7 '*--sandbox*'
	WANT=2 try ntt.7 'ntt-enum *'
	ntt-loader -q --drop --yes "$HASH"
	try ntt.7 'ntt-enum *'
	try ntt.7 'ntt-copy-workers *'
	try ntt.7 'ntt'
	has "$output" "media       5"
	try ntt.7 'ntt-db psql *'
	try ntt.7 'ntt-verify *'
}

@test "ntt-dashboard(1), ntt-db(1), ntt-list-media(1)" {
	ntt-db psql -qc "UPDATE medium SET copy_done = NULL
		WHERE medium_hash = '$HASH'"
	try ntt-dashboard.1 '*'
	has "$output" "$HASH"
	ntt-db psql -qc "UPDATE medium SET copy_done = now()
		WHERE medium_hash = '$HASH'"
	try ntt-db.1 '*'
	try ntt-list-media.1 '*'
	has "$output" " paths "
}

@test "ntt-imager(1)" {
	try ntt-imager.1 'ntt-imager /dev/sdx *'
	cmp drive.img disk.img
	try ntt-imager.1 '*--chunk*'
	for n in 1 2; do
		cp zip7.img copy$n.img
		printf '0x0 + 1\n0x0 0x200000 +\n' >copy$n.map
	done
	try ntt-imager.1 '*--merge*'
	try ntt-imager.1 '*--show*'
	grep -q '<svg' disk.svg
}

@test "ntt-orchestrator(1), ntt-identify(1), ntt-sandbox(1), ntt-mount-helper(1)" {
	WANT=2 try ntt-orchestrator.1 'ntt-orchestrator ~/*'
	try ntt-orchestrator.1 '*--plan*'
	need_loop
	WANT=1 try ntt-identify.1 '*'
	try ntt-orchestrator.1 '*floppy.img'
	need ewfacquire ewf-tools
	mkdir laptop && seq 1000 >laptop/f
	mke2fs -q -t ext2 -d laptop laptop.img 2M
	ewfacquire -u -q -t laptop laptop.img >/dev/null
	try ntt-orchestrator.1 '*laptop.E01'
	try ntt-identify.1 '*'
	try ntt-mount-helper.1 '*'
	ntt-mount-helper unmount "$HASH"
	need linux.uml user-mode-linux
	try ntt-sandbox.1 'ntt-sandbox mount *'
	ntt-sandbox unmount "$HASH"
	WANT=2 try ntt-sandbox.1 'ntt-orchestrator *'
}

@test "ntt-archiver(1), ntt-verify(1), ntt-re-hardlink(1), ntt-cleanup-mounts(1)" {
	mkdir -p one && echo x >one/x
	try ntt-verify.1 '*--sla*'
	try ntt-verify.1 '*--manifest*'
	try ntt-verify.1 '(cd *'
	cp "$NTT_HOME/log/ntt-verify.jsonl" LOG
	try ntt-re-hardlink.1 '*'
	try ntt-cleanup-mounts.1 '*'
	need_loop
	HASH=$(ntt-db psql -XAtqc "SELECT medium_hash FROM medium WHERE
		archived_at IS NOT NULL AND image_path IS NOT NULL
		AND NOT coalesce(diagnostics ? 'container', false) LIMIT 1")
	try ntt-archiver.1 '*'
}

@test "ntt-report(1)" {
	need mactime sleuthkit
	try ntt-report.1 '*'
	grep -q '<html' box7.html
	[ -f www/index.html ] && [ -f box7/bagit.txt ]
}

@test "ntt-note(1), ntt-browse(1), ntt-find(1), ntt-each(1), ntt-cat(1), ntt-restore(1), ntt-streams(1), ntt-heal(1), ntt-remove(1)" {
	need_loop
	mkdir -p box/letters box/p2/photos unpacked
	echo dear >box/letters/mother.doc
	cp box/letters/mother.doc letter.doc
	cp label.jpg box/p2/photos/1.jpg
	ntt-orchestrator -q box >/dev/null
	HASH=$(ntt-db psql -XAtqc "SELECT medium_hash FROM medium
		WHERE source_path LIKE '%/box'")
	printf 'Disk no.;Shelf\n%s;3\n' "$HASH" >inventory.csv
	try ntt-note.1 '*'
	try ntt-browse.1 '*'
	try ntt-find.1 'ntt-find mother'
	[ "$output" = "$HASH:letters/mother.doc" ]
	try ntt-find.1 '*--same-as*'
	try ntt-find.1 '*--newer*'
	ntt-db psql -qc "UPDATE inode SET mime_type = 'text/plain'
		WHERE fs_type = 'f' AND status = 'success';
		UPDATE inode SET mime_type = 'image/jpeg' FROM path p
		WHERE p.dev = inode.dev AND p.ino = inode.ino
		AND p.path = 'p2/photos/1.jpg'"
	try ntt-find.1 '*--mime*'
	cmp label.jpg "out/$HASH/p2/photos/1.jpg"
	# programs that are large, and one of which needs a data base
	mkdir -p bin clamav
	printf '#!/bin/sh\necho Nikon\n' | tee bin/exiftool >bin/clamscan
	chmod 755 bin/*
	export PATH=$PWD/bin:$PATH
	try ntt-each.1 '*exiftool -j {}'
	try ntt-each.1 '*clamscan*'
	ntt-db psql -qc "DELETE FROM content_fact"
	ntt-each -q --name 'exiftool -j {}' -- exiftool
	try ntt-each.1 '*Nikon*'
	WANT=1 try ntt-each.1 '*--text*'
	try ntt-cat.1 '*'
	cmp mother.doc letter.doc
	try ntt-restore.1 '*letters'
	cmp back/letters/mother.doc letter.doc
	printf '%s:letters\0' "$HASH" >list
	try ntt-restore.1 '*--files-from list*'
	try ntt-restore.1 '*--tar*'
	try ntt-restore.1 '*--zip*'
	[ "$(unzip -p letters.zip letters/mother.doc | cmp - letter.doc)" = "" ]
	diff -r box unpacked
	mke2fs -q -t ext2 -d box newest.img 3M
	ntt-orchestrator -q --image newest.img >/dev/null
	rm -f disk.img disk.map
	try ntt-restore.1 '*--image*'
	cmp newest.img disk.img
	rm -f disk.img disk.map
	HASH=$(ntt-identify -q newest.img) try ntt-streams.1 '*'
	try ntt-heal.1 '*'
	try ntt-remove.1 '*'
}

@test "ntt-places(1), ntt-mirror(1)" {
	need rclone rclone
	mkdir -p cloud "$HOME/.config/rclone"
	printf '[cloud]\ntype = alias\nremote = %s/cloud\n' "$PWD" \
		>"$HOME/.config/rclone/rclone.conf"
	try ntt-places.1 '*second*'
	try ntt-places.1 '*list'
	has "$output" ' contents, '
	try ntt-places.1 '*far*'
	try ntt-mirror.1 '*'
}

@test "ntt-web(1)" {
	WANT=124 try ntt-web.1 'ntt-web'
	has "$output" "http://127.0.0.1:8034/?token="
	WANT=124 try ntt-web.1 '*unix:*'
	has "$output" web.sock
}

@test "every example was tried" {
	for page in "$TEST_DIR"/../man/*.[157]; do
		page=$(basename "$page")
		examples "$page" | sed "s/^/$page /"
	done | grep -v -- '--eject /dev/sr0$' | sort >"$BATS_FILE_TMPDIR/all"	# needs a drive
	sort -u "$BATS_FILE_TMPDIR/tried" | diff - <(sort -u "$BATS_FILE_TMPDIR/all")
}
