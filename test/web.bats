#!/usr/bin/env bats
# ntt-web: real requests to a real server over a real catalogue and store.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib
load web

@test "pages: shelf, medium, folder, file, missing, report" {
	two_media
	serve
	await 'page 200 / && shows "was counted at"'
	shows 'Box 7'; shows 'from the attic'
	page 200 /m/$A; shows '/tree"'
	page 200 /m/$A/tree; shows '/m/'$A'/tree/letters"'
	[ "$(grep -o '/file/[^"]*"' "$T/body" | paste -sd' ')" = \
		'/file/alone" /file/big" /file/link"' ]
	page 200 /m/$A/tree/letters/old; shows 'Beach%201999.png'
	page 200 /m/$A/tree/empty; shows 'Nothing is listed'
	page 200 "/m/$A/file/letters/Letter%20to%20Mother.doc"
	shows 'Dear mother'; shows "$(b3sum --no-names "$T/a/letters/Letter to Mother.doc")"
	page 200 /m/$A/file/link; shows '>letters<'
	page 200 /m/$A/file/big; shows '00000000 '
	page 200 '/m/'$A'/file/big?as=bytes&at=4096'; shows '00001000 '
	page 416 '/m/'$A'/file/big?at=3000000'
	page 200 /m/$A/missing; shows 'is stored'
	page 200 /m/$A/report; shows '</html>'
	grep -qi "^Content-Security-Policy:.*sandbox" "$T/head"
	page 404 /m/$A/file/nothing
	page 404 /m/$A/tree/nothing
	page 404 /m/0000111122223333
	page 404 /nothing
	[ ! -s "$T/web.err" ]
}

@test "a picture is shown as a small copy, and where else it is" {
	need vipsthumbnail libvips-tools
	two_media
	serve
	page 200 "/m/$A/file/letters/old/Beach%201999.png"
	shows '<img class="picture"'; shows "/m/$B/file/pictures/copy.png"
	page 200 /m/$A/tree/letters/old
	shows '<img class="small" loading="lazy" alt="" src="/m/'$A'/small/letters/old/Beach%201999.png">'
	page 200 '/search?q=copy.png'; shows "/m/$B/small/pictures/copy.png"
	for p in small image; do
		page 200 "/m/$A/$p/letters/old/Beach%201999.png"
		grep -qi '^Content-Type: image/jpeg' "$T/head"
		grep -qi "^Content-Security-Policy:.*sandbox" "$T/head"
		cp "$T/body" "$T/$p.jpg"
		[ "$(vipsheader -f width "$T/$p.jpg")" = 90 ]
		# once for a content, whoever has it
		page 200 "/m/$B/$p/pictures/copy.png"
		cmp "$T/body" "$T/$p.jpg"
	done
	[ "$(find "$NTT_HOME/cache" -type f | wc -l)" = 2 ]
	[ -z "$(find "$NTT_HOME/cache" -perm /077)" ]
	page 415 "/m/$A/image/alone"
	page 200 "/m/$B/where/pictures/copy.png"; shows "Beach%201999.png"
	# of a content that is not right there is none, kept or not
	sql "UPDATE blobs SET state = 'bad' WHERE size > 100"
	page 409 "/m/$A/small/letters/old/Beach%201999.png"
}

@test "pictures of other kinds: HEIC, PDF, a drawing, a photo that was held upright" {
	need vipsthumbnail libvips-tools
	picture "$T/p.png" 90
	vips copy "$T/p.png" "$T/a/new.heic" && vips copy "$T/p.png" "$T/a/scan.tif"
	vips copy "$T/p.png" "$T/x.jpg"
	# Orientation 6 in its EXIF data
	{ head -c 2 "$T/x.jpg"
		printf '\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0'
		tail -c +3 "$T/x.jpg"; } >"$T/a/upright.jpg"
	printf '%s\n' '%PDF-1.1' '1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj' \
		'2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj' \
		'3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 50]>>endobj' \
		'trailer<</Root 1 0 R>>' >"$T/a/letter.pdf"
	printf '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="80" height="40"/>' \
		>"$T/a/drawing.svg"
	take_in $A "$T/a"
	serve
	for want in new.heic:90x60 scan.tif:90x60 upright.jpg:60x90 letter.pdf: drawing.svg:80x40; do
		page 200 "/m/$A/image/${want%:*}"
		got=$(vipsheader -f width "$T/body")x$(vipsheader -f height "$T/body")
		[ -z "${want#*:}" ] || [ "$got" = "${want#*:}" ] || { echo "$want $got"; return 1; }
		# nothing of what a camera writes into its files
		! grep -aq Exif "$T/body" || return 1
	done
}

@test "what no picture can be made of is remembered; what is wrong is none" {
	need vipsthumbnail libvips-tools
	picture "$T/a/rotten.png" 50
	head -c 200 "$T/a/rotten.png" | tail -c 150 >"$T/a/no.jpg"
	{ printf '\x89PNG\r\n\x1a\n'; head -c 3000 /dev/urandom; } >"$T/a/noise.png"
	# 60,000 by 60,000 in a few bytes
	printf 'P6\n60000 60000\n255\nxyz' >"$T/a/bomb.ppm"
	take_in $A "$T/a"
	serve
	flip_bit "$(blob "$T/a/rotten.png")" 100
	page 409 /m/$A/small/rotten.png; shows 'bytes are wrong'
	[ ! -d "$NTT_HOME/cache/pictures" ] || [ -z "$(find "$NTT_HOME/cache" -type f)" ]
	page 415 /m/$A/small/no.jpg
	page 415 /m/$A/small/noise.png
	page 415 /m/$A/small/bomb.ppm
	id=$(b3sum --no-names "$T/a/noise.png")
	sql "UPDATE inode SET mime_type = 'image/png' WHERE size = 3008"
	[ -e "$NTT_HOME/cache/pictures/${id:0:2}/$id" ]
	page 200 /m/$A/tree && ! grep -q 'small/noise' "$T/body" || return 1
	page 200 /m/$A/file/noise.png; shows 'No picture could be made'; shows '00000000'
	# for a month
	touch -d '40 days ago' "$NTT_HOME/cache/pictures/${id:0:2}/$id"
	page 200 /m/$A/tree; shows 'small/noise'
	# a cache that was cut short is made again
	flip_bit "$(blob "$T/a/rotten.png")" 100
	page 200 /m/$A/small/rotten.png
	id=$(b3sum --no-names "$T/a/rotten.png")
	cp "$T/body" "$T/first"
	truncate -s 100 "$NTT_HOME/cache/pictures/${id:0:2}/$id-small"
	page 200 /m/$A/small/rotten.png
	cmp "$T/body" "$T/first"
	# what the catalogue has no more is not kept, the rest is
	sql "DELETE FROM blobs WHERE blobid = '$(b3sum --no-names "$T/a/noise.png")'"
	kill -9 $WEB_PID
	serve
	await '[ -z "$(find "$NTT_HOME/cache" -name "$(b3sum --no-names "$T/a/noise.png")*")" ]'
	await 'page 200 / && shows "was counted at"'
	[ -n "$(find "$NTT_HOME/cache" -name "$id-small")" ]
	# one directory of the cache has room for 4 MB
	head -c 3900000 /dev/zero >"$NTT_HOME/cache/pictures/${id:0:2}/$(printf '%064d' 1)-large"
	touch -d '2 days ago' "$NTT_HOME/cache/pictures/${id:0:2}/$(printf '%064d' 1)-large"
	head -c 400000 /dev/zero >"$NTT_HOME/cache/pictures/${id:0:2}/$(printf '%064d' 2)-large"
	rm "$NTT_HOME/cache/pictures/${id:0:2}/$id-small"
	page 200 /m/$A/small/rotten.png
	[ ! -e "$NTT_HOME/cache/pictures/${id:0:2}/$(printf '%064d' 1)-large" ]
	[ -e "$NTT_HOME/cache/pictures/${id:0:2}/$(printf '%064d' 2)-large" ]
	# one that cannot be written to stops nobody
	rm -r "$NTT_HOME/cache"
	: >"$NTT_HOME/cache"
	page 200 /m/$A/small/rotten.png
	cmp "$T/body" "$T/first"
	[ ! -s "$T/web.err" ] || ! grep -v ' was not given' "$T/web.err"
}

@test "pictures: two at a time, pages go first; without the programs it is said" {
	need vipsthumbnail libvips-tools
	for i in {1..7}; do vips gaussnoise "$T/a/p$i.png" 2000 $((1200 + i)); done
	take_in $A "$T/a"
	serve
	curls=()
	for i in {1..7}; do
		curl -sS -b "$COOKIE" -o "$T/p$i" "$U/m/$A/small/p$i.png" 3>&- &
		curls+=($!)
	done
	most=0
	while kill -0 "${curls[@]}" 2>/dev/null; do
		page 200 /m/$A/tree
		n=$(pgrep -r R,S,D -P $WEB_PID | wc -l)
		most=$((n > most ? n : most))
	done
	# and what counts, and the page that has just ended
	[ $most -ge 2 ] && [ $most -le 4 ]
	wait "${curls[@]}"
	for i in {1..7}; do [ "$(vipsheader -f height "$T/p$i")" -gt 100 ]; done
	kill -9 $WEB_PID
	rm -r "$NTT_HOME/cache"
	ntt-web() { PATH=$T/none exec "$NTT_BUILD/bin/ntt-web" "$@"; }
	serve
	page 501 /m/$A/small/p1.png; shows libvips-tools
	page 200 /m/$A/tree && ! grep -q '<img' "$T/body" || return 1
	shows libvips-tools
	page 200 /m/$A/file/p1.png; shows libvips-tools; shows '00000000'
}

@test "pictures: a user who is not root, without new rights, as the unit has it" {
	need vipsthumbnail libvips-tools
	need_root
	chmod 755 "$T" "$T/a" && picture "$T/a/p.png" 70
	mkdir -p "$T/user" && chown 65534:65534 "$T/user" "$T/a"
	nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs
		env -u NTT_DB_URL "NTT_HOME=$T/user/ntt" "HOME=$T/user" "CACHE_DIRECTORY=$T/user/cache")
	cd /
	"${nobody[@]}" ntt-orchestrator -q "$T/a" 3>&-
	"${nobody[@]}" ntt-web --listen 127.0.0.1:0 >"$T/web.out" 2>"$T/web.err" 3>&- &
	WEB_PID=$!
	await '[ -s "$T/web.out" ]' $WEB_PID
	U=$(sed -n 's,/?token.*,,p' "$T/web.out")
	COOKIE="ntt-web=$(sed -n 's/.*token=//p' "$T/web.out")"
	hash=$("${nobody[@]}" ntt-db psql -XAtqc "SELECT medium_hash FROM medium")
	got=$(get "/m/$hash/small/p.png")
	"${nobody[@]}" ntt-db stop -q
	[ "$got" = 200 ] || { cat "$T/web.err"; return 1; }
	[ "$(vipsheader -f width "$T/body")" = 70 ]
	[ "$(find "$T/user/cache/pictures" -type f -user nobody | wc -l)" = 1 ]
}

# living PID: its processes that have not ended
living() {
	pgrep -r R,S,D -P "$1"
}

@test "pictures that are traps: too large, endless, of other files; a killed maker is not their fault" {
	need vipsthumbnail libvips-tools
	python3 - "$T/a" <<-'END'
		import struct, sys, zlib
		def chunk(t, b):
		    return struct.pack(">I", len(b)) + t + b + struct.pack(">I", zlib.crc32(t + b))
		def svg(name, what, head="", size=100):
		    open(f"{sys.argv[1]}/{name}.svg", "w").write(f'<?xml version="1.0"?>{head}'
		        '<svg xmlns="http://www.w3.org/2000/svg" '
		        'xmlns:xlink="http://www.w3.org/1999/xlink" '
		        f'width="{size}" height="{size}">{what}</svg>')
		c = zlib.compressobj(1)
		rows = b"".join(c.compress(b"\0" * 3751) for i in range(30000)) + c.flush()
		open(sys.argv[1] + "/large.png", "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR",
		    struct.pack(">IIBBBBB", 30000, 30000, 1, 0, 0, 0, 0)) +
		    chunk(b"IDAT", rows) + chunk(b"IEND", b""))
		svg("enormous", "", size=10**9)
		svg("laughs", "<text>&z;</text>", "<!DOCTYPE svg [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
		    f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefghi", "bcdefghiz")) + "]>")
		svg("other", '<image width="100" height="100" xlink:href="file:///usr/share/x.png"/>'
		    '<text y="50">&x;</text>', "<!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>")
		open(sys.argv[1] + "/loop.tif", "wb").write(b"II*\0\x08\0\0\0" + struct.pack("<HHHIII",
		    1, 256, 4, 1, 10, 8))
		open(sys.argv[1] + "/wide.gif", "wb").write(b"GIF89a" + struct.pack("<HH", 65535, 65535) +
		    b"\x80\0\0\0\0\0\xff\xff\xff," + struct.pack("<HHHH", 0, 0, 65535, 65535) +
		    b"\0\x02\x02\x44\x01\0;")
	END
	take_in $A "$T/a"
	serve
	for f in enormous.svg laughs.svg other.svg loop.tif wide.gif; do
		status=$(get /m/$A/small/$f)
		[[ $status == 415 || $status == 200 ]] || { echo "$f $status"; return 1; }
	done
	[ ! -s "$T/web.err" ]
	rm -r "$NTT_HOME/cache"
	curl -sS -o "$T/body" -w '%{http_code}' -b "$COOKIE" "$U/m/$A/small/large.png" >"$T/code" 3>&- &
	client=$!
	await '[ -n "$(living "$(living $WEB_PID | tail -1)")" ]' $client
	bwrap=$(living "$(living $WEB_PID | tail -1)")
	kill -9 $bwrap
	wait $client
	[ "$(cat "$T/code")" = 503 ]; shows 'in the log of ntt-web'
	[ -s "$T/web.err" ]
	# a page whose process is killed says so, and leaves nothing behind
	curl -sS -o "$T/body" -w '%{http_code}' -b "$COOKIE" "$U/m/$A/small/large.png" >"$T/code" 3>&- &
	client=$!
	await '[ -n "$(living "$(living $WEB_PID | tail -1)")" ]' $client
	bwrap=$(living "$(living $WEB_PID | tail -1)")
	kill -9 "$(living $WEB_PID | tail -1)"
	wait $client
	[ "$(cat "$T/code")" = 500 ]; shows 'ended early'
	await '! kill -0 $bwrap 2>/dev/null'
	[ ! -e "$NTT_HOME/cache" ]
	page 200 /m/$A/small/large.png
}

@test "what would be lost with each medium, and what they share" {
	two_media
	C=cccc0000cccc0000
	mkdir "$T/c"
	cp "$T/a/big" "$T/a/letters/old/Beach 1999.png" "$T/c"
	take_in $C "$T/c"
	serve
	await 'page 200 /compare && shows "was counted at"'
	# sizes and counts in the row that has both
	row() { grep "$1.*$2" "$T/body" | sed 's/<svg.*svg>//; s/<[^>]*>/ /g'; }
	has "$(row '^<tr' "/m/$A\".* B<")" ' 18 B '
	has "$(row "/m/$A\"" "/m/$C\"")" '3.0 MB '
	has "$(row "/m/$A\"" "/m/$B\"")" 'kB  1 '
	grep -q '<table class="matrix">' "$T/body"
	! grep -q 'style=' "$T/body" || return 1
	page 200 /m/$B; shows "Media with the same contents"; shows "/m/$C\""
	# restricted ones are nowhere
	ntt-note --restricted $C >/dev/null
	page 200 /compare && ! grep -q $C "$T/body" || return 1
	page 200 /m/$A && ! grep -q $C "$T/body" || return 1
	page 404 /compare/x
}

@test "bad areas of a medium, and its photo" {
	two_media
	mkdir -p "$NTT_HOME/img"
	sql "UPDATE medium SET health = 'incomplete' WHERE medium_hash = '$A'"
	serve
	page 200 /m/$A; shows "/m/$A/map"
	page 200 /m/$B && ! grep -q /map "$T/body" || return 1
	page 200 /m/$A/map; shows 'There is no map'
	printf '0x0 ? 1\n0 0x10000 +\n0x10000 0x1000 -\n0x11000 0xf000 +\n' \
		>"$NTT_HOME/img/$A.map"
	page 200 /m/$A/map; shows '<svg'; shows '65,536 – 69,631'
	echo '<script>' >"$NTT_HOME/img/$A.map"
	page 200 /m/$A/map; shows 'cannot be read'
	! grep -q '<script' "$T/body" || return 1
	page 404 /m/$A/photo
	need vipsthumbnail libvips-tools
	picture "$NTT_HOME/img/$A.jpg" 77
	page 200 /m/$A/photo
	grep -qi '^Content-Type: image/jpeg' "$T/head"
	[ "$(vipsheader -f width "$T/body")" = 77 ]
	page 200 /; shows "/m/$A/photo?small=1"
	page 200 "/m/$A/photo?small=1"
	page 200 /m/$A; shows '<figure class="photo">'
	echo no picture >"$NTT_HOME/img/$B.png"
	page 415 /m/$B/photo
	rm "$NTT_HOME/img/$B.png" && mkfifo "$NTT_HOME/img/$B.png"
	page 404 /m/$B/photo
	ntt-note --restricted $A >/dev/null
	page 404 /m/$A/photo
	page 404 /m/$A/map
}

@test "who may look: token, cookie, host" {
	two_media
	serve
	COOKIE=
	page 403 / && ! grep -q Box "$T/body" || return 1
	page 403 /m/$A/get/alone && ! grep -q alone "$T/body" || return 1
	COOKIE="ntt-web=${TOKEN%?}0"
	[ "$COOKIE" = "ntt-web=$TOKEN" ] || page 403 /
	COOKIE="x=1; ntt-web=$TOKEN"
	page 200 /
	page 403 "/?token=0000"
	COOKIE=
	page 303 "/?token=$TOKEN"
	grep -qi '^Location: /.$' "$T/head"
	grep -qi "^Set-Cookie: ntt-web=$TOKEN; .*HttpOnly; SameSite=Strict" "$T/head"
	COOKIE="ntt-web=$TOKEN"
	page 421 / -H 'Host: evil.example'
	page 421 / -H "Host: 127.0.0.1.evil.example:${U##*:}"
	page 421 / -H 'Host: 127.0.0.1:1'
	page 421 "/?token=$TOKEN" -H 'Host: evil.example'
	page 200 / -H "Host: localhost:${U##*:}"
	# of a proxy only a Unix socket is believed
	COOKIE=
	page 403 / -H 'X-Remote-User: alice'
	[ "$(stat -c %a "$NTT_HOME"/run/web-*.token)" = 600 ]
}

@test "a Unix socket: the user of the web server in front" {
	two_media
	ntt-web --listen "unix:$T/sock" >"$T/web.out" 3>&- &
	WEB_PID=$!
	await '[ -s "$T/web.out" ]' $WEB_PID
	[ "$(stat -c %a "$T/sock")" = 660 ]
	U=http://host.example COOKIE=
	page 403 / --unix-socket "$T/sock"
	page 403 / --unix-socket "$T/sock" -H 'X-Remote-User;'
	page 200 / --unix-socket "$T/sock" -H 'X-Remote-User: alice'
	expect 2 ntt-web --listen "unix:$T/sock"
	has "$stderr" "somebody listens"
	kill -9 $WEB_PID
	await '! kill -0 $WEB_PID 2>/dev/null'
	ntt-web --listen "unix:$T/sock" >"$T/web.out" 3>&- &
	WEB_PID=$!
	await 'page 200 / --unix-socket "$T/sock" -H "X-Remote-User: alice"' $WEB_PID
	kill $WEB_PID
	await '[ ! -e "$T/sock" ]'
}

@test "what is no address, no method, no place to listen" {
	two_media
	serve
	for path in /m/$A/file/../alone /m/$A/get/%2e%2e/alone /m/$A/get/a%2fb \
		/m/$A/get//alone /m/$A/get/./alone /m/$A/get/a%00 /m/$A/get/%zz \
		/m/$A/get/letters/ '/?after=%ff' '/search?q=x&at=(1;2)'; do
		page 400 "$path"
	done
	for path in /../../etc/passwd //etc/passwd /m/../$A /m/$A/etc/passwd \
		/m/%2e%2e /m/"$(printf 'a%.0s' {1..80})" /style.css/x; do
		page 404 "$path"
	done
	page 414 "/search?q=$(printf 'a%.0s' {1..17000})"
	for method in POST PUT DELETE OPTIONS TRACE; do
		page 405 / -X $method
	done
	page 200 / -I
	expect 64 ntt-web --listen 0.0.0.0:8034
	has "$stderr" "loopback"
	expect 64 ntt-web --listen 127.0.0.1
	expect 64 ntt-web --listen unix:sock
	expect 1 ntt-web --listen "127.0.0.1:${U##*:}"
	has "$stderr" "Address already in use"
}

@test "every name of the difficult tree has its page and its download" {
	rm -rf "$T/a"
	difficult_tree "$T/a"
	take_in $A "$T/a"
	serve
	page 200 /m/$A/tree/bytes
	grep -o "href=\"/m/$A/file/[^\"]*\"" "$T/body" >"$T/links"
	next=$(sed -n 's/.*href="\([^"]*rest=1[^"]*\)".*/\1/p' "$T/body" | sed 's/&amp;/\&/')
	page 200 "$next"
	grep -o "href=\"/m/$A/file/[^\"]*\"" "$T/body" >>"$T/links"
	[ "$(sort -u "$T/links" | wc -l)" = 254 ]
	while read -r link; do
		link=${link#*/file/}
		link=${link%\"}
		[ "$(get "/m/$A/get/$link")" = 200 ]
		printf -v name '%b' "${link//%/\\x}"
		cmp "$T/body" "$T/a/$name"
	done < <(awk 'NR % 17 == 0' "$T/links")
	for name in '%1C%1C' 'new%0Aline%0D%09tab%5Cn%20text%5Cr' 'bad%FF%FEutf8%C3' \
		"$(printf 'n%.0s' {1..255})"; do
		page 200 "/m/$A/file/$name"; shows 'The file is empty.'
	done
	deep=$(cd "$T/a" && find deep -name file)
	page 200 "/m/$A/file/$deep"; shows deep
	page 200 "/m/$A/file/fifo"; shows 'pipe'
}

@test "contents are never interpreted here" {
	echo '<script>alert(1)</script>' >"$T/a/x<img src=x onerror=alert(1)>.html"
	echo '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="alert(1)"/>' >"$T/a/x.svg"
	echo 'alert(1)' >"$T/a/x.js"
	# a picture that is a page, too
	printf 'GIF89a/*<script>alert(1)</script>*/=1;' >"$T/a/poly.gif"
	echo '%PDF-1.4' >"$T/a/"$'\u202egpj.exe'
	: >"$T/a/"$'a"b\r\nSet-Cookie: x=y; \\.html'
	take_in $A "$T/a"
	serve
	(cd "$T/a" && find . -type f -printf '%P\0') >"$T/names"
	while IFS= read -rd '' name; do
		enc=$(printf %s "$name" | jq -sRr @uri)
		page 200 "/m/$A/get/$enc"
		cmp "$T/body" "$T/a/$name"
		grep -qi '^Content-Type: application/octet-stream' "$T/head"
		grep -qi '^Content-Disposition: attachment; filename="' "$T/head"
		grep -qi "^Content-Security-Policy:.*sandbox" "$T/head"
		! grep -qi '^Set-Cookie' "$T/head" || return 1
		page 200 "/m/$A/file/$enc"
		grep -qi '^Content-Type: text/html' "$T/head"
		! grep -qi '<script\|<svg\|onerror=alert(1)>' "$T/body" || return 1
	done <"$T/names"
	page 200 /m/$A/tree
	! sed 's/<img class="small" loading="lazy" alt="" src="[^"<>]*">//g' "$T/body" |
		grep -i '<script\|<img\|<svg' || return 1
	page 200 "/search?q=%3Cscript%3E"
	! grep -qi '<script' "$T/body" || return 1
	if command -v vipsthumbnail >/dev/null; then
		page 200 /m/$A/image/x.svg
		grep -qi '^Content-Type: image/jpeg' "$T/head"
		! grep -qi 'alert\|svg' "$T/body" || return 1
		page 415 /m/$A/image/poly.gif
	fi
	get "/m/$A/get/$(printf '\u202egpj.exe' | jq -sRr @uri)" >/dev/null
	grep -qi 'filename="_gpj.exe"' "$T/head"
}

@test "ranges" {
	two_media
	serve
	page 200 /m/$A/get/big
	cmp "$T/body" "$T/a/big"
	tag=$(sed -n 's/^ETag: \(.*\)\r/\1/ip' "$T/head")
	page 206 /m/$A/get/big -r 1000000-2999998
	cmp "$T/body" <(tail -c +1000001 "$T/a/big" | head -c 1999999)
	grep -qi '^Content-Range: bytes 1000000-2999998/3000000' "$T/head"
	page 206 /m/$A/get/big -r -5
	cmp "$T/body" <(tail -c 5 "$T/a/big")
	page 206 /m/$A/get/big -r 2999999-
	cmp "$T/body" <(tail -c 1 "$T/a/big")
	page 416 /m/$A/get/big -r 3000000-
	page 200 /m/$A/get/big -H 'Range: bytes=1-2,4-5'
	page 200 /m/$A/get/big -H 'Range: bytes=5-2'
	page 206 /m/$A/get/big -r 0-9 -H "If-Range: $tag"
	page 200 /m/$A/get/big -r 0-9 -H 'If-Range: "0123"'
	head -c 1000000 "$T/a/big" >"$T/part"
	curl -sS -b "$COOKIE" -C - -o "$T/part" "$U/m/$A/get/big"
	cmp "$T/part" "$T/a/big"
}

@test "rotten contents are not given, whole or in part" {
	two_media
	serve
	flip_bit "$(blob "$T/a/big")" 1500000
	flip_bit "$(blob "$T/a/alone")" 0
	expect 18 curl -sS -m 60 -b "$COOKIE" -o "$T/body" "$U/m/$A/get/big"
	[ "$(stat -c %s "$T/body")" -lt 3000000 ]
	page 409 /m/$A/get/alone; shows 'bytes are wrong'
	page 206 /m/$A/get/big -r 0-9
	# checked too long ago: all of it, before a part is given
	sql "UPDATE blobs SET created_at = now() - interval '91 days',
		last_checked = NULL"
	page 409 /m/$A/get/big -r 0-9
	page 200 /m/$A/file/big; shows 'cannot be shown'
	page 200 /m/$A/file/alone && ! grep -q '<pre' "$T/body" || return 1
	rm "$(blob "$T/a/alone")"
	page 409 /m/$A/get/alone; shows 'is missing'
	: >"$(blob "$T/a/letters/old/Beach 1999.png")"
	page 409 "/m/$A/image/letters/old/Beach%201999.png"
	sql "UPDATE blobs SET state = 'bad'"
	page 409 "/m/$A/get/letters/Letter%20to%20Mother.doc"
	page 200 /m/$A/tree; shows 'copy is wrong'
	# nothing is written, not even that
	[ "$(sql "SELECT count(*) FROM blobs WHERE last_checked IS NOT NULL")" = 0 ]
}

@test "a folder as a tar file, a zip file and a bag is what it was" {
	two_media
	touch -d 2001-02-03 "$T/a/letters/old"
	serve
	page 200 /m/$A/take/letters; shows 'Files: 2.'; shows "/m/$A/tar/letters\""
	page 200 /m/$A/tar/letters
	grep -qi 'filename="letters.tar"' "$T/head"
	mkdir "$T/out"
	tar -xf "$T/body" -C "$T/out"
	diff -r "$T/a/letters" "$T/out/letters"
	page 200 /m/$A/tar
	tar -xf "$T/body" -C "$T/out"
	diff -r --no-dereference "$T/a" "$T/out"
	page 404 /m/$A/tar/alone
	for how in zip bag; do
		page 404 /m/$A/$how/alone
		page 200 /m/$A/take/letters; shows "/m/$A/$how/letters\""
		page 200 /m/$A/$how/letters
		grep -qi '^Content-Type: application/zip' "$T/head"
		mkdir "$T/$how"
		bsdtar -xpf "$T/body" -C "$T/$how"
	done
	grep -qi 'filename="letters.bag.zip"' "$T/head"
	diff -r "$T/a/letters" "$T/zip/letters"
	diff -r "$T/a/letters" "$T/bag/bag-$A/data/letters"
	# what was not foretold breaks it off
	flip_bit "$(blob "$T/a/letters/Letter to Mother.doc")" 0
	for how in tar zip bag; do
		expect 18 curl -sS -m 60 -b "$COOKIE" -o "$T/body" "$U/m/$A/$how/letters"
	done
	sql "UPDATE blobs SET state = 'bad' WHERE blobid =
		'$(b3sum --no-names "$T/a/letters/Letter to Mother.doc")'"
	page 200 /m/$A/take/letters; shows 'Letter to Mother.doc'
	shows "/m/$A/tar/letters?without=1"
	page 200 "/m/$A/tar/letters?without=1"
	[ "$(tar -tf "$T/body" | grep -c Beach)" = 1 ]
	tar -xOf "$T/body" "ntt-left-out.$A.txt" | grep -q 'Letter to Mother'
	page 200 "/m/$A/zip/letters?without=1"
	python3 -m zipfile -l "$T/body" | grep -q ntt-left-out
	page 200 "/m/$A/bag/letters?without=1"
	python3 -m zipfile -l "$T/body" | grep -q "metadata/ntt-left-out.$A.txt"
}

@test "the server closes its processes when the visitor has gone" {
	two_media
	head -c 60000000 /dev/urandom >"$T/b/huge"
	ntt-loader -q --drop --yes $B >/dev/null
	take_in $B "$T/b"
	serve
	curl -sS -b "$COOKIE" --limit-rate 1000 -o /dev/null "$U/m/$B/tar" 3>&- &
	client=$!
	await '[ "$(pgrep -P $WEB_PID -f restore | wc -l)" = 1 ]' $client
	kill $client
	await '[ -z "$(pgrep -P $WEB_PID -f restore)" ]'
	page 200 /
	curl -sS -b "$COOKIE" --limit-rate 1000 -o /dev/null "$U/m/$B/tar" 3>&- &
	client=$!
	await '[ "$(pgrep -P $WEB_PID -f restore | wc -l)" = 1 ]' $client
	restore=$(pgrep -P $WEB_PID -f restore)
	kill -9 $WEB_PID
	await '! kill -0 $restore 2>/dev/null'
	kill $client 2>/dev/null || :
	serve
	[ "$COOKIE" = "ntt-web=$TOKEN" ]
	page 200 /
}

@test "restricted media are nowhere, or everywhere" {
	two_media
	ntt-note --restricted $B >/dev/null
	sql "UPDATE medium SET medium_human = 'Attic' WHERE medium_hash = '$B'"
	serve
	page 200 / && ! grep -q $B "$T/body" || return 1
	for p in /m/$B /m/$B/tree /m/$B/file/pictures/copy.png /m/$B/get/pictures/copy.png \
		/m/$B/tar /m/$B/report /m/$B/missing /m/$B/image/pictures/copy.png; do
		page 404 $p
	done
	page 200 "/search?q=copy" && ! grep -q $B "$T/body" || return 1
	page 200 "/search?q=Box" && ! grep -q $B "$T/body" || return 1
	page 200 "/search?q=copy&m=$B" && ! grep -q copy.png "$T/body" || return 1
	page 200 "/m/$A/file/letters/old/Beach%201999.png"
	! grep -q $B "$T/body" || return 1
	page 200 "/m/$A/report" && ! grep -q Attic "$T/body" || return 1
	kill -9 $WEB_PID
	serve --restricted
	page 200 /; shows $B
	page 200 /m/$B/get/pictures/copy.png
	page 200 "/search?q=copy"; shows $B
	page 200 "/m/$A/report"; shows Attic
}

@test "search: parts, globs, kinds, pages, media" {
	two_media
	sql "UPDATE inode SET mime_type = 'image/png' FROM path
		WHERE (inode.dev, inode.ino) = (path.dev, path.ino) AND path::text LIKE '%706e67%'"
	serve
	page 200 '/search?q=BEACH'; shows "/m/$A/file/letters/old/Beach%201999.png"
	shows 'All media were looked through: 2.'
	page 200 '/search?q=*.png'; shows copy.png; shows Beach
	page 200 '/search?q=*.png&m='$B && ! grep -q Beach "$T/body" || return 1
	page 200 '/search?q=o&kind=folder'; shows '/tree/letters/old"'
	! grep -q Mother "$T/body" || return 1
	page 200 '/search?q=a&kind=picture'
	page 200 '/search?q=attic'; shows "/m/$B\""
	page 200 '/search?q=zzzz'; shows 'Nothing fits.'
	page 200 '/search?q='; shows 'What are you looking for'
	for i in {1..450}; do echo $i >"$T/a/many-$i"; done
	ntt-loader -q --drop --yes $A >/dev/null
	take_in $A "$T/a"
	page 200 '/search?q=many-'
	: >"$T/found"
	for n in 1 2 3; do
		grep -o 'file/many-[0-9]*' "$T/body" >>"$T/found"
		next=$(grep -o '/search[^"]*from=[^"]*' "$T/body" | sed 's/&amp;/\&/g') || :
		[ $n = 3 ] || page 200 "$next"
	done
	[ "$(sort -u "$T/found" | wc -l)" = 450 ]
	[ "$(wc -l <"$T/found")" = 450 ]
	[ -z "$next" ]
}

@test "a folder of thousands: every entry on one page, none on two" {
	mkdir "$T/a/many" "$T/a/many/folder "{1..5}
	perl -e 'for (1 .. 5100) { open F, ">", "$ARGV[0]/file $_\xff" }' "$T/a/many"
	ntt-enum -q --meta "$T/a" $A - | ntt-loader -q - $A >/dev/null
	serve
	next=/m/$A/tree/many pages=0
	while [ -n "$next" ]; do
		page 200 "$next"
		shows 'more than 5,000 entries'
		grep -o '<th scope="row"[^>]*><a href="[^"]*' "$T/body" >>"$T/entries"
		next=$(sed -n 's/.*href="\([^"]*?after=[^"]*\)".*/\1/p' "$T/body")
		pages=$((pages + 1))
	done
	[ $pages = 26 ]
	[ "$(wc -l <"$T/entries")" = 5105 ]
	[ "$(sort -u "$T/entries" | wc -l)" = 5105 ]
	[ "$(grep -c '/tree/many/folder%20' "$T/entries")" = 5 ]
}

@test "search: a name in a large folder, and on many media" {
	need plocate-build plocate
	mkdir "$T/a/many"
	perl -e 'for (1 .. 3000) { open F, ">", "$ARGV[0]/file $_" }' "$T/a/many"
	touch "$T/a/many/the needle"
	ntt-enum -q --meta "$T/a" $A - | ntt-loader -q - $A >/dev/null
	rm -r "$T/a/many"
	touch "$T/a/needle too"
	for i in {1..30}; do
		ntt-enum -q "$T/a" "$(printf '%032x' "$i")" - |
			ntt-loader -q - "$(printf '%032x' "$i")" >/dev/null
	done
	serve
	next='/search?q=needle'
	while [ -n "$next" ]; do
		page 200 "$next"
		grep -o '<th scope="row"[^>]*><a href="[^"]*' "$T/body" >>"$T/entries"
		next=$(grep -o '/search[^"]*from=[^"]*' "$T/body" | sed 's/&amp;/\&/g') || :
	done
	shows 'looked through: 31.'
	[ "$(sort -u "$T/entries" | wc -l)" = 31 ]
	[ "$(wc -l <"$T/entries")" = 31 ]
	grep -q 'the%20needle' "$T/entries"
	# whether its page was begun or not, a search that breaks off says so
	ntt-db psql -qc "BEGIN; LOCK \"path_p_$A\"; SELECT pg_sleep(60)" >/dev/null 2>&1 3>&- &
	await '[ -n "$(sql "SELECT 1 FROM pg_locks WHERE mode = '"'AccessExclusiveLock'"'
		AND relation = '"'path_p_$A'"'::regclass")" ]'
	status=$(get '/search?q=zq')
	if [ "$status" = 200 ]; then shows 'not complete'; else shows 'too long'; fi
	! grep -q 'were looked through' "$T/body" || return 1
	sql "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'path_p_$A'::regclass
		AND mode = 'AccessExclusiveLock'" >/dev/null
	page 200 '/search?q=zq'; shows 'looked through: 31.'
}

@test "search: by the index what it is without it" {
	need plocate-build plocate
	two_media
	serve
	for q in beach BEACH '*.png' '*.p?g' opy Mother 'to%20m' letters/old be "a" \
		'zzzz' '%C3%B6' "beach&kind=picture" "old&kind=folder" "copy&m=$A"; do
		page 200 "/search?q=$q"
		cp "$T/body" "$T/by-index"
		mv "$NTT_HOME/index" "$NTT_HOME/away"
		page 200 "/search?q=$q"
		cmp "$T/body" "$T/by-index"
		mv "$NTT_HOME/away" "$NTT_HOME/index"
	done
	# it is asked: what it has not is not shown
	sql "INSERT INTO path (medium_hash, dev, ino, path, dir)
		SELECT medium_hash, dev, ino, 'smuggled in', catalogue_dir('smuggled in')
		FROM inode WHERE size = 3000000"
	page 200 "/search?q=smuggled"; shows 'Nothing fits.'
	rm -r "$NTT_HOME/index"
	page 200 "/search?q=smuggled"; shows 'smuggled in'
}

@test "what is missing is said: on the shelf, in the folder, on its page" {
	two_media
	sql "UPDATE inode SET status = 'failed_permanent', error_type = 'io_error',
		errors = '{\"Input/output error\"}', blobid = NULL WHERE size = 6"
	sql "INSERT INTO inode_damage SELECT medium_hash, dev, ino, true, '{[10,20)}'
		FROM inode WHERE size = 3000000"
	sql "SELECT catalogue_omit('$A', 'ntt-enum', NULL, NULL, NULL, 'gone/dir',
		'unreadable_directory', 5, NULL, NULL)" >/dev/null || sql "
		INSERT INTO omission (medium_hash, seen_by, path, kind)
		VALUES ('$A', 'ntt-enum', 'gone/dir', 'unreadable_directory')"
	serve
	await 'page 200 / && shows ">3</a>"'
	page 200 /m/$A; shows 'listed and not stored: 1'; shows 'lost bytes'
	page 200 /m/$A/tree; shows 'not stored'; shows 'lost bytes'
	page 200 /m/$A/missing
	shows 'gone/dir'; shows 'Input/output error'; shows '[10,20)'
	page 409 /m/$A/get/alone; shows 'Input/output error'
	page 200 /m/$A/file/alone; shows 'is not stored'
	page 200 /m/$A/file/big; shows '[10,20)'
	page 200 /m/$A/take; shows 'is not stored'; shows 'tar?without=1'
	expect 18 curl -sS -m 60 -b "$COOKIE" -o "$T/body" "$U/m/$A/tar"
	page 200 "/m/$A/tar?without=1"
	tar -tf "$T/body" | grep -q letters/old
}

@test "a database that is stopped, stands still or is of another version" {
	two_media
	export NTT_HOME=$T/own
	unset NTT_DB_URL
	ntt-db init -q 3>&-
	take_in $A "$T/a"
	serve
	page 200 /m/$A/tree
	ntt-db stop -q
	page 503 /m/$A/tree; shows 'does not answer'
	page 503 /
	grep -qi '^Retry-After:' "$T/head"
	page 200 /style.css
	# it is not started by a visitor
	[ ! -e "$NTT_HOME/pg/data/postmaster.pid" ]
	ntt-db start -q 3>&-
	await 'page 200 /m/$A/tree'
	server=$(head -1 "$NTT_HOME/pg/data/postmaster.pid")
	kill -STOP "$server"
	page 503 / -m 20 || { kill -CONT "$server"; return 1; }
	kill -CONT "$server"
	page 200 /
	ntt-db psql -qc 'LOCK medium; SELECT pg_sleep(60)' >/dev/null 2>&1 3>&- &
	await '[ -n "$(ntt-db psql -XAtc "SELECT 1 FROM pg_locks WHERE mode = '\''AccessExclusiveLock'\'' AND relation = '\''medium'\''::regclass")" ]'
	page 503 /; shows 'too long'
	ntt-db psql -qc "SELECT pg_terminate_backend(pid) FROM pg_locks
		WHERE mode = 'AccessExclusiveLock'" >/dev/null
	page 200 /
	# a server that is killed is as good as stopped
	kill -9 "$server"
	page 503 /m/$A/tree; shows 'does not answer'
	page 503 /compare; page 503 /m/$A/photo; page 503 /m/$A/small/alone
	await 'ntt-db start -q 3>&-'
	await 'page 200 /m/$A/tree'
	ntt-db psql -qc 'INSERT INTO schema_version VALUES (99)'
	page 503 /; shows 'another version'
	kill -9 $WEB_PID
	ntt-db stop -q
}

@test "a store whose disk is not there" {
	two_media
	serve
	mv "$NTT_HOME/by-hash" "$NTT_HOME/away"
	page 503 /m/$A/get/alone; shows 'not mounted'
	page 200 /m/$A/tree
	mkdir "$NTT_HOME/by-hash"
	page 503 /m/$A/get/alone
	rmdir "$NTT_HOME/by-hash"
	mv "$NTT_HOME/away" "$NTT_HOME/by-hash"
	page 200 /m/$A/get/alone
}

@test "many connections, slow ones, and noise stop nobody else" {
	two_media
	serve
	cat >"$T/crowd.py" <<-'END'
		import resource, socket, sys, time
		hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
		resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
		port, n = int(sys.argv[1]), min(int(sys.argv[2]), hard - 100)
		all = []
		for i in range(n):
		    s = socket.socket()
		    s.settimeout(5)
		    try:
		        s.connect(("127.0.0.1", port))
		        s.sendall((b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nA: ",
		                   b"\0\xff\x16\x03\x01" * 50)[i % 4])
		    except OSError:
		        pass
		    all.append(s)
		print(n, flush=True)
		time.sleep(1000)
	END
	python3 "$T/crowd.py" "${U##*:}" 10000 >"$T/crowd" 3>&- &
	crowd=$!
	for i in 1 2 3 4 5; do page 200 /m/$A/tree; done
	await '[ -s "$T/crowd" ]' $crowd
	for i in 1 2 3 4 5; do page 200 /m/$A/tree; done
	kill $crowd
	# those who read slowly take places, but not all
	slow=()
	for i in {1..14}; do
		curl -sS -b "$COOKIE" --limit-rate 1000 -o /dev/null \
			"$U/m/$A/get/big" 3>&- & slow+=($!)
	done
	page 200 /m/$A/tree
	page 200 /m/$A/get/alone
	kill "${slow[@]}"
	await '[ "$(pgrep -P $WEB_PID | wc -l)" = 0 ]'
	kill -0 $WEB_PID
	! grep -v 'broken off' "$T/web.err" || return 1
}

@test "a socket that systemd gives, and its units" {
	two_media
	cat >"$T/activate.py" <<-'END'
		import os, socket, sys
		s = socket.socket()
		s.bind(("127.0.0.1", 0))
		s.listen(16)
		print(s.getsockname()[1], flush=True)
		os.dup2(s.fileno(), 3)
		os.set_inheritable(3, True)
		os.environ["LISTEN_FDS"] = "1"
		os.environ["LISTEN_PID"] = str(os.getpid())
		os.execvp("ntt-web", ["ntt-web"])
	END
	python3 "$T/activate.py" >"$T/web.out" 3>&- &
	WEB_PID=$!
	await 'grep -q token "$T/web.out"' $WEB_PID
	U=http://127.0.0.1:$(head -1 "$T/web.out")
	# the journal has no token
	! grep -q 'token=[0-9a-f]' "$T/web.out" || return 1
	COOKIE="ntt-web=$(cat "$NTT_HOME"/run/web-*.token)"
	page 200 /m/$A/tree
	need systemd-analyze systemd
	mkdir "$T/units"
	sed "s,/usr/local/bin,$NTT_BUILD/bin,; s,^User=.*,User=root," \
		"$TEST_DIR/../contrib/systemd/ntt-web.service" >"$T/units/ntt-web.service"
	cp "$TEST_DIR/../contrib/systemd/ntt-web.socket" "$T/units"
	out=$(SYSTEMD_UNIT_PATH="$T/units:" systemd-analyze verify --man=no \
		"$T/units/ntt-web.service" "$T/units/ntt-web.socket" 2>&1 |
		grep ntt-web) || :
	[ -z "$out" ] || { echo "$out"; return 1; }
}
