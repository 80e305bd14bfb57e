# shellcheck shell=bash
# How a benchmark with a catalogue begins: the programs of NTT_BUILD first in
# PATH, $commit, and an empty $work below TMPDIR with a cluster of its own;
# both are gone at the end.
NTT_BUILD=$(cd "${NTT_BUILD:-build}" && pwd)
export PATH=$NTT_BUILD/bin:$NTT_BUILD/test/bench:$PATH LC_ALL=C.UTF-8
# shellcheck disable=SC2034 # of who sources this
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
work=$(mktemp -d "${TMPDIR:-/var/tmp}/ntt-bench.XXXXXX")
chmod 755 "$work"
export NTT_HOME=$work/home
trap 'ntt-db stop -q 3>&- || :; rm -rf "$work"' EXIT
ntt-db init -q 3>&-

# shellcheck source=test/bench/record.bash
. "$(dirname "$0")/record.bash"

# need PROGRAM: a peer without which nothing can be said
need() {
	have "$1" || exit 1
}
