# shellcheck shell=bash
# What a benchmark measured, for the page of "make bench": a line in the file
# NTT_BENCH_ROWS names, if it names one.  Fields have tabs between them:
#
#	row	WHAT OURS MIN MAX RUNS PEER THEIRS MIN MAX MOST LIMIT
#	absent	PEER PACKAGE
#
# Figures are seconds: the median of the runs, the least, the most.

# spread FILE: of its first column
spread() {
	awk '{ print $1 }' "$1" | sort -n | awk '{ v[NR] = $1 } END {
		printf "%s\t%s\t%s\t%d", v[int((NR + 1) / 2)], v[1], v[NR], NR
	}'
}

# record WHAT OURS [PEER THEIRS [MOST]]: the seconds of each run are in OURS and
# THEIRS.  The row is lost if ours needs more than MOST (1) times the other.
record() {
	[ -n "${NTT_BENCH_ROWS:-}" ] || return 0
	printf 'row\t%s\t%s\t%s\t%s\t%s\t\n' "$1" "$(spread "$2")" "${3:-}" \
		"$([ -n "${4:-}" ] && spread "$4" | cut -f 1-3 ||
			printf '\t\t')" "${5:-1}" >>"$NTT_BENCH_ROWS"
}

# record_limit WHAT OURS SECONDS: lost if it takes longer
record_limit() {
	[ -n "${NTT_BENCH_ROWS:-}" ] || return 0
	printf 'row\t%s\t%s\t\t\t\t\t\t%s\n' "$1" "$(spread "$2")" "$3" \
		>>"$NTT_BENCH_ROWS"
}

# have PROGRAM [PACKAGE]: is this peer installed?  PACKAGE -: Debian has none.
have() {
	local package=${2:-$1}
	command -v "$1" >/dev/null && return
	[ "$package" = - ] && package="no package of Debian" ||
		package="package $package"
	echo "$1 is not installed ($package)" >&2
	[ -z "${NTT_BENCH_ROWS:-}" ] ||
		printf 'absent\t%s\t%s\n' "$1" "$package" >>"$NTT_BENCH_ROWS"
	return 1
}
