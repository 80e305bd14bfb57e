#!/bin/bash
#
# verify.sh - ntt-verify against b3sum on the same files
#
# usage: [NTT_BUILD=dir] [FILES=150000] [RUNS=5] verify.sh
#
# A store of blobs whose sizes are those of real files: most are a few KB, a
# few hold most of the bytes.  Both programs run by turns with everything in
# memory; ntt-verify also records every check in the catalogue.  Exit status 0
# says that it ran, not that a target was met.
set -eu

# shellcheck source=test/bench/bench.bash
. "$(dirname "$0")/bench.bash"
files=${FILES:-150000}
runs=${RUNS:-5}
medium=00000000000000000000000000000ef1

need b3sum

"$NTT_BUILD/test/bench/mkdata" "$work/tree" "$files" 7 >/dev/null
ntt-enum -q "$work/tree" $medium - | ntt-loader -q - $medium >/dev/null
ntt-copy-workers -q -m $medium -w 2 --wait
rm -rf "$work/tree"
find "$NTT_HOME/by-hash" -type f ! -name .ntt-store -print0 >"$work/list"

# timed FILE COMMAND...
timed() {
	local to=$1 TIMEFORMAT=%R

	shift
	{ time "$@" >/dev/null 2>&3; } 3>&2 2>>"$to"
}

# shellcheck disable=SC2317 # through timed
peer() {
	xargs -0 b3sum <"$work/list"
}

peer >/dev/null
for ((i = 0; i < runs; i++)); do
	timed "$work/peer" peer
	timed "$work/all" ntt-verify -q --all --sample-rate 1
	timed "$work/medium" ntt-verify -q -m $medium --sample-rate 1
done

median() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# row WHAT FILE
row() {
	awk -v what="$1" -v a="$(median "$2")" -v b="$(median "$work/peer")" \
	    'BEGIN {
		printf "%-30s %8.2f s %8.2f s %6.2f  <= 1.2  %s\n", what, a, b,
		    a / b, a / b <= 1.2 ? "ok" : "MISSED"
	}'
}

blobs=$(tr -cd '\0' <"$work/list" | wc -c)
record "verify $blobs blobs" "$work/all" b3sum "$work/peer" 1.2
if have hashdeep; then
	for ((i = 0; i < runs; i++)); do
		timed "$work/hashdeep" hashdeep -c sha256 -r "$NTT_HOME/by-hash"
	done
	record "verify $blobs blobs" "$work/all" hashdeep "$work/hashdeep" 1
fi
echo "verify, $blobs blobs, commit $commit"
printf '%-30s %10s %10s %6s\n' what ours b3sum ratio
row 'the store' "$work/all"
row 'a medium, with its paths' "$work/medium"
