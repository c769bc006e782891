#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The memcached switch in small, for kernels in guests: steered, answered from the cache, dropped by a
# write, with and without the agent.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

cat > "$SBX/cases" << 'END'
case steered
S set {k} 0 0 3\r\naaa\r\n
S get {k}\r\n
S delete {k}\r\n
S get {k}\r\n
case cached
S set {k} 7 0 3\r\naaa\r\n
H get {k}\r\n
case write-drops
S set {k} 0 0 3\r\naaa\r\n
H get {k}\r\n
S set {k} 0 0 3\r\nbbb\r\n
S get {k}\r\n
H get {k}\r\n
S delete {k}\r\n
S get {k}\r\n
case longer-than-the-request
S set {k} 0 0 1300\r\n{v1300}\r\n
H get {k}\r\n
S incr {k} 1\r\n
case fragments
S set {k} 0 0 4000\r\n{v4000}\r\n
S get {k}\r\n
END
cases() {
	verdicts_of client "$MCU" functional --vip "$(mc_vip "$1")" --twin "$MC_TWIN" \
		--script "$SBX/cases" --hits "$SBX/hits-$1" --name "$2"
}

mc_lab 2
mc_agent
for family in 4 6; do
	mc_up $family "${MC_CACHE[@]}"
	mc_hits_command $family "$SBX/hits-$family"
	mc_hot $family
	cases $family "v$family-"
done
check none-stale client "$MCU" stale --vip "$(mc_vip 4)" --writes 300 --writers 2 --readers 1 \
	--hits "$SBX/hits-4"
echo "# $REPLY"
kill_agent
match steered-without-an-agent 'STORED.*VALUE alone 0 1' \
	bash -c "nsenter --net=/run/netns/client -- '$MCU' ask '$(mc_vip 4)' 'set alone 0 0 1\r\n1\r\n' \
		'get alone\r\n' | tr -d '\r\n'"
mc_agent
wait_for 60 mc_shown 4 's["name"]'
cases 4 again-
finish
