#!/usr/bin/env bats
# The stages as a person types them, with no word to ntt-orchestrator: the
# programs look where things are by convention.

load lib

setup() {
	isolate
	fresh_db
	cd "$T"
	mkdir src "$NTT_HOME/img"
	for i in {1..60}; do
		echo "$i" >src/"$i"
	done
}

teardown() {
	[ -z "${H:-}" ] || ntt-mount-helper -q unmount "$H" >/dev/null 2>&1 || :
	detach_loops
}

@test "an image in IMAGE_ROOT, a list of one's own" {
	need_loop
	mkfs.ext4 -q -d src x.img 16M
	H=$(ntt-identify x.img)
	cp x.img "$NTT_HOME/img/$H.img"
	expect 0 ntt-mount-helper mount "$H" "$NTT_HOME/img/$H.img"
	expect 0 ntt-enum "$NTT_HOME/mnt/$H" "$H" x.raw
	expect 0 ntt-loader x.raw "$H"
	[ "$(sql "SELECT source_kind, size_bytes FROM medium")" = "image|16777216" ]
	expect 0 ntt-copier --medium-hash "$H" --worker-id w --batch-size 50 --limit 40
	expect 0 ntt-copier --medium-hash "$H" --worker-id w --batch-size 50 --limit 500
	expect 0 ntt-mount-helper unmount "$H"
	expect 0 ntt-archiver "$H"
	# the list is in the archive, and stays where its owner put it
	tar --zstd -tf "$NTT_HOME/archives/$H.tar.zst" | grep -qx "$H.raw"
	tar --zstd -xOf "$NTT_HOME/archives/$H.tar.zst" "$H.raw" | cmp - x.raw
	[ -e x.raw ] && [ -e x.raw.json ]
	expect 0 ntt-pipeline-status "$H"
	expect 2 ntt-orchestrator --image x.img
	check_store
}

@test "a list that is another one meanwhile is not archived as this one" {
	need_loop
	mkfs.ext4 -q -d src x.img 16M
	H=$(ntt-identify x.img)
	cp x.img "$NTT_HOME/img/$H.img"
	ntt-mount-helper -q mount "$H" "$NTT_HOME/img/$H.img" >/dev/null
	ntt-enum -q "$NTT_HOME/mnt/$H" "$H" x.raw
	ntt-loader -q x.raw "$H" >/dev/null
	ntt-copier -q "$H"
	ntt-mount-helper -q unmount "$H" >/dev/null
	rm x.raw
	ntt-enum -q src "$H" x.raw
	echo >>x.raw
	expect 0 ntt-archiver "$H"
	has "$stderr" "is not what was loaded any more"
	tar --zstd -tf "$NTT_HOME/archives/$H.tar.zst" >members
	! grep -x "$H.raw" members || return 1
}

@test "a directory, in a pipe" {
	H=$(ntt-identify src)
	ntt-enum src "$H" - | ntt-loader - "$H"
	expect 0 ntt-copy-workers --wait -m "$H"
	expect 0 ntt-archiver "$H"
	# nobody has noted which directory it was: it is looked at again
	expect 0 ntt-orchestrator src
	expect 2 ntt-orchestrator src
}
