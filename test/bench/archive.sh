#!/bin/bash
#
# archive.sh - ntt-archiver against tar and zstd
#
# usage: [NTT_BUILD=dir] [MIB=4096] [RUNS=5] archive.sh
#
# An image one third of which are holes.  The programs run by turns; the median
# counts.  Writing is compared with "tar --sparse | zstd -T0 -3" made durable
# as ours is, reading back with "zstd -t", both from the disk.  Exit status 0
# says that it ran, not that a target was met.
set -eu

# shellcheck source=test/bench/bench.bash
. "$(dirname "$0")/bench.bash"
mib=${MIB:-4096}
runs=${RUNS:-5}
medium=00000000000000000000000000000a7c

need zstd

mkdir "$work/tree" && echo x >"$work/tree/file"
ntt-enum -q "$work/tree" $medium - | ntt-loader -q - $medium >/dev/null
ntt-copier -q -m $medium
mkdir -p "$NTT_HOME/img" "$NTT_HOME/archives"
"$NTT_BUILD/test/bench/mkimage" "$NTT_HOME/img/$medium.img" "$mib" 7
cat "$NTT_HOME/img/$medium.img" >/dev/null

log=$NTT_HOME/log/ntt-archiver.jsonl
ours=$NTT_HOME/archives/$medium.tar.zst
peer=$work/peer.tar.zst

# timed FILE COMMAND...
timed() {
	local to=$1 TIMEFORMAT=%R

	shift
	{ time "$@" >/dev/null 2>&3; } 3>&2 2>>"$to"
}

cold() {
	dd of="$1" oflag=nocache conv=notrunc,fdatasync count=0 status=none
}

# shellcheck disable=SC2317 # through timed
peer_write() {
	tar --sparse -C "$NTT_HOME/img" -c . | zstd -q -T0 -3 -f -o "$peer"
	sync "$peer"
}

for ((i = 0; i < runs; i++)); do
	timed "$work/peer.write" peer_write
	cold "$peer"
	timed "$work/peer.read" zstd -q -t "$peer"
	timed "$work/ours.all" /usr/bin/env ntt-archiver -q --force --keep \
		$medium
done
grep -o '"archive_written".*"seconds":[0-9.]*' "$log" | sed 's/.*://' \
	>"$work/ours.write"
grep -o '"archive_proven".*"seconds":[0-9.]*' "$log" | sed 's/.*://' \
	>"$work/ours.read"

paste "$work/peer.write" "$work/peer.read" | awk '{ print $1 + $2 }' \
	>"$work/sum"

median() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# row WHAT OURS PEER UNIT
row() {
	awk -v what="$1" -v a="$2" -v b="$3" -v unit="$4" 'BEGIN {
		printf "%-22s %10.2f %10.2f %-3s %6.2f  <= 1  %s\n", what, a, b,
		    unit, a / b, a / b <= 1.005 ? "ok" : "MISSED"
	}'
}

record "archive $mib MiB, a third holes" "$work/ours.all" "tar | zstd -T0 -3" \
	"$work/sum"
echo "archive, $mib MiB, commit $commit"
printf '%-22s %10s %10s %10s\n' what ours 'tar+zstd' ratio
row written "$(median "$work/ours.write")" "$(median "$work/peer.write")" s
row 'read back' "$(median "$work/ours.read")" "$(median "$work/peer.read")" s
row 'everything' "$(median "$work/ours.all")" \
	"$(median "$work/sum")" s
row size "$(stat -c %s "$ours")e-6" "$(stat -c %s "$peer")e-6" MB
