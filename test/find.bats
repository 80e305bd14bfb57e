#!/usr/bin/env bats
# ntt-find: what it finds is what find(1) finds in the sources.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib

A=aaaabbbbccccdddd0000111122223333
B=beef0000beef0000

setup() {
	isolate
	fresh_db
	mkdir -p "$T/a/docs/old" "$T/b/pictures"
}

# take_in HASH DIR
take_in() {
	ntt-enum -q --meta "$2" "$1" - | ntt-loader -q - "$1" >/dev/null
	ntt-copier -q -m "$1" --no-archived || [ $? = 2 ]
}

two_media() {
	echo letter >"$T/a/docs/Letter to Mother.doc"
	echo photo >"$T/a/docs/old/IMG_1.JPG"
	echo alone >"$T/a/docs/alone"
	head -c 5000 /dev/zero >"$T/a/zeros"
	ln -s nowhere "$T/a/docs/link"
	touch -d '2001-02-03 12:00 UTC' "$T/a/docs/old/IMG_1.JPG"
	echo photo >"$T/b/pictures/copy.jpeg"
	echo other >"$T/b/x:y"
	take_in $A "$T/a"
	take_in $B "$T/b"
	sql "UPDATE medium SET title = 'Box 7', message = 'from the attic'
		WHERE medium_hash = '$B'"
}

# finds WANTED ARGUMENTS…: these places, one a line in WANTED, in any order
finds() {
	local wanted=$1
	shift
	expect 0 ntt-find "$@"
	diff <(sort <<<"$wanted") <(sort <<<"$output")
}

finds_none() {
	expect 1 ntt-find "$@"
	[ -z "$output" ]
}

@test "every name of the difficult tree, by its own bytes" {
	rm -rf "$T/a"
	difficult_tree "$T/a"
	take_in $A "$T/a"
	ntt-find -0 >"$T/all"
	(cd "$T/a" && find . -mindepth 1 -printf "$A:%P\0") | sort -z >"$T/want"
	grep -azv "^$A:\$" "$T/all" | sort -z | cmp - "$T/want"
	expect 0 ntt-find --count 'x*y'
	[ "$output" = 254 ]
	# bytes that are not UTF-8 are characters to an expression, too
	expect 0 ntt-find --count -r '^x.y$'
	[ "$output" = 254 ]
	expect 0 ntt-find --count -r $'^x\xffy$'
	[ "$output" = 1 ]
	while IFS= read -rd '' path; do
		printf '%s:%s\0' $A "$path" >"$T/want"
		ntt-find -0 -e "$path" >"$T/got"
		cmp "$T/want" "$T/got" ||
			{ printf 'not found: %q\n' "$path"; return 1; }
	done < <(cd "$T/a" && LC_ALL=C find bytes -name $'x[\x01\n\x1c\xff%_:]y' -print0)
}

@test "names: parts, globs, expressions, paths, either case" {
	two_media
	finds "$A:docs/Letter to Mother.doc" Mother
	finds_none mother
	finds "$A:docs/Letter to Mother.doc" -i mother
	finds "$A:docs/old/IMG_1.JPG"$'\n'"$B:pictures/copy.jpeg" -i '*.jp*g'
	finds "$B:pictures/copy.jpeg" '*.jp*g'
	finds_none Lett?r
	finds "$A:docs/Letter to Mother.doc" 'Lett[a-f]r*'
	finds "$A:docs/old/IMG_1.JPG" -r '^IMG_[0-9]\.'
	finds "$A:docs/old"$'\n'"$A:docs/old/IMG_1.JPG" --path old
	finds "$A:docs/old/IMG_1.JPG" docs/old/IMG
	finds "$A:docs/alone"$'\n'"$A:zeros" alone zeros
	finds "$B:x:y" x:y
	expect 64 ntt-find -r '['
	has "$stderr" "no regular expression"
}

@test "media and directories" {
	two_media
	finds "$A:docs/old/IMG_1.JPG" "$A:docs" IMG
	finds "$A:docs/old"$'\n'"$A:docs/old/IMG_1.JPG" "$A:docs/old"
	finds_none "$A:doc" IMG
	finds "$B:pictures/copy.jpeg" "Box 7:pictures" jpeg
	finds "$B:pictures/copy.jpeg" -m "Box 7" jpeg
	finds "$B:pictures/copy.jpeg" --message ATTIC jpeg
	finds_none -m "Box 7" IMG
	expect 1 ntt-find -m nobody IMG
	has "$stderr" nobody
}

@test "types, sizes, times, contents" {
	two_media
	finds "$A:docs/link" --type l
	finds "$A:zeros" --size +4000
	finds "$A:zeros" --size 5000
	expect 0 ntt-find --count --type f --size -4000
	[ "$output" = 5 ]
	finds "$A:docs/old/IMG_1.JPG" --type f --older 2001-02-04
	finds "$A:docs/old/IMG_1.JPG" --type f --newer 2001-02-03 --older 2001-02-04
	finds_none --older 2001-02-03
	finds "$A:docs/old/IMG_1.JPG"$'\n'"$B:pictures/copy.jpeg" \
		--same-as "$T/b/pictures/copy.jpeg"
	finds "$A:docs/alone" --hash "$(b3sum --no-names "$T/a/docs/alone")"
	finds "$B:x:y" -m $B --only-here
	expect 0 ntt-find --unique --count
	[ "$output" = 6 ]
	expect 64 ntt-find --newer nonsense
	has "$stderr" "--newer needs a date"
	expect 64 ntt-find --size x
	expect 64 ntt-find --type x
	expect 64 ntt-find --hash 12
}

@test "MIME types: what is not known is said" {
	two_media
	sql "UPDATE inode SET mime_type = NULL WHERE fs_type = 'f';
		UPDATE inode SET mime_type = 'image/jpeg' WHERE blobid = '$(
			b3sum --no-names "$T/a/docs/old/IMG_1.JPG")'"
	expect 3 ntt-find --mime 'image/*'
	[ "$(wc -l <<<"$output")" = 2 ]
	has "$stderr" "4 stored files have no MIME type"
	sql "UPDATE inode SET mime_type = 'a_b' WHERE mime_type IS NULL
		AND fs_type = 'f'"
	finds_none --mime 'a%b'
	finds_none --mime 'image_jpeg'
}

@test "what is damaged and what is missing" {
	two_media
	sql "INSERT INTO inode_damage (medium_hash, dev, ino, determined, extents)
		SELECT medium_hash, dev, ino, true, '{[0,10)}' FROM inode
		WHERE size = 5000"
	finds "$A:zeros" --damaged
	finds_none --missing
	sql "UPDATE inode SET status = 'failed_permanent', blobid = NULL,
		error_type = 'io_error' WHERE size = 5000"
	sql "SELECT catalogue_omit('$A', NULL, 'docs/secret', NULL, NULL,
		'permission', 13, NULL, NULL, 'ntt-enum')" >/dev/null
	finds "$A:zeros"$'\n'"$A:docs/secret" --missing
	finds "$A:docs/secret" --missing "$A:docs"
	expect 0 ntt-find -l --missing
	has "$output" "failed_permanent $A:zeros"
	has "$output" "permission $A:docs/secret"
}

@test "a medium that is not loaded is not passed over in silence" {
	two_media
	sql "INSERT INTO medium (medium_hash, medium_human)
		VALUES ('cafe0000cafe0000', 'not yet')"
	expect 3 ntt-find IMG
	[ "$output" = "$A:docs/old/IMG_1.JPG" ]
	has "$stderr" 'cafe0000cafe0000 "not yet" is not loaded'
	expect 0 ntt-find -m $A IMG
}

@test "JSON, the long form, bytes on a terminal" {
	two_media
	: >"$T/b/"$'\xff\n'
	ntt-enum -q --meta "$T/b" $B - | ntt-loader -q --replace --force - $B >/dev/null
	expect 0 ntt-find --json $'\xff'
	has "$output" '"path_hex":"ff0a","type":"f","size":0'
	expect 0 ntt-find -l IMG
	[[ $output == "f 0644   1            6 2001-02-03 "*" $A:docs/old/IMG_1.JPG" ]]
	expect 0 script -qec "ntt-find \"\$(printf '\\377')\"" /dev/null </dev/null
	[[ $output == *"$B:"'\xff\n'* ]]
}

# ---- the index of names ----

# Whoever says that names were read has not used the index.
indexed() {
	expect 0 "$@"
	[ -z "$stderr" ] || { echo "not by the index: $stderr"; return 1; }
}

# both ARGUMENTS…: by the index, and the same without it
both() {
	local rc=0
	ntt-find -0 "$@" >"$T/with" 2>"$T/with.err" || rc=$?
	mv "$NTT_HOME/index" "$NTT_HOME/away"
	ntt-find -q -0 "$@" >"$T/without" || [ $? = $rc ]
	mv "$NTT_HOME/away" "$NTT_HOME/index"
	sort -z "$T/with" >"$T/a.sorted"
	sort -z "$T/without" | cmp "$T/a.sorted" - ||
		{ printf 'not the same: %q\n' "$@"; return 1; }
}

# by_index ARGUMENTS…: both, and there was no need to read
by_index() {
	both "$@"
	[ ! -s "$T/with.err" ] || { printf '%q ' "$@"; cat "$T/with.err"; return 1; }
}

# by_reading ARGUMENTS…: both, and it was said that names were read
by_reading() {
	both "$@"
	grep -q "all names .*were read" "$T/with.err" ||
		{ printf 'nothing said: %q\n' "$@"; return 1; }
}

@test "index: made when a load has committed, for its owner alone" {
	need plocate-build plocate
	two_media
	[ "$(grep -c '^medium ' "$NTT_HOME/index/segments")" = 2 ]
	[ "$(stat -c %a "$NTT_HOME/index")" = 700 ]
	for f in "$NTT_HOME"/index/*.db "$NTT_HOME/index/segments"; do
		[ "$(stat -c %a "$f")" = 600 ]
	done
	indexed ntt-find Mother
	[ "$output" = "$A:docs/Letter to Mother.doc" ]
	expect 2 ntt-db index
	has "$stderr" "has all names already"
}

@test "index: the same answers as without it" {
	need plocate-build plocate
	rm -rf "$T/a"
	difficult_tree "$T/a"
	mkdir -p "$T/a/"$'dir\nwith' "$T/a/Köln/[brackets]" "$T/a/-d"
	for name in $'dir\nwith/line\nfeed.txt' 'Köln/Straße.JPG' 'KÖLN.jpg' \
		'Köln/[brackets]/a[b]c.txt' 'back\slash.txt' 'back\\slashes' \
		'star*name' 'what?name' '-d/-lower' 'abcabc' 'ABCabc' 'ABC' \
		$'\u212aelvin' kelvin KELVIN $'\u0130stanbul' istanbul \
		'colon:name' ' two  blanks' 'abc.tar.gz' 'aa' 'zzz'; do
		echo "$name" >"$T/a/$name"
	done
	mkdir -p "$T/b/pictures/abc"
	touch "$T/b/pictures/abc/abcabc" "$T/b/plain istanbul" "$T/b/kelvin"
	take_in $A "$T/a"
	take_in $B "$T/b"
	for pattern in abc ABC 'abc*' '*abc' '*ABC*' 'a[b]c*' '*[[]b]c*' 'b]c' \
		$'\nfeed' $'line\n*' 'Straße' 'traße*' 'ö' 'Köl' 'back\slash' \
		'\slash' '*slash*' '*back\\slash*' 'star[*]name' '*name' '-lower' \
		'--' -lo 'colon:' 'with/line' 'pictures/abc' 'dir*feed*' \
		'*/[[]brackets]/*' kelvin istanbul $'\u212aelvin' $'\u0130stan' \
		$'utf8\xc3' $'\xff\xfeutf8' 'nnnnnnnnn' 'ddddd' 'hash' 'x?y' \
		'two  bl' '*.tar.gz' 'file' 'none of all' zzz; do
		both -e "$pattern"
		both -i -e "$pattern"
		both --path -e "$pattern"
		both -i --path -e "$pattern"
		both -m $B -e "$pattern"
	done
	by_index abc
	by_index -e 'abc' -e 'Straße' -e 'back\slash'
	by_index -e 'abc*' -e '*abc' --type f
	by_index 'st?r*name*'
	by_index "$A:-d" lower
	by_index --path '*brackets*'
	by_index -m $B -i KELVIN
	by_index --missing lower
	by_reading 'x?y'
	by_reading -e abc -e xy
	by_reading -r 'abc'
	by_reading -i 'öß'
	# where a letter that is not ASCII is one when case is ignored
	by_reading -i KELVIN
	expect 0 ntt-find --count -i KELVIN
	[ "$output" = 4 ]
}

@test "index: what was loaded anew, dropped or removed since is not found in it" {
	need plocate-build plocate
	two_media
	mv "$T/a/docs/alone" "$T/a/docs/renamed"
	ntt-enum -q --meta "$T/a" $A - |
		ntt-loader -q --replace --force --no-index - $A >/dev/null
	expect 1 ntt-find alone
	has "$stderr" "1 medium is not in the index of names"
	finds "$A:docs/renamed" renamed
	finds "$B:pictures/copy.jpeg" copy
	expect 0 ntt-db index
	indexed ntt-find renamed
	finds_none alone
	# what was added
	touch "$T/a/docs/added later"
	ntt-enum -q --meta "$T/a" $A - | ntt-loader -q --refresh - $A >/dev/null
	indexed ntt-find 'added later'
	[ "$output" = "$A:docs/added later" ]
	ntt-loader -q --drop --yes $A
	expect 3 ntt-find renamed
	[ -z "$output" ]
	has "$stderr" "is not loaded"
	ntt-remove -q --yes $B --reason test 2>/dev/null ||
		ntt-remove -q --yes $B
	expect 3 ntt-find copy
	[ -z "$output" ]
	take_in $A "$T/a"
	indexed ntt-find renamed
	[ "$(grep -c '^medium ' "$NTT_HOME/index/segments")" = 1 ]
}

@test "index: a restricted medium is not found in it" {
	need plocate-build plocate
	two_media
	ntt-note --restricted $B >/dev/null
	expect 1 ntt-find jpeg
	[ -z "$output" ]
	finds "$B:pictures/copy.jpeg" -m $B jpeg
}

@test "index: of what is nearly everywhere all is read" {
	need plocate-build plocate
	"$NTT_BUILD/test/bench/mkraw" 60000 |
		ntt-loader -q - $A >/dev/null
	touch "$T/b/pictures/one_file_more"
	take_in $B "$T/b"
	by_reading _file_
	has "$(cat "$T/with.err")" "too much may fit"
	[ "$(tr -cd '\0' <"$T/with" | wc -c)" -gt 50000 ]
	by_reading -r file
	indexed ntt-find file_more
}

@test "index: another catalogue's says nothing" {
	need plocate-build plocate
	two_media
	fresh_db
	touch "$T/a/docs/elsewhere"
	ntt-enum -q --meta "$T/a" $A - | ntt-loader -q --no-index - $A >/dev/null
	finds "$A:docs/elsewhere" elsewhere
	has "$stderr" "1 medium is not in the index"
}

@test "index: killed at any step, it is what it was, and whole the next time" {
	local n=0 status
	need plocate-build plocate
	two_media
	cp -a "$NTT_HOME/index" "$T/before"
	touch "$T/a/docs/brand new name"
	while :; do
		rm -rf "$NTT_HOME/index"
		cp -a "$T/before" "$NTT_HOME/index"
		ntt-enum -q --meta "$T/a" $A - |
			ntt-loader -q --replace --force --no-index - $A >/dev/null
		n=$((n + 1)) status=0
		stepper kill $n ntt-db -q index 3>&- || status=$?
		[ $status != 99 ] || break
		[ $status = 137 ]
		finds "$A:docs/brand new name" 'brand new'
		finds "$B:pictures/copy.jpeg" jpeg
		ntt-db -q index || [ $? = 2 ]
		indexed ntt-find 'brand new'
		# nothing is left behind
		[ "$(find "$NTT_HOME/index" -type f | wc -l)" = \
			"$(($(grep -c ^segment "$NTT_HOME/index/segments") + 2))" ]
	done
	[ $n -gt 5 ]
}

@test "index: a segment that is cut off or damaged is not believed" {
	need plocate-build plocate
	two_media
	for f in "$NTT_HOME"/index/*.db; do
		truncate -s -1 "$f"
	done
	finds "$A:docs/Letter to Mother.doc" Mother
	has "$stderr" "cannot be read, so all names were read"
	rm "$NTT_HOME"/index/*.db
	finds "$A:docs/Letter to Mother.doc" Mother
	echo nonsense >"$NTT_HOME/index/segments"
	finds "$A:docs/Letter to Mother.doc" Mother
	expect 0 ntt-db index
	has "$stderr" "is damaged, so the index is made anew"
	indexed ntt-find Mother
}

@test "index: one that cannot be written fails no load, and it is said" {
	need plocate-build plocate
	echo photo >"$T/b/pictures/copy.jpeg"
	echo "no directory" >"$NTT_HOME/index"
	ntt-enum -q --meta "$T/b" $B "$T/b.raw"
	expect 0 ntt-loader -q "$T/b.raw" $B
	has "$stderr" "did not get into the index"
	finds "$B:pictures/copy.jpeg" jpeg
	has "$stderr" "were read"
}

@test "index: without plocate names are read, and it is said" {
	echo photo >"$T/b/pictures/copy.jpeg"
	ntt-enum -q --meta "$T/b" $B "$T/b.raw"
	expect 0 env PATH="$NTT_BUILD/bin" ntt-loader -v "$T/b.raw" $B
	has "$stderr" "plocate is not installed"
	[ ! -e "$NTT_HOME/index" ]
	finds "$B:pictures/copy.jpeg" jpeg
	has "$stderr" "there is no index of names, so all names were read"
	expect 127 env PATH="$NTT_BUILD/bin" ntt-db index
	need plocate-build plocate
	expect 0 ntt-db index
	expect 0 env PATH="$NTT_BUILD/bin" ntt-find jpeg
	[ "$output" = "$B:pictures/copy.jpeg" ]
	has "$stderr" "plocate is not installed, so"
}

@test "index: never more than nine segments, and every medium in one" {
	local i hash
	need plocate-build plocate
	for ((i = 10; i < 35; i++)); do
		hash=$(printf '%032x' $i)
		mkdir -p "$T/m/$i"
		touch "$T/m/$i/name of $i"
		ntt-enum -q "$T/m/$i" "$hash" - | ntt-loader -q - "$hash" >/dev/null
		[ "$(grep -c ^segment "$NTT_HOME/index/segments")" -le 9 ]
		[ "$(find "$NTT_HOME/index" -name '*.db' | wc -l)" -le 9 ]
		rm -r "$T/m/$i"
	done
	[ "$(grep '^medium ' "$NTT_HOME/index/segments" | cut -d' ' -f2 |
		sort -u | wc -l)" = 25 ]
	indexed ntt-find --count 'name of'
	[ "$output" = 25 ]
}

# ---- which media hold a content ----

# What is kept about contents and media is what their inodes say.
holders_right() {
	sql "SELECT medium_hash, blobid FROM inode WHERE blobid IS NOT NULL
		UNION SELECT medium_hash, blobid FROM inode_stream
		WHERE blobid IS NOT NULL ORDER BY 1, 2" >"$T/inodes"
	sql "SELECT medium, blobid FROM blob_medium ORDER BY 1, 2" >"$T/held"
	cmp "$T/inodes" "$T/held"
}

@test "which media hold a content: copied, loaded anew, dropped, removed" {
	two_media
	holders_right && [ -s "$T/held" ]
	finds "$A:docs/old/IMG_1.JPG"$'\n'"$B:pictures/copy.jpeg" \
		--same-as "$T/b/pictures/copy.jpeg"
	echo changed >"$T/a/docs/alone"
	ntt-enum -q --meta "$T/a" $A - | ntt-loader -q --refresh - $A >/dev/null
	holders_right
	ntt-copier -q -m $A --no-archived
	holders_right
	finds "$B:pictures/copy.jpeg"$'\n'"$B:x:y" -m $B --type f
	finds "$B:x:y" -m $B --only-here --type f
	ntt-loader -q --drop --yes $A
	holders_right
	finds "$B:pictures/copy.jpeg"$'\n'"$B:x:y" -m $B --only-here --type f
	take_in $A "$T/a"
	holders_right
	finds "$B:x:y" -m $B --only-here --type f
	# the documented rollback
	sql "DROP TABLE path_p_$A CASCADE; DROP TABLE inode_p_$A CASCADE"
	holders_right
	finds "$B:pictures/copy.jpeg"$'\n'"$B:x:y" -m $B --only-here --type f
	ntt-reclaim -q
	sql "SELECT count(*) FROM blob_load" >"$T/rows"
	[ "$(cat "$T/rows")" = 2 ]
}

@test "which media hold a content: of a catalogue that is older than this" {
	local n=0
	empty_db
	for f in "$TEST_DIR"/../sql/0*.sql; do
		[[ $f != *-index.sql ]] || break
		psql -Xq -v ON_ERROR_STOP=1 "$NTT_DB_URL" \
			-c 'SET client_min_messages = warning' -f "$f"
		n=$((n + 1))
	done
	sql "CREATE TABLE schema_version (version integer PRIMARY KEY,
			applied_at timestamptz NOT NULL DEFAULT now());
		INSERT INTO schema_version (version) VALUES ($n)"
	sql "INSERT INTO medium (medium_hash) VALUES ('$A'), ('$B');
		SELECT catalogue_create_partitions('$A');
		SELECT catalogue_create_partitions('$B');
		INSERT INTO inode_p_$A (dev, ino, nlink, size, mtime, fs_type, status, blobid)
		SELECT 1, n, 1, 1, 1, 'f', 'success', repeat((n % 10)::text, 64)
		FROM generate_series(1, 100) n;
		INSERT INTO inode_p_$B (dev, ino, nlink, size, mtime, fs_type, status, blobid)
		SELECT 1, n, 1, 1, 1, 'f', 'success', repeat(n::text, 64)
		FROM generate_series(5, 9) n;
		SELECT catalogue_key_partitions(m), catalogue_attach_partitions(m)
		FROM unnest('{$A,$B}'::text[]) m;
		INSERT INTO inode_stream (medium_hash, dev, ino, name, size, status, blobid)
		VALUES ('$A', 1, 1, 'fork', 1, 'success', repeat('a', 64))" >/dev/null
	expect 0 ntt-db migrate
	holders_right && [ "$(wc -l <"$T/held")" = 16 ]
}
