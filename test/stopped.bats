#!/usr/bin/env bats
# slow: programs wait ten seconds for a server that stands still
# A server that is stopped, not dead, answers nothing and closes nothing.  Every
# program ends all the same when it is told to.

load lib

setup_file() {
	export BATS_TEST_TIMEOUT=300	# what hangs has failed
}

setup() {
	isolate
	chmod 755 "$T"
	export NTT_HOME=$T/own
	ntt-db init -q 3>&-
	unset NTT_DB_URL
	cd "$T"
	mkdir tree
	for ((i = 0; i < 3000; i++)); do
		echo "$i" >"tree/$i"
	done
}

teardown() {
	go_on
	kill -9 $children 2>/dev/null || :
	ntt-db stop -q || :
}

# The processes of the private server.
servers() {
	local first
	first=$(head -n 1 "$NTT_HOME/pg/data/postmaster.pid")
	echo "$first" $(pgrep -P "$first")
}

stand_still() {
	kill -STOP $(servers)
}

go_on() {
	kill -CONT $(servers) 2>/dev/null || :
}

# begin COMMAND…: in the background, as $pid
begin() {
	"$@" >"$T/out" 2>"$T/err" 3>&- &
	pid=$!
	children="$children $pid"
}

# ends SIGNAL STATUS: it does
ends() {
	local status=0 end=$((SECONDS + 60))
	kill "-$1" $pid
	while kill -0 $pid 2>/dev/null && [ "$SECONDS" -lt $end ]; do
		sleep 0.1
	done
	! kill -0 $pid 2>/dev/null || { echo "it runs on"; return 1; }
	wait $pid || status=$?
	[ $status = "$2" ] || { echo "status $status"; cat "$T/err"; return 1; }
}

copying() {
	[ "$(ntt-db psql -XAtqc "SELECT count(*) FROM inode
		WHERE status = 'success'")" -gt 0 ]
}

@test "a copier, and nothing is lost" {
	M=$(ntt-identify tree)
	ntt-enum -q tree "$M" - | ntt-loader -q - "$M" >/dev/null
	begin ntt-copier -q -m "$M" --batch-size 20
	await copying $pid
	stand_still
	ends TERM 143
	go_on
	expect 0 ntt-copier -q -m "$M"
	[ "$(ntt-db psql -XAtqc "SELECT count(*) FROM inode
		WHERE status = 'success'")" = 3000 ]
}

@test "copiers of ntt-copy-workers, and it itself" {
	M=$(ntt-identify tree)
	ntt-enum -q tree "$M" - | ntt-loader -q - "$M" >/dev/null
	begin ntt-copy-workers --wait -q -w 2 -m "$M"
	await copying $pid
	stand_still
	ends TERM 143
	! pgrep -f "^[^ ]*ntt-copier.* $M" || return 1
}

@test "the orchestrator with its children" {
	begin ntt-orchestrator -q --workers 2 tree
	await copying $pid
	stand_still
	ends TERM 143
	go_on
	expect 0 ntt-orchestrator -q tree
}

@test "the loader" {
	M=$(ntt-identify tree)
	mkfifo list
	ntt-enum -q tree "$M" x.raw
	begin ntt-loader -q list "$M"
	exec 7>list
	head -c 100000 x.raw >&7
	stand_still
	(tail -c +100001 x.raw >&7) 2>/dev/null &
	children="$children $!"
	exec 7>&-
	ends TERM 143
	go_on
	expect 0 ntt-loader -q x.raw "$M"
}

@test "the dashboard" {
	need tmux tmux
	tmux -L "ntt$$" new-session -d -x 80 -y 24 \
		"ntt-dashboard --interval 1; echo it ended with \$? >'$T/end'"
	await "tmux -L ntt$$ capture-pane -p | grep -qi media"
	stand_still
	sleep 3
	tmux -L "ntt$$" send-keys q
	await '[ -s "$T/end" ]'
	[ "$(cat "$T/end")" = "it ended with 0" ]
	tmux -L "ntt$$" kill-server || :
}

@test "those that only ask" {
	stand_still
	for words in "ntt-list-media" "ntt-find x" "ntt-verify --all" \
		"ntt-pipeline-status abcd" "ntt-report --collection -o page" \
		"ntt-dashboard --once" "ntt-doctor" "ntt-cleanup-mounts" \
		"ntt-heal --all" "ntt-reclaim"; do
		# shellcheck disable=SC2086 # words of a command
		begin $words
		sleep 0.5
		status=0
		kill -TERM $pid 2>/dev/null || :
		await "! kill -0 $pid 2>/dev/null"
	done
}
