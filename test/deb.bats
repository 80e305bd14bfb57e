#!/usr/bin/env bats
# slow: builds the Debian package
# The package, installed into copies of this machine's root that are thrown
# away: an overlay in a mount namespace of its own.

load lib

setup_file() {
	export BATS_TEST_TIMEOUT=120
	command -v dh >/dev/null || return 0
	cd "$BATS_TEST_DIRNAME/.."
	mkdir "$BATS_FILE_TMPDIR/debs"
	make -s deb B="$BATS_FILE_TMPDIR/build" >"$BATS_FILE_TMPDIR/log" 2>&1 ||
		{ cat "$BATS_FILE_TMPDIR/log"; return 1; }
	mv "$BATS_FILE_TMPDIR"/build/ntt_*.deb "$BATS_FILE_TMPDIR/debs/new.deb"
	older "$BATS_FILE_TMPDIR/debs"
}

setup() {
	isolate
	need_root
	need dh debhelper
	[ -z "$(dpkg-query -W ntt 2>/dev/null)" ] || skip "ntt is installed"
	cd "$TEST_DIR/.."
	DEBS=$BATS_FILE_TMPDIR/debs
}

# older DIR: of DIR/new.deb makes DIR/old.deb, a version before it with a file
# that is not in the new one, and another ntt.env.
older() {
	dpkg-deb -R "$1/new.deb" "$1/tree"
	sed -i 's/^Version: .*/Version: 0.1/' "$1/tree/DEBIAN/control"
	echo '# as it was' >>"$1/tree/etc/ntt/ntt.env"
	echo old >"$1/tree/usr/share/ntt/old"
	dpkg-deb --root-owner-group -b "$1/tree" "$1/old.deb"
	rm -r "$1/tree"
}

# inside: standard input as a script in such a copy, with the packages in
# /debs; "no COMMAND" is one that has to fail, which "!" does not tell set -e.
# What it mounts and starts ends with it.
inside() {
	local scratch
	scratch=$(mktemp -d "$T/scratch.XXXXXX")
	# shellcheck disable=SC2016 # the shell inside expands
	{ echo 'no() { ! "$@"; }'; cat; } |
	unshare --mount --propagation private --pid --fork --kill-child bash -euc '
		mount -t tmpfs tmpfs "$1"
		mkdir "$1/upper" "$1/work" "$1/root"
		mount -t overlay overlay -o \
			"lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
		mount -t proc proc "$1/root/proc"
		mount --rbind /sys "$1/root/sys"
		mount --rbind /dev "$1/root/dev"
		mount -t tmpfs tmpfs "$1/root/run"
		mount -t tmpfs -o mode=1777 tmpfs "$1/root/tmp"
		cp -R "$2" "$1/root/debs"
		exec chroot "$1/root" env -i HOME=/root LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -eu' - \
		"$scratch" "$DEBS"
}

@test "lintian has no error and no warning" {
	need lintian lintian
	expect 0 lintian --allow-root --fail-on error,warning "$DEBS/new.deb"
	[ -z "$output" ]
}

@test "a build leaves nothing beside its package" {
	[ -z "$(find "$BATS_FILE_TMPDIR/build" -type f)" ]
	[ ! -e debian ]
}

@test "its version and address are those of the Makefile" {
	[ "$(dpkg-deb -f "$DEBS/new.deb" Version)" = \
		"$(sed -n 's/^VERSION = //p' Makefile)" ]
	[ "$(dpkg-deb -f "$DEBS/new.deb" Maintainer)" = \
		"$(sed -n 's/^CONTACT = //p' Makefile)" ]
	for file in README SECURITY; do
		grep -q 'address at the end of "ntt --help"' "$file"
	done
	has "$(ntt --help)" "$(sed -n 's/^CONTACT = //p' Makefile)"
}

@test "what building needs is what install-deps installs" {
	sed -n '/^Build-Depends:/,/^[A-Z]/p' contrib/debian/control |
		grep -oE '^ [a-z0-9-]+' | tr -d ' ' | while read -r p; do
			grep -qw -- "$p" contrib/install-deps ||
				{ echo "$p"; exit 1; }
		done
}

@test "the account, the group, and who may do what in /run/ntt" {
	inside <<-'IN'
		dpkg -i /debs/new.deb
		[ "$(id -gn ntt)" = ntt ]
		getent passwd ntt | grep ':/var/lib/ntt:/usr/sbin/nologin$'
		[ "$(stat -c '%U:%G %a' /run/ntt)" = 'root:ntt 1775' ]
		[ "$(stat -c '%U:%G %a' /var/log/ntt)" = 'root:ntt 1775' ]
		[ "$(stat -c '%U:%G %a' /var/lib/ntt)" = 'ntt:ntt 750' ]
		# after a start of the machine
		rmdir /run/ntt
		systemd-tmpfiles --create
		[ "$(stat -c '%U:%G %a' /run/ntt)" = 'root:ntt 1775' ]
		setpriv --reuid ntt --regid ntt --clear-groups touch /run/ntt/lock
		no setpriv --reuid nobody --regid nogroup --clear-groups \
			touch /run/ntt/other 2>/dev/null
	IN
}

@test "programs run, pages are found, completion is loaded" {
	version=$(sed -n 's/^VERSION = //p' Makefile)
	inside <<-IN
		dpkg -i /debs/new.deb
		[ "\$(ntt --version | head -n 1)" = "ntt (ntt) $version" ]
		for p in $(programs | paste -sd' '); do
			"\$p" --version >/dev/null
			[ "\$(command -v "\$p")" = /usr/bin/\$p ]
			[ "\$(man -w "\$p")" = /usr/share/man/man1/\$p.1.gz ]
			bash -euc ". /usr/share/bash-completion/completions/\$p
				complete -p \$p" >/dev/null
		done
		man -w 7 ntt 5 ntt-raw
		ldd /usr/bin/ntt* | no grep 'not found'
	IN
}

@test "members of group ntt may mount, by sudo, and nothing else" {
	inside <<-'IN'
		dpkg -i /debs/new.deb
		visudo -c
		[ "$(stat -c '%U:%G %a' /etc/sudoers.d/ntt)" = 'root:root 440' ]
		as() { setpriv --reuid "$1" --regid "$1" --init-groups "${@:2}"; }
		as ntt sudo -n ntt-mount-helper --version
		no as ntt sudo -n true
		useradd -G ntt -U worker
		as worker sudo -n ntt-mount-helper --version
		useradd -U stranger
		no as stranger sudo -n ntt-mount-helper --version
	IN
}

@test "units are right, and none is enabled before somebody does it" {
	need systemd-analyze systemd
	inside <<-'IN' 2>&1 | tee "$T/units"
		dpkg -i /debs/new.deb
		cd /lib/systemd/system
		for unit in ntt-*; do
			systemd-analyze verify --man=yes --recursive-errors=no \
				"${unit/@/@sdb}"
		done
		[ -z "$(find /etc/systemd -name 'ntt*')" ]
		systemctl --root=/ enable ntt-verify.timer ntt-mirror.timer \
			ntt-rehearse.timer ntt-web.socket
		[ "$(find /etc/systemd -name 'ntt*' | wc -l)" = 4 ]
		[ -d /etc/ntt/found.d ]
		for unit in ntt-verify ntt-mirror ntt-rehearse; do
			grep -x 'OnFailure=ntt-found@%p.service' $unit.service
		done
		no grep -n /usr/local ntt-*
		# an exposure below 5 is what systemd calls "OK"
		for unit in ntt-verify ntt-mirror ntt-rehearse ntt-web; do
			systemd-analyze security --offline=yes --threshold=50 \
				"$unit.service" | tail -n 1
		done
		echo done
	IN
	grep -qx done "$T/units"
	! grep -E '/ntt-[^ ]*:[0-9]*: ' "$T/units"
}

@test "the rules of udev: off; read-only; a station" {
	need udevadm udev
	need_loop
	inside <<-'IN'
		dpkg -i /debs/new.deb
		truncate -s 1M /tmp/disk
		loop=$(losetup -f --show /tmp/disk)
		trap 'losetup -d $loop' EXIT
		name=${loop#/dev/}
		# as the rule for USB would say, which this machine has none of
		local=/etc/udev/rules.d/59-test.rules
		echo "KERNEL==\"$name\", ENV{NTT_SOURCE}=\"1\"" >$local
		look() { udevadm test "/sys/class/block/$name" >/tmp/said 2>&1; }
		look
		no grep -E '[0-9]+-ntt[^ ]*:[0-9]+.*([Ii]nvalid|Unknown|ignor)' /tmp/said
		no grep -E 'UDISKS_IGNORE|ntt-station@' /tmp/said
		[ "$(blockdev --getro $loop)" = 0 ]
		touch /etc/ntt/readonly
		look
		grep -x 'UDISKS_IGNORE=1' /tmp/said
		no grep ntt-station@ /tmp/said
		[ "$(blockdev --getro $loop)" = 1 ]
		rm /etc/ntt/readonly
		touch /etc/ntt/station
		blockdev --setrw $loop
		look
		grep -x "SYSTEMD_WANTS=ntt-station@$name.service" /tmp/said
		[ "$(blockdev --getro $loop)" = 1 ]
		# there since the machine started
		sed -i 's/$/, ENV{SYNTH_UUID}="0"/' $local
		look
		grep -x 'UDISKS_IGNORE=1' /tmp/said
		no grep ntt-station@ /tmp/said
		# the machine's own
		echo "KERNEL==\"$name\", ENV{NTT_OWN}=\"1\"" >>$local
		blockdev --setrw $loop
		look
		[ "$(blockdev --getro $loop)" = 0 ]
		no grep UDISKS_IGNORE /tmp/said
	IN
}

# No machine that tests has a USB disk, but a disk hangs on some bus: the rule
# with that bus in the place of USB, and without its command, as this disk is
# in use.
@test "the rules of udev: a disk is known by the bus that it hangs on" {
	need udevadm udev
	for disk in /sys/block/*; do
		bus=$(udevadm info -a -p "$disk" 2>/dev/null |
			sed -n 's/^ *SUBSYSTEMS=="\(.*\)"/\1/p' | head -n 1)
		[ -z "$bus" ] || break
	done
	[ -n "$bus" ] || skip "needs a disk on a bus"
	{ echo "DISK=$disk BUS=$bus"; cat <<-'IN'; } | inside
		dpkg -i /debs/new.deb
		rules=/lib/udev/rules.d/60-ntt-readonly.rules
		look() { udevadm test "$DISK" >/tmp/said 2>&1; }
		sed -i 's,PROGRAM=.*,PROGRAM="/bin/true",' $rules
		touch /etc/ntt/readonly
		# it hangs on none of those that media are plugged into
		look
		no grep -E 'UDISKS_IGNORE|NTT_SOURCE' /tmp/said
		sed -i "s/\"usb|/&$BUS|/" $rules
		look
		grep -x 'NTT_SOURCE=1' /tmp/said
		grep -x 'UDISKS_IGNORE=1' /tmp/said
		rm /etc/ntt/readonly
		look
		no grep -E 'UDISKS_IGNORE|NTT_SOURCE' /tmp/said
	IN
}

@test "a station rescues a device as ntt, and tells the hook" {
	need_loop
	need ddrescue gddrescue
	[ -x "$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb)" ] ||
		skip "needs initdb (package postgresql)"
	inside <<-'IN'
		dpkg -i /debs/new.deb
		install -d -o ntt -g ntt /srv/ntt
		sed -i '/NTT_HOME=\|NTT_MOUNT_ROOT=\|NTT_RUN_DIR=/s/^#//' \
			/etc/ntt/ntt.env
		sed 's,/var/log/ntt,/tmp,' /usr/share/doc/ntt/examples/50-list \
			>/etc/ntt/hooks.d/50-list
		printf '#!/bin/sh\ngrep ^Cap.*: /proc/self/status >/tmp/caps\n' \
			>/etc/ntt/hooks.d/60-caps
		chmod 755 /etc/ntt/hooks.d/*
		mkdir /tmp/tree
		seq 10000 >/tmp/tree/numbers
		install -m 600 /tmp/tree/numbers /tmp/tree/closed
		mkfs.ext4 -q -d /tmp/tree /tmp/disk 8M
		sum=$(md5sum </tmp/disk)
		loop=$(losetup -f --show /tmp/disk)
		trap 'losetup -d $loop' EXIT
		# as udev does
		chgrp disk $loop
		chmod 660 $loop
		unit=/lib/systemd/system/ntt-station@.service
		value() { sed -n "s/^$1=//p" $unit; }
		command=$(value ExecStart)
		cap=+$(value AmbientCapabilities | tr A-Z a-z | sed 's/^cap_//')
		station() {
			setpriv --reuid "$(value User)" --regid ntt --groups \
				"$(value SupplementaryGroups | tr ' ' ,)" \
				"--inh-caps=$cap" "--ambient-caps=$cap" \
				env HOME=/var/lib/ntt ${command/\/dev\/%I/$loop}
		}
		station
		[ "$(md5sum </tmp/disk)" = "$sum" ]
		cmp /tmp/tree/numbers /srv/ntt/archived/*/numbers
		grep -c . /srv/ntt/archives/*.tar.zst >/dev/null
		[ "$(stat -c %U /srv/ntt/by-hash)" = ntt ]
		grep ' status 0 [0-9a-f]*$' /tmp/media.txt
		# the hook has not what the programs have that read media
		grep -E 'Cap(Prm|Eff|Amb):.*[1-9a-f]' /tmp/caps && exit 1
		status=0
		station || status=$?
		[ $status = "$(value SuccessExitStatus)" ]
		grep ' status 2 [0-9a-f]*$' /tmp/media.txt
		# one after another
		lock=/run/ntt/station.lock
		flock --no-fork $lock sleep 1000 &
		holder=$!
		timeout 60 sh -c "while flock -n $lock true; do :; done"
		station &
		waiting=$!
		timeout 60 sh -c \
			"until grep -q -- '-> FLOCK' /proc/locks; do :; done"
		[ "$(wc -l </tmp/media.txt)" = 2 ]
		kill $holder
		wait $waiting || [ $? = 2 ]
		[ "$(wc -l </tmp/media.txt)" = 3 ]
		setpriv --reuid ntt --regid ntt --clear-groups \
			env HOME=/var/lib/ntt ntt-db stop
	IN
}

@test "an upgrade keeps what was configured and takes away what is gone" {
	inside <<-'IN'
		dpkg -i /debs/old.deb
		[ -e /usr/share/ntt/old ]
		echo 'NTT_COPIES=2' >>/etc/ntt/ntt.env
		touch /etc/ntt/hooks.d/mine /var/log/ntt/log /var/lib/ntt/kept
		uid=$(id -u ntt)
		dpkg --force-confold -i /debs/new.deb
		[ ! -e /usr/share/ntt/old ]
		grep -qx 'NTT_COPIES=2' /etc/ntt/ntt.env
		grep -qx '# as it was' /etc/ntt/ntt.env
		ntt --print-config | grep -E '^NTT_COPIES.*2'
		[ -e /etc/ntt/hooks.d/mine ] && [ -e /var/log/ntt/log ]
		[ -e /var/lib/ntt/kept ] && [ "$(id -u ntt)" = "$uid" ]
		dpkg -V ntt | grep -v ' c /etc/ntt/ntt.env' && exit 1
		# one that nobody has changed gets the new one
		dpkg --purge ntt
		dpkg -i /debs/old.deb
		dpkg -i /debs/new.deb
		no grep -qx '# as it was' /etc/ntt/ntt.env
	IN
}

@test "removed, it leaves its configuration; purged, what was rescued" {
	inside <<-'IN'
		# of programs that were used here before
		rm -rf /var/log/ntt
		everything() {
			find /etc /lib/systemd /lib/udev /srv /mnt /opt /run \
				/usr /var \( -path /var/lib/dpkg -o \
				-path /var/cache -o -path /var/lib/apt -o \
				-path /var/tmp \) \
				-prune -o -print | sort
		}
		everything >/tmp/before
		dpkg -i /debs/new.deb
		touch /var/log/ntt/log /var/lib/ntt/blob
		systemctl --root=/ enable ntt-verify.timer
		dpkg -r ntt
		everything >/tmp/removed
		diff /tmp/before /tmp/removed | grep -v '^[0-9]' >/tmp/left || :
		for f in /etc/ntt/ntt.env /etc/sudoers.d/ntt /var/log/ntt/log \
				/var/lib/ntt/blob; do
			grep -qx "> $f" /tmp/left
		done
		no grep -E '^> /(usr|lib)/' /tmp/left
		dpkg --purge ntt
		everything >/tmp/purged
		# the account has files, so it stays
		diff <(diff /tmp/before /tmp/purged | grep '^[<>]' |
			grep -vE '^. /etc/(passwd|group|shadow|gshadow)-$') - <<-'LEFT'
			> /var/lib/ntt
			> /var/lib/ntt/blob
		LEFT
		getent passwd ntt
		# without a file of anybody's nothing is left
		dpkg -i /debs/new.deb
		rm /var/lib/ntt/blob
		dpkg --purge ntt
		everything >/tmp/purged
		diff /tmp/before /tmp/purged | no grep ntt
	IN
}

@test "the sample configuration names every variable with its default" {
	unset NTT_HOME
	ntt --print-config | awk '{ print $1 }' | sort >"$T/names"
	sed -n 's/^#\([A-Z_]*\)=.*/\1/p' contrib/ntt.env | sort >"$T/sample"
	diff "$T/names" "$T/sample"
	ntt --print-config | sed -n 's/^\([A-Z_]*\) *"\(.*\)"  (default)$/\1=\2/p' |
		sort >"$T/defaults"
	[ -s "$T/defaults" ]
	sed -n 's/^#//p' contrib/ntt.env | grep -E '^[A-Z_]+=' | sort >"$T/sample"
	[ -z "$(comm -23 "$T/defaults" "$T/sample")" ]
}
