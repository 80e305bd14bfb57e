#!/usr/bin/env bats
# The private PostgreSQL, the schema, the checks; ntt-identify.

load lib

setup() {
	isolate
	chmod 755 "$T"
}

teardown() {
	[ ! -e "$NTT_HOME/pg/data" ] || ntt-db stop -q || :
}

@test "init, start, stop, status: each says what it did" {
	expect 1 ntt-db status
	expect 0 ntt-db init 3>&-
	expect 0 ntt-db status --json
	has "$output" "\"schema_version\":$(find "$TEST_DIR/../sql" -name '0*.sql' | wc -l)"
	[ "$(stat -c %a "$NTT_HOME")" = 755 ]
	expect 2 ntt-db init --private 3>&-
	has "$stderr" '--private is for a new one'
	expect 2 ntt-db init 3>&-
	expect 0 ntt-db stop
	expect 1 ntt-db status
	has "$output" "down: "
	expect 0 ntt-db start 3>&-
	expect 2 ntt-db migrate
}

@test "init makes NTT_HOME for its owner alone; --private is remembered" {
	export NTT_HOME=$T/new/home
	expect 0 ntt-db init --private 3>&-
	[ "$(stat -c %a "$T/new" "$NTT_HOME")" = $'755\n700' ]
	[ "$(ntt-db psql -XAtqc 'SELECT private FROM catalogue')" = t ]
	expect 64 ntt-db --private status
	ntt-db stop -q
}

@test "a server that is down is started by whoever needs it" {
	ntt-db init -q 3>&-
	ntt-db stop -q
	expect 0 ntt 3>&-
	has "$output" "media       0"
	kill -9 "$(head -n 1 "$NTT_HOME/pg/data/postmaster.pid")"
	expect 0 ntt 3>&-
}

@test "unix socket only, data checksums, fsync, never root" {
	ntt-db init -q 3>&-
	q() { ntt-db psql -XAtqc "$1"; }
	[ -z "$(q 'SHOW listen_addresses')" ]
	[ "$(q 'SHOW data_checksums')" = on ]
	[ "$(q 'SHOW fsync')" = on ]
	pid=$(head -n 1 "$NTT_HOME/pg/data/postmaster.pid")
	[ "$(awk '/^Uid/ { print $2 }' "/proc/$pid/status")" != 0 ]
}

@test "a directory closed to the server, and a path longer than a socket's" {
	long=$T/$(printf 'x%.0s' {1..150})
	mkdir -m 700 "$T/closed" "$long"
	for home in "$T/closed/home" "$long/home"; do
		NTT_HOME=$home expect 0 ntt-db init -q 3>&-
		NTT_HOME=$home expect 0 ntt-db check
		NTT_HOME=$home ntt-db stop -q
	done
}

@test "init killed anywhere is begun again" {
	for ms in 050 150 300 500; do
		timeout -s KILL 0.$ms ntt-db init -q 3>&- || :
	done
	for i in {1..20}; do
		ntt-db init -q 3>&- || [ $? = 2 ] && break
	done
	expect 0 ntt-db check
}

@test "an existing database, empty, older and newer" {
	empty_db
	expect 1 ntt
	has "$stderr" 'has no NTT catalogue: run "ntt-db migrate"'
	expect 0 ntt-db migrate
	expect 0 ntt
	sql 'INSERT INTO schema_version (version) VALUES (99)'
	expect 1 ntt
	has "$stderr" "this program is older"
	sql 'DELETE FROM schema_version WHERE version > 0;
		INSERT INTO schema_version (version) VALUES (0)'
	expect 1 ntt
	expect 64 ntt-db init
	has "$stderr" "NTT_DB_URL is set"
	NTT_DB_URL=postgresql:///x?host=/nowhere expect 75 ntt
}

@test "several servers and no synchronous standby: the check says so" {
	fresh_db
	expect 0 ntt-db check
	[ -z "$stderr" ]
	NTT_DB_URL=${NTT_DB_URL/host=/host=\/nowhere,}
	expect 0 ntt-db check
	has "$stderr" "none is a synchronous standby"
}

@test "migrations at the same time: one makes it, the others wait" {
	empty_db
	for i in 1 2 3 4; do
		ntt-db migrate -q & pids[i]=$!
	done
	made=0
	for i in 1 2 3 4; do
		status=0
		wait "${pids[i]}" || status=$?
		[ $status = 0 ] && made=$((made + 1))
		[ $status = 0 ] || [ $status = 2 ]
	done
	[ $made = 1 ]
}

# broken NAME SQL: the check of that name must find it
broken() {
	sql "$2"
	expect 1 ntt-db check
	has "$output" "FAILED: $1"
}

@test "each invariant that is broken is named by the check" {
	fresh_db
	mkdir "$T/src" && echo x >"$T/src/f" && echo y >"$T/src/g"
	M=aaaabbbbccccdddd0000111122223333
	again() {
		ntt-enum -q "$T/src" $M - | ntt-loader -q --replace --force - $M
		ntt-copier -q -m $M || [ $? = 2 ]
		sql "DELETE FROM blobs WHERE n_hardlinks = 77" >/dev/null
		expect 0 ntt-db check
	}
	again
	broken "every blobid" "UPDATE inode SET blobid = repeat('0', 64)
		WHERE fs_type = 'f'"; again
	broken "every blobid of a stream" "INSERT INTO inode_stream
		(medium_hash, dev, ino, name, size, status, blobid)
		SELECT medium_hash, dev, ino, 's', 1, 'success', repeat('0', 64)
		FROM inode WHERE fs_type = 'f'"; again
	broken "what is known of an inode" "INSERT INTO inode_xattr
		SELECT medium_hash, dev, -7, 'user.x', 'y' FROM inode
		WHERE fs_type = 'd'"; again
	broken "the blob of a regular file" "UPDATE inode SET size = 99
		WHERE fs_type = 'f'"; again
	broken "every inode has a path" "DELETE FROM path WHERE path = 'f'"; again
	broken "no path stands twice" "INSERT INTO path SELECT * FROM path
		WHERE path = 'f'"; again
	broken "every path has its directory" "UPDATE path SET dir = 1
		WHERE path = 'f'"; again
	broken "nothing is pending" "UPDATE inode SET status = 'pending',
		blobid = NULL WHERE fs_type = 'f'"; again
	broken "an excluded inode" "UPDATE inode SET status = 'excluded',
		blobid = NULL WHERE fs_type = 'f'"; again
	broken "a medium with rows" "UPDATE medium SET enum_done = NULL"
	sql "UPDATE medium SET enum_done = now()"; again
	broken "an archived medium" "UPDATE medium SET archived_at = now(),
		copy_done = NULL"
	sql "UPDATE medium SET archived_at = NULL"; again
	broken "a range of work" "UPDATE inode SET status = 'pending',
		blobid = NULL WHERE fs_type = 'f'"; again
	broken "path partitions" "DROP INDEX path_p_${M}_fk_idx"; again
	broken "partitions come in pairs" \
		"ALTER TABLE inode_xattr DETACH PARTITION xattr_p_$M"
	sql "ALTER TABLE inode_xattr ATTACH PARTITION xattr_p_$M
		FOR VALUES IN ('$M')"
	broken "partitions come in pairs" \
		"ALTER TABLE path DETACH PARTITION path_p_$M"
}

@test "illegal rows are impossible" {
	fresh_db
	mkdir "$T/src" && echo x >"$T/src/f"
	M=aaaabbbbccccdddd0000111122223333
	ntt-enum -q "$T/src" $M - | ntt-loader -q - $M
	for change in "status = 'success' WHERE fs_type = 'f'" \
		"blobid = repeat('0', 64) WHERE fs_type = 'f'" \
		"status = 'failed_permanent'" "size = -1"; do
		sql "UPDATE inode SET $change" 2>/dev/null &&
			{ echo "possible: $change"; return 1; }
	done
	sql "UPDATE medium SET health = 'fine'" 2>/dev/null && return 1
	sql "UPDATE medium SET health = NULL"
}

@test "ntt-identify: an image, a directory, a name, a label, a match" {
	fresh_db
	head -c 3000000 /dev/zero | tr '\0' 'x' >"$T/same.img"
	expect 1 ntt-identify "$T/same.img"
	has "$stderr" "one byte repeated"
	expect 0 ntt-identify --label box-7 "$T/same.img"
	[ "$output" = box-7 ]
	expect 64 ntt-identify --label ../x "$T/same.img"
	head -c 3000000 /dev/urandom >"$T/a.img"
	cp "$T/a.img" "$T/0123456789abcdef0123456789abcdef.img"
	expect 0 ntt-identify "$T/0123456789abcdef0123456789abcdef.img"
	[ "$output" = 0123456789abcdef0123456789abcdef ]
	expect 0 ntt-identify --json "$T/a.img"
	want=$( (printf 'SIZE:3000000|MODEL:unknown|SERIAL:unknown|'
		head -c 1048576 "$T/a.img"
		(cat "$T/a.img"; head -c 320 /dev/zero) | tail -c 1048576) |
		b3sum --no-names | cut -c 1-32)
	has "$output" "\"hash\":\"$want\""
	expect 1 ntt-identify --match "$T/a.img"
	sql "INSERT INTO medium (medium_hash, fingerprint)
		VALUES ('$want', '$(b3sum --no-names "$T/a.img")')"
	expect 0 ntt-identify --match "$T/a.img"
	has "$output" "match   $want"
	ln -s "$T/a.img" "$T/link.img"
	expect 75 ntt-identify "$T/link.img"
	has "$stderr" "--full"
	expect 0 ntt-identify --full "$T/link.img"
	[ "$output" = "$want" ]
}

@test "backup and restore: the catalogue as it was, beside a full store" {
	export NTT_HOME=$T/one
	ntt-db init -q 3>&-
	mkdir "$T/src" && echo x >"$T/src/f" && ln -s f "$T/src/l"
	expect 0 ntt-orchestrator -q "$T/src"
	ntt-note -q --set shelf=A last
	all() {
		ntt-db psql -XAtqc "SELECT m FROM medium m" \
			-c "SELECT i FROM inode i ORDER BY i.dev, i.ino" \
			-c "SELECT p FROM path p ORDER BY p.path" \
			-c "SELECT b FROM blobs b ORDER BY b.blobid" \
			-c "SELECT c FROM catalogue c"
	}
	before=$(all)
	expect 0 ntt-db backup "$T/file"
	has "$stderr" 'and was read back'
	[ "$(stat -c %a "$T/file")" = 600 ]
	expect 2 ntt-db restore "$T/file"
	# the cluster is lost
	ntt-db stop -q
	mv "$NTT_HOME/pg" "$T/lost"
	expect 1 ntt-db init 3>&-
	head -c $(($(stat -c %s "$T/file") / 2)) "$T/file" >"$T/half"
	expect 1 ntt-db restore "$T/half" 3>&-
	echo nonsense >"$T/half"
	expect 1 ntt-db restore "$T/half" 3>&-
	expect 0 ntt-db restore "$T/file" 3>&-
	[ "$(all)" = "$before" ]
	expect 0 ntt-db check
	expect 0 ntt-verify -q --all --orphans --sample-rate 1
	expect 2 ntt-orchestrator -q "$T/src"
	expect 2 ntt-db restore "$T/file"
	expect 64 ntt-db backup
}

@test "relocate: images and archives below another directory" {
	fresh_db
	sql "INSERT INTO medium (medium_hash, image_path, archive_path) VALUES
		('aaaa0001', '/data/img/a.img', '/data/arch/a.tar.zst'),
		('aaaa0002', '/data/imgs/b.img', NULL),
		('aaaa0003', '\x' || encode('/data/img/c', 'hex') || 'ff', NULL)"
	expect 0 ntt-db relocate /data/img /new/place/
	has "$stderr" '2 media are below "/new/place/"'
	[ "$(sql "SELECT image_path FROM medium ORDER BY medium_hash" |
		head -n 2)" = "/new/place/a.img
/data/imgs/b.img" ]
	[ "$(sql "SELECT convert_from(decode(trim(trailing 'f' from
		substr(image_path, 3)), 'hex'), 'UTF8') FROM medium
		WHERE medium_hash = 'aaaa0003'")" = /new/place/c ]
	[ "$(sql "SELECT archive_path FROM medium
		WHERE medium_hash = 'aaaa0001'")" = /data/arch/a.tar.zst ]
	expect 2 ntt-db relocate /nowhere /x
}

@test "killed while initdb is at work: the next init waits for that, and is right" {
	for at in PG_VERSION base global/pg_control; do
		ntt-db init -q >/dev/null 2>&1 3>&- & pid=$!
		await '[ -e "$NTT_HOME/pg/data.partial/$at" ]' $pid
		kill -9 $pid
		expect 0 ntt-db init -q 3>&-
		expect 0 ntt-db psql -qc 'SELECT 1'
		ntt-db stop -q
		rm -r "$NTT_HOME/pg"
	done
}
