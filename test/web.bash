# shellcheck shell=bash
# Loaded by web.bats and web_browser.bats: two media, and a server of them.

A=aaaabbbbccccdddd0000111122223333
B=beef0000beef0000

setup() {
	isolate
	fresh_db
	need curl curl
	mkdir -p "$T/a/letters/old" "$T/b/pictures"
}

teardown() {
	[ -z "${WEB_PID:-}" ] || kill -9 "$WEB_PID" 2>/dev/null || :
}

# take_in HASH DIR
take_in() {
	ntt-enum -q --meta "$2" "$1" - | ntt-loader -q - "$1" >/dev/null
	ntt-copier -q -m "$1" --no-archived || [ $? = 2 ]
}

# picture FILE WIDTH: a PNG that browsers show
picture() {
	python3 -c 'import struct, sys, zlib
w = int(sys.argv[2])
def chunk(t, d):
    return struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))
rows = b"".join(b"\0" + bytes((x * y) % 256 for x in range(3 * w)) for y in range(60))
open(sys.argv[1], "wb").write(b"\x89PNG\r\n\x1a\n" +
    chunk(b"IHDR", struct.pack(">IIBBBBB", w, 60, 8, 2, 0, 0, 0)) +
    chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))' "$1" "$2"
}

two_media() {
	echo "Dear mother" >"$T/a/letters/Letter to Mother.doc"
	picture "$T/a/letters/old/Beach 1999.png" 90
	echo alone >"$T/a/alone"
	head -c 3000000 /dev/urandom >"$T/a/big"
	ln -s letters "$T/a/link"
	mkdir "$T/a/empty"
	cp "$T/a/letters/old/Beach 1999.png" "$T/b/pictures/copy.png"
	take_in $A "$T/a"
	take_in $B "$T/b"
	ntt-note --title 'Box 7' $B "from the attic" >/dev/null
}

# serve [OPTIONS]: started, its address in $U, the cookie in $COOKIE
serve() {
	rm -f "$T/web.out"
	ntt-web --listen 127.0.0.1:0 "$@" >"$T/web.out" 2>"$T/web.err" 3>&- &
	WEB_PID=$!
	await '[ -s "$T/web.out" ]' $WEB_PID
	U=$(sed -n 's,/?token.*,,p' "$T/web.out")
	TOKEN=$(sed -n 's/.*token=//p' "$T/web.out")
	COOKIE="ntt-web=$TOKEN"
}

# get PATH [curl's options]: the status; head and body in files
get() {
	local path=$1
	shift
	curl -sS -m 60 --path-as-is -D "$T/head" -o "$T/body" \
		-w '%{http_code}' -b "$COOKIE" "$@" "$U$path"
}

# page STATUS PATH [options]: is what it is, and has the headers of all
page() {
	local want=$1 got
	shift
	got=$(get "$@") || { echo "curl failed: $*"; return 1; }
	[ "$got" = "$want" ] || { echo "$got, not $want: $*"; cat "$T/body"; return 1; }
	for h in 'X-Content-Type-Options: nosniff' 'Referrer-Policy: no-referrer' \
		'Cross-Origin-Resource-Policy: same-origin' 'Cache-Control: no-store' \
		"Content-Security-Policy: default-src 'none'"; do
		grep -qi "^$h" "$T/head" || { echo "no $h: $*"; return 1; }
	done
}

# shows TEXT: in the body
shows() {
	grep -qF -- "$1" "$T/body" || { echo "no \"$1\" in:"; cat "$T/body"; return 1; }
}

# blob FILE: where the store has it
blob() {
	blob_file "$(b3sum --no-names "$1")"
}
