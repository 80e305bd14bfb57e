#!/bin/bash
# bench-restore: FILES (40,000) files back from the store, durable at the end,
# against "cp -a --reflink=never" of the same tree and a sync.  Interleaved; the
# median of RUNS (5).  The second row is a second run, which reads and compares
# all of them.
set -eu
# shellcheck source=test/bench/bench.bash
. "$(dirname "$0")/bench.bash"
runs=${RUNS:-5} files=${FILES:-40000}
medium=00000000000000000000000000000ef2

mkdata "$work/src" "$files" 1
ntt-enum -q "$work/src" $medium - | ntt-loader -q - $medium >/dev/null
ntt-copy-workers -q --wait -m $medium
sync

# timed NAME COMMAND…: seconds to $work/NAME.times
timed() {
	local name=$1 from to
	shift
	sync
	from=$(date +%s.%N)
	"$@" >/dev/null
	to=$(date +%s.%N)
	awk "BEGIN { print $to - $from }" | tee -a "$work/$name.times" |
		sed "s/^/# $name /" >&2
}

copy_cp() {
	cp -a --reflink=never "$work/src" "$work/cp"
	sync
}

for ((i = 1; i <= runs; i++)); do
	timed ours ntt-restore -q $medium "$work/out"
	timed again ntt-restore -q $medium "$work/out"
	rm -rf "$work/out"
	timed cp copy_cp
	rm -rf "$work/cp"
done

median() {
	sort -n "$work/$1.times" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
record "restore $files files, durable" "$work/ours.times" "cp -a and sync" \
	"$work/cp.times" 1.11
echo "$files files, commit $commit"
printf '%-28s %10s %10s %6s\n' what ours peer ratio
awk -v a="$(median ours)" -v b="$(median cp)" -v c="$(median again)" 'BEGIN {
	printf "%-28s %8.2f s %8.2f s %6.2f  >= 0.9  %s\n",
		"restore / cp -a, sync", a, b, b / a,
		(b / a >= 0.9) ? "ok" : "MISSED"
	printf "%-28s %8.2f s\n", "nothing to restore", c
}'
