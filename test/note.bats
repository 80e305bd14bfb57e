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
	[ "$output" = "{\"medium\":\"$M\",\"title\":\"Box 7\",\"name\":\"WD20\",\"message\":\"only this\",\"restricted\":false,\"inventory\":{}}" ]
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

N=cafe0000cafe0000cafe0000cafe0000

two_media() {
	fresh_db
	sql "INSERT INTO medium (medium_hash, medium_human, title, message)
		VALUES ('$M', 'WD20', 'Box 7', 'wet'), ('$N', 'ST31', NULL, NULL)"
}

@test "an inventory of a spreadsheet: quotes, newlines, semicolons, CRLF, a mark" {
	two_media
	printf '%b' '\xef\xbb\xbfMedium;Shelf;"Donor, ""who"""\r\n' \
		'Box 7;A 3;"Anna\r\nand Bert; both"\r\n' \
		';;\r\n' \
		'CAFE0000CAFE;5.25" drive;\r\n' >"$T/list.csv"
	expect 0 ntt-note --import "$T/list.csv"
	[ "$stderr" = "ntt-note: 2 media, 2 of them changed" ]
	expect 0 ntt-note $M
	[ "$output" = "$M  \"Box 7\""$'\nwet\nShelf: A 3\nDonor, "who": Anna\\nand Bert; both' ]
	expect 0 ntt-note --json ST31
	has "$output" '"inventory":{"Shelf":"5.25\\" drive"}'
	# once more, from a pipe: nothing to change
	expect 0 ntt-note --import - <"$T/list.csv"
	has "$stderr" "2 media, 0 of them changed"
}

@test "an inventory again: columns that it has change, others stay" {
	two_media
	printf 'hash,box,shelf\n%s,7,A\n' $M | ntt-note -q --import -
	printf 'label\tSHELF\tDonor\n%s\tB\tAnna\n' "Box 7" |
		ntt-note -q --import -
	expect 0 ntt-note --json $M
	has "$output" '"inventory":{"box":"7","SHELF":"B","Donor":"Anna"}'
	printf 'sep=;\nDisk;box\nBox 7;\n' | ntt-note -q --import - --by disk
	expect 0 ntt-note --json $M
	has "$output" '"inventory":{"SHELF":"B","Donor":"Anna"}'
	printf 'medium,box\n%s,9\n' $M | ntt-note -q --import - --replace
	expect 0 ntt-note --json $M
	has "$output" '"inventory":{"box":"9"}'
	expect 0 ntt-note "Box 7" --set condition=scratched --set Box=
	expect 0 ntt-note --json $M
	has "$output" '"inventory":{"condition":"scratched"}'
}

@test "an inventory with a wrong line changes nothing, and names each" {
	two_media
	sql "INSERT INTO medium (medium_hash, title) VALUES ('t1', 'twin'), ('t2', 'twin')"
	printf '%b' 'medium,box\nBox 7,1\nWD,2,3\n,4\ntwin,5\nBox 7,6\nST31,\xff\n' \
		>"$T/list.csv"
	expect 1 ntt-note --import "$T/list.csv"
	has "$stderr" 'list.csv", line 3: it has 3 fields and the first line 2'
	has "$stderr" 'line 4: it names no medium'
	has "$stderr" 'line 5: "twin" means 2 media'
	has "$stderr" 'line 6: it is of the same medium as line 2'
	has "$stderr" 'line 7: it is not UTF-8: "\\xff"'
	has "$stderr" "nothing was imported, because 5 lines are wrong"
	[ "$(sql "SELECT count(inventory) FROM medium")" = 0 ]
}

@test "an inventory with media that are not there yet: named, exit 3, the others are in" {
	two_media
	printf 'medium,box\n1984,1\nBox 7,2\nwet,3\nlast,4\ncafe,5\n' >"$T/list.csv"
	expect 3 ntt-note --import "$T/list.csv"
	has "$stderr" 'line 2: the catalogue has no medium "1984"'
	# no words of messages, no "last", no short prefix: this is a list
	has "$stderr" 'line 4: the catalogue has no medium "wet"'
	has "$stderr" '4 of 5 rows were left out'
	expect 3 ntt-note --json --import "$T/list.csv"
	[ "$output" = '{"rows":5,"changed":0,"unknown":4}' ]
	expect 0 ntt-note --json "Box 7"
	has "$output" '"inventory":{"box":"2"}'
	expect 0 ntt-note --json $N
	has "$output" '"inventory":{}'
}

@test "what ntt-list-media --csv prints, edited and imported again" {
	two_media
	ntt-note -q --set "Shelf no.=A, left" $M
	ntt-list-media --csv >"$T/all.csv"
	expect 0 ntt-note --import "$T/all.csv"
	has "$stderr" "2 media, 0 of them changed"
	sed -i 's/A, left/B/; s/"wet"/"wet, dried"/; s/"Box 7"//' "$T/all.csv"
	expect 0 ntt-note --import "$T/all.csv"
	has "$stderr" 'the message of '$M' is no longer "wet"'
	has "$stderr" 'the title of '$M' is no longer "Box 7"'
	expect 0 ntt-note $M
	[ "$output" = "$M  \"WD20\""$'\nwet, dried\nShelf no.: B' ]
	expect 0 ntt-list-media --csv
	has "$output" '"wet, dried"'
	[ "$(head -1 <<<"$output" | tr -d '\r')" = "$(ntt-list-media --csv |
		head -1 | tr -d '\r')" ]
	has "$(head -1 <<<"$output")" ',archived,"Shelf no."'
	expect 0 ntt-list-media --json
	has "$output" '"inventory":{"Shelf no.":"B"}'
}

@test "media are listed by words of their inventory" {
	two_media
	ntt-note -q --set "Donor=Anna Müller" --set shelf=3 $N
	expect 0 ntt-list-media müller shelf 3
	has "$output" ST31
	[ "$(wc -l <<<"$output")" = 1 ]
	expect 1 ntt-list-media müller wet
	has "$stderr" "no medium has all these words"
	expect 0 ntt-list-media --format comma wet box
	[ "$output" = $M ]
}

@test "tables that are none" {
	two_media
	expect 1 ntt-note --import "$T/none.csv"
	has "$stderr" "could not open"
	expect 1 ntt-note --import "$T"
	has "$stderr" "Is a directory"
	: >"$T/empty.csv"
	expect 1 ntt-note --import "$T/empty.csv"
	has "$stderr" "it has no line at all"
	printf 'medium,box\n' >"$T/head.csv"
	expect 1 ntt-note --import "$T/head.csv"
	has "$stderr" "no line below the names"
	printf 'medium,box\n"Box 7,1\n' >"$T/t.csv"
	expect 1 ntt-note --import "$T/t.csv"
	has "$stderr" "line 2: a quote opens and does not close"
	printf 'medium,box\n"Box" 7,1\n' >"$T/t.csv"
	expect 1 ntt-note --import "$T/t.csv"
	has "$stderr" "line 2: a quote closes inside of a field"
	printf '\xff\xfem\0e\0' >"$T/t.csv"
	expect 1 ntt-note --import "$T/t.csv"
	has "$stderr" "UTF-16"
	printf 'PK\3\4\0\0' >"$T/t.csv"
	expect 1 ntt-note --import "$T/t.csv"
	has "$stderr" "it is a spreadsheet: save it as CSV"
	printf 'disk,box\nBox 7,1\n' >"$T/t.csv"
	expect 1 ntt-note --import "$T/t.csv"
	has "$stderr" "--by COLUMN"
	printf 'disk,box\nBox 7,1\n' >"$T/t.csv"
	expect 1 ntt-note --by nr --import "$T/t.csv"
	has "$stderr" 'has no column "nr"'
	printf 'medium,box,BOX\nBox 7,1,2\n' >"$T/t.csv"
	expect 1 ntt-note --import "$T/t.csv"
	has "$stderr" 'two columns'
	printf 'medium,size\nBox 7,1\n' >"$T/t.csv"
	expect 1 ntt-note --import "$T/t.csv"
	has "$stderr" 'column "size"'
	printf 'medium,\nBox 7,1\n' >"$T/t.csv"
	expect 1 ntt-note --import "$T/t.csv"
	has "$stderr" 't.csv" has no name'
	expect 64 ntt-note --import x.csv "Box 7"
	expect 64 ntt-note --import x.csv -m "Box 7"
	expect 64 ntt-note --by nr "Box 7"
	expect 64 ntt-note --set nr "Box 7"
	expect 64 ntt-note --set nr=1 --set NR=2 "Box 7"
	[ "$(sql "SELECT count(inventory) FROM medium")" = 0 ]
}

@test "the report of a medium and that of the collection show the inventory" {
	two_media
	ntt-note -q --set "shelf <b>=A & B" --set "Donor=Anna" $M
	ntt-report -o "$T/one.html" $M
	grep -qF '<dt>shelf &lt;b&gt;</dt><dd>A &amp; B</dd>' "$T/one.html"
	grep -qF '<dt>Title</dt><dd>Box 7</dd>' "$T/one.html"
	grep -qF '<title>Box 7' "$T/one.html"
	ntt-report --collection -o "$T/all.html"
	grep -qF 'shelf &lt;b&gt;: A &amp; B' "$T/all.html"
	grep -qF 'Donor: Anna' "$T/all.html"
	grep -qF 'wet' "$T/all.html"
	grep -qF '<bdi>Box 7</bdi>' "$T/all.html"
}
