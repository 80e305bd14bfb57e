#!/bin/bash
# bench-dashboard: what one refresh of ntt-dashboard costs the database, on a
# catalogue of INODES (10,000,000) in 100 media, half of them being copied, with
# MINUTES (50,000) minutes of copying remembered and 100,000 diagnostics; the
# median and the most of RUNS (21), each by a connection of its own.
set -eu
# shellcheck source=test/bench/bench.bash
. "$(dirname "$0")/bench.bash"
runs=${RUNS:-21} inodes=${INODES:-10000000} minutes=${MINUTES:-50000}

ntt-db psql -Xq -v ON_ERROR_STOP=1 -v inodes="$inodes" \
	-v minutes="$minutes" <<'END'
SET client_min_messages = error;
SET synchronous_commit = off;
INSERT INTO medium (medium_hash, medium_human, enum_done, copy_done,
	load_counts)
SELECT lpad(to_hex(n), 32, '0'), 'disk ' || n, now(),
	CASE WHEN n <= 50 THEN now() END,
	jsonb_build_object('inodes', :inodes / 100, 'paths', :inodes / 100)
FROM generate_series(1, 100) n;
SELECT catalogue_create_partitions(medium_hash) FROM medium \g /dev/null
SELECT format('INSERT INTO %I (dev, ino, nlink, size, mtime, fs_type)
	SELECT 1, n, 1, 3000, 0, %L FROM generate_series(1, %s) n',
	'inode_p_' || medium_hash, 'f', :inodes / 100) FROM medium \gexec
SELECT catalogue_attach_partitions(medium_hash) FROM medium \g /dev/null
INSERT INTO work_range (medium_hash, number, dev, first_ino, last_ino, inodes,
	bytes, done)
SELECT medium_hash, n, 1, n * 1000 + 1, n * 1000 + 1000, 1000, 3000000,
	copy_done IS NOT NULL OR n % 2 = 0
FROM medium, generate_series(0, :inodes / 100000 - 1) n;
INSERT INTO copy_minute
SELECT date_trunc('minute', now()) - n / 4 * interval '1 min',
	lpad(to_hex(n / 500 % 100 + 1), 32, '0'), n % 4, 1000, 3000000, 600,
	1000000, 1 FROM generate_series(0, :minutes - 1) n;
INSERT INTO diagnostic_event (medium_hash, dev, ino, action, message)
SELECT lpad(to_hex(n % 100 + 1), 32, '0'), 1, n, 'skipped', 'beyond the end'
FROM generate_series(1, 100000) n;
VACUUM ANALYZE medium, work_range, copy_minute, diagnostic_event;
END

# number NAME: from the last answer
number() {
	sed "s/.*\"$1\":\([0-9.e+]*\).*/\1/" "$work/json"
}

for ((i = 0; i < runs; i++)); do
	ntt-dashboard --json >"$work/json"
	number milliseconds >>"$work/times"
done
awk '{ print $1 / 1000 }' "$work/times" >"$work/seconds"
record_limit "refresh the dashboard, $inodes inodes" "$work/seconds" 0.05
echo "dashboard, $inodes inodes, 100 media, commit $commit"
sort -n "$work/times" | awk '{ v[NR] = $1 } END {
	m = v[int((NR + 1) / 2)]
	printf "%-22s %10s %10s\n", "what", "median ms", "most ms"
	printf "%-22s %10.1f %10.1f  <= 50  %s\n", "first refresh", m, v[NR],
	    m <= 50 ? "ok" : "MISSED"
}'
