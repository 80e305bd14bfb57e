#!/usr/bin/env bats
# ntt-cat: one content to standard output, checked.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib

setup() {
	isolate
	cd "$T"
	fresh_db
}

# ingest DIR: into the catalogue and the store; its hash in $M
ingest() {
	ntt-orchestrator -q "$1" >/dev/null
	M=$(sql "SELECT medium_hash FROM medium ORDER BY added_at DESC LIMIT 1")
}

# blob_of PATH: the file in the store
blob_of() {
	local id
	id=$(sql "SELECT blobid FROM path JOIN inode USING (medium_hash, dev, ino)
		WHERE medium_hash = '$M' AND path = convert_to('$1', 'UTF8')")
	echo "$NTT_HOME/by-hash/${id:0:2}/${id:2:2}/$id"
}

@test "the bytes of a place, named in every way" {
	mkdir -p src/d
	head -c 3000000 /dev/urandom >src/d/big
	: >src/empty
	ln -s d/big src/link
	ingest src
	mv src gone
	for place in "$M:d/big" "${M:0:6}:d/big" "last:/d//./big" "src:d/big"; do
		expect 0 ntt-cat "$place"
		cmp .out gone/d/big
	done
	expect 0 ntt-cat -m last d/big
	cmp .out gone/d/big
	expect 0 ntt-cat "$(b3sum --no-names gone/d/big)"
	cmp .out gone/d/big
	expect 0 ntt-cat last:empty
	[ ! -s .out ]
	expect 0 ntt-cat last:link
	[ "$(cat .out)" = d/big ]
}

@test "names of any bytes, and colons" {
	mkdir src
	name=$'a:b\n\034\xff "x"'
	echo one >"src/$name"
	ingest src
	expect 0 ntt-cat "last:$name"
	[ "$(cat .out)" = one ]
	expect 0 ntt-cat -m last "$name"
	[ "$(cat .out)" = one ]
}

@test "what is no content is one line that says why" {
	mkdir -p src/d && echo x >src/f && echo y >src/g && mkfifo src/p
	ingest src
	sql "UPDATE inode SET status = 'failed_permanent', blobid = NULL,
		error_type = 'io_error', errors = '{bad sector 7}'
		WHERE (dev, ino) IN (SELECT dev, ino FROM path WHERE path = 'g')"
	refused() {
		local why=$1
		shift
		expect 1 ntt-cat "$@"
		has "$stderr" "$why"
		[ "$(wc -l <<<"$stderr")" = 1 ]
		[ ! -s .out ]
	}
	refused "it is a directory" last:d
	refused "it is a directory" last:
	refused "it has no content (type p)" last:p
	refused "bad sector 7" last:g
	refused 'has no "nope"' last:nope
	refused 'no medium "zzz"' zzz:f
	sql "UPDATE inode SET status = 'pending', error_type = NULL
		WHERE (dev, ino) IN (SELECT dev, ino FROM path WHERE path = 'g')"
	refused "not copied yet" last:g
	sql "SELECT catalogue_omit('$M', NULL, 'locked', NULL, NULL,
		'unreadable_directory', 13, NULL, 'Permission denied', 'ntt-enum')"
	refused "directory could not be read (Permission denied)" last:locked
	expect 64 ntt-cat f
	expect 64 ntt-cat last:../f
	expect 64 ntt-cat
}

@test "a wrong blob: exit 1, the last block withheld, the blob marked" {
	mkdir src
	head -c 3000000 /dev/urandom >src/big
	ingest src
	blob=$(blob_of big)
	chmod 644 "$blob"
	printf X | dd of="$blob" bs=1 seek=5 conv=notrunc 2>/dev/null
	expect 1 ntt-cat last:big
	has "$stderr" "other bytes than its name says"
	[ "$(stat -c %s .out)" = 2097152 ]
	[ "$(sql "SELECT state FROM blobs")" = bad ]
	# cut short
	truncate -s 100 "$blob"
	expect 1 ntt-cat last:big
	[ ! -s .out ]
}

@test "a missing blob: exit 1, marked; where nothing can be marked, too" {
	mkdir src && echo x >src/f && echo y >src/g
	ingest src
	rm -f "$(blob_of f)" "$(blob_of g)"
	expect 1 ntt-cat last:f
	has "$stderr" "missing in the store"
	[ "$(sql "SELECT count(*) FROM blobs WHERE state = 'missing'")" = 1 ]
	PGOPTIONS='-c default_transaction_read_only=on' expect 1 ntt-cat last:g
	has "$stderr" "missing in the store"
	[ "$(sql "SELECT count(*) FROM blobs WHERE state = 'missing'")" = 1 ]
}

@test "lost ranges: written, said, exit 3" {
	mkdir src && echo x >src/f && echo y >src/g
	ingest src
	sql "INSERT INTO inode_damage SELECT medium_hash, dev, ino, true, '{[0,1)}'
		FROM path WHERE path = 'f'"
	expect 3 ntt-cat last:f
	[ "$(cat .out)" = x ]
	has "$stderr" "[0,1)"
	expect 0 ntt-cat last:g
}

@test "a full standard output and a store that is away" {
	mkdir src && echo x >src/f
	ingest src
	status=0
	ntt-cat last:f >/dev/full 2>.err || status=$?
	[ $status = 75 ]
	grep -q 'could not write to standard output' .err
	mv "$NTT_HOME/by-hash" away && mkdir "$NTT_HOME/by-hash"
	expect 75 ntt-cat last:f
	has "$stderr" "not mounted"
}
