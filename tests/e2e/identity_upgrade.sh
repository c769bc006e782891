#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Programs are replaced by link update while connections are made: none escapes, none fails.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
A=(--name a --ip 10.9.31.1 --tag grp=t)
serve one "${A[@]}" -- "$S" tcp-serve 80
serve two "${A[@]}" -- "$S" tcp-serve 80
run_app hold --name h --tag grp=t -- "$PY" -u -c '
import socket, sys
s = socket.create_connection(("10.9.31.1", 80), 5)
print("connected", s.getpeername())
for line in sys.stdin: pass
' <&"$never"
check held wait_for 5 log_has hold connected
prog_ids() {
	local pin
	for pin in "$SBX/bpf/patchbay/links"/*; do
		bpftool -j link show pinned "$pin" | json 'd["prog_id"]'
	done
}
start stress "$PB" run --tag grp=t -- "$S" stress-connect --for 60000 10.9.31.1 80
check stress-runs wait_for 10 log_has stress started
before=$(prog_ids)
for round in 1 2 3 4 5; do
	stop_agent "$([ $((round % 2)) = 0 ] && echo TERM || echo KILL)"
	start_agent
done
if [ "$before" != "$(prog_ids)" ]; then ok programs-replaced; else fail programs-replaced; fi
app_stop stress
check stress-ends wait_for 10 log_has stress 'stress ok='
match no-connect-lost 'stress ok=[1-9][0-9]* failed=0' cat "$SBX/log/stress"
refute none-escaped grep -E 'wrong|peer=127' "$SBX/log/stress"
# the last of the short connections are still being closed
only_held() { [ "$(pb endpoints a -o json | json 'sum(e["live"] for e in d["endpoints"])')" = 1 ]; }
check held-still wait_for 10 only_held
match two-endpoints '^2$' endpoints a:80
finish
