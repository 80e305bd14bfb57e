# shellcheck shell=bash
# Loaded by report.bats: a small collection, made by the suite itself.
#
#	$DISK	a partitioned disk image with an unreadable area, archived
#	$PAPERS	a directory with hostile names, failures, exclusions
#	$COPY	a directory that holds nothing that $PAPERS does not
#	$SHELF	registered, nothing more

SHELF=5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e

# Bytes that are the same in every run, and no two blocks of them alike.
report_bytes() {
	openssl enc -aes-128-ctr -nosalt -K "$(printf '%032x' "$1")" \
		-iv 0 </dev/zero 2>/dev/null | head -c "$2"
}

report_papers() {
	local dir=$1 year i
	mkdir -p "$dir"/letters "$dir"/photos/{holiday,work} "$dir"/old/deep/er
	for year in 1987 1994 1995 1996 1999 2004 2011; do
		for i in 1 2 3; do
			report_bytes $((year + i)) $((i * 3000 + year)) \
				>"$dir/letters/letter $year-$i.txt"
			touch -d "$year-0$i-11" "$dir/letters/letter $year-$i.txt"
		done
		report_bytes "$year" $((year * 60)) >"$dir/photos/holiday/$year.JPG"
		report_bytes "9$year" $((year * 9)) >"$dir/photos/work/$year.png"
		touch -d "$year-07-01" "$dir"/photos/*/"$year".*
	done
	report_bytes 7 300000 >"$dir/old/deep/er/archive.zip"
	cp "$dir/old/deep/er/archive.zip" "$dir/old/same again.zip"
	ln "$dir/old/same again.zip" "$dir/old/second name.zip"
	ln -s ../letters "$dir/old/link"
	: >"$dir/old/empty"
	mkdir "$dir/names"
	echo 1 >"$dir/names/<script>alert(1)<"$'\001'"script>"
	echo 2 >"$dir/names/"$'not UTF-8 \xff\xfe'
	echo 3 >"$dir/names/"$'new\nline'
	echo 4 >"$dir/names/"$'\xe2\x80\xae''gpj.exe'
	echo 5 >"$dir/names/a|b&c\"d'e\\f%0A"
	echo 6 >"$dir/names/=cmd()"
	mkdir "$dir/<b>bold"$'\xff'
	report_bytes 11 90000 >"$dir/<b>bold"$'\xff'"/x.<i>"
}

# report_disk IMAGE: two partitions, an unreadable area in a file of the first
report_disk() {
	local img=$1 work=$1.d bad
	mkdir -p "$work/one/accounts" "$work/two"
	for i in 1 2 3 4 5; do
		report_bytes $((100 + i)) $((i * 40000)) >"$work/one/accounts/$i.dbf"
		touch -d "1993-0$i-02" "$work/one/accounts/$i.dbf"
	done
	report_bytes $((1987 + 1)) $((3000 + 1987)) >"$work/two/letter.txt"
	report_bytes 300 200000 >"$work/two/scan.tif"
	mkfs.ext4 -q -b 4096 -L ACCOUNTS -d "$work/one" "$work/p1" 8M
	mkfs.ext4 -q -b 4096 -L SCANS -d "$work/two" "$work/p2" 6M
	truncate -s 16M "$img"
	printf 'label: dos\nstart=2048, size=16384\nstart=18432, size=12288\n' |
		sfdisk -q "$img"
	dd if="$work/p1" of="$img" bs=1M seek=1 conv=notrunc status=none
	dd if="$work/p2" of="$img" bs=1M seek=9 conv=notrunc status=none
	bad=$(debugfs -R "blocks /accounts/3.dbf" "$work/p1" 2>/dev/null)
	bad=$((${bad%% *} * 4096 + (1 << 20) + 4096))
	printf '# map\n0x0 + 1\n0 %d +\n%d 6144 -\n%d %d +\n%d 4096 /\n' $bad \
		$bad $((bad + 6144)) $(((16 << 20) - 4096 - bad - 6144)) \
		$(((16 << 20) - 4096)) >"${img%.img}.map"
	rm -r "$work"
}

medium_hash() {
	ntt-identify --json "$1" | sed 's/.*"hash":"\([^"]*\)".*/\1/'
}

# report_collection DIR: the collection, its sources below DIR
report_collection() {
	local dir=$1
	mkdir -p "$dir"
	report_papers "$dir/papers"
	report_disk "$dir/accounts.img"
	mkdir "$dir/copy"
	cp -p "$dir/papers/letters/"*199* "$dir/copy"
	cp -p "$dir/papers/photos/holiday/1994.JPG" "$dir/copy"
	PAPERS=$(medium_hash "$dir/papers")
	COPY=$(medium_hash "$dir/copy")
	DISK=$(medium_hash "$dir/accounts.img")
	export PAPERS COPY DISK
	ntt-orchestrator -q --image "$dir/accounts.img" \
		--message "box 7, red label" >/dev/null 3>&- || [ $? = 3 ]
	ntt-archiver -q --allow-failures "$DISK" >/dev/null
	printf '^photos/work/2\n' >"$dir/patterns"
	printf 'gone' >"$dir/papers/letters/vanished.txt"
	printf 'dir' >"$dir/papers/letters/became a directory"
	ntt-enum -q "$dir/papers" "$PAPERS" - |
		ntt-loader -q --ignore "$dir/patterns" --kind directory \
			- "$PAPERS" >/dev/null
	rm "$dir/papers/letters/vanished.txt" \
		"$dir/papers/letters/became a directory"
	mkdir "$dir/papers/letters/became a directory"
	ntt-copier -q -m "$PAPERS" --src-root "$dir/papers" >/dev/null || [ $? = 3 ]
	ntt-orchestrator -q --no-archive "$dir/copy" >/dev/null 3>&-
	psql -Xqc "INSERT INTO medium (medium_hash, medium_human, message)
		VALUES ('$SHELF', 'floppy <1>', 'not read yet')" "$NTT_DB_URL"
	psql -Xqc "UPDATE medium SET medium_human = 'papers of <b>Anna & son',
		message = E'\"quoted\" <script>alert(1)</script> \u202Eevil'
		WHERE medium_hash = '$PAPERS'" "$NTT_DB_URL"
}
