#!/bin/bash
#
# growth.sh - what takes longer in a larger catalogue?
#
# usage: [NTT_BUILD=dir] [RUNS=n] [SIZES="PATHS:MEDIA …"] growth.sh
#
# A catalogue for each of SIZES (1000000:1 1000000:100 10000000:100
# 10000000:1000; 100000000:1000 takes an hour and 50 GB), each ten times the one
# before or with more media.  Beside the time for a row of the load and the
# memory of the loader: what people wait for, the median of RUNS (3) after one
# that nobody counts, program start and connection included; and to remove a
# medium of 10,000 paths.
#
# flat: no more than a fifth longer than at the size before, or 20 ms (removal,
# which ends with a sync, 100 ms).
# logarithmic: ten times as much takes no more than twice as long.
# MISSED: longer than that, or longer than a person should wait: a second, for
# the report ten.
# Exit status 0 says that it ran, not that a target was met.
set -eu
# shellcheck source=test/bench/bench.bash
. "$(dirname "$0")/bench.bash"
need plocate
runs=${RUNS:-3}
read -ra sizes <<<"${SIZES:-1000000:1 1000000:100 10000000:100 10000000:1000}"
ntt-db stop -q
trap 'ntt-db stop -q 3>&- 2>/dev/null || :; rm -rf "$work"' EXIT

# catalogue PATHS MEDIA: loaded, with one medium more of one file and one of
# 10,000 paths; lists are of ten kinds
catalogue() {
	local each=$(($1 / $2)) m=0
	NTT_HOME=$work/$1-$2
	ntt-db init -q 3>&-
	while [ $m -lt 10 ] && [ $m -lt "$2" ]; do
		mkraw $each $m >"$work/$m.raw"
		m=$((m + 1))
	done
	for ((m = 0; m < $2; m++)); do
		/usr/bin/env time -f '%e %M' -a -o "$work/load" ntt-loader -q \
			--no-index "$work/$((m % 10)).raw" \
			"$(printf '%032x' $((m + 1)))" >/dev/null
	done
	mkdir -p "$work/one"
	touch "$work/one/the only one of its kind.odt"
	ntt-enum -q "$work/one" ffff0000ffff0000 - |
		ntt-loader -q --no-index - ffff0000ffff0000 >/dev/null
	mkraw 10000 77 | ntt-loader -q --no-index - eeee0000eeee0000 >/dev/null
	rm "$work"/*.raw
	ntt-db -q index
	ntt-db psql -Xqc CHECKPOINT
	sync
}

# seconds COMMAND…: whether it finds something is its own
seconds() {
	local from to
	from=$(date +%s.%N)
	"$@" >/dev/null 2>>"$work/said" || [ $? = 1 ]
	to=$(date +%s.%N)
	awk "BEGIN { print $to - $from }"
}

# verdict VALUE BEFORE TIMES SLACK LIMIT: on ten (or TIMES) times as much
verdict() {
	awk -v a="$1" -v b="${2:-0}" -v f="$3" -v slack="$4" -v limit="$5" 'BEGIN {
		text = "MISSED"
		if (b == 0)
			text = ""
		else if (a <= b * 1.2 || a - b <= slack)
			text = "flat"
		else if (a / b <= 1 + log(f) / log(10))
			text = "logarithmic"
		if (limit && a > limit)
			text = "MISSED"
		growth = (b > 0) ? sprintf("%.2f", a / b) : "-"
		printf "%6s  %s", growth, text
	}'
}

# row WHAT VALUE UNIT SLACK LIMIT: compared with what it was before
declare -A before
row() {
	printf '%-36s %12.3f %-3s %s\n' "$1" "$2" "$3" \
		"$(verdict "$2" "${before[$1]:-}" "$times" "$4" "$5")"
	before[$1]=$2
}

# shown LIMIT WHAT COMMAND…
shown() {
	local limit=$1 what=$2 i
	shift 2
	seconds "$@" >/dev/null
	for ((i = 0; i < runs; i++)); do
		seconds "$@"
	done >"$work/times"
	record_limit "$what, $paths paths, $media media" "$work/times" "$limit"
	row "$what" "$(spread "$work/times" | cut -f 1)" s 0.02 "$limit"
}

last_paths=0 last_media=0
for size in "${sizes[@]}"; do
	paths=${size%:*} media=${size#*:}
	times=$(awk -v p="$paths" -v m="$media" -v q="$last_paths" \
		-v n="$last_media" 'BEGIN { a = q ? p / q : 1; b = n ? m / n : 1
			most = (a > b) ? a : b; print (most > 1) ? most : 1 }')
	last_paths=$paths last_media=$media
	: >"$work/load"
	catalogue "$paths" "$media"
	echo "$paths paths, $media media, $times times the one before," \
		"commit $commit"
	printf '%-36s %12s     %6s\n' what median ratio
	row "load a row" "$(awk -v n="$paths" '{ s += $1 }
		END { print s / n * 1e6 }' "$work/load")" us 0 ""
	row "memory of the loader" "$(awk '$2 > m { m = $2 }
		END { print m / 1000 }' "$work/load")" MB 10 256
	shown 1 "dashboard" ntt-dashboard --json
	shown 1 "list of media" ntt-list-media
	shown 1 "media with a prefix" ntt-list-media --path-prefix "the only"
	shown 1 "a medium's state" ntt-pipeline-status eeee0000eeee0000
	shown 1 "a rare name" ntt-find "only one of"
	shown 10 "report of the collection" ntt-report --collection
	shown 10 "report of 10,000 paths" ntt-report eeee0000eeee0000
	shown 1 "removal of 10,000 paths, rehearsed" ntt-remove --dry-run \
		eeee0000eeee0000
	row "removal of 10,000 paths" "$(seconds ntt-remove --yes -q \
		eeee0000eeee0000)" s 0.1 ""
	if ntt-list-media --json | grep -q eeee0000eeee0000; then
		echo "it was not removed" >&2
		exit 1
	fi
	echo
	ntt-db stop -q
	rm -rf "$NTT_HOME"
done
