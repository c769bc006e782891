#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# 127.0.0.1 and ::1 belong to the identity: its members meet there, nobody else looks in, and
# neither unmanaged services nor other programs are shadowed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
A=(--name a --ip 10.9.6.1 --ip fd09:6::1 --tag grp=t)
# shellcheck disable=SC2034 # by at()
A2=(--name a2 --ip 10.9.6.1 --ip fd09:6::1 --tag grp=t)
B=(--name b --ip 10.9.6.2 --tag grp=t)
at() { local -n who=$1; shift; pb run "${who[@]}" -- "$S" tcp-connect "$@"; }

# ---- members of one identity, by one name or two ----
serve lo4 "${A[@]}" -- "$S" tcp-serve --bind 127.0.0.1 --hello LO4 8000
serve lo6 "${A[@]}" -- "$S" tcp-serve --bind ::1 --hello LO6 8000
serve wild "${A[@]}" -- "$S" tcp-serve -6 --hello WILD 8001
match same-name 'reply=LO4' at A --send x 127.0.0.1 8000
match same-name6 'reply=LO6' at A --send x ::1 8000
match shared-address 'reply=LO4' at A2 --send x 127.0.0.1 8000
match shared-address6 'reply=LO6' at A2 --send x ::1 8000
match shared-mapped 'reply=LO4' at A2 --mapped --send x 127.0.0.1 8000
match wildcard-on-loopback 'reply=WILD' at A2 --send x 127.0.0.1 8001
match wildcard-on-loopback6 'reply=WILD' at A2 --send x ::1 8001
match all-of-127 'reply=LO4' at A2 --send x 127.0.0.2 8000
match any-is-loopback 'reply=LO4' at A2 --send x 0.0.0.0 8000
match names 'ok peer=127.0.0.1:8000 sock=127.0.0.1:' at A2 127.0.0.1 8000
match names-at-server 'peer=127.0.0.1:[0-9]+ local=127.0.0.1:8000' cat "$SBX/log/lo4"
match udp 'reply from=127.0.0.1:8000 asked=yes' pb run "${A[@]}" -- sh -c \
	"'$S' udp-serve --bind 127.0.0.1 --for 3 8000 > /dev/null & i=0
	until '$S' udp-send --timeout 200 127.0.0.1 8000; do i=\$((i+1)); [ \$i -lt 20 ] || exit 1; done; kill %1"

# ---- groups hold on loopback too ----
expect_errno group-holds EACCES pb run --name a3 --ip 10.9.6.1 --tag grp=other -- "$S" tcp-connect 127.0.0.1 8000

# ---- nobody else sees it ----
expect_errno other-identity ECONNREFUSED at B 127.0.0.1 8000
expect_errno unnamed ECONNREFUSED pb run --tag grp=t -- "$S" tcp-connect 127.0.0.1 8000
expect_errno unmanaged ECONNREFUSED "$S" tcp-connect 127.0.0.1 8000
expect_errno not-by-virtual-address ECONNREFUSED at B 10.9.6.1 8000

# ---- a service of the machine on the same port: everybody has his own ----
start_serve host "$S" tcp-serve -6 --hello HOST 8000
match host-for-unmanaged 'reply=HOST' "$S" tcp-connect --send x 127.0.0.1 8000
match host-for-unmanaged6 'reply=HOST' "$S" tcp-connect --send x ::1 8000
match host-for-other 'reply=HOST' at B --send x 127.0.0.1 8000
match host-for-other6 'reply=HOST' at B --send x ::1 8000
match host-for-unnamed 'reply=HOST' pb run --tag grp=t -- "$S" tcp-connect --send x 127.0.0.1 8000
match own-first 'reply=LO4' at A --send x 127.0.0.1 8000
serve b2 "${B[@]}" -- "$S" tcp-serve --bind 127.0.0.1 --hello B2 8000
match two-identities-a 'reply=LO4' at A2 --send x 127.0.0.1 8000
match two-identities-b 'reply=B2' at B --send x 127.0.0.1 8000
match host-still 'reply=HOST' "$S" tcp-connect --send x 127.0.0.1 8000
app_stop b2
match host-again 'reply=HOST' at B --send x 127.0.0.1 8000

# ---- local=deny ----
deny() { pb run "${B[@]}" --local deny -- "$S" "$@"; }
expect_errno local-deny EACCES deny tcp-connect 127.0.0.1 8000
expect_errno local-deny6 EACCES deny tcp-connect ::1 8000
expect_errno local-deny-mapped EACCES deny tcp-connect --mapped 127.0.0.1 8000
expect_errno local-deny-udp EACCES deny udp-send 127.0.0.1 8000
match local-deny-keeps-own 'connect=\S+ ok' deny seq tcp4 bind=127.0.0.1:8002 listen tcp4 \
	connect=127.0.0.1:8002
expect_errno local-deny-any EACCES deny tcp-connect 0.0.0.0 8000

# ---- 255.x is not loopback ----
nomatch not-loopback 'reply=|ok peer' at B 255.0.0.1 8000

# ---- after the end of the owner the port is free for its identity ----
app_stop lo4
match host-after-own 'reply=HOST' at A --send x 127.0.0.1 8000
finish
