#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# patchbay run as a wrapper: exit codes, signals, descriptors, environment, user.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
r() { pb run --tag grp=t "$@"; }

# ---- exit codes ----
expect_rc exit-0 0 r -- true
expect_rc exit-1 1 r -- false
expect_rc exit-7 7 r -- sh -c 'exit 7'
expect_rc exit-255 255 r -- sh -c 'exit 255'
expect_rc not-found 127 r -- no-such-program-here
expect_rc not-found-path 127 r -- /no/such/program
touch "$SBX/plain"
expect_rc not-executable 126 r -- "$SBX/plain"
expect_rc is-a-folder 126 r -- "$SBX"
expect_rc killed-by-term 143 r -- sh -c 'kill -TERM $$'
expect_rc killed-by-kill 137 r -- sh -c 'kill -KILL $$'
expect_rc killed-by-segv 139 r -- sh -c 'kill -SEGV $$'
expect_rc no-command 125 pb run --tag grp=t --
expect_rc separator-optional 0 pb run --tag grp=t true
match arguments-stay '^a b\|--name\|-- *$' r -- sh -c 'IFS="|"; echo "$*"' sh 'a b' --name --

# ---- signals reach the program ----
for sig in TERM INT HUP USR1 USR2 QUIT WINCH; do
	run_app trap --tag grp=t -- "$PY" -u -c "
import os, signal
def got(*_): print('got-$sig'); os._exit(9)
signal.signal(signal.SIG$sig, got)
print('ready')
while True: signal.pause()"
	wait_for 5 log_has trap ready
	kill -"$sig" "${PIDS[trap]}"
	wait "${PIDS[trap]}"
	eq "signal-$sig-exit" 9 $?
	check "signal-$sig" log_has trap "got-$sig"
done
run_app term --tag grp=t -- sh -c 'echo ready; read -r _'
wait_for 5 log_has term ready
kill -TERM "${PIDS[term]}"
wait "${PIDS[term]}"
eq term-is-143 143 $?
run_app stop --tag grp=t -- sh -c 'echo ready; read -r _'
wait_for 5 log_has stop ready
app_kill stop
no_scope() { [ "$(pb apps -o json | json 'len(d["apps"])')" = 0 ]; }
check scopes-go-away wait_for 10 no_scope
check no-cgroup-left wait_for 10 sh -c "[ \$(find '$CG/patchbay' -mindepth 2 -type d | wc -l) -le 1 ]"

# ---- standard input and output ----
eq stdin 'hello' "$(echo hello | r -- cat)"
eq stdout 'out' "$(r -- sh -c 'echo out; echo err >&2' 2> /dev/null)"
eq stderr 'err' "$(r -- sh -c 'echo out; echo err >&2' 2>&1 > /dev/null)"
eq environment 'kept' "$(FROM_TEST=kept r -- sh -c 'echo $FROM_TEST')"
eq directory "$SBX" "$(cd "$SBX" && r -- pwd)"
match signals-unblocked 'SigBlk:\s0+$' r -- grep SigBlk /proc/self/status
eq descriptors "$(sh -c 'cd /proc/self/fd && echo *')" "$(r -- sh -c 'cd /proc/self/fd && echo *')"

# ---- it is in its scope before it starts ----
match in-scope 'patchbay' r -- cat /proc/self/cgroup
match children-too 'patchbay' r -- sh -c 'sh -c "cat /proc/self/cgroup"'

# ---- sockets made before are not handed on ----
match old-socket-closed 'is gone' r -- "$PY" -c '
import os
try: os.fstat(9); print("is there")
except OSError: print("is gone")' 9<> /dev/udp/127.0.0.1/9
match keep-fds 'is there' r --keep-fds -- "$PY" -c '
import os
try: os.fstat(9); print("is there")
except OSError: print("is gone")' 9<> /dev/udp/127.0.0.1/9

# ---- user ----
match user-by-name '^65534 65534 65534$' r --user nobody -- sh -c 'echo $(id -u) $(id -g) $(id -G)'
match user-by-number '^65534' r --user 65534 -- id -u
match user-has-no-caps 'CapEff:\s0+$' r --user nobody -- grep CapEff /proc/self/status
expect_rc user-unknown 125 r --user no-such-user -- true
expect_rc user-exit-code 5 r --user nobody -- sh -c 'exit 5'
run_app low --name low --ip 10.9.17.1 --tag grp=t --user nobody -- "$S" tcp-serve 80
check user-serves wait_for 5 log_has low listening
match user-is-reached '^ok ' r -- "$S" tcp-connect 10.9.17.1 80
eq apps-show-uid 0 "$(pb apps -o json | json '[a["uid"] for a in d["apps"] if a["name"] == "low"][0]')"
finish
