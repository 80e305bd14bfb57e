#!/usr/bin/env bats
# slow: real ddrescue on slow disks
# Images of bad disks: what the map calls rescued is what was on the disk,
# whatever breaks, whatever is killed.

load lib
load devices

setup_file() {
	export BATS_TEST_TIMEOUT=60	# what hangs has failed
}

setup() {
	isolate
	need ddrescue gddrescue
	cd "$T"
}

teardown() {
	end_devices
}

# source SIZE: a disk of random bytes as src
source_of() {
	head -c "$1" /dev/urandom >src
}

# blocks MAP: the lines "pos size status" of a map
blocks() {
	grep -v '^#' "$1" | tail -n +2
}

# true_to_map SOURCE IMAGE MAP: equal wherever the map says +
true_to_map() {
	local pos size status
	[ "$(stat -c %s "$2")" = "$(stat -c %s "$1")" ]
	while read -r pos size status; do
		[ "$status" = + ] || continue
		cmp -i $((pos)) -n $((size)) "$1" "$2" || return 1
	done < <(blocks "$3")
}

# lost MAP: bytes that were not rescued
lost() {
	local pos size status sum=0
	while read -r pos size status; do
		[ "$status" = + ] || sum=$((sum + size))
	done < <(blocks "$1")
	echo $sum
}

map_of() {
	printf '0x0 + 1\n'
	printf '%s\n' "$@"
}

@test "--plan: the seven phases, each with its own options, and nothing run" {
	source_of 1M
	expect 0 ntt-imager --plan src x.img
	[ "$(grep -v '^#' <<<"$output")" = "$(for o in \
		"--no-scrape --no-trim --idirect --sector-size=512 --cluster-size=128" \
		"--no-scrape --idirect --sector-size=512 --cluster-size=8 --retry-passes=5" \
		"--idirect --sector-size=512 --retry-passes=10" \
		"--idirect --reverse --sector-size=512 --retry-passes=4" \
		"--idirect --sector-size=512 --cluster-size=1 --retry-passes=6" \
		"--idirect --reverse --sector-size=512 --cluster-size=1 --retry-passes=20" \
		"--idirect --sector-size=512 --retry-passes=10"; do
		echo "ddrescue $o --sparse --mapfile-interval=2,30" \
			"--log-events=x-ddrescue.log -- src x.img x.map"
	done)" ]
	[ "$(ls)" = $'home\nsrc\nuser' ]
	expect 0 ntt-imager --plan --no-direct --sector-size 2048 src x.img y.map
	! grep -e --idirect <<<"$output" || return 1
	[ "$(grep -c -- '--sector-size=2048 .* src x.img y.map' <<<"$output")" = 7 ]
}

@test "a good source: identical, durable, and not read again" {
	source_of 3000001
	mkdir "out dir"
	expect 0 ntt-imager src "out dir/-the image.img"
	cmp src "out dir/-the image.img"
	has "$output" "100.00 % rescued"
	has "$output" "health ok"
	[ "$(ls "out dir")" = $'-the image-ddrescue.log\n-the image.img\n-the image.map' ]
	before=$(cat "out dir/-the image-ddrescue.log")
	expect 0 ntt-imager --json src "out dir/-the image.img"
	has "$output" '"health":"ok"'
	has "$output" '"phases":[]'
	[ "$(cat "out dir/-the image-ddrescue.log")" = "$before" ]
}

@test "zeros become holes" {
	truncate -s 64M src
	echo x | dd of=src bs=1M seek=30 conv=notrunc status=none
	expect 0 ntt-imager src x.img
	cmp src x.img
	[ "$(du -k x.img | cut -f1)" -lt 1024 ]
}

@test "bad sectors: everything around them, each phase as --plan has it" {
	source_of 4M
	bad_disk eio 0 512 eio 1048576 1536 eio 2098176 512 eio 4193792 512
	expect 0 ntt-imager --plan "$dev" x.img
	# what lies over holes of an image may be written as zeros
	grep -v '^#' <<<"$output" | sed 's/ --sparse//' >plan
	expect 3 ntt-imager --json "$dev" x.img
	true_to_map src x.img x.map
	[ "$(lost x.map)" = 3072 ]
	[ "$(blocks x.map | awk '{ printf $3 }')" = -+-+-+- ]
	has "$output" '"rescued":4191232,"untried":0,"untrimmed":0,"unscraped":0,"bad":3072'
	has "$output" '"health":"incomplete"'
	sed -n 's/^# Command line: //p' x-ddrescue.log | sed 's/ --sparse//' >ran
	diff plan ran
	# where it could not read there are zeros
	cmp -n 512 x.img /dev/zero
	for phase in 1 2 3 4 5 6 7; do
		grep -q "\"stage\":\"phase_end\",\"phase\":$phase,.*\"end\":\"ended\"" \
			"$NTT_HOME/log/ntt-imager.jsonl"
	done
	# again: not from the beginning, but retries
	expect 3 ntt-imager --json "$dev" x.img
	has "$output" '"phases":[{"phase":2,'
	[ "$(lost x.map)" = 3072 ]
}

@test "sectors of 4096 bytes" {
	source_of 4M
	bad_disk -b 4096 eio 1048576 512
	expect 3 ntt-imager "$dev" x.img
	true_to_map src x.img x.map
	[ "$(lost x.map)" = 4096 ]
	[ "$(grep -c -- 'Command line: .*--sector-size=4096' x-ddrescue.log)" = 7 ]
}

@test "a device that ends within a sector: all the others" {
	source_of $((1048576 + 512))
	bad_disk -b 2048 eio 524288 512
	expect 3 ntt-imager "$dev" x.img
	true_to_map src x.img x.map
	[ "$(lost x.map)" -lt 8192 ]
}

@test "a map with CR LF is gone on with" {
	source_of 1M
	printf '%s\r\n' '# Mapfile' '0x0 ? 1' '0x0 0x1000 +' \
		'0x1000 0xFF000 ?' >x.map
	head -c 4096 src >x.img
	expect 0 ntt-imager src x.img
	cmp src x.img
}

@test "sectors that can be read the fifth time are rescued" {
	source_of 2M
	bad_disk heal=4 524288 512 heal=9 1048576 512
	expect 0 ntt-imager "$dev" x.img
	cmp src x.img
	has "$output" "health ok"
}

@test "a drive that vanishes is no bad sector; when it is back it goes on" {
	source_of 8M
	bad_disk slow=20 0 8388608
	env --default-signal=INT ntt-imager "$dev" x.img >out 2>err 3>&- & pid=$!
	await '[ -s x.img ] && [ "$(du -k x.img | cut -f1)" -gt 500 ]'
	kill -9 "$fault"
	status=0; wait $pid || status=$?
	[ $status = 1 ]
	grep -q "the device is gone" err
	blocks x.map | awk '{ print $3 }' | grep '[-*/]' && return 1
	[ "$(lost x.map)" -gt 0 ]
	true_to_map src x.img x.map
	unplug || :
	bad_disk
	expect 0 ntt-imager "$dev" x.img
	cmp src x.img
}

@test "a drive that vanishes in the middle of errors: those from before stay bad" {
	source_of 4M
	bad_disk eio 1048576 1024
	expect 3 ntt-imager "$dev" x.img
	sum=$(lost x.map)
	kill -9 "$fault"
	expect 1 ntt-imager "$dev" x.img
	has "$stderr" "the device is gone"
	[ "$(lost x.map)" = "$sum" ]
	true_to_map src x.img x.map
}

@test "nothing can be read: failed, and never ok" {
	source_of 1M
	bad_disk eio 0 1048576
	expect 1 ntt-imager --early-exit "$dev" x.img
	has "$output" "0.00 % rescued"
	has "$output" "health failed"
}

@test "^C saves the map, exit 130; the next run goes on in that phase" {
	source_of 8M
	bad_disk slow=20 0 8388608
	env --default-signal=INT ntt-imager --json "$dev" x.img >out 2>err 3>&- & pid=$!
	await '[ -s x.img ] && [ "$(du -k x.img | cut -f1)" -gt 500 ]'
	kill -INT $pid
	status=0; wait $pid || status=$?
	[ $status = 130 ]
	[ "$(lost x.map)" -lt 8388608 ]
	[ "$(lost x.map)" -gt 0 ]
	true_to_map src x.img x.map
	[ ! -e x.map.lock ]
	grep -q '"end":"interrupted"' out
	expect 0 ntt-imager "$dev" x.img
	cmp src x.img
}

@test "interrupted in a late phase: not from the beginning" {
	source_of 1M
	bad_disk slow=20 524288 512 eio 524288 512
	env --default-signal=INT ntt-imager "$dev" x.img >out 2>err 3>&- & pid=$!
	await "grep -q 'phase 6 begins' x-ddrescue.log 2>/dev/null"
	kill -TERM $pid
	status=0; wait $pid || status=$?
	[ $status = 143 ]
	expect 3 ntt-imager --json "$dev" x.img
	has "$output" '"phases":[{"phase":6,'
}

@test "a second signal does not wait for a drive that hangs" {
	source_of 1M
	bad_disk hang 524288 512
	env --default-signal=INT ntt-imager "$dev" x.img >out 2>err 3>&- & pid=$!
	await '[ -s x.img ]'
	sleep 0.5
	kill -INT $pid
	sleep 0.2
	kill -INT $pid
	status=0; wait $pid || status=$?
	[ $status = 130 ]
	[ -s x.map ]
	# ddrescue still hangs, and nobody else may write to the map
	expect 75 timeout -s KILL 20 ntt-imager "$dev" x.img
	has "$stderr" "another ntt-imager"
}

@test "SIGKILL at every step, and the same command again" {
	need_root
	source_of 1M
	map_of '0x0 0x80000 +' '0x80000 0x400 -' '0x80400 0x7fc00 +' >bad.map
	expect 3 ntt-imager --test-mode bad.map src want.img
	for n in 1 2 3 4 5 6 8 11 15 20 27 40; do
		rm -f x.* x-*
		status=0
		stepper kill $n ntt-imager --test-mode bad.map src x.img \
			>/dev/null 2>&1 3>&- || status=$?
		[ $status = 137 ] || [ $status = 99 ]
		[ ! -e x.map ] || true_to_map src x.img x.map || return 1
		expect 3 ntt-imager --test-mode bad.map src x.img
		cmp want.img x.img
		cmp <(blocks want.map) <(blocks x.map)
		[ $status = 137 ] || break
	done
	[ "$n" -gt 10 ]
}

@test "SIGKILL while ddrescue reads: it ends too, and the next run goes on" {
	source_of 8M
	bad_disk slow=20 0 8388608
	for at in 300 1500 4000; do
		ntt-imager "$dev" x.img >out 2>err 3>&- & pid=$!
		await '[ -s x.img ] && [ "$(du -k x.img | cut -f1)" -gt $at ]'
		kill -9 $pid
		wait $pid || :
		true_to_map src x.img x.map
	done
	expect 0 ntt-imager "$dev" x.img
	cmp src x.img
	! pgrep -f "ddrescue .* $dev x.img" || return 1
}

@test "two at once: the second says so" {
	source_of 8M
	bad_disk slow=50 0 8388608
	env --default-signal=INT ntt-imager "$dev" x.img >out 2>err 3>&- & pid=$!
	await '[ -s x.img ]'
	expect 75 ntt-imager "$dev" x.img
	has "$stderr" "another ntt-imager works on"
	kill -INT $pid
	wait $pid || [ $? = 130 ]
}

@test "a full disk: 75 before, 75 when it happens, then it goes on" {
	need_root
	source_of 8M
	mkdir small
	mount -t tmpfs -o size=6M none small
	expect 75 ntt-imager src small/x.img
	has "$stderr" "no room"
	[ -z "$(ls small)" ]
	mount -o remount,size=10M small
	bad_disk slow=10 0 8388608
	env --default-signal=INT ntt-imager "$dev" small/x.img >out 2>err 3>&- & pid=$!
	await '[ -s small/x.img ]'
	head -c 6M /dev/zero >small/fill
	status=0; wait $pid || status=$?
	[ $status = 75 ]
	grep -q "No space left on device" err
	rm small/fill
	true_to_map src small/x.img small/x.map
	expect 0 ntt-imager "$dev" small/x.img
	cmp src small/x.img
}

@test "image and map must fit: error, and nothing is touched" {
	source_of 1M
	cp src x.img
	sum=$(md5sum x.img)
	expect 2 ntt-imager src x.img
	has "$stderr" "without its map"
	: >x.map
	expect 1 ntt-imager src x.img
	has "$stderr" "the map is empty"
	map_of '0x0 0x1000 +' >x.map
	expect 1 ntt-imager src x.img
	has "$stderr" "of a medium of 4,096 bytes, not of 1,048,576"
	map_of '0x0 0x80000 +' '0x90000 0x70000 +' >x.map
	expect 1 ntt-imager src x.img
	has "$stderr" "x.map:3"
	[ "$(md5sum x.img)" = "$sum" ]
	map_of '0x0 0x100000 +' >x.map
	: >x.img
	expect 1 ntt-imager src x.img
	has "$stderr" "is shorter than what its map"
	rm x.img
	expect 1 ntt-imager src x.img
	has "$stderr" "is not there"
	[ ! -e x.img ]
	truncate -s 2M x.img
	expect 1 ntt-imager src x.img
	has "$stderr" "is larger than the medium"
	[ ! -e x.map.lock ]
}

@test "a map that was damaged by a crash: its backup is gone on with" {
	source_of 1M
	map_of '0x0 0x80000 -' '0x80000 0x80000 +' >bad.map
	expect 3 ntt-imager --early-exit --test-mode bad.map src x.img
	for damage in 'head -c 200 x.map' ':' 'missing'; do
		cp x.map x.map.bak
		if [ "$damage" = missing ]; then rm x.map; else
			$damage >half
			mv half x.map
		fi
		expect 3 ntt-imager --early-exit --test-mode bad.map src x.img
		has "$stderr" "replaced by its backup"
		true_to_map src x.img x.map
		[ "$(lost x.map)" = 524288 ]
	done
	[ -f x.map.damaged ]
	# a backup of another disk is none
	: >x.map
	map_of '0x0 0x1000 +' >x.map.bak
	expect 1 ntt-imager src x.img
	has "$stderr" "the map is empty"
}

@test "ddrescue killed, and no ddrescue: an error, never a finished phase" {
	source_of 4M
	bad_disk slow=60 0 4194304
	ntt-imager "$dev" x.img >out 2>err 3>&- & pid=$!
	await 'pkill -9 -P $pid -x ddrescue'
	status=0; wait $pid || status=$?
	[ $status = 1 ]
	grep -q "ended by signal 9" err
	expect 127 env PATH="$NTT_BUILD/bin" ntt-imager "$dev" x.img
	has "$stderr" "could not run ddrescue"
	expect 0 ntt-imager "$dev" x.img
	cmp src x.img
}

@test "sources and images that cannot be: one line, no file" {
	source_of 1M
	: >empty
	mkfifo fifo
	expect 1 ntt-imager nothing x.img
	has "$stderr" "No such file"
	expect 1 ntt-imager empty x.img
	has "$stderr" "it has no bytes"
	expect 1 ntt-imager fifo x.img
	has "$stderr" "neither a block device nor a regular file"
	expect 1 ntt-imager . x.img
	expect 1 ntt-imager src src
	has "$stderr" "onto itself"
	ln src hard.img
	expect 1 ntt-imager src hard.img
	expect 64 ntt-imager src $'x\ny.img'
	has "$stderr" 'a newline in its name'
	expect 64 ntt-imager src
	expect 64 ntt-imager --max-hours never src x.img
	expect 64 ntt-imager --pause 3 src x.img
	[ "$(ls)" = $'empty\nfifo\nhard.img\nhome\nsrc\nuser' ]
	need_loop
	dev=$(losetup -f --show src)
	expect 1 ntt-imager empty "$dev"
	expect 1 ntt-imager hard.img "$dev"
	has "$stderr" "not a regular file"
	expect 64 ntt-imager --sector-size 512 "$dev" x.img
}

@test "a medium that can be written to is refused, and never written" {
	need_loop
	truncate -s 16M src
	mkfs.ext4 -q src
	dev=$(losetup -f --show src)
	mkdir m
	mount "$dev" m
	expect 2 ntt-imager "$dev" x.img
	has "$stderr" "is mounted on"
	mount -o remount,ro m
	expect 1 ntt-imager "$dev" m/x.img
	has "$stderr" "onto itself"
	sum=$(md5sum <src)
	expect 0 ntt-imager "$dev" x.img
	cmp src x.img
	umount m
	[ "$(md5sum <src)" = "$sum" ]
}

@test "an erased disk and an archive are findings" {
	head -c 1M /dev/zero | tr '\0' '\366' >src
	expect 0 ntt-imager --json src f6.img
	has "$output" '"content":"all_0xf6"'
	has "$stderr" "every byte is 0xf6"
	head -c 1M /dev/zero >src
	expect 0 ntt-imager src zero.img
	has "$stderr" "every byte is zero"
	tar cf src -C / etc/passwd
	expect 0 ntt-imager src tar.img
	has "$stderr" "it is a tar archive"
	cmp src tar.img
}

@test "a stall: the next phase, and the map of that moment" {
	source_of 1M
	bad_disk slow=400 524288 65536 eio 524288 65536
	expect 3 ntt-imager --stall-hours 1s --json "$dev" x.img
	has "$output" '"end":"stalled"'
	has "$output" '"phase":7'
	blocks x.map.stall >/dev/null
	true_to_map src x.img x.map
	true_to_map src x.img x.map.stall
}

@test "--max-hours stops, and the same command goes on" {
	source_of 4M
	bad_disk slow=60 0 4194304
	expect 3 ntt-imager --max-hours 0.0005 "$dev" x.img
	has "$stderr" "--max-hours"
	[ "$(lost x.map)" -gt 0 ]
	expect 0 ntt-imager "$dev" x.img
	cmp src x.img
}

@test "--chunk and --pause: several short runs make one image" {
	source_of 4M
	bad_disk slow=60 0 4194304
	expect 0 ntt-imager --chunk 1s --pause 0.1s "$dev" x.img
	cmp src x.img
	[ "$(grep -c 'Command line' x-ddrescue.log)" -ge 3 ]
	[ "$(grep -c 'phase 1 begins' x-ddrescue.log)" = 1 ]
}

@test "--early-exit stops where going on rarely helps" {
	source_of 1M
	map_of '0x0 0x200 -' '0x200 0xffe00 +' >bad.map
	expect 3 ntt-imager --early-exit --json --test-mode bad.map src x.img
	has "$output" '"phase":3,"end":"ended"'
	[[ $output != *'"phase":4'* ]]
	map_of '0x0 0xe0000 -' '0xe0000 0x20000 +' >bad.map
	expect 3 ntt-imager --early-exit --json --test-mode bad.map src y.img
	[[ $output != *'"phase":4'* ]]
	map_of '0x0 0x4000 -' '0x4000 0xfc000 +' >bad.map
	expect 3 ntt-imager --early-exit --json --test-mode bad.map src z.img
	has "$output" '"phase":5'
	[[ $output != *'"phase":6'* ]]
}

@test "no direct reads where the file system has none" {
	need mksquashfs squashfs-tools
	need_root
	mkdir tree m
	head -c 1M /dev/urandom >tree/src
	mksquashfs tree x.sqfs -quiet >/dev/null
	mount -o loop x.sqfs m
	expect 0 ntt-imager m/src x.img
	has "$stderr" "read through the cache"
	cmp tree/src x.img
	umount m
}

@test "what was read before a kill does not hide zeros that are read now" {
	source_of 1M
	map_of '0x0 0x100000 ?' >x.map
	cp src x.img
	truncate -s 1M zeros
	expect 0 ntt-imager zeros x.img
	cmp zeros x.img
}

@test "the progress line has what is rescued, bad, the phase, the time left" {
	source_of 4M
	bad_disk slow=40 0 2097152 eio 65536 512
	expect 3 ntt-imager --progress=always --early-exit "$dev" x.img
	has "$stderr" "imaging: "
	has "$stderr" " of 4.2 MB ("
	has "$stderr" "/s"
	has "$stderr" " left"
	has "$stderr" "bad "
	has "$stderr" "phase 1 of 7 (copy)"
}

@test "--merge: complementary damage makes 100 %, rescued bytes stay" {
	source_of 4M
	map_of '0x0 0x100000 -' '0x100000 0x300000 +' >a.bad
	map_of '0x0 0x180000 +' '0x180000 0x1000 -' '0x181000 0x27f000 +' >b.bad
	expect 3 ntt-imager --early-exit --test-mode a.bad src a.img
	expect 3 ntt-imager --early-exit --test-mode b.bad src b.img
	suma=$(md5sum a.img a.map)
	expect 0 ntt-imager --merge a.img a.map b.img
	cmp src b.img
	[ "$(lost b.map)" = 0 ]
	has "$output" "100.00 % rescued"
	[ "$(md5sum a.img a.map)" = "$suma" ]
	# ddrescue takes the map
	expect 0 ntt-imager src b.img
	# several pairs into a new one, and again: nothing to do
	expect 0 ntt-imager --merge a.img a.map b.img b.map c.img c.map
	cmp src c.img
	expect 0 ntt-imager --merge a.img a.map b.img b.map c.img c.map
	has "$stderr" "0 bytes from"
}

@test "--merge: what none has stays missing" {
	source_of 1M
	map_of '0x0 0x1000 -' '0x1000 0xff000 +' >a.bad
	map_of '0x0 0x400 +' '0x400 0x800 -' '0xc00 0xff400 +' >b.bad
	expect 3 ntt-imager --early-exit --test-mode a.bad src a.img
	expect 3 ntt-imager --early-exit --test-mode b.bad src b.img
	expect 3 ntt-imager --merge b.img b.map a.img
	true_to_map src a.img a.map
	[ "$(lost a.map)" = 2048 ]
}

@test "--merge: another medium, another size, itself are refused" {
	source_of 1M
	expect 0 ntt-imager src a.img
	head -c 1M /dev/urandom >other
	map_of '0x0 0x1000 -' '0x1000 0xff000 +' >bad
	expect 3 ntt-imager --early-exit --test-mode bad other b.img
	sum=$(md5sum b.img b.map)
	expect 1 ntt-imager --merge a.img a.map b.img
	has "$stderr" "is not of the same medium"
	[ "$(md5sum b.img b.map)" = "$sum" ]
	expect 0 ntt-imager --merge --force a.img a.map b.img
	cmp -n 4096 src b.img
	cmp -i 4096 other b.img
	expect 64 ntt-imager --merge a.img a.map a.img
	head -c 2M /dev/urandom >large
	expect 0 ntt-imager large c.img
	expect 1 ntt-imager --merge a.img a.map c.img
	has "$stderr" "of a medium of"
	expect 64 ntt-imager --merge a.img a.map
	expect 1 ntt-imager --merge a.img nothing.map d.img
	[ ! -e d.img ]
}

@test "--merge killed at every step: the map never promises what is not there" {
	need_root
	source_of 1M
	map_of '0x0 0x80000 -' '0x80000 0x80000 +' >a.bad
	map_of '0x0 0x80000 +' '0x80000 0x1000 -' '0x81000 0x7f000 +' >b.bad
	expect 3 ntt-imager --early-exit --test-mode a.bad src a.img
	expect 3 ntt-imager --early-exit --test-mode b.bad src b.img
	for ((n = 1; n < 60; n++)); do
		cp a.img x.img && cp a.map x.map
		status=0
		stepper kill $n ntt-imager --merge b.img b.map x.img \
			>/dev/null 2>&1 || status=$?
		true_to_map src x.img x.map
		expect 0 ntt-imager --merge b.img b.map x.img
		cmp src x.img
		[ $status = 137 ] || break
	done
	[ "$n" -gt 8 ]
}

@test "--show: a picture in characters, as wide as asked, and numbers" {
	map_of '0x0 0x70000 +' '0x70000 0x8000 -' '0x78000 0x8000 /' \
		'0x80000 0x8000 *' '0x88000 0x78000 ?' >x.map
	COLUMNS=16 expect 0 ntt-imager --show x.map
	[ "$(head -n 8 <<<"$output")" = "$(printf '%s\n' ++++++++++++++++ \
		++++++++++++++++ ++++++++++++++++ ++++++++++++++++ ++++++++++++++++ \
		++++++++++++++++ ++++++++++++++++ --------////////)" ]
	has "$output" '+ rescued     43.75 %  458,752 bytes in 1 areas'
	has "$output" '- bad          3.12 %  32,768 bytes in 1 areas'
	[[ $output != *$'\033'* ]]
	expect 0 ntt-imager --show x.map --json --svg x.svg
	[ "$output" = '{"size":1048576,"rescued":458752,"untried":491520,"untrimmed":32768,"unscraped":32768,"bad":32768,"areas":4,"share":43.75,"health":"corrupt"}' ]
	head -c 5 x.svg | grep -q '<svg'
	: >empty.map
	expect 1 ntt-imager --show empty.map
	has "$stderr" "the map is empty"
	expect 64 ntt-imager --svg x.svg src x.img
}

@test "--show: colours on a terminal, none with NO_COLOR" {
	need script bsdutils
	map_of '0x0 0x70000 +' '0x70000 0x10000 -' >x.map
	unset NO_COLOR
	script -qec "ntt-imager --show x.map" /dev/null </dev/null >out
	grep -q $'\033\[1;31m-' out
	NO_COLOR=1 script -qec "ntt-imager --show x.map" /dev/null </dev/null >out
	! grep -q $'\033' out || return 1
}

@test "a gigabyte without one sector is never shown as 100 %" {
	printf '%s\n' '0x00000000 ? 1' '0x00000000 0x3B9AC800 +' \
		'0x3B9AC800 0x00000200 -' >x.map
	expect 0 ntt-imager --show x.map
	has "$output" "rescued     99.99 %"
	[[ $output != *100* ]]
	expect 0 ntt-imager --show --json x.map
	has "$output" '"share":99.99,"health":"incomplete"'
}
