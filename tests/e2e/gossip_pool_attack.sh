#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What kills or cuts off nodes of other programs does nothing to ours.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/gossip_lab.sh
. "$TOP/tests/lib/gossip_lab.sh"

attack() { "$PY" "$TOP/tests/tools/gossip_attack.py" "$1" 127.0.0.1 7946 "${@:2}"; }
rss() { awk '/VmHWM/ { print $2 }' "/proc/${PIDS[$MODE-one]}/status"; } # KiB, the most there ever was
small() { check "$1" test "$(rss)" -lt "$2"; }
filled() { [ "$(counter one tcp_many)" -gt 20 ]; } # strangers have all the room there is
# at_work NAME: the two still know and answer each other
at_work() {
	local n
	n=$(log_count "$MODE-two" '^answered 0 1000$')
	tell two "ask 127.0.0.1:7946 1000"
	check "$1-answers" wait_for 20 log_has "$MODE-two" '^answered 0 1000$' $((n + 1))
	check "$1-sees" sees one two alive
	check "$1-is-seen" sees two one alive
}
# couple MODE KEY: two of ours
couple() {
	MODE=$1 KEY=$2
	node 1 one -f
	node 2 two -f -j "$(at 1)"
	check "$MODE-meet" wait_for 20 sees one two alive
	check "$MODE-meet-too" wait_for 20 sees two one alive
}

# Without a key anybody may say anything.
couple plain ''
match plain-table 'answer 0' attack table
small plain-table-memory 20000
attack bury two
attack bury one
check plain-forgery-is-seen wait_for 20 said one '^forged two'
at_work plain-buried
eq plain-nobody-died 0 "$(cat "$SBX"/log/plain-{one,two} | grep -cE '^(failed|left)')"
attack slow &
check plain-slow-fills wait_for 10 filled
at_work plain-while-slow
wait $!
small plain-slow-memory 30000
stop_all

# With one, strangers get nothing at all.
couple key 0123456789abcdef
match key-table 'answer 0' attack table
attack bury two
attack slow &
check key-slow-fills wait_for 10 filled
at_work key-while-slow
match key-flood '^answer 0' attack flood
at_work key-flooded
check key-is-slow wait_for 30 said one 'refused'
wait $!
before=$(rss)
match key-pour '^sent [0-9]{6,8}$' attack pour
small key-pour-memory $((before + 12000))
at_work key-poured
eq key-nobody-died 0 "$(cat "$SBX"/log/key-{one,two} | grep -cE '^(failed|left)')"
eq key-nobody-forged 0 "$(log_count key-one '^forged')"
check key-flood-was-cut test "$(counter one udp_flood)" -gt 1000
finish
