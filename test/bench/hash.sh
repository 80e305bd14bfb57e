#!/bin/bash
#
# hash.sh - BLAKE3 on one core against b3sum
#
# usage: [NTT_BUILD=dir] [BYTES=n] [FILES=n] [RUNS=n] hash.sh
#
# Both programs run by turns on the same files, BYTES (1 GiB) and FILES
# (20000) of 3000 bytes, in memory where there is a /dev/shm; the median of the runs counts.  "user" rows leave out what the
# kernel needs to hand over the bytes; many kernels tell the two apart only
# roughly.  Exit status 0 says that it ran, not that a target was met.
set -eu
# shellcheck source=test/bench/record.bash
. "$(dirname "$0")/record.bash"

commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
hash=$(realpath "${NTT_BUILD:-build}/test/bench/hash")
target=0.9
runs=${RUNS:-5}
size=${BYTES:-1073741824}
files=${FILES:-20000}
file_size=3000

have_peer=true
have b3sum || have_peer=false

base=${TMPDIR:-/tmp}
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ]; then
	base=/dev/shm
fi
dir=$(mktemp -d "$base/ntt-bench-hash.XXXXXX")
trap 'rm -rf "$dir"' EXIT

# seconds FILE COMMAND...: append "real user" to FILE
seconds()
{
	local to=$1 TIMEFORMAT='%R %U'

	shift
	{ time "$@" >/dev/null 2>&3; } 3>&2 2>>"$to"
}

# median FILE COLUMN
median()
{
	awk -v c="$2" '{ print $c }' "$1" | sort -n |
	    awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# row WHAT AMOUNT UNIT COLUMN OURS PEER
row()
{
	local ours peer=0

	ours=$(median "$5" "$4")
	if $have_peer; then
		peer=$(median "$6" "$4")
	fi
	awk -v what="$1" -v n="$2" -v unit="$3" -v ours="$ours" \
	    -v peer="$peer" -v target="$target" 'BEGIN {
		if (ours <= 0)
			ours = 0.001
		o = sprintf("%.2f %s", n / ours, unit)
		p = r = verdict = "-"
		if (peer > 0) {
			p = sprintf("%.2f %s", n / peer, unit)
			r = sprintf("%.2f", peer / ours)
			verdict = peer / ours >= target ? "ok" : "MISSED"
		}
		printf "%-27s %16s %16s %6s %7s  %s\n", what, o, p, r,
		    ">= " target, verdict
	}'
}

# compare OURS PEER FLAG FILE...: fill both; FLAG is one for b3sum or ""
compare()
{
	local ours=$1 peer=$2 flag=$3 i

	shift 3
	for ((i = 0; i < runs; i++)); do
		seconds "$ours" "$hash" --sum "$@"
		if $have_peer; then
			seconds "$peer" b3sum --num-threads 1 ${flag:+"$flag"} \
			    -- "$@"
		fi
	done
}

cd "$dir"

# Not zeros: a hole has no memory behind it, and would be read from the cache.
yes 'the quick brown fox jumps over the lazy dog' | head -c "$size" >big
mkdir small
yes 'pack my box with five dozen liquor jugs' |
    head -c $((files * file_size)) | split -a 4 -b "$file_size" - small/

"$hash" --sum big >/dev/null
compare big.ours big.peer --no-mmap big
compare map.ours map.peer '' big
cd small
names=(*)
compare ../small.ours ../small.peer '' "${names[@]}"
cd ..

printf '%-27s %16s %16s %6s %7s  %s\n' what ours peer ratio target verdict
row 'large, b3sum reads' "${size}e-9" GB/s 1 big.ours big.peer
row 'large, b3sum reads, user' "${size}e-9" GB/s 2 big.ours big.peer
row 'large, b3sum maps' "${size}e-9" GB/s 1 map.ours map.peer
row 'large, b3sum maps, user' "${size}e-9" GB/s 2 map.ours map.peer
row "$files files of 3000 bytes" "${files}e-3" kfiles/s 1 small.ours small.peer
row "$files files, user" "${files}e-3" kfiles/s 2 small.ours small.peer
if $have_peer; then
	record "hash $size bytes, one thread" map.ours b3sum map.peer 1.11
	record "hash $files small files" small.ours b3sum small.peer 1.11
fi
echo "commit $commit; levels of this CPU: $("$hash" --levels | paste -sd ' ')"
echo
echo 'ours at the best level, in memory:'
"$hash" --memory
