# Loaded by every bats file: load lib
#
# $T        a directory of its own for each test, removed afterwards
# need_*    skip with a reason (CI fails on skips)

shopt -s extglob
TEST_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NTT_BUILD=${NTT_BUILD:-$TEST_DIR/../build}
NTT_BUILD=$(cd "$NTT_BUILD" && pwd)
PATH=$NTT_BUILD/bin:$NTT_BUILD/test/tools:$PATH
export NTT_BUILD PATH LC_ALL=C.UTF-8
unset SUDO_UID SUDO_USER SUDO_GID

# No test sees the machine's own configuration or catalogue.
isolate() {
	T=$BATS_TEST_TMPDIR
	export NTT_HOME=$T/home HOME=$T/user
	mkdir -p "$NTT_HOME" "$HOME"
	unset NTT_DB_URL IMAGE_ROOT RAW_ROOT BYHASH_ROOT ARCHIVED_ROOT \
		ARCHIVE_ROOT NTT_MOUNT_ROOT NTT_LOG_DIR NTT_RUN_DIR \
		NTT_IGNORE_PATTERNS NTT_HOOKS NTT_HOOK_TIMEOUT
}

# programs: the names of all, from the tree.
programs() {
	local f
	for f in "$TEST_DIR"/../cmd/*; do
		f=${f##*/}
		echo "${f%.c}"
	done
}

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

need_loop() {
	need_root
	[ -e /dev/loop-control ] || skip "needs loop devices"
}

# detach_loops: devices of files below $T.  A file below a FUSE mount that is
# gone has lost its place: "/image" is one that nothing serves any more.
detach_loops() {
	local l
	for l in $(losetup -ln -O NAME,BACK-FILE 2>/dev/null |
		awk -v t="$T" 'index($0, t) || $2 == "/image" { print $1 }'); do
		losetup -d "$l" 2>/dev/null || :
	done
}

# need PROGRAM PACKAGE
need() {
	command -v "$1" >/dev/null || skip "needs $1 (package $2)"
}

# expect STATUS COMMAND…: runs it, output in $output, stderr in $stderr.
expect() {
	local want=$1 got=0
	shift
	"$@" >"$BATS_TEST_TMPDIR/.out" 2>"$BATS_TEST_TMPDIR/.err" || got=$?
	# shellcheck disable=SC2034 # read by the tests
	output=$(tr '\0' '\n' <"$BATS_TEST_TMPDIR/.out")
	stderr=$(tr '\0' '\n' <"$BATS_TEST_TMPDIR/.err")
	if [ "$got" != "$want" ]; then
		echo "expected exit $want, got $got from: $*"
		echo "stdout: $output"
		echo "stderr: $stderr"
		return 1
	fi
}

# has TEXT PATTERN: glob match anywhere, with both shown when it fails.
has() {
	[[ $1 == *$2* ]] || { echo "no \"$2\" in: $1"; return 1; }
}

# await 'CONDITION' [PID]: until it holds, two minutes at most, and not longer
# than the process lives that is to make it hold.
await() {
	local end=$((SECONDS + 120))
	until eval "$1"; do
		[ -z "${2:-}" ] || kill -0 "$2" || eval "$1" ||
			{ echo "process $2 is gone, and not: $1"; return 1; }
		[ "$SECONDS" -lt "$end" ] ||
			{ echo "two minutes, and still not: $1"; return 1; }
		sleep 0.01
	done
}

# difficult_tree DIR: every name from 0x01 to 0xff but '/', long names, hard
# links, symlinks, empty files, duplicates, a fifo, a deep path.
difficult_tree() {
	local dir=$1 i name deep
	mkdir -p "$dir/bytes" "$dir/dup/a" "$dir/dup/b" "$dir/empty dir"
	for ((i = 1; i < 256; i++)); do
		[ $i = 47 ] && continue
		printf -v name "x\\x$(printf %x $i)y"
		printf '%s' "$i" >"$dir/bytes/$name"
	done
	printf -v name '\034'
	: >"$dir/$name$name"
	: >"$dir/"$'new\nline\r\ttab\\n text\\r'
	: >"$dir/"$'bad\xff\xfeutf8\xc3'
	: >"$dir/#hash" ; : >"$dir/ leading and trailing "
	echo same >"$dir/dup/a/one"; cp "$dir/dup/a/one" "$dir/dup/b/two"
	ln "$dir/dup/a/one" "$dir/dup/b/"$'hard\nlink'
	ln -s $'target\n\034\xff' "$dir/link"
	ln -s /nonexistent "$dir/dangling"
	mkfifo "$dir/fifo"
	printf -v name '%255s' ''
	: >"$dir/${name// /n}"
	deep=$dir/deep
	for ((i = 0; i < 14; i++)); do
		deep+=/${name// /d}
	done
	mkdir -p "$deep" && echo deep >"$deep/file"
	touch -d @-12345 "$dir/dup/a/one"
	touch -d '2400-01-01' "$dir/dup/b/two"
}

# A catalogue of its own for this test, in the cluster of the run (test/run,
# or setup_suite.bash when bats is run by itself).
fresh_db() {
	empty_db
	ntt-db migrate -q
}

# The same without the schema.
empty_db() {
	local name
	name=t_${BATS_SUITE_TEST_NUMBER:-0}_$$_$RANDOM
	unset NTT_DB_URL
	NTT_HOME=$NTT_TEST_CLUSTER ntt-db init -q 3>&- || [ $? = 2 ]
	NTT_HOME=$NTT_TEST_CLUSTER ntt-db psql -qc "CREATE DATABASE $name"
	NTT_DB_URL=$(NTT_HOME=$NTT_TEST_CLUSTER ntt-db url)
	export NTT_DB_URL=${NTT_DB_URL/copyjob/$name}
}

# sql STATEMENT: unaligned rows of the test's catalogue
sql() {
	psql -XAtq -v ON_ERROR_STOP=1 "$NTT_DB_URL" -c "$1"
}

# check_store: what must hold after whatever happened, by other means than the
# programs use: every blob has the BLAKE3 that is its name, every success has
# its blob, every file in the tree is the blob's inode, no temporary file.
check_store() {
	local root=${BYHASH_ROOT:-$NTT_HOME/by-hash} bad
	# nobody may have come as far as making it
	mkdir -p "$root" "${ARCHIVED_ROOT:-$NTT_HOME/archived}"
	bad=$(cd "$root" && find . -type f ! -name '*.ntt-store*' ! -path './.bad/*' \
		! -path './.trash/*' -print0 | xargs -0r b3sum |
		awk '{ n = $2; sub(/.*\//, "", n) } $1 != n { print }')
	[ -z "$bad" ] || { echo "wrong bytes: $bad"; return 1; }
	bad=$(find "$root" "${ARCHIVED_ROOT:-$NTT_HOME/archived}" \
		\( -name '.ntt.*' -o -path '*/.tmp/*' \) -print)
	[ -z "$bad" ] || { echo "left behind: $bad"; return 1; }
	bad=$(sql "SELECT DISTINCT blobid FROM inode WHERE status = 'success'" |
		while read -r id; do
			[ -f "$root/${id:0:2}/${id:2:2}/$id" ] || echo "$id"
		done)
	[ -z "$bad" ] || { echo "success without blob: $bad"; return 1; }
	NTT_HOME=$NTT_TEST_CLUSTER ntt-db check >"$BATS_TEST_TMPDIR/check" ||
		{ cat "$BATS_TEST_TMPDIR/check"; return 1; }
}

# blob_file ID: its path
blob_file() {
	echo "${BYHASH_ROOT:-$NTT_HOME/by-hash}/${1:0:2}/${1:2:2}/$1"
}

# flip_bit FILE [BYTE]: one bit of it, in place
flip_bit() {
	python3 -c 'import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
b = os.pread(fd, 1, int(sys.argv[2]))
os.pwrite(fd, bytes([b[0] ^ 1]), int(sys.argv[2]))' "$1" "${2:-0}"
}

# same_tree SOURCE ARCHIVED: every file and link is there with the same bytes,
# and every regular file is an inode of the store.
same_tree() {
	diff -r --no-dereference "$1" "$2" | grep -v '^Only in .*: fifo$' && return 1
	(cd "$1" && find . \( -type f -o -type l \) -print0 | sort -z) >"$T/.a"
	(cd "$2" && find . \( -type f -o -type l \) -print0 | sort -z) >"$T/.b"
	cmp "$T/.a" "$T/.b" || return 1
	find "$2" -type f -links 1 | grep . && { echo "not linked"; return 1; }
	return 0
}
