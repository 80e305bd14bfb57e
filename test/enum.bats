#!/usr/bin/env bats
# ntt-enum: every name once, nothing silently lost, all or nothing.

# shellcheck disable=SC2154 # expect sets output and stderr
load lib

H=0123456789abcdef0123456789abcdef
FORMAT='%y\034%D\034%i\034%n\034%s\034%Ts\034%p\0'

setup() {
	isolate
	cd "$T" || return 1
}

teardown() {
	# shellcheck disable=SC2046 # one number each
	kill $(jobs -p) 2>/dev/null || true
	awk -v t="$T" 'index($2, t) == 1 { print $2 }' /proc/mounts |
	    sort -r | while read -r m; do
		umount -l "$m"
	done
	# a path of many thousand bytes is too much for some rm(1)
	cd /
	find "$T" -depth -delete 2>/dev/null || true
}

# same_as_find ROOT: the records of both as sets
same_as_find() {
	find "$1" -xdev -printf "$FORMAT" | sort -z >"$T/.find"
	expect 0 timeout 60 ntt-enum "$1" $H "$T/.enum.raw"
	sort -z "$T/.enum.raw" | cmp - "$T/.find"
}

# As somebody whom permissions stop.
as_nobody() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}

nothing_left() {
	[ -z "$(find "$T/out" -mindepth 1 2>/dev/null)" ] ||
	    { find "$T/out"; return 1; }
}

# Until COMMAND succeeds, at most ten seconds.
wait_for() {
	local i

	for ((i = 0; i < 200; i++)); do
		"$@" && return
		sleep 0.05
	done
	echo "waited in vain for: $*"
	return 1
}

@test "the same records as find, for every name and any spelling of the root" {
	difficult_tree tree
	for root in tree tree/ tree// ./tree "$T/tree" tree/../tree; do
		same_as_find "$root"
	done
	cd tree
	same_as_find .
	cd dup
	same_as_find ..
}

@test "the same records as find for /usr/share" {
	same_as_find /usr/share
}

@test "the same records as find for devices" {
	need_root
	mkdir tree
	mknod tree/b b 7 300 && mknod tree/c c 1 3
	same_as_find tree
	expect 0 ntt-raw-check .enum.raw
	has "$output" "type b 1"
	has "$output" "type c 1"
}

@test "a root whose name has odd bytes" {
	mkdir $'r\n\034\xff-' && : >$'r\n\034\xff-/f'
	same_as_find $'r\n\034\xff-'
	mkdir -- -x && : >-x/f
	expect 0 ntt-enum -- -x $H -
	has "$output" "-x/f"
}

@test "the sidecar describes the file" {
	need b3sum b3sum
	need jq jq
	difficult_tree tree
	mkdir out
	expect 0 ntt-enum tree $H out/x.raw
	[ "$(jq -r .blake3 out/x.raw.json)" = \
	    "$(b3sum --no-names out/x.raw)" ]
	[ "$(jq .bytes out/x.raw.json)" = "$(stat -c %s out/x.raw)" ]
	[ "$(jq .rows out/x.raw.json)" = "$(find tree -printf x | wc -c)" ]
	[ "$(jq -c '[.root, .medium, .errors, .partitions[0].name]' \
	    out/x.raw.json)" = "[\"tree\",\"$H\",{},\"\"]" ]
}

@test "output and log directories are 0755, files 0644, under any umask" {
	mkdir tree
	umask 077
	# below the roots; elsewhere a name that was mistyped makes none
	a=$NTT_HOME/raw/a
	expect 0 ntt-enum tree $H "$a/b/x.raw"
	[ "$(stat -c %a "$a" "$a/b" "$a/b/x.raw" "$a/b/x.raw.json" "$NTT_HOME/log" \
	    "$NTT_HOME/log/ntt-enum.jsonl" | tr '\n' ' ')" = \
	    "755 755 644 644 755 644 " ]
}

@test "directories that cannot be read are counted, logged, and exit 3" {
	need jq jq
	mkdir -p tree/ok tree/closed/in tree/$'bad\xff' && : >tree/ok/f
	chmod 000 tree/closed tree/$'bad\xff'
	mkdir -p out "$NTT_HOME" && chmod 777 out "$NTT_HOME" && chmod 755 .
	chmod 711 "$BATS_RUN_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")"
	as_nobody test -r tree || skip "nobody cannot reach $T"
	expect 3 as_nobody ntt-enum tree $H out/x.raw
	has "$stderr" 'could not open "tree/closed": Permission denied'
	has "$stderr" '2 problems: EACCES 2'
	[ "$(jq -c .errors out/x.raw.json)" = '{"EACCES":2}' ]
	expect 0 ntt-raw-check out/x.raw
	has "$output" "records 5"
	[ "$(jq -r 'select(.stage == "enum_error") |
	    .path // .path_hex' "$NTT_HOME/log/ntt-enum.jsonl" | sort |
	    tr '\n' ' ')" = "747265652f626164ff tree/closed " ]
	chmod 755 tree/closed tree/$'bad\xff'
}

@test "names whose inode cannot be read are counted as well" {
	mkdir -p tree/list && : >tree/list/a && : >tree/list/b
	chmod 444 tree/list
	chmod 711 "$BATS_RUN_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")"
	mkdir -p out "$NTT_HOME" && chmod 777 out "$NTT_HOME" && chmod 755 .
	as_nobody test -r tree || skip "nobody cannot reach $T"
	expect 3 as_nobody ntt-enum tree $H out/x.raw
	has "$stderr" 'could not stat "tree/list/a": Permission denied'
	has "$stderr" 'EACCES 2'
	chmod 755 tree/list
}

@test "a root that is missing, a file, or a symbolic link is refused" {
	mkdir dir out && : >file && ln -s dir link
	expect 1 ntt-enum nowhere $H out/x.raw
	has "$stderr" 'could not enumerate "nowhere": No such file'
	expect 1 ntt-enum file $H out/x.raw
	has "$stderr" "Not a directory"
	expect 1 ntt-enum link $H out/x.raw
	has "$stderr" "slash"
	nothing_left
	same_as_find link/
}

@test "wrong usage is 64" {
	mkdir tree
	expect 64 ntt-enum tree $H
	expect 64 ntt-enum tree ABCDEF12 x.raw
	has "$stderr" 'invalid medium hash or label "ABCDEF12"'
	expect 64 ntt-enum tree ../$H x.raw
	expect 64 ntt-enum --stall 0 tree $H x.raw
	expect 64 ntt-enum --stall x tree $H x.raw
	expect 64 ntt-enum --tee tree $H -
	expect 64 ntt-enum --ignore nowhere tree $H x.raw
	[ ! -e x.raw ]
}

@test "- and --tee write the same bytes as the file" {
	difficult_tree tree
	expect 0 ntt-enum tree $H x.raw
	ntt-enum -q tree $H - | cmp - x.raw
	ntt-enum -q --tee tree $H y.raw | cmp - x.raw
	cmp x.raw y.raw
	[ -e y.raw.json ]
}

@test "a reader of stdout that dies: exit 1, no file" {
	mkdir out
	expect 1 bash -c "set -o pipefail
	    ntt-enum /usr $H - | head -c 100 >/dev/null"
	has "$stderr" "went away"
	expect 1 bash -c "set -o pipefail
	    ntt-enum --tee /usr $H out/x.raw | head -c 100 >/dev/null"
	has "$stderr" "went away"
	nothing_left
	# also when everything fits into the pipe
	mkdir tree
	mkfifo fifo
	# shellcheck disable=SC2016 # for the other shell
	expect 1 bash -c 'exec 8<>fifo 9>fifo 8>&-
	    ntt-enum --tee tree "$1" out/x.raw >&9' - $H
	has "$stderr" "went away"
	nothing_left
}

@test "stdout that cannot be written is exit 1, no file" {
	mkdir tree out
	for args in "tree $H -" "--tee tree $H out/x.raw"; do
		# shellcheck disable=SC2086 # words
		run bash -c "ntt-enum $args >/dev/full"
		[ "$status" = 1 ]
		has "$output" "standard output: No space left"
		run bash -c "ntt-enum $args >&-"
		[ "$status" = 1 ]
	done
}

@test "a full disk is exit 75 and leaves nothing" {
	need_root
	mkdir -p out && mount -t tmpfs -o size=64k tmpfs out
	expect 75 ntt-enum /usr/share $H out/x.raw
	has "$stderr" "No space left"
	nothing_left
}

@test "interrupted: exit 128+n, nothing left, the stream truncated" {
	local signal number pid rc

	mkdir out
	mkfifo fifo
	for signal in INT:130 TERM:143 HUP:129; do
		number=${signal#*:}
		# a reader that does not read keeps it running
		# shellcheck disable=SC2217 # that is the point
		sleep 60 <fifo &
		reader=$!
		# shells start background jobs with SIGINT ignored
		env --default-signal=INT ntt-enum --tee /usr $H out/x.raw \
		    >fifo 2>err &
		pid=$!
		wait_for pgrep -P $pid >/dev/null
		sleep 0.3
		kill -"${signal%:*}" $pid
		rc=0
		wait $pid || rc=$?
		[ "$rc" = "$number" ]
		has "$(cat err)" "interrupted"
		nothing_left
		kill $reader
		wait $reader || true
	done
}

@test "killed: the reader of the stream sees that it is truncated" {
	local pid

	for victim in parent child; do
		rm -f fifo copy && mkfifo fifo
		# slow enough to be caught in the middle
		(sleep 1; cat) <fifo >copy &
		reader=$!
		ntt-enum /usr $H - >fifo 2>err &
		pid=$!
		wait_for pgrep -P $pid >.child
		sleep 0.2
		if [ $victim = parent ]; then
			kill -KILL $pid
		else
			kill -KILL "$(cat .child)"
		fi
		rc=0
		wait $pid || rc=$?
		wait $reader
		[ $rc != 0 ]
		expect 1 ntt-raw-check copy
		has "$output" "truncated"
	done
	has "$(cat err)" "ended unexpectedly (Killed)"
}

@test "an old .raw is replaced only by a whole one" {
	mkdir tree && : >tree/a
	expect 0 ntt-enum tree $H x.raw
	cp x.raw old.raw && cp x.raw.json old.json
	: >tree/b
	expect 1 ntt-enum tree/a $H x.raw
	cmp x.raw old.raw
	cmp x.raw.json old.json
	expect 0 ntt-enum tree $H x.raw
	expect 0 ntt-raw-check x.raw
	has "$output" "records 3"
}

@test "patterns drop names, count them, and do not prune" {
	need jq jq
	mkdir -p tree/cache tree/src && : >tree/cache/a && : >tree/cache/keep
	: >tree/src/x.o && : >tree/src/x.c && : >tree/#o
	printf '%s\n' '# comment' '' '^cache(/a)?$' '\.o$' 'never' >list
	expect 0 ntt-enum --ignore list tree $H x.raw
	[ "$(tr '\034\0' '\t\n' <x.raw | cut -f 7 | sort | tr '\n' ' ')" = \
	    "tree tree/#o tree/cache/keep tree/src tree/src/x.c " ]
	[ "$(jq -c '[.excluded, [.patterns[].count]]' x.raw.json)" = \
	    '[3,[2,1,0]]' ]
	# the configured file, and the one beside the output
	NTT_IGNORE_PATTERNS=$T/list expect 0 ntt-enum tree $H y.raw
	cmp x.raw y.raw
	mkdir out && cp list out/.ntt-ignore
	expect 0 ntt-enum tree $H out/x.raw
	cmp x.raw out/x.raw
	# the root itself stays, whatever is dropped
	echo . >list
	expect 0 ntt-enum --ignore list tree $H x.raw
	expect 0 ntt-raw-check x.raw
	has "$output" "records 1"
}

@test "a bad pattern is named with its line; comments exclude nothing" {
	mkdir tree && : >tree/#x
	printf '%s\n' ok '(' >list
	expect 64 ntt-enum --ignore list tree $H x.raw
	has "$stderr" 'line 2'
	printf '%s\n' '# x' '#' >list
	expect 0 ntt-enum --ignore list tree $H x.raw
	expect 0 ntt-raw-check x.raw
	has "$output" "records 2"
}

@test "mount points are listed and not crossed" {
	need_root
	mkdir -p tree/m/below tree/n
	mount -t tmpfs tmpfs tree/m && : >tree/m/hidden
	: >tree/n/inside && mount --bind tree/n tree/n
	expect 3 ntt-enum tree $H x.raw
	has "$stderr" '2 file systems mounted below "tree" were not entered'
	expect 0 ntt-raw-tail x.raw 99
	[[ $output != *hidden* && $output != *inside* ]]
	[ "$(grep -c '^o.*mount_point.*tree/[mn]$' <<<"$output")" = 2 ]
	[ "$(grep -c '^d' <<<"$output")" = 3 ]
}

@test "--cross lists what is mounted, and then nothing is omitted" {
	need_root
	mkdir -p tree/m tree/n
	mount -t tmpfs tmpfs tree/m && : >tree/m/hidden
	: >tree/n/inside && mount --bind tree/n tree/n
	expect 0 ntt-enum --cross tree $H x.raw
	expect 0 ntt-raw-tail x.raw 99
	has "$output" tree/m/hidden
	has "$output" tree/n/inside
}

@test "a mount point that a pattern excludes is no omission" {
	need_root
	mkdir -p tree/m && mount -t tmpfs tmpfs tree/m
	echo '^m$' >list
	expect 0 ntt-enum --ignore list tree $H x.raw
}

@test "subvolumes of btrfs are listed, each with a device of its own" {
	need_loop
	need mkfs.btrfs btrfs-progs
	truncate -s 120M b.img && mkfs.btrfs -q b.img
	mkdir tree && mount -o loop b.img tree
	btrfs subvolume create tree/@ >/dev/null
	btrfs subvolume create tree/@/nested >/dev/null
	echo 1 >tree/@/f && echo 2 >tree/@/nested/f && echo 3 >tree/f
	btrfs subvolume snapshot -r tree/@ tree/snap >/dev/null
	expect 0 ntt-enum tree $H x.raw
	expect 0 ntt-raw-tail x.raw 99
	for f in f @/f @/nested/f snap/f; do
		has "$output" "tree/$f"
	done
	# the same inode number in four subvolumes
	[ "$(awk '$NF ~ /\/f$/ { print $2, $3 }' <<<"$output" | sort -u |
		wc -l)" = 4 ]
	before=$(awk '/tree.@.f$/ { print $2 % 2^32 }' <<<"$output")
	umount tree && mount -o loop b.img tree
	expect 0 ntt-enum --no-snapshots tree $H x.raw
	expect 0 ntt-raw-tail x.raw 99
	[[ $output != *snap/f* ]]
	[ "$(awk '/tree.@.f$/ { print $2 % 2^32 }' <<<"$output")" = "$before" ]
}

@test "a directory that contains itself is a problem, not a hang" {
	need_root
	mkdir -p tree/a && mount --bind tree tree/a
	expect 3 ntt-enum --cross tree $H x.raw
	has "$stderr" 'could not enter "tree/a": Too many levels'
}

@test "partitions of a mounted medium follow each other" {
	need_root
	need jq jq
	local base=$NTT_HOME/mnt/$H p

	mkdir -p "$base"/{p1,p2,p10,pages}
	for p in 10 2 1; do
		mount -t tmpfs tmpfs "$base/p$p" && : >"$base/p$p/f$p"
	done
	expect 0 ntt-enum "$base" $H x.raw
	expect 0 ntt-raw-check x.raw
	has "$output" "duplicates 0"
	[ "$(tr '\034\0' '\t\n' <x.raw | cut -f 7 | sed "s,$base,," |
	    tr '\n' ' ')" = " /pages /p1 /p1/f1 /p2 /p2/f2 /p10 /p10/f10 " ]
	[ "$(jq -c '[.partitions[] | [.name, .rows]]' x.raw.json)" = \
	    '[["",2],["p1",2],["p2",2],["p10",2]]' ]
	# patterns see the path from the medium's root
	echo '^p2/f' >list
	expect 0 ntt-enum --ignore list "$base" $H x.raw
	expect 0 ntt-raw-check x.raw
	has "$output" "records 7"
	# a copy of it elsewhere is an ordinary tree
	mkdir other && mount --bind "$base" other
	same_as_find other
}

@test "base and partitions contradict; partitions without mounts are none" {
	need_root
	local base=$NTT_HOME/mnt/$H

	mkdir -p "$base"
	mount -t tmpfs tmpfs "$base" && mkdir "$base/p1"
	# a directory of the medium that looks like one
	same_as_find "$base"
	mount -t tmpfs tmpfs "$base/p1"
	expect 1 ntt-enum "$base" $H x.raw
	has "$stderr" "both the medium and its partitions"
	umount "$base/p1" "$base"
	mkdir "$base"/p{1,2}
	expect 1 ntt-enum "$base" $H x.raw
	has "$stderr" "partitions are not mounted"
	[ ! -e x.raw ]
}

@test "deep paths, with few descriptors and little memory" {
	shape deep tree 3000
	(
		ulimit -n 128
		ntt-enum -q tree $H x.raw
	)
	find tree -xdev -printf "$FORMAT" | sort -z >.find
	sort -z x.raw | cmp - .find
	expect 0 ntt-raw-check x.raw
	has "$output" "records 6002"
}

@test "directories that are read in parts, with deep ones in between" {
	# 8 MiB of names are read at a time, 64 levels are kept open
	mkdir tree && shape long tree/in 36000
	for i in {1..8}; do
		shape deep "tree/in/$i" 70
	done
	same_as_find tree
}

@test "wide directories, of files and of directories" {
	shape wide tree 100000
	shape dirs tree/dirs 2000
	if grep -q __asan_init "$(command -v ntt-enum)"; then
		# its shadow alone is more
		ntt-enum -q tree $H x.raw
	else
		prlimit --data=33554432 ntt-enum -q tree $H x.raw
	fi
	expect 0 ntt-raw-check x.raw
	has "$output" "records 102004"
	has "$output" "inodes 102004"
	has "$output" "duplicates 0"
}

@test "files carved by PhotoRec get numbers of their own" {
	mkdir -p rec/recup_dir.{1,2,10} rec/carved.x rec/other
	: >rec/recup_dir.2/b && : >rec/recup_dir.2/a && : >rec/recup_dir.10/c
	: >rec/recup_dir.1/z && : >rec/carved.x/q && : >rec/other/no
	: >rec/recup_dir.log
	echo 12345 >rec/recup_dir.1/z && touch -d @77 rec/recup_dir.1/z
	expect 0 ntt-enum --carved rec carved-sda-2025 x.raw
	tr '\034\0' ' \n' <x.raw | cut -d ' ' -f 1-4,7 >got
	cat >want <<-END
	f 1 1 1 carved-sda-2025/carved.x/q
	f 1 2 1 carved-sda-2025/recup_dir.1/z
	f 1 3 1 carved-sda-2025/recup_dir.2/a
	f 1 4 1 carved-sda-2025/recup_dir.2/b
	f 1 5 1 carved-sda-2025/recup_dir.10/c
	END
	diff want got
	has "$(tr '\034\0' ' \n' <x.raw)" " 6 77 carved-sda-2025/recup_dir.1/z"
	# no file at all is no enumeration
	expect 1 ntt-enum --carved rec/other carved-sda-2025 y.raw
	[ ! -e y.raw ]
}

@test "a medium that hangs in the kernel is left behind" {
	need_root
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	local pid

	mkdir tree out
	hangfs tree >ready 3>&- &
	pid=$!
	wait_for grep -q ready ready
	expect 1 ntt-enum --stall 1 tree $H out/x.raw
	has "$stderr" 'no record for 1 seconds, at "tree"'
	has "$stderr" "hangs in the kernel and was left behind"
	nothing_left
	grep -q enum_stall "$NTT_HOME/log/ntt-enum.jsonl"
	# and a pipe's reader is not kept waiting
	expect 1 bash -c "set -o pipefail
	    timeout 20 ntt-enum --stall 1 tree $H - | cat"
	kill $pid
}

@test "a reader that is slow is no stall" {
	expect 0 bash -c "set -o pipefail
	    ntt-enum --stall 1 /usr $H - | (sleep 3; cat) >copy"
	[[ $stderr != *"no record"* ]]
	expect 0 ntt-raw-check copy
}

@test "a log that cannot be written is one warning" {
	mkdir tree && : >notadir
	NTT_LOG_DIR=$T/notadir/x expect 0 ntt-enum tree $H x.raw
	has "$stderr" "could not write the log"
	[ "$(grep -c 'the log' <<<"$stderr")" = 1 ]
}

@test "access times of the tree stay as they are" {
	mkdir tree && : >tree/f
	touch -a -d 2001-01-01 tree
	expect 0 ntt-enum tree $H x.raw
	[ "$(stat -c %x tree | cut -c 1-4)" = 2001 ]
}

@test "what is being unmounted is not listed" {
	need_loop
	mkdir "$T/tree" && echo x >"$T/tree/f"
	mkfs.ext4 -q -d "$T/tree" "$T/i.img" 8M
	local h=0123456789abcdef0123456789abcdef
	ntt-mount-helper mount $h "$T/i.img" >/dev/null
	exec 7>"$NTT_HOME/run/use-$h.lock"
	flock -x 7
	expect 75 ntt-enum -q "$NTT_HOME/mnt/$h" $h - 7>&-
	has "$stderr" "is being unmounted"
	exec 7>&-
	expect 0 ntt-enum -q "$NTT_HOME/mnt/$h" $h -
	ntt-mount-helper unmount $h >/dev/null
}
