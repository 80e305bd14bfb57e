#!/usr/bin/env bats
# The statements of sql/ in a real psql, and in the programs.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib

A=aaaabbbbccccdddd0000111122223333

setup() {
	isolate
	SQL=$TEST_DIR/../sql
}

# names: of the statements in FILE…
names() {
	sed -nE 's/^PREPARE ([a-z0-9_]+) AS$/\1/p
		s/^-- statement: ([a-z0-9_]+)$/\1/p' "$@"
}

@test "psql runs every file, and prepares every statement" {
	fresh_db
	mkdir "$T/tree" && echo one >"$T/tree/one"
	ntt-enum "$T/tree" $A "$T/a.raw"
	ntt-loader -q --strip "$T/tree" "$T/a.raw" $A
	for f in "$SQL"/[a-z]*.sql; do
		case ${f##*/} in medium.sql|di*|sanity-checks.sql) continue ;; esac
		echo "$f"
		PGOPTIONS="-c client_min_messages=warning" psql -XAtq \
			-v ON_ERROR_STOP=1 -v medium=$A "$NTT_DB_URL" \
			>"$T/out" 2>"$T/err" <<-END || { cat "$T/err"; return 1; }
			\i $SQL/medium.sql
			$(grep -q '^DECLARE\|^LOCK\|ON COMMIT' "$f" && ! grep -q ^BEGIN "$f" &&
				echo "BEGIN;")
			\i $f
			SELECT name FROM pg_prepared_statements ORDER BY 1;
		END
		[ ! -s "$T/err" ] || { cat "$T/err"; return 1; }
		sed -nE 's/^PREPARE ([a-z0-9_]+) AS$/\1/p' "$f" | sort >"$T/want"
		grep -Fxf "$T/want" "$T/out" | sort | cmp - "$T/want"
	done
}

@test "a statement prepared in psql answers" {
	fresh_db
	sql "INSERT INTO medium (medium_hash, medium_human) VALUES ('$A', 'x')"
	out=$(printf '%s\n' "\\set medium $A" "\\i $SQL/medium.sql" \
		"\\i $SQL/pipeline-status.sql" \
		"EXECUTE pipeline_status_medium('$A');" |
		psql -XAtq "$NTT_DB_URL" 2>/dev/null)
	[ "$out" = '|||||||||' ]
}

@test "every statement is one that a program runs, and has one name" {
	names "$SQL"/[a-z]*.sql | sort >"$T/names"
	[ -s "$T/names" ]
	[ -z "$(uniq -d "$T/names")" ]
	while read -r name; do
		grep -rqw "sql_$name" "$TEST_DIR/../cmd" "$TEST_DIR/../lib" ||
			{ echo "nobody runs $name"; return 1; }
	done <"$T/names"
}

@test "every statement says what it is for" {
	for f in "$SQL"/[a-z]*.sql; do
		awk 'BEGIN { RS = ""; FS = "\n" }
			/(^|\n)PREPARE|(^|\n)-- statement: / && $1 !~ /^-- [A-Z1]/ {
				print FILENAME ": " $1; bad = 1 }
			END { exit bad }' "$f"
	done
}

@test "no statement in C is longer than its line" {
	# but where one is put together of parts
	bad=$(cd "$TEST_DIR/.." && awk '
		FNR == 1 { begun = 0 }
		begun && /^[ \t]*"/ { print FILENAME ":" FNR }
		{ begun = /"(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|DECLARE|LOCK|COPY|SET) [^"]*"$/ }
		' cmd/*.c cmd/*/*.c lib/*/*.c | grep -v '^cmd/ntt-verify/set\.c:' || :)
	[ -z "$bad" ] || { echo "$bad"; return 1; }
}
