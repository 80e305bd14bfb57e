#!/usr/bin/env bats
# slow: whole pipelines
# bats file_tags=guest
# Images of CDs with tracks of several kinds: data of one or several sessions,
# and music.

load lib

setup() {
	isolate
	need b3sum b3sum
	need genisoimage genisoimage
	need linux.uml user-mode-linux
	chmod 755 "$T" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/test"
	fresh_db
	cd "$T"
	mkdir -p c tree/sub
	seq 30000 >tree/a.txt
	head -c 700000 /dev/urandom >tree/sub/b.bin
	# seconds of 75 sectors, with samples that tell where they are from
	python3 - <<-'END'
	import random
	for n in 2, 3:
	    r = random.Random(n)
	    open('m%d' % n, 'wb').write(r.randbytes(2352 * 75 * n))
	END
}

open_disc() {
	expect "$1" ntt-orchestrator --sandbox --image "$2"
	M=$(sql 'SELECT medium_hash FROM medium')
}

# As if nothing had been done.
forget() {
	fresh_db
	rm -rf "$NTT_HOME"/{by-hash,archived,archives,img,raw}
}

refused() {
	expect 1 ntt-orchestrator --sandbox --image "$1"
	has "$(tail -n 1 <<<"$stderr")" "$2"
	[ "$(sql 'SELECT count(*) FROM medium')" = 0 ]
	[ -z "$(ls -A "$NTT_HOME/img" 2>/dev/null)" ]
}

# disc.py COMMAND …
disc() {
	python3 "$BATS_TEST_DIRNAME/tools/disc.py" "$@"
}

# is_music FILE WAV: an independent reader sees the samples of FILE
is_music() {
	python3 - "$1" "$2" <<-'END'
	import sys, wave
	w = wave.open(sys.argv[2])
	assert w.getparams()[:4] == (2, 2, 44100, w.getnframes()), w.getparams()
	want = open(sys.argv[1], 'rb').read()
	assert w.readframes(w.getnframes() + 1) == want
	END
}

# has_tree DIR: that is tree/, in the tree of the medium
has_tree() {
	diff -r tree "$NTT_HOME/archived/$M/$1"
}

@test "a disc of data and music: cue, nrg, ccd, and one medium" {
	genisoimage -quiet -R -o d.iso tree
	disc cue c/x data=d.iso audio=m2 audio=m3
	open_disc 0 c/x.cue
	has_tree p1
	is_music m2 "$NTT_HOME/archived/$M/p2/track02.wav"
	is_music m3 "$NTT_HOME/archived/$M/p2/track03.wav"
	[ "$(ls "$NTT_HOME/archived/$M/p2")" = "track02.wav
track03.wav" ]
	ntt-archiver --extract "$M" x.cue.part1 | cmp - c/x.cue
	ntt-archiver --extract "$M" x.bin.part2 | cmp - c/x.bin
	[ -z "$(ls -A "$NTT_HOME/img")" ]
	# the .bin leads to its sheet
	cp c/x.bin c/y.bin
	sed 's/x\.bin/y.bin/' c/x.cue >c/y.cue
	open_disc 2 c/y.bin
	for kind in nrg1 nrg2 nrg-tao ccd cue-files; do
		disc "$kind" "c/$kind" data=d.iso audio=m2 audio=m3
	done
	open_disc 2 c/nrg1.nrg
	open_disc 2 c/nrg2.nrg
	open_disc 2 c/nrg-tao.nrg
	open_disc 2 c/ccd.ccd
	open_disc 2 c/cue-files.cue
	[ "$(sql 'SELECT count(*) FROM medium')" = 1 ]
}

@test "a disc of one data track is its ISO" {
	genisoimage -quiet -R -o d.iso tree
	disc cue c/x data2=d.iso
	open_disc 0 c/x.cue
	has_tree .
	open_disc 2 d.iso
	disc nrg2 c/y data=d.iso
	open_disc 2 c/y.nrg
}

@test "a disc of music alone; what is before a track" {
	printf '\1\2\3\4' | cat - m2 | head -c 176400 >hidden
	disc cue c/x gap=hidden audio=m2 gap=m3 audio=m3
	open_disc 0 c/x.cue
	cat m2 m3 >both
	is_music hidden "$NTT_HOME/archived/$M/p1/track01-pregap.wav"
	is_music both "$NTT_HOME/archived/$M/p1/track01.wav"
	is_music m3 "$NTT_HOME/archived/$M/p1/track02.wav"
	forget
	# the same where the sheet does not say what is before the track
	sed -i '/INDEX 00/d' c/x.cue
	open_disc 0 c/x.cue
	is_music hidden "$NTT_HOME/archived/$M/p1/track01-pregap.wav"
	forget
	# silence before the first one is nobody's file; high bytes first
	head -c 176400 /dev/zero >hidden
	disc cue-swapped c/y gap=hidden audio=m2
	open_disc 0 c/y.cue
	is_music m2 "$NTT_HOME/archived/$M/p1/track01.wav"
	[ "$(ls "$NTT_HOME/archived/$M/p1")" = track01.wav ]
}

@test "CD-Extra: music, and data that count from the beginning of the disc" {
	genisoimage -quiet -R -C 0,12000 -o d.iso tree
	disc cue c/x audio=m2 audio=m3 data2=d.iso
	open_disc 0 c/x.cue
	has_tree p1
	is_music m2 "$NTT_HOME/archived/$M/p2/track01.wav"
	is_music m3 "$NTT_HOME/archived/$M/p2/track02.wav"
	disc nrg2 c/x audio=m2 audio=m3 data2=d.iso
	open_disc 2 c/x.nrg
	disc ccd c/y audio=m2 audio=m3 data2=d.iso
	open_disc 2 c/y.ccd
}

@test "two sessions of data are two volumes" {
	genisoimage -quiet -R -o one.iso tree
	mkdir more
	seq 5000 >more/new
	genisoimage -quiet -R -C 0,12000 -o two.iso more
	disc cue c/x data=one.iso data=two.iso
	open_disc 0 c/x.cue
	has_tree p1
	diff -r more "$NTT_HOME/archived/$M/p2"
}

@test "a Macintosh's side of a disc with music" {
	need hformat hfsutils
	genisoimage -quiet -R -hfs -probe -o d.iso tree
	disc cue c/x data=d.iso audio=m2
	ntt-orchestrator --sandbox --image c/x.cue >out 2>&1 || :
	M=$(sql 'SELECT medium_hash FROM medium')
	cat out
	sql "SELECT number, filesystem FROM medium_partition ORDER BY 1" >have
	cat have
	grep -q hfs have
	ls "$NTT_HOME/archived/$M"/p*/track02.wav
}

@test "sectors of a data track that hold no data are lost, not zeros" {
	genisoimage -quiet -R -o d.iso tree
	disc cue c/x data=d.iso audio=m2
	at=$(grep -abo '^20000' d.iso | head -n 1)
	at=$((${at%%:*} / 2048))
	printf 'xxxxxxxxxxxxxxxx' | dd of=c/x.bin bs=1 seek=$((at * 2352)) \
		conv=notrunc status=none
	open_disc 3 c/x.cue
	expect 0 ntt-recover-failed list-damaged -m "$M"
	has "$output" a.txt
	! has "$output" b.bin || return 1
}

@test "the films of a Video CD are files of whole sectors" {
	genisoimage -quiet -R -o d.iso tree
	disc cue c/x data2=d.iso form2=m2
	open_disc 0 c/x.cue
	has_tree p1
	tail -c "$(stat -c %s "$NTT_HOME/archived/$M/p2/track02.bin")" c/x.bin |
		cmp - "$NTT_HOME/archived/$M/p2/track02.bin"
}

@test "descriptions that are wrong: each is told, and nothing is left" {
	genisoimage -quiet -R -o d.iso tree
	disc cue c/x data=d.iso audio=m2 audio=m3
	mv c/x.bin bin
	refused c/x.cue "whose part \"x.bin\" is not there"
	head -c 1500000 bin >c/x.bin
	refused c/x.cue "a track lies behind the end of its file"
	head -c $(($(stat -c %s bin) - 100)) bin >c/x.bin
	refused c/x.cue "a track does not end with a whole sector"
	cp bin c/x.bin
	sed 's/TRACK 03/TRACK 02/' c/x.cue >c/y.cue
	refused c/y.cue "its tracks are not in order"
	sed 's/AUDIO/MUSIC/' c/x.cue >c/y.cue
	refused c/y.cue "unknown mode"
	sed 's/BINARY/WAVE/' c/x.cue >c/y.cue
	refused c/y.cue "give their directory"
	# a file of this machine
	sed 's,"x.bin","/etc/x.bin",' c/x.cue >c/y.cue
	ln -sf /etc/passwd c/x.bin
	refused c/y.cue "is not there"
	rm c/x.bin
	disc ccd c/z data=d.iso audio=m2
	rm c/z.img
	refused c/z.ccd "whose .img is not beside it"
	disc nrg2 c/n data=d.iso audio=m2
	size=$(stat -c %s c/n.nrg)
	{ head -c 500000 c/n.nrg; tail -c 200 c/n.nrg; } >c/m.nrg
	refused c/m.nrg "that is cut"
	# a list that is not whole
	sed 's/END!/END?/' c/n.nrg >c/m.nrg
	refused c/m.nrg "its list of tracks is cut"
	printf 'CD_ROM\n' >c/t.toc
	refused c/t.toc toc2cue
}
