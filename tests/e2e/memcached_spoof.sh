#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Replies that no server sent do not get into the cache, and not to a client, while the key is read.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

mc_lab 1
mc_agent
mc_up 4 "${MC_CACHE[@]}"
source_port=$(mc_shown 4 's["source_port"]')
source_addr=$(mc_shown 4 's["source"]')
mc_ask "$(mc_vip 4)" 'set spoofed-key-1 0 0 5\r\nright\r\n' > /dev/null
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.c0.rp_filter=0

# flood FROM ENDS...: from the client, in the server's name
flood() {
	client "$MCU" flood --vip "$(mc_vip 4)" --from "10.8.1.2:$MC_PORT" \
		--to "$source_addr:$source_port" --ports 64 --key spoofed-key-1 "$@"
}
mc_write() { mc_ask "$(mc_vip 4)" 'set spoofed-key-1 0 0 5\r\nright\r\n'; }
before=$(mc_count 4 reply-stray)
start writer bash -c "while :; do nsenter --net=/run/netns/client -- '$MCU' do '$(mc_vip 4)' \
	'set spoofed-key-1 0 0 5\r\nright\r\n'; done"
match flooded ' 0 poisoned' flood --secs 8
echo "# $REPLY"
app_stop writer KILL
check forged-ones-are-counted test "$(mc_count 4 reply-stray)" -gt $((before + 10000))
match right-afterwards right mc_ask "$(mc_vip 4)" 'get spoofed-key-1\r\n'

# a stopped server: requests wait long enough for all ids to be tried
mc_stop 1
start waiting nsenter --net=/run/netns/client -- "$MCU" ask "$(mc_vip 4)" 'get spoofed-key-2\r\n'
flood --secs 2 --ids 65536 > /dev/null
mc_cont 1
wait_for 20 mc_alive "$(mc_vip 4)" client
nomatch none-to-who-waits POISON cat "$SBX/log/waiting"
match server-is-asked-again 'right|END' mc_ask "$(mc_vip 4)" 'get spoofed-key-1\r\n'

# the test can fail: a proxy that takes replies from everybody
start_serve wrong nsenter --net=/run/netns/client -- "$BUILD/tests/mc_wrong" 127.0.0.1:12000 \
	127.0.0.1:11311 source "$SBX/wrong-hits"
mc_ask "$MC_TWIN" 'set spoofed-key-1 0 0 5\r\nright\r\n' > /dev/null
to=$(client ss -Hlunp | sed -n 's/.*127.0.0.1:\([0-9]*\) .*mc_wrong.*/\1/p' | grep -v '^12000$')
match a-credulous-cache-is-seen '[1-9][0-9]* poisoned' client "$MCU" flood --vip 127.0.0.1:12000 \
	--from 10.8.0.2:9 --to "127.0.0.1:$to" --ports 1 --ids 2000 --key spoofed-key-1 --secs 2
finish
