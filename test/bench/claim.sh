#!/bin/bash
# bench-claim: the queue of a medium with 1,000 … LARGEST (10,000,000) inodes,
# drained by WORKERS (4), against as many commits of one row; the largest again
# when 99 % of it is done.  Then results of RESULTS (200,000) inodes, against a
# bare UPDATE … FROM unnest, interleaved; medians of RUNS (5).
set -eu
# shellcheck source=test/bench/bench.bash
. "$(dirname "$0")/bench.bash"
runs=${RUNS:-5} largest=${LARGEST:-10000000} results=${RESULTS:-200000}
workers=${WORKERS:-4}

sql() {
	ntt-db psql -XAtqc "$1"
}

# medium NAME INODES: loaded, without paths
medium() {
	sql "SET client_min_messages = error;
		INSERT INTO medium (medium_hash, enum_done) VALUES ('$1', now());
		SELECT catalogue_create_partitions('$1');
		INSERT INTO \"inode_p_$1\" (dev, ino, nlink, size, mtime, fs_type)
			SELECT 1, n, 1, 3000, 0, 'f' FROM generate_series(1, $2) n;
		SELECT catalogue_key_partitions('$1');
		SELECT catalogue_attach_partitions('$1')" >/dev/null
}

median() {
	sort -n | awk '{ v[NR] = $0 } END { print v[int((NR + 1) / 2)] }'
}

# fresh NAME: nothing claimed, nothing done, the floor as long as the plan
fresh() {
	sql "UPDATE work_range SET worker = NULL, done = false
			WHERE medium_hash = '$1';
		SET client_min_messages = error;
		DROP TABLE IF EXISTS bench_floor;
		CREATE TABLE bench_floor AS SELECT number, NULL::integer AS worker
			FROM work_range WHERE medium_hash = '$1';
		ALTER TABLE bench_floor ADD PRIMARY KEY (number)"
	sql 'VACUUM ANALYZE work_range, bench_floor'
}

# row WHAT RANGES EMPTY WALL MEAN SLOWEST FLOOR-WALL INODES
row() {
	awk -v what="$1" -v r="$2" -v e="$3" -v wall="$4" -v mean="$5" \
		-v slow="$6" -v floor="$7" -v inodes="$8" 'BEGIN {
		printf "%-18s %6d %5d %8.3f ms %8.1f ms %12.0f/s %6.2f\n",
			what, r, e, mean, slow, inodes / wall, floor / wall }'
}

# size INODES NAME: rows of a queue of that size
size() {
	local i n=$workers
	# no more workers than ranges: an empty claim is not what is measured
	[ "$1" -ge 10000 ] || n=1
	for ((i = 0; i < runs; i++)); do
		fresh "$2"
		claim drain "$2" "$n" >>"$work/$2.drain"
		claim floor "$2" "$n" >>"$work/$2.floor"
	done
	# the run with the median wall time
	# shellcheck disable=SC2046 # words of a line
	row "$3" $(sort -nk 3 "$work/$2.drain" | sed -n "$(((runs + 1) / 2))p") \
		"$(awk '{ print $3 }' "$work/$2.floor" | median)" "$4"
}

echo "claims, $workers workers, commit $(git rev-parse --short HEAD 2>/dev/null || echo none)"
printf '%-18s %6s %5s %11s %11s %14s %6s\n' inodes ranges empty mean slowest \
	'inodes (500000)' 'floor'
for ((n = 1000; n <= largest; n *= 10)); do
	m=queue-$n
	medium $m $n
	claim drain $m 1 >/dev/null		# makes the plan
	size $n $m $n $n
done
sql "UPDATE work_range SET done = number % 100 <> 0
	WHERE medium_hash = 'queue-$((n / 10))'"
sql 'VACUUM ANALYZE work_range'
# shellcheck disable=SC2046 # words of a line
row "$((n / 10)), 99 % done" $(claim drain queue-$((n / 10)) "$workers") 0 \
	$((n / 1000))

for ((i = 0; i < runs; i++)); do
	for n in 1 "$workers"; do
		medium "ours-$i-$n" "$results"
		medium "bare-$i-$n" "$results"
		sql 'DELETE FROM blobs; CHECKPOINT'
		sql 'VACUUM blobs'
		claim commit "ours-$i-$n" "$n" "$results" >>"$work/ours.$n"
		claim bare "bare-$i-$n" "$n" "$results" >>"$work/bare.$n"
	done
done
echo
printf '%-28s %12s %12s %6s\n' 'results of inodes' ours 'bare update' ratio
for n in 1 "$workers"; do
	for who in ours bare; do
		awk '{ print $3 }' "$work/$who.$n" >"$work/$who.seconds"
	done
	record "record $results results, $n workers" "$work/ours.seconds" \
		"bare UPDATE" "$work/bare.seconds" 2
	awk -v n="$results" -v w="$n" \
		-v a="$(awk '{ print $3 }' "$work/ours.$n" | median)" \
		-v b="$(awk '{ print $3 }' "$work/bare.$n" | median)" 'BEGIN {
		printf "%-28s %10.0f/s %10.0f/s %6.2f  >= 100000/s  %s\n",
			w " workers, blobs included", n / a, n / b, b / a,
			(n / a >= 100000) ? "ok" : "MISSED" }'
done
