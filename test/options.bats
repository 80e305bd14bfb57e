#!/usr/bin/env bats
# How every program reads its options, and how a medium is named.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib

A=aaaabbbbccccdddd0000111122223333

setup() {
	isolate
	cd "$T"
}

# with_medium: the programs that take one, by their --help
with_medium() {
	local p
	for p in $(programs); do
		"$p" --help | grep -q '^  -m, --medium ' && echo "$p"
	done
	return 0
}

# refuses WHY COMMAND…: wrong usage, in one line that says why
refuses() {
	local why=$1
	shift
	expect 64 "$@"
	has "$stderr" "$why"
	[ "$(wc -l <<<"$stderr")" = 2 ] || { echo "$stderr"; return 1; }
}

@test "a near miss of an option is suggested" {
	refuses '"--limt": did you mean --limit?' ntt-copier --limt 5 -m $A
	refuses '"--jsn": did you mean --json?' ntt-db --jsn status
	refuses 'unknown option "--zzzzzz"' ntt-copier --zzzzzz $A
	[[ $stderr != *"did you mean"* ]]
}

@test "a near miss of a command is suggested" {
	refuses 'there is no command "enumm": did you mean enum?' ntt enumm
	refuses '"statsu": did you mean status?' ntt-db statsu
	refuses '"list-failure": did you mean list-failures?' \
		ntt-recover-failed list-failure -m $A
	refuses '"umount": did you mean unmount?' ntt-sandbox umount $A
	refuses '"umount": did you mean unmount?' ntt-mount-helper umount $A
	refuses 'unknown command "zzz"' ntt-db zzz
}

@test "a wrong value names its option" {
	refuses '--limit needs a number, not "x"' ntt-copier --limit x $A
	refuses '--limit must be between 1 and' ntt-copier -l 0 $A
	refuses '--min-free needs a size such as 512M, not "1Q"' \
		ntt-copier --min-free 1Q $A
	refuses '--max-hours needs a time' ntt-imager --max-hours x a b
	refuses '--mime must be auto, always or never, not "x"' \
		ntt-copier --mime x $A
	refuses '--kind must be device, image, directory, carved or raw, not "x"' \
		ntt-loader --kind x - $A
	refuses 'option "--limit" needs an argument' ntt-copier $A --limit
	refuses 'option --dry-run takes no argument' ntt-copier --dry-run=1 $A
	refuses 'option --m is the beginning of --medium, ' ntt-copier --m $A
}

@test "-m, --medium and --medium-hash name a medium in every program that takes one" {
	list=$(with_medium)
	[ "$(wc -w <<<"$list")" -ge 13 ]
	for p in $list; do
		refuses 'two media are named, "xx" and "yy"' "$p" -m xx --medium yy
		refuses 'two media are named, "xx" and "yy"' "$p" --medium xx \
			--medium-hash yy
	done
}

@test "the operand names it too, and not a second time" {
	for p in archiver copier copy-workers pipeline-status report verify \
		re-hardlink mark-excluded; do
		refuses 'two media are named' ntt-$p -m xx yy
	done
	refuses 'two media are named' ntt-recover-failed list-failures -m xx yy
	refuses 'two media are named' ntt-loader -m xx x.raw yy
	refuses 'two media are named' ntt-enum -m xx / yy out.raw
	refuses 'two media are named' ntt-mount-helper status -m xx yy
	refuses 'two media are named' ntt-sandbox mount -m xx yy image
	for p in archiver copier copy-workers pipeline-status report; do
		refuses 'the medium is missing' ntt-$p
	done
}

@test "a medium by -m leaves the other operands where they are" {
	mkdir tree && echo one >tree/one
	expect 0 ntt-enum -m $A tree a.raw
	expect 0 ntt-enum --medium-hash $A tree b.raw
	expect 0 ntt-enum tree $A c.raw
	cmp a.raw b.raw
	cmp a.raw c.raw
	fresh_db
	expect 0 ntt-loader --medium $A --strip tree a.raw
	[ "$(sql "SELECT count(*) FROM medium WHERE medium_hash = '$A'")" = 1 ]
	expect 0 ntt-loader -m $A --drop --yes
	expect 2 ntt-loader --drop --yes $A
}

@test "the copier takes what older scripts give it" {
	mkdir tree && echo one >tree/one
	fresh_db
	ntt-enum "$T/tree" $A a.raw
	ntt-loader -q a.raw $A
	expect 0 ntt-copier --medium-hash $A --worker-id w --batch-size 50 \
		--limit 500 --src-root "$T/tree"
	check_store
	same_tree tree "$NTT_HOME/archived/$A"
}
