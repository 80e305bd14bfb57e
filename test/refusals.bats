#!/usr/bin/env bats
# What cannot be done is told, with its name and its reason, and changes
# nothing: configuration, the private PostgreSQL, operands, sources.

# expect() sets output and stderr; each test has its own NTT_DB_URL
# shellcheck disable=SC2154,SC2030,SC2031
load lib

M=aaaabbbbccccdddd0000111122223333

setup() {
	isolate
	chmod 755 "$T"
}

teardown() {
	local pg
	for pg in "$NTT_HOME" "$T"/*'home'; do
		[ ! -e "$pg/pg/data" ] || NTT_HOME=$pg ntt-db stop -q || :
	done
}

@test "configuration: escapes, and files that are none" {
	unset NTT_HOME
	env=$HOME/.config/ntt/ntt.env
	mkdir -p "${env%/*}"
	printf '%s\n' 'RAW_ROOT="/a \"b\" \\ \$c \`d\` \e"' \
		"IMAGE_ROOT='/x \\ y'" >"$env"
	expect 0 ntt --print-config
	grep -qF 'RAW_ROOT             "/a \"b\" \\ $c `d` \\e"' <<<"$output"
	grep -qF 'IMAGE_ROOT           "/x \\ y"' <<<"$output"
	for bad in 'RAW_ROOT="/open' 'RAW_ROOT=/a b' '=x' 'A B=x'; do
		echo "$bad" >"$env"
		expect 64 ntt --print-config
		has "$stderr" "ntt.env:1: expected KEY=VALUE"
	done
	printf 'RAW_ROOT=/a\nX=\0\n' >"$env"
	expect 64 ntt --print-config
	has "$stderr" "ntt.env:2: cannot read a line with a NUL byte"
	truncate -s 1M "$env"
	expect 64 ntt --print-config
	has "$stderr" "too long for a configuration file"
	rm "$env"
	mkdir "$env"
	expect 64 ntt --print-config
	has "$stderr" "ntt.env\": Is a directory"
	rmdir "$env"
	ln -s ntt.env "$env"
	expect 64 ntt --print-config
	has "$stderr" "Too many levels of symbolic links"
}

@test "a private PostgreSQL that is not there, or not whole" {
	expect 1 ntt-db start
	has "$stderr" 'NTT_HOME has no database yet: run "ntt-db init"'
	expect 0 ntt-db stop
	: >"$T/file"
	NTT_HOME=$T/file/below expect 1 ntt-db init
	has "$stderr" 'could not make "'
	has "$stderr" "Not a directory"

	# a name that both quotings must carry
	export NTT_HOME=$T/"it's 100% \\ home"
	expect 0 ntt-db init -q 3>&-
	url=$(ntt-db url)
	has "$url" "it%27s%20100%25%20%5C%20home"
	[ "$(psql -XAtqc 'SELECT 42' "$url")" = 42 ]
	expect 0 ntt-db check
	ntt-db stop -q
	mv "$NTT_HOME/pg/data/PG_VERSION" "$T/"
	expect 75 ntt-db start 3>&-
	has "$stderr" "own log is"
	mv "$T/PG_VERSION" "$NTT_HOME/pg/data/"
	expect 0 ntt-db start -q 3>&-
	expect 0 ntt-db check
}

@test "images by the beginning of their hash" {
	mkdir -p "$NTT_HOME/img"
	for h in 0123456789abcdef0000000000000000 0123456789abcdef1111111111111111; do
		mkdir "$T/t" && echo $h >"$T/t/f"
		mkfs.ext4 -q -d "$T/t" "$NTT_HOME/img/$h.img" 2M
		rm -r "$T/t"
	done
	cd "$T"
	expect 1 ntt-orchestrator --plan --image 0123456789abcdef
	has "$stderr" "is the beginning of several images"
	expect 0 ntt-orchestrator --plan --image 0123456789abcdef1
	has "$output" "$NTT_HOME/img/0123456789abcdef1111111111111111.img"
	expect 1 ntt-orchestrator --plan --image 0123456
	has "$stderr" "No such file"
	expect 64 ntt-orchestrator --plan --image "$T"
	has "$stderr" "is a directory, not an image"
	expect 64 ntt-orchestrator --plan --label name \
		--image 0123456789abcdef1
	has "$stderr" "an image needs a hash and not a label"
	[ ! -e "$NTT_HOME/pg" ]
}

# archived: a medium that could be archived
archivable() {
	mkdir -p "$NTT_HOME/img" "$NTT_HOME/raw" "$T/src"
	echo x >"$T/src/file"
	ntt-enum -q "$T/src" $M "$NTT_HOME/raw/$M.raw"
	ntt-loader -q "$NTT_HOME/raw/$M.raw" $M >/dev/null
	ntt-copier -q -m $M
	head -c 100000 /dev/urandom >"$NTT_HOME/img/$M.img"
	echo log >"$NTT_HOME/img/$M-ddrescue.log"
}

@test "sources of an archive that are no files, or cannot be read" {
	need_root
	fresh_db
	archivable
	refused() {
		expect "$1" ntt-archiver -q $M
		has "$stderr" "$2"
		[ ! -e "$NTT_HOME/archives/$M.tar.zst" ]
		[ -f "$NTT_HOME/raw/$M.raw" ]
	}
	mkfifo "$NTT_HOME/img/$M.map"
	refused 1 "$M.map\": it is not a regular file"
	rm "$NTT_HOME/img/$M.map"
	ln -s $M.map "$NTT_HOME/img/$M.map"
	refused 1 "could not open \"$NTT_HOME/img/$M.map\": Too many levels"
	rm "$NTT_HOME/img/$M.map"
	mkdir "$NTT_HOME/log/broken.jsonl"
	refused 1 "could not collect the log of $M: Is a directory"
	rmdir "$NTT_HOME/log/broken.jsonl"
	mv "$NTT_HOME/log" "$NTT_HOME/away"
	ln -s log "$NTT_HOME/log"
	refused 1 "log/$M.log\": Too many levels"
	rm "$NTT_HOME/log"
	mv "$NTT_HOME/away" "$NTT_HOME/log"
	expect 0 ntt-archiver -q $M
	[ ! -e "$NTT_HOME/img/$M.img" ]
	zstd -qdc "$NTT_HOME/archives/$M.tar.zst" | tar -t | grep -q jsonl
}

@test "what a copier reads is not unmounted meanwhile" {
	need_root
	fresh_db
	mkdir -p "$T/src"
	echo x >"$T/src/file"
	ntt-enum -q "$T/src" $M - | ntt-loader -q - $M >/dev/null
	# it can commit when it has been looked at
	coproc psql -XAtq "$NTT_DB_URL" 3>&-
	echo 'BEGIN; LOCK blobs IN EXCLUSIVE MODE; SELECT 1;' >&"${COPROC[1]}"
	read -r -t 20 _ <&"${COPROC[0]}"
	ntt-copier -q -m $M 3>&- &
	copier=$!
	status=0
	for ((i = 0; i < 200 && status != 75; i++)); do
		status=0
		ntt-mount-helper -q unmount $M >/dev/null 2>"$T/err" || status=$?
		[ $status = 75 ] || sleep 0.05
	done
	echo 'COMMIT; \q' >&"${COPROC[1]}"
	wait $copier
	[ $status = 75 ]
	grep "medium $M is in use by process $copier" "$T/err"
	expect 2 ntt-mount-helper -q unmount $M
}

@test "no link is followed, out of the tree of a medium or into it" {
	fresh_db
	mkdir -p "$T/src/d/deep" "$T/src/e/deep" "$T/outside/deep" \
		"$NTT_HOME/archived/$M"
	echo inside >"$T/src/d/deep/x"
	echo kept >"$T/src/e/deep/y"
	echo secret >"$T/outside/deep/y"
	ntt-enum -q "$T/src" $M - | ntt-loader -q - $M >/dev/null
	# who copies has rights that a link on a medium, or in the tree, wants
	ln -s "$T/outside" "$NTT_HOME/archived/$M/d"
	rm -r "$T/src/e"
	ln -s "$T/outside" "$T/src/e"
	expect 3 ntt-copier -q -m $M
	[ "$(ls "$T/outside/deep")" = y ]
	id=$(b3sum --no-names "$T/outside/deep/y")
	[ "$(sql "SELECT count(*) FROM blobs WHERE blobid = '$id'")" = 0 ]
	sql "SELECT error_type FROM inode JOIN path USING (medium_hash, dev, ino)
		WHERE path IN ('d/deep/x', 'e/deep/y') ORDER BY path" >"$T/types"
	diff "$T/types" - <<<$'path_error\npath_error'
}

@test "links and fifos planted where logs, locks, images and maps will be" {
	cd "$T"
	need ddrescue gddrescue
	head -c 1M /dev/urandom >disk
	mkdir tree
	echo precious >victim
	for name in x.img x.map x-ddrescue.log; do
		ln -s "$T/victim" "$name"
		expect 1 ntt-imager disk x.img
		has "$stderr" "not a regular file"
		rm "$name"
		mkfifo "$name"
		expect 1 timeout 60 ntt-imager disk x.img
		has "$stderr" "not a regular file"
		rm "$name"
		[ "$(cat "$T/victim")" = precious ]
	done
	[ "$(ls)" = $'disk\nhome\ntree\nuser\nvictim' ]
	mkdir -p "$NTT_HOME/log" "$NTT_HOME/run"
	for plant in "ln -s $T/victim" mkfifo; do
		$plant "$NTT_HOME/log/ntt-enum.jsonl"
		timeout 60 ntt-enum -q tree $M out.raw || [ $? = 3 ]
		[ -s out.raw ]
		[ "$(cat "$T/victim")" = precious ]
		rm "$NTT_HOME/log/ntt-enum.jsonl" out.raw
	done
	fresh_db
	ntt-enum -q tree $M - | ntt-loader -q - $M >/dev/null
	for plant in "ln -s $T/victim" mkfifo; do
		$plant "$NTT_HOME/run/workers.pids"
		expect 1 timeout 60 ntt-stop-workers
		rm "$NTT_HOME/run/workers.pids"
		[ "$(cat "$T/victim")" = precious ]
	done
}
