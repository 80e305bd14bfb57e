#!/bin/bash
# bench-hardlink: a tree of LINKS (200,000) names made anew, durable and
# counted, against "cp -al" of such a tree and a sync.  Interleaved; the median
# of RUNS (5).
set -eu
# shellcheck source=test/bench/bench.bash
. "$(dirname "$0")/bench.bash"
runs=${RUNS:-5} links=${LINKS:-200000}
export M=0000111122223333

# 50 files a directory, a third with the content of another, and one in five
# of them with a second name
mkdir "$work/src"
for ((d = 0; d < links / 60; d++)); do
	mkdir -p "$work/src/$((d % 10))/$d"
	for ((f = 0; f < 50; f++)); do
		echo $((f % 3 ? d * 50 + f : f)) >"$work/src/$((d % 10))/$d/$f"
	done
done
mkdir "$work/src/again"
cp -al "$work/src/"[01] "$work/src/again"
ntt-enum -q "$work/src" $M - | ntt-loader -q - $M >/dev/null
ntt-copy-workers -q --wait -m $M
names=$(find "$NTT_HOME/archived/$M" -type f | wc -l)
mv "$NTT_HOME/archived/$M" "$NTT_HOME/archived/peer"

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

copy_links() {
	cp -al "$NTT_HOME/archived/peer" "$NTT_HOME/archived/copy"
	sync
}

for ((i = 1; i <= runs; i++)); do
	timed ours ntt-re-hardlink -q -m $M
	timed again ntt-re-hardlink -q -m $M
	rm -rf "${NTT_HOME:?}/archived/$M"
	timed cp copy_links
	rm -rf "$NTT_HOME/archived/copy"
done

median() {
	sort -n "$work/$1.times" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
record "make $names links" "$work/ours.times" "cp -al and sync" \
	"$work/cp.times" 1.43
echo "$names names, commit $(git rev-parse --short HEAD 2>/dev/null || echo none)"
printf '%-28s %10s %10s %6s\n' what ours peer ratio
awk -v n="$names" -v a="$(median ours)" -v b="$(median cp)" \
	-v c="$(median again)" 'BEGIN {
	printf "%-28s %8.2f s %8.2f s %6.2f  >= 0.7  %s\n", "links / cp -al",
		a, b, b / a, (b / a >= 0.7) ? "ok" : "MISSED"
	printf "%-28s %8.0f /s %18s  >= 5000  %s\n", "links a second",
		n / a, "", (n / a >= 5000) ? "ok" : "MISSED"
	printf "%-28s %8.0f /s\n", "nothing to repair", n / c
}'
