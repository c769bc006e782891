#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Several instances on one address and port are one service: who gets which connection, and what
# clients notice when an instance comes or goes.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
A=(--name web --ip 10.9.3.1 --tag grp=t)
client() { pb run --tag grp=t -- "$S" "$@"; }
accepts() { log_count "$1" '^accept peer'; }

serve one "${A[@]}" -- "$S" tcp-serve 80
serve two "${A[@]}" -- "$S" tcp-serve 80
eq two-endpoints 2 "$(endpoints web:80)"
eq one-service 1 "$(pb services -o json | json 'len([s for s in d["services"] if s["port"] == 80 and s["address"] == "10.9.3.1"])')"

# ---- short connections: both between 35 and 65 % ----
match short '^done ok=200 failed=0' sh -c "'$PB' run --tag grp=t -- '$S' tcp-connect --count 200 10.9.3.1 80 | tail -n 1"
check short-all-accepted wait_for 5 sh -c "[ \$(cat '$SBX/log/one' '$SBX/log/two' | grep -c '^accept peer') = 200 ]"
one=$(accepts one) two=$(accepts two)
if [ "$one" -ge 70 ] && [ "$one" -le 130 ]; then ok short-even; else fail short-even "$one and $two"; fi

# ---- long-lived connections: the choice of two keeps them within a few ----
run_app hold --tag grp=t -- "$S" tcp-connect --count 200 --hold --timeout 60000 10.9.3.1 80
check long wait_for 10 log_has hold 'done ok=200 failed=0'
long=$(($(accepts one) - one))
if [ $long -ge 90 ] && [ $long -le 110 ]; then ok long-even; else fail long-even "$long of 200 on one"; fi
live() { pb endpoints web:80 -o json | json 'sorted(e["live"] for e in d["endpoints"])'; }
match live-is-counted '^\[(9|10)[0-9]*, (9|10|11)[0-9]*\]$' live
app_stop hold
no_live() { [ "$(live)" = '[0, 0]' ]; }
check live-goes-down wait_for 5 no_live

# A third instance takes over until all are level: new ones go where fewer are.
run_app hold --tag grp=t -- "$S" tcp-connect --count 100 --hold --timeout 60000 10.9.3.1 80
wait_for 10 log_has hold 'done ok=100'
serve three "${A[@]}" -- "$S" tcp-serve 80
eq three-endpoints 3 "$(endpoints web:80)"
match more '^done ok=60 failed=0' sh -c "'$PB' run --tag grp=t -- '$S' tcp-connect --count 60 10.9.3.1 80 | tail -n 1"
third=$(accepts three)
if [ "$third" -ge 25 ]; then ok third-is-preferred; else fail third-is-preferred "$third of 60"; fi
app_stop hold

# ---- kill -9: withdrawn at once, nobody is sent there afterwards ----
app_kill three
eq killed-is-withdrawn 2 "$(endpoints web:80)"
match after-kill '^done ok=100 failed=0' sh -c "'$PB' run --tag grp=t -- '$S' tcp-connect --count 100 10.9.3.1 80 | tail -n 1"

# ---- an orderly stop and start under load ----
start stress "$PB" run --tag grp=t -- "$S" stress-connect --for 30000 10.9.3.1 80
check stress-runs wait_for 5 log_has stress started
for i in 1 2 3; do
	serve "extra$i" "${A[@]}" -- "$S" tcp-serve 80
done
eq five-endpoints 5 "$(endpoints web:80)"
check joined-under-load wait_for 5 log_has extra3 '^accept peer'
app_stop stress
check stress-ends wait_for 10 log_has stress 'stress ok='
match join-loses-no-connect 'stress ok=[1-9][0-9]* failed=0' cat "$SBX/log/stress"
for i in 1 2 3; do app_kill "extra$i"; done
app_kill one
app_kill two
# The address is nobody's as soon as the last scope is cleared.
expect_errno last-gone 'ECONNREFUSED|EHOSTUNREACH' client tcp-connect 10.9.3.1 80
eq no-endpoint 0 "$(endpoints web:80)"

# ---- UDP: a socket stays with its instance, sockets spread ----
serve u1 "${A[@]}" -- "$S" udp-serve 53
serve u2 "${A[@]}" -- "$S" udp-serve 53
match udp-answers 'reply from=10.9.3.1:53' client udp-send --count 20 10.9.3.1 53
a=$(log_count u1 '^from='); b=$(log_count u2 '^from=')
eq udp-sticks 0 $((a < b ? a : b))
for _ in $(seq 24); do client udp-send 10.9.3.1 53 > /dev/null; done
if log_has u1 '^from=' 3 && log_has u2 '^from=' 3; then ok udp-spreads; else
	fail udp-spreads "$(log_count u1 '^from=') and $(log_count u2 '^from=')"
fi
app_kill u1
match udp-after-kill 'reply from=10.9.3.1:53' client udp-send 10.9.3.1 53

# ---- an instance the client may not reach is no choice for it ----
serve open "${A[@]}" -- "$S" tcp-serve 81
serve closed --name web --ip 10.9.3.1 --tag grp=other -- "$S" tcp-serve 81
match forbidden-is-skipped '^done ok=40 failed=0' sh -c "'$PB' run --tag grp=t -- '$S' tcp-connect --count 40 10.9.3.1 81 | tail -n 1"
eq forbidden-got-none 0 "$(accepts closed)"
finish
