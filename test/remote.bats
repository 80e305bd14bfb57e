#!/usr/bin/env bats
# slow: rclone
# Remote places: packs through a real rclone, to a directory and to a WebDAV server
# on this machine.

# expect() sets output and stderr; each test has its own NTT_DB_URL
# shellcheck disable=SC2154,SC2030,SC2031
load lib

M=aaaabbbbccccdddd0000111122223333

setup() {
	isolate
	need b3sum b3sum
	need rclone rclone
	cd "$T"
	mkdir -p there "$HOME/.config/rclone"
	CONF=$HOME/.config/rclone/rclone.conf
	printf '[disk]\ntype = alias\nremote = %s/there\n' "$T" >"$CONF"
	unset RCLONE_CONFIG
}

teardown() {
	[ ! -e server ] || kill "$(cat server)" 2>/dev/null || :
	[ ! -e "$NTT_HOME/pg/data" ] || ntt-db stop -q || :
}

# serve: the directory "there" as dav:
serve() {
	local port
	for port in 2{1,2,3,4,5}$((RANDOM % 900 + 100)); do
		rclone serve webdav -v --addr 127.0.0.1:$port there \
			>serve.log 2>&1 3>&- 4>&- & echo $! >server
		printf '[dav]\ntype = webdav\nurl = http://127.0.0.1:%s\nvendor = other\n' \
			$port >>"$CONF"
		await 'grep -q "tarted on" serve.log || ! kill -0 "$(cat server)"'
		! kill -0 "$(cat server)" 2>/dev/null || return 0
		sed -i '/^\[dav\]/,$d' "$CONF"
	done
	return 1
}

# some N: a medium of N files in the store of a fresh catalogue
some() {
	fresh_db
	mkdir -p src
	for ((i = 0; i < $1; i++)); do echo "content $i" >src/$i; done
	: >src/empty
	head -c 200001 /dev/urandom >src/random
	ntt-enum -q src $M - | ntt-loader -q - $M >/dev/null
	ntt-copier -q -m $M
}

own() {
	ntt-db init -q 3>&-
	sql() { ntt-db psql -XAtqc "$1"; }
	mkdir -p src/sub
	for i in {1..30}; do echo "content $i" >src/sub/$i; done
	ln src/sub/1 src/hard; ln -s sub/2 src/link; : >src/empty
	head -c 300000 /dev/urandom >src/random
	expect 0 ntt-orchestrator -q src
	H=$(sql "SELECT medium_hash FROM medium")
}

# again COMMAND…: until the server has noticed that the session of a killed one is
# gone, which has its lock until then
again() {
	local status=75
	AGAIN=("$@")
	await 'status=0; "${AGAIN[@]}" >out 2>err 3>&- || status=$?; [ $status != 75 ]'
	[ $status = 0 ] || { cat out err; return $status; }
}

held() {
	sql "SELECT blobid FROM place_content ORDER BY 1"
}

whole() {
	held | diff - <(sql "SELECT blobid FROM blobs ORDER BY 1")
}

# corrupt BYTE: one bit of the largest object
corrupt() {
	flip_bit "$(find there -type f -printf '%s %p\n' | sort -n | tail -1 |
		cut -d' ' -f2-)" "$1"
}

@test "clear, to a directory: packs are tar files, with their index" {
	some 100
	expect 0 ntt-places add --clear p rclone:disk:a/b
	[ ! -e "$NTT_HOME/places" ]
	expect 0 ntt-mirror p
	has "$stderr" 'p: 102 blobs'
	whole
	mkdir out
	for t in there/a/b/packs/*.tar; do tar -xf "$t" -C out; done
	[ "$(cd out && b3sum -- * | awk '$1 == $2' | wc -l)" = 102 ]
	# each line of an index leads to the bytes
	while read -r id at size; do
		[ "$(tail -c +$((at + 1)) "$t" | head -c "$size" |
			b3sum --no-names)" = "$id" ]
	done < <(shuf -n 10 "${t%.tar}.index")
	[ "$(b3sum --no-names <"${t%.tar}.index")" = "$(basename "$t" .tar)" ]
	diff -r -x .ntt-store "$NTT_HOME/archives" there/a/b/archives
	pg_restore -l there/a/b/catalogue.dump | grep -q 'TABLE DATA public blobs'
	[ -z "$(find "$NTT_HOME" -name '*catalogue.dump')" ]
	expect 0 ntt-mirror p
	has "$stderr" 'p: 0 blobs, 0 B, and 0 other files'
	expect 0 ntt-mirror --check p
	has "$stderr" ' 0 are not right'
	expect 0 ntt-find --copies 2 --count
	[ "$output" = 102 ]
}

@test "large and many: several packs, and a blob in each is right" {
	some 3
	for i in 1 2 3; do head -c 40M /dev/urandom >src/big$i; done
	ntt-enum -q src beef0000 - | ntt-loader -q - beef0000 >/dev/null
	ntt-copier -q -m beef0000
	expect 0 ntt-places -q add --clear p rclone:disk:
	expect 0 ntt-mirror -q p
	whole
	[ "$(find there/packs -name '*.tar' | wc -l)" = 2 ]
	expect 0 ntt-mirror -q --check p
	for t in there/packs/*.tar; do tar -tf "$t"; done | sort | diff - <(held)
}

@test "encrypted, over WebDAV: neither names nor bytes can be read there" {
	serve
	some 50
	expect 0 ntt-places add p rclone:dav:x
	key=$NTT_HOME/places/p.key
	has "$stderr" "the key of p is in \"$key\": keep a copy"
	[ "$(stat -c '%a' "$key" "${key%/*}" | tr '\n' ' ')" = "600 700 " ]
	expect 0 ntt-mirror -q p
	whole
	[ "$(find there -type f | wc -l)" -ge 4 ]
	grep -rqE 'content 7|NTT store|ustar|PGDMP' there && return 1
	find there | grep -E "$M|packs|catalogue|$(b3sum --no-names <src/7)" &&
		return 1
	expect 0 ntt-mirror --check p
	has "$stderr" 'p: 52 blobs'
	expect 0 ntt-places list
	has "$output" 'p rclone, encrypted "dav:x"'
	[[ $output != *"not in reach"* ]]
	# no password is an argument: ours is in no command line of rclone
	[ "$(sed -n 's/^password = //p' "$key" | wc -c)" -gt 60 ]
	# a second place has a key of its own
	expect 0 ntt-places -q add q rclone:disk:y
	! cmp -s "$key" "$NTT_HOME/places/q.key" || return 1
	# the server is gone
	kill "$(cat server)"; wait "$(cat server)" 2>/dev/null || :
	expect 75 ntt-mirror p
	has "$stderr" 'p is not in reach'
	[ "$(sql "SELECT count(*) FROM place_content WHERE place = 'p'")" = 52 ]
}

@test "what rotted there is found by --check, sent again, and not used to heal" {
	mkdir src
	# three that are large, so that good ones are on both sides of a bad block
	for i in 1 2 3; do yes "large $i" | head -c 300000 >src/large$i || :; done
	some 50
	expect 0 ntt-places -q add p rclone:disk:
	expect 0 ntt-mirror -q p
	corrupt 500000
	expect 3 ntt-mirror --check p
	has "$output" ' is unreadable'
	n=$(held | wc -l)
	[ "$n" -lt 55 ] && [ "$n" -gt 40 ]
	expect 0 ntt-mirror -q p
	whole
	expect 0 ntt-mirror -q --check p
	# all of the packs gone
	sql "SELECT count(*) FROM pack" | grep -qx 2
	rm -r there; mkdir there
	expect 75 ntt-mirror --check p
	has "$stderr" 'p is not in reach: no .ntt-store'
	[ "$(held | wc -l)" = 55 ]
}

@test "heal by range from a pack" {
	some 50
	expect 0 ntt-places -q add p rclone:disk:
	expect 0 ntt-mirror -q p
	rm src/7
	id=$(echo 'content 7' | b3sum --no-names) big=$(b3sum --no-names <src/random)
	rm src/random
	flip_bit "$(blob_file "$id")"; flip_bit "$(blob_file "$big")" 100000
	expect 3 ntt-verify -q --all --sample-rate 1
	expect 0 ntt-heal --all
	has "$stderr" '2 from other places'
	[ "$(cat "$(blob_file "$id")")" = 'content 7' ]
	check_store
}

@test "a bad blob of ours goes into no pack" {
	some 20
	expect 0 ntt-places -q add --clear p rclone:disk:
	id=$(b3sum --no-names <src/7)
	flip_bit "$(blob_file "$id")"
	expect 3 ntt-mirror p
	has "$output" "$id is not sent: its blob in the store has other bytes"
	tar -tf there/packs/*.tar | grep "$id" && return 1
	[ "$(held | wc -l)" = 21 ]
}

@test "killed at random moments, it comes to its end and nothing untrue is known" {
	some 30
	for i in 1 2; do head -c 40M /dev/urandom >src/big$i; done
	ntt-enum -q src beef0000 - | ntt-loader -q - beef0000 >/dev/null
	ntt-copier -q -m beef0000
	expect 0 ntt-places -q add --clear p rclone:disk:
	for i in {1..4}; do
		ntt-mirror -q p 3>&- & pid=$!
		sleep 0.$((RANDOM % 9))
		kill -9 $pid 2>/dev/null || :
		wait $pid || :
		again ntt-mirror -q --check p
	done
	again ntt-mirror -q p
	whole
	expect 0 ntt-mirror -q --check p
}

@test "remove --content names the packs that have it; nothing brings it back" {
	own
	expect 0 ntt-places -q add --clear p rclone:disk:
	expect 0 ntt-mirror -q p
	id=$(b3sum --no-names <src/sub/7)
	expect 3 ntt-remove --yes --content "$id"
	has "$output" 'of the place p has 1 of them, and stays'
	expect 0 ntt-mirror -q --compact --dead 0 --yes p
	expect 0 ntt-remove --yes --content "$id"
	for t in there/packs/*.tar; do tar -tf "$t"; done >members
	! grep "$id" members || return 1
	! grep -r "$id" there/packs || return 1
	expect 0 ntt-mirror -q p
	ntt-db stop -q
	rm -rf "$NTT_HOME"
	expect 0 ntt-rebuild --from rclone:disk:
	[ ! -e "$(blob_file "$id")" ]
	# a list that is here does not stand for that of the place
	ntt-db stop -q
	rm -rf "$NTT_HOME/pg" "$NTT_HOME/by-hash"
	echo '{"at":"2020-01-01T00:00:00Z","by":"x","medium":"beef0000"}' \
		>"$NTT_HOME/archives/removed.jsonl"
	expect 0 ntt-rebuild --from rclone:disk:
	[ ! -e "$(blob_file "$id")" ]
	[ -z "$(find "$NTT_HOME/archives" -name '.removed*')" ]
}

@test "older dumps are kept at a remote place" {
	some 3
	expect 0 ntt-places -q add --clear p rclone:disk:
	expect 0 ntt-mirror -q p
	for day in 1 2 3 4 5; do
		sql "UPDATE place_file SET source_mtime = $((1770000000 + day *
			86400))000000000 WHERE name = 'catalogue.dump'"
		cp there/catalogue.dump was
		expect 0 ntt-mirror -q p
		older=there/dumps/catalogue.$(date -u +%Y%m%d -d "@$((
			1770000000 + day * 86400))").dump
		cmp was "$older"
	done
	[ "$(find there/dumps -type f | wc -l)" = 3 ]
	[ -z "$(find there/old -name '*dump*' 2>/dev/null)" ]
	expect 0 ntt-mirror -q --check p
	flip_bit "$older" 100
	expect 3 ntt-mirror -q --check p
	has "$output" 'is bad'
}

# half: two media in two packs, of which the second keeps 3 of 32 contents
half() {
	own
	expect 0 ntt-places -q add --clear p rclone:disk:
	expect 0 ntt-mirror -q p
	mkdir two
	for i in {1..30}; do echo "second $i" >two/$i; done
	expect 0 ntt-orchestrator -q two
	mkdir three && cp two/1 two/2 two/3 three
	expect 0 ntt-orchestrator -q three
	N=$(sql "SELECT medium_hash FROM medium WHERE source_path LIKE '%/two'")
	expect 0 ntt-mirror -q p
	OLD=$(sql "SELECT DISTINCT pack FROM blob_pack WHERE blobid =
		'$(b3sum --no-names <two/1)'")
	KEPT=$(sql "SELECT DISTINCT pack FROM blob_pack WHERE pack <> '$OLD'")
	expect 0 ntt-remove -q --yes "$N"
	expect 0 ntt-reclaim -q --days 0
}

# packs: what there is, each with its index, and each member right
packs() {
	local t
	diff <(cd there/packs && ls -- *.tar | sed 's/.tar$//') \
		<(cd there/packs && ls -- *.index | sed 's/.index$//') &&
		sql "SELECT name FROM pack ORDER BY name" |
		diff - <(cd there/packs && ls -- *.tar | sed 's/.tar$//')
	rm -rf members && mkdir members
	for t in there/packs/*.tar; do tar -xf "$t" -C members; done
	[ -z "$(cd members && b3sum -- * | awk '$1 != $2')" ]
}

@test "compact: a pack that is mostly dead is rewritten, and nothing else is lost" {
	half
	expect 0 ntt-mirror --compact --dead 95 p
	has "$stderr" 'no pack with more than 95 %'
	expect 2 ntt-mirror --compact p <<<no
	has "$output" '1 of 2 packs of p have 27 contents'
	[ -e "there/packs/$OLD.tar" ]
	expect 0 ntt-mirror --compact p <<<p
	has "$stderr" '1 packs were deleted; 3 contents'
	[ ! -e "there/packs/$OLD.tar" ] && [ ! -e "there/packs/$OLD.index" ]
	[ -e "there/packs/$KEPT.tar" ]
	packs
	whole
	[ ! -e "members/$(b3sum --no-names <two/9)" ]
	expect 0 ntt-mirror -q --check p
	expect 0 ntt-mirror p
	has "$stderr" 'p: 0 blobs'
	expect 0 ntt-mirror --compact --yes p
	has "$stderr" 'no pack with more than 50 %'
	for wrong in '--compact --all' '--compact --check p' '--yes p'; do
		# shellcheck disable=SC2086 # words
		expect 64 ntt-mirror $wrong
	done
	# and the place alone is enough
	ntt-db stop -q
	rm -rf "$NTT_HOME"
	expect 0 ntt-rebuild --from rclone:disk:
	expect 0 ntt-restore -q "$H" back
	diff -r src/sub back/sub
}

@test "compact: what is bad in the pack comes from the store, or the pack stays" {
	half
	one=$(b3sum --no-names <two/1) two=$(b3sum --no-names <two/2)
	read -r at size < <(sed -n "s/^$one //p" "there/packs/$OLD.index")
	flip_bit "there/packs/$OLD.tar" "$at"
	expect 0 ntt-mirror -q --compact --yes p
	packs
	whole
	[ "$(b3sum --no-names <"members/$one")" = "$one" ]
	# nobody has it: it stays where it is, and so does the pack
	NEW=$(sql "SELECT pack FROM blob_pack WHERE blobid = '$two'")
	read -r at size < <(sed -n "s/^$two //p" "there/packs/$NEW.index")
	flip_bit "there/packs/$NEW.tar" "$at"
	rm "$(blob_file "$two")"
	expect 0 ntt-remove -q --yes "$(sql "SELECT medium_hash FROM medium
		WHERE source_path LIKE '%/three'")" --force
	sql "DELETE FROM blobs WHERE blobid = '$one'"
	sql "DELETE FROM blobs WHERE blobid = '$(b3sum --no-names <two/3)'"
	expect 3 ntt-mirror -q --compact --yes p
	has "$output" "$two is bad in packs/$NEW.tar, which stays"
	[ -e "there/packs/$NEW.tar" ]
	[ "$(sql "SELECT pack FROM blob_pack WHERE blobid = '$two'")" = "$NEW" ]
}

@test "compact: packs that the catalogue does not know keep what something uses" {
	half
	rm "there/packs/$KEPT.index"
	expect 3 ntt-mirror --compact --yes p
	has "$stderr" "packs/$KEPT.index is not there"
	[ -e "there/packs/$KEPT.tar" ]
	expect 3 ntt-mirror --check p
	has "$output" 'in a pack without a good index'
	expect 0 ntt-mirror -q p
	expect 0 ntt-mirror -q --check p
	# the pack that had no index was sent anew, and goes now
	whole
	expect 0 ntt-mirror -q --compact --yes p
	packs
	# the catalogue of before the packs
	sql "DELETE FROM pack"
	cp two/1 there/packs/"$(printf '%064d' 1)".tar
	expect 0 ntt-mirror -q --compact --dead 0 --yes p
	whole
	packs
	expect 0 ntt-mirror -q --check p
}

@test "compact: what a killed run left of the new pack does not take the new one" {
	half
	cp -a there before
	sql "CREATE TABLE p AS TABLE pack; CREATE TABLE b AS TABLE blob_pack"
	expect 0 ntt-mirror -q --compact --yes p
	NEW=$(sql "SELECT name FROM pack WHERE name <> '$KEPT'")
	# as it was before, but for the beginning of the new pack
	cp "there/packs/$NEW.tar" new
	rm -rf there/*
	cp -a before/. there/
	head -c 700 new >"there/packs/$NEW.tar"
	sql "DELETE FROM pack; INSERT INTO pack TABLE p;
		INSERT INTO blob_pack TABLE b; DROP TABLE p, b"
	expect 0 ntt-mirror -q --compact --yes p
	cmp new "there/packs/$NEW.tar"
	whole
	expect 0 ntt-mirror -q --check p
}

@test "compact: killed at random moments, nothing is lost and it comes to its end" {
	half
	for i in {1..8}; do
		timeout -s KILL "0.$((RANDOM % 9))$((RANDOM % 9))" \
			ntt-mirror -q --compact --yes p 3>&- || :
		# whatever the catalogue believes to be there is there
		sql "SELECT p.pack || ' ' || p.blobid || ' ' || p.start || ' ' ||
			p.size FROM blob_pack p JOIN blobs USING (blobid)" >believed
		while read -r pack id at size; do
			[ "$(tail -c +$((at + 1)) "there/packs/$pack.tar" |
				head -c "$size" | b3sum --no-names)" = "$id" ]
			[ -e "there/packs/$pack.index" ]
		done <believed
		[ "$(wc -l <believed)" = "$(sql "SELECT count(*) FROM blobs")" ]
	done
	again ntt-mirror -q --compact --yes p
	packs
	whole
	[ ! -e "there/packs/$OLD.tar" ]
	again ntt-mirror -q --check p
}

@test "drill: everything deleted but a remote place and its key" {
	need rsync rsync
	serve
	own
	expect 0 ntt-places -q add p rclone:dav:x
	expect 0 ntt-mirror -q p
	cp "$NTT_HOME/places/p.key" kept
	ntt-db stop -q
	rm -rf "$NTT_HOME"
	expect 1 ntt-rebuild --from rclone:dav:x
	has "$stderr" 'or it is encrypted and wants --key'
	[ ! -e "$NTT_HOME/by-hash" ]
	expect 0 ntt-rebuild --from rclone:dav:x --key kept
	expect 0 ntt-restore -q "$H" back
	[ -z "$(rsync -naHAXi --numeric-ids src/ back/)" ]
	expect 0 ntt-verify -q --all --sample-rate 1
	whole
	expect 0 ntt-mirror p
	has "$stderr" 'p: 0 blobs'
	expect 0 ntt-mirror -q --check p
}

@test "drill: killed at random while it comes back; what rotted is not copied" {
	need rsync rsync
	own
	expect 0 ntt-places -q add --clear p rclone:disk:
	expect 0 ntt-mirror -q p
	ntt-db stop -q
	rm -rf "$NTT_HOME"
	for i in 1 2 3 4; do
		ntt-rebuild -q --from rclone:disk: >/dev/null 2>&1 3>&- & pid=$!
		sleep 0.$((RANDOM % 9))
		kill -9 $pid 2>/dev/null || :
		wait $pid || :
	done
	status=0
	again ntt-rebuild -q --from rclone:disk: || status=$?
	[ $status = 0 ] || [ $status = 2 ]
	expect 0 ntt-restore -q "$H" back
	[ -z "$(rsync -naHAXi --numeric-ids src/ back/)" ]
	ntt-db stop -q
	rm -rf "$NTT_HOME"
	corrupt 100000
	expect 3 ntt-rebuild --from rclone:disk:
	has "$stderr" "is not what its name says"
	[ -z "$(cd "$NTT_HOME/by-hash" && find . -type f ! -name .ntt-store -print0 |
		xargs -0r b3sum | awk '{ n = $2; sub(/.*\//, "", n) } $1 != n')" ]
}

@test "a place of another collection, a key that is lost, no rclone" {
	some 3
	expect 0 ntt-places -q add p rclone:disk:
	expect 0 ntt-places forget --yes p
	mv "$NTT_HOME/places/p.key" kept
	# with another key there is nothing that can be read
	expect 0 ntt-places add p rclone:disk:
	has "$stderr" 'encrypted, with 0 contents'
	expect 0 ntt-places forget --yes p
	cp kept "$NTT_HOME/places/p.key"
	expect 0 ntt-places -q add p rclone:disk:
	expect 0 ntt-mirror -q p
	rm "$NTT_HOME/places/p.key"
	expect 75 ntt-mirror p
	has "$stderr" 'could not read its key'
	cp kept "$NTT_HOME/places/p.key"
	sql "UPDATE catalogue SET id = gen_random_uuid()"
	expect 0 ntt-places forget --yes p
	expect 2 ntt-places add p rclone:disk:
	has "$stderr" 'is a place of another collection'
	mkdir bin
	for f in "$NTT_BUILD"/bin/* $(command -v psql cat); do ln -s "$f" bin/; done
	expect 127 env PATH="$T/bin" ntt-places add q rclone:disk:z
	has "$stderr" 'install package rclone'
}
