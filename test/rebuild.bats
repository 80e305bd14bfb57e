#!/usr/bin/env bats
# What the catalogue knows of a medium, as a file, and a catalogue made of such
# files again.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib

setup() {
	isolate
	ntt-db init -q 3>&-
	sql() { ntt-db psql -XAtqc "$1"; }
	SRC=$T/src
	ARCHIVES=$NTT_HOME/archives
	mkdir "$SRC"
}

teardown() {
	! mountpoint -q "$T/src/below" || umount "$T/src/below"
	[ ! -e "$NTT_HOME/pg/data" ] || ntt-db stop -q || :
	detach_loops
}

# lines FILE: what a file has
lines() {
	zstd -qdc "$1"
}

@test "the file: every path with its content, in JSON, names as bytes" {
	need jq jq
	need zstd zstd
	difficult_tree "$SRC"
	expect 0 ntt-orchestrator -q "$SRC"
	H=$(sql "SELECT medium_hash FROM medium")
	file=$ARCHIVES/$H.catalogue.zst
	zstd -qt "$file"
	lines "$file" | jq -e -s '.[0].format == 1 and .[0].loaded and
		.[-1].end.lines == length - 1 and
		.[-1].end.rows.path == ([.[] | .paths // [] | length] | add)' \
		>"$T/jq"
	# by other programs than ours: the names and contents of the source
	lines "$file" >"$T/lines"
	(cd "$SRC" && python3 - "$T/lines" <<-'END')
	import json, os, subprocess, sys
	def b3(path):
	    with open(path, "rb") as f:
	        return subprocess.run(["b3sum", "--no-names"], stdin=f,
	            capture_output=True, check=True).stdout.decode().strip()
	said, found = {}, {}
	for line in open(sys.argv[1]):
	    d = json.loads(line)
	    for p in d.get("paths", []):
	        name = bytes.fromhex(p["path_hex"]) if "path_hex" in p \
	            else p["path"].encode()
	        if d["inode"]["fs_type"] == "f":
	            said[name] = d["inode"]["blobid"]
	for top, dirs, files in os.walk(b"."):
	    for f in files:
	        path = os.path.join(top, f)
	        if os.path.isfile(path) and not os.path.islink(path):
	            found[path[2:]] = b3(path)
	assert len(found) > 250
	assert said == found, set(said.items()) ^ set(found.items())
	END
	# the archive has it too, as its last member
	[ "$(tar -tf "$ARCHIVES/$H.tar.zst" | tail -n 1)" = "$H.catalogue.zst" ]
	tar -xOf "$ARCHIVES/$H.tar.zst" "$H.catalogue.zst" | zstd -qdc |
		jq -c 'select(.inode)' >"$T/inside"
	lines "$file" | jq -c 'select(.inode)' | cmp - "$T/inside"
	# durable before the row says so: the file has it
	[ "$(lines "$file" | head -n 1 | jq -r .medium.archive_path)" = \
		"$ARCHIVES/$H.tar.zst" ]
	expect 0 ntt-verify -q --archive --all
}

@test "a later file has the next number, and none is written over" {
	echo x >"$SRC/f"
	expect 0 ntt-orchestrator -q --no-archive "$SRC"
	H=$(sql "SELECT medium_hash FROM medium")
	[ -e "$ARCHIVES/$H.catalogue.zst" ]
	[ ! -e "$ARCHIVES/$H.tar.zst" ]
	sum=$(b3sum <"$ARCHIVES/$H.catalogue.zst")
	expect 2 ntt-orchestrator -q --no-archive "$SRC"
	[ ! -e "$ARCHIVES/$H.2.catalogue.zst" ]
	sql "INSERT INTO omission (medium_hash, path, kind, seen_by)
		VALUES ('$H', '\\xff', 'unreadable_directory', 'ntt-enum')"
	expect 0 ntt-recover-failed accept "$H" --all --reason "as it was"
	lines "$ARCHIVES/$H.2.catalogue.zst" >"$T/second"
	grep -q '"omission": .*"path_hex":"ff".*"reason": "as it was"' "$T/second"
	expect 0 ntt-archiver --catalogue "$H"
	has "$stderr" "$H.3.catalogue.zst"
	[ "$(b3sum <"$ARCHIVES/$H.catalogue.zst")" = "$sum" ]
	expect 64 ntt-archiver --catalogue --force "$H"
}

@test "a medium that is not whole has its file too" {
	need_root
	echo x >"$SRC/f"
	mkdir "$SRC/below"
	mount -t tmpfs none "$SRC/below"
	expect 3 ntt-orchestrator -q "$SRC"
	umount "$SRC/below"
	H=$(sql "SELECT medium_hash FROM medium")
	[ ! -e "$ARCHIVES/$H.tar.zst" ]
	lines "$ARCHIVES/$H.catalogue.zst" | grep -q '"kind": "mount_point"'
}

# all: every row of every table that a rebuilt catalogue must have
all() {
	local t
	for t in medium medium_partition medium_owner inode path inode_xattr \
		inode_stream inode_damage copy_minute; do
		echo "$t"
		ntt-db psql -XAtqc "SELECT t FROM $t t ORDER BY t::text"
	done
	ntt-db psql -XAtqc "SELECT id, private FROM catalogue" \
		-c "SELECT to_jsonb(t) - 'id' FROM omission t ORDER BY 1" \
		-c "SELECT to_jsonb(t) - 'id' FROM diagnostic_event t ORDER BY 1" \
		-c "SELECT to_jsonb(t) - 'id' FROM removal t ORDER BY 1" \
		-c "SELECT blobid, size, state, n_hardlinks FROM blobs
			ORDER BY blobid" \
		-c "SELECT root FROM store_mark ORDER BY 1"
}

# lose: the cluster is gone
lose() {
	ntt-db stop -q
	rm -rf "$NTT_HOME/pg"
}

# hostile_tree DIR: names, and what else can be said of a file
hostile_tree() {
	local d=$1
	difficult_tree "$d"
	echo secret >"$d/secret"
	setfattr -n user.comment -v $'a\001b\xff' "$d/secret"
	setfattr -n user.empty "$d/dup"
	chmod 4711 "$d/secret"
	chmod 1770 "$d/empty dir"
	chown -h 12345:54321 "$d/link" "$d/secret"
	mknod "$d/null" c 1 3
	ln -s "$(printf 'l%.0s' {1..4000})" "$d/long link"
	truncate -s 1M "$d/sparse"
	printf end >>"$d/sparse"
	touch -d '1969-12-31 23:59:58.25' "$d/secret"
}

@test "drill: the cluster is deleted, rebuilt, and nothing differs" {
	need_loop
	need rsync rsync
	hostile_tree "$SRC"
	mkdir "$T/files"
	echo image >"$T/files/name"
	cp "$SRC/dup/a/one" "$T/files/same content"
	mkfs.ext4 -q -d "$T/files" "$T/disk.img" 8M
	expect 0 ntt-orchestrator -q --message "box 7" "$SRC"
	expect 0 ntt-orchestrator -q --image "$T/disk.img"
	echo 'another state' >"$SRC/one more"
	expect 0 ntt-orchestrator -q --no-archive "$SRC"
	mkdir "$T/away" && echo away >"$T/away/f"
	expect 0 ntt-orchestrator -q "$T/away"
	AWAY=$(sql "SELECT medium_hash FROM medium ORDER BY added_at DESC LIMIT 1")
	expect 0 ntt-remove --yes --reason "asked to" "$AWAY"
	LAST=$(sql "SELECT medium_hash FROM medium WHERE follows IS NOT NULL")
	sql "INSERT INTO diagnostic_event (medium_hash, action, checks, message)
		VALUES ('$LAST', 'skipped', '{\"a\": null}', E'\\\\x41 \"path\": \"\\\\x41')"
	expect 0 ntt-archiver --catalogue "$LAST"
	all >"$T/before"
	lose
	expect 1 ntt-db init
	has "$stderr" '"ntt-rebuild" makes it again'
	expect 0 ntt-rebuild 3>&-
	has "$output" "$AWAY: was removed"
	has "$stderr" "3 media made again"
	all >"$T/after"
	diff "$T/before" "$T/after"
	expect 0 ntt-db check
	expect 0 ntt-verify -q --all --sample-rate 1
	expect 0 ntt-verify -q --archive --all
	expect 2 ntt-orchestrator -q --no-archive "$SRC"
	expect 2 ntt-rebuild
	expect 0 ntt-rebuild --add
	all | diff "$T/before" -
	expect 0 ntt-find "one more"
	has "$output" "one more"
	expect 0 ntt-restore "$LAST" "$T/back"
	back=$T/back
	[ -e "$back/secret" ] || back=$(dirname "$(find "$T/back" -name secret)")
	rsync -naHAXi --numeric-ids --delete "$SRC/" "$back/" >"$T/differs"
	[ ! -s "$T/differs" ] || { cat "$T/differs"; return 1; }
	expect 0 ntt-verify -q --all --sample-rate 1
}

# three_media: $A archived, $B archived, $C not; the cluster is lost
three_media() {
	local d
	for d in a b c; do
		mkdir -p "$T/m/$d" "$T/m/$d/empty"
		echo "$d" >"$T/m/$d/file"
		echo same >"$T/m/$d/same"
		ln -s file "$T/m/$d/link"
	done
	ntt-orchestrator -q "$T/m/a" >/dev/null
	ntt-orchestrator -q "$T/m/b" >/dev/null
	ntt-orchestrator -q --no-archive "$T/m/c" >/dev/null
	A=$(sql "SELECT medium_hash FROM medium WHERE source_path LIKE '%/a'")
	B=$(sql "SELECT medium_hash FROM medium WHERE source_path LIKE '%/b'")
	C=$(sql "SELECT medium_hash FROM medium WHERE source_path LIKE '%/c'")
	all >"$T/before"
	lose
}

@test "a file that is cut off or damaged is named; the archive has another" {
	three_media
	truncate -s -9 "$ARCHIVES/$A.catalogue.zst"
	flip_bit "$ARCHIVES/$B.catalogue.zst" 200
	expect 3 ntt-rebuild 3>&-
	has "$stderr" "$A.catalogue.zst\" cannot be used for $A: it is damaged or cut off"
	has "$stderr" "$B.catalogue.zst\" cannot be used for $B: it is damaged or cut off"
	has "$output" "$A: 5 inodes, from the archive \"$ARCHIVES/$A.tar.zst\""
	has "$output" "$C: 5 inodes, from \"$ARCHIVES/$C.catalogue.zst\""
	expect 0 ntt-db check
	all | grep -v '^(.*,directory,' >"$T/after"
	grep -v '^(.*,directory,' "$T/before" | diff - "$T/after"
	# archived_at is later than what the archive itself can say
	[ "$(sql "SELECT count(*) FROM medium WHERE archived_at IS NOT NULL
		AND archive_path LIKE '$ARCHIVES/%'")" = 2 ]
	expect 0 ntt-verify -q --all --archive
}

@test "lines that are missing are found by their number" {
	need zstd zstd
	three_media
	lines "$ARCHIVES/$C.catalogue.zst" >"$T/lines"
	sed 3d "$T/lines" | zstd -qf -o "$ARCHIVES/$C.catalogue.zst"
	sed '$d' "$T/lines" | zstd -qf -o "$ARCHIVES/$C.2.catalogue.zst"
	sed 's/"path": 5/"path": 6/' "$T/lines" |
		zstd -qf -o "$ARCHIVES/$C.3.catalogue.zst"
	sed "s/$C/$A/g" "$T/lines" | zstd -qf -o "$ARCHIVES/$C.4.catalogue.zst"
	sed 's/"schema": [0-9]*/"schema": 99/' "$T/lines" |
		zstd -qf -o "$ARCHIVES/$C.5.catalogue.zst"
	echo '{"no": ' | zstd -qf -o "$ARCHIVES/$C.6.catalogue.zst"
	echo 'nothing' >"$ARCHIVES/$C.7.catalogue.zst"
	expect 3 ntt-rebuild 3>&-
	has "$stderr" "$C.catalogue.zst\" cannot be used for $C: lines of it are missing"
	has "$stderr" "$C.2.catalogue.zst\" cannot be used for $C: it is cut off"
	has "$stderr" "$C.3.catalogue.zst\" cannot be used for $C: it has other rows than it says"
	has "$stderr" "$C.4.catalogue.zst\" cannot be used for $C: it is of another medium"
	has "$stderr" "$C.5.catalogue.zst\" cannot be used for $C: a newer NTT wrote it"
	has "$stderr" "$C.6.catalogue.zst\" cannot be used for $C: "
	has "$stderr" "$C.7.catalogue.zst\" cannot be used for $C: it is damaged or cut off"
	# no part of them stayed
	has "$output" "$C: 5 names, from its tree"
	expect 0 ntt-db check
}

@test "without any file: the tree, and what it cannot say; blobs alone" {
	three_media
	rm "$ARCHIVES"/*.catalogue.zst "$ARCHIVES"/*.tar.zst
	rm -r "$NTT_HOME/archived/$B"
	echo lost >"$T/lost"
	expect 3 ntt-rebuild 3>&-
	has "$output" "$A: 5 names, from its tree"
	has "$stderr" "only names and contents are known: not where it came from, modes"
	expect 0 ntt-db check
	[ "$(sql "SELECT string_agg(encode(path, 'escape'), ' ' ORDER BY path)
		FROM path WHERE medium_hash = '$A'")" = " empty file link same" ]
	[ "$(sql "SELECT blobid FROM inode JOIN path USING (medium_hash, dev, ino)
		WHERE medium_hash = '$A' AND path = 'file'")" = \
		"$(b3sum --no-names "$T/m/a/file")" ]
	[ "$(sql "SELECT count(*) FROM blobs WHERE state = 'good'")" = 5 ]
	# the medium is not complete, and says so
	expect 3 ntt-recover-failed list-omissions "$A"
	has "$stderr" "1 medium is known from its tree alone"
	expect 0 ntt-verify -q --all --sample-rate 1
	has "$(ntt-verify --orphans 2>&1 || :)" "$(b3sum --no-names "$T/m/b/file")"
	ntt-restore "$A" "$T/out" || [ $? = 3 ]
	cmp "$(find "$T/out" -name same)" "$T/m/a/same"
}

@test "a blob that is gone is missing, and named" {
	three_media
	gone=$(b3sum --no-names "$T/m/b/file")
	rm -f "$(blob_file "$gone")"
	expect 3 ntt-rebuild 3>&-
	has "$stderr" "blob $gone is not in the store"
	[ "$(sql "SELECT blobid FROM blobs WHERE state = 'missing'")" = "$gone" ]
	expect 0 ntt-db check
}

@test "killed anywhere, it goes on; two at once are refused" {
	three_media
	# before each transaction that makes a medium
	ntt-db init -q --rebuild 3>&-
	expect 2 ntt-db init --rebuild
	sql "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS
		\$\$ BEGIN IF (SELECT count(*) FROM medium) > 1 THEN
		RAISE 'stop'; END IF; RETURN NEW; END \$\$;
		CREATE TRIGGER stop AFTER INSERT ON medium FOR EACH STATEMENT
		EXECUTE FUNCTION stop()"
	coproc holder { exec ntt-db psql -XAtq 2>&1 3>&-; }
	echo "SELECT pg_advisory_lock(hashtext('ntt rebuild'));" >&"${holder[1]}"
	await '[ "$(sql "SELECT count(*) FROM pg_locks WHERE locktype = '"'advisory'"'
		AND granted")" -gt 0 ]'
	expect 75 ntt-rebuild
	pid=$holder_PID
	echo '\q' >&"${holder[1]}"
	wait "$pid" || :
	expect 3 ntt-rebuild
	[ "$(sql "SELECT count(*) FROM medium WHERE source_path IS NOT NULL")" = 1 ]
	sql "DROP TRIGGER stop ON medium; DROP FUNCTION stop;
		DELETE FROM store_mark"
	expect 0 ntt-rebuild
	has "$stderr" "2 media made again, those there already stay"
	all | diff "$T/before" -
}

@test "stores of two catalogues, or of another one, are refused" {
	three_media
	sed -i 's/^catalogue ....../catalogue 000000/' "$NTT_HOME/archived/.ntt-store"
	expect 1 ntt-rebuild 3>&-
	has "$stderr" "belongs to catalogue"
	cp "$ARCHIVES/.ntt-store" "$NTT_HOME/archived/.ntt-store"
	expect 0 ntt-rebuild
	all | diff "$T/before" -
	rm -rf "$T/empty" && mkdir "$T/empty"
	NTT_HOME=$T/empty expect 1 ntt-rebuild
	has "$stderr" "there is nothing to make a catalogue of"
	[ ! -e "$T/empty/pg" ]
}

@test "what is changed after archiving is in a later file, and is rebuilt" {
	mkdir "$SRC/private" && echo secret >"$SRC/private/letter"
	echo other >"$SRC/other" && cp "$SRC/other" "$SRC/again"
	ntt-orchestrator -q "$SRC" >/dev/null
	H=$(sql "SELECT medium_hash FROM medium")
	newest() {
		local n=2
		while [ -e "$ARCHIVES/$H.$((n + 1)).catalogue.zst" ]; do
			n=$((n + 1))
		done
		echo "$ARCHIVES/$H.$n.catalogue.zst"
	}

	echo "private/*" >"$T/patterns"
	expect 0 ntt-mark-excluded -q --patterns "$T/patterns" -m "$H"
	lines "$(newest)" | grep -q "private.[*]"
	expect 0 ntt-note "$H" --title "Box 7"
	lines "$(newest)" | grep -q '"title": *"Box 7"'
	printf 'label,Shelf\nBox 7,"A\n3"\n' >"$T/list.csv"
	expect 0 ntt-note --import "$T/list.csv"
	lines "$(newest)" | grep -qF '"inventory": [["Shelf", "A\n3"]]'
	before=$(newest)
	expect 0 ntt-note --import "$T/list.csv"
	[ "$before" = "$(newest)" ]
	blob=$(sql "SELECT DISTINCT blobid FROM inode JOIN path
		USING (medium_hash, dev, ino) WHERE path = 'other'")
	expect 0 ntt-remove -q --yes --content "$blob"
	lines "$(newest)" >"$T/lines"
	! grep "$blob" "$T/lines" || return 1

	before=$(sql "SELECT path, exclude_reason, blobid, title, inventory FROM medium
		JOIN path USING (medium_hash)
		JOIN inode USING (medium_hash, dev, ino) ORDER BY path")
	lose
	expect 0 ntt-rebuild -q 3>&-
	[ "$before" = "$(sql "SELECT path, exclude_reason, blobid, title, inventory FROM medium
		JOIN path USING (medium_hash)
		JOIN inode USING (medium_hash, dev, ino) ORDER BY path")" ]
}

@test "what is changed while ARCHIVE_ROOT is away is said not to be written" {
	echo x >"$SRC/f"
	ntt-orchestrator -q "$SRC" >/dev/null
	H=$(sql "SELECT medium_hash FROM medium")
	mv "$ARCHIVES" "$T/aside" && mkdir "$ARCHIVES"
	expect 3 ntt-note "$H" --title "Box 7"
	has "$stderr" "is not mounted"
	[ "$(sql "SELECT title FROM medium")" = "Box 7" ]
	[ -z "$(ls -A "$ARCHIVES")" ]
	rmdir "$ARCHIVES" && mv "$T/aside" "$ARCHIVES"
	expect 0 ntt-archiver --catalogue "$H"
	lines "$ARCHIVES/$H.2.catalogue.zst" | grep -q '"title": *"Box 7"'
	expect 0 ntt-note "$H" --title "Box 8"
}

# databases: of rehearsals
databases() {
	sql "SELECT datname FROM pg_database WHERE datname LIKE 'ntt_rehearsal%'"
}

# mine: two media, one of them with all kinds of names
mine() {
	difficult_tree "$SRC"
	ntt-orchestrator -q "$SRC" >/dev/null
	mkdir "$T/two" && echo two >"$T/two/f" && echo three >"$T/two/g"
	ntt-orchestrator -q "$T/two" >/dev/null
	H=$(sql "SELECT medium_hash FROM medium WHERE source_path LIKE '%/two'")
}

@test "rehearse: the same, and nothing of it stays" {
	mine
	all >"$T/before"
	find "$NTT_HOME" -path "$NTT_HOME/pg" -prune -o -type f -newermt @0 -print \
		>"$T/files"
	expect 0 ntt-rebuild --rehearse
	[ -z "$output" ]
	has "$stderr" "has the same media, paths and contents"
	[ -z "$(databases)" ]
	all | diff "$T/before" -
	find "$NTT_HOME" -path "$NTT_HOME/pg" -prune -o -type f -newermt @0 -print |
		grep -v '[.]jsonl' | diff <(grep -v '[.]jsonl' "$T/files") -
	expect 64 ntt-rebuild --rehearse --add
	expect 64 ntt-rebuild --rehearse --from rclone:a:b
}

@test "rehearse names what would be lost: a medium, paths, contents, removals" {
	mine
	mkdir "$T/files"
	mv "$ARCHIVES/$H".* "$T/files"
	mv "$NTT_HOME/archived/$H" "$T/aside"
	expect 3 ntt-rebuild --rehearse
	has "$output" "$H: would be lost"
	[ "$(wc -l <<<"$output")" = 1 ]
	# the tree alone does not know when files were changed
	mv "$T/aside" "$NTT_HOME/archived/$H"
	expect 3 ntt-rebuild -q --rehearse
	has "$output" "$H: as many paths, but not the same contents"
	has "$stderr" "of $H only names and contents are known"
	mv "$T/files"/* "$ARCHIVES"
	expect 0 ntt-rebuild -q --rehearse
	# a blob that is gone, and one that was cut off
	id=$(b3sum --no-names "$T/two/f") cut=$(b3sum --no-names "$T/two/g")
	mv "$(blob_file "$id")" "$T/aside"
	chmod u+w "$(blob_file "$cut")" && truncate -s 2 "$(blob_file "$cut")"
	expect 3 ntt-rebuild -q --rehearse
	diff <(sort <<<"$output") <(sort <<-END
		blob $id is not there as the catalogue says
		blob $cut is not there as the catalogue says
	END
	)
	# once the catalogue knows that it is missing
	mv "$T/aside" "$(blob_file "$id")"
	printf 'three\n' | dd of="$(blob_file "$cut")" conv=notrunc status=none
	expect 0 ntt-rebuild -q --rehearse
	sql "INSERT INTO removal (medium_hash, removed_by, inodes, paths, only_there,
		only_bytes) VALUES ('ffff0000', 'me', 0, 0, 0, 0)"
	expect 3 ntt-rebuild -q --rehearse
	has "$output" "1 media and contents were removed, and 0 when it is made again"
	# what comes meanwhile is not compared, and work that is not done neither
	sql "DELETE FROM removal"
	sql "INSERT INTO medium (medium_hash) VALUES ('eeee0000eeee0000')"
	expect 0 ntt-rebuild --rehearse
	has "$stderr" "eeee0000eeee0000 is not done yet, and would be lost"
	has "$stderr" "but for 1 media that are not done"
}

@test "rehearse --from: the place has what is needed, or lacks what is named" {
	mine
	expect 0 ntt-places -q add p "$T/place"
	expect 0 ntt-mirror -q p
	expect 0 ntt-rebuild -q --rehearse --from "$T/place"
	[ -z "$output" ]
	id=$(b3sum --no-names "$T/two/f")
	rm "$T/place/by-hash/${id:0:2}/${id:2:2}/$id"
	expect 3 ntt-rebuild -q --rehearse --from "$T/place"
	has "$output" "blob $id is not there as the catalogue says"
	expect 0 ntt-rebuild -q --rehearse
	rm "$T/place/archives/$H".*
	expect 3 ntt-rebuild -q --rehearse --from "$T/place"
	has "$output" "$H: would be lost"
	expect 1 ntt-rebuild --rehearse --from "$SRC"
	has "$stderr" "no place of ntt-places"
}

@test "rehearse, killed: the next one drops what it left; two at once are refused" {
	mine
	for n in 5 6 7 8 9; do
		"$NTT_BUILD/test/tools/stepper" kill "$n" \
			ntt-rebuild -q --rehearse >/dev/null 2>&1 3>&- || :
	done
	[ -n "$(databases)" ]
	sql "CREATE DATABASE ntt_rehearsal_$(printf '%032d' 7)"
	expect 0 ntt-rebuild -q --rehearse
	[ -z "$(databases)" ]
	sql "SELECT pg_advisory_lock(hashtext('ntt rebuild --rehearse')),
		pg_sleep(60)" >/dev/null 2>&1 3>&- &
	await '[ "$(sql "SELECT count(*) FROM pg_locks
		WHERE locktype = '"'advisory'"'")" = 1 ]'
	expect 75 ntt-rebuild --rehearse
	sql "SELECT pg_terminate_backend(pid) FROM pg_locks
		WHERE locktype = 'advisory'" >/dev/null
	wait
}
