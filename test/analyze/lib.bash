# Sourced by the scripts here: a medium and what the programs do with it.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
jobs=$(nproc)
bin=		# where the programs are, once they are built
M=aaaabbbbccccdddd0000111122223333
N=beef0000beef0000
unset NTT_DB_URL SUDO_USER SUDO_UID SUDO_GID
work=$(mktemp -d "${TMPDIR:-/tmp}/ntt-analyze.XXXXXX")
chmod 755 "$work"
export NTT_HOME=$work/home HOME=$work LC_ALL=C.UTF-8
trap '[ -z "$bin" ] || ntt-db stop -q || :; rm -rf "$work"' EXIT

# programs DIR: a catalogue, and the programs of this build by their names
programs() {
	bin=$(cd "$1/bin" && pwd)
	PATH=$bin:$PATH
	ntt-db init -q
	ntt-db migrate -q || [ $? = 2 ]
}

# medium DIR: files, links, names; an image of 40 MB with holes
medium() {
	local i
	mkdir -p "$1/d/e" "$NTT_HOME/img"
	for i in {1..40}; do echo "$((i % 30))" >"$1/d/$i"; done
	head -c 3000000 /dev/urandom >"$1/large"
	cp "$1/large" "$1/again"
	: >"$1/empty"
	ln "$1/d/1" "$1/"$'hard\nlink'
	ln -s target "$1/link"
	mkfifo "$1/fifo"
	truncate -s 40M "$NTT_HOME/img/$M.img"
	head -c 20000000 /dev/urandom |
		dd of="$NTT_HOME/img/$M.img" bs=1M seek=9 conv=notrunc status=none
}

# pipeline RUN [BENEATH]: every stage, each program started by RUN; those that
# need openat2(2) by BENEATH
pipeline() {
	local run=$1 beneath=${2-$1} raw=$NTT_HOME/raw/$M.raw
	medium "$work/src"
	echo '^d/3' >"$work/patterns"
	$beneath ntt-enum -q "$work/src" $M "$raw"
	$run ntt-raw-check -q "$raw"
	$run ntt-loader -q "$raw" $M
	$run ntt-mark-excluded -q $M --patterns "$work/patterns"
	$beneath ntt-copier -q -m $M --limit 10 --mime never
	$beneath ntt-copy-workers -q -m $M -w 2 --wait
	rm "$NTT_HOME/archived/$M/large"
	$beneath ntt-re-hardlink -q -m $M
	$beneath ntt-verify -q -m $M --sample-rate 1
	$run ntt-verify -q --orphans
	$run ntt-archiver -q $M
	$run ntt-verify -q --archive -m $M
	$run ntt-archiver --extract $M img:10000000+9000000 >"$work/part"
	$run ntt-pipeline-status "$M" >"$work/status" || [ $? = 1 ]
	$run ntt-list-media --path-prefix d/1 >"$work/list"
	$run ntt-recover-failed list-failures -m $M >"$work/failures"
	$beneath ntt-count-hardlinks "$NTT_HOME/by-hash" >"$work/links"
	$run ntt-db check
	ntt-enum -q "$work/src" $N - | $run ntt-loader -q - $N
	$run ntt-loader -q --drop --yes $N
}
