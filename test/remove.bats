#!/usr/bin/env bats
# Media that are taken out of the collection, and the room they had.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib

M=aaaabbbbccccdddd0000111122223333
N=beef0000beef0000beef0000beef0000

setup() {
	isolate
	need b3sum b3sum
	fresh_db
	cd "$T"
	mkdir src two
	echo both >src/both; echo both >two/both
	echo only >src/only; ln src/only src/again; ln -s both src/link
	: >src/empty; : >two/empty
	echo n >two/n
	take src $M
	take two $N
	only=$(b3sum --no-names <src/only)
	link=$(printf both | b3sum --no-names)
}

take() {
	ntt-enum -q "$1" "$2" - | ntt-loader -q - "$2" >/dev/null
	ntt-copier -q -m "$2"
}

@test "remove shows what is only there, and asks" {
	before=$(sql 'SELECT i FROM inode i ORDER BY i.medium_hash, i.dev, i.ino')
	expect 0 ntt-remove --dry-run aaaabbbb
	has "$output" '2 contents, 9 B, are on no other medium'
	has "$output" '"only" 5 B'
	[[ $output != *'"both"'* ]]
	expect 2 ntt-remove aaaabbbb </dev/null
	expect 2 ntt-remove $M <<<beef0000
	has "$stderr" 'nothing changed'
	expect 64 ntt-remove --yes aaaabbbb
	[ "$(sql 'SELECT i FROM inode i ORDER BY i.medium_hash, i.dev, i.ino')" = \
		"$before" ]
	[ -e "$NTT_HOME/archived/$M/only" ]
}

@test "remove drops rows and tree; other media, blobs and the archive stay" {
	mkdir -p "$NTT_HOME/archives" && echo archive >"$NTT_HOME/archives/a"
	sql "UPDATE medium SET archived_at = now(),
		archive_path = '$NTT_HOME/archives/a' WHERE medium_hash = '$M'"
	expect 0 ntt-remove --reason 'a request' $M <<<aaaabbbb
	[ "$(sql 'SELECT medium_hash FROM medium')" = $N ]
	[ "$(sql "SELECT count(*) FROM inode WHERE medium_hash = '$M'")" = 0 ]
	[ ! -e "$NTT_HOME/archived/$M" ]
	[ -z "$(find "$NTT_HOME/archived" -maxdepth 1 -name ".removed*")" ]
	[ -e "$NTT_HOME/archives/a" ]
	[ -e "$(blob_file "$only")" ]
	[ "$(sql "SELECT n_hardlinks FROM blobs WHERE blobid = '$only'")" = 0 ]
	same_tree two "$NTT_HOME/archived/$N"
	check_store
	[ "$(sql 'SELECT medium_hash, reason, inodes, only_there, only_bytes,
		removed_by, archive_path FROM removal')" = \
		"$M|a request|5|2|9|$(id -un)|$NTT_HOME/archives/a" ]
	[ "$(jq -r '[.medium, .reason, .by, .only_there] | join(" ")' \
		"$NTT_HOME/archives/removed.jsonl")" = "$M a request $(id -un) 2" ]
	# another one adds a line
	expect 0 ntt-remove --yes $N
	[ "$(wc -l <"$NTT_HOME/archives/removed.jsonl")" = 2 ]
}

@test "a medium that was removed is taken in again only with --force" {
	expect 0 ntt-remove --yes --reason 'their wish' $M
	ntt-enum -q src $M x.raw
	expect 2 ntt-loader x.raw $M
	has "$stderr" "was removed on $(date -u +%F) by $(id -un) (their wish)"
	expect 0 ntt-loader -q --force x.raw $M
	expect 0 ntt-copier -q -m $M
	expect 0 ntt-loader -q --replace --force x.raw $M
	expect 0 ntt-copier -q -m $M
	same_tree src "$NTT_HOME/archived/$M"
	H=$(ntt-identify two)
	expect 0 ntt-orchestrator --no-archive two
	expect 0 ntt-remove --yes "$H"
	expect 2 ntt-orchestrator --no-archive two
	has "$stderr" "$H was removed on"
	expect 0 ntt-orchestrator --no-archive --force two
}

@test "remove --archive deletes the archive" {
	mkdir -p "$NTT_HOME/archives" && echo archive >"$NTT_HOME/archives/a"
	sql "UPDATE medium SET archived_at = now(),
		archive_path = '$NTT_HOME/archives/a' WHERE medium_hash = '$M'"
	expect 0 ntt-remove --yes --archive $M
	[ ! -e "$NTT_HOME/archives/a" ]
	[ "$(sql 'SELECT archive_path IS NULL FROM removal')" = t ]
}

@test "remove waits for nobody: copiers, loaders, readers, and bad blobs" {
	id=$(sql "INSERT INTO worker (name, host, pid, start_time, medium_hash)
		VALUES ('w', 'h', 1, 1, '$M') RETURNING id")
	{
		echo "SELECT pg_advisory_lock(catalogue_worker_class(), $id);"
		echo '\! touch '"$T/locked"
		await '[ -e "$T/go" ]'
	} | psql -Xq "$NTT_DB_URL" >/dev/null 3>&- & other=$!
	await '[ -e "$T/locked" ]'
	expect 75 ntt-remove --yes $M
	has "$stderr" '1 copiers are at work'
	touch go; wait $other
	flip_bit "$(blob_file "$only")"
	ntt-verify -q --all --sample-rate 1 >/dev/null || :
	expect 2 ntt-remove --yes $M
	has "$stderr" "1 blobs of it are not good"
	[ -e "$NTT_HOME/archived/$M/only" ]
	expect 0 ntt-remove --yes --force $M
}

@test "verify --orphans lists what no medium uses, and that is no finding" {
	expect 0 ntt-verify -q --orphans
	[ -z "$output" ]
	expect 0 ntt-remove --yes $M
	expect 0 ntt-verify --orphans
	[ "$(jq -r .unused <<<"$output" | sort)" = "$(printf '%s\n' "$only" "$link" | sort)" ]
	has "$stderr" '2 blobs, 9 B, are used by no medium'
	# the empty content is always used
	expect 0 ntt-remove --yes $N
	expect 0 ntt-verify -q --orphans
	[[ $output != *"$(b3sum --no-names </dev/null)"* ]]
}

@test "reclaim: what nothing uses goes to the trash, and is deleted later" {
	expect 0 ntt-reclaim --days 0
	has "$stderr" '0 blobs, 0 B'
	expect 0 ntt-remove --yes $M
	expect 0 ntt-reclaim
	has "$stderr" '0 blobs, 0 B'
	expect 0 ntt-reclaim --days 0 --dry-run
	has "$stderr" '2 blobs, 9 B, would go'
	[ -e "$(blob_file "$only")" ]
	expect 0 ntt-reclaim --days 0
	has "$stderr" '2 blobs, 9 B, are in the trash'
	[ ! -e "$(blob_file "$only")" ]
	[ "$(cat "$NTT_HOME/by-hash/.trash/$only")" = only ]
	[ "$(sql "SELECT count(*) FROM blobs WHERE blobid = '$only'")" = 0 ]
	[ -e "$(blob_file "$(b3sum --no-names </dev/null)")" ]
	expect 0 ntt-verify -q --orphans
	expect 0 ntt-reclaim --empty
	has "$stderr" '2 have been there for less than a day'
	[ -e "$NTT_HOME/by-hash/.trash/$only" ]
	touch -d '2 days ago' "$NTT_HOME/by-hash/.trash/$only"
	expect 0 ntt-reclaim --empty
	[ ! -e "$NTT_HOME/by-hash/.trash/$only" ]
	[ -e "$NTT_HOME/by-hash/.trash/$link" ]
	check_store
}

@test "reclaim and copiers side by side: no success without its blob" {
	mkdir many
	for i in {1..200}; do echo $i >many/$i; done
	for round in 1 2 3; do
		take many cafe
		ntt-remove -q --yes cafe >/dev/null
		ntt-enum -q many cafe x.raw
		ntt-loader -q --force x.raw cafe >/dev/null
		ntt-copier -q -m cafe --batch-size 5 & copier=$!
		for i in 1 2 3; do ntt-reclaim -q --days 0; done
		status=0
		wait $copier || status=$?
		# its blob went under its hands: the work was given back
		[ $status = 0 ] || { [ $status = 75 ] && ntt-copier -q -m cafe; }
		check_store
		same_tree many "$NTT_HOME/archived/cafe"
		ntt-remove -q --yes cafe >/dev/null
		rm -rf x.raw
		sql "DELETE FROM removal" >/dev/null
	done
}

@test "remove --content: out of all media, trees and the store" {
	both=$(b3sum --no-names <src/both)
	mkdir -p "$NTT_HOME/by-hash/.bad" && echo x >"$NTT_HOME/by-hash/.bad/$both.2026"
	sql "UPDATE medium SET source_kind = 'image', archive_path = '/a/$N.tar.zst'
		WHERE medium_hash = '$N'"
	expect 0 ntt-remove --content "$both" --dry-run
	has "$output" "$M \"src\"
	\"both\"
$N \"two\"
	the image in \"/a/$N.tar.zst\" has it, and stays
	\"both\""
	expect 2 ntt-remove --content "$both" </dev/null
	[ -e "$(blob_file "$both")" ]
	expect 64 ntt-remove --content "$both" $M
	expect 64 ntt-remove --content abc
	expect 64 ntt-remove --content "$(b3sum --no-names </dev/null)"
	expect 0 ntt-remove --content "$both" --reason court <<<"${both:0:8}"
	has "$stderr" '1 archives have images with this content'
	[ ! -e "$(blob_file "$both")" ] && [ ! -e "$NTT_HOME/by-hash/.bad/$both.2026" ]
	[ ! -e "$NTT_HOME/archived/$M/both" ] && [ ! -e "$NTT_HOME/archived/$N/both" ]
	[ -e "$NTT_HOME/archived/$M/only" ]
	[ "$(sql "SELECT count(*) FROM inode WHERE blobid = '$both'")" = 0 ]
	[ "$(sql "SELECT string_agg(DISTINCT exclude_reason, ' ') FROM path")" = \
		'content removed' ]
	[ "$(jq -r '.content + .reason' "$NTT_HOME/archives/removed.jsonl")" = "${both}court" ]
	check_store
	expect 0 ntt-re-hardlink -q -m $M --check-only
	expect 0 ntt-remove --content "$both" --yes
}

@test "killed at each step of remove: the same command finishes it" {
	local list=$NTT_HOME/archives/removed.jsonl
	mkdir -p "$NTT_HOME/archives"
	status=0 killed=0
	stepper count steps ntt-remove -q --yes --archive $M || status=$?
	[ $status = 99 ]
	for ((n = $(cat steps); n > $(cat steps) - 14; n--)); do
		rm -rf "$NTT_HOME/archived/.removed-$M"
		ntt-enum -q src $M - | ntt-loader -q --force - $M >/dev/null
		ntt-copier -q -m $M
		echo archive >"$NTT_HOME/archives/$M.tar.zst"
		sql "UPDATE medium SET archived_at = now(), archive_path =
			'$NTT_HOME/archives/$M.tar.zst' WHERE medium_hash = '$M'"
		status=0
		stepper kill $n ntt-remove -q --yes --archive $M || status=$?
		[ $status = 137 ] || [ $status = 99 ]
		[ $status = 99 ] || killed=$((killed + 1))
		# its session may take a moment to end
		await 'status=0; ntt-remove -q --yes --archive $M || status=$?
			[ $status != 75 ]'
		[ $status = 0 ]
		[ "$(sql 'SELECT medium_hash FROM medium')" = $N ]
		[ -z "$(find "$NTT_HOME/archived" -maxdepth 1 -name "*$M")" ]
		[ ! -e "$NTT_HOME/archives/$M.tar.zst" ]
		[ "$(wc -l <"$list")" = "$(sql 'SELECT count(*) FROM removal')" ]
	done
	[ $killed -gt 8 ]
}
