#!/usr/bin/env bats
# slow: a host that vanishes is noticed after fifteen seconds
# One catalogue and several hosts, which are network namespaces here.

# expect() sets output and stderr
# shellcheck disable=SC2154
load lib

M=aaaabbbbccccdddd0000111122223333

setup() {
	isolate
	need_root
	need ip iproute2
	cd "$T"
	far=ntt$$ link=ntt$((BASHPID % 100000))
	ip netns add $far
	ip link add "$link" type veth peer name eth0 netns $far
	ip addr add 10.83.7.1/30 dev "$link"
	ip link set "$link" up
	ip -n $far addr add 10.83.7.2/30 dev eth0
	ip -n $far link set eth0 up
	ip -n $far link set lo up
	# a server that both reach
	ntt-db init -q 3>&-
	echo "listen_addresses = '10.83.7.1'" >>"$NTT_HOME/pg/data/postgresql.conf"
	echo 'host all all 10.83.7.0/30 trust' >>"$NTT_HOME/pg/data/pg_hba.conf"
	ntt-db stop -q
	ntt-db start -q 3>&-
	export NTT_DB_URL=postgresql://ntt@10.83.7.1/copyjob
	mkdir src
	for ((i = 0; i < 3000; i++)); do echo "content $i" >src/$i; done
	ntt-enum -q src $M - | ntt-loader -q - $M >/dev/null
}

teardown() {
	kill -9 $away 2>/dev/null || :
	unset NTT_DB_URL
	ntt-db stop -q || :
	ip netns del $far
	ip link del "$link" 2>/dev/null || :
}

@test "a host that vanishes: the others wait for its work, and do it" {
	ip netns exec $far ntt-copier -q -m $M --batch-size 10 3>&- &
	away=$!
	await '[ "$(sql "SELECT count(*) FROM work_range WHERE worker IS NOT NULL")" = 1 ]'
	# it stands still, and then its network is gone: nobody closes anything
	kill -STOP $(pgrep -f "ntt-copier -q -m $M --batch-size 10")
	ip -n $far link set eth0 down
	expect 0 ntt-copier -q -m $M
	[ "$(sql "SELECT count(*) FROM inode WHERE fs_type = 'f' AND status <> 'success'")" = 0 ]
	[ "$(sql 'SELECT copy_done IS NOT NULL FROM medium')" = t ]
	check_store
}
