#!/usr/bin/env bats
# contrib/completion/ntt in a real bash: what Tab offers.

# expect() sets output and stderr; each test has its own NTT_DB_URL
# shellcheck disable=SC2154,SC2030,SC2031
load lib

A=aaaabbbbccccdddd0000111122223333
B=beef0000beef0000beef0000beef0000

setup() {
	isolate
	cd "$T"
	mkdir -p work/dir work/"d ir"
	: >work/file.img; : >work/file.raw
	cd work
}

# tab WORD…: what is offered for the last word, sorted, in one line
tab() {
	bash --norc --noprofile -c '
		. "$1" || exit 1
		shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		how=$(complete -p "${COMP_WORDS[0]}") || exit 1
		[[ $how == *"-F _ntt "* ]] || exit 1
		_ntt
		printf "%s\n" "${COMPREPLY[@]}" | sort
		' bash "$TEST_DIR/../contrib/completion/ntt" "$@" | paste -sd' '
}

# offers WANT WORD…
offers() {
	local want=$1 got
	shift
	got=$(tab "$@")
	[ "$got" = "$want" ] || { echo "$*: $got, not $want"; return 1; }
}

@test "it is a shell script without faults" {
	need shellcheck shellcheck
	shellcheck "$TEST_DIR/../contrib/completion/ntt"
}

@test "the options of every program are those of its --help" {
	for p in $(programs); do
		want=$("$p" --help | grep -oE '^ +(-[A-Za-z0-9], )?--[a-z-]+' |
			grep -oE -- '--[a-z-]+' | sort | paste -sd' ')
		offers "$want" "$p" --
		[ "$p" = ntt ] || offers "$want" ntt "${p#ntt-}" --
		offers "--version" "$p" --vers
	done
}

@test "commands, and pages of help" {
	has "$(tab ntt '')" "archiver browse cat check-multipart"
	has "$(tab ntt '')" " help "
	offers "enum" ntt en
	offers "enum" ntt help en
	offers "" ntt help enum ''
	offers "start status stop" ntt db st
	offers "start status stop" ntt-db -q st
	offers "" ntt-db start st
	offers "list-damaged list-failures list-omissions" \
		ntt-recover-failed list
}

@test "files, directories, devices" {
	offers "d ir dir" ntt-count-hardlinks ''
	offers "d ir dir file.img file.raw" ntt-raw-check ''
	offers "d ir dir" ntt-copier --src-root d
	offers "file.img file.raw" ntt-verify --from-file f
	offers "file.img" ntt-orchestrator --image file.i
	# the argument of an option is no operand
	offers "" ntt-copier --limit f
	for d in /sys/block/[svh]d[a-z]; do
		[ -e "$d" ] || continue
		has "$(tab ntt-identify /dev/)" "/dev/${d##*/}"
	done
}

@test "choices" {
	offers "always auto never" ntt-enum --progress ''
	offers "always auto" ntt-enum --progress = a
	offers "always auto never" ntt-enum --progress =
	offers "comma" ntt-list-media --format c
	offers "carved" ntt-loader --kind ca
	offers "io_error" ntt-recover-failed --error-type i
	offers "load" ntt orchestrator --stop-after l
}

@test "media, from the catalogue" {
	fresh_db
	offers "" ntt-pipeline-status ''
	sql "INSERT INTO medium (medium_hash) VALUES ('$A'), ('$B')"
	offers "$A $B" ntt-pipeline-status ''
	offers "$B" ntt-pipeline-status be
	offers "$B" ntt archiver b
	offers "$A $B" ntt-copier ''
	# the argument of an option is no operand
	offers "" ntt-copier --limit ''
	for p in ntt-copier ntt-copy-workers ntt-verify ntt-verify-sudo \
		ntt-re-hardlink ntt-recover-failed; do
		offers "$A" "$p" -m aa
		offers "$A" "$p" --medium aa
		offers "$A" "$p" --medium = aa
	done
	for p in archiver report mark-excluded "mount-helper mount" \
		"sandbox status" "loader file.raw" "enum dir"; do
		# shellcheck disable=SC2086 # two words
		offers "$A" ntt $p aa
	done
	offers "$A $B d ir dir file.img file.raw" ntt-loader file.raw ''
}

@test "a catalogue that is away is neither waited for nor started" {
	ntt-db init -q 3>&-
	sql() { ntt-db psql -XAtqc "$1"; }
	sql "INSERT INTO medium (medium_hash) VALUES ('$A')"
	offers "$A" ntt-pipeline-status ''
	ntt-db stop -q
	offers "" ntt-pipeline-status ''
	expect 1 ntt-db status
	export NTT_DB_URL=postgresql://192.0.2.1/none
	before=$SECONDS
	offers "" ntt-pipeline-status ''
	[ $((SECONDS - before)) -lt 8 ]
}

@test "installed under the name of every program, and uninstalled" {
	make -s -C "$TEST_DIR/.." install DESTDIR="$T/root" B="$NTT_BUILD"
	dir=$T/root/usr/local/share/bash-completion/completions
	for p in $(programs); do
		cmp "$dir/$p" "$TEST_DIR/../contrib/completion/ntt"
	done
	make -s -C "$TEST_DIR/.." uninstall DESTDIR="$T/root" B="$NTT_BUILD"
	[ -z "$(find "$T/root" ! -type d)" ]
}

@test "in a terminal: Tab" {
	fresh_db
	sql "INSERT INTO medium (medium_hash) VALUES ('$A')"
	S=ntt-$$-completion
	tmux -L $S -f /dev/null new-session -d -x 80 -y 24 \
		"PS1='ready> ' bash --norc --noprofile" 3>&-
	shown() {
		for ((i = 0; i < 200; i++)); do
			[[ $(tmux -L $S capture-pane -p) != *"$1"* ]] || return 0
			sleep 0.05
		done
		tmux -L $S capture-pane -p
		return 1
	}
	shown "ready>"
	tmux -L $S send-keys ". $TEST_DIR/../contrib/completion/ntt; clear" Enter
	tmux -L $S send-keys "echo y''es" Enter
	shown "yes"
	tmux -L $S send-keys "ntt pipel" Tab "aa" Tab
	shown "ntt pipeline-status $A" || { tmux -L $S kill-server; return 1; }
	tmux -L $S kill-server
}
