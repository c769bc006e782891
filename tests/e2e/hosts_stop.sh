#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A third of the agents is stopped for a while, as by a machine that is out of breath: their programs
# serve on, and nobody who was not stopped is ever taken for dead, by anybody.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

SECS=${SECS:-20}
lab_up 6
for h in 2 5; do
	lab_serve "$h" "web$h" --name web --ip 10.9.54.1 --tag grp=a -- "$S" tcp-serve -6 --hello "WEB$h" --for 900 80
done
up web web:80 2
lab_asker 10.9.54.1 80
check begin lab_asks_on

# down NODE...: an agent says in its log that the agent of one of these is down, or the host
down() { local IFS='|'; grep -hE "node ($*) is (down|dead)|agent of node ($*) is down" "$SBX"/log/agent-h?; }
lab_stop 5
lab_stop 6
check stopped-go-on lab_asks_on
lab_wait_out "$SECS"
check stopped-still-go-on lab_asks_on
for h in 1 2 3 4; do for m in 1 2 3 4; do
	[ $m = $h ] || check "h$h-sees-h$m" lab_state $h h$m alive
done; done
for h in 1 2 3 4; do check "h$h-misses-h6" wait_for 60 lab_state $h h6 'suspect|dead'; done
check stopped-are-down wait_for 60 down h5 h6

# they wake: what they missed must not make them accuse the others
falsely_dead() {
	local h
	for h in 5 6 1 2 3 4; do
		! pbn "$h" nodes -o json | grep -qE '"name":"h[1-4]"[^}]*"state":"dead"' || return 0
	done
	return 1
}
lab_cont 5
lab_cont 6
refute never-seen-dead wait_for 15 falsely_dead # longer than a false suspicion would live
check all wait_for 60 lab_all_see 6
check all-go-on lab_asks_on
check records wait_for 30 lab_all_have web:80 2
eq nobody-else-was-down '' "$(down h1 h2 h3 h4)"
eq no-connection-lost 0 "$(grep -cv ^good "$SBX/log/ask")"
finish
