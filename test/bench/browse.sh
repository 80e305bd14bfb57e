#!/bin/bash
# bench-browse: a mount of ntt-browse.  "ls -l" of a directory of FILES (10,000)
# that nobody has looked at, find over it in another mount, find over a tree of TREE (100,000)
# small files in directories of a few, and MEGABYTES (512) read in sequence
# against the same blob read from the store, both from the disk.  The best of
# RUNS (3), each with a mount of its own.
set -eu
# shellcheck source=test/bench/bench.bash
. "$(dirname "$0")/bench.bash"
runs=${RUNS:-3} files=${FILES:-10000} tree=${TREE:-100000} mb=${MEGABYTES:-512}
medium=00000000000000000000000000000ef3
mnt=$work/mnt
trap 'fusermount3 -uq "$mnt" || :; ntt-db stop -q 3>&- || :; rm -rf "$work"' EXIT
mkdir "$mnt"

mkdir -p "$work/src/flat"
python3 - "$work/src" "$files" "$tree" <<'END'
import os, sys
root, files, tree = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for i in range(files):
    with open(f"{root}/flat/file number {i}.txt", "w") as f:
        f.write("x" * (i % 100))
for i in range(tree):
    d = f"{root}/tree/{i // 2000}/{i // 100 % 20}"
    if i % 100 == 0:
        os.makedirs(d)
    with open(f"{d}/{i}", "w") as f:
        f.write(str(i % 1000))
END
head -c "${mb}M" /dev/urandom >"$work/src/large"
ntt-enum -q --meta "$work/src" $medium - | ntt-loader -q - $medium >/dev/null
ntt-copy-workers -q --wait -m $medium
ntt-db psql -Xqc 'VACUUM ANALYZE'
large=$(ntt-db psql -XAtqc "SELECT blobid FROM inode ORDER BY size DESC LIMIT 1")
blob=$NTT_HOME/by-hash/${large:0:2}/${large:2:2}/$large
rm -rf "$work/src"

# cold FILE: its pages are not in memory
cold() {
	dd if="$1" iflag=nocache count=0 2>/dev/null
	[ ! -w /proc/sys/vm/drop_caches ] || { sync; echo 3 >/proc/sys/vm/drop_caches; }
}

# timed NAME COMMAND…: seconds to $work/NAME.times
timed() {
	local name=$1 from to
	shift
	from=$(date +%s.%N)
	"$@" >/dev/null
	to=$(date +%s.%N)
	awk "BEGIN { print $to - $from }" | tee -a "$work/$name.times" |
		sed "s/^/# $name /" >&2
}

best() {
	sort -n "$work/$1.times" | head -1
}

# fresh: a mount of which nothing is known yet
fresh() {
	! mountpoint -q "$mnt" || fusermount3 -u "$mnt"
	ntt-browse -q "$mnt" $medium 3>&-
	m=$(echo "$mnt"/media/*/)
}

for ((i = 1; i <= runs; i++)); do
	fresh
	timed find find "${m}flat"
	fresh
	timed ls ls -l "${m}flat"
	timed ls-again ls -l "${m}flat"
	timed find-again find "${m}flat"
	timed find-tree find "${m}tree"
	timed stat-tree find "${m}tree" -newer /etc/passwd
	cold "$blob"
	timed store dd if="$blob" bs=1M status=none
	cold "$blob"
	timed read dd if="${m}large" bs=1M status=none
done

record_limit "ls -l $files files, ntt-browse" "$work/ls.times" 0.3
record "read $mb MB, ntt-browse" "$work/read.times" "the store" \
	"$work/store.times" 1.25
echo "$files and $tree files, $mb MB, commit $commit"
printf '%-34s %12s %16s\n' what ours goal
awk -v f="$files" -v t="$tree" -v mb="$mb" -v ls="$(best ls)" \
	-v again="$(best ls-again)" -v find="$(best find)" -v found="$(best find-again)" \
	-v walk="$(best find-tree)" -v stat="$(best stat-tree)" \
	-v store="$(best store)" -v read="$(best read)" '
function met(yes) { return yes ? "ok" : "MISSED" }
BEGIN {
	printf "%-34s %10.3f s %16s  %s\n", "ls -l, first", ls, "<= 0.3 s", met(ls <= 0.3)
	printf "%-34s %10.3f s\n", "ls -l, again", again
	printf "%-34s %10d /s %15s  %s\n", "find, one directory", f / find, ">= 100,000 /s", met(f / find >= 100000)
	printf "%-34s %10d /s\n", "the same again", f / found
	printf "%-34s %10d /s\n", "find, many directories, first", t / walk
	printf "%-34s %10d /s\n", "find with stat, again", t / stat
	printf "%-34s %10d MB/s  store %d MB/s  %.2f >= 0.8  %s\n",
		"read in sequence", mb / read, mb / store, store / read,
		met(store / read >= 0.8)
}'
