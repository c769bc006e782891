#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A server stops and comes back, twice each, while others write and read: nobody reads anything older
# than the last write that was acknowledged, neither from who comes back nor from who stood in.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

KEYS=60
# words VERSION: a set for each key; "get": a get
words() {
	local i
	WORDS=()
	for ((i = 0; i < KEYS; i++)); do
		if [ "$1" = get ]; then WORDS+=("get fb-$i\\r\\n"); else
			WORDS+=("set fb-$i 0 0 2\\r\\n$1\\r\\n")
		fi
	done
}
# write VERSION: until every key was stored
write() {
	words "$1"
	[ "$(mc_ask "$(mc_vip 4)" "${WORDS[@]}" | grep -c STORED)" = "$KEYS" ]
}
# versions: which are read, and how often
versions() {
	words get
	mc_ask "$(mc_vip 4)" "${WORDS[@]}" | tr -d '\r' | grep -E '^v[0-9]$|^END' | sort | uniq -c | tr -s ' \n' ' '
}
# none_but VERSION: no key has another one
none_but() {
	local got
	got=$(versions)
	echo "$got"
	[[ $got == *" $KEYS END"* ]] && ! grep -qE "v[^${1#v} ]" <<< "$got"
}

mc_lab 2
mc_agent
mc_up 4 "${MC_CACHE[@]}"
check first-write wait_for 30 write v1
match all-there " $KEYS v1" versions

# once: what the stopped server has is old when it comes back
mc_stop 1
check written-without-it wait_for 60 write v2
check none-is-older none_but v2
mc_cont 1
check back wait_for 60 mc_all_up 4
check none-of-its-old-values none_but v2
match told-away 'memcached-away .*10\.8\.1\.2:11211' pb events --last 50
match told-back 'memcached-back .*10\.8\.1\.2:11211' pb events --last 50
# again: what the other one has, since it stood in, is old now
check written-with-both wait_for 30 write v3
mc_stop 1
check answered-without-it wait_for 60 none_but v3
check none-of-the-other-ones-old-values none_but v3
check written-without-it-again wait_for 60 write v4
mc_cont 1
check back-again wait_for 60 mc_all_up 4
check none-is-older-again none_but v4

# the same with rising numbers, while both come and go
start numbers nsenter --net=/run/netns/client -- "$MCU" stale --vip "$(mc_vip 4)" --writes 10000000 \
	--secs 40 --loss 1 --keys 40 --writers 2 --readers 1
for n in 1 2 1 2; do
	mc_stop $n
	# the other one has its keys
	check "others-take-over-$n" wait_for 40 write v5
	mc_cont $n
	check "back-$n" wait_for 40 mc_all_up 4
done
wait_for 60 gone "${PIDS[numbers]}"
wait "${PIDS[numbers]}"
eq numbers-rise 0 $?
match none-stale ' 0 stale, 0 back in time' cat "$SBX/log/numbers"
finish
