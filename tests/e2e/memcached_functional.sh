#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every request of tests/lib/memcached_cases.txt through the switch and its cache, and to a plain
# memcached: the same bytes.  A value is proven to come from the cache before it is changed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

CASES=$TOP/tests/lib/memcached_cases.txt
# cases FAMILY NAME [OPTION...]
cases() {
	verdicts_of client "$MCU" functional --vip "$(mc_vip "$1")" --twin "$MC_TWIN" \
		--script "$CASES" --name "$2-" --hits "$SBX/hits-$1" "${@:3}"
}

mc_lab 2
mc_agent
for family in 4 6; do
	mc_up $family "${MC_CACHE[@]}"
	mc_hits_command $family "$SBX/hits-$family"
	cases $family "v$family"
	check "hits-v$family" test "$(mc_count $family hits)" -gt 100
	check "multiget-hits-v$family" test "$(mc_count $family hits-multi)" -ge 15
	eq "torn-is-rare-v$family" 0 "$(mc_count $family torn)"
done

# without a cache everything goes to the servers, and is as right
check removed pb memcached remove mc
mc_up 4
verdicts_of client "$MCU" functional --vip "$(mc_vip 4)" --twin "$MC_TWIN" --script "$CASES" \
	--name steered-
# what the slow path counted, and its sockets, for who has to find out why
[ $failed = 0 ] || { pb memcached stats mc; ss -uanp; }
eq steered-hits 0 "$(mc_count 4 hits)"

# the script can fail: a cache that knows of set only
start_serve wrong nsenter --net=/run/netns/client -- "$BUILD/tests/mc_wrong" 127.0.0.1:12000 \
	127.0.0.1:11311 verbs "$SBX/wrong-hits"
refute a-wrong-cache-is-seen client "$MCU" functional --vip 127.0.0.1:12000 --twin "$MC_TWIN" \
	--script "$CASES" --hits "cat $SBX/wrong-hits" --only delete
match it-is-seen-by-its-value 'FAIL delete: other bytes' echo "$REPLY"
finish
