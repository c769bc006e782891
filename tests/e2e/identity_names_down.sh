#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Names when something is broken: the upstream, or the agent, dead or stopped.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
dns_up 127.0.0.53 192.0.2.2
resolver 127.0.0.53
serve web --name web --ip 10.9.15.1 --tag grp=t -- "$S" tcp-serve 80
within() { pb run --tag grp=t -- "$@"; }
# The program is started while the agent lives and asks, by the line, when told to.
run_app asker --tag grp=t -- "$PY" -u -c '
import os, socket, sys, time
print("ready")
while True:
    if not os.path.exists(sys.argv[1]):
        time.sleep(0.02)  # poll
        continue
    name = open(sys.argv[1]).read().strip()
    os.unlink(sys.argv[1])
    if not name:
        continue
    start = time.monotonic()
    try:
        got = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    except OSError as e:
        got = "error %s" % e
    print("%s -> %s in %d ms" % (name, got, (time.monotonic() - start) * 1000))
' "$SBX/question"
check asker wait_for 5 log_has asker ready
ask() {
	local before
	before=$(log_count asker ' -> ')
	echo "$1" > "$SBX/question.new"
	mv "$SBX/question.new" "$SBX/question"
	wait_for 30 log_has asker ' -> ' $((before + 1))
	tail -n 1 "$SBX/log/asker"
}
match inside '-> 10\.9\.15\.1' ask web
match outside '-> 198\.51\.100\.9' ask www.example.test

# ---- the upstream is dead: inside goes on, outside fails as it does without Patchbay ----
app_stop dns-127.0.0.53
match upstream-dead-inside '-> 10\.9\.15\.1' ask web
match upstream-dead-outside '-> error' ask www.example.test
dns_up 127.0.0.53
match upstream-back '-> 198\.51\.100\.9' ask www.example.test

# ---- the agent is killed: ordinary names still resolve ----
kill_agent
match agent-dead-outside '-> 198\.51\.100\.9' ask www.example.test
match agent-dead-quick ' in [0-9]{1,4} ms' echo "$REPLY"
start_agent
inside_again() { [[ $(ask web) =~ 10\.9\.15\.1 ]]; }
check agent-back-inside wait_for 10 inside_again
match agent-back-outside '-> 198\.51\.100\.9' ask www.example.test

# ---- the agent is stopped: after its heartbeat is stale, likewise ----
kill -STOP "$AGENT_PID"
outside_again() { [[ $(ask www.example.test) =~ 198\.51\.100\.9 ]]; }
check agent-stopped-outside wait_for 20 outside_again
match agent-stopped-quick ' in [0-9]{1,4} ms' ask www.example.test
kill -CONT "$AGENT_PID"
check agent-goes-on wait_for 10 inside_again
finish
