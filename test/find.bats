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
	expect 0 script -qec "ntt-find $'\\xff'" /dev/null
	[[ $output == *"$B:"'\xff\n'* ]]
}
