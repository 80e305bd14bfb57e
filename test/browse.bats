#!/usr/bin/env bats
# ntt-browse: a mount of the collection is what ntt-restore gives back, gives
# errors where something is missing, and nowhere else.

# expect() sets output and stderr
# shellcheck disable=SC2154,SC2030,SC2031
load lib

setup() {
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	need fusermount3 fuse3
	isolate
	cd "$T"
	chmod 755 "$T"
	fresh_db
	mkdir mnt
}

teardown() {
	cd /
	for d in "$T/mnt" "$T/other" "$T/nobody/mnt"; do
		umount -q -l "$d" 2>/dev/null || :
	done
	[ ! -e "$T/nobody/ntt/pg" ] || as_nobody ntt-db stop -q || :
	[ ! -e "$T/own/pg" ] || NTT_HOME=$T/own ntt-db stop -q || :
}

# ingest DIR [STATUS]: into the catalogue and the store; its hash in $M
ingest() {
	ntt-orchestrator -q "$1" >/dev/null || [ $? = "${2:-0}" ]
	M=$(sql "SELECT medium_hash FROM medium ORDER BY added_at DESC LIMIT 1")
}

browse() {
	expect 0 ntt-browse "$@" mnt
	[ -z "$stderr" ]
}

unmount() {
	expect 0 ntt-browse --unmount mnt
}

# eio COMMAND…: it meets an I/O error
eio() {
	! "$@" >eio.out 2>eio.err || { echo "no error: $*"; return 1; }
	has "$(cat eio.err)" "Input/output error"
}

as_nobody() {
	env -u NTT_DB_URL setpriv --reuid=65534 --regid=65534 --clear-groups \
		env HOME="$T/nobody" NTT_HOME="$T/nobody/ntt" "$@"
}

@test "a hostile tree is there as it was, and as ntt-restore gives it back" {
	need_root
	need rsync rsync
	need setfacl acl
	difficult_tree src
	mkdir src/meta
	pushd src/meta >/dev/null
	mknod null c 1 3
	mknod disk b 7 200
	chown 5:6 disk
	echo acl >acl && setfacl -m u:1234:rw,g:2345:r acl
	mkdir "read only" && echo x >"read only/x" && chmod 0 "read only/x" &&
		chmod 555 "read only"
	setfattr -n user.bytes -v 0x00ff1c0a acl
	setfattr -n user.dir -v d "read only"
	echo cap >cap && setcap cap_net_raw+ep cap
	echo suid >suid && chown 1234:2345 suid && chmod 6755 suid
	truncate -s 3M sparse && printf data | dd of=sparse bs=1 seek=1M conv=notrunc 2>/dev/null
	echo old >old && touch -d '1955-11-05 01:02:03.123456789' old
	popd >/dev/null
	ingest src
	ntt-restore -q "$M" out
	browse
	m=mnt/media/src
	for d in "src out" "out $m" "$m src"; do
		# shellcheck disable=SC2086 # two words
		set -- $d
		rsync -naHAXi --numeric-ids --delete "$1/" "$2/" >rsync.out
		[ ! -s rsync.out ] || { echo "$d"; cat rsync.out; return 1; }
	done
	# find(1) and tar(1) see the same; the kernel has other numbers
	for d in out $m; do
		(cd $d && find . ! -type d -printf '%P %y %m %U %G %s %n %T@ %l\0' |
			sort -z) >"list.${d%%/*}"
		(cd $d && find . -printf '%P\0' | sort -z) >"names.${d%%/*}"
		tar --xattrs --acls --numeric-owner --sort=name --mtime=@0 -C $d \
			-cf "${d%%/*}.tar" .
	done
	cmp list.out list.mnt
	cmp names.out names.mnt
	tar -tvf out.tar | sort >tar.out
	tar -tvf mnt.tar | sort >tar.mnt
	cmp tar.out tar.mnt
	diff -r --no-dereference out/bytes $m/bytes
	# hard links are one inode
	[ "$(find $m -samefile $m/dup/a/one -printf x)" = xx ]
	[ "$(stat -c %b $m/meta/sparse)" -lt 100 ]
	[ "$(getfattr --only-values -n user.dir "$m/meta/read only")" = d ]
	has "$(cat mnt/media/src.omissions.txt)" "Nothing that is known."
	# a mount of devices that are none, and to which nobody writes
	expect 1 dd if=$m/meta/null count=1
	expect 1 touch $m/meta/acl
	has "$stderr" "Read-only file system"
	unmount
}

@test "the store is there by its hashes" {
	mkdir src && echo one >src/one && seq 1000 >src/two
	ingest src
	browse
	(cd mnt/blobs && find . -type f | sort) >got
	(cd "$NTT_HOME/by-hash" && find ./?? -type f | sort) >want
	cmp got want
	while read -r f; do
		[ "$(b3sum --no-names "mnt/blobs/$f")" = "${f##*/}" ]
	done <got
	expect 2 ls mnt/blobs/.ntt-store
	unmount
}

@test "lost ranges give EIO, byte by byte, and the rest of the file reads" {
	mkdir src
	head -c 20000 /dev/urandom | tee keep >src/damaged
	head -c 9000 /dev/urandom >src/nobody-knows
	echo whole >src/whole
	ingest src
	sql "INSERT INTO inode_damage (medium_hash, dev, ino, determined, extents)
		SELECT medium_hash, dev, ino, size = 20000, CASE WHEN size = 20000
			THEN '{[512,1024),[10000,12345)}'::int8multirange END
		FROM inode WHERE size IN (20000, 9000)"
	browse
	m=mnt/media/src
	cat >reads.py <<'END'
import errno, os, sys
want = open(sys.argv[2], "rb").read()
fd = os.open(sys.argv[1], os.O_RDONLY)
lost = set(range(512, 1024)) | set(range(10000, 12345))
for at in range(20000):
    try:
        if os.pread(fd, 1, at) != want[at:at + 1]:
            sys.exit(f"other byte at {at}")
        if at in lost:
            sys.exit(f"a lost byte at {at}")
    except OSError as e:
        if e.errno != errno.EIO or at not in lost:
            sys.exit(f"{e} at {at}")
assert os.pread(fd, 7655, 12345) == want[12345:]
assert os.pread(fd, 600, 0) == want[:512]
assert os.pread(fd, 100000, 12345) == want[12345:]
END
	python3 reads.py $m/damaged keep
	# a mapping never shows zeros for what is lost
	cat >maps.py <<'END'
import mmap, sys
with open(sys.argv[1], "rb") as f:
    m = mmap.mmap(f.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    print(m[int(sys.argv[2])])
END
	[ "$(python3 maps.py $m/damaged 5000)" = "$(od -An -tu1 -j5000 -N1 keep | tr -d ' ')" ]
	expect 135 python3 maps.py $m/damaged 600
	expect 135 python3 maps.py $m/damaged 4
	eio cat $m/damaged
	eio cat $m/nobody-knows
	[ "$(cat $m/whole)" = whole ]
	# tar(1) notices
	expect 2 tar -C $m -cf archive.tar .
	has "$(cat $m.omissions.txt)" '"damaged": these bytes could not be read from the medium: {[512,1024),[10000,12345)}'
	has "$(cat $m.omissions.txt)" '"nobody-knows": some bytes could not be read'
	unmount
	# as ntt-cat has them
	expect 0 ntt-browse --damaged zeros mnt
	cmp $m/damaged keep
	cat $m/nobody-knows >/dev/null
	unmount
}

@test "what is not stored is shown with its size, and opening it fails" {
	mkdir src
	for f in failed excluded pending good gone unreliable drifted-on; do
		head -c ${#f}00 /dev/urandom >src/$f
	done
	mv src/drifted-on src/drifted
	ln -s target src/link
	ingest src
	sql "UPDATE inode SET status = 'failed_permanent', blobid = NULL,
		error_type = 'io_error', errors = ARRAY[E'I/O error\nat 7'] WHERE size = 600;
		UPDATE inode SET status = 'pending', blobid = NULL WHERE size = 700;
		UPDATE inode SET status = 'excluded', blobid = NULL WHERE size = 800;
		UPDATE path SET exclude_reason = 'ex*' WHERE path = 'excluded'"
	sql "UPDATE inode SET size = 7, errors = '{drift: size}' FROM path p
		WHERE p.path = 'drifted' AND p.dev = inode.dev AND p.ino = inode.ino"
	gone=$(ntt-find --json -m "$M" gone | jq -r .blob)
	unreliable=$(b3sum --no-names src/unreliable)
	sql "SELECT catalogue_omit('$M', NULL, convert_to(E'sec\nret', 'UTF8'),
		NULL, NULL, 'unreadable_directory', 13, NULL, NULL, 'ntt-enum')" >/dev/null
	mv "$(blob_file "$gone")" elsewhere
	ntt-browse -fv mnt 2>log &
	await 'mountpoint -q mnt' $!
	m=mnt/media/src
	[ "$(stat -c %s $m/failed $m/pending $m/excluded | xargs)" = "600 700 800" ]
	for f in failed excluded pending gone; do
		eio cat $m/$f
	done
	cmp $m/good src/good
	# it changed before it was read: what was read is there
	cmp $m/drifted src/drifted
	[ "$(readlink $m/link)" = target ]
	has "$(cat log)" '"gone" gives an I/O error: its blob '"$gone"' could not be opened in the store: No such file'
	has "$(cat log)" '"failed" gives an I/O error: it is not stored'
	text=$(cat $m.omissions.txt)
	has "$text" '"sec\\nret": 1 directory could not be read'
	has "$text" '"failed": not stored: it could not be copied from the medium: I/O error at 7'
	has "$text" '"excluded": not stored: it was excluded by the pattern "ex*"'
	has "$text" '"pending": not stored: it is not copied yet'
	# rsync and tar(1) notice
	expect 2 tar -C $m -cf archive.tar .
	# what is marked is seen soon; so is what came
	cat $m/unreliable >/dev/null
	sql "UPDATE blobs SET state = 'bad' WHERE blobid = '$unreliable'"
	await '! cat $m/unreliable >/dev/null 2>&1'
	await '[[ $(cat log) == *"is marked in the catalogue"* ]]'
	sql "UPDATE inode SET status = 'success', error_type = NULL,
		blobid = '$(b3sum --no-names src/failed)' WHERE size = 600"
	cmp $m/failed src/failed
	unmount
	wait
}

@test "a blob that was healed: the right bytes at the next opening" {
	mkdir src
	head -c 100000 /dev/urandom | tee keep >src/f
	ingest src
	blob=$(blob_file "$(b3sum --no-names keep)")
	browse
	chmod 644 "$blob" && flip_bit "$blob" 5000
	! cmp -s keep mnt/media/src/f
	cp keep new && mv new "$blob"
	cmp keep mnt/media/src/f
	cmp keep "mnt/blobs/${blob#"$NTT_HOME/by-hash/"}"
	unmount
}

@test "names that are too long, impossible, or of directories without a row" {
	mkdir src
	echo 1 >src/file
	ingest src
	long=$(printf '%0300d' 7)
	# a list made by hand, as no file system has it
	sql "UPDATE medium SET copy_done = now(), load_counts = NULL;
		INSERT INTO inode (medium_hash, dev, ino, nlink, size, mtime, fs_type,
			status, blobid)
		SELECT medium_hash, dev, ino + n, 1, 2, 0, 'f', 'success', blobid
		FROM inode, generate_series(1000, 1010) n WHERE fs_type = 'f';
		INSERT INTO inode (medium_hash, dev, ino, nlink, size, mtime, fs_type,
			status)
		SELECT medium_hash, dev, ino + 2000, 1, 0, 0, 'd', 'non_file'
		FROM inode WHERE size = 2 LIMIT 1;
		INSERT INTO path (medium_hash, dev, ino, path)
		SELECT medium_hash, dev, ino, convert_to(p, 'UTF8') FROM (SELECT *, row_number() OVER
			(ORDER BY ino) AS n FROM inode WHERE size = 2) i,
			unnest(ARRAY['file', '$long', '${long}x', 'no/row/here', 'a/../b',
			'file/below', 'x//y']) WITH ORDINALITY AS u(p, n)
		WHERE u.n = i.n AND p <> 'file'"
	sql "INSERT INTO path (medium_hash, dev, ino, path) SELECT medium_hash, dev,
		ino, '${long}d' FROM inode WHERE fs_type = 'd' AND ino > 2000
		ORDER BY ino DESC LIMIT 1;
		INSERT INTO path (medium_hash, dev, ino, path)
		SELECT medium_hash, dev, ino, '${long}d/inside' FROM inode
		WHERE size = 2 ORDER BY ino DESC LIMIT 1;
		SELECT catalogue_fill_directories('$M')" >/dev/null
	browse
	m=mnt/media/src
	(cd $m && find . -type f | sort) >got
	[ "$(grep -c . got)" = 5 ]
	grep -qx './no/row/here' got
	grep -qx './file' got
	[ "$(grep -cE '^\./0{238}~[0-9a-f]{16}(/inside)?$' got)" = 3 ]
	while read -r f; do
		[ "$(cat "$m/$f")" = 1 ]
	done <got
	[ "$(stat -c %a $m/no/row)" = 555 ]
	text=$(cat mnt/media/src.omissions.txt)
	has "$text" "\"$long\": shown as \"$(sed -n 's/^\.\/\(0*~.*\)/\1/p' got | grep -v / | grep "$(printf %s "$long" | b3sum | head -c 16)")\""
	has "$text" '"a/../b": not shown, because no file can have this path'
	has "$text" '"x//y": not shown'
	has "$text" '"file": what is in this directory is not shown, because a file has its name'
	# the same in another mount
	unmount
	browse
	(cd $m && find . -type f | sort) | cmp - got
	unmount
}

@test "a list of files alone, and files whose directory was gone the second time" {
	mkdir -p src/a/b/c src/d && echo 1 >src/a/b/c/f && echo 2 >src/d/g && echo 3 >src/h
	ingest src
	[ "$(sql "SELECT load_counts ->> 'implied_directories' FROM medium")" = 0 ]
	rm -r src/d && echo 4 >src/a/new
	ntt-enum -q --meta src "$M" - | ntt-loader -q --refresh - "$M" >/dev/null
	ntt-copier -q "$M" || [ $? = 3 ]
	ntt-enum -q src cafe0000cafe0000 - | python3 -c '
import sys
for r in sys.stdin.buffer.read().split(b"\0"):
    if r[:1] == b"f": sys.stdout.buffer.write(r + b"\0")' >files.raw
	ntt-loader -q --strip src files.raw cafe0000cafe0000 >/dev/null
	ntt-note --title cafe cafe0000cafe0000
	[ "$(sql "SELECT load_counts ->> 'implied_directories' FROM medium
		WHERE medium_hash = 'cafe0000cafe0000'")" = 3 ]
	browse
	(cd mnt/media/src && find . -type f | sort | xargs) >got
	[ "$(cat got)" = "./a/b/c/f ./a/new ./d/g ./h" ]
	[ "$(cat mnt/media/src/d/g)" = 2 ]
	(cd mnt/media/cafe && find . -type f | sort | xargs) >got
	[ "$(cat got)" = "./a/b/c/f ./a/new ./h" ]
	unmount
}

@test "media: names, those that come, change and go while it is mounted" {
	mkdir -p one/box two/box
	echo 1 >one/box/f
	echo 2 >two/box/f
	ingest one/box
	first=$M
	browse
	[ "$(ls mnt/media)" = $'box\nbox.omissions.txt' ]
	exec 7<mnt/media/box/f
	ingest two/box
	await '[ -e mnt/media/box-$M/f ]'
	[ "$(cat mnt/media/box/f mnt/media/box-"$M"/f | xargs)" = "1 2" ]
	ntt-note --title $'a/../\tb' "$M"
	await '[ -e "mnt/media/a_.._b/f" ] 2>/dev/null || [ -e mnt/media/a_.._b/f ] || [ -e "$(echo mnt/media/a_*b)/f" ]'
	# loaded again: the old one is stale, the new one is there
	cd mnt/media/box
	echo 3 >"$T/one/box/g"
	ntt-enum -q --meta "$T/one/box" "$first" - |
		ntt-loader -q --replace --force - "$first" >/dev/null
	await '[ -e "$T/mnt/media/box/g" ]'
	expect 2 ls .
	[[ $stderr == *[Ss]tale* ]]
	cd "$T"
	[ "$(cat <&7)" = 1 ]
	exec 7<&-
	ntt-remove -q --yes --reason test "$M" >/dev/null 2>&1 ||
		ntt-loader --drop --yes "$M" >/dev/null 2>&1
	await '! ls mnt/media/a_*b/f 2>/dev/null'
	[ -e mnt/media/box/g ]
	unmount
}

@test "restricted media, and those that are named" {
	mkdir -p a b c
	echo a >a/f; echo b >b/f; echo c >c/f
	ingest a; ingest b; ingest c
	ntt-note --restricted "$M"
	expect 0 ntt-browse mnt
	has "$stderr" '1 restricted medium is not shown, and neither is "blobs"'
	[ "$(find mnt -mindepth 1 -maxdepth 2 | sort | xargs)" = \
		"mnt/media mnt/media/a mnt/media/a.omissions.txt mnt/media/b mnt/media/b.omissions.txt" ]
	expect 1 cat mnt/media/c/f
	expect 2 ls mnt/blobs
	unmount
	expect 0 ntt-browse mnt c a
	[ -z "$stderr" ]
	[ "$(cat mnt/media/*/f | xargs)" = "a c" ]
	unmount
	expect 0 ntt-browse -m c mnt
	[ "$(cat mnt/media/*/f)" = c ]
	unmount
	expect 1 ntt-browse mnt nobody
	has "$stderr" nobody
	expect 2 ntt-browse --unmount mnt
}

@test "a medium that is not loaded does not look like an empty one" {
	sql "INSERT INTO medium (medium_hash, medium_human)
		VALUES ('cafe0000cafe0000', 'not yet')"
	mkdir -p src "$NTT_HOME/by-hash" && echo 1 >src/f && ingest src
	browse
	eio ls "mnt/media/not yet"
	has "$(cat "mnt/media/not yet.omissions.txt")" "It is not loaded"
	[ "$(cat mnt/media/src/f)" = 1 ]
	unmount
}

@test "an unprivileged user browses his own collection" {
	need_root
	mkdir -p nobody/src/secret nobody/mnt
	echo mine >nobody/src/secret/file
	chmod 0 nobody/src/secret/file
	chown -R 65534:65534 nobody
	chmod 400 nobody/src/secret/file
	as_nobody ntt-db init -q 3>&-
	as_nobody ntt-orchestrator -q "$T/nobody/src" 3>&- >/dev/null
	as_nobody ntt-db psql -qc "UPDATE inode SET uid = 0, mode = 0
		WHERE fs_type = 'f'"
	expect 0 as_nobody ntt-browse "$T/nobody/mnt"
	[ "$(as_nobody stat -c '%a %u' nobody/mnt/media/src/secret/file)" = "0 0" ]
	[ "$(as_nobody cat nobody/mnt/media/src/secret/file)" = mine ]
	# nobody else may look at it
	expect 1 cat nobody/mnt/media/src/secret/file
	has "$(grep ntt-browse /proc/mounts)" "ro,nosuid,nodev,noexec"
	expect 0 as_nobody ntt-browse --unmount "$T/nobody/mnt"
	! mountpoint -q nobody/mnt || return 1
}

@test "the catalogue goes away and comes back" {
	export NTT_HOME=$T/own
	unset NTT_DB_URL
	ntt-db init -q 3>&-
	mkdir -p src/sub && echo 1 >src/f && echo 2 >src/sub/g
	ntt-orchestrator -q src >/dev/null 3>&-
	browse
	m=mnt/media/src
	[ "$(cat $m/f)" = 1 ]
	exec 7<$m/f
	ntt-db stop -q
	# what is known is there, what is not is an error
	[ "$(cat <&7)" = 1 ]
	exec 7<&-
	eio ls $m/sub
	has "$(cat "$NTT_HOME/log/ntt-browse.log")" "the catalogue does not answer"
	ntt-db start -q 3>&-
	await '[ "$(cat $m/sub/g 2>/dev/null)" = 2 ]'
	has "$(cat "$NTT_HOME/log/ntt-browse.log")" "the catalogue answers again"
	# a session that is ended is nothing that anybody notices
	ntt-db psql -qc "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name LIKE 'ntt-browse%'" >/dev/null
	[ "$(cat $m.omissions.txt | wc -l)" = 3 ]
	unmount
	ntt-db stop -q
}

@test "mount points that will not do: one line each" {
	mkdir -p src full other && echo 1 >src/f && touch full/x file
	ingest src
	expect 2 ntt-browse full
	[ "$stderr" = 'ntt-browse: "full" is not empty; what is in it would be hidden' ]
	expect 1 ntt-browse file
	[ "$stderr" = 'ntt-browse: cannot mount on "file": it is no directory' ]
	expect 1 ntt-browse nowhere
	[ "$stderr" = 'ntt-browse: cannot mount on "nowhere": No such file or directory' ]
	browse
	expect 2 ntt-browse mnt
	[ "$stderr" = 'ntt-browse: "mnt" is a mount point already; "ntt-browse --unmount" unmounts it' ]
	expect 2 ntt-browse --unmount other
	[ "$stderr" = 'ntt-browse: "other" is no mount point' ]
	expect 1 ntt-browse --unmount /proc
	[ "$stderr" = 'ntt-browse: "/proc" is not a mount of ntt-browse' ]
	expect 64 ntt-browse
	unmount
	NTT_DB_URL='host=/nowhere' expect 75 ntt-browse mnt
	! mountpoint -q mnt || return 1
}

@test "killed, it is unmounted by fusermount3 and mounted again; a signal unmounts" {
	mkdir src && echo 1 >src/f
	ingest src
	ntt-browse -f mnt 2>log &
	pid=$!
	await 'mountpoint -q mnt' $pid
	[ "$(cat mnt/media/src/f)" = 1 ]
	kill -KILL $pid
	wait $pid || :
	expect 1 cat mnt/media/src/f
	expect 2 ntt-browse mnt
	has "$stderr" '"mnt" is the mount of a program that is gone; "ntt-browse --unmount" unmounts it'
	fusermount3 -u mnt
	ntt-browse -f mnt 2>log &
	pid=$!
	await 'mountpoint -q mnt' $pid
	kill -KILL $pid
	wait $pid || :
	unmount
	ntt-browse -f mnt 2>log &
	pid=$!
	await 'mountpoint -q mnt' $pid
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ $status = 143 ]
	! mountpoint -q mnt || return 1
	[ ! -s log ]
}

@test "more names than it keeps: the kernel forgets, and all is still there" {
	mkdir src && echo 1 >src/f
	ingest src
	# 300,000 names of one content
	sql "INSERT INTO inode (medium_hash, dev, ino, nlink, size, mtime, fs_type,
			status, blobid)
		SELECT medium_hash, dev, ino + n, 1, 2, 0, 'f', 'success', blobid
		FROM inode, generate_series(1, 300000) n WHERE fs_type = 'f';
		INSERT INTO path (medium_hash, dev, ino, path, dir)
		SELECT i.medium_hash, i.dev, i.ino, convert_to('d' || d || '/' ||
			n, 'UTF8'), catalogue_directory(convert_to('d' || d, 'UTF8'))
		FROM (SELECT *, row_number() OVER (ORDER BY ino) AS n FROM inode
			WHERE size = 2) i, LATERAL (SELECT n / 1000 AS d) x
		WHERE n > 1; UPDATE medium SET load_counts = NULL; ANALYZE"
	ntt-browse -f mnt 2>log &
	pid=$!
	await 'mountpoint -q mnt' $pid
	for _ in 1 2; do
		[ "$(find mnt/media/src -type f -size 2c | wc -l)" = 300001 ]
	done
	[ "$(cat mnt/media/src/d150/150001)" = 1 ]
	kb=$(awk '/^VmHWM/ { print $2 }' /proc/$pid/status)
	echo "$kb kB"
	# the sanitizers keep what was freed
	[ -n "${ASAN_OPTIONS:-}" ] || [ "$kb" -lt 250000 ]
	[ ! -s log ]
	unmount
	wait $pid
}
