#!/bin/bash
#
# mirror.sh - ntt-mirror to an empty place against rsync -aH of the same store
#
# usage: [NTT_BUILD=dir] [FILES=30000] [RUNS=3] mirror.sh
#
# About two thirds of the files become blobs.  Both run by turns with everything
# in memory, both end with what they wrote on the disk (rsync by a sync that is
# counted); ntt-mirror also hashes and records.  The second run finds nothing to
# do.  Nothing is removed meanwhile: ext4 is slow at making files where some were
# deleted a moment ago.  Exit status 0 says that it ran, not that a target was met.
set -eu

# shellcheck source=test/bench/bench.bash
. "$(dirname "$0")/bench.bash"
files=${FILES:-30000}
runs=${RUNS:-3}
medium=00000000000000000000000000000ef1

need rsync

"$NTT_BUILD/test/bench/mkdata" "$work/tree" "$files" 7 >/dev/null
ntt-enum -q "$work/tree" $medium - | ntt-loader -q - $medium >/dev/null
ntt-copy-workers -q -m $medium -w 2 --wait

# timed FILE COMMAND...
timed() {
	local to=$1 TIMEFORMAT=%R

	shift
	{ time "$@" >/dev/null 2>&3; } 3>&2 2>>"$to"
}

# shellcheck disable=SC2317 # through timed
peer() {
	rsync -aH "$NTT_HOME/by-hash/" "$work/peer$i/" && sync -f "$work"
}

find "$NTT_HOME/by-hash" -type f -exec cat {} + >/dev/null
for ((i = 0; i < runs; i++)); do
	mkdir "$work/peer$i" "$work/place$i"
	ntt-places -q add p$i "$work/place$i" 2>/dev/null
	sync -f "$work"
	timed "$work/ours" ntt-mirror -q p$i
	timed "$work/again" ntt-mirror -q p$i
	sync -f "$work"
	timed "$work/theirs" peer
	timed "$work/theirs-again" peer
done

median() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# row WHAT OURS THEIRS
row() {
	awk -v what="$1" -v a="$(median "$2")" -v b="$(median "$3")" 'BEGIN {
		printf "%-30s %8.2f s %8.2f s %6.2f  <= 1  %s\n", what, a, b,
		    a / b, a / b <= 1 ? "ok" : "MISSED"
	}'
}

blobs=$(find "$NTT_HOME/by-hash" -type f | wc -l)
record "mirror $blobs blobs, durable" "$work/ours" "rsync -aH and sync" \
	"$work/theirs"
record "mirror them again" "$work/again" "rsync -aH" "$work/theirs-again"
echo "mirror, $blobs blobs, commit $commit"
printf '%-30s %10s %10s %6s\n' what ours 'rsync -aH' ratio
row 'to an empty place' "$work/ours" "$work/theirs"
row 'again, nothing has changed' "$work/again" "$work/theirs-again"
