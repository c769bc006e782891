#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A third of all datagrams between hosts is lost, and of the packets of gossip's streams, and where there is
# netem a tenth of all packets, late and out of order: nobody is taken for dead, news arrive, programs talk.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

LOSS=${LOSS:-30} # percent
lab_up 3
lab_serve 2 web --name web --ip 10.9.49.1 --tag grp=a -- "$S" tcp-serve -6 --hello WEB 80
up web web:80 1
lan nft add table bridge lab
lan nft add chain bridge lab loss '{ type filter hook forward priority 0; }'
lan nft add rule bridge lab loss ip protocol udp numgen random mod 100 lt "$LOSS" counter drop
lan nft add rule bridge lab loss tcp sport "$LAB_PORT" numgen random mod 100 lt "$LOSS" drop
lan nft add rule bridge lab loss tcp dport "$LAB_PORT" numgen random mod 100 lt "$LOSS" drop
bad_lines() {
	local h
	for h in 1 2 3; do
		lan tc qdisc add dev "h$h" root netem loss 10% delay 20ms 10ms reorder 25% 2>&1 || return 1
	done
}
# a kernel without netem says so; a guest's has it
NETEM=$(bad_lines) || [[ -z ${PB_GUEST:-} && $NETEM =~ 'kind is unknown' ]] || fail netem "$NETEM"
for i in 1 2 3 4 5; do
	lab_serve 3 "new$i" --name "new$i" --tag grp=a -- "$S" tcp-serve -6 80
	check "news-$i" wait_for 30 lab_all_have "new$i:80" 1
	match "serves-$i" reply=WEB within 1 --name "cli$i" --tag grp=a -- "$S" tcp-connect --timeout 20000 --send x 10.9.49.1 80
done
dead_seen() {
	local h
	for h in 1 2 3; do ! pbn "$h" nodes -o json | grep -q '"state":"dead"' || return 0; done
	return 1
}
PB_SLOW=1 refute never-seen-dead wait_for "${SECS:-20}" dead_seen
check alive wait_for 30 lab_all_see 3 # somebody may be suspected just now
for h in 1 2 3; do eq "never-dead-$h" 0 "$(grep -cE 'node h[0-9] is (dead|down)' "$SBX/log/agent-h$h")"; done
lost() { lan nft list chain bridge lab loss | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
match packets-were-lost '^[1-9][0-9]' lost
if [ -z "$NETEM" ]; then
	match netem-lost 'dropped [1-9]' lan tc -s qdisc show dev h1
	for h in 1 2 3; do lan tc qdisc del dev "h$h" root; done
fi
lab_heal
check tables wait_for 30 lab_tables_equal
finish
