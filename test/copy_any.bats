#!/usr/bin/env bats
# ntt-copy-workers --any: a machine that only copies.

load lib

setup() {
	isolate
	need_loop
	fresh_db
	cd "$T"
	mkdir "$NTT_HOME/img"
}

teardown() {
	[ -z "${pid:-}" ] || { kill "$pid" && wait "$pid"; } 2>/dev/null || :
	for m in "${media[@]}"; do
		ntt-mount-helper -q unmount "$m" >/dev/null 2>&1 || :
	done
	detach_loops
}

# loaded FILES: sets H to a medium on an image that is loaded
loaded() {
	local i
	rm -rf src
	mkdir src
	for ((i = 0; i < $1; i++)); do
		echo "$1 $i" >src/$i
	done
	mkfs.ext4 -q -d src x.img 16M
	H=$(ntt-identify -q x.img)
	media+=("$H")
	mv x.img "$NTT_HOME/img/$H.img"
	ntt-mount-helper -q mount "$H" "$NTT_HOME/img/$H.img" >/dev/null
	ntt-enum -q "$NTT_HOME/mnt/$H" "$H" - | ntt-loader -q - "$H" >/dev/null
	ntt-mount-helper -q unmount "$H" >/dev/null
}

copied() {
	[ "$(sql "SELECT copy_done IS NOT NULL FROM medium
		WHERE medium_hash = '$1'")" = t ]
}

@test "every medium on an image that is here is copied, also one that comes later" {
	loaded 5
	few=$H
	loaded 50
	many=$H
	loaded 7
	away=$H
	mv "$NTT_HOME/img/$away.img" .
	loaded 8
	failed=$H
	sql "UPDATE medium SET health = 'failed' WHERE medium_hash = '$failed'"
	ntt-enum -q src dddd0000dddd0000 - |
		ntt-loader -q - dddd0000dddd0000 >/dev/null
	ntt-copy-workers --any -w 2 2>said & pid=$!
	await "copied $few && copied $many" $pid
	await "grep -q 'waiting for one' said" $pid
	# the one with most work was first
	[[ $(grep -m 1 'with 2 copiers' said) == *"$many"* ]]
	! copied "$away" && ! copied "$failed" && ! copied dddd0000dddd0000 ||
		return 1
	mv "$away.img" "$NTT_HOME/img/"
	await "copied $away" $pid
	loaded 9
	await "copied $H" $pid
	! copied "$failed" && ! copied dddd0000dddd0000 || return 1
	kill -TERM $pid
	wait $pid || rc=$?
	pid=
	[ "$rc" = 143 ]
	check_store
}

@test "a medium that cannot be copied stands in no other's way" {
	loaded 50
	bad=$H
	loaded 5
	# no file system is on it any more
	head -c 16M /dev/zero >"$NTT_HOME/img/$bad.img"
	ntt-copy-workers --any -w 1 2>said & pid=$!
	await "copied $H" $pid
	! copied "$bad" || return 1
	await "grep -q 'copying $bad ended with status' said" $pid
	[ "$(grep -c "copying $bad with 1 copier$" said)" = 1 ]
}

@test "a signal stops its copiers, which lose nothing" {
	loaded 1000
	ntt-copy-workers --any -w 2 2>said & pid=$!
	await '[ "$(sql "SELECT count(*) FROM blobs")" -gt 0 ]' $pid
	kill -TERM $pid
	wait $pid || rc=$?
	pid=
	[ "$rc" = 143 ]
	[ "$(sql "SELECT count(*) FROM live_worker")" = 0 ]
	expect 0 ntt-copier -q -m "$H"
	check_store
}

@test "it takes media, and is told of none" {
	expect 64 ntt-copy-workers --any 2222
	has "$stderr" "takes no medium"
	expect 64 ntt-copy-workers --any --limit 5
}
