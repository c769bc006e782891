#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The cache that answers gets by UDP, and writes by TCP: whatever is written there, no older value is
# served.  The cache is on by itself where nobody else may write.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

TU=$TOP/tests/tools/mc_tcp_udp.py
mc_lab 2
mc_agent
mc_up 4 --writers switch --max-age 60000
mc_hits_command 4 "$SBX/hits"
check cache-is-on-by-itself test "$(mc_shown 4 's["cache"]["on"]')" = True
tcp_is_on() { [ "$(mc_shown 4 's["tcp"]["on"]')" = True ]; }
check tcp-is-on-by-itself tcp_is_on
mc_hot 4

# ---- a value that the cache has, and a write of each kind ----
verdicts_of client "$PY" "$TU" writes "$(mc_vip 4)" "$SBX/hits"

# ---- gets by TCP are answered from it, too: nobody else can while the servers stand still ----
tcp() { client "$PY" "$TU" get "$(mc_vip 4)" "$1"; }
warm() { client "$PY" "$TU" warm "$(mc_vip 4)" "$SBX/hits"; }
check warm-is-cached warm
for n in 1 2; do mc_stop $n; done
match tcp-is-answered-from-the-cache warm tcp warm
for n in 1 2; do mc_cont $n; done
tcp_count() { pb memcached stats mc -o json | json "d['services'][0]['tcp']['$1']"; }
check such-hits-are-counted test "$(tcp_count cache_hits)" -gt 0

# ---- the test can fail: a write past the switch is not seen ----
owner_of_warm() {
	local n
	for n in 1 2; do in_ns "s$n" "$MCU" ask "$(mc_addr4 "$n"):$MC_PORT" 'get warm\r\n' | grep -q VALUE && echo "$n"; done
}
wait_for 20 mc_all_up 4
mc_hot 4
check warm-is-cached-again warm
n=$(owner_of_warm)
in_ns "s$n" "$MCU" ask "$(mc_addr4 "$n"):$MC_PORT" 'set warm 0 0 4\r\ncold\r\n' > /dev/null
match past-the-switch-nothing-is-seen warm mc_ask "$(mc_vip 4)" 'get warm\r\n'

# ---- many at once ----
verdicts_of client "$PY" "$TU" stale "$(mc_vip 4)" "$SBX/hits" 8
eq no-step-was-refused 0 "$(tcp_count tokens_failed)"

# ---- who may write decides whether there is a cache ----
check writers-any pb memcached set mc writers=any
eq cache-goes-off False "$(mc_shown 4 's["cache"]["on"]')"
check asked-for pb memcached set mc cache=16M
match why-not 'writers=switch says that none can' pb memcached show mc
check tcp-off pb memcached set mc writers=switch tcp=off
match why-not-without-tcp 'tcp is off: writers by TCP go past' pb memcached show mc
refute tcp-is-closed client "$PY" "$TU" get "$(mc_vip 4)" warm
finish
