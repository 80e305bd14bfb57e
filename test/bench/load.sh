#!/bin/bash
#
# load.sh - ntt-loader against the least that PostgreSQL needs, and against the
# steps of the earlier implementation
#
# usage: [NTT_BUILD=dir] [RECORDS=n] [RUNS=n] load.sh
#
# All run by turns on one private server; the median counts.  The floor is a
# binary COPY FREEZE of the same rows, encoded beforehand and read by the
# server itself, the primary key, the index and the foreign key.  The earlier
# steps (reference-load.sql) get their text ready made.
# Exit status 0 says that it ran, not that a target was met.
set -eu
# shellcheck source=test/bench/record.bash
. "$(dirname "$0")/record.bash"

here=$(cd "$(dirname "$0")" && pwd)
commit=$(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo unknown)
build=$(realpath "${NTT_BUILD:-build}")
records=${RECORDS:-2000000}
runs=${RUNS:-5}
medium=00000000000000000000000000000001
pattern='(^|/)(thumbs[.]db|[.]DS_Store|accounts_file_0000[0-9]*[.]dat)$'

dir=$(mktemp -d "${TMPDIR:-/tmp}/ntt-bench-load.XXXXXX")
chmod 755 "$dir"
export NTT_HOME=$dir/home PATH=$build/bin:$PATH
unset NTT_DB_URL RAW_ROOT NTT_IGNORE_PATTERNS TMPDIR
mkdir "$NTT_HOME"
trap 'ntt-db stop -q || :; rm -rf "$dir"' EXIT
ntt-db init -q

psql=(ntt-db psql -Xq -v ON_ERROR_STOP=1)
raw=$dir/bench.raw
"$build/test/bench/mkraw" "$records" 1 >"$raw"
printf '%s\n' "$pattern" >"$dir/ignore"

# seconds FILE COMMAND...: append the time it took
seconds()
{
	local to=$1 TIMEFORMAT='%R'

	shift
	{ time "$@" >/dev/null 2>&3; } 3>&2 2>>"$to"
}

median()
{
	sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# So that no one pays for what the one before left behind.
settle()
{
	"${psql[@]}" -c CHECKPOINT
	sync
}

# shellcheck disable=SC2120 # passed by seconds()
ours()
{
	ntt-loader -q --no-index "$@" "$raw" $medium
}

drop()
{
	ntt-loader -q --drop --yes $medium
}

# What ours loaded is what the floor loads.
encode()
{
	"${psql[@]}" <<-SQL
	\\copy (SELECT dev, ino, path, exclude_reason FROM path) TO '$dir/path.bin' (FORMAT binary)
	\\copy (SELECT dev, ino, nlink, size, mtime, status, fs_type FROM inode) TO '$dir/inode.bin' (FORMAT binary)
	SQL
	chmod 644 "$dir"/*.bin
}

cat >"$dir/floor.sql" <<SQL
BEGIN;
SET LOCAL maintenance_work_mem = '512MB';
SELECT catalogue_create_partitions('floor');
COPY path_p_floor (dev, ino, path, exclude_reason)
	FROM '$dir/path.bin' (FORMAT binary, FREEZE);
COPY inode_p_floor (dev, ino, nlink, size, mtime, status, fs_type)
	FROM '$dir/inode.bin' (FORMAT binary, FREEZE);
ALTER TABLE inode_p_floor ADD PRIMARY KEY (dev, ino);
CREATE INDEX ON path_p_floor (dev, ino);
ALTER TABLE path_p_floor ADD FOREIGN KEY (dev, ino) REFERENCES inode_p_floor;
COMMIT;
SQL

tr '\034\0' '\t\n' <"$raw" >"$dir/text"
export NTT_BENCH_TEXT=$dir/text

# shellcheck disable=SC2119
ours >/dev/null
encode
drop
for ((i = 0; i < runs; i++)); do
	settle
	seconds "$dir/ours" ours
	drop
	settle
	seconds "$dir/patterns" ours --ignore "$dir/ignore"
	drop
	settle
	seconds "$dir/piped" sh -c "cat '$raw' | ntt-loader -q --no-index - $medium"
	drop
	settle
	seconds "$dir/floor" "${psql[@]}" -f "$dir/floor.sql"
	"${psql[@]}" -c 'DROP TABLE path_p_floor, inode_p_floor'
	settle
	seconds "$dir/reference" "${psql[@]}" -v pattern="$pattern" \
		-f "$here/reference-load.sql"
	"${psql[@]}" -c 'DROP TABLE r_path, r_inode'
done

# row WHAT OURS PEER TARGET HIGHER?
row()
{
	record "load $records records, ${1%%;*}" "$2" "${1#*; }" "$3" \
		"$([ "$5" = 1 ] && awk "BEGIN { print 1 / $4 }" || echo "$4")"
	awk -v what="$1" -v a="$(median "$2")" -v b="$(median "$3")" \
	    -v target="$4" -v times="$5" 'BEGIN {
		r = times ? b / a : a / b
		ok = times ? r >= target : r <= target
		printf "%-34s %8.2f s %8.2f s %7.2f %8s  %s\n", what, a, b, r,
		    (times ? ">= " : "<= ") target, ok ? "ok" : "MISSED"
	}'
}

echo "$records records, $(stat -c %s "$raw") bytes, median of $runs"
printf '%-34s %10s %10s %7s %8s\n' what ours peer ratio target
row 'file; COPY FREEZE, keys' "$dir/ours" "$dir/floor" 1.5 0
row 'pipe; COPY FREEZE, keys' "$dir/piped" "$dir/floor" 1.5 0
row 'file, patterns; COPY FREEZE, keys' "$dir/patterns" "$dir/floor" 1.5 0
row 'file, patterns; earlier steps' "$dir/patterns" "$dir/reference" 10 1
echo "commit $commit"
