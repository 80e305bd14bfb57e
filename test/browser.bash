# shellcheck shell=bash
# Loaded by report.bats and web_browser.bats: a real browser, through the WebDriver of Chromium.
#
#	browser_start		once; browser_stop ends it
#	browser_open FILE WIDTH [light|dark]
#	browser_js EXPRESSION	its value as JSON
#	browser_log		what it complained of, and what it asked for
#	browser_pdf FILE	the page as it is printed

# WebDriver METHOD PATH [JSON]: the value of the answer
webdriver() {
	curl -sS --fail-with-body -m 60 -X "$1" "$BROWSER$2" -H 'Content-Type: application/json' \
		${3:+--data-binary "$3"} | jq -c .value
}

browser_start() {
	local port dir
	dir=$(mktemp -d "${BATS_FILE_TMPDIR:-/tmp}/browser.XXXXXX")
	# no descriptor of bats for processes that may outlive a test
	: >"$dir/log"
	chromedriver --port=0 >"$dir/log" 2>&1 3>&- 4>&- </dev/null &
	BROWSER_PID=$!
	for ((i = 0; i < 1200; i++)); do
		port=$(sed -n 's/.*started successfully on port \([0-9]*\).*/\1/p' \
			"$dir/log")
		[ -z "$port" ] || break
		sleep 0.05
	done
	BROWSER=http://127.0.0.1:$port
	BROWSER=$BROWSER/session/$(webdriver POST /session "$(jq -n --arg d "$dir/profile" '
		{ capabilities: { alwaysMatch: { browserName: "chrome",
		"goog:loggingPrefs": { browser: "ALL", performance: "ALL" },
		"goog:chromeOptions": { args: ["--headless=new", "--no-sandbox",
		"--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync",
		"--disable-extensions", "--user-data-dir=\($d)"] } } } }')" |
		jq -r .sessionId)
	export BROWSER BROWSER_PID
}

browser_stop() {
	[ -n "${BROWSER_PID:-}" ] || return 0
	webdriver DELETE "" >/dev/null || :
	kill "$BROWSER_PID" 2>/dev/null || :
}

# Commands of the DevTools protocol.
browser_cdp() {
	webdriver POST /goog/cdp/execute "{\"cmd\": \"$1\", \"params\": $2}" \
		>/dev/null
}

browser_open() {
	browser_cdp Emulation.setDeviceMetricsOverride "{ \"width\": $2,
		\"height\": 800, \"deviceScaleFactor\": 1, \"mobile\":
		$([ "$2" -lt 600 ] && echo true || echo false) }"
	browser_cdp Emulation.setEmulatedMedia "{ \"features\": [ { \"name\":
		\"prefers-color-scheme\", \"value\": \"${3:-light}\" } ] }"
	browser_log >/dev/null
	webdriver POST /url "{ \"url\": \"file://$1\" }" >/dev/null || :
}

browser_js() {
	webdriver POST /execute/sync "$(jq -n --arg s "return ($1)" \
		'{ script: $s, args: [] }')"
}

browser_log() {
	webdriver POST /se/log '{ "type": "browser" }' | jq -r '.[].message'
	webdriver POST /se/log '{ "type": "performance" }' |
		jq -r '.[].message | fromjson | .message |
			select(.method == "Network.requestWillBeSent") |
			.params.request.url' | grep -v '^data:' || :
}

browser_pdf() {
	webdriver POST /print '{ "page": { "width": 21, "height": 29.7 } }' |
		jq -r . | base64 -d >"$1"
}

# What is wrong with the structure of a page, as a list.
browser_structure='(() => {
	const bad = [], all = (s) => [...document.querySelectorAll(s)];
	if (!document.documentElement.lang) bad.push("no language");
	if (!document.title) bad.push("no title");
	let level = 0;
	for (const h of all("h1,h2,h3,h4,h5,h6")) {
		const n = +h.tagName[1];
		if (n > level + 1) bad.push("heading " + h.textContent);
		level = n;
	}
	if (all("h1").length != 1) bad.push("headings of the page");
	for (const t of all("table")) {
		if (!t.caption || !t.caption.textContent) bad.push("caption");
		if (t.querySelector("th:not([scope])")) bad.push("scope");
		const columns = t.tHead.rows[0].cells.length;
		for (const r of t.tBodies[0].rows)
			if (r.cells.length != columns) bad.push("cells of " +
				t.caption.textContent + ": " + r.textContent);
		if (!t.tBodies[0].rows.length) bad.push("an empty table");
	}
	for (const i of all("img"))
		if (!i.alt && !(i.hasAttribute("alt") && i.closest("a")))
			bad.push("alt");
	for (const s of all("svg")) {
		if (s.getAttribute("aria-hidden") == "true") continue;
		if (s.getAttribute("role") != "img") bad.push("role of svg");
		const by = (s.getAttribute("aria-labelledby") || "").split(" ");
		for (const id of by) if (!document.getElementById(id))
			bad.push("label of svg: " + id);
		if (!s.querySelector("title") || !s.querySelector("desc"))
			bad.push("title or desc");
	}
	const ids = all("[id]").map((e) => e.id);
	if (new Set(ids).size != ids.length) bad.push("ids");
	for (const a of all("a[href^=\"#\"]"))
		if (!document.getElementById(a.hash.slice(1)))
			bad.push("link " + a.hash);
	return bad;
})()'

# Texts of less contrast to their ground than 4.5 (WCAG 2.1, AA).
browser_contrast='(() => {
	const canvas = document.createElement("canvas").getContext("2d",
		{ willReadFrequently: true });
	const rgba = (c) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = c;
		canvas.fillRect(0, 0, 1, 1);
		return canvas.getImageData(0, 0, 1, 1).data;
	};
	const light = (c) => {
		const f = [0, 1, 2].map((i) => {
			const v = c[i] / 255;
			return v <= 0.04045 ? v / 12.92 :
				((v + 0.055) / 1.055) ** 2.4;
		});
		return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2];
	};
	const ground = (e) => {
		const rect = e.closest("g") && e.closest("g").querySelector("rect");
		if (e.tagName == "text" && rect)
			return rgba(getComputedStyle(rect).fill);
		for (; e; e = e.parentElement) {
			const c = rgba(getComputedStyle(e).backgroundColor);
			if (c[3] == 255) return c;
		}
		return [255, 255, 255];
	};
	const bad = new Set(), walk = document.createTreeWalker(document.body,
		NodeFilter.SHOW_TEXT);
	let n, seen = 0;
	while ((n = walk.nextNode())) {
		const e = n.parentElement;
		if (!n.data.trim() || ["title", "desc", "TITLE"].includes(e.tagName) ||
			e.closest(".plate svg"))
			continue;
		const style = getComputedStyle(e);
		const a = light(rgba(e.tagName == "text" ? style.fill : style.color));
		const b = light(ground(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		seen++;
		if (ratio < 4.5) bad.add(ratio.toFixed(2) + " " + n.data.trim());
	}
	return [seen > 20, ...bad];
})()'
