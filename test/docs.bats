#!/usr/bin/env bats
# slow: the tour of README
# What the documents promise: the tour of README and the examples of ntt(7).

load lib

setup() {
	isolate
	chmod 755 "$T"
	cd "$T"
}

teardown() {
	[ ! -e "$NTT_HOME/pg/data" ] || ntt-db stop -q || :
}

@test "every program is in README, and README names no other" {
	cd "$TEST_DIR/.."
	programs | sort >"$T/have"
	sed -n '/^The programs/,/^Each has/p' README |
		grep -oE '^	ntt[a-z-]*' | tr -d '\t' | sort >"$T/named"
	diff "$T/have" "$T/named"
}

@test "the five minutes of README" {
	mkdir Documents && echo x >Documents/f
	expect 0 ntt-db init 3>&-
	expect 0 ntt-orchestrator Documents
	expect 2 ntt-orchestrator Documents
	mkdir second && echo y >second/g
	HASH=$(ntt-identify second)
	ntt-enum second "$HASH" - | ntt-loader -q - "$HASH"
	expect 0 ntt-copy-workers --wait -m "$HASH"
	expect 0 ntt-verify -m "$HASH" --sample-rate 1
	expect 0 ntt-find -i G
	[ "$output" = "$HASH:g" ]
	expect 0 ntt-find --same-as second/g
	[ "$output" = "$HASH:g" ]
	expect 0 ntt-cat "$HASH:g"
	[ "$output" = y ]
	expect 0 ntt-restore "$HASH" back
	diff -r second back
	ntt-find -0 --type f '*' | ntt-restore -0 --files-from - photos
	cmp second/g "photos/$HASH/g"
	[ "$(ntt-db psql -Atc "SELECT count(*) FILTER (WHERE copied) AS done,
		count(*) FROM inode WHERE medium_hash = '$HASH'")" = "2|2" ]
}

@test "the examples of ntt(7)" {
	mkdir Documents && echo x >Documents/f
	expect 0 ntt-orchestrator Documents 3>&-
	expect 0 ntt
	has "$output" "archived    1"
	expect 0 ntt-db psql -c "SELECT medium_hash, error_type, count(*) FROM inode WHERE status::text LIKE 'failed%' GROUP BY 1, 2"
	expect 0 ntt-verify --all --sample-rate 1
}

@test "an existing PostgreSQL, as README has it" {
	empty_db
	expect 0 ntt-db migrate
	mkdir d && echo x >d/f
	expect 0 ntt-orchestrator d
	expect 0 ntt
}

@test "man ntt begins with what the letters mean" {
	need mandoc mandoc
	for page in ntt.1 ntt.7; do
		mandoc -Tutf8 "$TEST_DIR/../man/$page" | col -b |
			sed -n '/^DESCRIPTION/{n;p;}' >"$T/first"
		has "$(cat "$T/first")" 'NTT ("No Two Things")'
	done
}

@test "examples of the manual can be pasted: quotes survive" {
	need mandoc mandoc
	# a quote in the arguments of a macro is not printed
	grep -nE '^\.(Dl|D1|Ql|Li) .*"' "$TEST_DIR"/../man/* && return 1
	for page in "$TEST_DIR"/../man/*.[157]; do
		mandoc -Tutf8 "$page" | col -b | grep -nE '^ +[$#] .*[“”‘’]' &&
			{ echo "$page"; return 1; }
	done
	return 0
}
