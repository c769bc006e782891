#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A program without a name is a client: it has a link-local identity, and serves nobody.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
serve srv --name a --ip 10.9.7.1 --tag grp=t -- "$S" tcp-serve -6 80
match client 'ok peer=10.9.7.1:80 sock=169\.254\.[0-9]+\.[0-9]+:' pb run --tag grp=t -- "$S" tcp-connect 10.9.7.1 80
match server-sees 'accept peer=\[::ffff:169\.254\.' cat "$SBX/log/srv"
app() { pb apps -o json | json "$1"; }
run_app idle --tag grp=t -- "$S" seq tcp4 hold
wait_for 5 log_has idle holding
one_unnamed() { [ "$(app 'len([a for a in d["apps"] if not a["named"]])')" = 1 ]; }
check listed wait_for 5 one_unnamed # the client's scope goes when the agent has noticed
match has-ref '^[0-9a-fx]+$' app '[a["ref"] for a in d["apps"] if not a["named"]][0]'
ref=$REPLY
expect_rc check-by-ref 0 pb check "$ref" 10.9.7.1:80
app_stop idle

# Two of them are two.
a=$(pb run --tag grp=t -- "$S" tcp-connect 10.9.7.1 80 | sed 's/.*sock=\(.*\):.*/\1/')
run_app idle --tag grp=t -- "$S" tcp-connect --hold --timeout 30000 10.9.7.1 80
wait_for 5 log_has idle '^ok'
b=$(sed -n 's/.*sock=\(169.254[0-9.]*\):.*/\1/p' "$SBX/log/idle")
c=$(pb run --tag grp=t -- "$S" tcp-connect 10.9.7.1 80 | sed 's/.*sock=\(.*\):.*/\1/')
if [ -n "$b" ] && [ "$b" != "$c" ]; then ok addresses-differ; else fail addresses-differ "$a $b $c"; fi
app_stop idle

# ---- no services ----
match no-service 'bind=\S+ errno=EACCES' pb run --tag grp=t -- "$S" seq tcp4 bind=0.0.0.0:8000 listen
match no-service6 'bind=\S+ errno=EACCES' pb run --tag grp=t -- "$S" seq tcp6 'bind=[::]:8000' listen
run_app quiet --tag grp=t -- "$S" seq tcp4 listen names hold
wait_for 5 log_has quiet holding
port=$(sed -n 's/^names sock=[^ ]*:\([0-9]*\) .*/\1/p' "$SBX/log/quiet")
refute listen-without-bind-reaches-nobody "$S" tcp-connect 127.0.0.1 "${port:-1}"
refute not-by-managed pb run --tag grp=t -- "$S" tcp-connect 127.0.0.1 "${port:-1}"
for p in $(ss -Hltn | awk '{ n = split($4, a, ":"); print a[n] }' | sort -u); do
	refute "real-port-closed" "$S" tcp-connect 127.0.0.1 "$p"
done
eq no-endpoint 0 "$(pb endpoints -o json | json 'len([e for e in d["endpoints"] if e["app"].startswith("~")])')"
app_stop quiet
match why-says-so 'no-name|listen-private' pb events --last 200

# ---- its loopback is its own: it reaches itself there, nobody else does ----
run_app own --tag grp=t -- "$S" seq tcp4 bind=127.0.0.1:8000 listen tcp4 connect=127.0.0.1:8000 hold
wait_for 5 log_has own holding
match own-loopback 'connect=\S+ ok' cat "$SBX/log/own"
expect_errno own-loopback-not-for-others ECONNREFUSED pb run --tag grp=t -- "$S" tcp-connect 127.0.0.1 8000
expect_errno own-loopback-not-for-unmanaged ECONNREFUSED "$S" tcp-connect 127.0.0.1 8000
app_stop own

# ---- sources are fine; a datagram port is a source and no service ----
run_app port --tag grp=t -- "$S" seq udp4 bind=0.0.0.0:8000 names hold
wait_for 5 log_has port holding
match udp-port-is-source 'names sock=0.0.0.0:8000' cat "$SBX/log/port"
expect_errno udp-port-is-no-service ECONNREFUSED pb run --tag grp=t -- "$S" udp-send --connect 127.0.0.1 8000
app_stop port
match source-bind 'connect=\S+ ok' pb run --tag grp=t -- "$S" seq tcp4 bind=0.0.0.0:0 connect=10.9.7.1:80
match udp-client 'bind=\S+ ok' pb run --tag grp=t -- "$S" seq udp4 bind=0.0.0.0:0
finish
