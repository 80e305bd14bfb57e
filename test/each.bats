#!/usr/bin/env bats
# ntt-each: a program once for each content, whatever the program does.

# expect() sets output and stderr; psql's answers are compared unquoted
# shellcheck disable=SC2154
load lib

A=aaaabbbbccccdddd0000111122223333
B=beef0000beef0000

setup() {
	isolate
	chmod 755 "$T"
	need bwrap bubblewrap
	need b3sum b3sum
	fresh_db
	mkdir "$T/a" "$T/b"
}

# take_in HASH DIR: without MIME types
take_in() {
	ntt-enum -q "$2" "$1" - | ntt-loader -q - "$1" >/dev/null
	ntt-copier -q -m "$1" --no-archived --mime never || [ $? = 2 ]
}

# numbered N: so many different contents in $T/a
numbered() {
	local i
	for ((i = 1; i <= $1; i++)); do echo "$i" >"$T/a/$i"; done
	take_in $A "$T/a"
}

# id_of FILE: of its content
id_of() {
	b3sum --no-names "$1"
}

@test "once for each content, whatever the names, and only what is new" {
	difficult_tree "$T/a"
	echo same >"$T/b/again"
	take_in $A "$T/a"
	take_in $B "$T/b"
	n=$(find "$T/a" -type f -exec b3sum --no-names {} + | sort -u | wc -l)
	expect 0 ntt-each -- wc -c
	has "$stderr" "$n contents were done"
	has "$stderr" " 0 had an answer before"
	[ "$(sql "SELECT count(*), count(DISTINCT blobid), min(tool),
		sum(exit) FROM content_fact")" = "$n|$n|wc -c|0" ]
	find "$T/a" -type f -exec b3sum --no-names {} + | sort -u >"$T/want"
	sql 'SELECT blobid FROM content_fact ORDER BY blobid COLLATE "C"' |
		cmp - "$T/want"
	# what the program read is what the content is
	[ -z "$(sql "SELECT blobid FROM content_fact JOIN blobs USING (blobid)
		WHERE convert_from(output, 'UTF8') <> size || E' /content\n'")" ]
	expect 0 ntt-each -- wc -c
	has "$stderr" "0 contents were done (0 B), $n had an answer before"
	echo new >"$T/b/new"
	ntt-enum -q "$T/b" $B - | ntt-loader -q --replace --force - $B >/dev/null
	ntt-copier -q -m $B --no-archived --mime never
	expect 0 ntt-each -- wc -c
	has "$stderr" "1 contents were done (4 B), $n had"
}

@test "the tests choose as ntt-find does" {
	echo one >"$T/a/one.txt"; echo two >"$T/a/two.jpg"
	echo three >"$T/b/three.txt"; ln -s target "$T/b/link.txt"
	take_in $A "$T/a"
	take_in $B "$T/b"
	expect 0 ntt-each --print '*.txt' -- cat {}
	[ "$(sort <<<"$output")" = "$(sort <<-END
		$(id_of "$T/a/one.txt")	one
		$(id_of "$T/b/three.txt")	three
	END
	)" ]
	expect 0 ntt-each --print --name x -m $B -- cat
	[ "$output" = "$(id_of "$T/b/three.txt")	three" ]
	expect 0 ntt-each --print --name y --type l -- cat
	has "$output" "	target"
	expect 1 ntt-each nothing -- cat
	has "$stderr" "no content was chosen"
	sql "UPDATE inode SET mime_type = 'text/plain' WHERE medium_hash = '$A'"
	expect 3 ntt-each --name z --mime 'text/*' -- cat
	has "$stderr" "2 contents were done"
	has "$stderr" "1 stored files have no MIME type yet"
}

@test "answers are shown, and ntt-find asks them" {
	echo 'one line' >"$T/a/one"; printf 'a\nb' >"$T/a/two"
	printf '\0\377' >"$T/a/bytes"
	take_in $A "$T/a"
	expect 0 ntt-each --json -- cat {}
	[ "$(jq -r 'select(.output == "a\nb") | [.tool, .exit, .output_bytes,
		.truncated, .timed_out] | @tsv' <<<"$output")" = \
		$'cat {}\t0\t3\tfalse\tfalse' ]
	[ "$(jq -r 'select(.output_hex) | .output_hex' <<<"$output")" = 00ff ]
	expect 0 ntt-each --show two one -- cat {}
	[ "$(sort <<<"$output")" = "$(sort <<-END
		$(id_of "$T/a/one")	one line
		$(id_of "$T/a/two")	a
		$(id_of "$T/a/two")	b
	END
	)" ]
	expect 0 ntt-find --fact 'cat {}=one l'
	[ "$output" = "$A:one" ]
	expect 0 ntt-find --fact 'cat {}' --count
	[ "$output" = 3 ]
	expect 1 ntt-find --fact 'cat {}=nobody'
	echo late >"$T/b/late"
	take_in $B "$T/b"
	expect 3 ntt-find --fact 'cat {}=one l'
	has "$stderr" '1 stored files have no answer of "cat {}"'
	expect 3 ntt-each --show -- cat {}
	has "$stderr" '1 contents have no answer of "cat {}" yet'
	expect 0 ntt-each --tool-version 2 -- cat {}
	has "$stderr" "4 contents were done"
}

@test "programs that hang, crash and fail are recorded, and not run again" {
	numbered 4
	cat >"$T/bad" <<-'END'
		#!/bin/bash
		case $(<"$1") in
		1) trap '' TERM; sleep 1000 ;;
		2) kill -SEGV $$ ;;
		3) echo said; echo why >&2; exit 7 ;;
		4) echo fine ;;
		esac
	END
	chmod 755 "$T/bad"
	expect 3 ntt-each -P 4 --timeout 1 --name bad -- "$T/bad"
	has "$stderr" "content $(id_of "$T/a/1"): it was stopped after 1 s"
	has "$stderr" "content $(id_of "$T/a/2"): it was ended by signal 11"
	has "$stderr" "content $(id_of "$T/a/3"): exit 7: \"why\""
	has "$stderr" "3 contents failed"
	[ "$(sql "SELECT count(*) FROM content_fact WHERE
		NOT timed_out AND (exit, coalesce(signal, 0), output, errors) IN
		((0, 0, E'fine\n'::bytea, ''), (7, 0, E'said\n'::bytea,
		E'why\n'::bytea), (139, 11, '', ''))")" = 3 ]
	[ "$(sql 'SELECT exit > 128 AND seconds >= 1 FROM content_fact
		WHERE timed_out')" = t ]
	expect 3 ntt-each --timeout 1 --name bad -- "$T/bad"
	has "$stderr" "0 contents were done"
	has "$stderr" "3 contents failed in a run before"
	# mended: those alone are tried again
	printf '#!/bin/sh\necho mended\n' >"$T/bad"
	expect 0 ntt-each --failed --name bad -- "$T/bad"
	has "$stderr" "3 contents were done"
	[ "$(sql "SELECT count(*) FROM content_fact WHERE exit = 0 AND
		signal IS NULL AND NOT timed_out AND output = E'mended\n'")" = 3 ]
	expect 0 ntt-each --again --name bad -- "$T/bad"
	has "$stderr" "4 contents were done"
}

@test "whoever is stopped has failed, also if it ends well" {
	numbered 1
	expect 3 ntt-each --no-sandbox --timeout 1 --print --name slow -- sh -c \
		'trap "exit 0" TERM; echo half; while :; do sleep 0.1; done'
	has "$stderr" "it was stopped after 1 s"
	[ "$(sql "SELECT exit, signal, timed_out FROM content_fact")" = '143||t' ]
	expect 3 ntt-each --no-sandbox --name slow -- true
	expect 0 ntt-each --no-sandbox --failed --name slow -- true
}

@test "gigabytes of output are cut, and memory is not ours" {
	numbered 1
	expect 0 ntt-each --name much -- sh -c 'head -c 3000000000 /dev/zero' {}
	has "$stderr" "1 answers were longer than"
	[ "$(sql 'SELECT truncated, output_bytes, length(output)
		FROM content_fact')" = 't|3000000000|1048576' ]
	expect 3 ntt-each --max-output 10 --timeout 1 --name yes -- \
		sh -c 'yes >&2 & yes'
	[ "$(sql "SELECT timed_out, output, length(errors) FROM content_fact
		WHERE tool = 'yes'")" = \
		"t|\\x$(yes | head -c 10 | od -An -tx1 | tr -d ' ')|4096" ]
	# room in memory ends
	expect 3 ntt-each --name tmp -- sh -c \
		'head -c 300000000 /dev/zero >/tmp/x'
	expect 3 ntt-each --max-memory 50M --name ram -- \
		python3 -c 'bytearray(100000000)'
}

@test "no network, no writing, nobody else, no secrets" {
	numbered 1
	ip link show lo >/dev/null 2>&1 || :
	cat >"$T/probe" <<-'END'
		#!/usr/bin/python3
		import os, socket, sys
		def says(what, f):
		    try: print(what, f() or "done")
		    except OSError as e: print(what, "refused")
		s = socket.socket()
		says("net", lambda: s.connect(("127.0.0.1", int(sys.argv[1]))))
		for d in "/", "/usr", "/etc", "/dev", "/usr/bin":
		    says("write " + d, lambda: open(d + "/x", "w").close())
		says("content", lambda: open(sys.argv[3], "r+").close())
		says("tmp", lambda: open("/tmp/x", "w").close())
		says("store", lambda: os.stat(sys.argv[2]).st_ino)
		print("processes", len([p for p in os.listdir("/proc") if p.isdigit()]) < 5)
		print("environment", "NTT_DB_URL" in os.environ, "NTT_HOME" in os.environ)
		print("user", os.getuid() != 0 and os.geteuid() != 0)
		print("caps", [l for l in open("/proc/self/status") if l.startswith("CapEff")][0].split()[1].strip("0") == "")
		says("setuid", lambda: os.setuid(0))
	END
	chmod 755 "$T/probe"
	# somebody listens, whom a program without a sandbox would reach
	python3 -c 'import socket, sys, time
s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True)
time.sleep(60)' >"$T/port" 3>&- &
	await '[ -s "$T/port" ]' $!
	python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1",
		int(sys.argv[1])))' "$(<"$T/port")"
	expect 0 ntt-each --print --name p -- "$T/probe" "$(<"$T/port")" \
		"$NTT_HOME" {}
	kill $!
	diff <(cut -f2 <<<"$output") - <<-'END'
		net refused
		write / refused
		write /usr refused
		write /etc refused
		write /dev refused
		write /usr/bin refused
		content refused
		tmp done
		store refused
		processes True
		environment False False
		user True
		caps True
		setuid refused
	END
}

@test "what a program leaves behind ends with it, in a sandbox and without" {
	numbered 2
	cat >"$T/daemon" <<-'END'
		#!/bin/sh
		setsid sh -c 'sleep 9876; :' >/dev/null 2>&1 &
		setsid sh -c 'sleep 9876; :' &
		echo started
	END
	chmod 755 "$T/daemon"
	expect 0 ntt-each --name d -- "$T/daemon"
	! pgrep -f 'sleep 9876' || return 1
	[ "$(sql "SELECT count(*) FROM content_fact
		WHERE output = E'started\n'")" = 2 ]
	expect 0 ntt-each --no-sandbox --name e -- "$T/daemon"
	! pgrep -f 'sleep 9876' || return 1
	[ "$(sql "SELECT count(*) FROM content_fact
		WHERE output = E'started\n'")" = 4 ]
}

@test "killed and run again: what was committed is not done again" {
	numbered 300
	ntt-each -q --name k -P 2 -- sh -c 'sleep 0.02; cat "$0"' {} &
	pid=$!
	await '[ "$(sql "SELECT count(*) FROM content_fact")" -gt 10 ]' $pid
	kill -9 $pid
	wait $pid || :
	# a bwrap whose parent is killed at once may wait for it for ever, and
	# begins nothing
	await '! pgrep -f "^(/usr/bin/)?(sh|setpriv) .*sleep 0.02; cat" >/dev/null'
	pkill -9 -f "^bwrap .*$T/.*sleep 0.02; cat" || :
	before=$(sql 'SELECT count(*) FROM content_fact')
	[ "$before" -lt 300 ]
	sql 'CREATE TABLE first AS SELECT blobid, at FROM content_fact'
	expect 0 ntt-each --name k -P 2 -- sh -c 'sleep 0.02; cat "$0"' {}
	has "$stderr" "$((300 - before)) contents were done"
	[ "$(sql 'SELECT count(*), count(DISTINCT output) FROM content_fact')" = \
		'300|300' ]
	[ "$(sql 'SELECT count(*) FROM first JOIN content_fact
		USING (blobid, at)')" = "$before" ]
}

@test "interrupted: what is done is kept, nobody goes on" {
	numbered 50
	ntt-each -q --name i -P 2 -- sh -c 'sleep 0.1; sleep 0.05' {} &
	pid=$!
	await 'pgrep -f "sleep 0.1; sleep 0.05" >/dev/null' $pid
	await '[ "$(sql "SELECT count(*) FROM content_fact")" -gt 2 ]' $pid
	kill -TERM $pid
	status=0; wait $pid || status=$?
	[ $status = 143 ]
	! pgrep -f 'sleep 0.1; sleep 0.05' || return 1
	n=$(sql 'SELECT count(*) FROM content_fact')
	[ "$n" -gt 2 ] && [ "$n" -lt 50 ]
	[ "$(sql 'SELECT count(*) FROM content_fact WHERE exit <> 0')" = 0 ]
}

@test "a catalogue that goes away is 75, and nothing that was kept is lost" {
	numbered 100
	ntt-each -q --name k -P 2 -- sh -c 'sleep 0.05' 2>"$T/err" &
	pid=$!
	await '[ "$(sql "SELECT count(*) FROM content_fact")" -gt 2 ]' $pid
	sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()" \
		>/dev/null
	status=0; wait $pid || status=$?
	[ $status = 75 ] || { echo "$status: $(<"$T/err")"; return 1; }
	[ "$(wc -l <"$T/err")" = 1 ]
	expect 0 ntt-each --name k -P 2 -- sh -c 'sleep 0.05'
	[ "$(sql 'SELECT count(*) FROM content_fact')" = 100 ]
}

@test "blobs that are missing or wrong are named, and done when they are right" {
	numbered 3
	one=$(id_of "$T/a/1") two=$(id_of "$T/a/2")
	mv "$(blob_file "$one")" "$T/kept"
	flip_bit "$(blob_file "$two")"
	sql "UPDATE blobs SET created_at = now() - interval '100 days'"
	expect 3 ntt-each -- cat
	has "$stderr" "content $one: its blob is missing in the store"
	has "$stderr" "content $two: its blob in the store has other bytes"
	has "$stderr" "2 contents could not be given"
	[ "$(sql 'SELECT count(*) FROM content_fact')" = 1 ]
	[ "$(sql "SELECT blobid, state FROM blobs WHERE state <> 'good'
		ORDER BY state")" = "$two|bad
$one|missing" ]
	mv "$T/kept" "$(blob_file "$one")"
	flip_bit "$(blob_file "$two")"
	expect 0 ntt-each -- cat
	has "$stderr" "2 contents were done"
}

@test "--mime fills every type that is missing, and reads no content twice" {
	echo text >"$T/a/text"; cp "$T/a/text" "$T/b/text"
	: >"$T/a/empty"; printf '%%PDF-1.4\n' >"$T/a/pdf"
	printf '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\0\0\0\0' >"$T/a/png"
	difficult_tree "$T/a/more"
	take_in $A "$T/a"
	take_in $B "$T/b"
	[ "$(sql "SELECT count(*) FROM inode WHERE fs_type = 'f'
		AND mime_type IS NOT NULL")" = 0 ]
	expect 0 ntt-each --mime
	[ "$(sql "SELECT count(*) FROM inode WHERE fs_type = 'f' AND
		mime_type IS NULL")" = 0 ]
	has "$(ntt-find --mime image/png)" "$A:png"
	has "$(ntt-find --mime application/pdf)" "$A:pdf"
	expect 0 ntt-find --mime text/plain $B:
	[ "$output" = "$B:text" ]
	# what copiers say of the same files is the same
	while IFS='|' read -r path type; do
		[ "$(file -b --mime-type "$T/a/$path")" = "$type" ]
	done < <(sql "SELECT convert_from(path, 'UTF8'), mime_type
		FROM inode JOIN path USING (dev, ino)
		WHERE path.medium_hash = '$A' AND inode.medium_hash = '$A'
		AND path IN ('text', 'pdf', 'png')")
	sql 'UPDATE inode SET mime_type = NULL'
	rm "$(blob_file "$(id_of "$T/a/pdf")")"
	expect 0 ntt-each --mime-types
	has "$stderr" "0 contents were looked at"
	[ "$(sql "SELECT count(*) FROM inode WHERE fs_type = 'f' AND
		mime_type IS NULL")" = 0 ]
	# what a copier knew is not asked for
	sql "UPDATE blobs SET mime_type = NULL"
	expect 0 ntt-each --mime -q
	has "$(ntt-find --mime application/pdf)" "$A:pdf"
}

@test "the table of types has MIME types when they are there" {
	echo text >"$T/a/x.foo"; echo '{"a": 1}' >"$T/a/y.foo"
	take_in $A "$T/a"
	types() {
		ntt-report -q -o "$T/m.html" $A
		xmllint --html --xpath "//table[contains(caption, 'largest types')]//th[@scope='row']" \
			"$T/m.html" 2>/dev/null | sed 's/<[^>]*>/ /g' | xargs -n1 |
			sort | paste -sd' '
	}
	[ "$(types)" = .foo ]
	expect 0 ntt-each --mime
	[ "$(types)" = "application/json text/plain" ]
}

@test "summary, dashboard and report count the contents of a medium in one way" {
	echo one >"$T/a/one"; cp "$T/a/one" "$T/a/two"; ln "$T/a/one" "$T/a/three"
	: >"$T/a/e1"; : >"$T/a/e2"; echo other >"$T/a/other"
	ln -s target "$T/a/l1"; ln -s elsewhere "$T/a/l2"
	expect 0 ntt-orchestrator -q "$T/a"
	has "$output" "contents     2 different, 10 B"
	has "$output" "new          2 contents, 10 B, that the store did not"
	has "$output" "duplicates   3 files, 4 B saved"
	expect 0 ntt-dashboard --once
	has "$output" "total       5 files, 14 B; new contents 2, 10 B"
	M=$(sql 'SELECT medium_hash FROM medium')
	ntt-report -o "$T/m.html" "$M"
	grep -q '5 files, 14 B; 2 new contents, 10 B' "$T/m.html"
	[ "$(xmllint --html --xpath "//dt[. = 'Different contents']/following-sibling::dd[1]//text()" \
		"$T/m.html" 2>/dev/null | paste -sd' ')" = "2 10 B" ]
	ntt-report --collection -o "$T/c.html"
	[ "$(xmllint --html --xpath "//dt[. = 'Contents']/following-sibling::dd[1]//text()" \
		"$T/c.html" 2>/dev/null | paste -sd' ')" = "2 10 B" ]
}

@test "--mime names what it cannot look at" {
	numbered 3
	rm "$(blob_file "$(id_of "$T/a/2")")"
	expect 3 ntt-each --mime
	has "$stderr" "content $(id_of "$T/a/2"): its blob is missing"
	has "$stderr" "1 contents have no MIME type"
	expect 3 ntt-find --mime 'text/*'
	[ "$(wc -l <<<"$output")" = 2 ]
}

# documents: one word in each of several formats
documents() {
	python3 - "$T/a" <<-'END'
		import sys, zipfile
		a = sys.argv[1] + "/"
		text = b"BT /F1 12 Tf 72 700 Td (the elephant sleeps) Tj ET"
		objects = [b"<</Type/Catalog/Pages 2 0 R>>",
		    b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		    b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
		    b"/Resources<</Font<</F1 5 0 R>>>>>>",
		    b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
		    b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
		out, at = b"%PDF-1.4\n", []
		for i, o in enumerate(objects, 1):
		    at.append(len(out))
		    out += b"%d 0 obj\n%s\nendobj\n" % (i, o)
		xref = len(out)
		out += b"xref\n0 6\n0000000000 65535 f \n"
		out += b"".join(b"%010d 00000 n \n" % x for x in at)
		out += b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % xref
		open(a + "pdf", "wb").write(out)
		z = zipfile.ZipFile(a + "odt", "w")
		z.writestr("mimetype", "application/vnd.oasis.opendocument.text")
		z.writestr("content.xml", '<?xml version="1.0"?><o:document-content '
		    'xmlns:o="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
		    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">'
		    '<o:body><o:text><text:p>a giraffe</text:p></o:text></o:body>'
		    '</o:document-content>')
		z.close()
		open(a + "rtf", "w").write(r"{\rtf1\ansi The hippopotamus swims.\par}")
		open(a + "latin", "wb").write("Zoo in München\n".encode("latin-1"))
		open(a + "wide", "wb").write("\ufeffein Löwe\n".encode("utf-16-le"))
		# after what libmagic looks at
		open(a + "bytes", "wb").write(b"plain words\n" * 2000 +
		    b"a\0tiger \xff\xfe leopard\n")
		open(a + "long", "w").write("x " * 400000 + "hidden")
		open(a + "dense", "w").write(" ".join(chr(97 + i % 26) + str(i)
		    for i in range(80000)))
	END
	: >"$T/a/empty"
	head -c 1000 /dev/zero >"$T/a/zeros"
	take_in $A "$T/a"
}

# finds_words NAME WORDS: only this file has them
finds_words() {
	ntt-find --words "$2" >"$T/found" 2>"$T/err" || [ $? = 3 ]
	[ "$(<"$T/found")" = "$A:$1" ] ||
		{ echo "$2: $(<"$T/found") $(<"$T/err")"; return 1; }
}

@test "--text makes words known: PDF, odt, RTF, and text in any encoding" {
	need pdftotext poppler-utils
	need odt2txt odt2txt
	need unrtf unrtf
	documents
	expect 3 ntt-find --words elephant
	has "$stderr" "the words of 10 stored files are not known"
	expect 0 ntt-each --text
	has "$stderr" "texts: 10 contents were looked at"
	finds_words pdf elephant
	finds_words pdf '"elephant sleeps"'
	finds_words odt giraffe
	finds_words rtf hippopotamus
	finds_words latin münchen
	finds_words wide Löwe
	finds_words bytes tiger
	finds_words bytes leopard
	finds_words dense a26
	# words, not parts of them
	expect 3 ntt-find --words elephan
	[ -z "$output" ]
	expect 3 ntt-find --words hidden
	[ -z "$output" ]
	has "$stderr" "2 stored files have longer texts than are kept"
	[ "$(sql "SELECT count(*) FROM content_text WHERE truncated")" = 2 ]
	[ "$(sql "SELECT count(*) FROM content_text WHERE tool = 'none'
		AND words IS NULL")" = 2 ]
	expect 0 ntt-each --text
	has "$stderr" "texts: 0 contents were looked at"
	expect 3 ntt-each --print --words giraffe -- wc -c
	has "$output" "$(id_of "$T/a/odt")	"
}

@test "--text without a program: its package is named, and the rest is done" {
	documents
	mkdir "$T/bin"
	ln -s "$(command -v bwrap)" "$T/bin"
	each=$(command -v ntt-each)
	expect 3 env PATH="$T/bin" "$each" --text
	has "$stderr" 'there is no pdftotext (package poppler-utils)'
	has "$stderr" 'there is no odt2txt (package odt2txt)'
	finds_words latin münchen
	ntt-find --words elephant 2>"$T/err" || [ $? = 3 ]
	grep -q 'the words of 3 stored files are not known' "$T/err"
	expect 0 ntt-each --text
	has "$stderr" "texts: 3 contents were looked at"
	finds_words pdf elephant
}

@test "a document that its program cannot read is a failure, and named" {
	need pdftotext poppler-utils
	printf '%%PDF-1.4\nnonsense\n' >"$T/a/pdf"
	take_in $A "$T/a"
	expect 3 ntt-each --text
	has "$stderr" "content $(id_of "$T/a/pdf"): pdftotext failed"
	expect 3 ntt-each --text
	has "$stderr" "texts: 0 contents were looked at"
	has "$stderr" "the texts of 1 contents could not be taken"
	expect 3 ntt-find --words nonsense
	has "$stderr" "the words of 1 stored files are not known"
}

@test "answers and words go with their content" {
	numbered 3
	expect 0 ntt-each -q --text
	expect 0 ntt-each -q -- cat
	one=$(id_of "$T/a/1")
	expect 0 ntt-remove --content "$one" <<<"${one:0:8}"
	[ "$(sql "SELECT count(*) FROM content_fact")" = 2 ]
	[ "$(sql "SELECT count(*) FROM content_text")" = 2 ]
	expect 0 ntt-remove $A <<<"${A:0:8}"
	expect 0 ntt-reclaim --days 0
	[ "$(sql "SELECT count(*) FROM content_fact")" = 0 ]
	[ "$(sql "SELECT count(*) FROM content_text")" = 0 ]
}

@test "what it needs and is not there" {
	numbered 1
	expect 127 ntt-each -- no-such-program
	has "$stderr" 'there is no program "no-such-program"'
	: >"$T/plain"
	expect 126 ntt-each -- "$T/plain"
	each=$(command -v ntt-each)
	mkdir "$T/bin" && ln -s "$(command -v cat)" "$T/bin"
	expect 126 env PATH="$T/bin" "$each" -- cat
	has "$stderr" "package bubblewrap"
	# one that cannot make sandboxes
	printf '#!/bin/sh\necho "bwrap: No permissions" >&2; exit 1\n' >"$T/bin/bwrap"
	chmod 755 "$T/bin/bwrap"
	expect 126 env PATH="$T/bin" "$each" -- cat
	has "$stderr" "bwrap: No permissions"
	has "$stderr" "--no-sandbox"
	expect 0 env PATH="$T/bin" "$each" --no-sandbox -- cat
	[ "$(sql 'SELECT count(*) FROM content_fact')" = 1 ]
	expect 64 ntt-each
	has "$stderr" "the program is missing"
	expect 64 ntt-each --mime image/png
	has "$stderr" "--mime-types fills in"
	expect 64 ntt-each --text -- cat
	expect 64 ntt-each --read nowhere -- cat
	expect 64 ntt-each --max-output 1G -- cat
}

@test "root becomes the owner of the store, and shows what it is told to" {
	need_root
	numbered 2
	mkdir "$T/data" && echo secret >"$T/data/f"
	expect 3 ntt-each --name x -- grep -q secret "$T/data/f"
	expect 0 ntt-each --read "$T/data" --name y -- grep -q secret "$T/data/f"
	chown -R daemon "$NTT_HOME/by-hash"
	expect 0 ntt-each --print --name z -- sh -c 'id -un'
	[ "$(cut -f2 <<<"$output" | uniq)" = daemon ]
	chown -R root "$NTT_HOME/by-hash"
	chmod 440 "$(blob_file "$(id_of "$T/a/1")")"
	expect 2 ntt-each --name w -- cat
	has "$stderr" "cannot read it"
}

@test "a user with no rights" {
	need_root
	echo x >"$T/a/f"
	mkdir -p "$T/user"
	chown -R 65534:65534 "$T/a" "$T/user"
	unset NTT_HOME NTT_DB_URL
	as_nobody() {
		cd / && expect "$1" setpriv --reuid=65534 --regid=65534 \
			--clear-groups env HOME="$T/user" "${@:2}" 3>&-
		cd "$T"
	}
	as_nobody 0 ntt-orchestrator -q "$T/a"
	as_nobody 0 ntt-each --print -- cat
	[ "$output" = "$(id_of "$T/a/f")	x" ]
	as_nobody 0 ntt-each --no-sandbox --name n --print -- cat
	# what it owns it cannot write to either
	as_nobody 3 ntt-each --name w -- sh -c 'touch /x /dev/x || exit 5' {}
	has "$stderr" "exit 5"
	as_nobody 0 ntt-each --name t -- sh -c 'touch /tmp/x /dev/shm/x' {}
	as_nobody 0 ntt-each --text
	as_nobody 0 ntt-find --words x
	(cd / && setpriv --reuid=65534 --regid=65534 --clear-groups \
		env HOME="$T/user" ntt-db stop -q)
}
