#!/usr/bin/env bats
# slow: browsers
# ntt-web in a real browser.

# T, A, B and U are set by what is loaded
# shellcheck disable=SC2154
load lib
load browser
load web

setup_file() {
	command -v chromedriver >/dev/null && browser_start
	return 0
}

teardown_file() {
	browser_stop
}

# go URL WIDTH [light|dark]: what it complained of or asked elsewhere is in $LOG
go() {
	browser_cdp Emulation.setDeviceMetricsOverride "{ \"width\": $2,
		\"height\": 800, \"deviceScaleFactor\": 1, \"mobile\": false }"
	browser_cdp Emulation.setEmulatedMedia "{ \"features\": [ { \"name\":
		\"prefers-color-scheme\", \"value\": \"${3:-light}\" } ] }"
	webdriver POST /url "$(jq -n --arg u "$1" '{ url: $u }')" >/dev/null
}

# element CSS: its WebDriver id
element() {
	webdriver POST /element "$(jq -n --arg s "$1" \
		'{ using: "css selector", value: $s }')" | jq -r '.[]'
}

# keys TEXT…: to what has the focus; \ue004 is Tab, \ue007 Enter
keys() {
	webdriver POST /actions "$(printf '%b' "$1" | jq -sR '{ actions: [ { type: "key",
		id: "k", actions: [ explode[] | [.] | implode |
		{ type: "keyDown", value: . }, { type: "keyUp", value: . } ] } ] }')" >/dev/null
}

screenshot() {
	[ -z "${NTT_SCREENSHOTS:-}" ] ||
		webdriver GET /screenshot | jq -r . | base64 -d >"$NTT_SCREENSHOTS/$1.png"
}

@test "in a browser, with the keyboard alone: a photo by half its name, where else it is, its folder" {
	need chromedriver chromium-driver
	two_media
	serve
	browser_log >/dev/null
	go "$U/?token=$TOKEN" 1000
	[ "$(browser_js 'document.cookie')" = '""' ]
	[ "$(browser_js 'location.href')" = "\"$U/\"" ]
	# Tab: skip, all media, the box
	keys '\ue004\ue004\ue004beach\ue007'
	await '[ "$(browser_js "location.pathname")" = "\"/search\"" ]'
	screenshot search
	keys_to "Beach 1999.png"
	keys '\ue007'
	await '[[ $(browser_js "location.pathname") == *Beach* ]]'
	[ "$(browser_js "document.querySelector('img.picture').naturalWidth")" = 90 ]
	screenshot file
	[ "$(browser_js "[...document.links].some((a) =>
		a.pathname == '/m/$B/file/pictures/copy.png')")" = true ]
	keys_to "old"
	keys '\ue007'
	await '[[ $(browser_js "location.pathname") == */tree/letters/old* ]]'
	screenshot tree
	keys_to "Take this folder"
	keys '\ue007'
	await '[[ $(browser_js "location.pathname") == */take/* ]]'
	screenshot take
	browser_cdp Browser.setDownloadBehavior "{ \"behavior\": \"allow\",
		\"downloadPath\": \"$T\" }"
	keys_to "Download as tar"
	keys '\ue007'
	await '[ -s "$T/old.tar" ]'
	tar -xOf "$T/old.tar" "letters/old/Beach 1999.png" |
		cmp - "$T/a/letters/old/Beach 1999.png"
	# no complaint, and nothing asked of anybody else
	log=$(browser_log)
	[ -n "$log" ]
	! grep -v "^$U/" <<<"$log" || return 1
}

# keys_to TEXT: Tab until what has the focus has this text
keys_to() {
	local i
	for ((i = 0; i < 60; i++)); do
		keys '\ue004'
		[ "$(browser_js 'document.activeElement.textContent')" != \
			"$(jq -n --arg t "$1" '$t')" ] || return 0
	done
	echo "no way to \"$1\""
	return 1
}

@test "in a browser: structure, contrast, narrow and dark, what is hostile is text" {
	need chromedriver chromium-driver
	two_media
	echo '<script>document.title = "hit"</script>' >"$T/b/<b>x<script>alert(1)<"
	printf 'a\x1b[31m\u202eb' >"$T/b/"$'\u202egnp.exe'
	sql "UPDATE medium SET message = '<script>alert(2)</script>'
		WHERE medium_hash = '$A'"
	ntt-loader -q --drop --yes $B >/dev/null
	take_in $B "$T/b"
	mkdir -p "$NTT_HOME/img"
	printf '0x0 ? 1\n0 0x10000 +\n0x10000 0x1000 -\n' >"$NTT_HOME/img/$A.map"
	serve
	await 'page 200 /compare && shows "was counted at"'
	browser_log >/dev/null
	go "$U/?token=$TOKEN" 1000
	n=0
	for p in / "/search?q=e" /m/$A /m/$B/tree "/m/$A/file/letters/old/Beach%201999.png" \
		/m/$A/file/big /m/$A/missing /m/$A/take /compare /m/$A/map /nothing \
		"/m/$B/file/%3Cb%3Ex%3Cscript%3Ealert(1)%3C" "/m/$B/file/%E2%80%AEgnp.exe"; do
		for scheme in light dark; do
			go "$U$p" 320 $scheme
			[ "$(browser_js 'document.documentElement.scrollWidth')" -le 320 ] ||
				{ echo "$p is wide"; return 1; }
			out=$(browser_js "$browser_contrast")
			[[ $out == '[true]' || $out == '[false]' ]] || { echo "$p $out"; return 1; }
		done
		go "$U$p" 1000
		out=$(browser_js "$browser_structure")
		[ "$out" = '[]' ] || { echo "$p $out"; return 1; }
		[ "$(browser_js "document.querySelectorAll('script, b, main svg:not(.bar, .plate svg)').length")" = 0 ]
		[ "$(browser_js "[...document.querySelectorAll('input:not([type=hidden]), select')].
			every((e) => e.labels.length || e.getAttribute('aria-label'))")" = true ]
		n=$((n + 1))
		screenshot "page-$n"
	done
	[ "$(browser_js 'document.title')" != '"hit"' ]
	log=$(browser_log | grep -v "/nothing")
	! grep -v "^$U/" <<<"$log" || return 1
}
