#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A plugin of another protocol (counter, docs/plugins.md) in patchbay-frames: by key, to all servers with
# one sum, answered by the switch itself; a server that dies, and comes back.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mctcp.sh
. "$TOP/tests/lib/mctcp.sh"

COUNTER=$TOP/tests/tools/counter.py
server() { start_serve "c$1" "$PY" "$COUNTER" serve "127.0.0.1:1150$1"; }
ask() { "$PY" "$COUNTER" ask "$MT_VIP" "$@"; }
# all_up: the sum is there again
all_up() { [[ $(ask sum) == ok* ]]; }

for n in 1 2 3; do server $n; done
start frames "$FRAMES" --listen "$MT_VIP" --plugin counter --server 127.0.0.1:11501 \
	--server 127.0.0.1:11502 --server 127.0.0.1:11503
wait_for 20 log_has frames listening || die frames-start "$(tail -n 3 "$SBX/log/frames")"
plays() {
	local line
	while IFS= read -r line; do
		case $line in
		'ok '*) ok "${line#ok }" ;;
		'FAIL '*) line=${line#FAIL } && fail "${line%%:*}" "${line#*: }" ;;
		*) fail play "$line" ;;
		esac
	done < <(timeout 120 "$PY" "$COUNTER" play "$MT_VIP" 127.0.0.1:1150{1,2,3} 2>&1)
}
plays

# a message that makes no sense ends its connection, and no other
nonsense() { printf '\377\377\377\377abc' | timeout 10 nc "${MT_VIP%:*}" "${MT_VIP##*:}" | wc -c; }
check nonsense-ends nonsense
match others-go-on '^ok 7$' ask 'get a'

# one server is gone: its names and the sum are errors, the other names are answered
mt_stop c2 KILL
keys=(k{1..30})
gets=$(ask "${keys[@]/#/get }")
eq each-has-an-answer 30 "$(wc -l <<< "$gets")"
check names-of-the-dead-are-errors grep -q '^error' <<< "$gets"
check names-of-the-living-are-answered grep -q '^ok 0' <<< "$gets"
match sum-is-an-error '^error' ask sum
server 2
check it-comes-back wait_for 20 all_up
nomatch all-names-are-answered error ask "${keys[@]/#/get }"

# the test can fail: one server is not three
server 4
refute one-server-alone bash -c "'$PY' '$COUNTER' play 127.0.0.1:11504 127.0.0.1:1150{1,2,3} | grep -q FAIL && exit 1"
finish
