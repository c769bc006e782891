#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The agent is killed, started again and replaced while clients write and read: requests go on being
# answered, from the cache too, and nothing old is read.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

mc_lab 2
mc_agent
mc_up 4 "${MC_CACHE[@]}"
mc_hits_command 4 "$SBX/hits-4"
# load NAME SECS: rising numbers in the background; verdict: none is stale
load() {
	start "$1" nsenter --net=/run/netns/client -- "$MCU" stale --vip "$(mc_vip 4)" \
		--writes 10000000 --secs "$2" --keys 20 --writers 2 --readers 1 --name "$1"
}
verdict() {
	wait_for 60 gone "${PIDS[$1]}" || fail "$1-ends" "still running"
	wait "${PIDS[$1]}"
	eq "$1-is-right" 0 $?
	cat "$SBX/log/$1"
	match "$1-none-stale" ' 0 stale, 0 back in time, 0 missing' cat "$SBX/log/$1"
	match "$1-few-lost" ' [0-9]?[0-9] lost' cat "$SBX/log/$1"
}
# hot: a get of this key, until it was answered from the cache
cat > "$SBX/hot" << 'END'
case hot-key
S set hot-key-of-all 0 0 3\r\nhot\r\n
H get hot-key-of-all\r\n
END
hot() {
	verdicts_of client "$MCU" functional --vip "$(mc_vip 4)" --twin "$MC_TWIN" --script "$SBX/hot" \
		--hits "$SBX/hits-4" --name "$1-"
}

hot killed # first: a hit is seen by the counter, which others' hits move, too
load killed 8
kill_agent
# only what is in the kernel can answer while the servers do not
for n in 1 2; do mc_stop $n; done
match cache-answers-without-an-agent 'VALUE hot-key-of-all' mc_ask "$(mc_vip 4)" 'get hot-key-of-all\r\n'
nomatch servers-were-stopped VERSION mc_ask "$(mc_vip 4)" 'version\r\n'
for n in 1 2; do mc_cont $n; done
match steered-without-an-agent VERSION mc_ask "$(mc_vip 4)" 'version\r\n'
# a write counts without it, too
match written-without-an-agent STORED mc_ask "$(mc_vip 4)" 'set hot-key-of-all 0 0 3\r\nnew\r\n'
match invalidated-without-an-agent new mc_ask "$(mc_vip 4)" 'get hot-key-of-all\r\n'
verdict killed

load started 8
mc_agent
check adopted wait_for 10 bash -c "'$PB' memcached show mc"
verdict started

load replaced 15
for signal in TERM KILL TERM; do
	stop_agent $signal
	mc_agent
	wait_for 10 mc_alive "$(mc_vip 4)" client || fail "answers-after-$signal" "no answer"
done
verdict replaced
hits_are_seen() { [ "$("$SBX/hits-4")" -gt 0 ]; }
check hits-go-on wait_for 60 hits_are_seen
finish
