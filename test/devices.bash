# Loaded by tests that need bad disks: files behind a FUSE server that gives
# errors, hangs or is slow where it is told to (test/tools/faultfile.c).
#
#	load lib
#	load devices
#	teardown() { end_devices; }

faults=

# bad_file FILE FAULTS…: $T/fuse/image is FILE with faults; $fault its server
bad_file() {
	local file=$1
	shift
	mkdir -p "$T/fuse"
	"$NTT_BUILD/test/tools/faultfile" "$file" "$T/fuse" "$@" 2>/dev/null 3>&- &
	fault=$!
	faults="$faults $fault"
	await '[ -f "$T/fuse/image" ]' "$fault"
}

# bad_disk [-b SECTOR] FAULTS…: the file src with faults as loop device $dev
bad_disk() {
	local sector=512
	need_loop
	[ "${1:-}" != -b ] || { sector=$2; shift 2; }
	bad_file src "$@"
	dev=$(losetup -r -f --show -b "$sector" "$T/fuse/image")
}

# unplug: the disk is gone
unplug() {
	losetup -d "$dev"
	kill -9 "$fault" 2>/dev/null || :
	wait "$fault" 2>/dev/null || :
	umount -l "$T/fuse"
}

# end_devices: for teardown()
end_devices() {
	local l
	# first, so that nothing waits for it in the kernel
	for l in $faults; do kill -9 "$l" 2>/dev/null; done
	detach_loops
	# a dead FUSE mount is no directory to the shell any more
	for l in $(awk -v t="$T/" 'index($2, t) == 1 { print $2 }' \
		/proc/self/mounts); do
		umount -l "$l"
	done
	return 0
}
