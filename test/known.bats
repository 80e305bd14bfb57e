#!/usr/bin/env bats
# Lists of known contents: ntt-db known, ntt-find --known, the reports.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib

# system and driver are software that everybody has; letter and notes are not
setup() {
	isolate
	fresh_db
	cd "$T" || return
	mkdir disk
	for name in system driver letter notes; do
		echo "$name" >disk/$name
	done
	NTT_DIGESTS=md5,sha1,sha256 ntt-orchestrator -q disk >/dev/null
}

# found: the names that ntt-find printed, in one line
found() {
	sed 's/.*://' <<<"$output" | sort | tr '\n' ' '
}

@test "lists as md5sum, sha1sum, sha256sum, b3sum, hashdeep and the NSRL write them" {
	(cd disk
	for tool in md5sum sha1sum sha256sum b3sum; do
		$tool system driver >../$tool
		$tool --tag system driver >../$tool.tag 2>/dev/null ||
			rm ../$tool.tag
		sed 's/ .*//; s/.*/\U&/' ../$tool >../$tool.bare
	done
	printf '%%%%%%%% HASHDEEP-1.0\n%%%%%%%% size,md5,sha256,filename\n## x\n'
	for f in system driver; do
		printf '%s,%s,%s,/x/%s\n' "$(stat -c %s $f)" \
			"$(md5sum <$f | cut -c -32)" \
			"$(sha256sum <$f | cut -c -64)" $f
	done) >hashdeep
	(cd disk
	printf '\xef\xbb\xbf"SHA-1","MD5","CRC32","FileName","FileSize"\r\n'
	for f in system driver; do
		printf '"%s","%s","0A1B2C3D","%s, ""x""",7\r\n' \
			"$(sha1sum <$f | cut -c -40 | tr a-f A-F)" \
			"$(md5sum <$f | cut -c -32 | tr a-f A-F)" $f
	done) >NSRLFile.txt
	n=0
	for list in *sum* hashdeep NSRLFile.txt; do
		expect 0 ntt-find --known "$list"
		[ "$(found)" = "driver system " ] || { echo "$list"; return 1; }
		expect 0 ntt-find --type f --not-known "$list"
		[ "$(found)" = "letter notes " ] || { echo "$list"; return 1; }
		n=$((n + 1))
	done
	[ $n -ge 12 ]
	expect 0 ntt-find --known - <md5sum
	[ "$(found)" = "driver system " ]
}

@test "contents without the digests of a list are counted, and not called unknown" {
	mkdir later
	echo kernel >later/kernel
	ntt-orchestrator -q later >/dev/null
	(cd disk && sha1sum system) >list
	(cd later && sha1sum kernel) >>list
	expect 3 ntt-find --known list
	[ "$(found)" = "system " ]
	has "$stderr" '1 of 5 contents were not compared with "list", because they have no SHA-1'
	# it may be known: so it is among those that are not known to be
	expect 3 ntt-find --type f --not-known list
	[ "$(found)" = "driver kernel letter notes " ]
	# 64 digits that no content has may be SHA-256, which kernel lacks
	echo x | sha256sum >list
	expect 3 ntt-find --known list
	has "$stderr" "1 of 5 contents were not compared"
	has "$stderr" "no SHA-256"
	# those of BLAKE3, which every content has, say so themselves
	b3sum later/kernel >list
	expect 0 ntt-find --known list
	[ "$(found)" = "kernel " ]
	# of a line with two digests one is enough, of two lines it is not
	(cd disk && printf '%s,%s\n' "$(md5sum <system | cut -c -32)" \
		"$(sha1sum <system | cut -c -40)") >list
	sql "DELETE FROM content_digest WHERE algorithm = 'md5'"
	expect 3 ntt-find --known list
	has "$stderr" "1 of 5 contents"
	md5sum disk/driver >>list
	expect 3 ntt-find --known list
	[ "$(found)" = "system " ]
	has "$stderr" "4 of 5 contents"
}

@test "a list that is kept: counted, asked by name, renewed, forgotten" {
	(cd disk && sha256sum system driver) >software.txt
	expect 0 ntt-db known software.txt
	has "$stderr" '"software.txt": 2 hashes know 2 of 4 contents'
	expect 0 ntt-db known --as NSRL software.txt
	expect 0 ntt-db known
	[ "$(grep -c 'knows 2 of 4 contents$' <<<"$output")" = 2 ]
	rm software.txt
	expect 0 ntt-find --known NSRL
	[ "$(found)" = "driver system " ]
	expect 0 ntt-find --count --not-known NSRL --type f
	[ "$output" = 2 ]
	# what comes later was not compared
	mkdir later && echo kernel >later/kernel
	NTT_DIGESTS=sha256 ntt-orchestrator -q later >/dev/null
	expect 0 ntt-db known
	has "$output" "2 of 5 contents  1 not compared"
	expect 3 ntt-find --known NSRL
	has "$stderr" "they came later"
	expect 0 ntt-db known --json
	has "$output" '"list":"NSRL","file":"'"$T"'/software.txt"'
	has "$output" '"hashes":2,"left_out":0,"known":2,"compared":4,"contents":5'
	sha256sum later/kernel >other
	expect 0 ntt-db known --as NSRL other
	expect 0 ntt-find --known NSRL
	[ "$(found)" = "kernel " ]
	expect 0 ntt-db known --forget NSRL
	expect 1 ntt-db known --forget NSRL
	has "$stderr" 'no list "NSRL"'
	expect 1 ntt-find --known NSRL
	has "$stderr" 'could not open "NSRL"'
	[ "$(sql "SELECT count(DISTINCT list) FROM known_content")" = 1 ]
}

@test "reports of a medium and of the collection count what lists know" {
	ntt-report -o page.html last
	! grep 'Known contents' page.html || return 1
	(cd disk && sha1sum system driver) >software
	mkdir later && echo kernel >later/kernel
	ntt-orchestrator -q later >/dev/null
	expect 3 ntt-db known --as '<b>' software
	ntt-report -o page.html disk/
	grep -qF '2 of 4 contents are known to a list' page.html
	grep -qF '&lt;b&gt;' page.html
	! grep 'not compared with every' page.html || return 1
	ntt-report --collection -o page.html
	grep -qF '2 of 5 contents are known to a list' page.html
	grep -qF '1 content was not compared with every list' page.html
}

@test "what is no list, and lines without a hash" {
	expect 1 ntt-find --known nosuch
	has "$stderr" 'could not open "nosuch"'
	expect 1 ntt-db known disk
	has "$stderr" "Is a directory"
	: >empty
	expect 1 ntt-db known empty
	has "$stderr" '"empty" is no list of hashes'
	head -c 300000 /dev/zero >zero
	expect 1 ntt-db known zero
	printf 'PK\3\4xxxx' >zip
	expect 1 ntt-db known zip
	has "$stderr" "zip archive"
	printf 'SQLite format 3\0xxxx' >rds.db
	expect 1 ntt-find --known rds.db
	has "$stderr" "database of SQLite"
	expect 64 ntt-find --known a --not-known b
	expect 64 ntt-db known - <empty
	expect 64 ntt-db --as x status
	expect 64 ntt-db known --as x
	expect 64 ntt-db known --forget x y
	expect 64 ntt-db known --as a/b empty
	md5sum disk/system >list
	printf '# a remark\n\nnot a hash\nd41d8cd98f00\n' >>list
	expect 3 ntt-db known list
	has "$stderr" '2 lines have no MD5'
	[ "$(sql "SELECT left_out FROM known_list")" = 2 ]
	# the first line may have the names of columns; a list without an LF
	printf 'md5\n%s' "$(md5sum <disk/system | cut -c -32)" >list
	expect 0 ntt-find --known list
	[ "$(found)" = "system " ]
}
