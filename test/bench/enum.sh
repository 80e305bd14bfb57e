#!/bin/bash
#
# enum.sh - walking a tree against find, bfs, and the bare system calls
#
# usage: [NTT_BUILD=dir] [ENTRIES=400000] [RUNS=5] enum.sh
#
# The programs run by turns on the same tree, writing to a pipe that is read
# away; the median of the runs counts.  As root with loop devices a second
# tree lies in an ext4 image that is mounted anew, with the caches dropped,
# before each run.  Exit status 0 says that it ran, not that a target was met.
set -eu
# shellcheck source=test/bench/record.bash
. "$(dirname "$0")/record.bash"

commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
build=$(realpath "${NTT_BUILD:-build}")
entries=${ENTRIES:-400000}
runs=${RUNS:-5}
seed=7
format='%y\034%D\034%i\034%n\034%s\034%Ts\034%p\0'

work=$(mktemp -d "${TMPDIR:-/var/tmp}/ntt-bench-enum.XXXXXX")
export NTT_HOME=$work/home
mounted=
cleanup() {
	[ -z "$mounted" ] || umount "$mounted" || true
	rm -rf "$work"
}
trap cleanup EXIT

peers=(find)
! have bfs || peers+=(bfs)

# walk WHO TREE: to a pipe
walk() {
	case $1 in
	ntt-enum) "$build/bin/ntt-enum" -q "$2" bench - ;;
	bare) "$build/test/bench/bare_walk" "$2" ;;
	*) "$1" "$2" -xdev -printf "$format" ;;
	esac | cat >/dev/null
}

# time_walk WHO TREE: appends its seconds to a file
time_walk() {
	local TIMEFORMAT=%R

	{ time walk "$1" "$2"; } 2>>"$work/$1.$3"
}

median() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# row WHAT PEER TARGET SET
row() {
	record "list $entries files, $4" "$work/ntt-enum.$4" "$2" "$work/$2.$4" "$3"
	awk -v what="$1" -v name="$2" -v ours="$(median "$work/ntt-enum.$4")" \
	    -v peer="$(median "$work/$2.$4")" -v target="$3" 'BEGIN {
		ratio = ours / peer
		printf "%-16s %8.2f s  %-5s %8.2f s  %6.2f  <= %-5s %s\n",
		    what, ours, name, peer, ratio, target,
		    ratio <= target ? "ok" : "MISSED"
	}'
}

"$build/test/bench/mktree" "$work/tree" "$entries" $seed
find "$work/tree" -printf '%s' >/dev/null
for ((i = 0; i < runs; i++)); do
	for who in ntt-enum bare "${peers[@]}"; do
		time_walk "$who" "$work/tree" warm
	done
done

echo "enumerate, $entries entries, commit $commit"
printf '%-16s %10s  %-5s %10s  %6s  %-8s\n' what ours peer '' ratio target
row "enumerate, warm" bare 1.2 warm
row "enumerate, warm" find 0.25 warm
[[ ${peers[*]} != *bfs* ]] || row "enumerate, warm" bfs 0.6 warm

if [ "$(id -u)" != 0 ] || [ ! -e /dev/loop-control ]; then
	echo "no root or no loop devices: no cold rows" >&2
	exit 0
fi
truncate -s 2G "$work/img"
mkfs.ext4 -q -F -d "$work/tree" -N $((entries + 10000)) "$work/img"
mkdir "$work/mnt"
for ((i = 0; i < runs; i++)); do
	for who in ntt-enum bare "${peers[@]}"; do
		mount -o loop,ro "$work/img" "$work/mnt"
		mounted=$work/mnt
		sync
		echo 3 >/proc/sys/vm/drop_caches
		time_walk "$who" "$work/mnt" cold
		umount "$work/mnt"
		mounted=
	done
done
row "enumerate, cold" find 1 cold
[[ ${peers[*]} != *bfs* ]] || row "enumerate, cold" bfs 1 cold
