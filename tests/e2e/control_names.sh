#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# DNS is no way around the egress setting: names outside leave only for programs that may reach
# the resolver; names inside are answered for all.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
dns_up 127.0.0.53 192.0.2.2
resolver 127.0.0.53
serve web --name web --ip 10.9.14.1 --ip fd09:14::1 --tag grp=t -- "$S" tcp-serve -6 80
ask() { # EGRESS DIG-ARGUMENT...
	local egress=$1
	shift
	pb run --tag grp=t --egress "$egress" "${mode[@]}" -- dig +time=2 +tries=1 "$@"
}
mode=()
count() { pb status -o json | json 'd["dns"]["'"$1"'"]'; }
leaked() { cat "$SBX"/log/dns-*; }

for server in 127.0.0.53 192.0.2.2; do
	for tcp in +notcp +tcp; do
		n=$server$tcp
		eq "none-inside-$n" 10.9.14.1 "$(ask none $tcp +short "@$server" web A)"
		match "none-outside-$n" 'status: REFUSED' ask none $tcp "@$server" "secret.example.test" A
		match "none-at-once-$n" 'Query time: [0-9]{1,3} msec' echo "$REPLY"
		match "none-from-asked-$n" "SERVER: ${server//./\\.}#53" echo "$REPLY"
		match "list-without-$n" 'status: REFUSED' ask 198.51.100.0/24 $tcp "@$server" secret.example.test A
		match "list-other-port-$n" 'status: REFUSED' ask "$server/32:54" $tcp "@$server" secret.example.test A
		eq "list-with-$n" 198.51.100.9 "$(ask "$server/32:53" $tcp +short "@$server" www.example.test A)"
		eq "all-$n" 198.51.100.9 "$(ask all $tcp +short "@$server" www.example.test A)"
	done
done
nomatch nothing-leaks 'secret' leaked
eq refused-counted 12 "$(count refused)"
match refused-shown '12 refused' pb status
match tcp6 'status: REFUSED' ask none +tcp @::1 secret.example.test A
match udp6 'status: REFUSED' ask none @::1 secret.example.test A
eq inside6 fd09:14::1 "$(ask none +short @::1 web AAAA)"
match ptr-outside 'status: REFUSED' ask none @127.0.0.53 -x 192.0.2.7
match ptr-inside 'web\.' ask none +short @127.0.0.53 -x 10.9.14.1
match update-is-a-message-too 'REFUSED' ask none +opcode=update @127.0.0.53 secret.example.test
refute libc pb run --tag grp=t --egress none -- getent ahostsv4 www.example.test
check libc-inside pb run --tag grp=t --egress none -- getent ahostsv4 web
nomatch nothing-leaks-in-the-end 'secret' leaked

# ---- a program that sends without waiting, or from a bound port, is known all the same ----
match bound-source 'status: REFUSED' ask none -b '127.0.0.1#4053' @127.0.0.53 secret.example.test A
match bound-source-may 'status: NOERROR' ask all -b '127.0.0.1#4053' @127.0.0.53 www.example.test A
match one-socket-for-many '^2$' pb run --tag grp=t --egress none -- "$PY" -c '
import socket, struct
refused = 0
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
for server in ("127.0.0.53", "192.0.2.2"):
    q = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\6secret\7example\4test\0" + struct.pack("!HH", 1, 1)
    s.sendto(q, (server, 53))
    answer, at = s.recvfrom(512)
    refused += answer[3] & 15 == 5 and at == (server, 53)
print(refused)'

# ---- audit and off let it through, and count ----
audited=$(count audited)
mode=(--mode audit)
eq audit 198.51.100.9 "$(ask none +short @127.0.0.53 www.example.test A)"
mode=(--mode off)
eq off 198.51.100.9 "$(ask none +tcp +short @127.0.0.53 www.example.test A)"
eq audited-counted $((audited + 2)) "$(count audited)"
mode=()

# ---- stale entries of an earlier agent's ports go at the start ----
dns_ports() {
	bpftool -j map dump pinned "$SBX/bpf/patchbay/v1/pb_ports" | json \
		'len([e for e in d if e["formatted"]["value"]["flags"] & 4])'
}
ports=$(dns_ports)
refute has-ports [ "$ports" = 0 ]
kill_agent
start_agent
eq no-stale-ports "$ports" "$(dns_ports)"
answered() { [ "$(ask none +short @127.0.0.53 web A)" = 10.9.14.1 ]; }
check answered-again wait_for 5 answered
match refused-again 'status: REFUSED' ask none @127.0.0.53 secret.example.test A
stop_agent
config <<'END'
[agent]
dns = off
END
start_agent
eq no-ports-without-dns 0 "$(dns_ports)"
finish
