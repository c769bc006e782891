#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The very first thing that a program sends which `run` has just started arrives on other hosts: `run`
# waits until they know of it, and not for ever.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_up 3
lab_serve 2 web --name web --ip 10.9.48.1 --tag grp=a -- "$S" tcp-serve -6 --hello WEB 80
lab_serve 2 dns --name dns --ip 10.9.48.2 --tag grp=a -- "$S" udp-serve --for 300 53
up web web:80 1
up dns dns:53 1
unknown() { pbn 2 status -o json | json 'd["reasons"].get("no-member", 0)'; }

# ---- each a new name, a new id, a new scope; nothing is sent twice ----
for ((i = 0; i < 100; i++)); do
	within $((i % 2 ? 1 : 3)) --name "udp$i" --tag grp=a -- "$S" udp-send --timeout 5000 10.9.48.2 53
done > "$SBX/log/udp"
eq datagrams 100 "$(log_count udp 'asked=yes')"
for ((i = 0; i < 100; i++)); do
	within $((i % 2 ? 1 : 3)) --name "tcp$i" --tag grp=a -- "$S" tcp-connect --timeout 10000 --send x 10.9.48.1 80
done > "$SBX/log/tcp"
eq connections 100 "$(log_count tcp 'reply=WEB')"
# a SYN that came before the news would have been dropped, and counted there
eq none-was-unknown 0 "$(unknown)"

# ---- the agent there is busy for a moment: the program is held back so long ----
# once NAME OPTION...: what a program gets whose only datagram can be answered by an agent that hears
# of it late.  The wait is short, so this machine may be too slow for it now and then.
once() {
	local name=$1
	shift
	lab_stop 2
	lab_run 1 "$name" "$@" --name "$name" --tag grp=a -- "$S" udp-send --timeout 1500 10.9.48.2 53
	wait_for 10 runs "$name" && runs "$name" # time enough for a program that is not held
	lab_cont 2
	wait "${PIDS[$name]}"
	log_has "$name" 'asked=yes'
}
runs() { pbn 1 apps | grep -q " $1 \|^$1 "; }
held() {
	for i in 1 2 3 4 5 6 7 8; do once "held$i" && return; done
	return 1
}
check held-back held

# ---- an agent that does not answer holds nobody up ----
lab_stop 2
for i in 1 2 3 4; do check "silent-$i" within 1 --tag grp=a -- true; done
lab_cont 2
wait_for 60 lab_all_see 3

# ---- who does not want to wait need not; alone there is nobody to wait for ----
check no-wait within 1 --no-wait --tag grp=a -- true
lab_stop 2
lab_stop 3
match silent-no-wait 'fine' within 1 --no-wait --tag grp=a -- echo fine
lab_cont 2
lab_cont 3
finish
