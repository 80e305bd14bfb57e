#!/usr/bin/env bats
# Places: what can be one, what is known of them, how many copies there are.

# expect() sets output and stderr; each test has its own NTT_DB_URL
# shellcheck disable=SC2154,SC2030,SC2031
load lib

M=aaaabbbbccccdddd0000111122223333

setup() {
	isolate
	need b3sum b3sum
	need jq jq
	cd "$T"
	fresh_db
	mkdir src
	for i in {1..10}; do echo "content $i" >src/$i; done
	ntt-enum -q src $M - | ntt-loader -q - $M >/dev/null
	ntt-copier -q -m $M
}

teardown() {
	! mountpoint -q "$T/disk" || umount "$T/disk"
}

@test "add: a directory, marked; what is no second disk is said" {
	expect 0 ntt-places add usb "$T/a"
	has "$stderr" 'is on the file system of the store, so it is no second disk'
	[ "$(stat -c %a a a/by-hash a/archives | sort -u)" = 755 ]
	grep -q "^catalogue $(sql 'SELECT id FROM catalogue')$" a/.ntt-store
	grep -q '^place .* usb$' a/.ntt-store
	expect 2 ntt-places add usb "$T/b"
	has "$stderr" 'there is a place usb already'
	[ ! -e b ]
	expect 2 ntt-places add other a
	has "$stderr" 'is the place usb already'
	expect 1 ntt-places add b "$T/no/such"
	expect 64 ntt-places add b src/1
	for name in '' -x Upper 'a b' "$(printf 'x%.0s' {1..33})" ../x; do
		expect 64 ntt-places add -- "$name" b
	done
	expect 64 ntt-places add b rclone:path
	has "$stderr" 'rclone:REMOTE:PATH is needed'
	expect 64 ntt-places add --clear b c
	expect 64 ntt-places list --clear
	expect 64 ntt-places add b
	expect 64 ntt-places list b
	[ "$(sql 'SELECT count(*) FROM place')" = 1 ]
}

@test "add on another disk says nothing of one" {
	need_root
	mkdir disk && mount -t tmpfs none disk
	expect 0 ntt-places add usb disk/ntt
	[[ $stderr != *"second disk"* ]]
}

@test "add refuses stores, what is in them and around them" {
	expect 2 ntt-places add p "$NTT_HOME"
	expect 2 ntt-places add p "$NTT_HOME/by-hash"
	expect 2 ntt-places add p "$NTT_HOME/by-hash/ab"
	expect 2 ntt-places add p "$NTT_HOME/archives"
	expect 2 ntt-places add p "$T"
	ln -s "$NTT_HOME/by-hash" link
	expect 2 ntt-places add p link/x
	# a collection of somebody else, a place of one, and a directory of one
	mkdir -p one/by-hash && echo x >one/by-hash/x
	expect 2 ntt-places add p one
	has "$stderr" 'another collection'
	mkdir two && printf 'NTT store\ncatalogue %s\nplace %s x\n' \
		00000000-0000-0000-0000-000000000000 \
		00000000-0000-0000-0000-000000000001 >two/.ntt-store
	expect 2 ntt-places add p two
	has "$stderr" 'is a place of another collection'
	mkdir three && printf 'NTT store\ncatalogue x\n' >three/.ntt-store
	expect 2 ntt-places add p three
	expect 2 ntt-places add p three/below
	[ "$(sql 'SELECT count(*) FROM place')" = 0 ]
	[ ! -e "$NTT_HOME/.ntt-store" ]
}

@test "list: what is there, only there, and lacking" {
	expect 0 ntt-places list
	has "$stderr" 'there is no place yet'
	expect 0 ntt-places -q add usb a
	expect 0 ntt-places list --json
	[ "$(jq -c '[.name, .in_reach, .contents, .lacking, .last_mirrored]' \
		<<<"$output")" = '["usb",true,0,10,null]' ]
	expect 0 ntt-mirror -q usb
	gone=$(b3sum --no-names <src/1)
	sql "UPDATE blobs SET state = 'missing' WHERE blobid = '$gone'"
	echo new >src/new
	ntt-enum -q src beef0000 - | ntt-loader -q - beef0000 >/dev/null
	rm src/1
	ntt-copier -q -m beef0000 || :
	sql "UPDATE blobs SET state = 'missing' WHERE blobid = '$gone'"
	expect 0 ntt-places list --json
	[ "$(jq -c '[.contents, .only_there, .lacking, .lacking_bytes]' \
		<<<"$output")" = '[10,1,1,4]' ]
	[ "$(jq -r .last_mirrored <<<"$output")" != null ]
	mv a elsewhere
	expect 0 ntt-places list --json
	[ "$(jq -c '[.in_reach, .contents]' <<<"$output")" = '[false,10]' ]
	[ "$(jq -r .away <<<"$output")" != null ]
}

@test "NTT_COPIES and find --copies: what has too few" {
	expect 0 ntt-places -q add a a
	expect 0 ntt-places -q add b b
	expect 0 ntt-mirror -q a
	sql "SELECT place_add('b', ARRAY(SELECT blobid FROM blobs ORDER BY 1 LIMIT 3))" \
		>/dev/null
	for case in '-2 0' '-3 7' '2 7' '3 3' '+2 3' '+1 10' '+3 0' '1 0'; do
		set -- $case
		[ "$2" = 0 ] && want=1 || want=0
		expect $want ntt-find --copies "$1" --count
		[ "$output" = "$2" ] || { echo "$case: $output"; return 1; }
	done
	bad=$(b3sum --no-names <src/1)
	sql "UPDATE blobs SET state = 'bad' WHERE blobid = '$bad'"
	sql "SELECT place_drop('b', ARRAY['$bad'])" >/dev/null
	expect 0 ntt-find --copies 1
	[ "$output" = "$M:1" ]
	for wrong in x ++2 -- -2x ''; do
		expect 64 ntt-find --copies "$wrong"
	done
	expect 0 ntt-places list
	has "$output" 'every content has 1 good copy'
	NTT_COPIES=2 expect 0 ntt-places list
	has "$output" '1 contents, 10 B, have fewer than 2 copies: "ntt-find --copies -2"'
	NTT_COPIES=x expect 64 ntt-places list
	expect 0 ntt --print-config
	has "$output" 'NTT_COPIES'
}

# copies FILTER: of the dashboard
copies() {
	ntt-dashboard --json | jq -c ".copies | $1"
}

@test "NTT_COPIES: dashboard and report say what has too few, and what mends it" {
	expect 0 ntt-dashboard --once
	[[ $output != *'copies      '* ]]
	export NTT_COPIES=2
	expect 0 ntt-dashboard --once
	has "$output" 'copies      not counted: ntt-places list!'
	[ "$(copies '[.wanted, .contents_with_fewer]')" = '[2,null]' ]
	expect 0 ntt-report -o r.html $M
	has "$(cat r.html)" '10 contents, 101 B, have fewer'
	has "$(cat r.html)" 'ntt-places add NAME DIRECTORY'
	expect 0 ntt-places -q list
	expect 0 ntt-dashboard --once
	has "$output" 'copies      10 contents, 101 B, have fewer than 2: ntt-places add!'
	expect 0 ntt-places -q add a a
	expect 0 ntt-report -o r.html --collection
	has "$(cat r.html)" 'fewer than 2 good copies'
	has "$(cat r.html)" 'ntt-mirror --all'
	expect 0 ntt-report -o r/ --collection
	has "$(cat r/$M.html)" 'fewer than 2 good copies'
	expect 0 ntt-mirror -q a
	expect 0 ntt-dashboard --once
	has "$output" 'copies      2 of each content'
	[ "$(copies '[.contents_with_fewer, .new_since, .places]')" = '[0,0,1]' ]
	expect 0 ntt-report -o r.html $M
	! grep -q 'good copies' r.html
	# whatever was stored later has one copy
	mkdir src2 && echo new >src2/n
	ntt-enum -q src2 ${M//a/f} - | ntt-loader -q - ${M//a/f} >/dev/null
	ntt-copier -q -m ${M//a/f}
	expect 0 ntt-dashboard --once
	has "$output" '2 of each content, 1 are new since: ntt-mirror --all!'
	# a place that lost something: whoever counted before knows nothing
	expect 0 ntt-mirror -q --all
	rm "$(find a/by-hash -type f ! -name .ntt-store | head -n 1)"
	expect 3 ntt-mirror --check a
	has "$stderr" 'have fewer than 2 copies'
	[ "$(copies .contents_with_fewer)" = 1 ]
	bad=$(b3sum --no-names <src/1)
	sql "UPDATE blobs SET state = 'bad' WHERE blobid = '$bad'"
	expect 0 ntt-dashboard --once
	has "$output" '; 1 blobs are not good: ntt-heal --all!'
	expect 0 ntt-places -q forget --yes a
	[ "$(copies .contents_with_fewer)" = null ]
}

@test "forget asks, and what is there stays; added again it is known" {
	expect 0 ntt-places -q add usb a
	expect 0 ntt-mirror -q usb
	expect 2 ntt-places forget usb </dev/null
	expect 2 ntt-places forget usb <<<us
	[ "$(sql 'SELECT count(*) FROM place')" = 1 ]
	expect 0 ntt-places forget usb <<<usb
	[ "$(sql 'SELECT count(*) FROM place_ids')" = 0 ]
	[ "$(find a/by-hash -type f ! -name .ntt-store | wc -l)" = 10 ]
	expect 1 ntt-places forget usb
	# one is not what it was, which its size says, one is gone
	id=$(b3sum --no-names <src/1)
	chmod u+w "a/by-hash/${id:0:2}/${id:2:2}/$id"
	echo >>"a/by-hash/${id:0:2}/${id:2:2}/$id"
	expect 0 ntt-places add disk a
	has "$stderr" 'has 10 contents from before'
	[ "$(sql "SELECT count(*) FROM place_content WHERE place = 'disk'")" = 9 ]
	expect 0 ntt-mirror disk
	has "$stderr" 'disk: 1 blobs'
	[ "$(b3sum --no-names <"a/by-hash/${id:0:2}/${id:2:2}/$id")" = "$id" ]
	# archives that are there already are not sent again
	[ ! -e a/archives/old ] || { ls -l a/archives a/archives/old; return 1; }
}

@test "killed at each step of add: the same command goes on" {
	stepper count n ntt-places -q add p a || :
	steps=$(cat n)
	for ((i = 1; i <= steps; i++)); do
		sql 'DELETE FROM place'
		rm -rf a
		stepper kill $i ntt-places -q add p a >/dev/null 2>&1 || :
		# the server may finish what was sent to it
		await '! sql "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = '"'client backend'"'" | grep -q 1'
		if [ "$(sql 'SELECT count(*) FROM place')" = 0 ]; then
			expect 0 ntt-places -q add p a ||
				{ echo "step $i"; return 1; }
		fi
		expect 0 ntt-mirror -q p
	done
}

@test "lists of ids are joined, and none is lost" {
	expect 0 ntt-places -q add p a
	sql "INSERT INTO blobs (blobid, size) SELECT encode(sha256(n::text::bytea),
		'hex'), 1 FROM generate_series(1, 9000) n"
	sql "SELECT count(place_add('p', ARRAY[blobid])) FROM blobs" >/dev/null
	[ "$(sql 'SELECT count(*) FROM place_ids')" = 9010 ]
	sql "SELECT place_join('p')" >/dev/null
	[ "$(sql 'SELECT count(*) FROM place_ids')" = 3 ]
	[ "$(sql "SELECT count(*) FROM blobs JOIN place_content USING (blobid)")" = 9010 ]
	sql "SELECT place_drop('p', ARRAY(SELECT blobid FROM blobs WHERE size = 1))" \
		>/dev/null
	[ "$(sql 'SELECT count(*) FROM place_content')" = 10 ]
}
