#!/usr/bin/env bats
# slow: a program is stopped before each system call
# The copier killed before each of its steps, and a disk that is full from each
# of them on: no blob is ever wrong, no row says what is not so, and the next
# run finishes.

load lib

setup() {
	isolate
	need b3sum b3sum
	[ "$(uname -m)" = x86_64 ] || skip "counts system calls of x86-64"
	fresh_db
	M=aaaabbbbccccdddd0000111122223333
	every=3
	[ "${NTT_EVERY_STEP:-0}" = 0 ] || every=1
	mkdir -p "$T/src/d/e"
	echo one >"$T/src/one"; echo one >"$T/src/d/same"
	echo two >"$T/src/d/two"; ln "$T/src/d/two" "$T/src/name of two"
	ln -s target "$T/src/link"; : >"$T/src/d/e/empty"
	head -c 1500000 /dev/urandom >"$T/src/large"
	ntt-enum -q "$T/src" $M "$T/x.raw"
}

restore() {
	rm -rf "$NTT_HOME/by-hash" "$NTT_HOME/archived"
	ntt-loader -q --replace --force "$T/x.raw" $M >/dev/null
	sql 'DELETE FROM blobs; DELETE FROM worker; DELETE FROM store_mark' \
		>/dev/null
}

# What must hold at every moment: names are hashes, success has its blob.
true_so_far() {
	[ -d "$NTT_HOME/by-hash" ] || return 0
	(cd "$NTT_HOME/by-hash" && find . -type f ! -name '*.ntt-store*' -print0 | xargs -0r b3sum |
		awk '{ n = $2; sub(/.*\//, "", n) } $1 != n { exit 1 }') ||
		{ echo "wrong bytes"; return 1; }
	sql "SELECT DISTINCT blobid FROM inode WHERE status = 'success'" |
		while read -r id; do
			[ -f "$NTT_HOME/by-hash/${id:0:2}/${id:2:2}/$id" ] ||
				{ echo "no blob $id"; return 1; }
		done
}

finished() {
	ntt-copier -q -m $M || [ $? = 2 ] || return 1
	same_tree "$T/src" "$NTT_HOME/archived/$M" &&
		[ "$(find "$NTT_HOME/by-hash" -type f ! -name '*.ntt-store*' | wc -l)" = 5 ] &&
		[ "$(sql "SELECT count(*), sum(n_hardlinks) FROM blobs")" = "5|6" ] &&
		[ "$(sql 'SELECT copy_done IS NOT NULL FROM medium')" = t ]
}

@test "killed before each step" {
	for ((n = 1; n < 400; n += every)); do
		restore
		status=0
		stepper kill $n ntt-copier -q -m $M --batch-size 2 \
			>/dev/null 2>&1 || status=$?
		true_so_far || { echo "at step $n"; return 1; }
		[ $status = 137 ] || break
		finished || { echo "after step $n"; return 1; }
	done
	[ $status = 99 ]
	[ "$n" -gt 40 ]
	check_store
}

@test "the disk full from each step on" {
	for ((n = 1; n < 400; n += every)); do
		restore
		status=0
		stepper 28 $n ntt-copier -q -m $M --batch-size 2 \
			>/dev/null 2>"$T/err" || status=$?
		true_so_far || { echo "at step $n"; return 1; }
		[ $status != 99 ] || break
		[ $status = 75 ] || [ $status = 0 ] ||
			{ echo "step $n: $status"; cat "$T/err"; return 1; }
		[ "$(sql "SELECT count(*) FROM inode WHERE error_type IS NOT NULL")" = 0 ] ||
			{ echo "step $n blames a file"; return 1; }
		finished || { echo "after step $n"; return 1; }
	done
	[ $status = 99 ]
	[ "$n" -gt 15 ]
	check_store
}

@test "an input/output error of the store at each step, once" {
	for ((n = 1; n < 400; n += every)); do
		restore
		status=0
		stepper once:5 $n ntt-copier -q -m $M --batch-size 2 \
			>/dev/null 2>"$T/err" || status=$?
		true_so_far || { echo "at step $n"; return 1; }
		[ $status != 99 ] || break
		[ $status = 75 ] || [ $status = 0 ] || [ $status = 1 ] ||
			{ echo "step $n: $status"; cat "$T/err"; return 1; }
		[ "$(sql "SELECT count(*) FROM inode WHERE status::text LIKE 'failed%'")" = 0 ] ||
			{ echo "step $n blames a file"; return 1; }
		finished || { echo "after step $n"; return 1; }
	done
	[ $status = 99 ]
	check_store
}
