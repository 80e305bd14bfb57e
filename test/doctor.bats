#!/usr/bin/env bats
# ntt-doctor: what is missing, wrong or full is said with what helps, and
# nothing is changed.

load lib

setup() {
	isolate
	fresh_db
	cd "$T"
}

teardown() {
	! mountpoint -q "$T/small" || umount -l "$T/small"
	detach_loops
}

# finding GRADE TEXT: there is one in the JSON
finding() {
	jq -e --arg grade "$1" --arg text "$2" \
		'[.findings[] | select(.grade == $grade) |
			select(.text | contains($text))] | length >= 1' \
		<<<"$output" >/dev/null ||
		{ echo "no $1 \"$2\" in $output"; return 1; }
}

# without PROGRAM…: PATH has all programs but these
without() {
	local dir f
	rm -rf "$T/path"
	mkdir "$T/path"
	for dir in /usr/sbin /usr/bin; do
		ln -s $dir/* "$T/path/" 2>/dev/null || :
	done
	for f; do
		rm "$T/path/$f"
	done
}

@test "nothing is wrong, nothing is changed" {
	expect 0 ntt-doctor --json
	[ "$(jq .wrong <<<"$output")" = 0 ]
	[ "$(jq '.findings | length' <<<"$output")" -gt 10 ]
	finding ok "PostgreSQL"
	finding ok "BYHASH_ROOT"
	[ -z "$(find "$NTT_HOME" -mindepth 1)" ]
	expect 0 ntt-doctor
	has "$output" "0 wrong"
	expect 0 ntt-doctor -q
	[ -z "$output" ]
	expect 64 ntt-doctor a b
}

@test "programs that are missing are named with their package" {
	without ddrescue pg_dump
	PATH=$(dirname "$(command -v ntt-doctor)"):$T/path \
		expect 1 ntt-doctor --json
	finding WRONG "ddrescue is missing"
	finding note "pg_dump is missing"
	[ "$(jq -r '.findings[] | select(.text | startswith("ddrescue")) | .help' \
		<<<"$output")" = "sudo apt-get install gddrescue" ]
}

@test "roots: not writable, full, read-only, no directory, on two file systems" {
	need_root
	echo x >file
	mkdir closed small
	mount -t tmpfs -o size=4M tmpfs small
	as="setpriv --reuid=65534 --regid=65534 --clear-groups"
	chmod 755 "$T"
	RAW_ROOT=$T/file/raw IMAGE_ROOT=$T/closed BYHASH_ROOT=$T/small/by-hash \
		ARCHIVED_ROOT=$T/archived expect 1 $as ntt-doctor --json
	finding WRONG "RAW_ROOT \"$T/file/raw\" cannot be made"
	finding WRONG "IMAGE_ROOT \"$T/closed\" cannot be written to"
	finding WRONG "BYHASH_ROOT \"$T/small/by-hash\" has 4"
	finding WRONG "on different file systems"
	mount -o remount,ro small
	BYHASH_ROOT=$T/small/by-hash ARCHIVED_ROOT= expect 1 ntt-doctor --json
	finding WRONG "mounted read-only"
}

@test "a store without hard links" {
	need_loop
	need mkfs.exfat exfatprogs
	need mount.exfat-fuse exfat-fuse
	mkdir small
	truncate -s 4G disk
	mkfs.exfat disk >/dev/null
	mount.exfat-fuse "$(losetup -f --show disk)" small >/dev/null
	BYHASH_ROOT=$T/small/b ARCHIVED_ROOT=$T/small/a \
		expect 1 ntt-doctor --json
	finding WRONG "has no hard links"
	BYHASH_ROOT=$T/small/b ARCHIVED_ROOT= expect 0 ntt-doctor --json
	[ "$(jq '[.findings[] | select(.text | contains("hard links"))] |
		length' <<<"$output")" = 0 ]
	[ -z "$(find small -mindepth 1)" ]
}

@test "locks that everybody could remove" {
	mkdir -p "$NTT_HOME/run"
	chmod 777 "$NTT_HOME/run"
	expect 1 ntt-doctor --json
	finding WRONG "remove the locks"
	chmod 1777 "$NTT_HOME/run"
	expect 0 ntt-doctor --json
}

@test "a catalogue that is away, old, new, or of another store" {
	mkdir tree && echo x >tree/f
	ntt-orchestrator -q tree
	expect 0 ntt-doctor --json
	finding ok "the stores are this catalogue's"
	NTT_DB_URL="host=$T/nowhere" expect 1 ntt-doctor --json
	finding WRONG "it cannot be reached"

	sql 'INSERT INTO schema_version SELECT max(version) + 1
		FROM schema_version'
	expect 1 ntt-doctor --json
	finding WRONG "and these programs know"
	sql 'DELETE FROM schema_version WHERE version > 3'
	expect 1 ntt-doctor --json
	finding WRONG "is needed"

	fresh_db
	expect 1 ntt-doctor --json
	finding WRONG "belongs to catalogue"
	rm -r "$NTT_HOME/by-hash/.ntt-store"
	expect 1 ntt-doctor --json
	finding WRONG "may be another catalogue's"
}

@test "the store of this catalogue is not mounted" {
	mkdir tree && echo x >tree/f
	ntt-orchestrator -q tree
	mv "$NTT_HOME/by-hash" aside
	mkdir "$NTT_HOME/by-hash"
	expect 1 ntt-doctor --json
	finding WRONG "not mounted"
}

@test "blobs that are bad, media with something left out, a store nobody reads" {
	mkdir tree && echo x >tree/f && echo y >tree/g
	ntt-orchestrator -q tree
	sql "UPDATE blobs SET state = 'bad' WHERE blobid =
		(SELECT min(blobid) FROM blobs)"
	sql "UPDATE blobs SET created_at = now() - interval '400 days'"
	sql "INSERT INTO omission (medium_hash, kind, seen_by)
		SELECT medium_hash, 'directory_unreadable', 'ntt-enum' FROM medium"
	expect 1 ntt-doctor --json
	finding WRONG "1 blobs are bad"
	finding note "of 1 media something was left out"
	finding note "a blob was last read 400 days ago"
	ntt-verify -q --all --sample-rate 1 || :
	expect 0 ntt-doctor --json
	[ "$(jq .wrong <<<"$output")" = 0 ]
	expect 0 ntt-doctor
}

@test "locks enough for all media" {
	sql "INSERT INTO medium (medium_hash) SELECT md5(n::text)
		FROM generate_series(1, 20000) n"
	expect 1 ntt-doctor --json
	finding WRONG "a question over all of 20,000 media may need"
}

@test "room for a medium" {
	mkdir tree && head -c 3000000 /dev/zero >tree/f && ln tree/f tree/g
	truncate -s 900T huge || truncate -s 15T huge
	expect 0 ntt-doctor --json tree
	finding ok "the contents may need 3"
	expect 1 ntt-doctor --json huge
	finding WRONG "the contents and the archive may need"
	expect 1 ntt-doctor no-such
	has "$stderr" "no-such"
}

@test "a user for whom nothing is configured" {
	need_root
	chmod 755 "$T"
	mkdir visitor && chown nobody visitor
	expect 0 env -i ASAN_OPTIONS="${ASAN_OPTIONS:-}" PATH="$PATH" HOME="$T/visitor" \
		setpriv --reuid=65534 --regid=65534 --clear-groups \
		ntt-doctor --json
	has "$stderr" "keeps everything in \"$T/visitor/ntt\""
	finding ok "BYHASH_ROOT \"$T/visitor/ntt/by-hash\", to be made"
	[ -z "$(find visitor -mindepth 1)" ]
}
