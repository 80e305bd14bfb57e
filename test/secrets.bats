#!/usr/bin/env bats
# A password of the catalogue is shown to nobody: not in arguments, which every
# user of the machine may read, not in messages, not in logs.

load lib

setup() {
	isolate
	cd "$T"
	chmod 755 "$T"
	secret=geheim-7391
	export NTT_HOME=$T/own
	ntt-db init -q 3>&-
	ntt-db psql -XAtqc "CREATE ROLE visitor LOGIN SUPERUSER PASSWORD '$secret'"
	# one that has to give its password
	sed -i '1i local all visitor scram-sha-256' "$NTT_HOME/pg/data/pg_hba.conf"
	ntt-db stop -q
	ntt-db start -q 3>&-
	place="host=$NTT_HOME/pg dbname=$(ntt-db psql -XAtqc 'SELECT current_database()')"
	export NTT_DB_URL="$place user=visitor password=$secret"
}

teardown() {
	unset NTT_DB_URL
	[ ! -e "$NTT_HOME/pg/data" ] || ntt-db stop -q || :
}

# silent STATUS COMMAND…: as expect, and the secret is in neither output
silent() {
	expect "$@"
	case $output$stderr in *"$secret"*) return 1 ;; esac
}

@test "it works, and is not in what programs print" {
	silent 0 ntt --print-config
	has "$output" "user='visitor'"
	silent 0 ntt-db status
	has "$output" "up: "
	silent 0 ntt-db status --json
	silent 0 ntt-db url
	has "$stderr" "the password is left out"
	silent 64 ntt-db stop
	silent 0 ntt-list-media
	export NTT_DB_URL=${NTT_DB_URL/$secret/another-$secret}
	silent 75 ntt-list-media
	silent 1 ntt-db status
}

@test "not in what is wrong with the connection string" {
	for NTT_DB_URL in "postgres//u:$secret@h/x" \
		"postgresql://u:$secret%zz@h/x" "password=$secret host" \
		"host='$secret"; do
		export NTT_DB_URL
		silent 64 ntt-list-media
		has "$stderr" "NTT_DB_URL (environment) is no connection string"
		silent 1 ntt-db status
		silent 0 ntt --print-config
		silent 64 ntt-verify-sudo --all
	done
}

@test "not in the arguments of psql and pg_dump, which get it all the same" {
	mkdir fake
	for p in psql pg_dump pg_restore; do
		printf '#!/bin/sh\nprintf "%%s\\n" "$@" >>%s/argv\nexec %s "$@"\n' \
			"$T" "$(command -v $p)" >fake/$p
		chmod +x fake/$p
	done
	PATH=$T/fake:$PATH silent 0 ntt-db psql -XAtqc 'SELECT current_user'
	[ "$output" = visitor ]
	PATH=$T/fake:$PATH silent 0 ntt-db backup "$T/dump"
	[ -s argv ]
	! grep "$secret" argv || return 1
}

@test "not in the arguments of sudo" {
	mkdir fake
	printf '#!/bin/sh\nprintf "%%s\\n" "$@" >%s/argv\n' "$T" >fake/sudo
	chmod +x fake/sudo
	if [ "$(id -u)" = 0 ]; then
		as="setpriv --reuid=65534 --regid=65534 --clear-groups"
		chmod 777 "$T"
	fi
	PATH=$T/fake:$PATH silent 64 $as ntt-verify-sudo --all
	has "$stderr" "passfile"
	[ ! -e argv ]

	# from a file it is read there
	mkdir -p home/.config/ntt
	echo "NTT_DB_URL=\"$NTT_DB_URL\"" >home/.config/ntt/ntt.env
	unset NTT_DB_URL
	HOME=$T/home PATH=$T/fake:$PATH silent 0 $as ntt-verify-sudo --all
	! grep NTT_DB_URL argv || return 1

	NTT_DB_URL="$place user=visitor" PATH=$T/fake:$PATH \
		silent 0 $as ntt-verify-sudo --all
	grep -q "^NTT_DB_URL=$place user=visitor" argv
}

@test "a passfile does instead" {
	export NTT_DB_URL="$place user=visitor passfile=$T/pass"
	expect 75 ntt-list-media
	echo "*:*:*:visitor:$secret" >pass
	chmod 600 pass
	silent 0 ntt-list-media
	silent 0 ntt-db backup "$T/dump"
	mkdir tree
	echo x >tree/f
	silent 0 ntt-orchestrator -q tree
	! grep -r "$secret" "$NTT_HOME/log" || return 1
}
