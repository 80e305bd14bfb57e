#!/usr/bin/env bats
# slow: whole stores are read
# ntt-verify: what rots, goes missing or was never known is found and named.

load lib

setup() {
	isolate
	need b3sum b3sum
	fresh_db
	M=aaaabbbbccccdddd0000111122223333
	store=$NTT_HOME/by-hash
	log=$NTT_HOME/log/ntt-verify.jsonl
}

# copied [N]: a medium of N files with different contents
copied() {
	mkdir -p "$T/src/d"
	for ((i = 0; i < ${1:-40}; i++)); do echo "content $i" >"$T/src/d/$i"; done
	load_copy "$T/src"
}

load_copy() {
	ntt-enum -q "$1" $M - | ntt-loader -q - $M >/dev/null
	ntt-copier -q -m $M
}

id_of() {
	b3sum --no-names "$1"
}

blob() {
	echo "$store/${1:0:2}/${1:2:2}/$1"
}

@test "everything is good, with every difficult name" {
	difficult_tree "$T/src"
	load_copy "$T/src"
	expect 0 ntt-verify -m $M --sample-rate 1
	[ -z "$output" ]
	n=$(sql 'SELECT count(*) FROM blobs')
	has "$stderr" "$n of $n blobs verified"
	has "$stderr" "every one of them is good"
	paths=$(find "$T/src" \( -type f -o -type l \) -printf '%i\n' | wc -l)
	has "$stderr" "$paths paths of the tree"
	[ "$(sql 'SELECT count(*) FROM blobs WHERE last_checked IS NULL')" = 0 ]
	expect 0 ntt-verify --all --orphans
	expect 0 ntt-verify --orphans
	has "$stderr" "$n files and $n rows compared: 0 orphans"
}

@test "a bit flipped, a blob cut, grown, gone, a directory in its place" {
	copied
	flip=$(id_of "$T/src/d/1") cut=$(id_of "$T/src/d/2")
	grow=$(id_of "$T/src/d/3") gone=$(id_of "$T/src/d/4")
	dir=$(id_of "$T/src/d/5")
	printf C | dd of="$(blob "$flip")" conv=notrunc status=none
	truncate -s 3 "$(blob "$cut")"
	echo >>"$(blob "$grow")"
	rm "$(blob "$gone")" "$(blob "$dir")" && mkdir "$(blob "$dir")"
	expect 3 ntt-verify -m $M --sample-rate 1
	for id in "$flip" "$cut" "$grow" "$dir"; do
		has "$(grep "\"blobid\":\"$id\"" <<<"$output")" \
			'"finding":"mismatch"'
	done
	has "$(grep "\"blobid\":\"$gone\"" <<<"$output")" '"finding":"missing"'
	actual=$(b3sum --no-names "$(blob "$flip")")
	has "$output" "\"actual\":\"$actual\""
	grep '"stage":"finding"' "$log" | cmp - <(cat <<<"$output")
	# what is not good keeps its age
	[ "$(sql 'SELECT count(*) FROM blobs WHERE last_checked IS NULL')" = 5 ]
	has "$stderr" "40 of 40 blobs verified"
	expect 3 ntt-verify --all --sample-rate 1
	[ "$(wc -l <<<"$output")" = 5 ]
}

@test "the catalogue's size counts too" {
	copied
	id=$(id_of "$T/src/d/7")
	sql "UPDATE blobs SET size = 5 WHERE blobid = '$id'"
	expect 3 ntt-verify --all --sample-rate 1
	has "$output" "\"finding\":\"mismatch\",\"blobid\":\"$id\""
}

@test "what cannot be opened is unreadable, with its errno" {
	copied 5
	id=$(id_of "$T/src/d/1")
	# O_NOFOLLOW makes it unreadable, for root as well
	rm "$(blob "$id")" && ln -s /etc/passwd "$(blob "$id")"
	expect 3 ntt-verify --all --sample-rate 1
	has "$output" '"finding":"unreadable"'
	has "$output" '"errno":40'
}

@test "paths of the archived tree" {
	copied
	tree=$NTT_HOME/archived/$M
	ln -s target "$T/src/link"
	rm -rf "$tree" "$store"/??
	ntt-enum -q "$T/src" $M - | ntt-loader -q --replace --force - $M >/dev/null
	ntt-copier -q -m $M
	expect 0 ntt-verify -m $M --sample-rate 1
	rm "$tree/d/1"
	rm "$tree/d/2" && echo other >"$tree/d/2"
	rm "$tree/link" && ln -s elsewhere "$tree/link"
	# a copy is what the file system's limit of links leads to
	cp "$tree/d/3" "$T/copy" && mv "$T/copy" "$tree/d/3"
	mv "$tree/d/4" "$T/four" && ln -s "$T/four" "$tree/d/4"
	expect 3 ntt-verify -m $M --sample-rate 1
	[ "$(wc -l <<<"$output")" = 4 ]
	has "$(grep '"path":"d/1"' <<<"$output")" '"finding":"missing"'
	for path in d/2 link d/4; do
		has "$(grep "\"path\":\"$path\"" <<<"$output")" \
			'"finding":"mismatch"'
	done
}

@test "orphans both ways, and rows that inodes lack" {
	copied
	ntt-verify -q --orphans
	known=$(id_of "$T/src/d/1") gone=$(id_of "$T/src/d/2")
	sql "DELETE FROM blobs WHERE blobid = '$known'"
	rm "$(blob "$gone")"
	mkdir -p "$store/00/11" && : >"$store/00/11/not a blob"
	: >"$store/junk"
	expect 3 ntt-verify --orphans
	has "$output" "\"finding\":\"orphan\",\"blobid\":\"$known\""
	has "$output" "\"finding\":\"missing\",\"blobid\":\"$gone\""
	has "$output" '"path":"00/11/not a blob"'
	has "$output" '"path":"junk"'
	[ "$(wc -l <<<"$output")" = 4 ]
	expect 3 ntt-verify -m $M --sample-rate 1
	has "$output" "\"finding\":\"orphan\",\"blobid\":\"$known\",\"detail\":\"inodes name it"
}

@test "samples, limits, the oldest first" {
	copied
	expect 0 ntt-verify --all
	[ "$(sql 'SELECT count(*) FROM blobs WHERE last_checked IS NOT NULL')" = 4 ]
	has "$stderr" "4 of 40 blobs verified"
	has "$stderr" "at most 75 %"
	has "$stderr" "36 have never been checked"
	expect 0 ntt-verify --all --sample-rate 1 --max-verifications 6
	[ "$(sql 'SELECT count(*) FROM blobs WHERE last_checked IS NOT NULL')" = 10 ]
	sql "UPDATE blobs SET last_checked = now() - 5 * interval '1 day'"
	old=$(id_of "$T/src/d/9")
	sql "UPDATE blobs SET last_checked = now() - 9 * interval '1 day'
		WHERE blobid = '$old'"
	expect 0 ntt-verify --all --max-verifications 1
	[ "$(sql "SELECT last_checked > now() - interval '1 hour' FROM blobs
		WHERE blobid = '$old'")" = t ]
	has "$stderr" "the oldest check is 5.0 days old"
	expect 0 ntt-verify --sla 7
	has "$stderr" "nothing is due"
	expect 0 ntt-verify --sla 3
	has "$stderr" "39 of 40 blobs verified"
	[ "$(sql "SELECT count(*) FROM blobs WHERE last_checked <
		now() - interval '1 hour'")" = 0 ]
}

@test "a list of ids, and what it names in vain" {
	copied
	a=$(id_of "$T/src/d/1")
	b=0000000000000000000000000000000000000000000000000000000000000000
	printf '# list\n%s\n\n  {"x":"%s"}\n' "$a" "$b" >"$T/list"
	expect 3 ntt-verify --from-file "$T/list" --sample-rate 1
	has "$output" "\"finding\":\"missing\",\"blobid\":\"$b\""
	[ "$(wc -l <<<"$output")" = 1 ]
	expect 0 ntt-verify --from-file - --sample-rate 1 <<<"$a"
	expect 1 ntt-verify --from-file "$T/none"
	for p in ntt-verify ntt-re-hardlink; do
		printf '%s  a name\nnoise\n' "$a" >"$T/list"
		expect 1 $p --from-file "$T/list"
		has "$stderr" "/list\", line 2: there is no id of a blob in \"noise\""
	done
}

@test "the store's disk is not there: nothing is missing" {
	copied
	mv "$store" "$T/away"
	expect 1 ntt-verify --all
	[ -z "$output" ]
	mkdir "$store"
	expect 75 ntt-verify --all
	[ -z "$output" ]
	has "$stderr" "is not mounted at"
}

@test "interrupted, then continued" {
	copied 60
	truncate -s 600M "$T/src/large"
	sql "UPDATE medium SET copy_done = NULL"
	ntt-enum -q "$T/src" $M - | ntt-loader -q --replace --force - $M >/dev/null
	ntt-copier -q -m $M
	ntt-verify --all --sample-rate 1 --rate 20M -w 2 3>&- &
	pid=$!
	for _ in {1..200}; do
		[ ! -e "$NTT_HOME/run/verify-all.state" ] || break
		sleep 0.05
	done
	expect 75 ntt-verify --all --sample-rate 1
	has "$stderr" "is under way"
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ $status = 143 ]
	[ -e "$NTT_HOME/run/verify-all.state" ]
	# part of it was done, as far as the catalogue knows
	sql "UPDATE blobs SET last_checked = now() WHERE blobid IN
		(SELECT blobid FROM blobs WHERE size < 100 LIMIT 30)"
	expect 0 ntt-verify --all --sample-rate 1
	has "$stderr" "going on with the run that was interrupted"
	grep '"stage":"verify_complete"' "$log" | grep -q '"verified":31,'
	has "$stderr" "61 of 61 blobs verified"
	[ ! -e "$NTT_HOME/run/verify-all.state" ]
	expect 0 ntt-verify --all --sample-rate 1
	has "$stderr" "61 of 61 blobs verified"
}

@test "a killed reader is not success" {
	copied 5
	truncate -s 300M "$T/src/large"
	ntt-enum -q "$T/src" $M - | ntt-loader -q --replace --force - $M >/dev/null
	ntt-copier -q -m $M
	ntt-verify --all --sample-rate 1 --rate 5M -w 1 2>"$T/err" 3>&- &
	pid=$!
	for _ in {1..200}; do
		child=$(cat /proc/$pid/task/$pid/children 2>/dev/null || :)
		[ -z "$child" ] || break
		sleep 0.05
	done
	for _ in {1..200}; do
		grep -q verify_start "$log" 2>/dev/null && break
		sleep 0.05
	done
	kill -KILL $child
	status=0
	wait $pid || status=$?
	[ $status = 1 ]
	grep -q "has died" "$T/err"
}

@test "--manifest is a list b3sum checks, in the tree and on the medium" {
	difficult_tree "$T/src"
	echo cr >"$T/src/ends in "$'\r'
	load_copy "$T/src"
	expect 0 ntt-verify --manifest -m $M
	ntt-verify -q --manifest -m $M >"$T/list"
	[ "$(wc -l <"$T/list")" = "$(find "$T/src" -type f -printf '%i\n' | wc -l)" ]
	(cd "$NTT_HOME/archived/$M" && b3sum --check --quiet "$T/list")
	(cd "$T/src" && b3sum --check --quiet "$T/list")
	# lines are what b3sum itself writes, where it can write them
	(cd "$T/src" && find . -type f -printf '%P\0' | xargs -0 b3sum) |
		grep -v "$(printf '\357\277\275')" | sort >"$T/theirs"
	grep -v "$store" "$T/list" | sort >"$T/ours"
	comm -13 "$T/theirs" "$T/ours" >"$T/extra"
	[ ! -s "$T/extra" ]
	echo broken >"$T/src/dup/a/one"
	(cd "$T/src" && b3sum --check --quiet "$T/list" 2>/dev/null) && return 1
	return 0
}

@test "the empty file of old stores: accepted, and renamed" {
	copied 3
	: >"$T/src/empty"
	ntt-enum -q "$T/src" $M - | ntt-loader -q --replace --force - $M >/dev/null
	ntt-copier -q -m $M
	old=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
	new=af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262
	mkdir -p "$(dirname "$(blob $old)")"
	mv "$(blob $new)" "$(blob $old)"
	sql "INSERT INTO blobs SELECT '$old', 0 ;
		UPDATE inode SET blobid = '$old' WHERE blobid = '$new';
		DELETE FROM blobs WHERE blobid = '$new'"
	expect 0 ntt-verify -m $M --sample-rate 1
	ntt-verify -q --manifest -m $M | grep -q "^$new  empty$"
	expect 0 ntt-verify --migrate-empty
	expect 0 ntt-verify -m $M --sample-rate 1 --orphans
	[ ! -e "$(blob $old)" ] && [ -e "$(blob $new)" ]
	[ "$(sql "SELECT count(*) FROM inode WHERE blobid = '$new'")" = 1 ]
	[ "$(sql "SELECT count(*) FROM blobs WHERE blobid = '$old'")" = 0 ]
	expect 0 ntt-verify --migrate-empty
	has "$stderr" "already"
	# what is not empty is not excused by the name
	sql "INSERT INTO blobs VALUES ('$old', 1)"
	printf x >"$(blob $old)"
	expect 3 ntt-verify --all --sample-rate 1
}

@test "ntt-parse-verify-log: counts, samples, ids for others" {
	copied
	gone=$(id_of "$T/src/d/4") bad=$(id_of "$T/src/d/5")
	rm "$(blob "$gone")" && printf X >"$(blob "$bad")"
	ntt-verify -q --all --sample-rate 1 >"$T/out" || [ $? = 3 ]
	ntt-verify -q --all --sample-rate 1 >/dev/null || [ $? = 3 ]
	expect 0 ntt-parse-verify-log "$log"
	has "$output" "verified   80 in 2 runs"
	has "$output" "failed     2"
	has "$output" "missing    2"
	has "$output" "$gone"
	expect 0 ntt-parse-verify-log --blobs-only "$log"
	sort <<<"$output" | cmp - <(printf '%s\n' "$gone" "$bad" | sort)
	expect 0 ntt-parse-verify-log --blobs-only - <"$T/out"
	[ "$(wc -l <<<"$output")" = 2 ]
	expect 3 ntt-verify --from-file - --sample-rate 1 <<<"$output"
	head -c 300 /dev/urandom | tr -d '\n' >"$T/noise"
	expect 1 ntt-parse-verify-log "$T/noise"
	: >"$T/none"
	expect 0 ntt-parse-verify-log "$T/none"
	expect 0 ntt-parse-verify-log --json "$log"
	has "$output" '"mismatch":3'
}

@test "ntt-verify-sudo keeps the configuration" {
	copied 3
	expect 0 ntt-verify-sudo --all --sample-rate 1
	has "$stderr" "3 of 3 blobs verified"
	expect 64 ntt-verify-sudo --sample-rate x --all
	expect 64 ntt-verify-sudo
}

@test "wrong usage" {
	expect 64 ntt-verify
	expect 64 ntt-verify --all -m $M
	expect 64 ntt-verify --manifest --all
	expect 64 ntt-verify --archive
	expect 64 ntt-verify --all --sample-rate 0
}
