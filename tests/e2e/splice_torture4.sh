#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Spliced connections where each packet may be taken up by another CPU (receive packet steering): on
# loopback, and over a veth to a client in another network namespace.  Full maps; what stalled
# readers keep the kernel's memory busy with.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/tort.sh
. "$TOP/tests/lib/tort.sh"

check container wait_for 5 container c1 1
config <<< $'[agent]\npool6 = fd09::/16\nnode-address = 192.0.2.1, 2001:db8::1'
start_agent
tort_all splice

cases() {
	tort_cases << 'END'
any v4 rr rounds=60
any v4 rr rounds=2000 size=20000
any v4 rr rounds=300 size=20000 block=both
any v4 stream dir=up bytes=8m
any v4 stream dir=duplex bytes=8m
any v4 stream dir=poll bytes=8m
any v4 stream dir=duplex bytes=2m block=both
any v4 stall dir=up
any v4 stall dir=down
any v4 mute
any v4 greet dir=down how=et
any v4 wait how=et dir=down
any v4 wait how=et size=2m bytes=48m
any v4 wait how=etshort size=2m bytes=48m
any v4 wait how=etshort size=2m bytes=48m dir=down
any v4 wait how=lt size=2m bytes=24m
any v4 peek
any v4 half who=client
any v4 half who=server block=both
any v4 closeq who=server bytes=500k
any v4 closeq who=client
any v4 abort who=client
any v4 abort who=server unread=5000
any v4 nbconnect who=client
any v4 nbconnect who=server
any v4 prerecv how=epoll who=client
any v4 prerecv how=recv who=server block=both
any v4 api dir=duplex
any v4 cork
any v4 fork
any v4 records
any v4 opt opt=rcvbuf when=after who=client
any v4 short rounds=10000
any v6 rr rounds=500 size=20000
any v6 wait how=etshort size=2m bytes=24m
any v6 short rounds=2000
any mapped stream dir=duplex bytes=4m
any mapped short rounds=2000
END
}
# Packets so far that one CPU handed to another.
steered() {
	local n=0 words
	while read -ra words; do n=$((n + 0x${words[9]})); done < /proc/net/softnet_stat
	echo $n
}
# under WAY: all of them that way, with packets that change the CPU, and some of the bytes spliced
under() {
	local before
	tort_way "$1"
	before=$(steered)
	cases
	if [ $(($(steered) - before)) -gt 1000 ]; then ok "$1-packets-change-the-cpu"; else
		fail "$1-packets-change-the-cpu" "$(($(steered) - before)) did"
	fi
	echo "# $1: $(($(steered) - before)) packets changed the CPU"
	[ "$WAY" = splice ] || [ "$WAY" = apart ] || return
	match "$1-spliced" '^[1-9][0-9]*/[1-9]' spliced
}
spliced() { tort_figure spliced "$(tort_run v4 rr rounds=300 size=5000 conns=50)"; }
mask=$(rps_all)
check two-cpus test "$mask" != 1
check rps-on rps_on "$mask"
check rps-on-in-container rps_on "$mask" nsenter --net=/run/netns/c1
for way in ${WAYS:-splice apart}; do under "$way"; done
tort_way splice

# ---- a full map: by TCP, and counted ----
counted() { pb status -o json | json "d['reasons']['$1']"; }
grown() { [ "$(counted map-full)" -gt "$1" ]; }
pin=$(find "$SBX/bpf" -name pb_spl_pairs)
before=$(counted map-full)
match map-filled 'ok fill added=[0-9]+ of [0-9]+, then E2BIG' "$TORT" fill "$pin" 1000000
check map-full-works tort_run v4 rr rounds=50 size=5000
eq map-full-none-spliced 0/0 "$(tort_figure spliced "$REPLY")"
check map-full-counted wait_for 10 grown "$before"
check map-full-many tort_run v6 short rounds=300
check map-emptied "$TORT" fill "$pin" 0
match map-emptied-spliced-again '^[1-9][0-9]*/[1-9]' spliced

# ---- stalled readers: what they may keep the kernel's memory busy with ----
# stalled KEY=VALUE...: REPLY
stalled() { tort_run v4 stall dir=up conns=64 bytes=100k cap=32m "$@"; }
for args in size=64k size=500; do
	for way in plain splice; do
		tort_way $way
		check "stalled-64-$way-$args" stalled $args
		echo "# stalled, $way, $args: a connection has taken $(tort_figure accepted "$REPLY") bytes," \
			"$(tort_figure past-tcp "$REPLY") of them past TCP; charged to its ends:" \
			"$(tort_figure wmem "$REPLY") and $(tort_figure rmem "$REPLY") bytes"
	done
done
finish
