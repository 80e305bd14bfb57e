#!/usr/bin/env bats
# slow: kills at each step, and private servers
# Copies on other places: sent, read back, taken back; and what is left when all
# but one of them are lost.

# expect() sets output and stderr; each test has its own NTT_DB_URL
# shellcheck disable=SC2154,SC2030,SC2031
load lib
load devices

M=aaaabbbbccccdddd0000111122223333

setup() {
	isolate
	need b3sum b3sum
	cd "$T"
	P=$T/disk/ntt
	mkdir disk
}

teardown() {
	! mountpoint -q "$T/disk" || umount "$T/disk"
	end_devices
	[ ! -e "$NTT_HOME/pg/data" ] || ntt-db stop -q || :
}

# some N: a medium of N files in the store of a fresh catalogue, and a place
some() {
	fresh_db
	mkdir src
	for ((i = 0; i < $1; i++)); do echo "content $i" >src/$i; done
	ntt-enum -q src $M - | ntt-loader -q - $M >/dev/null
	ntt-copier -q -m $M
	expect 0 ntt-places -q add p "$P"
}

# own: the same with a private server, a directory taken in as people do it
own() {
	ntt-db init -q 3>&-
	sql() { ntt-db psql -XAtqc "$1"; }
	mkdir -p src/sub
	for i in {1..30}; do echo "content $i" >src/sub/$i; done
	ln src/sub/1 src/hard
	ln -s sub/2 src/link
	: >src/empty
	printf x >src/$'n\nl\xff'
	chmod 640 src/sub/3
	touch -d '2001-02-03 04:05:06.789' src/sub/4 src
	expect 0 ntt-orchestrator -q src
	H=$(sql "SELECT medium_hash FROM medium")
	expect 0 ntt-places -q add p "$P"
}

# again COMMAND…: until the server has noticed that the session of a killed one is
# gone, which has its lock until then
again() {
	local status=75
	AGAIN=("$@")
	await 'status=0; "${AGAIN[@]}" >out 2>err 3>&- || status=$?; [ $status != 75 ]'
	[ $status = 0 ] || { cat out err; return $status; }
}

# copy ID: its file at the place
copy() {
	echo "$P/by-hash/${1:0:2}/${1:2:2}/$1"
}

# held: ids that the catalogue says are at the place
held() {
	sql "SELECT blobid FROM place_content WHERE place = 'p' ORDER BY 1"
}

# files: ids that are at the place, all with the right bytes, none left over
files() {
	(cd "$P/by-hash" && find . -type f ! -name .ntt-store ! -path './.bad/*' \
		-print0 | xargs -0r b3sum) |
		awk '{ n = $2; sub(/.*\//, "", n)
			if ($1 != n) { print "wrong: " n; exit } print $1 }' | sort
	find "$P" -type f \( -name '*.tmp' -o -path '*/.tmp/*' \)
}

# whole: the place has what the catalogue has, and the catalogue knows it
whole() {
	held >"$T/held"
	sql "SELECT blobid FROM blobs ORDER BY 1" | diff - "$T/held" &&
		files | diff - "$T/held"
}

@test "mirror: the same blobs, modes and files; the second run has nothing to do" {
	own
	expect 0 ntt-mirror p
	has "$stderr" 'p: 33 blobs, 327 B, and 3 other files'
	whole
	[ "$(find "$P/by-hash" -type f ! -name .ntt-store ! -perm 444)" = "" ]
	[ "$(find "$P/by-hash" -type d ! -perm 755)" = "" ]
	diff -r "$NTT_HOME/archives" "$P/archives"
	pg_restore -l "$P/catalogue.dump" | grep -q 'TABLE DATA public blobs'
	expect 0 ntt-mirror p
	has "$stderr" 'p: 0 blobs, 0 B, and 0 other files, 0 B, were sent'
	# and then what is new
	echo new >src/new
	expect 0 ntt-orchestrator -q src
	expect 0 ntt-mirror p
	has "$stderr" 'p: 1 blobs, 4 B, and'
	whole
	diff -r "$NTT_HOME/archives" "$P/archives"
	expect 0 ntt-mirror --check p
	has "$stderr" 'p: 34 blobs, 331 B, and 6 other files were read, 0 are'
}

@test "a private collection is private at the place" {
	fresh_db
	sql "UPDATE catalogue SET private = true"
	mkdir src && echo secret >src/f
	ntt-enum -q src $M - | ntt-loader -q - $M >/dev/null
	ntt-copier -q -m $M
	expect 0 ntt-places -q add p "$P"
	expect 0 ntt-mirror -q p
	[ "$(stat -c %a "$(copy "$(b3sum --no-names <src/f)")" "$P" \
		"$P/by-hash" | tr '\n' ' ')" = "440 750 750 " ]
	touch -d 2026-03-01 "$P/catalogue.dump"
	sql "UPDATE medium SET message = 'x'"
	await 'ntt-mirror p 2>&1 3>&- | grep -q ", and [1-9]"'
	[ "$(stat -c %a "$P/dumps" "$P"/dumps/* | tr '\n' ' ')" = "750 600 " ]
}

@test "a bad blob of ours is not sent, but named and marked" {
	some 20
	id=$(b3sum --no-names <src/7) gone=$(b3sum --no-names <src/8)
	flip_bit "$(blob_file "$id")"
	mv "$(blob_file "$gone")" kept
	expect 3 ntt-mirror p
	has "$output" "$id is not sent: its blob in the store has other bytes"
	has "$output" "$gone is not sent: its blob is missing"
	[ ! -e "$(copy "$id")" ]
	[ "$(held | wc -l)" = 18 ]
	[ "$(sql "SELECT state FROM blobs WHERE blobid IN ('$id', '$gone')
		ORDER BY 1" | tr '\n' ' ')" = "bad missing " ]
	expect 0 ntt-heal -q --all
	expect 0 ntt-mirror -q p
	whole
}

@test "--check finds what rotted at the place, and it is sent again" {
	own
	expect 0 ntt-mirror -q p
	id=$(b3sum --no-names <src/sub/7) gone=$(b3sum --no-names <src/sub/8)
	flip_bit "$(copy "$id")"
	rm "$(copy "$gone")"
	flip_bit "$P/archives/$H.catalogue.zst" 30
	rm "$P/archives/$H.tar.zst"
	flip_bit "$P/catalogue.dump" 100
	expect 3 ntt-mirror --check p
	diff <(sort <<<"$output") <(sort <<-END
		$id is bad
		$gone is missing
		"archives/$H.catalogue.zst" is bad
		"archives/$H.tar.zst" is missing
		"catalogue.dump" is bad
	END
	)
	has "$stderr" '5 are not right; send them again: ntt-mirror p'
	[ "$(sql "SELECT last_checked IS NOT NULL FROM place")" = t ]
	expect 0 ntt-find --copies -2 --count
	[ "$output" = 2 ]
	expect 0 ntt-mirror p
	has "$stderr" 'p: 2 blobs'
	whole
	# nothing is deleted there
	[ "$(find "$P/by-hash/.bad" -name "$id.*" | wc -l)" = 1 ]
	[ "$(find "$P/archives/old" -name "$H.catalogue.zst.*" | wc -l)" = 1 ]
	rm -r "$P/archives/old"
	diff -r "$NTT_HOME/archives" "$P/archives"
	expect 0 ntt-mirror -q --check p
}

@test "--sample-rate reads some, and that is not all" {
	some 200
	expect 0 ntt-mirror -q p
	expect 0 ntt-mirror --check --sample-rate 4 p
	n=${stderr#*p: } n=${n%% *}
	[ "$n" -gt 10 ] && [ "$n" -lt 120 ]
	[ "$(sql "SELECT last_checked IS NULL FROM place")" = t ]
	expect 64 ntt-mirror --sample-rate 4 p
}

@test "killed at each step of a mirror: what the catalogue says is true" {
	some 5
	stepper count n ntt-mirror -q p || :
	steps=$(cat n)
	[ "$steps" -gt 20 ]
	for ((i = 1; i <= steps; i += 3)); do
		sql "DELETE FROM place_ids; DELETE FROM place_file;
			UPDATE place SET dump_of = NULL"
		find "$P" -mindepth 2 -type f ! -name .ntt-store -delete
		stepper kill $i ntt-mirror -q p >/dev/null 2>&1 || :
		for id in $(held); do
			[ "$(b3sum --no-names <"$(copy "$id")")" = "$id" ] ||
				{ echo "step $i: $id"; return 1; }
		done
		[[ $(files) != *wrong* ]] || { echo "step $i: $(files)"; return 1; }
		again ntt-mirror -q p
		whole || { echo "step $i"; return 1; }
	done
}

@test "killed at random moments, again and again, it comes to its end" {
	some 3000
	for i in {1..8}; do
		ntt-mirror -q p 3>&- & pid=$!
		sleep 0.0$((RANDOM % 90 + 10))
		kill -9 $pid 2>/dev/null || :
		wait $pid || :
	done
	again ntt-mirror -q p
	whole
	[ "$(sql "SELECT count(*) FROM place_ids")" -lt 40 ]
}

@test "interrupted: 143, and what was sent is recorded" {
	some 4
	truncate -s 300M src/big
	ntt-enum -q src $M - | ntt-loader -q --replace --force - $M >/dev/null
	ntt-copier -q -m $M
	ntt-mirror -q p 3>&- & pid=$!
	await '[ -n "$(find "$P/archives" -name "*.catalogue.zst")" ]' $pid
	kill -TERM $pid
	status=0; wait $pid || status=$?
	[ $status = 143 ] || [ $status = 0 ]
	expect 0 ntt-mirror -q p
	whole
}

@test "a full place: 75, what fitted stays and is recorded" {
	need_root
	mount -t tmpfs -o size=6m none disk
	some 30
	for i in {1..30}; do head -c 300000 /dev/urandom >src/r$i; done
	ntt-enum -q src $M - | ntt-loader -q --replace --force - $M >/dev/null
	ntt-copier -q -m $M
	expect 75 ntt-mirror p
	has "$stderr" "\"$P\" is full"
	n=$(held | wc -l)
	[ "$n" -gt 5 ] && [ "$n" -lt 60 ]
	held >h
	files | diff - h
	[ "$(sql "SELECT last_mirrored IS NULL FROM place")" = t ]
	mount -o remount,size=40m disk
	expect 0 ntt-mirror -q p
	whole
}

@test "a place on a FUSE file system, whose syncfs does nothing" {
	need_root
	need bindfs bindfs
	mkdir below
	bindfs below disk
	some 20
	expect 0 ntt-mirror -q p
	whole
	umount disk
	[ "$(find below/ntt/by-hash -type f ! -name .ntt-store | wc -l)" = 20 ]
	bindfs below disk
	expect 0 ntt-mirror -q --check p
}

@test "a disk that is not there is not in reach, and never empty" {
	need_root
	mount -t tmpfs none disk
	some 20
	expect 0 ntt-mirror -q p
	umount disk
	expect 75 ntt-mirror p
	has "$stderr" "p is not in reach: no .ntt-store is in \"$P\""
	[ -z "$(ls -A disk)" ]
	expect 75 ntt-mirror --check p
	[ "$(held | wc -l)" = 20 ]
	expect 0 ntt-places list
	has "$output" 'not in reach: no .ntt-store'
	has "$output" '20 contents'
	# another place answers in its stead
	mkdir -p "$P" && printf 'NTT store\ncatalogue x\nplace y z\n' >"$P/.ntt-store"
	expect 75 ntt-mirror p
	has "$stderr" 'another place, "z", is at'
	# with another that is there
	expect 0 ntt-places -q add q "$T/q"
	expect 3 ntt-mirror --all
	has "$stderr" 'q: 20 blobs'
}

@test "two at once: one waits for another day" {
	some 5
	{
		echo "SELECT pg_advisory_lock(hashtextextended('ntt-mirror p', 0));"
		echo '\! touch '"$T/locked"
		await '[ -e "$T/go" ]'
	} | psql -Xq "$NTT_DB_URL" >/dev/null 3>&- & other=$!
	await '[ -e "$T/locked" ]'
	expect 75 ntt-mirror p
	has "$stderr" 'another ntt-mirror is at work on p'
	expect 75 ntt-mirror --check p
	expect 75 ntt-places forget --yes p
	expect 75 ntt-remove --yes --content "$(b3sum --no-names <src/1)"
	has "$stderr" 'an ntt-mirror is at work on p'
	touch go; wait $other
	expect 0 ntt-mirror -q p
	whole
}

@test "ntt-heal takes bytes from a place, and learns what the place has not" {
	some 20
	expect 0 ntt-mirror -q p
	rm src/7
	id=$(echo 'content 7' | b3sum --no-names) other=$(b3sum --no-names <src/8)
	flip_bit "$(blob_file "$id")"
	flip_bit "$(blob_file "$other")"
	flip_bit "$(copy "$other")"
	mv src elsewhere
	expect 3 ntt-verify -q --all --sample-rate 1
	expect 0 ntt-places list
	has "$output" '2 contents are only there'
	expect 3 ntt-heal --all
	has "$stderr" '1 from other places), 0 were right, 1 stay bad'
	has "$output" "$other bad"
	[ "$(cat "$(blob_file "$id")")" = 'content 7' ]
	[ "$(held | grep -c "$other")" = 0 ]
	mv elsewhere src
	ntt-enum -q src beef0000 - | ntt-loader -q - beef0000 >/dev/null
	expect 0 ntt-copier -q -m beef0000
	expect 0 ntt-mirror p
	has "$stderr" 'p: 1 blobs'
	whole
}

@test "remove --content removes it at the places in reach" {
	need_root
	mount -t tmpfs none disk
	some 5
	expect 0 ntt-places -q add q "$T/q"
	expect 0 ntt-mirror -q --all
	id=$(b3sum --no-names <src/3)
	umount disk
	expect 3 ntt-remove --yes --content "$id"
	has "$output" 'the place p may have it and is not in reach'
	[ -z "$(find "$T/q" -name "$id")" ]
	[ "$(sql "SELECT place FROM place_content WHERE blobid = '$id'")" = p ]
	expect 0 ntt-mirror -q q
	[ -z "$(find "$T/q" -name "$id")" ]
	grep -q "$id" "$T/q/archives/removed.jsonl"
}

@test "remove --everywhere: at the places in reach, and what only it had at once" {
	need_root
	mount -t tmpfs none disk
	own
	mkdir two && cp src/sub/{1,2} two && echo other >two/other
	expect 0 ntt-orchestrator -q two
	N=$(sql "SELECT medium_hash FROM medium WHERE medium_hash <> '$H'")
	expect 0 ntt-places -q add q "$T/q"
	expect 0 ntt-mirror -q --all
	only=$(b3sum --no-names <src/sub/7) both=$(b3sum --no-names <src/sub/1)
	cp -a "$P" shelf
	umount disk
	expect 3 ntt-remove --yes --everywhere "$H"
	has "$output" 'the place p may have it and is not in reach'
	# what is left of it goes by the same command, and is not done either
	expect 3 ntt-remove --yes --everywhere "$H"
	[ ! -e "$(blob_file "$only")" ]
	[ -e "$NTT_HOME/by-hash/.trash/$only" ]
	[ -e "$(blob_file "$both")" ]
	[ -z "$(find "$T/q" -name "$only")" ]
	[ -n "$(find "$T/q" -name "$both")" ]
	[ -z "$(find "$T/q" "$NTT_HOME/raw" -name "$H*" ! -name '*.tar.zst')" ]
	[ -e "$T/q/archives/$H.tar.zst" ]
	[ -n "$(find "$T/q" -name "$N.catalogue.zst")" ]
	[ "$(sql "SELECT count(*) FROM blobs WHERE blobid = '$only'")" = 0 ]
	expect 0 ntt-mirror -q q
	[ -z "$(find "$T/q" -name "$only")" ]
	expect 0 ntt-mirror --check q
	# again, with the archives, and on a disk that is back
	ntt-db psql -qc "UPDATE place SET url = '$T/back' WHERE name = 'p'"
	mv shelf back
	[ -n "$(find back -name "$only")" ]
	expect 0 ntt-remove --yes --everywhere --archive "$H"
	[ -z "$(find back -name "$only")" ]
	[ -n "$(find back -name "$both")" ]
	[ "$(sql 'SELECT count(*) FROM place_removal')" = 0 ]
	[ -z "$(find "$T/q" "$NTT_HOME/archives" -name "$H*")" ]
}

@test "killed at steps of remove --everywhere: the same command finishes it" {
	some 5
	mkdir two && echo other >two/other && cp src/1 two
	ntt-enum -q two feed0000 - | ntt-loader -q - feed0000 >/dev/null
	ntt-copier -q -m feed0000
	only=$(b3sum --no-names <src/3) both=$(b3sum --no-names <src/1)
	expect 0 ntt-mirror -q p
	status=0 killed=0
	stepper count steps ntt-remove -q --yes --everywhere $M || status=$?
	[ $status = 99 ]
	last=$(cat steps)
	for ((n = last - 1; n > last - 60; n -= 5)); do
		ntt-enum -q src $M - | ntt-loader -q --force - $M >/dev/null
		ntt-copier -q -m $M
		ntt-mirror -q p
		[ -e "$(copy "$only")" ]
		status=0
		stepper kill $n ntt-remove -q --yes --everywhere $M || status=$?
		[ $status = 137 ] || [ $status = 99 ]
		[ $status = 99 ] || killed=$((killed + 1))
		again ntt-remove -q --yes --everywhere $M
		[ ! -e "$(copy "$only")" ]
		[ ! -e "$(blob_file "$only")" ]
		[ -e "$(copy "$both")" ]
		[ "$(sql "SELECT count(*) FROM blobs
			WHERE blobid IN ('$only', '$both')")" = 1 ]
	done
	[ $killed -gt 6 ]
	expect 0 ntt-mirror -q p
	[ ! -e "$(copy "$only")" ]
	expect 0 ntt-mirror -q --check p
}

@test "older dumps: one a day, three days back; rebuild names the newest good one" {
	some 3
	expect 0 ntt-mirror -q p
	[ ! -e "$P/dumps" ]
	for day in 01 02 03 04 05; do
		touch -d "2026-03-$day 12:00Z" "$P/catalogue.dump"
		cp "$P/catalogue.dump" was
		sql "UPDATE medium SET message = '$day'"
		await 'ntt-mirror p 2>&1 3>&- | grep -q ", and [1-9]"'
		cmp was "$P/dumps/catalogue.202603$day.dump"
	done
	[ "$(ls "$P/dumps" | tr '\n' ' ')" = "catalogue.20260303.dump $(
		)catalogue.20260304.dump catalogue.20260305.dump " ]
	# --check reads them
	expect 0 ntt-mirror -q --check p
	flip_bit "$P/dumps/catalogue.20260304.dump" 100
	expect 3 ntt-mirror -q --check p
	has "$output" '"dumps/catalogue.20260304.dump" is bad'
	# one day has one, whose last it is
	for message in a b; do
		sql "UPDATE medium SET message = '$message'"
		cp "$P/catalogue.dump" was
		await 'ntt-mirror p 2>&1 3>&- | grep -q ", and [1-9]"'
		cmp was "$P/dumps/catalogue.$(date -u +%Y%m%d).dump"
	done
	[ "$(find "$P/dumps" -type f | wc -l)" = 4 ]
	# something is lost, and the dump that can be read is named
	flip_bit "$P/by-hash/$(cd "$P/by-hash" && ls -d ??/??/* | head -n 1)"
	rm "$P/catalogue.dump" "$P/dumps/catalogue.$(date -u +%Y%m%d).dump"
	truncate -s 100 "$P/dumps/catalogue.20260305.dump"
	cp was "$P/dumps/catalogue.20260304.dump"
	fresh_db
	rm -rf "$NTT_HOME"
	expect 3 ntt-rebuild --from "$P"
	has "$stderr" 'dumps/catalogue.20260304.dump", which may know more'
}

@test "compact: a directory loses what nothing uses, after asking" {
	some 20
	expect 0 ntt-mirror -q p
	id=$(b3sum --no-names <src/7)
	sql "DELETE FROM blob_load"
	sql "UPDATE inode_p_$M SET status = 'excluded', blobid = NULL
		WHERE blobid = '$id'"
	expect 0 ntt-reclaim -q --days 0
	expect 2 ntt-mirror --compact p <<<x
	has "$output" 'p has 1 contents that nothing uses'
	[ -e "$(copy "$id")" ]
	expect 0 ntt-mirror --compact p <<<p
	[ ! -e "$(copy "$id")" ]
	whole
	expect 0 ntt-mirror --compact p
	has "$stderr" 'p has nothing that nothing uses'
}

@test "compact: killed at any step, a directory loses it in the next run" {
	some 3
	expect 0 ntt-mirror -q p
	id=$(b3sum --no-names <src/2)
	sql "DELETE FROM blob_load"
	sql "UPDATE inode_p_$M SET status = 'excluded', blobid = NULL
		WHERE blobid = '$id'"
	expect 0 ntt-reclaim -q --days 0
	cp -a "$P" "$T/before"
	sql "CREATE TABLE kept AS SELECT place, ids FROM place_ids"
	for ((step = 1; ; step++)); do
		find "$P" -mindepth 1 -delete && cp -a "$T/before/." "$P"
		sql "DELETE FROM place_ids;
			INSERT INTO place_ids (place, ids) TABLE kept"
		status=0
		stepper kill $step ntt-mirror -q --compact --yes p || status=$?
		[ $status = 137 ] || break
		again ntt-mirror -q --compact --yes p
		[ ! -e "$(copy "$id")" ] || { echo "left by a kill at $step"; return 1; }
		[ ! -e "$P/.ntt-compact" ]
		whole
	done
	[ "$status" = 99 ]
	[ "$step" -gt 5 ]
}

@test "a medium that was removed is not sent any more" {
	own
	expect 0 ntt-remove --yes "$H"
	expect 0 ntt-mirror -q p
	[ -z "$(find "$P" -name "$H*")" ]
	grep -q "$H" "$P/archives/removed.jsonl"
	# lines that are only there stay
	echo '{"at": "2020-01-01T00:00:00Z", "medium": "feed0000"}' \
		>>"$P/archives/removed.jsonl"
	echo two >src/two
	expect 0 ntt-orchestrator -q --force src
	expect 0 ntt-remove --yes "$(sql "SELECT medium_hash FROM medium LIMIT 1")"
	expect 0 ntt-mirror -q p
	[ "$(wc -l <"$P/archives/removed.jsonl")" = 3 ]
}

# restored: what is given back is what the source is, to rsync
restored() {
	rm -rf back
	expect 0 ntt-restore -q "$H" back
	[ -z "$(rsync -naHAXi --numeric-ids src/ back/)" ]
}

@test "drill: everything deleted but the place; rebuilt, restored, nothing differs" {
	need rsync rsync
	own
	expect 0 ntt-mirror -q p
	before=$(sql "SELECT i FROM inode i ORDER BY i.dev, i.ino")
	ntt-db stop -q
	rm -rf "$NTT_HOME"
	expect 0 ntt-rebuild --from "$P"
	has "$output" "$H: 3"
	[ "$(sql "SELECT i FROM inode i ORDER BY i.dev, i.ino")" = "$before" ]
	restored
	check_store_of_home
	expect 0 ntt-verify -q --all --sample-rate 1
	# the place is known again, with what it has, and goes on
	whole
	expect 0 ntt-mirror p
	has "$stderr" 'p: 0 blobs'
	expect 0 ntt-mirror -q --check p
	expect 2 ntt-rebuild --from "$P"
}

check_store_of_home() {
	(cd "$NTT_HOME/by-hash" && find . -type f ! -name .ntt-store -print0 |
		xargs -0r b3sum) | awk '{ n = $2; sub(/.*\//, "", n) } $1 != n' |
		grep . && return 1
	return 0
}

@test "drill: the same by the dump of the place, with the place as the home" {
	need rsync rsync
	own
	expect 0 ntt-mirror -q p
	ntt-db stop -q
	rm -rf "$NTT_HOME"
	export NTT_HOME=$P
	ntt-db init -q --rebuild 3>&-
	expect 0 ntt-db restore "$P/catalogue.dump"
	restored
	expect 0 ntt-verify -q --all --sample-rate 1
}

@test "drill: the cluster is deleted, or the place" {
	need rsync rsync
	own
	expect 0 ntt-mirror -q p
	ntt-db stop -q
	rm -rf "$NTT_HOME/pg"
	expect 0 ntt-rebuild --from "$P"
	restored
	whole
	rm -rf "$P"
	expect 75 ntt-mirror p
	restored
	expect 0 ntt-places forget --yes p
	expect 0 ntt-places -q add p "$P"
	expect 0 ntt-mirror p
	has "$stderr" 'p: 33 blobs'
	whole
}

@test "drill: killed at random while it comes back, wrong blobs are not copied" {
	need rsync rsync
	own
	expect 0 ntt-mirror -q p
	id=$(b3sum --no-names <src/sub/7)
	ntt-db stop -q
	rm -rf "$NTT_HOME"
	for i in 1 2 3 4; do
		ntt-rebuild -q --from "$P" >/dev/null 2>&1 3>&- & pid=$!
		sleep 0.$((RANDOM % 9))
		kill -9 $pid 2>/dev/null || :
		wait $pid || :
	done
	status=0
	again ntt-rebuild -q --from "$P" || status=$?
	[ $status = 0 ] || [ $status = 2 ]
	restored
	ntt-db stop -q
	rm -rf "$NTT_HOME"
	flip_bit "$(copy "$id")"
	expect 3 ntt-rebuild --from "$P"
	has "$stderr" "blob $id of the place is not what its name says"
	[ ! -e "$(blob_file "$id")" ]
	has "$stderr" "blob $id is not in the store"
	check_store_of_home
}

@test "rebuild --from refuses what is no place, and stores of others" {
	own
	expect 0 ntt-mirror -q p
	ntt-db stop -q
	expect 1 ntt-rebuild --from "$T/src"
	has "$stderr" 'is no place of ntt-places'
	rm -rf "$NTT_HOME/pg"
	sed -i 's/^catalogue .*/catalogue 00000000-0000-0000-0000-000000000000/' \
		"$NTT_HOME/by-hash/.ntt-store"
	expect 1 ntt-rebuild --from "$P"
	has "$stderr" 'is not of the collection whose copies the place has'
	rm "$NTT_HOME/by-hash/.ntt-store"
	expect 1 ntt-rebuild --from "$P"
	has "$stderr" 'is not empty and has no .ntt-store'
}

@test "rebuild: a blob that was cut off is bad, and healed from the place" {
	own
	expect 0 ntt-mirror -q p
	id=$(b3sum --no-names <src/sub/7)
	chmod u+w "$(blob_file "$id")"
	truncate -s 3 "$(blob_file "$id")"
	ntt-db stop -q
	rm -r "$NTT_HOME/pg"
	expect 3 ntt-rebuild 3>&-
	has "$stderr" "blob $id in the store is bad"
	[ "$(sql "SELECT state, size FROM blobs WHERE blobid = '$id'")" = 'bad|10' ]
	expect 0 ntt-places -q add p "$P"
	expect 0 ntt-heal -q --all
	check_sum
}

# check_sum: every blob of the store is what its name says
check_sum() {
	(cd "$NTT_HOME/by-hash" && find . -type f -path './??/*' -print0 |
		xargs -0 b3sum | sed 's|  .*/|  |' |
		awk '$1 != $2 { print; bad = 1 } END { exit bad }')
}

@test "rebuild --from replaces a blob that was cut off here" {
	own
	expect 0 ntt-mirror -q p
	id=$(b3sum --no-names <src/sub/7)
	chmod u+w "$(blob_file "$id")"
	truncate -s 3 "$(blob_file "$id")"
	ntt-db stop -q
	rm -r "$NTT_HOME/pg"
	expect 0 ntt-rebuild --from "$P" 3>&-
	check_sum
	[ "$(stat -c %s "$NTT_HOME"/by-hash/.bad/"$id"*)" = 3 ]
	[ "$(sql "SELECT state, size FROM blobs WHERE blobid = '$id'")" = 'good|10' ]
}

@test "rebuild --from: a catalogue file that is damaged here comes from the place" {
	own
	expect 0 ntt-mirror -q p
	ntt-db stop -q
	rm -rf "$NTT_HOME/pg"
	file=$NTT_HOME/archives/$H.catalogue.zst
	before=$(b3sum --no-names <"$file")
	flip_bit "$file" 30
	expect 0 ntt-rebuild --from "$P"
	has "$stderr" "$H.catalogue.zst\" cannot be used for $H: "
	has "$stderr" "and that of the place has its name"
	[ "$(b3sum --no-names <"$file")" = "$before" ]
	[ "$(find "$NTT_HOME/archives" -name '.damaged-*' | wc -l)" = 1 ]
	[ -z "$(find "$NTT_HOME/archives" -name '.again-*')" ]
	[ "$(sql "SELECT count(*) FROM inode")" = "$(sql "SELECT count(*) FROM
		inode WHERE status <> 'pending'")" ]
	# both are damaged: the archive has another
	ntt-db stop -q
	rm -rf "$NTT_HOME/pg"
	flip_bit "$file" 30
	flip_bit "$P/archives/$H.catalogue.zst" 31
	expect 3 ntt-rebuild --from "$P"
	has "$output" "$H: "
	has "$output" "from the archive"
	has "$stderr" "cannot be used for $H"
}

@test "rebuild --from: a file of the place that cannot be read is named, the rest comes" {
	need_root
	need rsync rsync
	own
	head -c 20000 /dev/urandom >src/random
	expect 0 ntt-orchestrator -q src
	H=$(sql "SELECT medium_hash FROM medium ORDER BY added_at DESC LIMIT 1")
	expect 0 ntt-mirror -q p
	ntt-db stop -q
	rm -rf "$NTT_HOME"
	ln -s loop "$P/archives/loop"
	expect 3 ntt-rebuild --from "$P"
	has "$stderr" "archives/loop\" of the place was not copied: "
	restored
	# a bad sector in the archive
	ntt-db stop -q
	rm -rf "$NTT_HOME" "$P/archives/loop"
	mv "$P/archives/$H.tar.zst" archive
	bad_file archive eio 4096 4096
	: >"$P/archives/$H.tar.zst"
	mount --bind "$T/fuse/image" "$P/archives/$H.tar.zst"
	expect 3 ntt-rebuild --from "$P"
	has "$stderr" "$H.tar.zst\" of the place was not copied: "
	restored
}

@test "rehearse on a server that is not ours: as a URL, and without the right" {
	some 5
	expect 0 ntt-mirror -q p
	expect 0 ntt-rebuild -q --rehearse --from "$P"
	rm "$P"/archives/*.catalogue.zst
	expect 3 ntt-rebuild -q --rehearse --from "$P"
	has "$output" "$M: would be lost"
	[ "$(sql "SELECT count(*) FROM pg_database
		WHERE datname LIKE 'ntt_rehearsal%'")" = 0 ]
	sql "SELECT count(*) FROM medium" | grep -qx 1
	# whoever may not make databases is told so
	sql "DROP ROLE IF EXISTS nobody_much" 2>/dev/null
	sql "CREATE ROLE nobody_much; GRANT SELECT ON ALL TABLES IN SCHEMA public
		TO nobody_much; GRANT nobody_much TO CURRENT_USER"
	PGOPTIONS="-c role=nobody_much" expect 1 ntt-rebuild --rehearse
	has "$stderr" "could not make a database to rehearse in: permission denied"
	sql "DROP OWNED BY nobody_much; DROP ROLE nobody_much"
}

@test "rebuild --from: a directory of blobs that cannot be read is named, the rest comes" {
	some 30
	expect 0 ntt-mirror -q p
	lost=$(cd "$P/by-hash" && ls -d ?? | head -n 1)
	n=$(find "$P/by-hash/$lost" -type f | wc -l)
	rm -r "$P/by-hash/${lost:?}"
	: >"$P/by-hash/$lost"
	fresh_db
	rm -rf "$NTT_HOME"
	expect 3 ntt-rebuild --from "$P"
	has "$stderr" "the blobs of the place that begin with $lost were not copied"
	has "$stderr" "which is no place of the catalogue now"
	[ "$(sql "SELECT count(*) FROM blobs WHERE state = 'good'")" = $((30 - n)) ]
	[ "$(sql "SELECT count(*) FROM inode")" = 31 ]
}

@test "--all: a place that fails keeps nothing from the others" {
	some 5
	mkdir other
	expect 0 ntt-places -q add z "$T/other/ntt"
	rm -r "$P/archives"
	touch "$P/archives"
	expect 1 ntt-mirror --all
	has "$stderr" 'could not read'
	has "$stderr" 'z: 5 blobs'
	[ "$(find other -type f -path '*/by-hash/??/*' | wc -l)" = 5 ]
	expect 0 ntt-mirror -q z
}

@test "an older copy of the place at its mount point: what it lacks is sent" {
	some 20
	expect 0 ntt-mirror -q p
	cp -a disk older
	echo new >src/new
	ntt-enum -q src beef0000 - | ntt-loader -q - beef0000 >/dev/null
	ntt-copier -q -m beef0000
	expect 0 ntt-mirror p
	[[ $stderr != *"not as ntt-mirror left it"* ]]
	whole
	mv disk newer
	mv older disk
	chmod u+w "$(copy "$(b3sum --no-names <src/3)")"
	: >"$(copy "$(b3sum --no-names <src/3)")"
	expect 0 ntt-mirror p
	has "$stderr" 'p is not as ntt-mirror left it'
	has "$stderr" 'p has not 2 blobs that it had'
	whole
	expect 0 ntt-mirror p
	[[ $stderr != *"not as ntt-mirror left it"* ]]
}
