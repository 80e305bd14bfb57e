#!/usr/bin/env bats
# slow: browsers
# ntt-report: what an archivist gets by mail.

load lib
load report_media
load browser

# One collection for all tests; none of them changes it.
setup_file() {
	need_loop
	need openssl openssl
	need sfdisk fdisk
	export BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
	isolate
	chmod 755 "$T"
	fresh_db
	report_collection "$T/media"
	export MEDIA=$T/media COLLECTION=$NTT_HOME
	mkdir "$T/pages"
	ntt-report -q --collection -o "$T/pages/"
	export PAGES=$T/pages
	! command -v chromedriver >/dev/null || browser_start
}

teardown_file() {
	browser_stop
}

setup() {
	T=$BATS_TEST_TMPDIR
	need xmllint libxml2-utils
}

# report NAME ARGUMENT...: the page, $T/NAME.html
report() {
	local name=$1
	shift
	expect 0 ntt-report -o "$T/$name.html" "$@"
}

# shows NAME TEXT: exactly these bytes are in the page
shows() {
	grep -qF -- "$2" "$T/$1.html" || { echo "no $2"; return 1; }
}

# lacks NAME ARGUMENT...: grep finds nothing in the page
lacks() {
	local name=$1
	shift
	grep "$@" "$T/$name.html" || return 0
	return 1
}

# The text of the first element that an XPath finds.
at() {
	xmllint --html --xpath "string($2)" "$T/$1.html" 2>/dev/null
}

@test "a medium that was archived, with damage: its whole record" {
	report disk "$DISK"
	[ "$(at disk //h1)" = accounts ]
	[ "$(at disk "//dt[.='Message']/../dd")" = "box 7, red label" ]
	has "$(at disk "//dl[@class='card']//dt[.='Size']/../dd")" "16,777,216 bytes"
	shows disk "16,766,976 of 16,777,216 bytes; 10,240 are missing"
	has "$(at disk "//figure//*[local-name()='title']")" rescued
	[ "$(at disk "//h2[@id='partitions']/..//tbody/tr[2]/td[2]")" = SCANS ]
	[ "$(at disk "//h2[@id='damage']/..//tbody/tr/th")" = p1/accounts/3.dbf ]
	[ "$(at disk "//h2[@id='damage']/..//tbody/tr/td[3]")" = 4096–10239 ]
	[ "$(at disk "//h2[@id='stages']/..//tr[th='Archived']/td[1]")" != "not yet" ]
	[ "$(at disk "//tr[th='.dbf']/td[1]")" = 5 ]
	[ "$(at disk "//tr[th='1993']/td[1]")" = 5 ]
	[ "$(at disk "//tr[th='p1/accounts']/td[2]")" = "600 kB" ]
	has "$(at disk "//h2[@id='duplicates']/..")" "papers of <b>Anna & son"
}

@test "failures in words, with the command to type; what was excluded" {
	report papers "$PAPERS"
	section="//h2[@id='failures']/.."
	has "$(at papers "$section/h3")" "2 files, path_error"
	has "$(at papers "$section//pre")" "reset-failures -m $PAPERS"
	has "$(at papers "$section//table")" letters/vanished.txt
	has "$(at papers "$section//table")" "ENOENT: No such file"
	[ "$(at papers "//h2[@id='exclusions']/..//tr/th")" = Pattern ]
	has "$(at papers "//h2[@id='exclusions']/..//tbody")" "^photos/work/2"
	[ "$(at papers "//tr[th='Files']/td[6]")" = 2 ]
	# what was said to do is what is needed
	has "$(at papers "//h2[@id='stages']/..//pre")" "ntt-archiver --allow-failures $PAPERS"
}

@test "what is on other media, and what is all on another" {
	report copy "$COPY"
	text=$(at copy "//h2[@id='duplicates']/..")
	has "$text" "Everything that was copied from this medium is also on"
	has "$text" "($PAPERS)"
	has "$(at copy "//dt[.='Only on this medium']/../dd")" 0
	report papers "$PAPERS"
	[[ $(at papers "//h2[@id='duplicates']/..") != *Everything* ]]
	# letters of four years and a photo, one letter of the disk
	[ "$(at papers "//dt[.='Again on this medium']/../dd/text()")" = 1 ]
	shared=$(sql "SELECT count(DISTINCT blobid) FROM inode a WHERE size > 0
		AND fs_type = 'f' AND medium_hash = '$PAPERS' AND EXISTS (SELECT
		FROM inode b WHERE b.blobid = a.blobid AND
		b.medium_hash <> '$PAPERS')")
	[ "$(at papers "//dt[.='Also on other media']/../dd/text()")" = "$shared" ]
}

@test "hostile names are shown and are no markup" {
	report papers "$PAPERS"
	shows papers '&lt;b&gt;bold<span class="esc">\xff</span>'
	shows papers '&quot;quoted&quot; &lt;script&gt;alert(1)&lt;/script&gt;'
	shows papers '<span class="esc">\u202e</span>evil'
	lacks papers -F -e '<script' -e $'\xe2\x80\xae'
	iconv -f UTF-8 -t UTF-8 "$T/papers.html" >/dev/null
	lacks papers -P '[\x00-\x08\x0b-\x1f\x7f]'
}

@test "nothing but the page itself: no script, no address, no handler" {
	report disk "$DISK"
	[ -z "$(grep -oE '(src|href|action|url)[=(]"?[^")> ]*' "$T/disk.html" |
		grep -vE '^(href="#|href="data:,|url\(#)')" ]
	lacks disk -E '<(script|iframe|object|embed|form)|@import| on[a-z]+='
	[ -z "$(grep -oE 'https?:[^"< ]*' "$T/disk.html" |
		grep -v '^http://www.w3.org/2000/svg$')" ]
}

@test "a medium that was only registered" {
	report shelf "${SHELF:0:8}"
	[ "$(at shelf //h1)" = "floppy <1>" ]
	has "$(at shelf "//p[span]")" registered
	[ "$(at shelf "//h2[@id='stages']/..//tr[th='Loaded']/td[1]")" = "not yet" ]
	expect 1 ntt-report nosuchmedium
	has "$stderr" 'no medium "nosuchmedium"'
	expect 64 ntt-report
}

@test "one file, complete or not there; standard output is checked" {
	expect 0 ntt-report "$SHELF"
	[ "$(tail -n 1 <<<"$output")" = "</html>" ]
	expect 1 ntt-report -o /dev/full/x "$SHELF"
	status=0
	ntt-report "$SHELF" >/dev/full 2>"$T/err" || status=$?
	[ $status = 1 ]
	grep -q 'could not write' "$T/err"
	mkdir "$T/dir"
	expect 1 ntt-report -o "$T/dir" "$SHELF"
	[ -z "$(ls -A "$T/dir")" ]
	NTT_DB_URL=host=/nonexistent expect 75 ntt-report -o "$T/none" "$SHELF"
	[ ! -e "$T/none" ]
}

@test "how long stages took is in the logs" {
	mkdir "$T/log"
	for line in 'imager 10:00:00 phase_end,"seconds":100.5' \
		'imager 10:10:00 phase_end,"seconds":20' \
		'loader 11:00:00 load_begin,"x":1' \
		'loader 11:00:40 load_done,"records":4' \
		'archiver 12:00:00 archive_start,"members":5'; do
		read -r prog time event <<<"$line"
		stage=${event%%,*}
		echo "{\"ts\":\"2026-01-02T$time.000Z\",\"medium\":\"$DISK\",\"stage\":\"$stage\",${event#*,}}" \
			>>"$T/log/ntt-$prog.jsonl"
		echo "not JSON $DISK $stage" >>"$T/log/ntt-$prog.jsonl"
	done
	NTT_LOG_DIR=$T/log report disk "$DISK"
	stage="//h2[@id='stages']/..//tr"
	[ "$(at disk "$stage[th='Imaged']/td[2]")" = "2 min" ]
	[ "$(at disk "$stage[th='Imaged']/td[1]")" = "2026-01-02 10:10:00" ]
	[ "$(at disk "$stage[th='Loaded']/td[2]")" = "40 s" ]
	[ -z "$(at disk "$stage[th='Archived']/td[2]")" ]
}

@test "a photo of the label is part of the page" {
	printf '\x89PNG\r\n\x1a\n%s' 'not much of a picture' >"$T/label.png"
	report disk --photo "$T/label.png" "$DISK"
	at disk '//img/@src' | sed 's/^data:image.png;base64,//' | base64 -d |
		cmp - "$T/label.png"
	[ -n "$(at disk '//img/@alt')" ]
	echo text >"$T/label.txt"
	expect 1 ntt-report --photo "$T/label.txt" "$DISK"
	has "$stderr" "neither JPEG nor PNG"
	expect 1 ntt-report --photo "$T/nothing" "$DISK"
}

@test "the map of an image that is only in the archive" {
	mv "$MEDIA/accounts.map" "$T/"
	sql "UPDATE medium SET image_path = '$T/gone.img'
		WHERE medium_hash = '$DISK'"
	report disk "$DISK"
	sql "UPDATE medium SET image_path = '$MEDIA/accounts.img'
		WHERE medium_hash = '$DISK'"
	mv "$T/accounts.map" "$MEDIA/"
	shows disk "16,766,976 of 16,777,216 bytes"
	shows disk "archives/$DISK.tar.zst"
}

@test "the collection: totals, every medium, what is on what" {
	report all --collection
	[ "$(at all "//dt[.='Media']/../dd")" = 4 ]
	saved=$(sql "SELECT (SELECT sum(size) FROM inode WHERE fs_type = 'f' AND
		blobid IS NOT NULL) - (SELECT sum(size) FROM blobs WHERE blobid
		IN (SELECT blobid FROM inode WHERE fs_type = 'f'))")
	has "$(at all "//dt[.='Bytes saved']/../dd")" "$(((saved + 500) / 1000)) kB"
	[ "$(xmllint --html --xpath "count(//h2[@id='media']/..//tbody/tr)" \
		"$T/all.html" 2>/dev/null)" = 4 ]
	row="//tr[contains(th, '$PAPERS')]"
	[ "$(at all "$row/td[7]")" = 2 ]
	[ "$(at all "//tr[contains(th, '$DISK')]/td[8]")" = 1 ]
	shows all 'papers of &lt;b&gt;Anna &amp; son'
	has "$(at all "//h2[@id='overlap']/../p[1]")" "also on others: copy."
	# all of the copy is in the papers, and not the other way round
	column=$(at all "//table[@class='matrix']//tr[contains(th, 'papers')]/th" |
		cut -d ' ' -f 1)
	[ "$(at all "//table[@class='matrix']//tr[contains(th, 'copy')]/td[$column]")" = 100 ]
	[ "$(xmllint --html --xpath "count(//td[.='100'])" "$T/all.html" \
		2>/dev/null)" = 1 ]
	[ -z "$(at all "//a[contains(@href, '.html')]/@href")" ]
	expect 64 ntt-report --collection "$DISK"
	expect 64 ntt-report --collection --photo x
}

@test "a page for each medium, with an index that finds them" {
	expect 0 ntt-report --collection -o "$T/out/"
	[ "$(find "$T/out" -type f | wc -l)" = 5 ]
	for link in $(grep -ohE 'href="[^#"][^":]*"' "$T"/out/*.html |
		cut -d '"' -f 2 | sort -u); do
		[ -f "$T/out/$link" ]
	done
	# the same numbers, whether media are compared one by one or all at once
	for m in $PAPERS $COPY $DISK; do
		report one "$m"
		for f in "$T/one.html" "$T/out/$m.html"; do
			xmllint --html --xpath "//h2[@id='duplicates']/..//dd |
				//h2[@id='duplicates']/..//td" "$f" \
				2>/dev/null >"$f.cells"
			[ -s "$f.cells" ]
		done
		diff "$T/one.html.cells" "$T/out/$m.html.cells"
	done
}

@test "DFXML: well-formed, in the order of the schema, nothing lost" {
	expect 0 ntt-report --dfxml -o "$T/papers.xml" "$PAPERS"
	expect 0 ntt-report --dfxml "$DISK"
	printf '%s\n' "$output" >"$T/disk.xml"
	xmllint --noout "$T/papers.xml" "$T/disk.xml"
	xpath() {
		xmllint --xpath "$2" "$T/$1.xml"
	}
	file="*[local-name()='fileobject']"
	[ "$(xpath papers "count(//$file)")" = "$(sql "SELECT count(*) FROM path
		WHERE medium_hash = '$PAPERS'")" ]
	# elements of a fileobject only in the order of the schema
	order="filename error partition id name_type filesize alloc inode mode
		nlink uid gid mtime ctime atime crtime libmagic byte_runs
		hashdigest"
	for f in papers disk; do
		xpath $f "//$file/*[namespace-uri()=namespace-uri(..)]" |
			grep -oE '<[a-z_]+' | tr -d '<' | grep -v byte_run$ |
			awk -v order="$order" 'BEGIN { n = split(order, o)
				for (i = 1; i <= n; i++) place[o[i]] = i }
				!place[$1] { print "unknown: " $1 }
				$1 != "filename" && place[$1] <= last {
					print $1 " out of order" }
				{ last = place[$1] }' >"$T/wrong"
		[ ! -s "$T/wrong" ] || { head "$T/wrong"; return 1; }
	done
	damaged="//$file[*='p1/accounts/3.dbf']"
	[ "$(xpath disk "string($damaged//*[local-name()='byte_run']/@file_offset)")" = 4096 ]
	[ "$(xpath disk "string($damaged//*[local-name()='byte_run']/@len)")" = 6144 ]
	[ "$(xpath disk "string($damaged/*[local-name()='partition'])")" = 1 ]
	[ "$(xpath disk "string($damaged/*[local-name()='mtime'])")" = 1993-03-02T00:00:00Z ]
	id=$(xpath disk "string($damaged/*[local-name()='hashdigest'])")
	[ "$(b3sum "$COLLECTION/archived/$DISK/p1/accounts/3.dbf" | cut -c1-64)" = "$id" ]
	has "$(xpath papers "//*[local-name()='filename_hex']")" 3c623e626f6c64ff
	[ "$(xpath papers "count(//$file[*='names/new"$'\n'"line'])")" = 1 ]
	expect 1 ntt-report --dfxml "$SHELF"
	has "$stderr" "not loaded"
}

@test "a body file that mactime reads" {
	need mactime sleuthkit
	expect 0 ntt-report --bodyfile -o "$T/body" "$PAPERS"
	[ "$(wc -l <"$T/body")" = "$(sql "SELECT count(*) FROM path WHERE
		medium_hash = '$PAPERS'")" ]
	[ "$(awk -F '|' 'NF != 11' "$T/body" | wc -l)" = 0 ]
	mactime -b "$T/body" -d -y -z UTC >"$T/line" 2>"$T/err"
	[ ! -s "$T/err" ]
	grep -q '^1994-01-11T00:00:00Z,4994,m...,r/r---------,0,0,[0-9]*,"/letters/letter 1994-1.txt"$' "$T/line"
	grep -qF 'a|b&c' "$T/line"
	grep -qF '%0A' "$T/line"
}

@test "a table for a spreadsheet: every name, and its bytes where it is no text" {
	expect 0 ntt-report --csv -o "$T/csv" "$PAPERS"
	python3 - "$T/csv" "$(sql "SELECT count(*) FROM path WHERE
		medium_hash = '$PAPERS'")" <<-'END'
	import csv, sys
	rows = list(csv.DictReader(open(sys.argv[1], newline="")))
	assert len(rows) == int(sys.argv[2]), len(rows)
	by = {r["path"]: r for r in rows}
	letter = by["letters/letter 1994-1.txt"]
	assert letter["size"] == "4994" and letter["status"] == "success"
	assert letter["modified"] == "1994-01-11T00:00:00Z", letter
	assert len(letter["blake3"]) == 64 and not letter["path_hex"]
	assert by["names/new\\nline"]["path_hex"].endswith("6e65770a6c696e65")
	assert not any(ord(c) < 32 for p in by for c in p)
	assert not any(p[0] in "=+-@" for p in by)
	odd = [r for r in rows if r["path_hex"]]
	assert any(r["path_hex"].endswith("3c623e626f6c64ff2f782e3c693e") for r in odd)
	END
	expect 64 ntt-report --csv --dfxml "$PAPERS"
}

# Every file of a bag is in its manifest with its checksum, and no other.
check_bag() {
	python3 "$TEST_DIR/tools/bag_check.py" "$1" || return 1
	(
		cd "$1" || return 1
		sha512sum --quiet --strict -c tagmanifest-sha512.txt || return 1
		# what sha512sum does not know: %0A, %0D
		sed 's/\\/\\\\/g; s/%0A/\\n/g; s/%0D/\\r/g; s/^/\\/' \
			manifest-sha512.txt | sha512sum --quiet --strict -c || return 1
		[ "$(find data -type f -printf x | wc -c)" = \
			"$(wc -l <manifest-sha512.txt)" ] || return 1
		[ "$(find data -type f -printf '%s\n' | awk '{ n++; s += $1 }
			END { printf "%d.%d", s, n }')" = \
			"$(sed -n 's/^Payload-Oxum: //p' bag-info.txt)" ] || return 1
		grep -qx 'BagIt-Version: 1.0' bagit.txt
		iconv -f UTF-8 -t UTF-8 ./*.txt >/dev/null
	)
}

@test "a bag: complete, sound, with every name that was copied" {
	expect 3 ntt-report --bagit "$T/bag" "$PAPERS"
	has "$stderr" "2 files were never copied"
	check_bag "$T/bag"
	[ -f "$T/bag/data/names/"$'new\nline' ]
	[ -f "$T/bag/data/renamed/<b>bold=FF/x.<i>" ]
	grep -q '^Files-Not-Copied: 2$' "$T/bag/bag-info.txt"
	xmllint --noout "$T/bag/metadata/dfxml.xml"
	# what can be the same is the same as on the medium
	for f in letters old names photos; do
		(cd "$MEDIA/papers" && find $f -type f -print0) |
			grep -zav $'\xff' | grep -zav photos/work/2 |
			grep -zavP '[%\x01-\x09\x0b\x0c\x0e-\x1f]' | sort -z
	done | sort -z >"$T/want"
	(cd "$T/bag/data" && find letters old names photos -type f -print0) |
		sort -z >"$T/have"
	cmp "$T/want" "$T/have"
	expect 2 ntt-report --bagit "$T/bag/" "$PAPERS"
	has "$stderr" "there already"
	[ ! -e "$T/bag.partial" ]
	expect 0 ntt-report --bagit "$T/disk" "$DISK"
	check_bag "$T/disk"
}

@test "a bag says whose it is" {
	NTT_ORGANIZATION='Archive of X' NTT_CONTACT='A. Person <a@example.org>' \
		expect 0 ntt-report --bagit "$T/bag" "$DISK"
	grep -qx 'Source-Organization: Archive of X' "$T/bag/bag-info.txt"
	grep -qx 'Contact-Name: A. Person <a@example.org>' "$T/bag/bag-info.txt"
	check_bag "$T/bag"
}

@test "a bag on another file system is copies; what a killed run left goes" {
	other=$(mktemp -d /dev/shm/ntt-bag.XXXXXX)
	mkdir -p "$other/bag.partial/data/stale"
	echo old >"$other/bag.partial/data/stale/file"
	status=0
	ntt-report -q --bagit "$other/bag" "$PAPERS" || status=$?
	[ $status = 3 ] && check_bag "$other/bag" && [ ! -e "$other/bag/data/stale" ] &&
		[ ! -e "$other/bag.partial" ] || status=bad
	rm -rf "$other"
	[ $status = 3 ]
}

@test "a bag on a file system that knows no RENAME_NOREPLACE" {
	need_root
	need bindfs bindfs
	mkdir "$T/below" "$T/through"
	bindfs "$T/below" "$T/through" 3>&-
	status=0
	ntt-report -q --bagit "$T/through/bag" "$DISK" || status=$?
	again=0
	ntt-report -q --bagit "$T/through/bag" "$DISK" 2>/dev/null || again=$?
	umount "$T/through"
	[ $status = 0 ] && [ $again = 2 ]
	check_bag "$T/below/bag"
	[ ! -e "$T/below/bag.partial" ]
}

@test "nothing rotten gets into a bag" {
	blob=$(sql "SELECT blobid FROM inode JOIN path USING (medium_hash, dev, ino)
		WHERE medium_hash = '$COPY' AND path = 'letter 1994-2.txt'")
	file=$COLLECTION/by-hash/${blob:0:2}/${blob:2:2}/$blob
	cp "$file" "$T/keep"
	printf X | dd of="$file" conv=notrunc status=none
	status=0
	ntt-report --bagit "$T/bag" "$COPY" 2>"$T/err" || status=$?
	cp "$T/keep" "$file"
	[ $status = 3 ]
	grep -q "$blob.*not those of its name" "$T/err"
	[ ! -e "$T/bag/data/letter 1994-2.txt" ]
	grep -q '^Files-Lost-By-The-Store: 1$' "$T/bag/bag-info.txt"
	check_bag "$T/bag"
}

@test "no half bag on a full disk" {
	need_root
	mkdir "$T/small"
	mount -t tmpfs -o size=1m tmpfs "$T/small"
	status=0
	ntt-report -q --bagit "$T/small/bag" "$PAPERS" 2>"$T/err" || status=$?
	left=$(ls -A "$T/small")
	umount "$T/small"
	[ $status = 75 ]
	[ -z "$left" ]
}

@test "in a browser: no complaint, no request, nothing wider than the screen" {
	need chromedriver chromium-driver
	for page in "$PAGES"/*.html; do
		for width in 390 1280; do
			browser_open "$page" $width
			[ "$(browser_js 'document.documentElement.scrollWidth')" \
				-le $width ] || { echo "$page at $width"; return 1; }
			[ "$(browser_js innerWidth)" = $width ]
			[ "$(browser_log)" = "file://$page" ] ||
				{ browser_log; return 1; }
		done
	done
}

@test "in a browser: structure, and contrast in both schemes" {
	need chromedriver chromium-driver
	for page in "$PAGES"/*.html; do
		for scheme in light dark; do
			browser_open "$page" 1280 $scheme
			[ "$(browser_js "$browser_structure")" = "[]" ] || {
				browser_js "$browser_structure"; return 1; }
			[ "$(browser_js "$browser_contrast")" = "[true]" ] || {
				browser_js "$browser_contrast"; return 1; }
		done
		[ "$(browser_js "matchMedia('(prefers-color-scheme: dark)').matches &&
			getComputedStyle(document.documentElement).backgroundColor")" \
			= '"rgb(23, 22, 20)"' ]
	done
}

@test "in a browser: hostile names are seen as what they are, links lead on" {
	need chromedriver chromium-driver
	browser_open "$PAGES/index.html" 1280
	browser_js "[...document.links].find((a) =>
		a.textContent.startsWith('papers of')).click()" >/dev/null
	[ "$(browser_js "document.querySelector('h1').textContent")" = \
		'"papers of <b>Anna & son"' ]
	[ "$(browser_js "document.querySelectorAll('script, b, i').length")" = 0 ]
	[ "$(browser_js "[...document.querySelectorAll('.esc')].some((e) =>
		e.textContent == '\\\\u202e')")" = true ]
	[ "$(browser_js "document.querySelectorAll('.bar').length > 5")" = true ]
	# a treemap fills its picture
	[ "$(browser_js "Math.round([...document.querySelectorAll('.d1')].reduce(
		(n, r) => n + r.width.baseVal.value * r.height.baseVal.value, 0))")" \
		= $((480 * 340)) ]
}

@test "on paper" {
	need chromedriver chromium-driver
	need pdftotext poppler-utils
	browser_open "$PAGES/$PAPERS.html" 1280 dark
	browser_pdf "$T/page.pdf"
	pdftotext -layout "$T/page.pdf" "$T/page.txt"
	grep -q 'papers of <b>Anna & son' "$T/page.txt"
	grep -q 'ntt-recover-failed reset-failures' "$T/page.txt"
	grep -q 'Made by ntt-report' "$T/page.txt"
	# links to sections are for screens
	[ "$(grep -c 'Failures' "$T/page.txt")" = 1 ]
}
