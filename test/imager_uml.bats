#!/usr/bin/env bats
# slow: boots user-mode-linux
#
# Disks with a model and a serial number, medium errors as SCSI reports them,
# optical drives that are not ready, device mapper's errors: in a kernel that
# has them.

load lib

setup() {
	isolate
	need linux.uml user-mode-linux
	need insmod kmod
	need ddrescue gddrescue
	need smartctl smartmontools
	need dmsetup lvm2
	need hdparm hdparm
	need b3sum b3sum
	mkdir -p "$T/w"
	W=$T/w
	cat >"$W/prelude" <<-X
	for m in loop scsi_mod sd_mod cdrom sr_mod dm-mod dm-flakey; do modprobe \$m; done
	modprobe scsi_common 2>/dev/null
	export NTT_HOME=/run/ntt PATH=$NTT_BUILD/bin:\$PATH
	mkdir -p /run/o
	# disk OPTIONS: a disk of scsi_debug as \$dev
	disk() {
		modprobe scsi_debug "\$@" || return 1
		for i in 1 2 3 4 5 6 7 8 9 10; do
			dev=\$(ls -d /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/* 2>/dev/null)
			[ -z "\$dev" ] || break
			sleep 0.2
		done
		dev=/dev/\${dev##*/}
		[ -b \$dev ] || { echo "no disk: \$dev"; return 1; }
	}
	# field NAME: of the JSON in \$out
	field() {
		local v=\${out#*\"\$1\":}
		v=\${v#\"}
		echo "\${v%%[\",]*}"
	}
	# expect STATUS COMMAND…
	expect() {
		local want=\$1 got=0
		shift
		out=\$("\$@" 2>/run/err) || got=\$?
		[ \$got = \$want ] || { echo "expected \$want, got \$got: \$*: \$out"
			cat /run/err; return 1; }
	}
	X
}

boot() {
	cat "$W/prelude" - >"$W/script"
	run "$BATS_TEST_DIRNAME/uml" "$W" script
	echo "$output"
	[ "$status" = 0 ]
}

@test "SCSI: model and serial, medium errors; optical drives; dm-error" {
	head -c 8M /dev/urandom >"$W/data"
	boot <<-'X'
	set -e
	trap 'echo "line $LINENO: $BASH_COMMAND"; echo "$out"' ERR
	# a disk with ten bad sectors
	disk dev_size_mb=8 opts=2 medium_error_start=4660 medium_error_count=10
	dd if=data of=$dev bs=64k oflag=direct status=none
	expect 0 ntt-identify --json $dev
	echo "$out"
	[ "$(field model)" = scsi_debug ]
	[ "$(field serial)" = 2000 ]
	[ "$(field human)" = scsi_debug_2000 ]
	[[ $out == *'"probes":[{"command":"smartctl -i /dev/'* ]]
	{ printf 'SIZE:8388608|MODEL:scsi_debug|SERIAL:2000|'
	head -c 1M data; tail -c 1M data; } >/run/v2
	[ "$(field hash)" = "$(b3sum --no-names --length 16 /run/v2)" ]
	expect 3 ntt-imager --early-exit $dev /run/o/x.img
	grep '^0x' /run/o/x.map
	[ "$(grep '^0x.* -$' /run/o/x.map)" = "0x00246800  0x00001400  -" ]
	cmp -n $((0x246800)) data /run/o/x.img
	cmp -i $((0x247c00)) data /run/o/x.img
	# the same through device mapper, with an area of errors
	rm /run/o/*
	printf '0 1000 linear %s 0\n1000 16 error\n1016 3000 linear %s 1016\n' \
		$dev $dev | dmsetup create --noudevsync bad
	dmsetup mknodes
	expect 3 ntt-imager --early-exit /dev/mapper/bad /run/o/x.img
	[ "$(grep '^0x.* -$' /run/o/x.map)" = "0x0007D000  0x00002000  -" ]
	cmp -n $((0x7d000)) data /run/o/x.img
	# an image onto the disk it is of
	expect 1 ntt-imager /dev/mapper/bad /dev/mapper/bad
	dmsetup remove --noudevsync bad
	# healthy for two seconds, errors for one; a machine that is slower than
	# that gets half a minute at last
	rm /run/o/*
	printf '0 4000 flakey %s 0 2 1\n' $dev |
		dmsetup create --noudevsync flakey
	dmsetup mknodes
	for i in $(seq 20); do
		if [ $i = 10 ]; then
			dmsetup remove --noudevsync flakey
			printf '0 4000 flakey %s 0 30 1\n' $dev |
				dmsetup create --noudevsync flakey
			dmsetup mknodes
		fi
		status=0
		ntt-imager -q /dev/mapper/flakey /run/o/x.img >/dev/null || status=$?
		[ $status != 0 ] || break
		sleep 0.7
	done
	[ $status = 0 ]
	cmp -n 2048000 data /run/o/x.img
	dmsetup remove --noudevsync flakey
	rmmod scsi_debug
	# a drive of 4096-byte sectors, whose sector of 4096 is bad
	disk dev_size_mb=8 sector_size=4096 opts=2 medium_error_start=500 \
		medium_error_count=1
	dd if=data of=$dev bs=64k oflag=direct status=none
	rm /run/o/*
	expect 3 ntt-imager --early-exit $dev /run/o/x.img
	[ "$(grep '^0x.* -$' /run/o/x.map)" = "0x001F4000  0x00001000  -" ]
	rmmod scsi_debug
	# a bridge that answers for itself is not the disk
	disk dev_size_mb=8 inq_product='USB Adapter'
	dd if=data of=$dev bs=64k oflag=direct status=none
	expect 0 ntt-identify --json $dev
	[ "$(field model)" = unknown ]
	[ "$(field serial)" = unknown ]
	for probe in "smartctl -i" "smartctl -i -d sat" "smartctl -i -d sat,12" \
		"smartctl -i -d sat,16" "smartctl -i -d usbsunplus" \
		"smartctl -i -d usbcypress" "smartctl -i -d usbjmicron" \
		"hdparm -I" "lsblk -d -P -o MODEL,SERIAL"; do
		[[ $out == *"\"command\":\"$probe $dev\",\"status\":"* ]]
	done
	rmmod scsi_debug
	# nobody is asked about a floppy
	disk removable=1 dev_size_mb=1
	dd if=data of=$dev bs=64k count=16 oflag=direct status=none
	expect 0 ntt-identify --json $dev
	[[ $out == *'"probes":[]'* ]]
	[[ $(field human) == floppy_* ]]
	rmmod scsi_debug
	# an optical drive that does not become ready: no row, no file
	disk ptype=5 dev_size_mb=8 tur_ms_to_ready=600000
	echo "optical: $dev"
	expect 1 ntt-identify --timeout 2 $dev
	cat /run/err
	grep -q "not ready" /run/err
	[ -z "$out" ]
	rmmod scsi_debug
	# one that becomes ready is waited for
	disk ptype=5 dev_size_mb=8 tur_ms_to_ready=4000
	expect 0 ntt-identify --force --json $dev
	[ "$(field model)" = unknown ]
	[[ $(field human) == optical_* ]]
	rmmod scsi_debug
	X
}
