#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Draining: no new connections, from nowhere; those that live go on to their end.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_up 3
for h in 2 3; do
	lab_serve "$h" "web$h" --name web --ip 10.9.44.1 --tag grp=a -- "$S" tcp-serve -6 --hello "WEB$h" 80
done
lab_serve 2 other --name other --ip 10.9.44.2 --tag grp=a -- "$S" tcp-serve -6 --hello OTHER 80
up web web:80 2
up other other:80 1
cli() { within "$1" --name cli --tag grp=a -- "${@:2}"; }
# who HOST: who serves 24 new connections
who() { cli "$1" sh -c "for i in \$(seq 24); do '$S' tcp-connect --send x 10.9.44.1 80; done" | grep -o 'reply=WEB[0-9]' | sort -u | tr '\n' ' '; }
state() { pbn "$1" endpoints "$2" -o json | json '",".join(sorted(e["node"] + "=" + e["state"] for e in d["endpoints"]))'; }
state_is() { [ "$(state "$1" "$2")" = "$3" ]; }
eq both-before 'reply=WEB2 reply=WEB3 ' "$(who 1)"

# ---- a connection that lives ----
lab_serve 2 echo --name echo --ip 10.9.44.4 --tag grp=a -- "$PY" -u "$TOP/tests/tools/echo.py" serve 0.0.0.0 7
up echo echo:7 1
: > "$SBX/said"
lab_run 1 talk --name cli --tag grp=a -- sh -c "tail -f '$SBX/said' | nc 10.9.44.4 7"
says() {
	echo "$1" >> "$SBX/said"
	wait_for 10 log_has talk "^$1$"
}
check talks says one

# ---- drain a node ----
expect_rc other-node 1 pbn 1 drain --node h2
match other-node-says 'this is node h1' pbn 1 drain --node h2
match drain '^[34] endpoints take no new connections; 1 live on$' pbn 2 drain --node h2
check drain-here wait_for 5 state_is 2 web h2=drain,h3=up
check drain-there wait_for 10 state_is 1 web h2=drain,h3=up
for h in 1 2 3; do eq "drained-from-$h" 'reply=WEB3 ' "$(who "$h")"; done
expect_errno drained-only-one 'ECONNREFUSED' cli 1 "$S" tcp-connect 10.9.44.2 80
check lives-on says two
expect_rc wait-too-short 5 pbn 2 drain --node h2 --wait 1
check lives-on-still says three
lab_start 2 waiting "$PB" drain --node h2 --wait 60
check waits wait_for 5 pgrep -f "drain --node h2 --wait"
app_kill talk
wait "${PIDS[waiting]}"
eq wait-ends 0 $?
match wait-says '0 live on' cat "$SBX/log/waiting"

# ---- undo ----
match undo '^[34] endpoints take new connections again$' pbn 2 drain --node h2 --undo
check undo-there wait_for 10 state_is 1 web h2=up,h3=up
both() { [ "$(who 1)" = 'reply=WEB2 reply=WEB3 ' ]; }
check undo-chosen wait_for 20 both

# ---- one application, one endpoint ----
match app '^1 endpoint takes no new connections' pbn 2 drain --app web
check app-there wait_for 10 state_is 3 web h2=drain,h3=up
check app-other-not state_is 3 other h2=up
id=$(pbn 3 endpoints web -o json | json 'next(e["id"] for e in d["endpoints"] if not e["remote"])')
match endpoint '^1 endpoint takes no new connections' pbn 3 drain "$id"
check all-drained wait_for 10 state_is 1 web h2=drain,h3=drain
expect_rc no-such 1 pbn 3 drain 4000
expect_rc no-such-app 1 pbn 3 drain --app nobody
expect_rc undo-app 0 pbn 2 drain --app web --undo
check undo-app-there wait_for 10 state_is 1 web h2=up,h3=drain
# a restart of the agent forgets nothing
lab_agent_stop 3
lab_agent 3
check restart-keeps wait_for 20 state_is 1 web h2=up,h3=drain
finish
