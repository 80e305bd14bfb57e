#!/usr/bin/env bats
# slow: hundreds of mounts
#
# ntt-mount-helper: real images, real loop devices, real mounts.  Every image
# is compared with its former self when its test ends.

load lib

H=0123456789abcdef

setup() {
	isolate
	MNT=$NTT_HOME/mnt/$H
	RUN=$NTT_HOME/run
	helper=$NTT_BUILD/bin/ntt-mount-helper
	tools=$NTT_BUILD/test/tools
	: >"$T/sums"
}

teardown() {
	local point
	# last mounted, first unmounted; names in mountinfo are escaped
	tac /proc/self/mountinfo | cut -d' ' -f5 | grep -F "$T" |
		while IFS= read -r point; do
			umount -l "$(printf %b "$point")"
		done
	[ -z "$fault" ] || kill -9 "$fault" || :
	detach_loops
	[ ! -s "$T/sums" ] || ( cd "$T" && sha256sum -c --quiet sums )
}

# Remembers what the image is now.
seal() {
	( cd "$T" && sha256sum -- "$@" >>sums )
}

sample_tree() {
	mkdir -p "$T/tree/p1"
	echo one >"$T/tree/p1/one"; ln "$T/tree/p1/one" "$T/tree/hard"
	head -c 300000 /dev/urandom >"$T/tree/data"
	: >"$T/tree/"$'new\nline'
}

# make_image TYPE: $T/i.img with the sample tree
make_image() {
	sample_tree
	case $1 in
	ext[234]) mkfs."$1" -q -d "$T/tree" "$T/i.img" 16M ;;
	xfs)
		truncate -s 320M "$T/i.img"
		mkfs.xfs -q "$T/i.img"
		filled_by_mount ;;
	btrfs)
		truncate -s 128M "$T/i.img"
		mkfs.btrfs -q --rootdir "$T/tree" "$T/i.img" ;;
	squashfs) mksquashfs "$T/tree" "$T/i.img" -quiet -no-progress ;;
	esac
	seal i.img
}

filled_by_mount() {
	mkdir -p "$T/rw"
	mount -o loop "$T/i.img" "$T/rw"
	cp -a "$T/tree/." "$T/rw"
	umount "$T/rw"
}

same_tree() {
	diff -r --no-dereference --exclude=lost+found "$T/tree" "$1"
}

mounts_of() {
	grep -c " $MNT\(/p[0-9]*\)\? " /proc/self/mountinfo || :
}

loops_of() {
	losetup -n -O NAME -j "$1" | wc -l
}

whole_medium() {
	need_loop
	make_image "$1"
	expect 0 "$helper" mount $H "$T/i.img"
	has "$output" '"schema":1,"layout":"single","already":false'
	has "$output" '"num":0,"device":"/dev/loop'
	has "$output" "\"mount\":\"$MNT\",\"fstype\":\"$1\",\"status\":\"ok\""
	same_tree "$MNT"
	has "$(grep " $MNT " /proc/self/mountinfo)" \
		' ro,nosuid,nodev,noexec,noatime'
	[ "$(loops_of "$T/i.img")" = 1 ]
	[ "$(losetup -n -O RO,AUTOCLEAR -j "$T/i.img" | tr -d ' ')" = 11 ]
	[ "$(stat -c %a "$NTT_HOME/mnt")" = 755 ]
	expect 0 "$helper" unmount $H
	[ "$(mounts_of)" = 0 ]
	[ "$(loops_of "$T/i.img")" = 0 ]
	[ ! -e "$MNT" ]
}

@test "ext2 on the whole medium" { whole_medium ext2; }
@test "ext3 on the whole medium" { whole_medium ext3; }
@test "ext4 on the whole medium" { whole_medium ext4; }
@test "xfs on the whole medium" { whole_medium xfs; }
@test "btrfs on the whole medium" { whole_medium btrfs; }
@test "squashfs on the whole medium" { whole_medium squashfs; }

# dirty TYPE SIZE: an image copied while it was mounted and written to
dirty() {
	need_loop
	sample_tree
	truncate -s "$2" "$T/live.img"
	mkfs."$1" -q "$T/live.img"
	mkdir "$T/rw"
	mount -o loop "$T/live.img" "$T/rw"
	cp -a "$T/tree/." "$T/rw"
	sync -f "$T/rw"
	cp --sparse=always "$T/live.img" "$T/i.img"
	umount "$T/rw"
	seal i.img
	expect 0 "$helper" mount $H "$T/i.img"
	has "$output" '"status":"ok"'
	[ "$(cat "$MNT/hard")" = one ] || [ "$1" = xfs ]
	expect 0 "$helper" unmount $H
}

@test "dirty ext3 is mounted without replaying its journal" { dirty ext3 32M; }
@test "dirty ext4 is mounted without replaying its journal" { dirty ext4 32M; }
@test "dirty xfs is mounted without replaying its log" { dirty xfs 320M; }
@test "dirty btrfs is mounted without replaying its log" { dirty btrfs 128M; }

@test "two copies of one xfs are mounted at once" {
	need_loop
	make_image xfs
	cp --sparse=always "$T/i.img" "$T/j.img"
	expect 0 "$helper" mount $H "$T/i.img"
	expect 0 "$helper" mount fedcba9876543210 "$T/j.img"
	expect 0 "$helper" unmount $H
	expect 0 "$helper" unmount fedcba9876543210
}

@test "already mounted: the same object; status; unmount" {
	need_loop
	make_image ext4
	expect 1 "$helper" status $H
	has "$output" '"layout":null'
	expect 0 "$helper" mount $H "$T/i.img"
	first=$output
	expect 0 "$helper" mount $H "$T/i.img"
	[ "${output/'"already":true'/'"already":false'}" = "$first" ]
	[ "$output" != "$first" ]
	expect 0 "$helper" status $H
	[ "${output/'"already":true'/'"already":false'}" = "$first" ]
	[ "$(mounts_of)" = 1 ]
	expect 0 "$helper" unmount $H
	expect 1 "$helper" status $H
	expect 2 "$helper" unmount $H
	has "$stderr" "medium $H is not mounted"
}

@test "a directory p1 on the medium is not a mount point" {
	need_loop
	make_image ext4
	expect 0 "$helper" mount $H "$T/i.img"
	[ -e "$MNT/p1/one" ]
	expect 0 "$helper" unmount $H
	[ "$(mounts_of)" = 0 ]
}

@test "a medium whose hash begins with another one's is not touched" {
	need_loop
	make_image ext4
	cp "$T/i.img" "$T/j.img"
	expect 0 "$helper" mount $H "$T/i.img"
	expect 0 "$helper" mount ${H}00 "$T/j.img"
	expect 0 "$helper" unmount $H
	expect 0 "$helper" status ${H}00
	same_tree "${MNT}00"
}

@test "another image for a mounted medium is refused" {
	need_loop
	make_image ext4
	cp "$T/i.img" "$T/j.img"
	expect 0 "$helper" mount $H "$T/i.img"
	expect 2 "$helper" mount $H "$T/j.img"
	has "$stderr" "mounted from another image"
	expect 0 "$helper" status $H
}

@test "twenty callers at once: one loop, one mount, one answer" {
	need_loop
	make_image ext4
	local i pids=()
	for i in {1..20}; do
		"$helper" mount $H "$T/i.img" >"$T/out.$i" 2>"$T/err.$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(loops_of "$T/i.img")" = 1 ]
	[ "$(mounts_of)" = 1 ]
	[ "$(sed 's/"already":[a-z]*/X/' "$T"/out.* | sort -u | wc -l)" = 1 ]
	[ "$(grep -l '"already":false' "$T"/out.* | wc -l)" = 1 ]
}

@test "callers that mount and unmount at once leave nothing half done" {
	need_loop
	make_image ext4
	local i
	for i in {1..12}; do
		"$helper" mount $H "$T/i.img" >"$T/m.$i" 2>&1 &
		"$helper" unmount $H >"$T/u.$i" 2>&1 &
	done
	wait
	expect 0 "$helper" mount $H "$T/i.img"
	[ "$(mounts_of)" = 1 ]
	[ "$(loops_of "$T/i.img")" = 1 ]
	expect 0 "$helper" unmount $H
	[ "$(loops_of "$T/i.img")" = 0 ]
}

@test "what was mounted on top is peeled off" {
	need_loop
	make_image ext4
	expect 0 "$helper" mount $H "$T/i.img"
	mount -t tmpfs tmpfs "$MNT"
	mount -t tmpfs tmpfs "$MNT"
	expect 1 "$helper" status $H
	expect 0 "$helper" mount $H "$T/i.img"
	has "$output" '"already":true'
	[ "$(mounts_of)" = 1 ]
	same_tree "$MNT"
}

@test "mounts nobody registered are replaced" {
	need_loop
	make_image ext4
	mkdir -p "$MNT"
	mount -t tmpfs tmpfs "$MNT"
	expect 0 "$helper" mount $H "$T/i.img"
	[ "$(mounts_of)" = 1 ]
	same_tree "$MNT"
}

@test "a registry that outlived its mounts is no mount" {
	need_loop
	make_image ext4
	expect 0 "$helper" mount $H "$T/i.img"
	umount "$MNT"
	expect 1 "$helper" status $H
	expect 0 "$helper" mount $H "$T/i.img"
	has "$output" '"already":false'
	same_tree "$MNT"
}

@test "a damaged registry, or one of another user, does not count" {
	need_loop
	make_image ext4
	expect 0 "$helper" mount $H "$T/i.img"
	echo nonsense >"$RUN/mount-$H.registry"
	expect 1 "$helper" status $H
	expect 0 "$helper" mount $H "$T/i.img"
	has "$output" '"already":false'
	chown nobody "$RUN/mount-$H.registry"
	expect 0 "$helper" mount $H "$T/i.img"
	has "$output" '"already":false'
	has "$stderr" 'ignoring the registry'
	[ "$(mounts_of)" = 1 ]
}

@test "loops of a deleted image of this name are detached" {
	need_loop
	make_image ext4
	losetup -f -r "$T/i.img"
	cp "$T/i.img" "$T/j.img"
	mv "$T/j.img" "$T/i.img"
	has "$(losetup -n -O BACK-FILE)" "$T/i.img (deleted)"
	expect 0 "$helper" mount $H "$T/i.img"
	[[ $(losetup -n -O BACK-FILE) != *"$T/i.img (deleted)"* ]]
	expect 0 "$helper" unmount $H
}

@test "unmounting detaches every loop of the image" {
	need_loop
	make_image ext4
	expect 0 "$helper" mount $H "$T/i.img"
	losetup -f -r "$T/i.img"
	expect 0 "$helper" unmount $H
	[ "$(loops_of "$T/i.img")" = 0 ]
}

@test "a medium in use is not unmounted, and its user is named" {
	need_loop
	make_image ext4
	expect 0 "$helper" mount $H "$T/i.img"
	flock -s -F "$RUN/use-$H.lock" sleep 60 3>&- &
	local pid=$!
	await '[ "$(cat /proc/$pid/comm)" = sleep ]'
	expect 75 "$helper" unmount $H
	has "$stderr" "medium $H is in use by process $pid (sleep)"
	kill "$pid"; wait "$pid" || :
	( cd "$MNT" && exec sleep 60 3>&- ) &
	pid=$!
	await '[ "$(readlink /proc/$pid/cwd)" = "$MNT" ]'
	expect 75 "$helper" unmount $H
	has "$stderr" "could not unmount \"$MNT\": Device or resource busy"
	kill "$pid"; wait "$pid" || :
	expect 0 "$helper" unmount $H
}

@test "one partition in use keeps all of them, however often one asks" {
	need_loop
	make_image ext4
	mv "$T/i.img" "$T/one"; : >"$T/sums"
	truncate -s $(($(stat -c %s "$T/one") * 2 + (3 << 20))) "$T/i.img"
	printf 'label: gpt\nsize=%s\nsize=%s\n' \
		$(($(stat -c %s "$T/one") / 512)){,} | sfdisk -q "$T/i.img"
	local n pid start
	for start in $(sfdisk -d "$T/i.img" | sed -n 's/.*start= *\([0-9]*\).*/\1/p'); do
		dd if="$T/one" of="$T/i.img" bs=512 seek="$start" conv=notrunc status=none
	done
	seal i.img
	expect 0 "$helper" mount $H "$T/i.img"
	for n in 1 2; do
		( cd "$MNT/p$n" && exec sleep 60 3>&- ) &
		pid=$!
		await '[ "$(readlink /proc/$pid/cwd)" = "$MNT/p$n" ]'
		for _ in 1 2; do
			expect 75 "$helper" unmount $H
			has "$stderr" "could not unmount \"$MNT/p$n\": Device"
			[ "$(mounts_of)" = 2 ]
		done
		kill "$pid"; wait "$pid" || :
	done
	expect 0 "$helper" unmount $H
	[ "$(mounts_of)" = 0 ]
}

@test "killed at any moment, run again: one mount, one loop" {
	need_loop
	make_image ext4
	local i
	for i in {1..30}; do
		"$helper" mount $H "$T/i.img" >"$T/out" 2>&1 &
		sleep "0.00$((i % 10))"
		kill -9 $! 2>"$T/err" || :
		wait $! || :
		expect 0 "$helper" mount $H "$T/i.img"
		[ "$(mounts_of)" = 1 ]
		[ "$(loops_of "$T/i.img")" = 1 ]
		expect 0 "$helper" unmount $H
	done
}

# ---- what is no medium ----

refused() {
	expect 1 "$helper" mount $H "$T/i.img"
	has "$stderr" "cannot mount \"$T/i.img\": $1"
	has "$output" '"partitions":[]'
	[ ! -e "$MNT" ]
}

@test "erased media are named" {
	need_loop
	truncate -s 3M "$T/i.img"; refused "every byte is zero"
	head -c 3M /dev/zero | tr '\0' '\366' >"$T/i.img"
	refused "every byte is 0xf6"
	head -c 3M /dev/zero | tr '\0' U >"$T/i.img"
	refused "every byte is 0x55"
	printf x | dd of="$T/i.img" bs=1 seek=3M conv=notrunc status=none
	refused "no partition table and no known file system"
	: >"$T/i.img"; refused "it is empty"
	truncate -s 3M "$T/i.img"
	printf x | dd of="$T/i.img" bs=1 seek=2M conv=notrunc status=none
	refused "no partition table and no known file system"
}

@test "archives under the name of an image are named" {
	need_loop
	sample_tree
	local kind
	tar cf "$T/i.img" -C "$T" tree; refused "it is a tar archive"
	tar --format=v7 -cf "$T/i.img" -C "$T" tree
	refused "it is a tar archive"
	for kind in gzip bzip2 xz zstd; do
		need $kind $kind
		$kind -c "$T/tree/data" >"$T/i.img"
		refused "it is a"?(n)" $kind archive"
	done
	bsdtar --format zip -cf "$T/i.img" -C "$T" tree
	refused "it is a zip archive"
	head -c 1M /dev/urandom >"$T/i.img"
	refused "no partition table and no known file system"
}

# ---- hostile callers ----

@test "hashes that are none are wrong usage" {
	local bad
	for bad in ../../etc/passwd0000 0123456789abcde 0123456789ABCDEF \
		"0123456789abcdef/" $'0123456789abcdef\n' \
		"$(printf 'a%.0s' {1..65})" "" "0123456789abcdeg"; do
		expect 64 "$helper" mount "$bad" /x
		expect 64 "$helper" unmount "$bad"
		expect 64 "$helper" status "$bad"
	done
	expect 64 "$helper" frobnicate $H
	expect 64 "$helper" mount $H
	expect 64 "$helper" status $H more
	expect 64 "$helper" --timeout=0 status $H
}

@test "links, devices, fifos and directories are no images" {
	need_loop
	make_image ext4
	ln -s i.img "$T/link"; mkfifo "$T/fifo"
	mknod "$T/device" b 7 0
	expect 1 "$helper" mount $H "$T/link"
	has "$stderr" "cannot use image \"$T/link\": it is a symbolic link"
	expect 1 "$helper" mount $H "$T/fifo"
	has "$stderr" "it is not a regular file"
	expect 1 "$helper" mount $H "$T/device"
	has "$stderr" "it is not a regular file"
	expect 1 "$helper" mount $H "$T"
	has "$stderr" "it is not a regular file"
	expect 1 "$helper" mount $H "$T/none"
	has "$stderr" "No such file or directory"
}

@test "names with spaces, newlines and other bytes" {
	need_loop
	make_image ext4
	local name
	for name in 'a b' $'new\nline' $'\xff\xfe' ' (deleted)' $'tab\t\\040'; do
		mv "$T/i.img" "$T/$name.img"
		expect 0 "$helper" mount $H "$T/$name.img"
		[ "$(printf '%s\n' "$output" | wc -l)" = 1 ]
		same_tree "$MNT"
		expect 0 "$helper" unmount $H
		[ "$(losetup -n | grep -cF "$T" || :)" = 0 ]
		mv "$T/$name.img" "$T/i.img"
	done
}

@test "a mount root that is a symbolic link is refused" {
	need_loop
	make_image ext4
	mkdir "$T/real"; ln -s real "$T/mnt"
	NTT_MOUNT_ROOT=$T/mnt expect 1 "$helper" mount $H "$T/i.img"
	has "$stderr" "cannot use mount root"
	has "$stderr" "a symbolic link is in its path"
	NTT_MOUNT_ROOT=$T/mnt/below expect 1 "$helper" mount $H "$T/i.img"
	[ -z "$(ls -A "$T/real/$H" 2>/dev/null)" ]
}

@test "a mount point that is a link, a file or another user's is refused" {
	need_loop
	make_image ext4
	mkdir -p "$NTT_HOME/mnt" "$T/victim"
	ln -s "$T/victim" "$MNT"
	expect 1 "$helper" mount $H "$T/i.img"
	has "$stderr" "cannot use mount point"
	rm "$MNT"; : >"$MNT"
	expect 1 "$helper" mount $H "$T/i.img"
	rm "$MNT"; mkdir "$MNT"; chown nobody "$MNT"
	expect 1 "$helper" mount $H "$T/i.img"
	has "$stderr" "it belongs to another user"
	[ "$(mounts_of)" = 0 ]
	! grep " $T/victim " /proc/self/mountinfo || return 1
}

# as_sudo COMMAND…: as if started by sudo, in a mount namespace whose
# /etc/ntt/ntt.env is $T/ntt.env.
as_sudo() {
	rm -rf "${T:?}/etc"
	mkdir -p "$T/etc/ntt"
	cp /etc/passwd /etc/group /etc/nsswitch.conf "$T/etc/"
	cp "$T/ntt.env" "$T/etc/ntt/"
	SUDO_UID=1000 unshare -m --propagation slave sh -c \
		'mount --bind "$0" /etc && exec "$@"' "$T/etc" "$@"
}

@test "under sudo only the system's file counts, not the environment" {
	need_loop
	make_image ext4
	mkdir -p "$T/sys/img"; ln "$T/i.img" "$T/sys/img/"
	printf '%s\n' "NTT_HOME=$T/sys" >"$T/ntt.env"
	IMAGE_ROOT=$T NTT_MOUNT_ROOT=$T/mine \
		expect 1 as_sudo "$helper" mount $H "$T/i.img"
	has "$stderr" "it is not below IMAGE_ROOT"
	[ ! -e "$T/mine" ]
	NTT_MOUNT_ROOT=$T/mine \
		expect 0 as_sudo "$helper" mount $H "$T/sys/img/i.img"
	has "$output" "\"mount\":\"$T/sys/mnt/$H\""
	[ ! -e "$T/mine" ]
	[ ! -e "$NTT_HOME/mnt" ]
}

@test "under sudo: images outside the roots, and ways around" {
	need_loop
	make_image ext4
	mkdir -p "$T/sys/img/sub" "$T/sys/img2" "$T/imgx"
	ln "$T/i.img" "$T/sys/img/sub/i.img"
	ln "$T/i.img" "$T/sys/img2/i.img"
	ln -s "$T" "$T/sys/img/out"
	ln -s ../../i.img "$T/sys/img/link"
	printf '%s\n' "NTT_HOME=$T/sys" >"$T/ntt.env"
	local bad
	for bad in "$T/sys/img2/i.img" "$T/sys/img/../../i.img" \
		"$T/sys/img/out/i.img" "$T/sys/img/link" "$T/sys/img"; do
		expect 1 as_sudo "$helper" mount $H "$bad"
		has "$stderr" "cannot use image"
	done
	expect 0 as_sudo "$helper" mount $H "$T/sys/img/sub/i.img"
	rm -rf "$T/sys/run"
	echo "NTT_IMAGE_ROOTS=/nonexistent:$T/sys/img2" >>"$T/ntt.env"
	expect 0 as_sudo "$helper" mount $H "$T/sys/img2/i.img"
	NTT_IMAGE_ROOTS=$T expect 1 as_sudo "$helper" mount $H "$T/i.img"
}

@test "under sudo: directories that others could replace are refused" {
	need_loop
	make_image ext4
	mkdir -p "$T/sys/img" "$T/sys/mnt" "$T/sys/run"
	ln "$T/i.img" "$T/sys/img/"
	printf '%s\n' "NTT_HOME=$T/sys" >"$T/ntt.env"
	chmod 777 "$T/sys/mnt"
	expect 1 as_sudo "$helper" mount $H "$T/sys/img/i.img"
	has "$stderr" "others than root can write to it"
	chmod 755 "$T/sys/mnt"; chown nobody "$T/sys/run"
	expect 1 as_sudo "$helper" mount $H "$T/sys/img/i.img"
	has "$stderr" "it does not belong to root"
	chown root "$T/sys/run"; chmod 1777 "$T/sys/run"
	expect 0 as_sudo "$helper" mount $H "$T/sys/img/i.img"
}

@test "an image swapped between check and use is never the wrong one" {
	mkdir "$T/root" "$T/out"
	echo good >"$T/root/good"; echo secret >"$T/out/other"
	expect 0 "$tools/openrace" "$T/root" "$T/root/good" "$T/out/other" 20000
	[[ $output != *"opened 0 "* ]]
	[[ $output != *"refused 0 "* ]]
}

@test "a hostile environment changes nothing" {
	need_loop
	make_image ext4
	mkdir "$T/bin"
	printf '#!/bin/sh\ntouch %s/ran\n' "$T" >"$T/bin/mount"
	chmod +x "$T/bin/mount"
	cp "$T/bin/mount" "$T/bin/losetup"; cp "$T/bin/mount" "$T/bin/ntfs-3g"
	expect 0 env PATH="$T/bin" IFS=/ LIBBLKID_DEBUG=all LIBMOUNT_DEBUG=all \
		BLKID_FILE="$T/x" "$helper" mount $H "$T/i.img"
	[ ! -e "$T/ran" ]
	[ -z "$stderr" ]
	same_tree "$MNT"
}

@test "one image under two hashes: each is unmounted by itself" {
	need_loop
	make_image ext4
	expect 0 "$helper" mount $H "$T/i.img"
	expect 0 "$helper" mount fedcba9876543210 "$T/i.img"
	expect 0 "$helper" unmount $H
	[ -z "$stderr" ]
	expect 0 "$helper" status fedcba9876543210
	expect 0 "$helper" unmount fedcba9876543210
	[ "$(loops_of "$T/i.img")" = 0 ]
}

@test "an image that does not end with a sector" {
	need_loop
	make_image ext4
	: >"$T/sums"
	printf 'some bytes' >>"$T/i.img"
	seal i.img
	expect 0 "$helper" mount $H "$T/i.img"
	same_tree "$MNT"
	expect 0 "$helper" unmount $H
}

@test "limits and descriptors of the caller change nothing" {
	need_loop
	make_image ext4
	# shellcheck disable=SC2016 # expanded by the inner shell
	expect 0 bash -c 'ulimit -S -f 0; exec "$@"' _ \
		"$helper" mount $H "$T/i.img"
	has "$output" '"status":"ok"'
	expect 0 "$helper" status $H
	expect 0 "$helper" unmount $H
	"$helper" mount $H "$T/i.img" <&- 2>&- >"$T/out"
	expect 0 "$helper" status $H
	expect 0 "$helper" unmount $H
	# not every root may raise a hard limit: all or nothing
	# shellcheck disable=SC2016 # expanded by the inner shell
	if bash -c 'ulimit -f 0; exec "$@"' _ "$helper" mount $H "$T/i.img" |
		cat >"$T/out"; [ "${PIPESTATUS[0]}" = 0 ]; then
		[ "$(mounts_of)" = 1 ]
	else
		[ "$(mounts_of)" = 0 ]
	fi
}

@test "not root: mounting says so, asking works" {
	need_root
	chmod 755 "$T" "$BATS_RUN_TMPDIR"
	mkdir -p "$NTT_HOME/mnt" "$NTT_HOME/run"
	cp "$helper" "$T/helper"; chmod -R a+rX "$T" "$NTT_HOME"
	expect 1 setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$T/helper" mount $H "$T/i.img"
	has "$stderr" "cannot mount without root rights"
	expect 1 setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$T/helper" status $H
	has "$output" '"layout":null'
	make_image ext4
	expect 0 "$helper" mount $H "$T/i.img"
	expect 0 setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$T/helper" status $H
	has "$output" '"already":true'
}

@test "the one program with rights links no database and parses no JSON" {
	run readelf -d "$helper"
	[[ $output != *libpq* && $output != *jansson* ]]
	has "$output" libblkid
	run ldd "$helper"
	[[ $output != *libpq* && $output != *jansson* ]]
}

# ---- dying disks ----

# behind FAULTS…: $T/f/image is $T/i.img with faults
behind() {
	mkdir -p "$T/f"
	"$tools/faultfile" "$T/i.img" "$T/f" "$@" 3>&- &
	fault=$!
	await '[ -e "$T/f/image" ]'
}

@test "a medium that hangs is given up, reported, and blocks nobody" {
	need_loop
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	make_image ext4
	behind hang 0 512
	expect 1 "$helper" --timeout=1 mount $H "$T/f/image"
	has "$stderr" "did not end in time"
	cp "$T/i.img" "$T/j.img"
	expect 0 "$helper" mount fedcba9876543210 "$T/j.img"
	expect 0 "$helper" unmount fedcba9876543210
	# the lock of the hanging one is free, too
	expect 0 "$helper" mount $H "$T/j.img"
	expect 0 "$helper" unmount $H
}

@test "a mount that hangs is abandoned with status hung" {
	need_loop
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	sample_tree
	# the root directory's inode, far behind what recognition reads
	mkfs.ext4 -q -b 4096 -E resize=500000000 -d "$T/tree" "$T/i.img" 64M
	seal i.img
	local block
	block=$(dumpe2fs "$T/i.img" 2>/dev/null |
		sed -n 's/.*Inode table at \([0-9]*\)-.*/\1/p' | head -n 1)
	behind hang $((block * 4096)) 4096
	expect 1 "$helper" --timeout=1 mount $H "$T/f/image"
	has "$output" '"status":"hung"'
	has "$output" 'did not end in 1 s'
	expect 1 "$helper" status $H
	cp "$T/i.img" "$T/j.img"
	expect 0 "$helper" mount fedcba9876543210 "$T/j.img"
	expect 0 "$helper" unmount fedcba9876543210
}

# A disk of three partitions; mounting the second one hangs.
hanging_disk() {
	sample_tree
	mkfs.ext4 -q -b 4096 -E resize=500000000 -d "$T/tree" "$T/fs" 64M
	truncate -s 200M "$T/i.img"
	sfdisk -q "$T/i.img" <<-X
	label: dos
	start=2048, size=131072
	start=133120, size=131072
	start=264192, size=131072
	X
	local sector block
	for sector in 2048 133120 264192; do
		dd if="$T/fs" of="$T/i.img" bs=512 seek=$sector conv=notrunc,sparse \
			status=none
	done
	seal i.img
	block=$(dumpe2fs "$T/fs" 2>/dev/null |
		sed -n 's/.*Inode table at \([0-9]*\)-.*/\1/p' | head -n 1)
	behind hang $((133120 * 512 + block * 4096)) 4096
}

@test "a partition that hangs does not stop the others" {
	need_loop
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	hanging_disk
	expect 3 "$helper" --timeout=1 mount $H "$T/f/image"
	has "$output" '"num":2,"device":null,"mount":null,"fstype":"ext4","status":"hung"'
	same_tree "$MNT/p1"
	same_tree "$MNT/p3"
	expect 0 "$helper" unmount $H
	[ "$(mounts_of)" = 0 ]
}

@test "interrupted: what was mounted is unmounted again" {
	need_loop
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	hanging_disk
	"$helper" --timeout=3 mount $H "$T/f/image" >"$T/out" 2>&1 3>&- &
	local pid=$! rc=0
	await '[ "$(mounts_of)" = 1 ]'
	kill -TERM $pid
	wait $pid || rc=$?
	[ $rc = 143 ]
	[ "$(mounts_of)" = 0 ]
	[ ! -e "$MNT" ]
	expect 1 "$helper" status $H
}

@test "read errors in the superblock: a reason, no mount" {
	need_loop
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	make_image ext4
	behind eio 0 4096
	expect 1 "$helper" mount $H "$T/f/image"
	has "$stderr" "could not recognise"
	has "$stderr" "Input/output error"
}

# ---- what programs see ----

@test "programs get the object as a structure" {
	need_loop
	make_image ext4
	expect 0 "$tools/mounted" status $H
	has "$output" "rc 0 status 1 layout 0 already 0 count 0"
	expect 0 "$tools/mounted" mount $H "$T/i.img"
	has "$output" "rc 0 status 0 layout 1 already 0 count 1 mounted 1 error -"
	has "$output" "0 ok $MNT ext4"
	expect 0 "$tools/mounted" mount $H "$T/i.img"
	has "$output" "already 1"
	expect 0 "$tools/mounted" unmount $H
	expect 0 "$tools/mounted" mount $H "$T/none"
	has "$output" "rc 0 status 1 layout 0"
	has "$output" "No such file or directory"
	expect 1 "$tools/mounted" mount nonsense "$T/none"
	has "$output" "rc -1 status 64"
}

@test "sudoers: exactly this program, through real sudo" {
	need_loop
	need sudo sudo
	make_image ext4
	expect 0 visudo -cf "$TEST_DIR/../contrib/sudoers.d/ntt"
	mkdir -p "$T/sys/img" "$T/e/ntt" "$T/e/sudoers.d"
	ln "$T/i.img" "$T/sys/img/"
	echo "NTT_HOME=$T/sys" >"$T/e/ntt/ntt.env"
	cp -a /etc/pam.d /etc/nsswitch.conf /etc/security /etc/login.defs "$T/e/"
	cp "$helper" "$T/ntt-mount-helper"; chmod 755 "$T"
	printf 'root:x:0:0::/:/bin/sh\nu:x:4711:4711::/:/bin/sh\n' >"$T/e/passwd"
	printf 'root:*:1::::::\nu:*:1::::::\n' >"$T/e/shadow"
	printf 'root:x:0:\nu:x:4711:\nntt:x:4712:u\n' >"$T/e/group"
	sed "s|/usr/local/bin|$T|" "$TEST_DIR/../contrib/sudoers.d/ntt" \
		>"$T/e/sudoers"
	chmod 440 "$T/e/sudoers"
	as_user() {
		unshare -m --propagation slave sh -c 'mount --bind "$0" /etc &&
			exec setpriv --reuid=4711 --regid=4711 --init-groups "$@"' \
			"$T/e" sudo -n "$@"
	}
	expect 0 as_user "$T/ntt-mount-helper" mount $H "$T/sys/img/i.img"
	has "$output" "\"mount\":\"$T/sys/mnt/$H\""
	expect 1 as_user "$T/ntt-mount-helper" mount $H "$T/i.img"
	has "$stderr" "it is not below IMAGE_ROOT"
	NTT_MOUNT_ROOT=$T/mine expect 1 as_user NTT_MOUNT_ROOT="$T/mine" \
		"$T/ntt-mount-helper" mount $H "$T/sys/img/i.img"
	expect 1 as_user /bin/true
	[ ! -e "$T/mine" ]
}
