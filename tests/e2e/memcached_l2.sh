#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Servers on the switch's link that have the virtual address themselves answer the client directly;
# with a cache their answers to writes come by the switch.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

CASES=$TOP/tests/lib/memcached_cases.txt
gets() { local i; for ((i = 0; i < 50; i++)); do printf 'get l2-%d\\r\\n\n' "$i"; done; }
sets() { local i; for ((i = 0; i < 50; i++)); do printf 'set l2-%d 0 0 1\\r\\n%d\\r\\n\n' "$i" $((i % 10)); done; }
readarray -t GETS < <(gets)
readarray -t SETS < <(sets)
answers() { mc_ask "$@" | grep -c "$WANT"; }

mc_lab_l2 2
mc_agent
for family in 4 6; do
	mc_up $family --dsr l2
	WANT=STORED
	eq "stored-v$family" 50 "$(answers "$(mc_vip $family)" "${SETS[@]}")"
	before=$(mc_count $family replies)
	WANT=VALUE
	eq "read-v$family" 50 "$(answers "$(mc_vip $family)" "${GETS[@]}")"
	eq "replies-go-by-themselves-v$family" "$before" "$(mc_count $family replies)"
	check "steered-v$family" test "$(mc_count $family steered)" -ge 50
	verdicts_of client "$MCU" functional --vip "$(mc_vip $family)" --twin "$MC_TWIN" \
		--script "$CASES" --name "l2-v$family-"
done
check removed pb memcached remove mc
mc_up 4 --dsr l2 "${MC_CACHE[@]}"
mc_hits_command 4 "$SBX/hits-4"
verdicts_of client "$MCU" functional --vip "$(mc_vip 4)" --twin "$MC_TWIN" --script "$CASES" \
	--name l2-cache- --hits "$SBX/hits-4"
check none-stale client "$MCU" stale --vip "$(mc_vip 4)" --writes 2000 --writers 2 --readers 1 \
	--hits "$SBX/hits-4"
echo "# $REPLY"
check replies-to-writes-come-here test "$(mc_count 4 replies)" -gt 1000
finish
