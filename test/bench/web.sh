#!/bin/bash
#
# web.sh - how long do the pages of ntt-web take over many media?
#
# usage: [NTT_BUILD=dir] [RUNS=n] [PATHS=n] [MEDIA=n] [FLAT=n] [CATALOGUE=dir] web.sh
#
# PATHS (10 million) over MEDIA (2,000), and one more medium with a folder of FLAT
# (300,000) files.  One medium in ten is copied, in the catalogue alone; five
# media each have the same contents.  Each page is asked for RUNS (5) times, the
# median counts, as curl sees it: until the page begins, and until it is whole.
# CATALOGUE: an NTT_HOME that this made before.
# Exit status 0 says that it ran, not that the goal of 200 ms was met.
set -eu
# shellcheck source=test/bench/bench.bash
. "$(dirname "$0")/bench.bash"
runs=${RUNS:-5} paths=${PATHS:-10000000} media=${MEDIA:-2000} flat=${FLAT:-300000}

load() {
	for ((m = 0; m < media; m++)); do
		mkraw $((paths / media)) $m | ntt-loader -q --no-index - \
			"$(printf '%032x' $((m + 1)))" >/dev/null
		[ $((m % 100)) != 0 ] || echo "# $m of $media media" >&2
	done
}

fill() {
	# so that there is a store
	mkdir "$work/two"
	echo "the only one" >"$work/two/letter"
	ntt-enum -q --meta "$work/two" eeee0000eeee0000 - |
		ntt-loader -q --no-index - eeee0000eeee0000 >/dev/null
	ntt-copier -q -m eeee0000eeee0000 --no-archived
	mkdir -p "$work/one/a folder"
	python3 - "$work/one/a folder" "$flat" <<-'END'
		import os, sys
		for i in range(int(sys.argv[2])):
		    os.close(os.open(f"{sys.argv[1]}/picture number {i}.jpg", os.O_CREAT))
	END
	echo "the only one" >"$work/one/the only one of its kind.odt"
	ntt-enum -q --meta "$work/one" ffff0000ffff0000 - |
		ntt-loader -q --no-index - ffff0000ffff0000 >/dev/null
	rm -r "$work/one"
	ntt-db psql -Xq <<-'SQL'
		SET client_min_messages = warning;
		DO $$
		DECLARE
			m record;
		BEGIN
			FOR m IN SELECT * FROM loaded ORDER BY id LOOP
				CONTINUE WHEN m.id % 10 <> 0 AND m.medium_hash NOT LIKE 'f%';
				EXECUTE format('UPDATE %I SET status = ''success'', blobid = '
					'encode(sha256((ino::text || %L)::bytea), ''hex'') '
					'WHERE fs_type = ''f''', 'inode_p_' || m.medium_hash,
					m.id / 50);
				EXECUTE format('INSERT INTO blobs (blobid, size) SELECT blobid, '
					'max(size) FROM %I WHERE blobid IS NOT NULL GROUP BY 1 '
					'ON CONFLICT DO NOTHING', 'inode_p_' || m.medium_hash);
				PERFORM catalogue_note_contents(m.medium_hash);
			END LOOP;
		END $$;
		VACUUM ANALYZE;
		CHECKPOINT;
	SQL
	ntt-db -q index
}

if [ -n "${CATALOGUE:-}" ]; then
	ntt-db stop -q
	export NTT_HOME=$CATALOGUE
	ntt-db start -q 3>&-
else
	load
	fill
fi
ntt-web --listen 127.0.0.1:0 >"$work/web" 2>"$work/said" 3>&- &
web=$!
trap 'kill $web || :; ntt-db stop -q 3>&- || :; rm -rf "$work"' EXIT
until [ -s "$work/web" ]; do sleep 0.1; done
url=$(sed -n 's,/?token.*,,p' "$work/web")
token=$(sed -n 's/.*token=//p' "$work/web")

# page PATH: milliseconds of each run, the first aside
page() {
	local i
	for ((i = 0; i <= runs; i++)); do
		curl -sS -o "$work/page" -w '%{time_starttransfer} %{time_total} %{http_code}\n' \
			-b "ntt-web=$token" "$url$1"
	done | tail -n "$runs" | sort -n
}

# row WHAT PATH
row() {
	page "$2" >"$work/times"
	awk -v what="$1" '{ v[NR] = $1 * 1000; t[NR] = $2 * 1000; code = $3 } END {
		n = int((NR + 1) / 2)
		printf "%-36s %7.1f ms  whole %7.1f ms  (%s)  <= 200 ms  %s\n", what,
			v[n], t[n], code, (v[n] <= 200) ? "ok" : "MISSED" }' "$work/times"
}

one=$(printf '%032x' 1)
file() {
	ntt-db psql -XAtqc "SELECT encode(path, 'escape') FROM path_p_$1
		JOIN inode_p_$1 i USING (dev, ino) WHERE fs_type = 'f'
		ORDER BY octet_length(path) LIMIT 1"
}

uri() {
	jq -rn --arg p "$1" '$p | @uri' | sed 's,%2F,/,g'
}
copied=$(ntt-db psql -XAtqc "SELECT medium_hash FROM loaded WHERE id % 10 = 0
	ORDER BY id LIMIT 1")
name=$(printf '_%07d.dat' $((paths / media / 2 + 1)))

echo "$paths paths, $media media, commit $(git rev-parse --short HEAD 2>/dev/null)"
row "the shelf" /
row "a medium" "/m/$one"
row "the root of a medium" "/m/$one/tree"
row "a folder of $flat" "/m/ffff0000ffff0000/tree/a%20folder"
row "its middle" "/m/ffff0000ffff0000/tree/a%20folder?after=$(uri \
	"a folder/picture number 5.jpg")"
row "a file" "/m/$copied/file/$(uri "$(file "$copied")")"
row "taking a folder" "/m/$copied/take"
row "what is missing" "/m/$copied/missing"
row "a name that is nowhere" "/search?q=nosuchname"
row "a rare name" "/search?q=only+one+of"
row "a name on some media" "/search?q=interview_file$name"
row "a name on every medium" "/search?q=$name"
row "a frequent name" "/search?q=.dat"
row "a frequent name, pictures" "/search?q=.jpg&kind=picture"
row "two letters" "/search?q=a_"
row "what would be lost, what is shared" /compare
cat "$work/said" >&2
