#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Nothing older than the last acknowledged write is read, whatever it was written by: rising numbers
# to a few hot keys, read right behind each answer, with readers beside.  WRITES= is the number of
# them in all, SET= that of sets by one and by two writers; tests/soak/memcached_stale.sh makes more.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

WRITES=${WRITES:-20000}
VERBS=(set delete incr append prepend ms md cas touch gat ma replace noreply binary quiet)
EACH=$((WRITES / (${#VERBS[@]} + 13)))
SET=${SET:-$EACH}
writes_of() { if [ "$1" = set ]; then echo "$SET"; else echo "$EACH"; fi; }

# stale NAME FAMILY OPTION...: none, and answers did come from the cache
stale() {
	local name=$1 family=$2
	shift 2
	check "$name" client timeout 900 "$MCU" stale --vip "$(mc_vip "$family")" --keys 20 \
		--hits "$SBX/hits-$family" "$@"
	echo "# $REPLY"
	[[ $REPLY =~ ([0-9]+)" hits" ]] || BASH_REMATCH=(0 0)
	# a write without an answer keeps its key out of the cache for two seconds
	[[ $name == *-noreply || $name == *-quiet ]] ||
		check "$name-from-the-cache" test "${BASH_REMATCH[1]}" -gt "$((EACH / 20))"
}

mc_lab 2
mc_agent
for family in 4 6; do
	mc_up $family "${MC_CACHE[@]}"
	mc_hits_command $family "$SBX/hits-$family"
	mc_hot $family
done
for verb in "${VERBS[@]}"; do
	stale "one-writer-$verb" 4 --verb "$verb" --writes "$(writes_of "$verb")" --readers 2
done
for verb in set delete cas incr; do
	stale "two-writers-$verb" 4 --verb "$verb" --writes "$(writes_of "$verb")" --writers 2 --readers 2
done
stale v6 6 --verb set --writes "$EACH" --readers 2
stale large-values 4 --verb set --writes "$EACH" --readers 2 --value 1200
stale two-writers-large-values 4 --verb set --writes "$EACH" --writers 2 --readers 2 --value 1200
# gets of several keys, of one server and of several, each read as if it had been asked for alone
# multigets NAME FAMILY OPTION...
multigets() {
	local before
	before=$(mc_count "$2" hits-multi)
	stale "multigets-$1" "${@:2}" --readers 2
	check "multigets-$1-answered-whole" test "$(($(mc_count "$2" hits-multi) - before))" -gt \
		"$((EACH / 20))"
}
for verb in set delete incr; do
	multigets "$verb" 4 --verb "$verb" --writes "$EACH" --multi 3
done
multigets two-writers 4 --verb set --writes "$EACH" --multi 2 --writers 2
multigets v6 6 --verb set --writes "$EACH" --multi 2
multigets large-values 4 --verb set --writes "$EACH" --multi 2 --value 600
# the server is stopped between a request and what it makes of it
for verb in set delete cas; do
	stale "stopped-server-$verb" 4 --verb "$verb" --writes "$((EACH / 2 + 1))" --writers 2 \
		--readers 2 --pids "$(mc_pids)" --pause 20
done

# a network that delays, loses, and brings replies twice
mc_bad_network 1
mc_bad_network 2
wait_for 60 mc_all_up 4 || fail bad-network "$(pb memcached show mc)"
mc_hot 4
for verb in set delete cas ms; do
	stale "bad-network-$verb" 4 --verb "$verb" --writes "$EACH" --writers 2 --readers 2 --loss 1
done

# The test can fail: caches that drop a value at the request and fill from any reply, or know of set
# only, in front of a plain memcached.
# wrong MISTAKE PORT VERB
wrong() {
	start_serve "wrong-$1" nsenter --net=/run/netns/client -- "$BUILD/tests/mc_wrong" \
		"127.0.0.1:$2" 127.0.0.1:11311 "$1" "$SBX/wrong-hits"
	client timeout 60 "$MCU" stale --vip "127.0.0.1:$2" --verb "$3" --writes 10000 --readers 2
	echo "rc=$?"
}
match a-wrong-fill-is-seen '[1-9][0-9]* stale.*rc=1' wrong fill 12000 set
match a-forgotten-verb-is-seen '[1-9][0-9]* stale.*rc=1' wrong verbs 12001 delete
match without-a-cache-none-is ' 0 stale.*rc=0' wrong none 12002 set
finish
