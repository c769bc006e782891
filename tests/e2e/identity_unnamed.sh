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
eq listed 1 "$(app 'len([a for a in d["apps"] if not a["named"]])')"
match has-ref '^[0-9a-fx]+$' app '[a["ref"] for a in d["apps"] if not a["named"]][0]'
ref=$REPLY
match check-by-ref 'allow' pb check "$ref" 10.9.7.1:80
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
for addr in 0.0.0.0:8000 127.0.0.1:8000; do
	match "no-service-$addr" 'bind=\S+ errno=(EACCES|EPERM)|listen errno=' \
		pb run --tag grp=t -- "$S" seq tcp4 "bind=$addr" listen
	match "no-udp-service-$addr" 'bind=\S+ errno=(EACCES|EPERM)' pb run --tag grp=t -- "$S" seq udp4 "bind=$addr"
done
match no-service6 'bind=\S+ errno=(EACCES|EPERM)|listen errno=' \
	pb run --tag grp=t -- "$S" seq tcp6 'bind=[::]:8000' listen
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

# ---- sources are fine ----
match source-bind 'connect=\S+ ok' pb run --tag grp=t -- "$S" seq tcp4 bind=0.0.0.0:0 connect=10.9.7.1:80
match udp-client 'bind=\S+ ok' pb run --tag grp=t -- "$S" seq udp4 bind=0.0.0.0:0
finish
