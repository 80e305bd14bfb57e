#!/usr/bin/env bats
# The manners every program has, the tree, the build.

load lib

setup() {
	isolate
	cd "$TEST_DIR/.."
}

@test "every program has --help and --version on stdout" {
	for p in $(programs); do
		expect 0 "$p" --help
		has "$output" "usage: $p "
		[ -z "$stderr" ]
		expect 0 "$p" --version
		has "$output" "$p (ntt) "
	done
}

@test "every program rejects an unknown option with 64 and one line" {
	for p in $(programs); do
		expect 64 "$p" --no-such-option
		has "$stderr" "$p: unknown option"
		has "$stderr" "Try '$p --help'"
		[ "$(wc -l <<<"$stderr")" = 2 ]
	done
}

@test "a full disk under stdout is not success" {
	for p in $(programs); do
		status=0
		"$p" --help >/dev/full 2>"$T/err" || status=$?
		[ $status = 1 ] || { echo "$p: $status"; return 1; }
		grep -q 'could not write to standard output' "$T/err"
	done
}

@test "closed descriptors are survived" {
	for p in $(programs); do
		status=0
		"$p" --version <&- >&- 2>&- || status=$?
		[ $status -lt 2 ] || { echo "$p: $status"; return 1; }
	done
}

@test "every program has a manual page with exactly its options" {
	for p in $(programs); do
		page=man/$p.1
		[ -f "$page" ] || { echo "no $page"; return 1; }
		"$p" --help | grep -oE '^ +(-[A-Za-z0-9], )?--[a-z-]+' |
			grep -oE -- '--[a-z-]+' | sort -u >"$T/help"
		grep -oE '^\.It .*' "$page" | grep -oE 'Fl -[a-z][a-z-]*|, -[a-z][a-z-]+' |
			grep -oE -- '-[a-z][a-z-]+$' | sed 's/^/-/' | sort -u >"$T/page"
		diff "$T/help" "$T/page" || { echo "options of $p"; return 1; }
	done
}

@test "manual pages are clean" {
	need mandoc mandoc
	for page in man/*.[157]; do
		mandoc -Tlint -Wwarning "$page" 2>&1 |
			grep -v 'outdated mandoc.db' | grep . && return 1
	done
	return 0
}

@test "shell is clean" {
	need shellcheck shellcheck
	shellcheck -x contrib/install-deps contrib/quickstart contrib/build-deb \
		contrib/hooks/* contrib/debian/ntt.postrm test/run .ci/run \
		test/bench/*sh test/bench/run
}

@test "install and uninstall leave nothing" {
	make -s install DESTDIR="$T/root" B="$NTT_BUILD"
	grep -q '^ExecStart=/opt/bin/ntt-verify ' <(make -s install PREFIX=/opt \
		DESTDIR="$T/opt" B="$NTT_BUILD" && cat \
		"$T/opt/opt/lib/systemd/system/ntt-verify.service")
	[ -x "$T/root/usr/local/bin/ntt-enum" ]
	[ -f "$T/root/usr/local/share/man/man7/ntt.7" ]
	"$T/root/usr/local/bin/ntt" --version
	make -s uninstall DESTDIR="$T/root" B="$NTT_BUILD"
	[ -z "$(find "$T/root" -type f)" ]
}

@test "a build leaves nothing in the tree" {
	[ -e .git ] || skip "no git here"
	[ -z "$(git ls-files --others --exclude-standard)" ]
}

@test "what has root rights to mount links no database" {
	ldd "$NTT_BUILD/bin/ntt-mount-helper" >"$T/libs"
	grep -q libblkid "$T/libs"
	grep -E 'libpq|jansson|magic' "$T/libs" && return 1
	return 0
}

@test "no program runs a shell" {
	grep -rnE '\b(system|popen)\(' cmd lib --include='*.c' && return 1
	return 0
}

# floor ROOM: a room may include what lies below its own floor, no other.
floor() {
	case $1 in
	base|hash|sql) echo 1 ;;
	raw|catalogue|store|archive|image|page) echo 2 ;;
	mount|keep|find) echo 3 ;;
	guest) echo 4 ;;
	*) return 1 ;;
	esac
}

@test "a room of the library includes only rooms on floors below it" {
	for dir in lib/*/; do
		room=$(basename "$dir")
		mine=$(floor "$room") || { echo "no floor for $room"; return 1; }
		while IFS=: read -r file other; do
			[ "$other" = "$room" ] && continue
			its=$(floor "$other") ||
				{ echo "$file includes $other/"; return 1; }
			[ "$its" -lt "$mine" ] ||
				{ echo "$file includes $other/"; return 1; }
		done < <(grep -HoP '^#include "\K[^"/]*' "$dir"*.[ch])
	done
}

@test "nothing lies flat in lib/, and every include names its room" {
	[ -z "$(find lib -maxdepth 1 -type f)" ]
	grep -nP '^#include "[^/"]*"' lib/*/*.[ch] && return 1
	return 0
}

@test "the library has only what two programs or more use" {
	: >"$T/uses"
	for p in $(programs); do
		nm --defined-only "$NTT_BUILD/bin/$p" | awk '$2 == "T" { print $3 }' |
			sort -u >>"$T/uses"
	done
	for o in "$NTT_BUILD"/lib/*/*.o; do
		nm --defined-only "$o" | awk '$2 ~ /[TRDB]/ { print $3 }' |
			sort -u >"$T/defines"
		[ -s "$T/defines" ] || continue
		users=$(sort "$T/uses" | uniq -c | awk '
			NR == FNR { mine[$1] = 1; next }
			$2 in mine && $1 > most { most = $1 }
			END { print most + 0 }' "$T/defines" -)
		[ "$users" != 1 ] || { echo "${o#"$NTT_BUILD"/}: one program"; return 1; }
	done
}

@test "configuration: environment, the user's file, quotes, no execution" {
	unset NTT_HOME
	mkdir -p "$HOME/.config/ntt"
	cat >"$HOME/.config/ntt/ntt.env" <<-'END'
		# comment
		export RAW_ROOT="/a b/$(touch pwned)" # why
		NTT_IMAGE_ROOT=/img
		OTHER=ignored
	END
	BYHASH_ROOT=/from/env expect 0 ntt --print-config
	has "$output" 'RAW_ROOT             "/a b/$(touch pwned)"  ('
	has "$output" '/.config/ntt/ntt.env:2)'
	has "$output" 'IMAGE_ROOT           "/img"'
	has "$output" 'BYHASH_ROOT          "/from/env"  (environment)'
	[ ! -e pwned ]
	echo 'RAW_ROOT' >"$HOME/.config/ntt/ntt.env"
	expect 64 ntt --print-config
	has "$stderr" "ntt.env:1: expected KEY=VALUE"
}

@test "NTT_HOME moves every default" {
	expect 0 ntt --print-config
	has "$output" "NTT_RUN_DIR          \"$NTT_HOME/run\"  (NTT_HOME)"
	[ "$(grep -c NTT_HOME <<<"$output")" = 10 ]
}
