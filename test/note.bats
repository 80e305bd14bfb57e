#!/usr/bin/env bats
# ntt, the front door, and ntt-note.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib

M=aaaabbbbccccdddd0000111122223333

setup() {
	isolate
}

@test "ntt help lists every program once, in lines of a terminal" {
	expect 0 ntt help
	diff <(sed -n 's/^  \(ntt-[a-z-]*\)  .*/\1/p' <<<"$output" | sort) \
		<(programs | grep -vx ntt | sort)
	[ -z "$(awk 'length > 79' <<<"$output")" ]
	expect 64 ntt help enumm
	has "$stderr" "did you mean enum?"
}

@test "words that people try first" {
	expect 0 ntt get --help
	has "$output" "ntt-restore"
	expect 0 ntt list --help
	has "$output" "ntt-list-media"
	expect 0 ntt check --version
	has "$output" "ntt-verify"
	expect 64 ntt chek
	has "$stderr" "did you mean check?"
}

@test "a title and a message: added to, replaced, shown, and names" {
	fresh_db
	sql "INSERT INTO medium (medium_hash, medium_human, message)
		VALUES ('$M', 'WD20', 'first')"
	expect 0 ntt-note aaaabbbb "from the attic"
	expect 0 ntt-note --title "Box 7" "WD20"
	expect 0 ntt-note "Box 7"
	[ "$output" = "$M  \"Box 7\""$'\nfirst\nfrom the attic' ]
	expect 0 ntt-list-media
	has "$output" '"Box 7"  "first\\nfrom the attic"'
	expect 0 ntt-list-media --json
	has "$output" '"title":"Box 7","name":"WD20"'
	expect 0 ntt-note --replace -m "Box 7" "only this"
	expect 0 ntt-note --json "Box 7"
	[ "$output" = "{\"medium\":\"$M\",\"title\":\"Box 7\",\"name\":\"WD20\",\"message\":\"only this\",\"restricted\":false}" ]
	expect 0 ntt-note --title '' --replace $M ''
	expect 0 ntt-note $M
	[ "$output" = "$M  \"WD20\"" ]
}

@test "a restricted medium is found only where it is named" {
	fresh_db
	mkdir -p "$T/a" "$T/b"
	echo 1 >"$T/a/letter"
	echo 2 >"$T/b/letter"
	ntt-enum -q "$T/a" $M - | ntt-loader -q - $M >/dev/null
	ntt-enum -q "$T/b" cafe0000cafe0000 - |
		ntt-loader -q - cafe0000cafe0000 >/dev/null
	expect 0 ntt-note --restricted $M
	expect 0 ntt-note --json $M
	has "$output" '"restricted":true'
	expect 0 ntt-find letter
	[ "$output" = cafe0000cafe0000:letter ]
	has "$stderr" "1 restricted medium was not searched"
	expect 0 ntt-find -m $M letter
	[ "$output" = $M:letter ]
	[ -z "$stderr" ]
	expect 64 ntt-note --restricted --unrestricted $M
	expect 0 ntt-note --unrestricted $M
	expect 0 ntt-find --count letter
	[ "$output" = 2 ]
}

@test "what is no text, no medium, no change" {
	fresh_db
	sql "INSERT INTO medium (medium_hash) VALUES ('$M')"
	expect 64 ntt-note $M $'\xff'
	has "$stderr" 'not UTF-8: "\\xff"'
	expect 64 ntt-note --replace $M
	expect 1 ntt-note nobody x
	expect 64 ntt-note
	[ "$(sql "SELECT message IS NULL AND title IS NULL FROM medium")" = t ]
}
