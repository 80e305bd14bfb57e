# Of each run of bats: a PostgreSQL for fresh_db() (lib.bash), started by the
# first test that needs it, unless test/run made one for all files.

setup_suite() {
	# servers and other users must reach what tests make
	chmod 755 "$BATS_RUN_TMPDIR"
	OWN_CLUSTER=
	[ -z "${NTT_TEST_CLUSTER:-}" ] || return 0
	OWN_CLUSTER=$BATS_RUN_TMPDIR/cluster
	export NTT_TEST_CLUSTER=$OWN_CLUSTER
}

teardown_suite() {
	[ -n "$OWN_CLUSTER" ] && [ -d "$OWN_CLUSTER" ] || return 0
	NTT_HOME=$OWN_CLUSTER "${NTT_BUILD:-build}/bin/ntt-db" stop -q || :
}
