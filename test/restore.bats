#!/usr/bin/env bats
# slow: loop devices, kills
# ntt-restore: what went in comes out.

# expect() sets output and stderr
# shellcheck disable=SC2154,SC2030,SC2031
load lib

setup() {
	isolate
	cd "$T"
	chmod 755 "$T"
	fresh_db
}

teardown() {
	chattr -R -i -a "$T" 2>/dev/null || :
	for d in "$T/fs" "$T/tmp"; do
		! mountpoint -q "$d" || umount "$d"
	done
	detach_loops
	[ ! -e "$T/user/ntt/pg" ] || (cd / && unset NTT_HOME NTT_DB_URL &&
		setpriv --reuid=65534 --regid=65534 --clear-groups \
		env HOME="$T/user" ntt-db stop -q) || :
}

# ingest DIR: into the catalogue and the store; its hash in $M
ingest() {
	ntt-orchestrator -q "$1" >/dev/null || [ $? = "${2:-0}" ]
	M=$(sql "SELECT medium_hash FROM medium ORDER BY added_at DESC LIMIT 1")
}

# on_ext4 DIR: a new file system is mounted there
on_ext4() {
	need_loop
	truncate -s 200M ext4.img
	mkfs.ext4 -q -F -b 1024 ext4.img
	mkdir -p "$1"
	mount -o loop ext4.img "$1"
}

# everything DIR: what a file can have besides its bytes
everything() {
	mkdir -p "$1/meta" && pushd "$1/meta" >/dev/null
	mkdir empty sticky "read only" default-acl
	echo suid >suid && chown 1234:2345 suid && chmod 6755 suid
	echo cap >cap && setcap cap_net_raw+ep cap
	echo acl >acl && setfacl -m u:1234:rw,g:2345:r acl
	setfacl -d -m u:1234:rwx default-acl
	echo in >default-acl/in && mkdir default-acl/sub
	echo attr >attr
	setfattr -n user.comment -v hello attr
	setfattr -n user.bytes -v 0x00ff1c0a attr
	setfattr -n user.d -v dir empty
	mknod null c 1 3 && mknod disk b 7 200
	chmod 640 disk && chown 5:6 disk
	perl -MIO::Socket -e 'IO::Socket::UNIX->new(Local => "socket", Listen => 1)'
	truncate -s 3M sparse && printf data | dd of=sparse bs=1 seek=1M conv=notrunc 2>/dev/null
	truncate -s 2M hole
	ln -s nowhere link && chown -h 77:88 link
	touch -h -d '2001-02-03 04:05:06.987654321' link
	ln null null-again && ln link link-again
	echo old >old && touch -d '1955-11-05 01:02:03.123456789' old
	echo f >"read only/f" && chmod 400 "read only/f" && chmod 555 "read only"
	chmod 3777 sticky && chown 0:50 sticky
	echo i >immutable && chattr +i immutable
	echo a >append && chattr +a append
	echo d >nodump && chattr +d nodump
	head -c 3000000 /dev/urandom >big
	touch -d '1960-01-01 00:00:00.5' "read only"
	popd >/dev/null
}

# same A B: nothing that rsync and stat see differs
same() {
	local d
	for d in "$1/ $2/" "$2/ $1/"; do
		# shellcheck disable=SC2086 # two words
		rsync -naHAXi --numeric-ids --delete $d >rsync.out
		[ ! -s rsync.out ] || { cat rsync.out; return 1; }
	done
	for d in "$1" "$2"; do
		# %s of a directory is the file system's, and so is the flag "e"
		(cd "$d" && find . -print0 | sort -z | xargs -0 stat -c \
			'%N %f %u %g %t %T %h %y' && find . -type f -print0 |
			sort -z | xargs -0 lsattr -d | sed 's/e/-/')
	done >both
	split -n l/2 both half.
	cmp half.aa half.ab
}

# blob_of PATH: the file in the store
blob_of() {
	local id
	id=$(sql "SELECT blobid FROM path JOIN inode USING (medium_hash, dev, ino)
		WHERE medium_hash = '$M' AND path = convert_to('$1', 'UTF8')")
	echo "$NTT_HOME/by-hash/${id:0:2}/${id:2:2}/$id"
}

# clean DIR: no run has left anything
clean() {
	[ -z "$(find "$1" -name '.ntt-*')" ]
}

@test "a hostile tree comes back as it was, and a second run finds it" {
	need rsync rsync
	need setfacl acl
	on_ext4 fs
	difficult_tree fs/src
	everything fs/src
	touch -d '1999-12-31 23:59:59.999999999' fs/src
	cp -a fs/src kept && chattr +i kept/meta/immutable &&
		chattr +a kept/meta/append && chattr +d kept/meta/nodump
	ingest fs/src
	chattr -i -a fs/src/meta/immutable fs/src/meta/append
	rm -rf fs/src
	expect 0 ntt-restore "$M" out
	same kept out
	[ "$(stat -c %b out/meta/sparse)" -lt 100 ]
	[ "$(stat -c %b out/meta/hole)" -lt 100 ]
	clean out
	expect 0 ntt-restore "$M" out
	has "$stderr" "0 entries made"
	same kept out
}

@test "what is in an image comes back as it was" {
	need rsync rsync
	need setfacl acl
	on_ext4 fs
	everything fs
	rmdir fs/lost+found
	umount fs
	ntt-orchestrator -q --image ext4.img >/dev/null
	M=$(ntt-identify ext4.img)
	expect 0 ntt-restore "$M" out
	mount -o loop,ro,noload ext4.img fs
	same fs out
}

@test "what only the guest could mount comes back, but for flags" {
	need rsync rsync
	need setfacl acl
	need linux.uml user-mode-linux
	on_ext4 fs
	everything fs
	chattr -i -a -d fs/meta/immutable fs/meta/append fs/meta/nodump
	rmdir fs/lost+found
	umount fs
	ntt-orchestrator -q --sandbox --image ext4.img >/dev/null
	M=$(ntt-identify ext4.img)
	expect 0 ntt-restore "$M" out
	mount -o loop,ro,noload ext4.img fs
	rsync -naHAXi --numeric-ids --delete fs/ out/ >rsync.out
	[ ! -s rsync.out ] || { cat rsync.out; return 1; }
}

@test "--tar, through GNU tar" {
	need rsync rsync
	need setfacl acl
	on_ext4 fs
	difficult_tree fs/src
	everything fs/src
	# what GNU tar has no place for
	chattr -i -a -d fs/src/meta/{immutable,append,nodump}
	rm fs/src/meta/socket
	ingest fs/src
	ntt-restore --tar "$M" >out.tar
	mkdir out
	tar -C out --warning=no-timestamp --warning=no-unknown-keyword \
		--xattrs --xattrs-include='*' --acls -xpf out.tar
	same fs/src out
	[ "$(stat -c %b out/meta/sparse)" -lt 100 ]
}

@test "--tar: a file that is one hole stays one" {
	need_root
	mkdir src && truncate -s 5000001 src/hole
	ingest src
	ntt-restore --tar last >out.tar
	[ "$(stat -c %s out.tar)" -lt 100000 ]
	mkdir out
	tar -C out -xpf out.tar
	cmp src/hole out/hole
	[ "$(stat -c %b out/hole)" -lt 100 ]
}

@test "--tar: names of attributes and times that it cannot hold are said" {
	need_root
	mkdir src && echo x >src/f && echo y >src/g
	touch -d '1969-12-31 23:59:59.5Z' src/g
	setfattr -n 'user.two words' -v 1 src/f
	setfattr -n 'user.100%=' -v 1 src/f
	ingest src
	expect 0 ntt-restore --tar last
	has "$stderr" '1 names of extended attributes (now with %XX)'
	has "$stderr" "1 times could not be set"
}

@test "--tar leaves out a socket, and says so" {
	mkdir src && echo x >src/f
	perl -MIO::Socket -e 'IO::Socket::UNIX->new(Local => "src/s", Listen => 1)'
	ingest src
	expect 3 ntt-restore --tar last
	has "$stderr" 'src/s" is not restored' ||
		has "$stderr" ':s" is not restored: a tar archive cannot hold a socket'
	[ "$(tar tf .out)" = $'./\nf\nntt-left-out.'"$M.txt" ]
	[ "$(tar xOf .out "ntt-left-out.$M.txt")" = \
		$'"s"\ta tar archive cannot hold a socket' ]
}

@test "--zip, through unzip, 7z, bsdtar and Python" {
	need 7z p7zip-full
	need unzip unzip
	need bsdtar libarchive-tools
	mkdir -p src/dir/empty && cd src
	head -c 9000000 /dev/urandom >dir/large
	: >dir/nothing
	printf 'grüß' >$'gr\u00fc\u00df'
	echo latin >$'\xe4rger' && echo new >$'a\nb' && echo q >'c"<&\d'
	ln -s 'dir/large' link && ln dir/large again && chmod 4751 again
	chown 1234:70000 dir/nothing && touch -d '2021-02-03 04:05:06.789' dir/nothing
	touch -d '1955-11-05' $'a\nb' && touch -d '2150-01-01' link -h
	touch -d '2001-02-03 04:05:07' dir/empty
	chmod 700 dir/empty
	cd ..
	ingest src
	expect 0 ntt-restore --zip last
	has "$stderr" "1 names are not UTF-8"
	has "$stderr" "1 times could not be set"
	mv .out out.zip
	# to a pipe, too, nothing follows its end
	ntt-restore -q --zip last | cmp - out.zip
	TZ=UTC unzip -tq out.zip
	7z t out.zip >7z.out && grep -q 'Everything is Ok' 7z.out
	mkdir out
	# bsdtar takes a backslash for a slash
	bsdtar -xpf out.zip -C out
	[ "$(cat 'out/c"<&/d')" = q ]
	diff -r --no-dereference -x 'c"<&*' src out
	[ "$(readlink out/link)" = dir/large ]
	[ "$(stat -c '%a %Y' out/dir/empty)" = "700 $(date -d '2001-02-03 04:05:07' +%s)" ]
	[ "$(stat -c '%u %g %Y' out/dir/nothing)" = "1234 70000 $(stat -c %Y src/dir/nothing)" ]
	[ "$(stat -c %a out/again)" = 4751 ]
	python3 - <<-'END'
		import os, struct, zipfile
		z = zipfile.ZipFile("out.zip")
		assert z.testzip() is None
		names = {}
		for i in z.infolist():
		    assert i.compress_type == zipfile.ZIP_STORED
		    utf8 = i.flag_bits & 0x800
		    raw = i.filename.encode("utf-8" if utf8 else "cp437")
		    try: raw.decode("utf-8"); fine = True
		    except UnicodeDecodeError: fine = False
		    assert bool(utf8) == (fine and not raw.isascii()), raw
		    names[raw.rstrip(b"/")] = i
		extra = names[b"a\nb"].extra
		at = extra.index(b"UT")
		assert struct.unpack_from("<i", extra, at + 5)[0] == \
		    os.stat("src/a\nb").st_mtime
		want = {os.path.relpath(os.path.join(d, n), b"src")
		    for d, s, f in os.walk(b"src") for n in s + f}
		assert set(names) == want, set(names) ^ want
	END
}

@test "--bag: manifests that are right, what a bag cannot hold is told" {
	need bsdtar libarchive-tools
	mkdir -p src/dir/empty && cd src
	head -c 9000000 /dev/urandom >dir/large
	: >dir/nothing
	echo odd >$'dir/\xe4\nx%' && echo percent >$'100%\rsure'
	ln dir/large again && ln -s $'dir/\xe4' link
	# what validators read in different ways
	for name in 50% a%0Ab a%250Ab 'blank ' $'nbsp\u00a0' $'vt\vx' $'nel\u0085x' \
		$'ls\u2028x' $'three\n\n\nx' $'fs\x1cx' $'tab\t'; do
		echo "$name" >"$name"
	done
	cd ..
	ingest src
	ntt-note --title 'Box 7' "$M" "from the attic" >/dev/null
	for how in tar zip; do
		expect 0 ntt-restore -q --$how --bag last
		mkdir $how
		bsdtar -xf .out -C $how
		[ "$(ls $how)" = "bag-$M" ]
		cd "$how/bag-$M"
		[ "$(cat bagit.txt)" = $'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8' ]
		cat >check.py <<-'END'
			import hashlib, json, os
			def read(name):
			    return {p.split(b"  ", 1)[1].replace(b"%0D", b"\r").replace(b"%0A", b"\n")
			            : p.split()[0].decode()
			            for p in open(name, "rb").read().split(b"\n") if p}
			def files(top):
			    return {os.path.join(d, n) for d, s, f in os.walk(top) for n in f}
			digest = lambda n: hashlib.sha512(open(n, "rb").read()).hexdigest()
			m = read("manifest-sha512.txt")
			assert set(m) == files(b"data"), set(m) ^ files(b"data")
			t = read("tagmanifest-sha512.txt")
			assert set(t) == {b"bagit.txt", b"bag-info.txt", b"manifest-sha512.txt",
			    b"metadata/tree.jsonl"}, t
			for n, h in {**m, **t}.items():
			    assert digest(n) == h, n
			size = sum(os.path.getsize(n) for n in m)
			info = open("bag-info.txt").read()
			assert f"Payload-Oxum: {size}.{len(m)}\n" in info, info
			assert "Names-Renamed: 13," in info and "from the attic" in info
			tree = [json.loads(l) for l in open("metadata/tree.jsonl")]
			assert len(tree) == 20, tree
			assert [e for e in tree if e.get("target_hex") == b"dir/\xe4".hex()]
			assert [e for e in tree if e["type"] == "d" and e.get("path") == "dir/empty"]
		END
		python3 check.py
		python3 "$TEST_DIR/tools/bag_check.py" .
		cmp data/again ../../src/again
		cat data/renamed-*/dir/* | cmp - $'../../src/dir/\xe4\nx%'
		cd ../..
	done
	mkfifo src/pipe
	flip_bit "$(blob_of again)" 8000000
	ingest src
	expect 3 ntt-restore -q --tar --bag last
	has "$(tar xOf .out "bag-$M/metadata/ntt-left-out.$M.txt")" $'"pipe"\ta bag cannot'
	expect 64 ntt-restore --bag last x
}

@test "--zip: more entries than old programs can count, and what is left out" {
	mkdir -p src/many
	perl -e 'for (0 .. 65999) { open F, ">", "src/many/$_"; }
		open F, ">src/rotten"; print F "x" x 100000'
	mkfifo src/pipe
	ingest src
	expect 3 ntt-restore -q --zip last
	python3 -c 'import zipfile
z = zipfile.ZipFile(".out")
assert len(z.namelist()) == 66003 and z.testzip() is None' 
	has "$(python3 -m zipfile -l .out)" ntt-left-out
	[ "$(unzip -p .out "ntt-left-out.$M.txt")" = \
		$'"pipe"\ta zip archive cannot hold a pipe' ]
	flip_bit "$(blob_of rotten)" 70000
	expect 3 ntt-restore -q --zip last:rotten
	[ "$(unzip -Z1 .out)" = "ntt-left-out.$M.txt" ]
	expect 64 ntt-restore --zip --tar last
}

@test "deep paths, longer than PATH_MAX" {
	mkdir src
	(cd src && for ((i = 0; i < 40; i++)); do
		mkdir "$(printf '%0150d' $i)" && cd "$(printf '%0150d' $i)" || exit 1
	done; echo deep >file; ln file other)
	ingest src
	expect 0 ntt-restore last out
	(cd src && find . -printf '%f %y %n %T@\n' | sort) >a
	(cd out && find . -printf '%f %y %n %T@\n' | sort) >b
	grep -q '^file f 2 ' a
	cmp a b
}

@test "places: a file, a directory, several media, a list" {
	mkdir -p one/a/b one/c two && echo 1 >one/a/b/f && echo 2 >one/a/g
	echo 3 >one/c/h && echo 4 >two/$'new\nline' && echo 5 >one/a-b
	chmod 2750 one/a && touch -d 2001-01-01 one/a one/a/b
	ingest one && A=$M
	ingest two && B=$M
	expect 0 ntt-restore "$A:a/b" out
	[ "$(cd out && find . -type f)" = ./a/b/f ]
	[ "$(stat -c '%a %Y' out/a)" = "$(stat -c '%a %Y' one/a)" ]
	expect 0 ntt-restore -m "$A" a/g c out2
	[ "$(cd out2 && find . -type f | sort)" = $'./a/g\n./c/h' ]
	expect 0 ntt-restore "$A:a" "$B" out3
	[ "$(cd out3 && find . -type f | sort)" = "$(printf '%s\n' "./$A/a/b/f" \
		"./$A/a/g" "./$B/new"$'\nline' | sort)" ]
	printf '%s\0' "$B:"$'new\nline' "$A:a-b" |
		expect 0 ntt-restore -0 --files-from - out4
	[ "$(cat "out4/$B/"$'new\nline' "out4/$A/a-b")" = $'4\n5' ]
	echo "last:" >list
	expect 0 ntt-restore --files-from list out5
	[ -e "out5/$B/"$'new\nline' ]
}

@test "a place that is not there" {
	mkdir src && echo x >src/f
	ingest src
	expect 1 ntt-restore last:nope out
	has "$stderr" 'nope" is not restored: the medium has no such path'
	expect 3 ntt-restore last:nope last:f out
	[ "$(cat out/f)" = x ]
	expect 1 ntt-restore zzz:f out
	expect 64 ntt-restore last:f/../g out
	expect 64 ntt-restore out
}

# step_tree: a few files, links, directories, a file of two blocks
step_tree() {
	mkdir -p src/d/e && echo x >src/d/f && echo y >src/d/e/g
	head -c 1500000 /dev/urandom >src/big
	ln src/d/f src/link && ln -s d src/sym && mkfifo src/p
}

# right OUT: what has its name is right
right() {
	(cd "$1" && find . -type f ! -name '.ntt-*' -print0 | xargs -0r b3sum) >sums
	[ ! -s sums ] || (cd src && b3sum --quiet --check ../sums)
}

@test "killed at every step, and run again" {
	step_tree
	ingest src
	stepper count steps ntt-restore -q last out || [ $? = 99 ]
	[ "$(cat steps)" -gt 20 ]
	rm -r out
	for ((n = 1; n <= $(cat steps); n += n < $(cat steps) - 12 ? 3 : 1)); do
		status=0
		stepper kill $n ntt-restore -q last out || status=$?
		[ $status = 137 ]
		[ ! -d out ] || right out
		expect 0 ntt-restore last out
		clean out
		diff -r src out -x p
		[ "$(stat -c '%h %i' out/d/f)" = "$(stat -c '%h %i' out/link)" ]
		diff <(stat -c '%y' src src/d) <(stat -c '%y' out out/d) ||
			{ echo "killed at step $n"; return 1; }
		[ -z "$(getfattr -m ntt out)" ]
		rm -r out
	done
}

@test "a directory above what was asked for, left at 0700 by a kill, is repaired" {
	step_tree
	chmod 2750 src/d src/d/e
	ingest src
	# only g is asked for: d and e are made to hold it
	stepper count steps ntt-restore -q last:d/e/g out || [ $? = 99 ]
	modes() {
		find out -type d -printf '%P %m\n' | sort
	}
	modes >want
	closed=0
	for ((n = 1; n < $(cat steps); n++)); do
		rm -rf out
		stepper kill $n ntt-restore -q last:d/e/g out || [ $? = 137 ]
		[ -z "$(find out -mindepth 1 -type d -perm 700 2>/dev/null)" ] ||
			closed=$((closed + 1))
		expect 0 ntt-restore last:d/e/g out
		modes | diff want - || { echo "killed at step $n"; return 1; }
	done
	! grep -qw 700 want
	[ "$closed" -gt 2 ]
}

@test "SIGTERM at every step: no file that is not right is left, exit 143" {
	step_tree
	ingest src
	stepper count steps ntt-restore -q last out || [ $? = 99 ]
	rm -r out
	for ((n = 4; n < $(cat steps) - 4; n += 5)); do
		rm -rf out
		status=0
		stepper term $n ntt-restore -q last out || status=$?
		echo "step $n: exit $status"
		# one that comes when all is made changes nothing
		[ $status = 143 ] || { [ $status = 0 ] && diff -r src out -x p; }
		[ -d out ] || continue
		right out
		[ -z "$(find out -name '.ntt-*' ! -name .ntt-restore)" ]
	done
	[ $n -gt 20 ]
	expect 0 ntt-restore last out
	diff -r src out -x p
	clean out
}

@test "a different file stays, and is named; --overwrite replaces it" {
	mkdir -p src/d && echo right >src/f && echo right2 >src/g && echo x >src/d/h
	ln -s target src/l && ln src/f src/f2
	ingest src
	mkdir -p out/g && echo mine >out/f && ln -s elsewhere out/l
	echo file >out/d
	expect 3 ntt-restore last out
	[ "$(cat out/f)" = mine ]
	[ "$(cat out/d)" = file ]
	[ "$(readlink out/l)" = elsewhere ]
	[ -d out/g ]
	# the other name of f is no link of what was there
	[ "$(cat out/f2)" = right ]
	for f in f l d g d/h; do
		has "$stderr" ":$f\" is not restored"
	done
	expect 3 ntt-restore --overwrite last out
	has "$stderr" ':g" is not restored: a directory has its name'
	[ "$(wc -l <<<"$stderr")" = 2 ]
	[ "$(cat out/f)" = right ]
	[ "$(readlink out/l)" = target ]
	[ "$(cat out/d/h)" = x ]
	clean out
}

@test "files that are called like those of ntt-restore itself" {
	mkdir -p src/.ntt-restore.1 && echo below >src/.ntt-restore.1/f
	echo mine >src/.ntt-restore && ln src/.ntt-restore src/other
	echo mine too >src/.ntt-damaged && echo zeros >src/z
	ingest src
	sql "INSERT INTO inode_damage(medium_hash, dev, ino, determined, extents)
		SELECT medium_hash, dev, ino, true, '{[0,1)}' FROM path
		WHERE path = 'z'"
	for i in 1 2; do
		expect 3 ntt-restore last out
		[[ $stderr != *'another file'* ]]
		expect 3 ntt-restore --overwrite last out
		diff -r src out -x 'ntt-damaged.*'
		[ "$(find out -name '.ntt-*' | wc -l)" = 3 ]
	done
	# nor is a file of somebody else written over
	mkdir there && seq 1000 >there/.ntt-restore && cp there/.ntt-restore keep
	mkdir -p there/.ntt-restore.1
	expect 3 ntt-restore last there
	cmp there/.ntt-restore keep
	# killed anywhere
	stepper count steps ntt-restore -q last killed || [ $? = 99 ]
	for ((n = 1; n <= $(cat steps); n += 2)); do
		rm -rf killed
		stepper kill $n ntt-restore -q last killed || [ $? = 137 ]
		expect 3 ntt-restore last killed
		diff -r src killed -x 'ntt-damaged.*'
		[ "$(find killed -name '.ntt-*' | wc -l)" = 3 ]
	done
}

@test "the first name of a file cannot be made: another one has the content" {
	mkdir src && echo linked >src/a && ln src/a src/b
	ingest src
	sql "UPDATE path SET path = 'a//x' WHERE path = 'a'"
	expect 3 ntt-restore last out
	has "$stderr" "no file can have this path"
	[ "$(cat out/b)" = linked ]
	expect 3 ntt-restore --tar last
	ntt-restore -q --tar last 2>/dev/null >last.tar || [ $? = 3 ]
	mkdir unpacked
	tar -xf last.tar -C unpacked
	[ "$(cat unpacked/b)" = linked ]
}

@test "no symbolic link in the directory is followed" {
	mkdir -p src/d/e && echo x >src/d/e/f && echo y >src/g
	ingest src
	mkdir -p out/d victim && ln -s "$T/victim" out/d/e
	ln -s "$T/victim/g" out/g
	expect 3 ntt-restore last out
	[ -z "$(ls -A victim)" ]
	has "$stderr" ':d/e/f" is not restored: a symbolic link, or no directory, stands in the place of its directory'
	expect 0 ntt-restore --overwrite last out
	[ -z "$(ls -A victim)" ]
	[ "$(cat out/d/e/f out/g)" = $'x\ny' ]
	[ ! -L out/d/e ] && [ ! -L out/g ]
}

@test "rotten and missing blobs: named, marked, and no such file" {
	mkdir src && echo good >src/a && echo rotten >src/b && echo gone >src/c
	ln src/b src/b2
	ingest src
	blob=$(blob_of b)
	chmod 644 "$blob" && echo ROTTEN >"$blob"
	rm -f "$(blob_of c)"
	expect 3 ntt-restore last out
	for f in b b2; do
		has "$stderr" ":$f\" is not restored: its blob in the store has other bytes"
	done
	has "$stderr" ':c" is not restored: its blob is missing'
	[ "$(ls out)" = a ]
	clean out
	[ "$(sql "SELECT string_agg(state::text, ' ' ORDER BY state::text)
		FROM blobs")" = "bad good missing" ]
	expect 3 ntt-restore --tar last
	[ "$(tar tf .out)" = $'./\na\nntt-left-out.'"$M.txt" ]
}

@test "a rotten end of a large blob has no name, nor a member" {
	mkdir src && head -c 20M /dev/urandom >src/big
	ingest src
	blob=$(blob_of big)
	chmod 644 "$blob" && printf X | dd of="$blob" bs=1 seek=20971000 conv=notrunc 2>/dev/null
	expect 3 ntt-restore last out
	[ -z "$(ls -A out)" ]
	expect 3 ntt-restore --tar last
	[ "$(tar tf .out)" = $'./\nntt-left-out.'"$M.txt" ]
}

@test "damaged files: kept and listed, or skipped" {
	mkdir src && echo x >src/$'f\n' && echo y >src/g && echo z >src/h
	ingest src
	damage() {
		sql "INSERT INTO inode_damage SELECT medium_hash, dev, ino, $2
			FROM path WHERE path = '$1'"
	}
	damage 'f\012' "true, '{[0,1)}'"
	damage g "false, NULL"
	expect 3 ntt-restore last out
	grep -qF 'f\n": it has zeros where the medium could not be read: {[0,1)}' .err
	cmp src/g out/g
	printf '%s\t%s\n' '"f\n"' '{[0,1)}' '"g"' unknown | cmp - "out/ntt-damaged.$M.txt"
	# a list grows
	rm out/g
	expect 3 ntt-restore last:g out
	printf '%s\t%s\n' '"g"' unknown '"f\n"' '{[0,1)}' | cmp - "out/ntt-damaged.$M.txt"
	expect 3 ntt-restore --damaged skip last out2
	[ "$(ls -A out2)" = h ]
	has "$stderr" 'g" is not restored: it has lost ranges'
	expect 3 ntt-restore --tar last
	[ "$(tar tf .out | tail -n 1)" = "ntt-damaged.$M.txt" ]
	expect 0 ntt-restore last:h out3
}

@test "what is not in the catalogue, excluded or failed is named" {
	mkdir -p src/d && echo 1 >src/d/a && echo 2 >src/d/b && echo 3 >src/c
	echo '^d/b$' >patterns
	NTT_IGNORE_PATTERNS=$T/patterns ingest src
	expect 0 ntt-restore last:c out
	sql "UPDATE inode SET status = 'failed_retryable', blobid = NULL,
		error_type = 'io_error', errors = '{sector 7}'
		WHERE (dev, ino) IN (SELECT dev, ino FROM path WHERE path = 'd/a')"
	sql "SELECT catalogue_omit('$M', NULL, 'd/locked', NULL, NULL,
		'unreadable_directory', 13, NULL, 'Permission denied', 'ntt-enum')"
	sql "INSERT INTO path SELECT medium_hash, dev, ino, 'd/x', 'a pattern'
		FROM path WHERE path = 'c'"
	expect 3 ntt-restore last out
	has "$stderr" ':d/a" is not restored: it could not be copied from the medium: sector 7'
	has "$stderr" ':d/x" is not restored: it was excluded by the pattern "a pattern"'
	has "$stderr" ':d/locked": not in the catalogue, so not restored: 1 directory could not be read (Permission denied)'
	# elsewhere nothing is missing
	expect 0 ntt-restore last:c out2
	sql "UPDATE omission SET settled_at = now(), settled_by = 'x', reason = 'y'"
	expect 3 ntt-restore last out
	[[ $stderr != *locked* ]]
}

@test "named streams, and attributes that are kept as streams" {
	mkdir src && echo main >src/f && echo stream >src/s
	head -c 6000 /dev/zero | tr '\0' v >src/v
	ingest src
	stream() {
		sql "INSERT INTO inode_stream SELECT i.medium_hash, i.dev, i.ino, '$1',
			s.size, 'success', s.blobid FROM inode i JOIN path p USING
			(dev, ino), inode s JOIN path q USING (dev, ino)
			WHERE p.path = 'f' AND q.path = '$2'"
	}
	stream Zone.Identifier s
	expect 3 ntt-restore last out
	has "$stderr" "1 named streams are not restored"
	expect 0 ntt-restore --streams last out
	[ "$(cat out/f:Zone.Identifier)" = stream ]
	sql "DELETE FROM inode_stream"
	stream xattr:user.large v
	rm -r out
	on_ext4 fs
	mkfs.ext4 -q -F -O ea_inode ext4-ea.img 50M
	umount fs && mount -o loop ext4-ea.img fs
	expect 0 ntt-restore last fs/out
	getfattr --only-values -n user.large fs/out/f | cmp - src/v
	expect 0 ntt-restore --tar last
	tar -C fs --xattrs --xattrs-include='*' -xf .out f
	getfattr --only-values -n user.large fs/f | cmp - src/v
}

@test "a user who is not root: owners are said once, devices are named" {
	need_root
	mkdir src mine src/d && echo x >src/f && echo y >src/g && echo z >src/d/h
	chown -R 65534:65534 src mine user
	chmod 555 src/d && chown 1234:2345 src/f && chmod 4755 src/f
	mknod src/null c 1 3
	unset NTT_HOME NTT_DB_URL
	as_nobody() {
		cd / && expect "$1" setpriv --reuid=65534 --regid=65534 \
			--clear-groups env HOME="$T/user" "${@:2}" 3>&-
		cd "$T"
	}
	as_nobody 0 ntt-orchestrator -q "$T/src"
	as_nobody 0 ntt-db psql -qc "UPDATE inode SET mode = 0 WHERE (dev, ino) IN
		(SELECT dev, ino FROM path WHERE path = 'g')"
	as_nobody 3 ntt-restore last "$T/mine/out"
	has "$stderr" ':null" is not restored: it could not be made: Operation not permitted'
	has "$stderr" "1 owners or groups could not be set: Operation not permitted"
	has "$stderr" "1 set-user-ID or set-group-ID bits could not be set"
	(cd mine/out && stat -c '%n %a %u' f g d) >modes
	diff modes - <<<$'f 755 65534\ng 0 65534\nd 555 65534'
	cmp src/d/h mine/out/d/h
	as_nobody 3 ntt-restore last "$T/mine/out"
	has "$stderr" "0 entries made"
	[ "$(stat -c %a mine/out/g)" = 0 ]
	rm src/null
	# owners alone are no failure
	as_nobody 0 ntt-restore last:f "$T/mine/out2"
	has "$stderr" "owners or groups could not be set"
}

@test "a catalogue that cannot be written to" {
	mkdir src && echo x >src/f && echo y >src/g
	ingest src
	rm -f "$(blob_of g)"
	PGOPTIONS='-c default_transaction_read_only=on' expect 3 ntt-restore last out
	[ "$(cat out/f)" = x ]
	has "$stderr" ':g" is not restored'
}

@test "a medium without metadata: said once, usual modes" {
	mkdir -p src/d && echo x >src/d/f && chmod 600 src/d/f
	touch -d '2001-02-03 04:05:06' src/d/f
	ntt-enum -q src aaaabbbbccccdddd0000111122223333 - |
		ntt-loader -q - aaaabbbbccccdddd0000111122223333 >/dev/null
	ntt-copier -q --src-root src aaaabbbbccccdddd0000111122223333
	sql "UPDATE inode SET mode = NULL, uid = NULL, gid = NULL"
	expect 0 ntt-restore last out
	[ "$(grep -c "without metadata" <<<"$stderr")" = 1 ]
	[ "$(stat -c %a out/d out/d/f | paste -sd' ')" = "755 644" ]
	[ "$(stat -c %Y out/d/f)" = 981173106 ]
}

@test "a full disk: 75, and the next run goes on" {
	need_root
	mkdir src
	for i in {1..20}; do
		head -c 100000 /dev/urandom >src/$i
	done
	ingest src
	mkdir tmp && mount -t tmpfs -o size=1M tmpfs tmp
	expect 75 ntt-restore last tmp/out
	has "$stderr" "No space left"
	[ -z "$(find tmp -name '.ntt-*' ! -name .ntt-restore)" ]
	mount -o remount,size=8M tmp
	expect 0 ntt-restore last tmp/out
	diff -r src tmp/out
	clean tmp/out
}

@test "the directory: the store is refused, its parent is not made, one run at a time" {
	mkdir src && echo x >src/f
	ingest src
	expect 64 ntt-restore last "$NTT_HOME/by-hash"
	expect 64 ntt-restore last "$NTT_HOME/archived/$M"
	expect 1 ntt-restore last no/such/parent
	mkdir out && : >out/.ntt-restore
	flock out/.ntt-restore sleep 60 3>&- &
	pid=$!
	await '! flock -n out/.ntt-restore true'
	expect 2 ntt-restore last out
	has "$stderr" "another run restores"
	pkill -P $pid && wait $pid || :
	expect 0 ntt-restore last out
}

@test "the attributes of a directory that is somebody's stay" {
	mkdir src && echo x >src/f && chmod 700 src
	ingest src
	mkdir -m 711 out && echo mine >out/mine
	expect 0 ntt-restore last out
	[ "$(stat -c %a out)" = 711 ]
	mkdir -m 711 out2
	expect 0 ntt-restore last out2
	[ "$(stat -c '%a %y' out2)" = "$(stat -c '%a %y' src)" ]
}

@test "a file of the store itself is not taken for a restored one" {
	mkdir src && echo x >src/f && chmod 640 src/f
	ingest src
	mkdir out && ln "$(blob_of f)" out/f
	mode=$(stat -c '%a %u %y' out/f)
	expect 3 ntt-restore last out
	[ "$(stat -c '%a %u %y' out/f)" = "$mode" ]
	expect 0 ntt-restore --overwrite last out
	[ "$(stat -c '%a %h' out/f)" = "640 1" ]
}

@test "--reflink shares blocks, and finds a rotten blob" {
	need_loop
	need mkfs.btrfs btrfs-progs
	truncate -s 200M btrfs.img && mkfs.btrfs -q btrfs.img
	mkdir fs && mount -o loop btrfs.img fs
	export BYHASH_ROOT=$T/fs/by-hash ARCHIVED_ROOT=
	mkdir src && head -c 2M /dev/urandom >src/f && echo small >src/g
	ingest src
	expect 0 ntt-restore --reflink last fs/out
	diff -r src fs/out
	filefrag -v fs/out/f | grep -q shared
	expect 0 ntt-restore --reflink last out
	diff -r src out
	has "$stderr" "cannot share blocks"
	id=$(sql "SELECT blobid FROM blobs ORDER BY size LIMIT 1")
	chmod 644 "fs/by-hash/${id:0:2}/${id:2:2}/$id"
	echo SMALL >"fs/by-hash/${id:0:2}/${id:2:2}/$id"
	expect 3 ntt-restore --reflink last fs/out2
	[ "$(ls -A fs/out2)" = f ]
}

@test "--image: from the archive, sparse, checked" {
	truncate -s 8M disk.img
	mkdir src && echo x >src/f
	mkfs.ext4 -q -F -d src disk.img
	sum=$(b3sum --no-names disk.img)
	need_loop
	ntt-orchestrator -q --image disk.img >/dev/null
	rm disk.img
	expect 0 ntt-restore --image last back.img
	[ "$(b3sum --no-names back.img)" = "$sum" ]
	[ "$(stat -c %b back.img)" -lt 8192 ]
	expect 2 ntt-restore --image last back.img
	echo other >other.img
	expect 1 ntt-restore --image last other.img
	[ "$(cat other.img)" = other ]
	expect 0 ntt-restore --overwrite --image last other.img
	cmp back.img other.img
	mkdir dir
	expect 0 ntt-restore --image last dir
	cmp back.img dir/*.img
	sql "UPDATE medium SET health = 'incomplete'"
	expect 3 ntt-restore --image last dir
	archive=$(echo "$NTT_HOME"/archives/*.tar.zst)
	printf XXXXXXXX | dd of="$archive" bs=1 conv=notrunc 2>/dev/null \
		seek=$(($(stat -c %s "$archive") / 2))
	expect 1 ntt-restore --image last rotten.img
	[ ! -e rotten.img ]
	ingest src
	expect 1 ntt-restore --image "$M" x.img
	has "$stderr" "holds no image"
}
