#!/usr/bin/env bats
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
	[ -e loop ] || losetup -f --show zip7.img >loop
	cat loop
}

# examples PAGE: of its section, without the prompt
examples() {
	awk '/^\.Sh/ { here = $2 == "EXAMPLES" } here && /^\.Dl [$#] /' \
		"$TEST_DIR/../man/$1" | sed 's/^\.Dl [$#] //; s/\\(dq/"/g'
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
		line=${line//\/data\/fast\/img/$NTT_HOME/img}
		line=${line//\/mnt\/disk/disk}
		line=${line//\/usr\/local\/share\/ntt\/sql/$TEST_DIR/../sql}
		line=${line//\/srv\/www\/collection/www}
		line=${line//\/mnt\/transfer/.}
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
	ntt-loader -q --drop "$HASH"
	try ntt.7 'ntt-enum *'
	try ntt.7 'ntt-copy-workers *'
	try ntt.7 'ntt'
	has "$output" "media       4"
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
	cmp zip7.img disk.img
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
		archived_at IS NOT NULL AND image_path IS NOT NULL LIMIT 1")
	try ntt-archiver.1 '*'
}

@test "ntt-report(1)" {
	need mactime sleuthkit
	try ntt-report.1 '*'
	grep -q '<html' box7.html
	[ -f www/index.html ] && [ -f box7/bagit.txt ]
}

@test "every example was tried" {
	for page in "$TEST_DIR"/../man/*.[157]; do
		page=$(basename "$page")
		examples "$page" | sed "s/^/$page /"
	done | grep -v -- '--eject /dev/sr0$' | sort >"$BATS_FILE_TMPDIR/all"	# needs a drive
	sort -u "$BATS_FILE_TMPDIR/tried" | diff - <(sort -u "$BATS_FILE_TMPDIR/all")
}
