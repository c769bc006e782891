#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Writers by TCP, readers by UDP, who are answered from the cache: nothing older than the last acknowledged
# write is read.  WRITES= is the number of writes in all, SET= that of sets by one writer.  And all that
# mc_tcp knows through the agent's service, with a cache, while datagrams keep it warm.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

WRITES=${WRITES:-20000}
VERBS=(set delete incr append prepend ms md cas touch gat ma replace noreply binary quiet)
EACH=$((WRITES / (${#VERBS[@]} + 4)))
SET=${SET:-$EACH}
MCT=$BUILD/tests/mc_tcp

# stale NAME FAMILY OPTION...: none, and answers did come from the cache
stale() {
	local name=$1 family=$2
	shift 2
	check "$name" client timeout 250 "$MCU" stale --vip "$(mc_vip "$family")" --tcp "$(mc_vip "$family")" \
		--keys 20 --hits "$SBX/hits-$family" "$@"
	echo "# $REPLY"
	[[ $REPLY =~ ([0-9]+)" hits" ]] || BASH_REMATCH=(0 0)
	# a write without an answer keeps its key out of the cache for a while
	[[ $name == *-noreply || $name == *-quiet ]] ||
		check "$name-from-the-cache" test "${BASH_REMATCH[1]}" -gt "$((EACH / 20))"
}
tcp_on() { [ "$(mc_shown "$1" 's["tcp"]["on"]')" = True ]; }

mc_lab 2
mc_agent
for family in 4 6; do
	mc_up $family --writers switch --cache 16M --max-age 60000
	check "tcp-on-$family" wait_for 20 tcp_on $family
	mc_hits_command $family "$SBX/hits-$family"
	mc_hot $family
done
for verb in "${VERBS[@]}"; do
	n=$EACH
	[ "$verb" != set ] || n=$SET
	stale "tcp-writer-$verb" 4 --verb "$verb" --writes "$n" --readers 2
done
for verb in set cas; do
	stale "two-tcp-writers-$verb" 4 --verb "$verb" --writes $EACH --writers 2 --readers 2
done
stale v6 6 --verb set --writes $EACH --readers 2
stale large-values 4 --verb set --writes $EACH --readers 2 --value 1200

# ---- a cache that is warm changes nothing of what TCP says -------------------------------------

start reader nsenter --net=/run/netns/client -- "$MCU" load "$(mc_vip 4)" --conns 2 --ms 200000
for script in memcached_cases memcached_tcp_cases; do
	verdicts_of client timeout 100 "$MCT" functional --vip "$(mc_vip 4)" --twin $MC_TWIN \
		--name "${script#memcached_}-" --script "$TOP/tests/lib/$script.txt"
done
verdicts_of client timeout 100 "$MCT" random --vip "$(mc_vip 4)" --twin $MC_TWIN --count 300 --threads 4
verdicts_of client timeout 100 "$MCT" random --vip "$(mc_vip 4)" --twin $MC_TWIN --count 200 --binary
app_stop reader

# ---- the test can fail: writers that go past the switch ----------------------------------------

past() {
	client timeout 60 "$MCU" stale --vip "$(mc_vip 4)" --tcp "$1" --verb set --writes 2000 --readers 2
	echo "rc=$?"
}
mc_up_one() {
	pb memcached remove mc > /dev/null 2>&1
	MC_SERVERS=1 mc_up 4 --cache 16M --cache-unsafe-ttl 60000 --max-age 60000
	mc_hot 4
}
mc_up_one
match writers-past-the-switch-are-seen '[1-9][0-9]* stale.*rc=1' past "$(mc_addr4 1):$MC_PORT"
finish
