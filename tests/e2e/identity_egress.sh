#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# egress=all|none|list: what a managed program reaches outside, in both families.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
start_serve web outside "$S" tcp-serve -6 80
start_serve alt outside "$S" tcp-serve -6 81
start_serve dns outside "$S" udp-serve -6 5353
with() { local e=$1; shift; pb run --tag grp=t ${e:+--egress "$e"} -- "$S" "$@"; }
serve srv --name a --ip 10.9.10.1 --tag grp=t -- "$S" tcp-serve 80

# expect NAME EGRESS y|n COMMAND...
expect() {
	local name=$1 egress=$2 want=$3
	shift 3
	if [ "$want" = y ]; then
		match "$name" '(^|[[:space:]])ok |reply from' with "$egress" "$@"
	else
		expect_errno "$name" EACCES with "$egress" "$@"
	fi
}
table() {
	expect "$1-v4" "$2" "${3:0:1}" tcp-connect 192.0.2.2 80
	expect "$1-mapped" "$2" "${3:0:1}" tcp-connect --mapped 192.0.2.2 80
	expect "$1-v6" "$2" "${3:1:1}" tcp-connect 2001:db8::2 80
	expect "$1-port" "$2" "${3:2:1}" tcp-connect 192.0.2.2 81
	expect "$1-udp" "$2" "${3:3:1}" udp-send 192.0.2.2 5353
	expect "$1-udp-connected" "$2" "${3:3:1}" udp-send --connect 192.0.2.2 5353
	expect "$1-inside" "$2" y tcp-connect 10.9.10.1 80
}
table default "" yyyy
table all all yyyy
table none none nnnn
table list-v4 192.0.2.0/24 ynyy
table list-v6 2001:db8::/32 nynn
table list-port 192.0.2.2/32:80 ynnn
table list-two 192.0.2.0/25:80,2001:db8::/64 yynn
table list-longer 192.0.0.0/8:81,192.0.2.2/32:80 ynyn
table list-elsewhere 198.51.100.0/24 nnnn

# The machine's own addresses are outside too.
start_serve here "$S" tcp-serve -6 8088
expect host-address-all "" y tcp-connect 192.0.2.1 8088
expect host-address-none none n tcp-connect 192.0.2.1 8088
expect loopback-is-not-egress none y tcp-connect 127.0.0.1 8088
for bad in sometimes 192.0.2.0/33 192.0.2.0/24:0 192.0.2.0/24:99999 ",," 2001:db8::/129; do
	refute "bad-egress-$bad" pb run --egress "$bad" -- true
	match "bad-egress-$bad-said" 'patchbay: .*egress|patchbay: .*[a-z]+ [a-z]+' echo "$REPLY"
done
match reason-told 'egress' pb events --refused --last 20
match mode-audit '^ok ' pb run --tag grp=t --egress none --mode audit -- "$S" tcp-connect 192.0.2.2 80
finish
