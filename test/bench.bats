#!/usr/bin/env bats
# The page of "make bench": what is on it.  How fast anything is is not tested.

load lib

setup() {
	isolate
	mkdir -p "$T/build"
	ln -s "$NTT_BUILD/bin" "$NTT_BUILD/test" "$T/build/"
	export TMPDIR=$T
}

page() {
	"$NTT_ROOT/test/bench/page.py" "$T/rows" "$T/page" "$1"
}

@test "every figure with its spread, its peers, the machine, date and commit" {
	need python3 python3
	need b3sum b3sum
	NTT_BUILD=$T/build RUNS=2 ENTRIES=300 BYTES=100000 FILES=20 \
		expect 0 "$NTT_ROOT/test/bench/run" hash enum
	cat "$T/build/bench.md"
	local about
	about=$(sed -n 3p "$T/build/bench.md")
	[[ $about == "$(date +%Y-%m-%d), "*" processors ("*"), "*" GB of memory, \
Linux $(uname -r), commit "?*. ]]
	# as README has it: peers beside each other
	grep -P '^\tlist 300 files, warm\t+[0-9.]+ m?s\t.*find [0-9.]+ m?s' \
		"$T/build/bench.md"
	grep -P '^\thash 100,000 bytes, one thread\t+[0-9.]+ [mu]?s\tb3sum ' \
		"$T/build/bench.md"
	grep -P '^\| hash 20 small files \| [0-9.]+ [mu]?s \| \S+ \S+–\S+ \S+ \| 2 \| b3sum \| .* \| 1.11 \| (ok|LOST) \|$' \
		"$T/build/bench.md"
	python3 -c 'import sys, xml.etree.ElementTree as e; e.parse(sys.argv[1])' \
		"$T/build/bench.svg"
	grep 'hash 20 small files / b3sum' "$T/build/bench.svg"
}

@test "a row that is lost says so; peers that are not there have their package" {
	need python3 python3
	printf '%b' 'row\tcopy 40000 files\t2\t1.5\t3\t5\tcp -a\t1.9\t1\t2\t1\t\n' \
		'row\tcopy 40000 files\t2\t1.5\t3\t5\tborg\t9\t8\t10\t0.5\t\n' \
		'row\tshow <it>\t0.06\t0.05\t0.07\t3\t\t\t\t\t\t0.05\n' \
		'absent\tbfs\tpackage bfs\n' \
		'absent\tkopia\tno package of Debian\nfailed\tmirror\n' >"$T/rows"
	expect 0 page abc1234
	has "$(<"$T/page.md")" "commit abc1234."
	grep -P '^\tcopy 40,000 files\t+2.00 s\tcp -a 1.90 s LOST, borg 9.0 s$' \
		"$T/page.md"
	grep -F '| copy 40,000 files | 2.00 s | 1.50 s–3.00 s | 5 | cp -a | 1.90 s | 1.00 s–2.00 s | 1.05 | 1 | LOST |' \
		"$T/page.md"
	grep -P '^\tshow <it>\t+60 ms\tat most 50 ms LOST$' "$T/page.md"
	has "$(<"$T/page.md")" "Not installed, so not compared with: bfs (package bfs), kopia (no package of Debian)."
	has "$(<"$T/page.md")" "FAILED, so nothing is known: mirror."
	[ "$(grep -c LOST "$T/page.svg")" = 1 ]
	# the same page again
	cp "$T/page.md" "$T/first"
	expect 0 page abc1234
	cmp "$T/first" "$T/page.md"
}

@test "a benchmark that fails is on the page, and is the exit status" {
	need python3 python3
	NTT_BUILD=$T/build BYTES=1000 FILES=none RUNS=1 \
		expect 1 "$NTT_ROOT/test/bench/run" hash
	has "$(<"$T/build/bench.md")" "FAILED, so nothing is known: hash."
}
