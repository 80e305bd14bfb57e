#!/usr/bin/env bats
# What people type by mistake: each gets a line that helps, and changes nothing.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib

# One collection for all tests; none of them changes it.
setup_file() {
	export BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
	isolate
	chmod 755 "$T"
	fresh_db
	mkdir "$T/disk"
	echo letter >"$T/disk/letter"
	ntt-orchestrator -q --message "red label" "$T/disk" >/dev/null
	M=$(ntt-identify "$T/disk")
	export HERE=$T M
}

setup() {
	T=$BATS_TEST_TMPDIR
	cd "$HERE" || return
	need_medium='the medium is missing'
}

# says STATUS TEXT COMMAND…: it ends so, with one line of this, and perhaps
# "Try"; nothing is new in the directory
says() {
	local status=$1 text=$2 before
	shift 2
	before=$(find . -path ./home -prune -o -print | sort)
	expect "$status" "$@" </dev/null || return
	has "$stderr" "$text" || return
	[ "$(grep -cv '^Try ' <<<"$stderr")" = 1 ] ||
		{ echo "more than a line: $stderr"; return 1; }
	[ "$before" = "$(find . -path ./home -prune -o -print | sort)" ]
}

@test "words, options and values that are nearly right" {
	says 64 'did you mean help?' ntt hlep
	says 64 'did you mean find?' ntt fnid x
	says 64 'did you mean restore?' ntt help restroe
	says 64 'did you mean --known?' ntt-find --knwon x
	says 64 'did you mean --json?' ntt-list-media --josn
	says 64 'did you mean unmount?' ntt-mount-helper umount $M
	says 64 'did you mean status?' ntt-db statsu
	says 64 'did you mean list-failures?' ntt-recover-failed list-failure $M
	says 64 '--size needs a size such as 512M' ntt-find --size big
	says 64 '--newer needs a date' ntt-find --newer soon
	says 64 'list, comma or quoted' ntt-list-media --format table
	says 64 '--limit needs a number' ntt-copier $M --limit -5
	says 64 'between 1 and' ntt-copy-workers $M -w 0
	says 64 'needs ADDRESS:PORT' ntt-web --listen banana
	says 64 '--import" needs an argument' ntt-note --import
}

@test "nothing typed: what belongs there" {
	says 64 'ntt-orchestrator ?options? DIRECTORY | /dev/sdX' ntt add
	says 64 'ntt-cat MEDIUM:PATH' ntt-cat
	says 64 'ntt-restore ?options? MEDIUM?:PATH?... DIR' ntt get last
	says 64 'ntt-imager ?options? DEVICE OUT.img' ntt-imager disk
	says 64 'ntt-places add NAME DIRECTORY' ntt-places add /mnt/usb
	says 64 'ntt-browse ?options? DIRECTORY' ntt-browse
	says 64 "$need_medium" ntt note
	says 64 "$need_medium" ntt-copier
	says 64 "$need_medium" ntt-archiver
	says 64 "$need_medium" ntt-report
	says 64 "$need_medium" ntt remove
	says 64 'one of a medium, --all' ntt check
}

@test "media that are not there, or named twice" {
	for command in ntt-note ntt-report ntt-verify ntt-copier ntt-archiver \
		ntt-pipeline-status ntt-remove ntt-streams; do
		says 1 'has no medium "box 9"' $command "box 9"
	done
	says 64 'two media are named' ntt-report -m last $M
	says 1 'could not open "gone"' ntt-imager gone out.img
	says 1 'could not identify "gone": No such file' ntt add gone
	says 1 'there is no place "usb"' ntt-mirror usb
	says 1 'has no "gone"' ntt-cat last:gone
	says 1 'it is no directory' ntt-browse disk/letter
	says 1 'could not read "gone"' ntt-stop-workers --pidfile gone
}

@test "files for directories, directories for files, other files" {
	says 1 'it is a directory' ntt-loader disk cafe0000cafe0000
	says 1 'Is a directory' ntt-raw-check disk
	says 1 'Is a directory' ntt-report last -o disk
	says 1 'Is a directory' ntt-note --import disk
	says 1 'Is a directory' ntt-find --known disk
	says 1 'neither a block device nor a regular file' ntt-imager disk x.img
	says 1 'Not a directory' ntt-enum disk/letter cafe0000cafe0000 -
	says 1 'neither JPEG nor PNG' ntt-report last --photo disk/letter
	says 1 'is damaged at byte 0' ntt-loader disk/letter cafe0000cafe0000
	says 1 'neither a device nor an image nor a directory' \
		ntt-identify /dev/null
	says 1 'no list of hashes' ntt-find --known disk/letter
}

@test "an output in a directory that is not there makes none" {
	says 1 'No such file or directory' ntt-report last -o gone/x.html
	says 1 'No such file or directory' ntt-report last --csv -o gone/x.csv
	says 1 'No such file or directory' ntt-report --collection -o gone/x/
	says 1 'No such file or directory' ntt-report last --bagit gone/bag
	says 1 'No such file or directory' ntt-enum disk cafe0000cafe0000 gone/x
	says 1 'No such file or directory' ntt-imager disk/letter gone/x.img
	says 1 'No such file or directory' ntt-restore last gone/x
	says 1 'No such file or directory' ntt-db backup gone/x
	# below the roots it is made
	expect 0 ntt-enum -q disk cafe0000cafe0000 "$NTT_HOME/raw/new/x.raw"
	expect 0 ntt-report --collection -o "$T/pages/"
	[ -s "$T/pages/index.html" ]
}

@test "a full disk: the file is named, and is not there" {
	need_root
	mkdir "$T/full"
	mount -t tmpfs -o size=4k tmpfs "$T/full"
	for command in "ntt-report last -o" "ntt-report --collection -o" \
		"ntt-db backup"; do
		expect 75 $command "$T/full/x" || { umount "$T/full"; return 1; }
		has "$stderr" "No space left on device"
		[ -z "$(ls "$T/full")" ]
	done
	umount "$T/full"
	expect 1 sh -c 'ntt-list-media --csv >/dev/full'
	has "$stderr" "No space left on device"
}

@test "the same again says that it is done" {
	expect 2 ntt add disk
	has "$stderr" 'nothing has changed since'
	says 2 'already archived' ntt-archiver last
	says 2 'is loaded already (--replace loads it again)' \
		ntt-loader disk/letter $M
}
