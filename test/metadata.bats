#!/usr/bin/env bats
# slow: loop devices of several file systems
# What a source says about its files beside their contents: taken, loaded,
# kept.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib

M=aaaabbbbccccdddd0000111122223333

setup() {
	isolate
	fresh_db
	SQL=$TEST_DIR/../sql
	SRC=$T/src
	mkdir "$SRC"
}

teardown() {
	mountpoint -q "$T/mnt" && umount "$T/mnt"
	detach_loops
}

# holds QUERY ROWS: what the catalogue answers
holds() {
	local got
	got=$(sql "$1")
	[ "$got" = "$2" ] || { printf 'not "%s" but "%s"\n' "$2" "$got"; return 1; }
}

# tables SCHEMA MEDIUM: the partitions of a medium
tables() {
	sql "SELECT relname FROM pg_class WHERE relkind = 'r'
		AND relnamespace = '$1'::regnamespace
		AND relname ~ '^(inode|path|xattr|stream)_p_' ORDER BY 1"
}

@test "tables: made, attached, replaced and dropped together" {
	sql "INSERT INTO medium (medium_hash) VALUES ('$M');
		SELECT catalogue_create_partitions('$M');
		SELECT catalogue_key_partitions('$M');
		SELECT catalogue_attach_partitions('$M')" >/dev/null
	all="inode_p_$M
path_p_$M
stream_p_$M
xattr_p_$M"
	[ "$(tables public)" = "$all" ]
	sql "INSERT INTO inode_xattr VALUES ('$M', 1, 2, 'user.a', 'x')"
	sql "INSERT INTO inode_xattr VALUES ('$M', 1, 2, 'user.a', 'y')" \
		2>/dev/null && return 1
	sql "INSERT INTO medium_owner VALUES ('$M', false, 7, 'james')"
	sql "SELECT catalogue_create_partitions('$M', 'replacement');
		SELECT catalogue_key_partitions('$M', 'replacement')" >/dev/null
	[ "$(tables replacement)" = "$all" ]
	sql "SELECT catalogue_replace_partitions('$M')"
	[ -z "$(tables replacement)" ]
	[ "$(tables public)" = "$all" ]
	holds "SELECT (SELECT count(*) FROM inode_xattr),
		(SELECT count(*) FROM medium_owner)" "0|0"
	sql "SELECT catalogue_drop_partitions('$M')"
	[ -z "$(tables public)" ]
}

@test "tables: the longest hash leaves no two names alike" {
	a=$(printf 'a%.0s' {1..54})
	sql "SELECT catalogue_create_partitions('${a}x');
		SELECT catalogue_create_partitions('${a}y');
		SELECT catalogue_key_partitions('${a}x');
		SELECT catalogue_key_partitions('${a}y');
		SELECT catalogue_attach_partitions('${a}x');
		SELECT catalogue_attach_partitions('${a}y')" >/dev/null
	[ "$(tables public | wc -l)" = 8 ]
	holds "SELECT max(length(catalogue_partition_name(p, '${a}x')))
		FROM unnest('{inode_p_,path_p_,xattr_p_,stream_p_}'::text[]) p" 63
	sql "INSERT INTO inode_stream (medium_hash, dev, ino, name, size)
		VALUES ('${a}x', 1, 2, 's', 3), ('${a}y', 1, 2, 's', 3)"
	sql "SELECT catalogue_drop_partitions('${a}x')"
	holds "SELECT medium_hash FROM inode_stream" "${a}y"
}

@test "tables: the documented DROP takes the others along" {
	sql "SELECT catalogue_create_partitions('$M');
		SELECT catalogue_key_partitions('$M');
		SELECT catalogue_attach_partitions('$M')" >/dev/null
	sql "DROP TABLE IF EXISTS inode_p_$M CASCADE;
		DROP TABLE IF EXISTS path_p_$M CASCADE" 2>/dev/null
	[ -z "$(tables public)" ]
}

@test "a catalogue of version 1: its media get empty tables" {
	empty_db
	psql -XAtq -v ON_ERROR_STOP=1 "$NTT_DB_URL" -f "$SQL/0001-catalogue.sql"
	sql "CREATE TABLE schema_version (version integer PRIMARY KEY,
			applied_at timestamptz NOT NULL DEFAULT now());
		INSERT INTO schema_version VALUES (1);
		INSERT INTO medium (medium_hash, enum_done) VALUES ('$M', now());
		SELECT catalogue_create_partitions('$M');
		INSERT INTO inode_p_$M (dev, ino, nlink, size, mtime, fs_type)
			VALUES (1, 2, 1, 3, 4, 'f');
		INSERT INTO path_p_$M (dev, ino, path) VALUES (1, 2, 'f');
		SELECT catalogue_key_partitions('$M');
		SELECT catalogue_attach_partitions('$M')" >/dev/null
	expect 0 ntt-db migrate
	[ "$(tables public | wc -l)" = 4 ]
	holds "SELECT ino, mode, holes FROM inode" "2||"
	sql "INSERT INTO inode_xattr VALUES ('$M', 1, 2, 'user.a', 'x')"
	expect 0 ntt-db check
	expect 2 ntt-db migrate
}

# hostile_tree DIR: what a file can be, and what can be said of it
hostile_tree() {
	local d=$1
	mkdir -p "$d/sub/deep" "$d/empty" "$d/secret"
	echo one >"$d/one"
	echo two >"$d/sub/two"
	ln "$d/one" "$d/sub/second name"
	printf 'x' >"$d/"$'new\nline \034 \xff %41='
	ln -s $'target \xfe' "$d/link"
	mkfifo "$d/fifo"
	: >"$d/nothing"
	python3 -c 'import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])' "$d/sock"
	mknod "$d/null" c 1 3
	mknod "$d/far" b 259 1048575 2>/dev/null || mknod "$d/far" b 259 70000
	chmod 4755 "$d/one"
	chmod 2770 "$d/sub"
	chmod 1777 "$d/empty"
	chmod 0 "$d/nothing"
	chown 12345:54321 "$d/sub/two" 2>/dev/null
	chown -h 1:2 "$d/link"
	chown 4294967294:4294967293 "$d/empty"
	touch -d '1969-12-31 23:59:58.25' "$d/sub/two"
	touch -d '2040-02-03 04:05:06.789123456' "$d/sub/deep"
	touch -h -a -d '2001-01-01 01:01:01.000000001' "$d/link"
	touch -d '1980-01-01 00:00:00.5' "$d/null"
}

# said DIR: the numbers of every entry as stat(1) has them
said() {
	(cd "$1" && find . -print0 | sort -z | while IFS= read -r -d '' f; do
		echo "$(stat -c %i "$f")|$((8#$(stat -c %a "$f")))$(stat -c \
			"|%u|%g|%.9Y|%.9X|%.9Z|%.9W|%Hr:%Lr" "$f")"
	done) | sed 's/|0.000000000|\([0-9]*:[0-9]*\)$/|-|\1/' | sort -u
}

# loaded: the same of the catalogue
loaded() {
	sql "WITH t AS (SELECT i.*, p.path FROM inode i JOIN path p
			USING (medium_hash, dev, ino))
		SELECT DISTINCT concat_ws('|', ino, mode, uid, gid,
			t(mtime, mtime_ns), t(atime, atime_ns), t(ctime, ctime_ns),
			coalesce(t(btime, btime_ns), '-'),
			(coalesce(rdev, 0) >> 32) || ':' || (coalesce(rdev, 0) & 4294967295))
		FROM t" | sort -u
}

# the functions that loaded() needs
prepare_loaded() {
	sql "CREATE FUNCTION t(s bigint, ns int) RETURNS text LANGUAGE sql AS
		\$\$ SELECT CASE WHEN s < 0 AND ns > 0
			THEN CASE WHEN s = -1 THEN '-0' ELSE (s + 1)::text END ||
				'.' || lpad((1000000000 - ns)::text, 9, '0')
			ELSE s || '.' || lpad(ns::text, 9, '0') END \$\$"
}

# enumerate_and_load DIR
enumerate_and_load() {
	ntt-enum -q --meta "$1" $M "$T/list.raw"
	ntt-loader -q --kind directory --replace --force "$T/list.raw" $M
}

# filesystem TYPE SIZE [OPTION…]: a new one, mounted at $T/mnt
filesystem() {
	local type=$1 size=$2
	shift 2
	mkdir -p "$T/mnt"
	if [ "$type" = tmpfs ]; then
		mount -t tmpfs -o size="$size" tmpfs "$T/mnt"
		return
	fi
	need "mkfs.$type" "$type"
	truncate -s "$size" "$T/fs.img"
	"mkfs.$type" "$@" "$T/fs.img" >/dev/null 2>&1
	mount -o loop "$T/fs.img" "$T/mnt" || skip "no $type in this kernel"
}

same_numbers() {
	hostile_tree "$T/mnt/tree"
	prepare_loaded
	said "$T/mnt/tree" >"$T/said"
	enumerate_and_load "$T/mnt/tree"
	loaded >"$T/loaded"
	diff "$T/said" "$T/loaded"
	[ "$(wc -l <"$T/said")" -ge 14 ]
	holds "SELECT load_counts->'with_metadata' = load_counts->'inodes'
		FROM medium" t
	expect 0 ntt-db check
}

@test "numbers and times of every entry as stat has them: ext4" {
	need_loop
	filesystem ext4 32M
	same_numbers
}

@test "numbers and times of every entry as stat has them: xfs" {
	need_loop
	filesystem xfs 320M
	same_numbers
}

@test "numbers and times of every entry as stat has them: tmpfs" {
	need_root
	filesystem tmpfs 16M
	same_numbers
}

@test "one record of metadata for each inode, and the rest is find's" {
	need_root
	hostile_tree "$SRC"
	ntt-enum -q --meta "$SRC" $M "$T/meta.raw"
	ntt-enum -q "$SRC" $M "$T/plain.raw"
	tr '\n\0' '\1\n' <"$T/meta.raw" | grep -av '^m' | sort >"$T/a"
	tr '\n\0' '\1\n' <"$T/plain.raw" | sort >"$T/b"
	cmp "$T/a" "$T/b"
	tr '\n\0' '\1\n' <"$T/meta.raw" | grep -a '^m' | cut -d $'\034' -f 3 |
		sort >"$T/inodes"
	find "$SRC" -printf '%i\n' | sort -u | cmp - "$T/inodes"
	expect 0 ntt-raw-check "$T/meta.raw"
	has "$output" "type m $(wc -l <"$T/inodes")"
	expect 0 ntt-raw-tail "$T/meta.raw" 1000
	has "$output" "rdev=1:3"
}

@test "attributes of directories, links and devices are loaded" {
	need_loop
	filesystem ext4 32M
	SRC=$T/mnt/tree
	hostile_tree "$SRC"
	setfattr -n user.plain -v "a value" "$SRC/sub"
	setfattr -n user.bytes -v 0x00203d25ff1c0a "$SRC/sub"
	setfattr -n user.empty "$SRC/sub"
	setfattr -n "user.= %" -v odd "$SRC/empty"
	setfattr -h -n trusted.link -v t "$SRC/link"
	setfattr -h -n trusted.device -v d "$SRC/null"
	setfacl -d -m u:7:rwx "$SRC/sub/deep"
	setfattr -n user.file -v "not now" "$SRC/one"
	enumerate_and_load "$SRC"
	(cd "$SRC" && find . ! -type f -exec getfattr -h -d -m - -e hex {} +) |
		awk '/^# file: / { f = substr($0, 9) }
			/=/ && !/^#/ { print f "|" $0 }
			/^[^#=]+$/ { print f "|" $0 "=0x" }' | sort >"$T/said"
	sql "SELECT convert_from(path, 'UTF8') || '|' ||
		convert_from(name, 'UTF8') || '=0x' || encode(value, 'hex')
		FROM inode_xattr JOIN path USING (medium_hash, dev, ino)" |
		sed 's/^|/.|/' | sort >"$T/loaded"
	sed -i 's/\\075/=/; s/\\040/ /' "$T/said"
	diff "$T/said" "$T/loaded"
	[ "$(wc -l <"$T/said")" = 7 ]
	expect 0 ntt-db check
}

@test "an attribute that cannot be read is an omission" {
	need_root
	mkdir "$SRC/d"
	setfattr -n user.x -v y "$SRC/d"
	chmod 711 "$SRC/d" && chmod 755 "$T" "$SRC"
	# it may look at the directory and not read it
	setpriv --reuid 65534 --regid 65534 --clear-groups ntt-enum -q --meta \
		"$SRC" $M - >"$T/list.raw" 2>"$T/err" || [ $? = 3 ]
	has "$(cat "$T/err")" "extended attribute user.x"
	expect 3 ntt-loader -q --kind directory "$T/list.raw" $M
	holds "SELECT kind, convert_from(path, 'UTF8'), errno FROM omission
		WHERE kind = 'xattr_unread'" "xattr_unread|d|13"
}

@test "names of users and groups: this machine's, or the volume's own" {
	need_root
	echo x >"$SRC/f"
	chown 1:2 "$SRC/f"
	enumerate_and_load "$SRC"
	holds "SELECT convert_from(name, 'UTF8') FROM medium_owner
		WHERE id = 1 AND NOT is_group" "$(getent passwd 1 | cut -d : -f 1)"
	holds "SELECT convert_from(name, 'UTF8') FROM medium_owner
		WHERE id = 2 AND is_group" "$(getent group 2 | cut -d : -f 1)"
	# as ntt-mount-helper would have mounted it
	export NTT_MOUNT_ROOT=$T/mounts
	mkdir -p "$T/mounts/$M/etc"
	mount -t tmpfs tmpfs "$T/mounts/$M"
	mkdir "$T/mounts/$M/etc"
	printf 'anna:x:1:2::/:\nbroken\n:x:3:\nb b:x:3:\n' >"$T/mounts/$M/etc/passwd"
	ln -s /etc/group "$T/mounts/$M/etc/group"
	echo x >"$T/mounts/$M/f"
	chown 1:2 "$T/mounts/$M/f"
	: >"$T/mounts/$M/g" && chown 3:2 "$T/mounts/$M/g"
	status=0
	ntt-enum -q --meta "$T/mounts/$M" $M "$T/list.raw" || status=$?
	umount "$T/mounts/$M"
	[ $status = 0 ]
	ntt-loader -q --replace "$T/list.raw" $M
	holds "SELECT id, is_group, convert_from(name, 'UTF8')
		FROM medium_owner ORDER BY 1" "1|f|anna
3|f|b b"
}

@test "a list without metadata is loaded, and the medium says so" {
	echo x >"$SRC/f"
	find "$SRC" -xdev -printf '%y\034%D\034%i\034%n\034%s\034%Ts\034%p\0' |
		ntt-loader -q - $M
	holds "SELECT load_counts->'with_metadata' FROM medium" 0
	holds "SELECT count(mode) FROM inode" 0
	expect 0 ntt-db check
}

@test "a directory loaded again: its metadata are the second walk's" {
	need_root
	echo x >"$SRC/f"
	setfattr -n user.a -v 1 "$SRC"
	enumerate_and_load "$SRC"
	chmod 700 "$SRC/f"
	setfattr -n user.a -v 2 "$SRC"
	ntt-enum -q --meta "$SRC" $M "$T/list.raw"
	ntt-loader -q --kind directory --refresh "$T/list.raw" $M
	holds "SELECT mode FROM inode WHERE fs_type = 'f'" 448
	holds "SELECT value FROM inode_xattr" '\x32'
	# and where that had none they are the first one's
	ntt-enum -q "$SRC" $M "$T/list.raw"
	ntt-loader -q --kind directory --refresh "$T/list.raw" $M
	holds "SELECT mode FROM inode WHERE fs_type = 'f'" 448
	holds "SELECT value FROM inode_xattr" '\x32'
	expect 0 ntt-db check
}

# copy: what was loaded last
copy() {
	ntt-copier -q -m $M
}

# file_xattrs DIR: what getfattr says of files in it, but for what a copier,
# which gave up root's rights, is not shown
file_xattrs() {
	(cd "$1" && find . -type f -exec getfattr -d -m - -e hex {} +) |
		sed 's,^# file: ,\n&,' | awk '/^# file: / { f = substr($0, 9) }
			/=0x/ && !/^trusted/ { print f "|" $0 }' | sort
}

# stored_xattrs: the same of the catalogue
stored_xattrs() {
	sql "SELECT convert_from(path, 'UTF8') || '|' ||
		convert_from(name, 'UTF8') || '=0x' || encode(value, 'hex')
		FROM inode_xattr JOIN path USING (medium_hash, dev, ino)" | sort
}

# with_attributes DIR: files that have some
with_attributes() {
	local d=$1 i
	mkdir -p "$d"
	for i in plain same again linked; do
		echo "$i" >"$d/$i"
	done
	echo same >"$d/again"
	ln "$d/linked" "$d/other name"
	setfattr -n user.one -v 1 "$d/plain"
	setfattr -n user.bytes -v 0x000a1cff "$d/plain"
	setfattr -n user.same -v first "$d/same"
	setfattr -n user.same -v second "$d/again"
	setfattr -n user.linked -v x "$d/other name"
	setfacl -m u:7:rw "$d/same"
	python3 -c 'import os, sys, struct
os.setxattr(sys.argv[1], "security.capability", struct.pack("<IIIII",
	0x02000001, 1 << 10, 0, 0, 0))' "$d/plain"
}

same_attributes() {
	with_attributes "$T/mnt/tree"
	file_xattrs "$T/mnt/tree" >"$T/said"
	enumerate_and_load "$T/mnt/tree"
	copy
	stored_xattrs >"$T/stored"
	diff "$T/said" "$T/stored"
	[ "$(wc -l <"$T/said")" = 8 ]
	grep -q security.capability "$T/said"
	grep -q posix_acl_access "$T/said"
	check_store
}

@test "attributes of files as getfattr has them, duplicates too: ext4" {
	need_loop
	filesystem ext4 32M
	same_attributes
}

@test "attributes of files as getfattr has them, duplicates too: xfs" {
	need_loop
	filesystem xfs 320M
	same_attributes
}

@test "a large attribute is a content" {
	need_loop
	filesystem xfs 320M
	SRC=$T/mnt/tree
	mkdir "$SRC"
	echo a >"$SRC/a"; echo b >"$SRC/b"
	python3 - "$SRC" <<-'END'
		import os, sys
		v = bytes(range(256)) * 160
		os.setxattr(sys.argv[1] + "/a", "user.large", v)
		os.setxattr(sys.argv[1] + "/b", "user.large", v)
		os.setxattr(sys.argv[1] + "/b", "user.row", v[:4096])
		open(sys.argv[1] + "/c", "wb").write(v)
		open(sys.argv[1] + "/../want", "wb").write(v)
	END
	enumerate_and_load "$SRC"
	copy
	id=$(b3sum --no-names "$T/mnt/want")
	holds "SELECT convert_from(path, 'UTF8'), convert_from(name, 'UTF8'),
		s.size, s.status, s.blobid
		FROM inode_stream s JOIN path USING (medium_hash, dev, ino)
		ORDER BY 1" "a|xattr:user.large|40960|success|$id
b|xattr:user.large|40960|success|$id"
	cmp "$T/mnt/want" "$NTT_HOME/by-hash/${id:0:2}/${id:2:2}/$id"
	holds "SELECT name, length(value) FROM inode_xattr" '\x757365722e726f77|4096'
	holds "SELECT count(*), sum(n_hardlinks) FROM blobs" "3|3"
	check_store
	expect 0 ntt-verify -q --medium $M
}

@test "attributes of a file that cannot be read are an omission, until they can" {
	need_loop
	filesystem ext4 32M -b 4096 -O ^metadata_csum
	mkdir "$T/mnt/tree"
	echo a >"$T/mnt/tree/a"
	setfattr -n user.x -v "$(printf 'y%.0s' {1..2000})" "$T/mnt/tree/a"
	umount "$T/mnt"
	block=$(debugfs -R 'stat /tree/a' "$T/fs.img" 2>/dev/null |
		sed -n 's/.*File ACL: \([0-9]*\).*/\1/p')
	[ "$block" -gt 0 ]
	cp "$T/fs.img" "$T/good.img"
	dd if=/dev/zero of="$T/fs.img" bs=4096 seek="$block" count=1 \
		conv=notrunc status=none
	mount -o loop "$T/fs.img" "$T/mnt"
	enumerate_and_load "$T/mnt/tree"
	expect 3 ntt-copier -m $M
	has "$stderr" "extended attributes of 1 files could not be read"
	holds "SELECT kind, convert_from(path, 'UTF8'), errno, seen_by,
		settled_at IS NULL FROM omission" "xattr_unread|a|117|ntt-copier|t"
	holds "SELECT status FROM inode WHERE fs_type = 'f'" success
	expect 0 ntt-db check
	# read again they are there
	umount "$T/mnt"
	mount -o loop "$T/good.img" "$T/mnt"
	sql "UPDATE inode SET status = 'pending', blobid = NULL
		WHERE fs_type = 'f'; DELETE FROM work_range;
		UPDATE medium SET copy_done = NULL"
	expect 0 ntt-copier -m $M
	holds "SELECT settled_by FROM omission" ntt-copier
	holds "SELECT length(value) FROM inode_xattr" 2000
}

@test "flags, holes" {
	need_loop
	filesystem ext4 32M
	SRC=$T/mnt/tree
	mkdir "$SRC"
	echo a >"$SRC/plain"
	echo b >"$SRC/kept" && chattr +di "$SRC/kept"
	echo c >"$SRC/log" && chattr +a "$SRC/log"
	truncate -s 1M "$SRC/hole"
	printf x | dd of="$SRC/hole" bs=1 seek=65536 conv=notrunc status=none
	truncate -s 20000 "$SRC/empty"
	mkdir "$SRC/folder" "$SRC/usual" && chattr +ADs "$SRC/folder"
	sync
	# where the file system has the data
	at=$(python3 -c 'import os, sys
f = os.open(sys.argv[1], os.O_RDONLY); d = os.lseek(f, 0, os.SEEK_DATA)
print(d, os.lseek(f, d, os.SEEK_HOLE))' "$SRC/hole")
	enumerate_and_load "$SRC"
	copy
	chattr -i "$SRC/kept"; chattr -a "$SRC/log"
	holds "SELECT convert_from(path, 'UTF8'), flags, holes
		FROM inode JOIN path USING (medium_hash, dev, ino)
		WHERE path <> '' ORDER BY 1" "empty||{[0,20000)}
folder|65665|
hole||{[0,${at% *}),[${at#* },1048576)}
kept|80|
log|32|
plain||
usual||"
}

@test "a directory loaded again: attributes go with files that stay copied" {
	need_root
	with_attributes "$SRC"
	touch -d '1 hour ago' "$SRC"/*
	truncate -s 100000 "$SRC/hole"
	touch -d '1 hour ago' "$SRC/hole"
	enumerate_and_load "$SRC"
	copy
	stored_xattrs >"$T/before"
	mv "$SRC/plain" "$T/elsewhere"
	setfattr -n user.same -v third "$SRC/again"
	ntt-enum -q --meta "$SRC" $M "$T/list.raw"
	ntt-loader -q --kind directory --refresh "$T/list.raw" $M
	# only what has changed is read again
	holds "SELECT convert_from(path, 'UTF8')
		FROM inode JOIN path USING (medium_hash, dev, ino)
		WHERE status = 'pending' ORDER BY 1" again
	stored_xattrs >"$T/loaded"
	grep -v '^again' "$T/before" | diff - "$T/loaded"
	holds "SELECT holes FROM inode JOIN path USING (medium_hash, dev, ino)
		WHERE path = 'hole'" "{[0,100000)}"
	copy
	stored_xattrs >"$T/after"
	sed '/^again/s/=0x.*/=0x7468697264/' "$T/before" | diff - "$T/after"
	check_store
}

@test "body file and DFXML have modes, owners and all times" {
	need_root
	echo x >"$SRC/f"
	chown 5:6 "$SRC/f"
	chmod 4751 "$SRC/f"
	touch -m -d '2001-02-03 04:05:06.25 UTC' "$SRC/f"
	chmod 1777 "$SRC"
	# before anybody reads it
	said=$(stat -c '%X|%Y|%Z|%W' "$SRC/f")
	exact=$(stat -c '%.9X %.9Z %.9W' "$SRC/f")
	enumerate_and_load "$SRC"
	copy
	expect 0 ntt-report --bodyfile $M
	has "$output" "|r/rrwsr-x--x|5|6|2|$said"
	has "$output" "|d/drwxrwxrwt|0|0|"
	expect 0 ntt-report --dfxml -o "$T/x.xml" $M
	xmllint --noout "$T/x.xml"
	f="//*[local-name()='fileobject'][*='f']/*[local-name()="
	[ "$(xmllint --xpath "string($f'mode'])" "$T/x.xml")" = $((8#4751)) ]
	[ "$(xmllint --xpath "string($f'uid'])" "$T/x.xml")" = 5 ]
	[ "$(xmllint --xpath "string($f'gid'])" "$T/x.xml")" = 6 ]
	[ "$(xmllint --xpath "string($f'mtime'])" "$T/x.xml")" = 2001-02-03T04:05:06.250000000Z ]
	told=
	for e in atime ctime crtime; do
		told+=" $(date -u -d "$(xmllint --xpath "string($f'$e'])" \
			"$T/x.xml")" +%s.%N)"
	done
	[ "$told" = " $exact" ]
}

@test "a bag lists links, empty directories and times" {
	need_root
	mkdir "$SRC/empty"
	ln -s $'to \xff there' "$SRC/link"
	echo x >"$SRC/"$'bad\xff'
	chmod 600 "$SRC/"$'bad\xff'
	touch -d '2001-02-03 04:05:06 UTC' "$SRC/empty"
	enumerate_and_load "$SRC"
	copy
	expect 0 ntt-report -q --bagit "$T/bag" $M
	python3 - "$T/bag/metadata/tree.jsonl" <<-'END'
		import json, sys
		rows = {r.get("path", r.get("path_hex")): r for r in
			map(json.loads, open(sys.argv[1]))}
		assert sorted(rows) == ["", "626164ff", "empty", "link"], rows
		assert rows["empty"]["type"] == "d"
		assert rows["empty"]["mtime"] == "2001-02-03T04:05:06Z"
		assert rows["626164ff"]["mode"] == "0600"
		assert bytes.fromhex(rows["link"]["target_hex"]) == b"to \xff there"
		assert all(k in r for r in rows.values()
			for k in ("uid", "gid", "atime", "ctime"))
	END
	(cd "$T/bag" && sha512sum --quiet --strict -c tagmanifest-sha512.txt)
	grep -q metadata/tree.jsonl "$T/bag/tagmanifest-sha512.txt"
}
