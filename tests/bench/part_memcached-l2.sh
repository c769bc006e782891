#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Direct return: client, switch and server on one link, where the server answers the client itself, against
# the same with replies by the switch, and against a client that asks the server without a switch.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"
SCALE=${SCALE:-100}
MS=$((600 * SCALE / 100))
KEYS=100
P=memcached-udp
read -ra cpus < <("$PY" -c 'import os; print(*sorted(os.sched_getaffinity(0)))')
CPU_CLIENT=${cpus[0]} CPU_SERVER=${cpus[1]:-${cpus[0]}}
declare -A V=() TO=([direct]=10.8.0.11 [direct2]=10.8.0.11 [l2]=10.8.0.9 [nat]=10.8.0.8)

figure $P.steer_l2 rps report - direct
figure $P.steer_l2_nat rps report - direct
figure $P.latency_steer_l2 us report - direct
figure $P.latency_steer_l2_nat us report - direct

# loop WHO OPTION...: V[WHO] = answers a second, or with --rate the mean, in us
loop() {
	local who=$1
	shift
	REPLY=$(client taskset -c "$CPU_CLIENT" "$MCU" load "${TO[$who]}:$MC_PORT" --keys $KEYS --ms $MS "$@") ||
		die "$who" "$REPLY"
	[[ $REPLY == *"empty 0"* ]] || die "$who-finds-its-keys" "$REPLY"
	echo "round $round $who $*: $REPLY"
	if [[ " $* " == *" --rate "* ]]; then V[$who]=$(cut -d ' ' -f 4 <<< "$REPLY"); else
		V[$who]=$(cut -d ' ' -f 2 <<< "$REPLY")
	fi
}
# triple FIGURE SUBJECT
triple() {
	record "$P.$1" subject "${V[$2]}"
	record "$P.$1" peer "${V[direct]}"
	record "$P.$1" peer2 "${V[direct2]}"
}
a_round() {
	local who
	for who in $(shuf -e direct direct2 l2 nat); do loop "$who" --conns 50; done
	triple steer_l2 l2
	triple steer_l2_nat nat
	for who in $(shuf -e direct direct2 l2 nat); do loop "$who" --conns 1 --rate 100; done
	triple latency_steer_l2 l2
	triple latency_steer_l2_nat nat
}

mc_lab_l2 1
taskset -acp "$CPU_SERVER" "${PIDS[s1]}" > /dev/null
client "$MCU" load 10.8.0.11:$MC_PORT --keys $KEYS --value 32 --fill --conns 1 || die fill
mc_agent
mc_up 4 --dsr l2
ip addr add 10.8.0.8/32 dev lo
pb memcached add nat --vip 10.8.0.8:$MC_PORT --backend "10.8.0.11:$MC_PORT" --dev eth0 || die add-nat
wait_for 20 mc_alive 10.8.0.8:$MC_PORT client || die nat-answers
for ((round = 1; round <= ROUNDS; round++)); do a_round; done
# the ways are what they are called: one has its replies by the switch
eq replies-of-nat-by-the-switch 1 "$(pb memcached stats nat -o json | json 'int(d["services"][0]["counters"]["replies"] > 1000)')"
eq replies-of-l2-by-the-server 1 "$(pb memcached stats mc -o json | json 'int(d["services"][0]["counters"]["replies"] < 1000)')"
[ $failed = 0 ] && ok measured
finish
