#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# socket(): what a managed program can make is a short list; the rest is refused, and told.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
inside() { pb run --tag grp=t -- "$S" "$@"; }
every() { inside socket-all "$1" | sed '$!H;$!d;x;s/\n/,/g'; }

# ---- the whole of type x protocol: the allowed set is the documented one ----
# stream 0 and 6, dgram 0 and 17: TCP and UDP by default and by number; no ping sockets.
eq allowed-inet ',stream 0,stream 6,dgram 0,dgram 17' "$(every inet)"
eq allowed-inet6 ',stream 0,stream 6,dgram 0,dgram 17' "$(every inet6)"
for family in packet vsock alg xdp smc tipc rds qipcrtr; do
	eq "none-of-$family" '' "$(every $family)"
done

# ---- by name ----
for f in inet inet6; do
	while read -r name type proto; do
		expect_errno "$f-$name" 'EPERM|EACCES|EPROTONOSUPPORT|ESOCKTNOSUPPORT' inside socket $f "$type" "$proto"
	done <<-END
		raw-icmp raw icmp
		raw-tcp raw tcp
		raw-raw raw raw
		raw-icmpv6 raw icmpv6
		ping dgram icmp
		udplite dgram udplite
		sctp stream sctp
		sctp-seq seqpacket sctp
	END
	expect_errno "$f-mptcp" EPROTONOSUPPORT inside socket $f stream mptcp
done
for f in packet vsock; do
	for t in raw dgram stream; do
		expect_errno "$f-$t" 'EAFNOSUPPORT|EPERM|EACCES' inside socket $f $t 0
	done
done
match unix '^ok' inside socket unix stream 0
match netlink '^ok' inside socket netlink raw 0
match tcp '^ok' inside socket inet stream 0
match udp6 '^ok' inside socket inet6 dgram 0

# ---- unmanaged programs make what they like; it is told what was refused ----
match unmanaged-raw '^ok' "$S" socket inet raw icmp
match unmanaged-packet '^ok' "$S" socket packet raw 0
match told '"proto"' pb events --refused --last 1000 -o json
match allow-raw-packet '^ok' pb run --allow-raw --tag grp=t -- "$S" socket packet raw 0

# ---- no CAP_NET_RAW, and a user cannot get around ----
match cap-dropped 'CapBnd:.*' pb run --tag grp=t -- grep -E 'Cap(Eff|Bnd)' /proc/self/status
for set in CapEff CapBnd; do
	bits=$(sed -n "s/^$set:[[:space:]]*//p" <<< "$REPLY")
	eq "$set-without-net-raw" 0 $((16#${bits:-2000} >> 13 & 1))
done
refute ping-is-refused pb run --tag grp=t -- "$PY" -c \
	'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'
match socketpair-unix '^ok' pb run --tag grp=t -- "$PY" -c 'import socket; socket.socketpair(); print("ok")'
finish
