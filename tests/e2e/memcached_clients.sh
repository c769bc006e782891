#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Others' clients that speak UDP, libmemcached's, through the switch and its cache: what memaslap verifies,
# and what memccp wrote, which is read at the servers themselves by TCP (its exit code tells nothing, and it
# reads nothing by UDP).  The same is done to a plain memcached: what it does is right.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

# Debian has another name for it
ASLAP=$(command -v memaslap || command -v memcaslap) || die memaslap-is-installed "tools/deps.sh installs it"
mc_lab 2
mc_agent

# ---- memaslap: gets and sets of values that it knows (its -B writes nothing by UDP, to anybody) --

# aslap NAME AT OPTION...: its figures in log/aslap
aslap() {
	client timeout 120 "$ASLAP" --udp --servers="$2" -T 1 -c 8 -x 20000 -w 1k --verify=1.0 "${@:3}" \
		> "$SBX/log/aslap" 2>&1
	expect_rc "$1-ends" 0 test $? = 0
	for field in get_misses verify_misses verify_failed packet_disorder packet_drop udp_timeout; do
		match "$1-$field" "^$field: 0$" grep "^$field:" "$SBX/log/aslap"
	done
	check "$1-gets-were-made" [ "$(sed -n 's/^cmd_get: //p' "$SBX/log/aslap")" -ge 10000 ]
}
# of both servers, and of the cache
share() {
	local n
	for n in 1 2; do
		check "$1-server-$n-has-items" [ "$(raw "s$n" "$(mc_addr4 $n)" $MC_PORT stats |
			sed -n 's/STAT curr_items //p')" -gt 50 ]
	done
}
# raw NAMESPACE ADDRESS PORT REQUEST: by TCP, the answer without \r
raw() { printf '%s\r\nquit\r\n' "$4" | in_ns "$1" nc -w 10 "$2" "$3" | tr -d '\r'; }

aslap plain-memcached $MC_TWIN -X 100
mc_up 4
aslap steered "$(mc_vip 4)" -X 100
share steered
eq nothing-was-cached 0 "$(mc_count 4 hits)"
check removed pb memcached remove mc
mc_up 4 "${MC_CACHE[@]}"
mc_hot 4
for size in 100 1000; do
	before=$(mc_count 4 hits)
	aslap "cached-$size" "$(mc_vip 4)" -X $size
	check "cached-$size-by-the-cache" [ "$(mc_count 4 hits)" -gt $((before + 100)) ]
done

# ---- memccp ------------------------------------------------------------------------------------

# at_servers KEY, at_twin KEY: what a get says there; of the servers just one has it
at_twin() { raw client 127.0.0.1 11311 "get $1"; }
at_servers() {
	local n
	for n in 1 2; do raw "s$n" "$(mc_addr4 $n)" $MC_PORT "get $1"; done | grep -vx END
	echo END
}
same() { [ "$(at_servers "$1")" = "$(at_twin "$1")" ]; }
# copy NAME FILE OPTION...: to both, and both have the same of it then
copy() {
	local key twin switch
	key=$(basename "$2")
	client memccp --udp --servers=$MC_TWIN "${@:3}" "$2" > "$SBX/log/copy" 2>&1
	twin=$?
	client memccp --udp --servers="$(mc_vip 4)" "${@:3}" "$2" > "$SBX/log/copy" 2>&1
	switch=$?
	eq "$1-exit-as-memcached" $twin $switch
	if wait_for 10 same "$key"; then ok "$1-as-memcached"; else
		fail "$1-as-memcached" "$(at_servers "$key") instead of $(at_twin "$key")"
	fi
}
# has NAME KEY TEXT: the servers have it
has() { match "$1" "$3" at_servers "$2"; }
# read_hot KEY TEXT: by UDP through the switch
reads() { [[ $(mc_ask "$(mc_vip 4)" "get $1\r\n") = *"$2"* ]]; }
file() { printf '%s' "$2" > "$SBX/$1"; }

file one first
copy set "$SBX/one"
has set-is-there one '^VALUE one 0 5'
copy set-binary "$SBX/one" --binary
file one second
copy overwritten "$SBX/one" --set --flag=7 --expire=600
has overwritten-with-flags one '^VALUE one 7 6'
file one third
copy add-changes-nothing "$SBX/one" --add
has still-the-second one second
copy replaced "$SBX/one" --replace
has replaced-by-the-third one third
file none never
copy replace-of-nothing "$SBX/none" --replace
has nothing-there none '^END'
for size in 1 1000 1300 2000 100000; do
	file "size-$size" "$(head -c $size /dev/zero | tr '\0' x)"
	copy "size-$size" "$SBX/size-$size"
done
has large-enough-to-matter size-1300 '^VALUE size-1300 0 1300'

# what is cached goes with such a write
for way in text binary; do
	file one "old $way"
	copy "cached-$way" "$SBX/one"
	before=$(mc_count 4 hits)
	hit() { reads one "old $way" && [ "$(mc_count 4 hits)" -gt "$before" ]; }
	check "cached-$way-by-the-cache" wait_for 20 hit
	file one "new $way"
	if [ $way = binary ]; then copy "changed-$way" "$SBX/one" --binary; else
		copy "changed-$way" "$SBX/one"
	fi
	check "changed-$way-is-read" reads one "new $way"
done
finish
