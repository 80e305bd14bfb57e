#!/usr/bin/env bats
# Programs of the administrator that hear what became of a medium.

load lib

setup() {
	isolate
	fresh_db
	mkdir "$T/hooks" "$T/tree"
	export NTT_HOOKS=$T/hooks
	echo one >"$T/tree/one"
	cp "$T/tree/one" "$T/tree/two"
}

# hook NAME: a shell script from standard input
hook() {
	{ echo '#!/bin/sh'; cat; } >"$T/hooks/$1"
	chmod 755 "$T/hooks/$1"
}

# told: a hook that keeps all it gets as $T/told.json, $T/told.env
told() {
	hook "${1:-50-told}" <<-HOOK
		cat >$T/told.json
		echo "\$NTT_HOOK_MEDIUM \$NTT_HOOK_STATUS \$PWD" >$T/told.env
	HOOK
}

@test "a hook hears of a medium that is done, with the numbers of the summary" {
	need jq jq
	told
	expect 0 ntt-orchestrator --message 'box "7"' "$T/tree"
	hash=$(sql "SELECT medium_hash FROM medium")
	[ "$(cat "$T/told.env")" = "$hash 0 /" ]
	[ "$(wc -l <"$T/told.json")" = 1 ]
	[ "$(jq -c '[.schema, .medium, .status, .failed_stage, .source, .kind,
		.message, .files, .bytes, .contents, .failed, .new_contents,
		.duplicates, .saved_bytes, .missing]' "$T/told.json")" = \
		"[1,\"$hash\",0,null,\"$T/tree\",\"directory\",\"box \\\"7\\\"\",2,8,1,0,1,1,4,null]" ]
	[ "$(jq -r .archive "$T/told.json")" = "$NTT_HOME/archives/$hash.tar.zst" ]
	jq -e '.seconds.load > 0 and .seconds.mount == null' "$T/told.json"
	# everything was done already
	expect 2 ntt-orchestrator "$T/tree"
	[ "$(cat "$T/told.env")" = "$hash 2 /" ]
	[ "$(jq -c .seconds "$T/told.json")" = '{}' ]
}

@test "a hook hears of a run that failed, and at which stage" {
	need jq jq
	told
	: >"$NTT_HOME/by-hash"
	status=0
	ntt-orchestrator "$T/tree" 2>"$T/err" || status=$?
	[ $status != 0 ] && [ $status != 3 ]
	[ "$(jq -c '[.status, .failed_stage, .files]' "$T/told.json")" = \
		"[$status,\"copy\",null]" ]
}

@test "a hook hears of what could not be identified, and of a lost catalogue" {
	need jq jq
	told
	expect 1 ntt-orchestrator "$T/nothing"
	[ "$(cat "$T/told.env")" = " 1 /" ]
	[ "$(jq -c '[.medium, .status, .source]' "$T/told.json")" = \
		"[null,1,\"$T/nothing\"]" ]
	NTT_DB_URL="host=/nowhere dbname=none" expect 75 ntt-orchestrator "$T/tree"
	[ "$(cut -d' ' -f2 "$T/told.env")" = 75 ]
}

@test "a hook hears of an omission: status 3 and the words of it" {
	need jq jq
	told
	mkdir "$T/tree/below"
	need_root
	mount -t tmpfs tmpfs "$T/tree/below"
	status=0
	ntt-orchestrator "$T/tree" >"$T/out" 2>&1 || status=$?
	umount "$T/tree/below"
	[ $status = 3 ]
	jq -e '.status == 3 and (.missing | length > 0)' "$T/told.json"
}

@test "hooks run in the order of their names, and run-parts's names only" {
	for name in 20-b 10-a 30_C; do
		hook "$name" <<<"echo $name >>$T/order"
	done
	hook 15-off <<<"echo off >>$T/order"
	chmod 644 "$T/hooks/15-off"
	hook 20-b.dpkg-old <<<"echo old >>$T/order"
	hook '40-b~' <<<"echo backup >>$T/order"
	mkdir "$T/hooks/50-directory"
	expect 0 ntt-orchestrator "$T/tree"
	[ "$(paste -sd' ' "$T/order")" = "10-a 20-b 30_C" ]
	[[ $stderr != *hook* ]]
}

@test "a hook that fails is named, the next one runs, the status stays" {
	hook 10-fails <<<'echo words; exit 7'
	hook 20-no-program <<<''
	printf '#!/no/such/interpreter\n' >"$T/hooks/20-no-program"
	told 30-told
	expect 0 ntt-orchestrator "$T/tree"
	has "$stderr" "words"
	has "$stderr" "hook \"$T/hooks/10-fails\" failed with status 7"
	has "$stderr" "could not run hook \"$T/hooks/20-no-program\": "
	[[ $output != *words* ]]
	[ -s "$T/told.json" ]
}

@test "a hook that does not end is stopped, with what it started" {
	hook 10-hangs <<-HOOK
		trap '' TERM
		sleep 1000 &
		echo \$\$ \$! >$T/pids
		wait
		sleep 1000
	HOOK
	told 20-told
	NTT_HOOK_TIMEOUT=1 expect 0 ntt-orchestrator "$T/tree"
	has "$stderr" "hook \"$T/hooks/10-hangs\" did not end within 1 seconds"
	[ -s "$T/told.json" ]
	# gone, or dead and waiting for whoever inherited it
	for pid in $(cat "$T/pids"); do
		await "! grep -q '^State:.[^ZX]' /proc/$pid/status"
	done
}

@test "no hook runs for --plan or a wrong command line" {
	told
	expect 0 ntt-orchestrator --plan "$T/tree"
	expect 64 ntt-orchestrator --no-such-option "$T/tree"
	NTT_HOOK_TIMEOUT=soon expect 64 ntt-orchestrator "$T/tree"
	has "$stderr" NTT_HOOK_TIMEOUT
	[ ! -e "$T/told.env" ]
}

@test "root runs no hook that somebody else could have written" {
	need_root
	told
	chown nobody "$T/hooks/50-told"
	expect 0 ntt-orchestrator "$T/tree"
	has "$stderr" "could not run hooks: \"$T/hooks/50-told\" belongs to"
	chown root "$T/hooks/50-told"
	chmod 775 "$T/hooks"
	expect 2 ntt-orchestrator "$T/tree"
	has "$stderr" "could not run hooks: \"$T/hooks\" belongs to"
	[ ! -e "$T/told.env" ]
}

@test "a directory of hooks that is not there is said, unless it is the default" {
	NTT_HOOKS=$T/nowhere expect 0 ntt-orchestrator "$T/tree"
	has "$stderr" "could not look for hooks in \"$T/nowhere\": No such file"
	[ ! -e /etc/ntt/hooks.d ] || skip "this machine has hooks"
	unset NTT_HOOKS
	expect 2 ntt-orchestrator "$T/tree"
	[[ $stderr != *hooks* ]]
}

@test "a hook hears of a run that was interrupted" {
	told
	hash=$(ntt-identify "$T/tree")
	# the loader waits for this one
	psql -Xqd "$NTT_DB_URL" -c "BEGIN; LOCK TABLE inode;
		SELECT pg_sleep(600)" >/dev/null 2>&1 3>&- &
	await '[ "$(sql "SELECT 1 FROM pg_stat_activity
		WHERE wait_event = \$\$PgSleep\$\$")" = 1 ]'
	ntt-orchestrator "$T/tree" >"$T/out" 2>&1 3>&- &
	pid=$!
	await '[ -n "$(sql "SELECT 1 FROM pg_locks WHERE NOT granted")" ]' $pid
	kill -TERM $pid
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE wait_event = 'PgSleep'" >/dev/null
	status=0
	wait $pid || status=$?
	[ $status = 143 ]
	[ "$(cat "$T/told.env")" = "$hash 143 /" ]
}

@test "the sample hook writes a line for each medium" {
	cp "$TEST_DIR/../contrib/hooks/50-list" "$T/hooks"
	export NTT_HOOK_LIST=$T/list
	expect 0 ntt-orchestrator "$T/tree"
	expect 1 ntt-orchestrator "$T/nothing"
	[ "$(cut -d' ' -f3- "$T/list" | sed "s/$(sql \
		"SELECT medium_hash FROM medium")/HASH/")" = \
		"status 0 HASH"$'\n'"status 1 (not identified)" ]
}
