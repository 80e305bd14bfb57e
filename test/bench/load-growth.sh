#!/bin/bash
#
# load-growth.sh - does a record of a large medium, or of the two hundred and
# first, take longer to load?  And how much memory does it take?
#
# usage: [NTT_BUILD=dir] [RUNS=n] [SIZES="n m ..."] [MEMORY=n] load-growth.sh
#
# Loads media of 1, 4 and 16 million records by turns, then again with 200
# other media in the catalogue; the median of RUNS (3) counts.  Then 11
# million records (MEMORY; 0 leaves this out) with inode numbers of each kind.
# Exit status 0 says that it ran, not that a target was met.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
commit=$(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo unknown)
build=$(realpath "${NTT_BUILD:-build}")
runs=${RUNS:-3}
read -ra sizes <<<"${SIZES:-1000000 4000000 16000000}"
memory=${MEMORY:-11000000}
medium=00000000000000000000000000000001

dir=$(mktemp -d "${TMPDIR:-/tmp}/ntt-bench-growth.XXXXXX")
chmod 755 "$dir"
export NTT_HOME=$dir/home PATH=$build/bin:$PATH
unset NTT_DB_URL RAW_ROOT NTT_IGNORE_PATTERNS TMPDIR
mkdir "$NTT_HOME"
trap 'ntt-db stop -q || :; rm -rf "$dir"' EXIT
ntt-db init -q
mkraw=$build/test/bench/mkraw

# load FILE RESULTS: append seconds and KiB of the loader
load()
{
	ntt-db psql -Xqc CHECKPOINT
	sync
	/usr/bin/env time -f '%e %M' -a -o "$2" \
		ntt-loader -q --no-index "$1" $medium >/dev/null
	ntt-loader -q --drop --yes $medium
}

# microseconds a record: RECORDS RESULTS
per_record()
{
	sort -n "$2" | awk -v n="$1" '{ v[NR] = $1 }
		END { printf "%.3f", v[int((NR + 1) / 2)] / n * 1e6 }'
}

# row RECORDS OTHERS RESULTS
row()
{
	local us
	us=$(per_record "$1" "$3")
	base=${base:-$us}
	awk -v n="$1" -v others="$2" -v us="$us" -v base="$base" \
	    -v kib="$(awk '$2 > m { m = $2 } END { print m }' "$3")" 'BEGIN {
		growth = (us / base - 1) * 100
		printf "%10d %6d %9.2f s %9.3f us %+7.1f %% %8s %6d MB  %s\n", n,
		    others, us * n / 1e6, us, growth, "< 20 %", kib / 1024,
		    growth < 20 ? "ok" : "MISSED"
	}'
}

rounds()
{
	local others=$1 i n

	for ((i = 0; i < runs; i++)); do
		for n in "${sizes[@]}"; do
			load "$dir/$n.raw" "$dir/$n.$others"
		done
	done
	for n in "${sizes[@]}"; do
		row "$n" "$others" "$dir/$n.$others"
	done
}

for n in "${sizes[@]}"; do
	"$mkraw" "$n" "$n" >"$dir/$n.raw"
done
"$mkraw" 10000 7 >"$dir/other.raw"

printf '%10s %6s %11s %12s %9s %8s %9s\n' \
	records others time a-record growth target memory
rounds 0
for ((m = 0; m < 200; m++)); do
	ntt-loader -q --no-index --strip /mnt/ntt/$medium "$dir/other.raw" "other$m" \
		>/dev/null
done
rounds 200

if [ "$memory" != 0 ]; then
	rm -f "$dir"/*.raw
	echo
	printf '%10s %-10s %11s %9s %9s\n' records inodes time memory target
	for kind in dense sparse distinct many one; do
		"$mkraw" "$memory" 1 $kind >"$dir/$kind.raw"
		load "$dir/$kind.raw" "$dir/$kind"
		rm "$dir/$kind.raw"
		awk -v n="$memory" -v kind=$kind '{
			printf "%10d %-10s %9.2f s %6d MB %9s  %s\n", n, kind, $1,
			    $2 / 1024, "<= 256 MB",
			    $2 <= 256 * 1024 ? "ok" : "MISSED"
		}' "$dir/$kind"
	done
fi
echo "commit $commit"
