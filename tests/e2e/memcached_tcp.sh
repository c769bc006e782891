#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# memcached by TCP through patchbay-frames in front of three servers: what it says is what one plain
# memcached says, byte for byte: the functional list, the protocol's corners, random pipelines.
# SEED=, COUNT= are those of the pipelines.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mctcp.sh
. "$TOP/tests/lib/mctcp.sh"

CASES=$TOP/tests/lib/memcached_cases.txt
CORNERS=$TOP/tests/lib/memcached_tcp_cases.txt
SEED=${SEED:-$EPOCHSECONDS}
COUNT=${COUNT:-1500}
cases() { mt_verdicts functional --twin $MT_TWIN --name "$1" --script "$2" "${@:3}"; }

mt_lab 3
mt_frames
cases list- "$CASES"
cases corners- "$CORNERS"
# in pieces, and with another request right behind each
cases list-in-pieces- "$CASES" --cut random --tail
cases corners-in-pieces- "$CORNERS" --cut random --tail
cases corners-in-bytes- "$CORNERS" --cut bytes
mt_verdicts random --twin $MT_TWIN --seed "$SEED" --count "$COUNT" --threads 4
mt_verdicts random --twin $MT_TWIN --seed "$SEED" --count "$COUNT" --threads 4 --binary

# each server had its share
for n in 1 2 3; do
	share=$(printf 'stats\r\nquit\r\n' | nc -q 1 "10.3.0.$n" 11211 | awk '/cmd_set/ { print int($3) }')
	check "server-$n-had-writes" [ "${share:-0}" -gt 100 ]
done
mt_stop frames

# another hash, weights
mt_frames --hash ketama
cases ketama- "$CASES"
mt_stop frames

# They can fail: a lost byte, an answer to somebody else, twemproxy, which does not know most of it.
mt_faulty lose
mt_sees a-lost-byte-is-seen random-text random --twin $MT_TWIN --count 600
mt_faulty mix
mt_sees a-wrong-client-is-seen random-text random --twin $MT_TWIN --count 600 --threads 4
mt_faulty none
match a-right-one-is-right '0 wrong' "$MCT" functional --vip $MT_FAULTY --twin $MT_TWIN --script "$CORNERS"
match a-right-one-is-right-at-random '0 wrong' "$MCT" random --vip $MT_FAULTY --twin $MT_TWIN --count 600
mt_twemproxy 127.0.0.1:11330
for verb in gat meta-get version; do
	refute "twemproxy-lacks-$verb" "$MCT" functional --vip 127.0.0.1:11330 --twin $MT_TWIN \
		--script "$CASES" --only $verb
done
finish
