#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# node-address: managed programs in network namespaces of their own reach managed TCP servers of the
# agent's namespace, both ends with their virtual names; what cannot work is refused at once.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

check container wait_for 5 container c1 1
check bridge ip link add br0 type bridge
check container-on-bridge container c2 2 br0
both='node-address = 192.0.2.1, 2001:db8::1'
conf() { printf '[agent]\npool6 = fd09::/16\n%s\n' "$@" | config; }
conf "$both"
start_agent
A=(--name a --ip 10.9.13.1 --ip fd09:13::1 --tag grp=t)
serve srv "${A[@]}" -- "$S" tcp-serve -6 80
serve four "${A[@]}" -- "$S" tcp-serve 81
serve lo "${A[@]}" -- "$S" tcp-serve --bind 127.0.0.1 82
serve usrv "${A[@]}" -- "$S" udp-serve -6 53
who=(--name b --ip 10.9.13.2 --ip fd09:13::2 --tag grp=t)
apart() { pb run "${who[@]}" -- nsenter "--net=/run/netns/$1" -- "$S" "${@:2}"; }
last() { tail -n 1 "$SBX/log/$1"; }
reason() { pb events --refused --last "${1:-1}"; }
reachable() { apart c1 tcp-connect 10.9.13.1 80; }

# ---- by every family, from every kind of namespace; both ends see virtual names ----
for ns in c1 c2; do
	match "v4-$ns" '^ok peer=10\.9\.13\.1:80 sock=10\.9\.13\.2:[0-9]+ .*reply=hi' apart $ns tcp-connect --send hi 10.9.13.1 80
	match "v4-$ns-seen" 'peer=\[::ffff:10\.9\.13\.2\]:[0-9]+ local=\[::ffff:10\.9\.13\.1\]:80 getpeername=\[::ffff:10\.9\.13\.2\]' last srv
	match "v6-$ns" '^ok peer=\[fd09:13::1\]:80 sock=\[fd09:13::2\]:[0-9]+ .*reply=hi' apart $ns tcp-connect --send hi fd09:13::1 80
	match "v6-$ns-seen" 'peer=\[fd09:13::2\]:[0-9]+ local=\[fd09:13::1\]:80 getpeername=\[fd09:13::2\]' last srv
	match "mapped-$ns" '^ok peer=\[::ffff:10\.9\.13\.1\]:80 sock=\[::ffff:10\.9\.13\.2\]:[0-9]+ .*reply=hi' apart $ns tcp-connect --mapped --send hi 10.9.13.1 80
	match "v4-only-$ns" '^ok .*reply=hi' apart $ns tcp-connect --send hi 10.9.13.1 81
	match "v4-only-$ns-seen" 'peer=10\.9\.13\.2:[0-9]+ local=10\.9\.13\.1:81' last four
done
match nonblocking '^ok .*reply=hi' apart c1 tcp-connect --nonblock --send hi 10.9.13.1 80
match many '^done ok=200 failed=0' sh -c "'$PB' run --tag grp=t -- nsenter --net=/run/netns/c1 -- '$S' tcp-connect --count 200 10.9.13.1 80 | tail -n 1"
match source-bind 'bind=0.0.0.0:0 ok.*connect=10.9.13.1:80 ok.*sock=10\.9\.13\.2:[0-9]+ peer=10\.9\.13\.1:80' apart c1 seq tcp4 bind=0.0.0.0:0 connect=10.9.13.1:80 names
match at-home '^ok peer=10\.9\.13\.1:80 sock=10\.9\.13\.2' pb run "${who[@]}" -- "$S" tcp-connect 10.9.13.1 80
run_app web --name web --ip 10.9.13.3 --tag grp=t -- "$PY" -m http.server 80
check web-up wait_for 10 has_endpoints web:80 1
match curl 'Directory listing' in_ns c1 "$PB" run --tag grp=t -- curl -sS --max-time 5 http://10.9.13.3/
match event 'connect tcp 10\.9\.13\.1:80 \(real 192\.0\.2\.1:' pb events --last 40 --app b

# ---- data in the SYN: with and without a server that takes it ----
match tfo-client '^ok|reply=' apart c1 tcp-connect --tfo --send hi 10.9.13.1 80
echo 1027 > /proc/sys/net/ipv4/tcp_fastopen
in_ns c1 sh -c 'echo 1 > /proc/sys/net/ipv4/tcp_fastopen'
serve fast "${A[@]}" -- "$S" tcp-serve 84
for i in cookie data; do
	match "tfo-$i" 'reply=hi' apart c1 tcp-connect --tfo --send hi 10.9.13.1 84
	match "tfo-$i-seen" 'peer=10\.9\.13\.2:' last fast
done
eq tfo-was-used 1 "$(awk '$1 == "TcpExt:" { if (!n) { for (i = 2; i <= NF; i++) if ($i == "TCPFastOpenPassive") n = i } else print $n }' /proc/net/netstat)"
check syncookies sh -c 'echo 2 > /proc/sys/net/ipv4/tcp_syncookies'
match syncookies-v4 '^ok .*reply=hi' apart c1 tcp-connect --send hi 10.9.13.1 80
match syncookies-v6 '^ok .*reply=hi' apart c1 tcp-connect --send hi fd09:13::1 80
match syncookies-seen 'peer=\[fd09:13::2\]' last srv
echo 1 > /proc/sys/net/ipv4/tcp_syncookies

# ---- one loopback for a distributed application; what is bound to it alone stays there ----
who=("${A[@]}")
match loopback '^ok peer=127\.0\.0\.1:80 sock=127\.0\.0\.1:[0-9]+ .*reply=hi' apart c1 tcp-connect --send hi 127.0.0.1 80
match loopback-seen 'peer=\[::ffff:127\.0\.0\.1\]:[0-9]+ local=\[::ffff:127\.0\.0\.1\]:80' last srv
match loopback6 '^ok peer=\[::1\]:80 sock=\[::1\]:[0-9]+ .*reply=hi' apart c1 tcp-connect --send hi ::1 80
expect_errno loopback-only EHOSTUNREACH apart c1 tcp-connect 127.0.0.1 82
match loopback-only-reason 'netns' reason
match loopback-only-at-home '^ok' pb run "${A[@]}" -- "$S" tcp-connect 127.0.0.1 82

# ---- refused, each with its reason ----
who=(--name b --ip 10.9.13.2 --ip fd09:13::2 --tag grp=other)
expect_errno policy EACCES apart c1 tcp-connect 10.9.13.1 80
expect_errno policy6 EACCES apart c1 tcp-connect fd09:13::1 80
match policy-reason 'no-group' reason
who=(--name b --ip 10.9.13.2 --ip fd09:13::2 --tag grp=t)
expect_errno no-service ECONNREFUSED apart c1 tcp-connect 10.9.13.1 99
expect_errno no-address EHOSTUNREACH apart c1 tcp-connect 10.9.200.200 80
expect_errno wrong-family ECONNREFUSED apart c1 tcp-connect fd09:13::1 81
match server-there 'errno=EACCES' apart c1 seq tcp4 bind=0.0.0.0:80 listen
match server-there-reason 'no-guard' reason
for how in udp-send "udp-send --connect" "udp-send --mapped"; do
	read -ra words <<< "$how"
	expect_errno "udp-${how// /}" EHOSTUNREACH apart c1 "${words[@]}" 10.9.13.1 53
done
expect_errno udp6 EHOSTUNREACH apart c1 udp-send fd09:13::1 53
match udp-reason 'netns' reason
eq udp-nothing-came 0 "$(log_count usrv '^from')"

# ---- names are not answered there: the query goes where the program's own resolver is ----
bypassed() { pb status -o json | json 'd["reasons"]["dns-bypass"]'; }
dns_up 172.29.1.1
resolver 172.29.1.1
before=$(bypassed)
match dns-outside '198\.51\.100\.9' in_ns c1 "$PB" run --tag grp=t -- getent ahostsv4 www.example.test
eq dns-no-names '' "$(in_ns c1 "$PB" run --tag grp=t -- getent ahostsv4 a)"
check dns-counted test "$(bypassed)" -gt "$before"
resolver 127.0.0.1
check dns-fails-at-once timeout 4 sh -c "! '$PB' run --tag grp=t -- nsenter --net=/run/netns/c1 -- getent ahostsv4 a"

# ---- without the agent, with the next one ----
run_app stress "${who[@]}" -- nsenter --net=/run/netns/c1 -- "$S" stress-connect --for 30000 10.9.13.1 80
check stress-runs wait_for 5 log_has stress started
kill_agent
accepted=$(log_count srv '^accept')
more() { [ "$(log_count srv '^accept')" -gt $((accepted + 20)) ]; }
check without-agent wait_for 5 more
start_agent
match next-agent '^ok .*reply=hi' apart c1 tcp-connect --send hi 10.9.13.1 80
app_stop stress
match no-connect-was-lost 'stress ok=[1-9][0-9]* failed=0' cat "$SBX/log/stress"

# ---- node-address comes and goes ----
run_app held "${who[@]}" -- nsenter --net=/run/netns/c1 -- "$S" tcp-connect --hold --timeout 60000 10.9.13.1 80
check held-up wait_for 5 log_has held '^ok'
held_alone() { [ "$(pb endpoints a:80 -o json | json 'd["endpoints"][0]["live"]')" = 1 ]; }
check held-counts wait_for 5 held_alone # the last of the stress may still be ending
conf 'node-address = 192.0.2.1'
match reload-tells '- node-address 2001:db8::1' pb reload
match one-family-v4 '^ok' apart c1 tcp-connect 10.9.13.1 80
expect_errno one-family-v6 EHOSTUNREACH apart c1 tcp-connect fd09:13::1 80
conf ''
check reload-none pb reload
expect_errno none EHOSTUNREACH apart c1 tcp-connect 10.9.13.1 80
match none-reason 'netns' reason
match none-at-home '^ok' pb run "${who[@]}" -- "$S" tcp-connect 10.9.13.1 80
check connection-stands kill -0 "${PIDS[held]}"
stop_agent
conf "$both"
start_agent
match back '^ok' apart c1 tcp-connect fd09:13::1 80
app_stop held

# ---- an address that this host has not is not used, and used once it is there ----
conf 'node-address = 192.0.2.77'
check reload-absent pb reload
expect_errno absent EHOSTUNREACH apart c1 tcp-connect 10.9.13.1 80
match absent-warns 'node-address' pb status
ip addr add 192.0.2.77/32 dev lo
check absent-comes wait_for 15 reachable
ip addr del 192.0.2.77/32 dev lo
refused() { ! reachable; }
check absent-goes wait_for 15 refused
expect_errno absent-gone EHOSTUNREACH apart c1 tcp-connect 10.9.13.1 80
finish
