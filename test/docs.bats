#!/usr/bin/env bats
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
	for f in cmd/*.c; do basename "$f" .c; done | sort >"$T/have"
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
	HASH=$(ntt-identify --json second | sed 's/.*"hash":"\([0-9a-f]*\)".*/\1/')
	ntt-enum second "$HASH" - | ntt-loader -q - "$HASH"
	expect 0 ntt-copy-workers --wait -m "$HASH"
	expect 0 ntt-verify -m "$HASH" --sample-rate 1
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
