#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# patchbay-frames beside the agent: it outlives it, is found again, is started again when it ends, is
# replaced by another build without a connection lost; services come and go beside each other.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

TU=$TOP/tests/tools/mc_tcp_udp.py
FRAMES=$SBX/patchbay-frames
SOCK=$SBX/run/frames.sock
cp "$BUILD/patchbay-frames" "$FRAMES"
mkdir "$SBX/services.d"
mc_lab 2
agent() { mc_agent --frames "$FRAMES"; }
agent
mc_up 4 --allow 10.8.0.0/24

tcp() { client timeout 10 "$PY" "$TU" get "${2:-$(mc_vip 4)}" "$1"; } # KEY [ADDR:PORT]
tcp_on() { [ "$(mc_shown 4 's["tcp"]["on"]')" = True ]; }
frames_pid() { mc_shown 4 's["tcp"]["process"]["pid"]'; }
other_pid() { tcp_on && [ "$(frames_pid)" != "$1" ]; }
tcp_count() { pb memcached stats mc -o json | json "d['services'][0]['tcp']['$1']"; }
# client_on NAME: sets and gets on one connection.  goes_on NAME VERDICT: they are answered
client_on() { start_serve "$1" nsenter --net=/run/netns/client -- "$PY" "$TU" load "${2:-$(mc_vip 4)}" "$1"; }
further() { log_has "$1" '^at ' $(($2 + 2)); }
goes_on() {
	local n
	n=$(log_count "$1" '^at ')
	if wait_for 20 further "$1" "$n"; then ok "$2"; else fail "$2" "$(tail -n 2 "$SBX/log/$1")"; fi
}
ends_well() {
	kill "${PIDS[$1]}"
	wait "${PIDS[$1]}"
	match "$2" '^done [0-9]+ all-right' tail -n 1 "$SBX/log/$1"
}

check tcp-on wait_for 20 tcp_on
eq nobody-else-may-speak-to-it 600 "$(stat -c %a "$SOCK")"
client_on one
goes_on one requests-are-answered

# ---- the agent goes, and comes ----
pid=$(frames_pid)
kill_agent
goes_on one without-an-agent
check new-connections-without-an-agent tcp one
agent
check adopted wait_for 60 tcp_on
eq the-same-process "$pid" "$(frames_pid)"
goes_on one with-the-next-agent
stop_agent
goes_on one after-an-orderly-stop
agent
wait_for 60 tcp_on
eq still-the-same-process "$pid" "$(frames_pid)"

# ---- what the next agent says counts: a server drained, and stopped ----
wait_for 60 mc_all_up 4
check drained pb memcached drain mc "$(mc_addr4 2):$MC_PORT"
mc_stop 2
check without-that-server client timeout 20 "$PY" - "$(mc_vip 4)" "$TU" << 'END'
import sys
sys.path.insert(0, sys.argv[2].rsplit("/", 1)[0])
from mc_tcp_udp import Tcp
t = Tcp(sys.argv[1])
assert all(t.ask(b"set d%d 0 0 1\r\nx\r\n" % i) == b"STORED\r\n" for i in range(50))
END
mc_cont 2
check undrained pb memcached drain mc "$(mc_addr4 2):$MC_PORT" --undo

# ---- others beside it ----
pb memcached add second --vip 10.9.0.9:11311 --backend "$(mc_addr4 1):$MC_PORT" --dev c0 --dev s1 > "$SBX/log/second" 2>&1
second_answers() { tcp one 10.9.0.9:11311; }
check a-second-one wait_for 20 second_answers
client_on two 10.9.0.9:11311
goes_on two the-second-one-is-answered
goes_on one beside-it
check removed pb memcached remove second
refute closed second_answers
check its-connections-end wait_for 20 gone "${PIDS[two]}"
goes_on one after-it
cat > "$SBX/services.d/third.json" << END
{ "name": "third", "vip": "10.9.0.9:11411", "devices": ["c0"], "backends": ["$(mc_addr4 1):$MC_PORT"] }
END
third_answers() { tcp one 10.9.0.9:11411; }
check reload pb reload
check from-a-file wait_for 20 third_answers
rm "$SBX/services.d/third.json"
pb reload > "$SBX/log/reload" 2>&1
refute no-longer-in-a-file third_answers
goes_on one after-the-reload

# ---- who may come ----
before=$(tcp_count refused_source)
refute not-allowed in_ns s1 timeout 5 "$PY" "$TU" get "$(mc_vip 4)" one
check refusals-are-counted test "$(tcp_count refused_source)" -gt "$before"

# ---- another build takes over ----
pid=$(frames_pid)
cp "$FRAMES" "$FRAMES.next" && mv "$FRAMES.next" "$FRAMES"
check another-build wait_for 20 other_pid "$pid"
goes_on one on-the-old-process
check the-old-process-is-there kill -0 "$pid"
check new-ones-on-the-new-process tcp one
ends_well one nothing-was-lost
check the-old-process-ends wait_for 20 gone "$pid"

# ---- it ends by itself: only its own connections do ----
pid=$(frames_pid)
client_on three
goes_on three before-the-crash
kill -KILL "$pid"
match udp-goes-on VERSION mc_ask "$(mc_vip 4)" 'version\r\n'
check the-agent-answers pb memcached show
check started-again wait_for 20 other_pid "$pid"
check answers-again wait_for 10 tcp one
match the-log-says-it 'patchbay-frames: it was ended by signal 9' cat "$SBX/log/agent"
nomatch its-connections-ended all-right tail -n 1 "$SBX/log/three"

# ---- it hangs: a change that it does not take ends it ----
pid=$(frames_pid)
kill -STOP "$pid"
pb memcached set mc admit=3 > "$SBX/log/set" 2>&1
check hanging-is-ended wait_for 20 gone "$pid"
check and-started-again wait_for 20 other_pid "$pid"
check and-answers wait_for 10 tcp one

# ---- it cannot be started ----
pid=$(frames_pid)
mv "$FRAMES" "$FRAMES.away"
kill -KILL "$pid"
says_why() { pb memcached show mc | grep -q 'off: .*cannot be started'; }
check why-it-is-off wait_for 20 says_why
match doctor-knows 'TCP is not served' pb doctor
match status-warns 'patchbay-frames does not run' pb status
mv "$FRAMES.away" "$FRAMES"
check there-again wait_for 30 other_pid "$pid"
nomatch status-warns-no-more 'patchbay-frames does not run' pb status

# ---- nobody needs it any more ----
pid=$(frames_pid)
check last-one-removed pb memcached remove mc
check it-ends wait_for 20 gone "$pid"
refute no-socket-is-left test -e "$SOCK"

# ---- everything is detached ----
mc_up 4
check on-again wait_for 20 tcp_on
pid=$(frames_pid)
stop_agent
check it-stays kill -0 "$pid"
check detached pb detach --all --yes
check ends-with-the-rest wait_for 20 gone "$pid"
finish
