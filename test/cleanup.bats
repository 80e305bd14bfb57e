#!/usr/bin/env bats
# slow: real mounts
#
# ntt-cleanup-mounts: what is finished goes, and nothing else.

load lib

A=aaaaaaaaaaaaaaaa B=bbbbbbbbbbbbbbbb

setup() {
	isolate
	need_loop
	fresh_db
	mkdir -p "$T/src" "$NTT_HOME/img"
	echo hello >"$T/src/hello"
	user=
}

teardown() {
	local point
	[ -z "$user" ] || { pkill -P "$user"; kill "$user"; } 2>/dev/null || :
	tac /proc/self/mountinfo | cut -d' ' -f5 | grep -F "$T" |
		while IFS= read -r point; do umount -l "$point"; done
	losetup -n -O NAME,BACK-FILE | grep -F "$T" | cut -d' ' -f1 |
		xargs -r -n 1 losetup -d
}

# finished HASH: mounted, loaded, copied, and idle for two hours
finished() {
	mounted_medium "$1"
	ntt-enum -q "$NTT_HOME/mnt/$1" "$1" - |
		ntt-loader -q - "$1"
	sql "UPDATE medium SET image_path = '$NTT_HOME/img/$1',
		source_kind = 'image' WHERE medium_hash = '$1'"
	ntt-copier -q -m "$1"
	sql "UPDATE inode_p_$1 SET processed_at = now() - interval '2 h'"
	[ "$(sql "SELECT copy_done IS NOT NULL FROM medium
		WHERE medium_hash = '$1'")" = t ]
}

mounted_medium() {
	mkfs.ext4 -q -d "$T/src" "$NTT_HOME/img/$1" 4M
	ntt-mount-helper -q mount "$1" "$NTT_HOME/img/$1" >/dev/null
	touch -d '2 hours ago' "$NTT_HOME/run/mount-$1.registry"
}

is_mounted() { mountpoint -q "$NTT_HOME/mnt/$1"; }
is_gone() { [ ! -e "$NTT_HOME/mnt/$1" ]; }

# kept REASON: A is kept for that, and B, which is finished, goes all the same
kept() {
	finished $B
	expect 0 ntt-cleanup-mounts
	has "$output" "$A: kept: $1"
	has "$output" "$B: unmounted"
	is_mounted $A
	is_gone $B
}

@test "what is finished goes, all of it" {
	finished $A
	finished $B
	expect 0 ntt-cleanup-mounts --dry-run
	has "$output" "$A: would be unmounted"
	is_mounted $A
	expect 0 ntt-cleanup-mounts
	has "$output" "$A: unmounted"
	has "$output" "$B: unmounted"
	is_gone $A
	is_gone $B
	! losetup -a | grep -F "$T" || return 1
	expect 0 ntt-cleanup-mounts
	[ -z "$output$stderr" ]
}

@test "a medium the catalogue does not know is kept" {
	mounted_medium $A
	kept "the catalogue does not know it"
}

@test "a medium that is not loaded is kept" {
	mounted_medium $A
	sql "INSERT INTO medium (medium_hash) VALUES ('$A')"
	kept "it is not loaded"
}

@test "a medium without inodes is kept, whatever its row says" {
	mounted_medium $A
	: | ntt-loader -q --force - $A || :
	sql "INSERT INTO medium (medium_hash) VALUES ('$A')
		ON CONFLICT DO NOTHING"
	[ "$(sql "SELECT to_regclass('inode_p_$A') IS NULL")" = f ] ||
		sql "SELECT catalogue_create_partitions('$A');
			SELECT catalogue_key_partitions('$A');
			SELECT catalogue_attach_partitions('$A')" >/dev/null
	sql "UPDATE medium SET enum_done = now(), copy_done = now()"
	kept "it has no inodes"
}

@test "a medium that is being loaded is kept" {
	finished $A
	psql -XAtq "$NTT_DB_URL" -c "SELECT pg_advisory_lock(hashtextextended(
		'ntt-loader $A', 0)); SELECT pg_sleep(100)" >/dev/null 3>&- &
	user=$!
	until [ "$(sql "SELECT count(*) FROM pg_locks WHERE locktype =
		'advisory' AND objsubid = 1 AND granted")" -gt 0 ]; do :; done
	kept "it is being loaded"
}

@test "a medium with pending inodes is kept, also if copy_done is set" {
	finished $A
	sql "UPDATE inode_p_$A SET status = 'pending', blobid = NULL
		WHERE fs_type = 'f'"
	kept "1 of its "
	has "$output" "inodes are pending"
}

@test "a medium without copy_done is kept" {
	finished $A
	sql "UPDATE medium SET copy_done = NULL"
	kept "its copying is not recorded as done"
}

@test "a medium in use is kept, and its user named" {
	finished $A
	flock -s "$NTT_HOME/run/use-$A.lock" sleep 1000 3>&- & user=$!
	await '! flock -n "$NTT_HOME/run/use-$A.lock" true'
	kept "it is in use by process "
	has "$output" "flock)"
}

@test "a medium an orchestrator works on is kept" {
	finished $A
	flock "$NTT_HOME/run/orchestrator-$A.lock" sleep 1000 3>&- & user=$!
	await '! flock -n "$NTT_HOME/run/orchestrator-$A.lock" true'
	kept "ntt-orchestrator works on it"
}

@test "a medium somebody stands in is kept, and he is named" {
	finished $A
	(cd "$NTT_HOME/mnt/$A" && exec sleep 1000 3>&-) & user=$!
	await '[ "$(readlink /proc/$user/cwd)" = "$NTT_HOME/mnt/$A" ]'
	kept "process $user ("
}

@test "a medium whose file is open is kept" {
	finished $A
	sleep 1000 3>&- <"$NTT_HOME/mnt/$A/hello" & user=$!
	kept "process "
	has "$output" "has files of it open"
}

@test "a medium is kept until it was idle for so long" {
	finished $A
	finished $B
	touch "$NTT_HOME/run/mount-$A.registry"
	sql "UPDATE inode_p_$B SET processed_at = now() - interval '5 min'"
	expect 0 ntt-cleanup-mounts
	has "$output" "$A: kept: it was mounted 0 minutes ago"
	has "$output" "$B: kept: its last file was copied 5 minutes ago"
	expect 0 ntt-cleanup-mounts --idle 0
	is_gone $A
	is_gone $B
}

@test "--json" {
	need jq jq
	finished $A
	mounted_medium $B
	expect 0 ntt-cleanup-mounts --json
	[ "$(jq -c '[.schema, .dry_run, (.media[] | [.medium, .action])]' \
		<<<"$output")" = \
		"[1,false,[\"$A\",\"unmounted\"],[\"$B\",\"kept\"]]" ]
}

@test "loops of deleted images are detached, others are not" {
	truncate -s 1M "$NTT_HOME/img/gone" "$T/elsewhere" "$NTT_HOME/img/there"
	for f in "$NTT_HOME/img/gone" "$T/elsewhere" "$NTT_HOME/img/there"; do
		losetup -r -f "$f"
	done
	gone=$(losetup -n -O NAME -j "$NTT_HOME/img/gone" | tr -d ' ')
	rm "$NTT_HOME/img/gone" "$T/elsewhere"
	mounted_medium $A
	rm "$NTT_HOME/img/$A"
	expect 0 ntt-cleanup-mounts --dry-run
	has "$output" "$gone: would be detached"
	expect 0 ntt-cleanup-mounts
	has "$output" "$gone: detached: its image was deleted"
	has "$output" ": kept: it is mounted"
	losetup -a >"$T/loops"
	! grep "$NTT_HOME/img/gone" "$T/loops" || return 1
	grep -q "$T/elsewhere" "$T/loops"
	grep -q "$NTT_HOME/img/there" "$T/loops"
	is_mounted $A
}

@test "a database that is away is no reason to unmount" {
	finished $A
	NTT_DB_URL="host=$T/none" expect 75 ntt-cleanup-mounts
	is_mounted $A
}

@test "the units name what is installed" {
	for f in "$TEST_DIR"/../contrib/systemd/ntt-cleanup-mounts.*; do
		grep -q '^Documentation=man:ntt-cleanup-mounts(1)$' "$f"
	done
	grep -q "^ExecStart=/usr/local/bin/ntt-cleanup-mounts$" \
		"$TEST_DIR/../contrib/systemd/ntt-cleanup-mounts.service"
}
