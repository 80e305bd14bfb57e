#!/bin/bash
# bench-copy: 100,000 files, 2.6 GB, 35 % duplicates, into a store with its
# catalogue and its tree of links on the same disk, durable at the end;
# against cp -a and sync, borg and restic.  Then the same tree as another
# medium, against b3sum of it.  Interleaved; the median of RUNS (5).
set -eu
# shellcheck source=test/bench/bench.bash
. "$(dirname "$0")/bench.bash"
runs=${RUNS:-5} files=${FILES:-100000}

mkdata "$work/src" "$files" 1
sync

# Peers that are there have their name in a variable.
for peer in borg:borgbackup restic: kopia:- hashdeep: rmlint: fclones:-; do
	name=${peer%:*} package=${peer#*:}
	! have "$name" "${package:-$name}" || printf -v "$name" '%s' "$name"
done
: "${borg:=}" "${restic:=}" "${kopia:=}" "${hashdeep:=}" "${rmlint:=}" "${fclones:=}"
need rsync

# timed NAME COMMAND…: seconds to $work/NAME.times
timed() {
	local name=$1 from to
	shift
	sync
	from=$(date +%s.%N)
	"$@" >/dev/null 2>"$work/err" || { cat "$work/err" >&2; exit 1; }
	to=$(date +%s.%N)
	awk "BEGIN { print $to - $from }" | tee -a "$work/$name.times" |
		sed "s/^/# $name /" >&2
}

copy_medium() {
	ntt-copy-workers -q --wait ${WORKERS:+-w $WORKERS} -m "$1"
}
copy_cp() {
	cp -a "$work/src" "$work/cp.$1"
	sync
}
copy_rsync() {
	rsync -aH "$work/src/" "$work/rsync.$1"
	sync
}
copy_kopia() {
	kopia snapshot create --no-progress "$work/src"
	sync
}
copy_borg() {
	BORG_BASE_DIR=$work/borg.base BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
	export BORG_BASE_DIR BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK
	borg create -C none "$work/borg.$1::a" "$work/src"
	sync
}
copy_restic() {
	RESTIC_PASSWORD=x restic -q --no-cache -r "$work/restic.$1" backup "$work/src"
	sync
}
hash_all() {
	find "$work/src" -type f -print0 | xargs -0 b3sum
}

for ((i = 1; i <= runs; i++)); do
	m=$(printf '%016x' $i) n=$(printf 'dddd%012x' $i)
	export BYHASH_ROOT=$work/out.$i/by-hash ARCHIVED_ROOT=$work/out.$i/archived
	ntt-db psql -qc 'DELETE FROM blobs; DELETE FROM store_mark' >/dev/null
	for medium in "$m" "$n"; do
		ntt-enum -q "$work/src" "$medium" - | ntt-loader -q - "$medium" >/dev/null
	done
	timed ours copy_medium "$m"
	timed cp copy_cp $i
	timed rsync copy_rsync $i
	if [ -n "$borg" ]; then
		borg init -e none "$work/borg.$i" >/dev/null 2>&1
		timed borg copy_borg $i
	fi
	if [ -n "$restic" ]; then
		RESTIC_PASSWORD=x restic -q -r "$work/restic.$i" init >/dev/null
		timed restic copy_restic $i
	fi
	if [ -n "$kopia" ]; then
		export KOPIA_PASSWORD=x KOPIA_CHECK_FOR_UPDATES=false
		export KOPIA_CONFIG_PATH=$work/kopia.$i.config
		kopia repository create filesystem --path "$work/kopia.$i" \
			--cache-directory "$work/kopia.$i.cache" >/dev/null 2>&1
		timed kopia copy_kopia
	fi
	timed duplicate copy_medium "$n"
	timed b3sum hash_all
	[ -z "$hashdeep" ] || timed hashdeep hashdeep -c sha256 -r "$work/src"
	[ -z "$rmlint" ] || timed rmlint rmlint -o summary "$work/src"
	[ -z "$fclones" ] || timed fclones fclones group -q "$work/src"
done

median() {
	sort -n "$work/$1.times" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
row() {		# WHAT OURS PEER TARGET: how often ours fits into the peer
	[ -s "$work/$3.times" ] || { echo "$1: $3 is not installed"; return; }
	record "${1% /*}" "$work/$2.times" "${1#*/ }" "$work/$3.times" \
		"$(awk "BEGIN { print 1 / $4 }")"
	awk -v what="$1" -v a="$(median "$2")" -v b="$(median "$3")" -v t="$4" \
		'BEGIN { r = b / a; printf "%-52s %8.2f s %8.2f s %6.2f  >= %s  %s\n",
		what, a, b, r, t, (r >= t) ? "ok" : "MISSED" }'
}
printf '%-52s %10s %10s %6s\n' what ours peer ratio
row "copy $files files, durable / cp -a and sync" ours cp 1
row "copy $files files, durable / rsync -aH and sync" ours rsync 1
row "copy $files files, durable / borg create" ours borg 1.3
row "copy $files files, durable / restic backup" ours restic 2.5
row "copy $files files, durable / kopia snapshot" ours kopia 1
row "the same as another medium / b3sum" duplicate b3sum 0.4
row "the same as another medium / hashdeep" duplicate hashdeep 1
row "the same as another medium / rmlint" duplicate rmlint 1
row "the same as another medium / fclones" duplicate fclones 1
