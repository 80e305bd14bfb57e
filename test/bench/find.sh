#!/bin/bash
#
# find.sh - how long does a name take among many, and what does its index cost?
#
# usage: [NTT_BUILD=dir] [RUNS=n] [PATHS=n] [MEDIA=n] find.sh
#
# PATHS (20 million) over MEDIA (200): the index is made in one go, then names
# are looked for RUNS (5) times, program start and connection included; the
# median counts.  One medium in ten is copied, in the catalogue alone: a content
# that five media have is looked for by its hash.
# Exit status 0 says that it ran, not that a target was met.
set -eu
# shellcheck source=test/bench/bench.bash
. "$(dirname "$0")/bench.bash"
need plocate
runs=${RUNS:-5} paths=${PATHS:-20000000} media=${MEDIA:-200}
each=$((paths / media))

for ((m = 0; m < media; m++)); do
	mkraw $each $m | ntt-loader -q --no-index - \
		"$(printf '%032x' $((m + 1)))" >/dev/null
	[ $((m % 20)) != 0 ] || echo "# $m of $media media" >&2
done
mkdir -p "$work/one/deep/in/a tree"
touch "$work/one/deep/in/a tree/the only one of its kind.odt"
ntt-enum -q "$work/one" ffff0000ffff0000 - |
	ntt-loader -q --no-index - ffff0000ffff0000 >/dev/null
cat >"$work/copied.sql" <<'SQL'
SET client_min_messages = warning;
DO $$
DECLARE
	m record;
BEGIN
	FOR m IN SELECT * FROM loaded ORDER BY id LOOP
		EXECUTE format('UPDATE %I SET status = ''success'', blobid = '
			'encode(sha256((ino::text || %L)::bytea), ''hex'') '
			'WHERE fs_type = ''f'' AND %s', 'inode_p_' || m.medium_hash,
			m.id / 50, CASE WHEN m.id % 10 = 0 THEN 'true'
			ELSE 'false' END);
		PERFORM catalogue_note_contents(m.medium_hash);
	END LOOP;
END $$;
VACUUM ANALYZE;
CHECKPOINT;
SQL
ntt-db psql -Xq -f "$work/copied.sql"
sync

# seconds COMMAND…: how long it takes; whether it finds something is its own
seconds() {
	local from to
	from=$(date +%s.%N)
	"$@" >/dev/null 2>>"$work/said" || [ $? = 1 ]
	to=$(date +%s.%N)
	awk "BEGIN { print $to - $from }"
}

# median COMMAND…: after one run that nobody counts
median() {
	local i
	seconds "$@" >/dev/null
	for ((i = 0; i < runs; i++)); do
		seconds "$@"
	done | tee "$work/times" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# row WHAT MILLISECONDS COMMAND…
row() {
	local what=$1 goal=$2
	shift 2
	awk -v what="$what" -v goal="$goal" -v s="$(median "$@")" \
		-v n="$("$@" 2>/dev/null | wc -l)" 'BEGIN {
		printf "%-36s %10.1f ms %8d found", what, s * 1000, n
		if (goal)
			printf "  <= %d ms  %s", goal, (s * 1000 <= goal) ? "ok" : "MISSED"
		print ""
	}'
	[ -z "$goal" ] || record_limit "$what, among $paths" "$work/times" \
		"$(awk "BEGIN { print $goal / 1000 }")"
}

made=$(seconds ntt-db -q index)
bytes=$(cat "$NTT_HOME"/index/*.db | wc -c)
name=$(printf '_%07d.dat' $((each / 2 + 1)))
blob=$(ntt-db psql -XAtqc "SELECT blobid FROM blob_medium
	GROUP BY blobid HAVING count(*) > 1 LIMIT 1")

echo "$paths paths, $media media, commit $commit"
awk -v n="$paths" -v s="$made" -v b="$bytes" 'BEGIN {
	printf "%-36s %10d paths/s  >= 400000  %s\n", "index made", n / s,
		(n / s >= 400000) ? "ok" : "MISSED"
	printf "%-36s %10.1f bytes a path  <= 20  %s\n", "index", b / n,
		(b / n <= 20) ? "ok" : "MISSED"
}'
row "start and connection" "" ntt-find -m "$(printf '%032x' 1)" nosuchname
row "a name that is nowhere" 100 ntt-find nosuchname
row "a rare name" 100 ntt-find "only one of"
row "a rare name, either case" 100 ntt-find -i "ONLY One of"
row "a name on some media" "" ntt-find "interview_file$name"
row "a glob" 300 ntt-find "the*only*kind.od?"
row "a glob, a path, on some media" 300 ntt-find "*Dokumente_d_*/thesis*$name"
row "a glob, on most media" "" ntt-find "thesis*_file_${name:1:5}*.dat"
row "a name on every medium" "" ntt-find "$name"
row "a content" "" ntt-find --hash "$blob"
row "plocate alone, a rare name" "" plocate -d \
	"$(echo "$NTT_HOME"/index/*.db)" "only one of"
mv "$NTT_HOME/index" "$NTT_HOME/index.away"
row "a rare name, without the index" "" ntt-find "only one of"
