#!/usr/bin/env bats
# slow: screens that must settle
# ntt-dashboard: what it prints, and what it shows on a terminal.

# expect() sets output and stderr; each test has its own NTT_DB_URL
# shellcheck disable=SC2154,SC2030,SC2031
load lib

M=aaaabbbbccccdddd0000111122223333
N=beef0000beef0000beef0000beef0000

setup() {
	isolate
	fresh_db
	# servers of tmux
	starts=0
}

teardown() {
	[ $starts = 0 ] || tmux -L "$S" kill-server 2>/dev/null || :
	# shellcheck disable=SC2046 # a list of numbers
	[ ! -e "$T/pids" ] || kill -9 $(cat "$T/pids") 2>/dev/null || :
	! mountpoint -q "$NTT_HOME/mnt/$M" || umount -l "$NTT_HOME/mnt/$M"
}

# tree MEDIUM FILES: loaded, not copied
tree() {
	local i
	mkdir -p "$T/$1"
	for ((i = 0; i < $2; i++)); do
		echo "$((i % ($2 / 2 + 1)))" >"$T/$1/$i"
	done
	ntt-enum -q "$T/$1" "$1" - | ntt-loader -q - "$1" >/dev/null
}

# json FILTER: of ntt-dashboard --json
json() {
	ntt-dashboard --json | jq -r "$1"
}

# is FILTER VALUE
is() {
	local got
	got=$(json "$1")
	[ "$got" = "$2" ] || { echo "$1: got $got, want $2"; return 1; }
}

# background COMMAND…: killed when the test ends
background() {
	"$@" 3>&- 4>&- &
	echo $! >>"$T/pids"
}

# start [COLUMNS ROWS [ARGUMENT…]]: on a terminal, of a server of its own, as
# one that was killed answers for a while
start() {
	local columns=${1:-80} rows=${2:-24}
	S=ntt-$$-$BATS_TEST_NUMBER-$((++starts))
	shift $(($# < 2 ? $# : 2))
	tmux -L "$S" -f /dev/null new-session -d -x "$columns" -y "$rows" \
		"stty -a >'$T/before'; ntt-dashboard --interval 1 $*; \
		echo \"ended \$?\"; stty -a >'$T/after'; exec sleep 60" 3>&-
	tmux -L "$S" set -g remain-on-exit on
}

keys() {
	tmux -L "$S" send-keys "$@"
}

pane() {
	tmux -L "$S" capture-pane -p
}

# shows TEXT: until it stands there, ten seconds at most
shows() {
	local i
	for ((i = 0; i < 200; i++)); do
		[[ $(pane) == *"$1"* ]] && return
		sleep 0.05
	done
	echo "no \"$1\" in:"
	pane
	return 1
}

# hides TEXT
hides() {
	local i
	for ((i = 0; i < 200; i++)); do
		[[ $(pane) != *"$1"* ]] && return
		sleep 0.05
	done
	echo "still \"$1\" in:"
	pane
	return 1
}

# ticks N: until the clock in the corner has changed so often
ticks() {
	local i n=0 was now
	was=$(pane | head -n 1)
	for ((i = 0; i < 400 && n < $1; i++)); do
		now=$(pane | head -n 1)
		[ "$now" = "$was" ] || n=$((n + 1))
		was=$now
		sleep 0.05
	done
	[ "$n" = "$1" ] || { echo "the clock stands still:"; pane; return 1; }
}

@test "an empty catalogue" {
	expect 0 ntt-dashboard --once
	has "$output" "media (0)"
	has "$output" "copiers (0)"
	has "$output" "time left   -"
	is '.database.available, (.media | length), .queue.ranges' $'true\n0\n0'
	expect 64 ntt-dashboard --interval 0
	expect 64 ntt-dashboard operand
}

@test "work, totals, ratio: what copiers did" {
	tree $M 40
	is ".media[0] | .state, .progress, .inodes" $'loaded\n0\n41'
	is '.queue.inodes_left' 0
	ntt-copier -q -m $M --src-root "$T/$M"
	is ".media[0] | .state, .progress" $'copied\n1'
	is '.today | .files, .new, .errors' $'40\n21\n0'
	is '.total == .today' true
	is '.total | .saved_bytes == .bytes - .new_bytes' true
	# days that are over count in the total, also for a medium
	sql "INSERT INTO copy_minute VALUES (now() - interval '9 days', '$M',
		1, 100, 5000, 50, 2000, 3),
		(now() - interval '9 days', 'gone', 1, 7, 70, 7, 70, 0)"
	is '.today.files, .total.files, .total.errors' $'40\n147\n3'
	is '.media[0].total.files' 140
	expect 0 ntt-dashboard --once
	has "$output" "total       147 files"
	has "$output" "3 errors"
	has "$output" "$M copied"
}

@test "what is not of the last five minutes is not in the rate" {
	sql "INSERT INTO copy_minute
		SELECT date_trunc('minute', now()) - n * interval '1 min', '$M',
			1, 60, 6000 * n, 0, 0, 0 FROM generate_series(1, 9) n"
	is '.rate.five_minutes | .low, .high' $'100\n500'
	is '.rate.five_minutes.graph | length' 60
	is '.rate.five_minutes | .average >= .low and .average <= .high' true
}

@test "the queue and the time left, by medium" {
	tree $M 4; tree $N 4
	sql "INSERT INTO work_range (medium_hash, number, dev, first_ino,
		last_ino, inodes, bytes, done, next_attempt_at) VALUES
		('$M', 0, 1, 1, 9, 1000, 700000, true, NULL),
		('$M', 1, 1, 10, 19, 500, 200000, false, NULL),
		('$M', 2, 1, 20, 29, 300, 100000, false, now() + interval '1 h'),
		('$N', 0, 1, 1, 9, 4, 40, true, NULL)"
	sql "UPDATE medium SET copy_done = now() WHERE medium_hash = '$N'"
	is '.queue | .ranges, .open, .claimed, .waiting' $'3\n1\n0\n1'
	is '.queue | .inodes_left, .bytes_left, .seconds_left' $'800\n300000\nnull'
	is ".media[] | select(.medium == \"$M\") | .progress" 0.7
	sql "INSERT INTO copy_minute SELECT date_trunc('minute', now()) -
		n * interval '1 min', '$M', 1, 60, 60000, 0, 0, 0
		FROM generate_series(1, 6) n"
	# 300,000 bytes at somewhat less than 1,000 a second
	is '.queue.seconds_left | . >= 300 and . < 400' true
	expect 0 ntt-dashboard --once
	has "$output" "1 ranges open, 0 claimed, 1 waiting"
}

@test "a copier that lives, and one that does not any more" {
	tree $M 4
	sql "INSERT INTO worker (name, host, pid, start_time, medium_hash, files)
		VALUES ('dead', 'elsewhere', 1, 1, '$M', 5),
			('alive', E'h\u00f6st', 77, 1, '$M', 5)"
	is '(.copiers | length), .dead_copiers' $'0\n2'
	background psql -XAtq "$NTT_DB_URL" -c "SELECT pg_advisory_lock(
		catalogue_worker_class(), 2), pg_sleep(60)"
	for ((i = 0; i < 100; i++)); do
		[ "$(json '.copiers | length')" = 0 ] || break
		sleep 0.05
	done
	is '(.copiers | length), .dead_copiers' $'1\n1'
	is '.copiers[0] | .host, .pid, .files, .medium' $'höst\n77\n5\n'$M
	is '.media[0].copiers' 1
	expect 0 ntt-dashboard --once
	has "$output" 'höst" pid 77'
	has "$output" "1 dead"
}

@test "inode and path are never read" {
	tree $M 4
	sql "INSERT INTO diagnostic_event (medium_hash, action) VALUES
		('$M', 'skipped')"
	background psql -XAtq "$NTT_DB_URL" -c "BEGIN; LOCK TABLE inode, path
		IN ACCESS EXCLUSIVE MODE; CREATE TABLE locked (); SELECT
		pg_sleep(60)"
	for ((i = 0; i < 100; i++)); do
		[ "$(sql "SELECT count(*) FROM pg_locks WHERE granted AND
			mode = 'AccessExclusiveLock' AND
			relation = 'inode_p_$M'::regclass")" = 0 ] || break
		sleep 0.05
	done
	expect 1 psql -Xq "$NTT_DB_URL" -c "SET lock_timeout = 50" \
		-c "SELECT FROM inode LIMIT 1"
	expect 0 timeout 5 ntt-dashboard --once
	has "$output" "skipped"
}

@test "events: newest first, the catalogue's and the logs', hostile ones" {
	mkdir -p "$NTT_HOME/log"
	sql "INSERT INTO diagnostic_event (medium_hash, dev, ino, attempt,
		action, errno, message, at) VALUES ('$M', 1, 42, 3, 'max_retries',
		5, E'x\x1b[31m\ny', '2001-01-01')"
	printf '%s\n' \
	'{"ts":"2002-01-01T00:00:00.000Z","prog":"ntt-enum","pid":1,"medium":"'$M'","stage":"enum_error","path":"a\u001b[2Jb","error":"gone"}' \
	'{"ts":"2002-01-01T00:00:00.000Z","prog":"ntt-enum","pid":1,"medium":null,"stage":"enum_done"}' \
	'not JSON' '{"ts":7}' '[]' '{"ts":"2002' \
	'{"ts":"2000-01-01T00:00:00.000Z","prog":"ntt-verify","pid":1,"stage":"finding","kind":"mismatch","blobid":"f00"}' \
		>"$NTT_HOME/log/x.jsonl"
	printf '{"ts":"2003-01-01T00:00:00.000Z","prog":"cut","pid":1,"stage":"x_failed"' \
		>>"$NTT_HOME/log/x.jsonl"
	is '.events | map(.what) | join(" ")' "enum_error max_retries finding"
	is '.events[1].text' $'inode 42: x\e[31m\ny (Input/output error), attempt 3'
	expect 0 ntt-dashboard --once
	has "$output" 'enum_error: a?x1b?2Jb: gone'
	has "$output" 'x?x1b?31m?ny (Input/output error)'
	has "$output" 'finding: mismatch f00'
	[[ $output != *$'\e'* ]]
	is '.at_work | length' 0
}

@test "a log of which the end is read only" {
	mkdir -p "$NTT_HOME/log"
	for ((i = 0; i < 1500; i++)); do
		printf '{"ts":"2002-01-01T00:%02d:%02d.000Z","prog":"p","pid":1,"stage":"n%d_failed","error":"e"}\n' \
			$((i / 60)) $((i % 60)) $i
	done >"$NTT_HOME/log/p.jsonl"
	# a newer file does not push out what is newer still
	echo '{"ts":"2001-01-01T00:00:00.000Z","prog":"p","pid":1,"stage":"old_failed"}' \
		>"$NTT_HOME/log/q.jsonl"
	is '[.events[] | select(.what == "old_failed")] | length' 0
	is '.events | length, map(.what) as $w | ($w | length),
		($w | index("n1499_failed") == 0 and index("n1450_failed") == 49),
		($w | index("n0_failed") == null)' $'50\n50\ntrue\ntrue'
}

@test "programs at work, from their logs" {
	mkdir -p "$NTT_HOME/log"
	# a verification that cannot go on, and tells how far it is
	cp "$(command -v sleep)" "$T/ntt-verify"
	background "$T/ntt-verify" 60
	pid=$(cat "$T/pids")
	now=$(date -u +%Y-%m-%dT%H:%M:%S.000Z)
	line='"prog":"ntt-verify","pid":'$pid',"medium":"'$M'","stage":'
	printf '%s\n' '{"ts":"'"$now"'",'"$line"'"verify_start","bytes":0,"chosen_bytes":4000}' \
		'{"ts":"'"$now"'",'"$line"'"verify_progress","bytes":1000,"chosen_bytes":4000}' \
		'{"ts":"2002-01-01T00:00:00.000Z","prog":"ntt-enum","pid":'$pid',"stage":"enum_begin"}' \
		>"$NTT_HOME/log/ntt-verify.jsonl"
	is '.at_work[] | .prog, .medium, .stage, .done, .all, .unit' \
		$'ntt-verify\n'$M$'\nverify_progress\n1000\n4000\nbytes'
	expect 0 ntt-dashboard --once
	has "$output" "verify_progress, 1.0 kB of 4.0 kB"
	kill -9 "$pid"
	wait "$pid" || :
	is '.at_work | length' 0
	# not that process, although it has its number
	sed -i "s/$pid/$$/" "$NTT_HOME/log/ntt-verify.jsonl"
	is '.at_work | length' 0
}

@test "ntt-verify and ntt-re-hardlink tell how far they are" {
	tree $M 4
	ntt-copier -q -m $M --src-root "$T/$M"
	ntt-verify -q --sample-rate 1 -m $M
	grep verify_start "$NTT_HOME/log/ntt-verify.jsonl" |
		jq -e '.chosen == 3 and .chosen_bytes == 6 and .bytes == 0'
	ntt-re-hardlink -q -m $M
	jq -e 'select(.stage == "relink_done") | .expected == 5' \
		"$NTT_HOME/log/ntt-re-hardlink.jsonl"
}

@test "mounts: as registered, gone, foreign; loop devices of deleted images" {
	need_loop
	mkdir -p "$NTT_HOME/img" "$NTT_HOME/mnt/$M" "$NTT_HOME/mnt/$N"
	truncate -s 4M "$NTT_HOME/img/x y.img"
	mke2fs -q "$NTT_HOME/img/x y.img"
	sql "SELECT 1"
	expect 0 ntt-mount-helper mount $M "$NTT_HOME/img/x y.img"
	is '.mounts[] | .medium, .state, .fstype' "$M"$'\nmounted\next2'
	is '.loops[] | select(.file | endswith("x y.img")) | .deleted, .mounted' \
		$'false\ntrue'
	rm "$NTT_HOME/img/x y.img"
	is '.loops[] | select(.file | endswith("x y.img")) | .deleted' true
	expect 0 ntt-dashboard --once
	has "$output" 'x y.img" deleted! mounted'
	umount "$NTT_HOME/mnt/$M"
	is '.mounts[] | .medium, .state, .fstype' "$M"$'\ngone\nnull'
	mount -t tmpfs none "$NTT_HOME/mnt/$M"
	is '[.mounts[] | .state] | sort | join(" ")' "foreign gone"
	umount "$NTT_HOME/mnt/$M"
}

@test "without a catalogue: what is known of the machine, and 75" {
	export NTT_DB_URL="host=$T/nowhere"
	expect 75 ntt-dashboard --once
	has "$output" "database    away since"
	has "$output" "cpu "
	has "$stderr" "could not ask the catalogue"
	expect 75 ntt-dashboard --json
	jq -e '.database | .available == false and .error != null' <<<"$output"
	# that is no reason to wait
	empty_db
	expect 1 ntt-dashboard --once
	has "$stderr" 'run "ntt-db migrate"'
}

@test "no terminal" {
	expect 64 ntt-dashboard </dev/null
	has "$stderr" "it needs a terminal; --once prints it"
}

@test "every page at 80 by 24 and the way back" {
	tree $M 4
	sql "UPDATE medium SET health = 'corrupt', message = 'box 7',
		problems = '{\"beyond_eof_detected\": true}'"
	start
	shows "5 minutes"
	shows "to copy"
	[ "$(pane | wc -L)" -le 80 ]
	keys 2; shows "NAME (1)"; shows corrupt
	keys Enter; shows "box 7"; shows beyond_eof_detected
	keys Escape; shows "NAME (1)"
	keys 3; shows "no copier is running"
	keys Right; shows "nothing happened"
	keys 5; shows WHERE
	keys Tab; shows "5 minutes"
	keys '?'; shows "this help"
	keys q; shows "ended 0"
	for ((i = 0; i < 100; i++)); do
		[ ! -s "$T/after" ] || break
		sleep 0.05
	done
	diff "$T/before" "$T/after"
	hides "this help"
}

@test "copiers, events and mounts on the screen: chosen, sorted, in full" {
	tree $M 4
	sql "INSERT INTO worker (name, host, pid, start_time, medium_hash, files,
			bytes, errors) VALUES
		('a', 'abel', 71, 1, '$M', 5, 5000000, 0),
		('b', E'h\u00f6st', 72, 1, '$M', 70, 10, 3),
		('c', 'gone', 73, 1, '$M', 9, 10, 0);
		UPDATE worker SET heartbeat = now() - interval '2 minutes'
		WHERE host = 'abel';
		INSERT INTO diagnostic_event (medium_hash, dev, ino, attempt,
		action, errno, message, worker) VALUES ('$M', 1, 42, 3,
		'max_retries', 5, repeat('very long ', 20) || 'end of it',
		'a'), ('$M', 1, 43, 1, 'skipped', 5, 'short', 'a')"
	background psql -XAtq "$NTT_DB_URL" -c "SELECT pg_advisory_lock(
		catalogue_worker_class(), 1), pg_advisory_lock(
		catalogue_worker_class(), 2), pg_sleep(60)"
	for ((i = 0; i < 100; i++)); do
		[ "$(json '.copiers | length')" != 2 ] || break
		sleep 0.05
	done
	mkdir -p "$NTT_HOME/log"
	cp "$(command -v sleep)" "$T/ntt-verify"
	background "$T/ntt-verify" 60
	pid=$(tail -n 1 "$T/pids")
	printf '%s\n' '{"ts":"'"$(date -u +%Y-%m-%dT%H:%M:%S.000Z)"'","prog":"ntt-verify","pid":'"$pid"',"medium":"'$M'","stage":"verify_progress","bytes":1000,"chosen_bytes":4000}' \
		>"$NTT_HOME/log/ntt-verify.jsonl"
	start 120 30
	shows verify_progress; shows "25 %"; shows "1.0 kB"; shows "1 dead"

	# the first copier begins; each order has another one first
	keys 3; shows abel
	shows höst; shows "1 dead: their work"
	first() {
		local i
		for ((i = 0; i < 100; i++)); do
			pane | sed -n '/HOST/{n;p;q}' | grep -q "$1" && return
			sleep 0.05
		done
		pane
		return 1
	}
	first abel
	orders=0
	for ((n = 0; n < 4; n++)); do
		keys s; shows "sort: "
		case $(pane) in
		*"sort: files"*) first höst; orders=$((orders + 1)) ;;
		*"sort: errors"*) first höst; orders=$((orders + 1)) ;;
		esac
		sleep 0.1
	done
	[ $orders -ge 2 ]

	# the newest event is chosen; what is too long for its line is below
	keys 4; shows max_retries; shows skipped
	keys Down; shows "end of it"; shows "; a"
	keys Home; hides "end of it"
	keys q; shows "ended 0"
}

@test "mounts and loop devices on the screen" {
	need_loop
	mkdir -p "$NTT_HOME/img"
	truncate -s 4M "$NTT_HOME/img/x y.img"
	mke2fs -q "$NTT_HOME/img/x y.img"
	ntt-mount-helper -q mount $M "$NTT_HOME/img/x y.img"
	rm "$NTT_HOME/img/x y.img"
	start 160 40
	shows "5 minutes"
	keys 5; shows WHERE; shows "mounted"; shows ext2
	shows deleted
	shows /dev/loop
	keys End; keys Home
	keys q; shows "ended 0"
	umount "$NTT_HOME/mnt/$M"
}

@test "a medium is chosen and stays so, whatever the order" {
	sql "INSERT INTO medium (medium_hash, medium_human, added_at, health)
		SELECT 'm' || n, 'name' || (99 - n), now() - n * interval '1 h',
			CASE n WHEN 40 THEN 'failed' END
		FROM generate_series(10, 69) n"
	start
	shows "5 minutes"
	keys 2; shows "NAME (60)"
	[[ $(pane | sed -n 6p) == " m10 "* ]]
	keys Down Down Enter; shows "name87"
	keys Escape; shows "NAME (60)"
	keys s; shows "sort: name"
	[[ $(pane) == *"name30"* || $(pane) == *"name87"* ]]
	keys Enter; shows "name87"
	keys Escape s; shows "sort: progress"
	keys s; shows "sort: left"
	keys s Home; shows "sort: health"
	shows failed
	keys Enter; shows "name59"
	keys Escape; shows "NAME (60)"
	keys End Enter; shows "name30"; shows "state       registered"
	keys Escape r; shows "health -"
}

@test "a wide terminal shows titles, messages, dates, sizes, and what is missing" {
	sql "INSERT INTO medium (medium_hash, medium_human, title, message,
			added_at, size_bytes, inventory)
		VALUES ('$M', 'WD20', 'Box 7', 'wet on one side',
			'2001-02-03 12:00', 1474560, '[[\"Shelf\", \"A 3\"]]');
		INSERT INTO omission (medium_hash, kind, seen_by)
		VALUES ('$M', 'directory_unreadable', 'test')"
	start 200 50
	shows "5 minutes"
	keys 2; shows "NAME (1)"
	shows "Box 7"; shows "wet on one side"; shows 2001-02-03; shows "1.5 MB"
	pane | grep -qE "SIZE +MISSING STATE"
	pane | grep -qE "1.5 MB +1 registered"
	keys Enter; shows "inventory   Shelf: A 3"
	keys Escape
	tmux -L "$S" resize-window -x 80 -y 24
	shows "Box 7"
	hides "wet on one side"
	keys q; shows "ended 0"
}

@test "resizing, up and down" {
	tree $M 4
	start 80 24
	shows "5 minutes"
	keys 2; shows "NAME (1)"
	hides $M
	tmux -L "$S" resize-window -x 140 -y 40
	shows $M
	tmux -L "$S" resize-window -x 60 -y 20
	shows "needs 80 columns and 24 lines, has 60 and 20"
	tmux -L "$S" resize-window -x 100 -y 30
	shows "NAME (1)"
	tmux -L "$S" resize-window -x 10 -y 3
	shows "needs"
	keys q; shows "ended 0"
}

@test "hostile names stay within their cells" {
	sql "INSERT INTO medium (medium_hash, medium_human) VALUES
		('$M', E'\u202evil\u0007\u009b31m日本語日本語日本語日本語'),
		('$N', E'e\u0301\U0001F4BE disk\nline')"
	start
	shows "5 minutes"
	keys 2; shows "NAME (2)"
	shows '?vil\x07\xc2\x9b'
	shows '💾 disk\x0al'
	[[ $(pane) != *$'\u202e'* ]]
	# columns behind them are where they were
	[ "$(pane | grep -c 'registered -')" = 2 ]
	keys q; shows "ended 0"
}

@test "a terminal without UTF-8, and one without colours" {
	sql "INSERT INTO medium (medium_hash, medium_human) VALUES
		('$M', E'caf\u00e9')"
	export LC_ALL=C
	start
	shows "5 minutes"
	keys 2; shows 'caf?'
	keys q; shows "ended 0"
	tmux -L "$S" kill-server
	export LC_ALL=C.UTF-8
	sql "UPDATE medium SET health = 'failed'"
	sql "INSERT INTO medium (medium_hash, added_at) VALUES
		('$N', now() + interval '1 s')"
	start
	shows "5 minutes"; keys 2; shows 'café'
	tmux -L "$S" capture-pane -pe | grep -q $'\e\\[[0-9;]*31'
	tmux -L "$S" kill-server
	export NO_COLOR=1
	start
	shows "5 minutes"; keys 2; shows 'café'
	tmux -L "$S" capture-pane -pe >"$T/pane"
	grep $'\e\\[[0-9;]*3[0-7]' "$T/pane" && return 1
	keys q; shows "ended 0"
}

@test "a pause, and on" {
	start
	shows "5 minutes"
	keys 2; shows "no media yet"
	keys p; shows paused
	sql "INSERT INTO medium (medium_hash) VALUES ('$M')"
	ticks 3
	keys 3; shows "no copier"
	keys 2; shows "no media yet"
	keys p; shows registered
}

@test "the database goes away and comes back; keys work all the time" {
	export NTT_HOME=$T/own
	unset NTT_DB_URL
	ntt-db init -q 3>&-
	start
	shows "5 minutes"
	ntt-db stop -q
	shows "database away since"
	keys 2; shows "no media yet"
	keys '?'; shows "this help"
	keys Escape
	ntt-db start -q 3>&-
	hides "database away"
	shows "database "
	ntt-db psql -qc "INSERT INTO medium (medium_hash) VALUES ('$M')"
	shows registered
	keys q; shows "ended 0"
	ntt-db stop -q
}

@test "a server that does not answer does not stop the keys" {
	export NTT_HOME=$T/own
	unset NTT_DB_URL
	ntt-db init -q 3>&-
	start
	shows "5 minutes"
	pid=$(head -n 1 "$NTT_HOME/pg/data/postmaster.pid")
	pids=$(ps -o pid= --ppid "$pid")
	# shellcheck disable=SC2086 # a list of numbers
	kill -STOP "$pid" $pids
	# it asks, gets no answer, and goes on
	ticks 3
	keys 2; shows "no media yet"
	keys 3; shows "no copier"
	keys q; shows "ended 0"
	# shellcheck disable=SC2086
	kill -CONT "$pid" $pids
	ntt-db stop -q
}

@test "signals leave the terminal as it was" {
	for signal in TERM:143 HUP:129 INT:130 QUIT:131 SEGV:139; do
		rm -f "$T/after"
		start
		shows "5 minutes"
		kill -"${signal%:*}" "$(tmux -L "$S" list-panes -F '#{pane_pid}' |
			xargs -I{} pgrep -P {} ntt-dashboard)"
		shows "ended ${signal#*:}"
		for ((i = 0; i < 100; i++)); do
			[ ! -s "$T/after" ] || break
			sleep 0.05
		done
		diff "$T/before" "$T/after"
		[[ $(pane) != *"5 minutes"* ]]
		[ "$(tmux -L "$S" display -p '#{alternate_on}#{cursor_flag}')" = 01 ]
		tmux -L "$S" kill-server
	done
}
