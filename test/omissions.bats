#!/usr/bin/env bats
# slow: whole pipelines
# The account: what is missing of a medium is recorded, shown, never 0, and
# settled by doing it or by a person.

load lib

setup() {
	isolate
	fresh_db
	cd "$T"
	mkdir -p src/ok && echo 1 >src/ok/a && echo 2 >src/b
}

teardown() {
	chmod -R u+rwX "$T/src" 2>/dev/null || :
	umount -l "$T/src/m" 2>/dev/null || :
}

# holds QUERY VALUE
holds() {
	local got
	got=$(sql "$1")
	[ "$got" = "$2" ] || { echo "got \"$got\" from: $1"; return 1; }
}

medium() {
	sql "SELECT medium_hash FROM medium"
}

@test "a mounted file system below a directory: 3, named, not archived" {
	need_root
	mkdir src/m && mount -t tmpfs tmpfs src/m && echo hidden >src/m/h
	expect 3 ntt-orchestrator src
	has "$output" 'MISSING      1 file system mounted below it was not entered'
	has "$output" '"m" mount_point'
	has "$stderr" 'so it is not archived'
	expect 1 ntt-archiver "$(medium)"
	has "$stderr" 'was not entered'
	expect 1 ntt-pipeline-status last
	has "$output" 'account      missing'
	has "$output" 'next: ntt-recover-failed list-omissions'
	expect 3 ntt-recover-failed list-omissions last
	has "$output" 'mount_point            "m"'
}

@test "what is accepted with a reason is archived, and then all is done" {
	need_root
	mkdir src/m && mount -t tmpfs tmpfs src/m
	expect 3 ntt-orchestrator src
	expect 64 ntt-recover-failed accept last --all
	expect 1 ntt-recover-failed accept last nothing --reason x
	expect 0 ntt-recover-failed accept last m --reason 'the USB stick'
	expect 0 ntt-recover-failed list-omissions last
	expect 0 ntt-recover-failed list-omissions last --all
	has "$output" 'accepted by'
	has "$output" '"the USB stick"'
	expect 0 ntt-archiver last
	expect 0 ntt-pipeline-status last
}

@test "a failed file is accepted by its path" {
	expect 0 ntt-orchestrator --stop-after load src
	rm src/b
	expect 3 ntt-orchestrator src
	has "$output" 'MISSING'
	expect 0 ntt-recover-failed accept last b --reason 'removed on purpose'
	holds "SELECT failed, accepted FROM catalogue_account('$(medium)')" '0|1'
	expect 0 ntt-recover-failed list-omissions last
}

@test "two names in one directory: the second is an omission" {
	h=11112222333344445555666677778888
	printf 'd\0341\0341\0341\0340\0340\034r\0f\0341\0342\0341\0341\0340\034r/x\0f\0341\0343\0341\0341\0340\034r/x\0' >x.raw
	expect 3 ntt-loader x.raw $h
	holds "SELECT kind, convert_from(path, 'UTF8'), ino FROM omission" \
		'duplicate_name|x|3'
}

@test "a record that stands twice is no omission" {
	h=11112222333344445555666677778888
	printf 'd\0341\0341\0341\0340\0340\034r\0f\0341\0342\0341\0341\0340\034r/x\0f\0341\0342\0341\0341\0340\034r/x\0' >x.raw
	expect 0 ntt-loader x.raw $h
	holds "SELECT count(*) FROM omission" 0
}

@test "omissions of a list go into the catalogue with path and errno" {
	need_root
	mkdir src/locked && chmod 0 src/locked
	setpriv --reuid=65534 --regid=65534 --clear-groups \
		ntt-enum src 11112222333344445555666677778888 - >x.raw || :
	expect 3 ntt-loader x.raw 11112222333344445555666677778888
	holds "SELECT kind, errno, convert_from(path, 'UTF8') FROM omission" \
		'unreadable_directory|13|locked'
}

@test "--refresh: new and changed files are pending, the others stay copied" {
	h=11112222333344445555666677778888
	mkdir src/ok/keep && echo old >src/ok/keep/f && ln src/ok/a src/ok/a2
	touch -d '2020-01-01' src/b src/ok/a src/ok/keep/f
	ntt-enum -q src $h - | ntt-loader -q - $h >/dev/null
	ntt-copier -q -m $h --src-root src
	echo new >src/new && echo changed >src/b && mv src/ok/a2 src/ok/a3
	ntt-enum -q src $h - >x.raw
	expect 0 ntt-loader --refresh x.raw $h
	holds "SELECT string_agg(convert_from(path, 'UTF8'), ' ' ORDER BY path)
		FROM path JOIN inode USING (medium_hash, dev, ino)
		WHERE status = 'pending'" 'b new ok/a ok/a2 ok/a3'
	holds "SELECT copy_done IS NULL FROM medium" t
	expect 0 ntt-copier -q -m $h --src-root src
	expect 0 ntt-db check
	cmp "$NTT_HOME/archived/$h/b" src/b
	cmp "$NTT_HOME/archived/$h/ok/a3" src/ok/a
}

@test "--refresh: what vanished before it was copied is an omission" {
	h=11112222333344445555666677778888
	ntt-enum -q src $h - | ntt-loader -q - $h >/dev/null
	rm src/b
	ntt-enum -q src $h - >x.raw
	expect 3 ntt-loader --refresh x.raw $h
	holds "SELECT kind, convert_from(path, 'UTF8') FROM omission" \
		'vanished|b'
	holds "SELECT count(*) FROM path WHERE path = 'b'" 0
}

@test "--add: nothing is dropped, what is read now is settled" {
	need_root
	h=11112222333344445555666677778888
	mkdir src/m && echo 3 >src/m/f
	mount -t tmpfs tmpfs src/m && echo 4 >src/m/g
	ntt-enum -q src $h - >x.raw || [ $? = 3 ]
	expect 3 ntt-loader x.raw $h
	ntt-copier -q -m $h --src-root src
	rm src/b
	ntt-enum -q --cross src $h - >y.raw
	expect 0 ntt-loader --add y.raw $h
	holds "SELECT count(*) FROM path WHERE path IN ('b', 'm/g')" 2
	holds "SELECT count(*) FROM omission WHERE settled_at IS NULL" 0
	expect 0 ntt-db check
}

@test "what is missing is shown wherever the medium is" {
	need_root
	mkdir src/m && mount -t tmpfs tmpfs src/m
	expect 3 ntt-orchestrator src
	m=$(medium)
	sql "SELECT catalogue_omit('$m', NULL, '\\x3c623e', NULL, NULL,
		'duplicate_name', NULL, 17, 'it stands twice', 'ntt-enum')" >/dev/null
	expect 0 ntt-list-media
	has "$output" "2 missing"
	expect 0 ntt-list-media --json
	[ "$(jq .omissions <<<"$output")" = 2 ]
	expect 0 ntt-dashboard --once
	has "$output" "2 missing"
	expect 0 ntt-dashboard --json
	[ "$(jq '.media[0].omissions' <<<"$output")" = 2 ]
	expect 0 ntt-report -o page.html "$m"
	page=$(cat page.html)
	has "$page" 'What is missing'
	has "$page" 'file system mounted below it was not entered'
	has "$page" '&lt;b&gt;'
	has "$page" 'it stands twice'
	expect 0 ntt-report --collection -o all.html
	grep -q '<span class="bad">2</span>' all.html

	ntt-recover-failed accept "$m" m --reason 'a <backup> of it' >/dev/null
	expect 0 ntt-list-media
	has "$output" "1 missing"
	ntt-report -q -o page2.html "$m"
	grep -q 'accepted by .*: a &lt;backup&gt; of it' page2.html
}
