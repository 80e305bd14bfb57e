#!/usr/bin/env bats
# Archives whose frames are whole and whose content is not: what the manifest
# says of each member is what decides.

# expect() sets output and stderr; each test has its own NTT_DB_URL
# shellcheck disable=SC2154,SC2030,SC2031
load lib

setup() {
	isolate
	need python3 python3
	need zstd zstd
	fresh_db
	M=aaaabbbbccccdddd0000111122223333
	archive=$NTT_HOME/archives/$M.tar.zst
	mkdir -p "$NTT_HOME/img" "$NTT_HOME/raw" "$T/src"
	echo x >"$T/src/file"
	ntt-enum -q "$T/src" $M "$NTT_HOME/raw/$M.raw"
	ntt-loader -q "$NTT_HOME/raw/$M.raw" $M >/dev/null
	ntt-copier -q -m $M
	truncate -s 3M "$NTT_HOME/img/$M.img"
	head -c 70000 /dev/urandom |
		dd of="$NTT_HOME/img/$M.img" bs=1M seek=1 conv=notrunc status=none
	echo '# map' >"$NTT_HOME/img/$M.map"
	echo log >"$NTT_HOME/img/$M-ddrescue.log"
	cp "$NTT_HOME/img/$M.img" "$T/image"
	ntt-archiver -q $M
	zstd -qdc "$archive" >"$T/tar"
	cp "$archive" "$T/good"
}

# forge CODE: the tar, as bytes in t and its members in m by the end of their
# names, is changed by a line of Python; head(), say() and flip() help
forge() {
	python3 - "$T/tar" "$1" >"$T/forged" <<-'END'
		import sys, tarfile
		t = bytearray(open(sys.argv[1], "rb").read())
		m = {i.name[32:]: i for i in tarfile.open(sys.argv[1])}
		def say(i, at, what):
		    t[i.offset + at:i.offset + at + len(what)] = what
		    t[i.offset + 148:i.offset + 156] = b" " * 8
		    n = sum(t[i.offset:i.offset + 512])
		    t[i.offset + 148:i.offset + 156] = b"%06o\0 " % n
		def flip(at):
		    t[at] ^= 4
		last = max(m.values(), key=lambda i: i.offset_data)
		end = last.offset_data + (last.size + 511) // 512 * 512
		exec(sys.argv[2])
		sys.stdout.buffer.write(t)
	END
	reframe "$archive" <"$T/forged"
}

# told TEXT: by who verifies, and who archives again
told() {
	expect 3 ntt-verify --archive -m $M
	has "$output" '"finding":"mismatch"'
	has "$output" "$1"
}

@test "what was forged is named; frames alone prove nothing" {
	# as it was: whole, in other frames
	forge "pass"
	expect 0 ntt-verify --archive -m $M
	ntt-archiver --extract $M img | cmp - "$T/image"

	forge "flip(m['.map'].offset_data)"
	told "it has BLAKE3 "
	forge "flip(m['.raw'].offset_data + 3)"
	told "it has BLAKE3 "
	forge "say(m['.map'], 0, b'b')"
	told "it is not where the manifest has it"
	forge "say(m['-ddrescue.log'], 124, b'%011o' % 5)"
	told "it has another size than in the manifest"
	forge "t[end:end] = t[last.offset:end]"
	told "it has a member that is not in the manifest"
	forge "t += b'more'"
	told "there is something after the end of the tar"
	forge "del t[:m['.manifest.json'].offset_data +
		(m['.manifest.json'].size + 511) // 512 * 512]"
	told "its first member is no manifest"
	forge "del t[m['.raw'].offset_data + 1:]"
	told "$archive"
	forge "t[:] = b''"
	told "$archive"
	forge "t[m['.manifest.json'].offset_data + 5] ^= 64"
	told "$archive"
	forge "say(m['.manifest.json'], 124, b'%011o' % (2 << 30))"
	told "its manifest is too large"
}

@test "what was forged is not given out as a member" {
	forge "say(m['.map'], 0, b'b')"
	expect 1 ntt-archiver --extract $M map
	[ -z "$output" ]
	has "$stderr" "it has no member"
	forge "del t[m['.map'].offset_data + 1:]"
	expect 1 ntt-archiver --extract $M map
	[ -z "$output" ]
	forge "t[:] = b''"
	expect 1 ntt-archiver --extract $M img
	cp "$T/good" "$archive"
	expect 0 ntt-archiver --extract $M map
	[ "$output" = "# map" ]
}

@test "a forged archive is no reason to remove sources" {
	cp "$T/image" "$NTT_HOME/img/$M.img"
	forge "flip(m['.map'].offset_data)"
	expect 1 ntt-archiver -q $M
	[ -e "$NTT_HOME/img/$M.img" ]
	sql "UPDATE medium SET archived_at = NULL"
	ntt-archiver -q $M 2>"$T/err" || :
	[ -e "$NTT_HOME/img/$M.img" ] || expect 0 ntt-verify --archive -m $M
}
