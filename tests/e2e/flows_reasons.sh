#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Which direction of a connection is spliced, which is not and why, and how many bytes it was.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

config <<< $'[splice]\nservice = srv:84 off\nservice = tcp:85 on'
start_agent

# Steps of a client, in their order: rcvbuf (before connect), send=N, recv (something), shut,
# late-rcvbuf; then it stays.
cat > "$SBX/dial.py" << 'PY'
import socket, sys
host, port, *steps = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
if "rcvbuf" in steps:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
s.connect((host, int(port)))
for step in steps:
    if step.startswith("send="):
        left = int(step[5:])
        while left:
            left -= s.send(b"x" * min(left, 32768))
    elif step == "recv":
        s.recv(1)
    elif step == "shut":
        s.shutdown(socket.SHUT_WR)
    elif step == "late-rcvbuf":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
print("done", flush=True)
sys.stdin.read()
PY
A=(--name srv --ip 10.9.31.1 --ip fd09:31::1 --tag grp=t)
B=(--name cli --ip 10.9.31.2 --ip fd09:31::2 --tag grp=t)
# dial NAME OPTION... -- [ADDRESS] PORT STEP...: a client.  hold NAME [ADDRESS] PORT STEP...: one of
# cli that wants to be spliced.
dial() {
	local name=$1 options=()
	shift
	while [ "$1" != -- ]; do options+=("$1") && shift; done
	[[ $2 == *[:.]* ]] || set -- "$1" 10.9.31.1 "${@:2}"
	run_app "$name" "${options[@]}" -- "$PY" -u "$SBX/dial.py" "${@:2}"
	wait_for 20 log_has "$name" '^done' || fail "$name-connects" "$(tail -n 1 "$SBX/log/$name")"
}
hold() { dial "$1" "${B[@]}" --splice=all -- "${@:2}"; }

# of PORT: both reasons, "ready" where nothing was sent, and the bytes; of the one connection there
of() {
	pb flows -o json | json '"; ".join(sorted(" ".join("%s/%s" % ("ready" if w["ready"] else
		("+" if w["spliced"] else "") + w["reason"], w["bytes"]) for w in (f["to_server"],
		f["to_client"])) for f in d["flows"] if f["server"]["address"].endswith(":'"$1"'")))'
}
is() { [ "$(of "$1")" = "$2" ]; }
# says NAME PORT TEXT: in the end
says() {
	wait_for 10 is "$2" "$3" || true
	eq "$1" "$3" "$(of "$2")"
}
column() { pb flows | awk -v at="srv@10.9.31.1:$1" '$2 == at { print $4 }'; }

# ---- spliced: nothing sent yet, one way, both ways ----
serve echo "${A[@]}" --splice=all -- "$S" tcp-serve -6 80
hold idle 80
says idle 80 'ready/0 ready/0'
eq idle-column ready "$(column 80)"
app_stop idle
hold talk 80 send=5 recv
says talk 80 '+spliced/5 +spliced/5'
eq talk-column yes "$(column 80)"
eq spliced-filter 1 "$(pb flows --spliced -o json | json 'd["total"]')"
eq spliced-flag True "$(pb flows -o json | json 'd["flows"][0]["spliced"]')"
match why-spliced 'live: cli@10\.9\.31\.2:[0-9]+ -> srv@10\.9\.31\.1:80 established, -> spliced \(local connection: bytes bypass the stack\), <- spliced' \
	pb why cli srv:80
app_stop talk
hold talk6 fd09:31::1 80 send=7 recv
says talk6 80 '+spliced/7 +spliced/7'
app_stop talk6
hold talkm ::ffff:10.9.31.1 80 send=9 recv
says talkm 80 '+spliced/9 +spliced/9'
app_stop talkm

# ---- one side has said all it has to say ----
run_app mute "${A[@]}" --splice=all -- "$S" seq tcp4 bind=0.0.0.0:81 listen accept recv hold
check mute-listens wait_for 5 log_has mute '^listen ok'
hold oneway 81 send=100 shut
says oneway 81 '+spliced/100 ready/0'
match oneway-state 'srv@10\.9\.31\.1:81 +client-closed +yes' pb flows
app_stop oneway
app_stop mute

# ---- not switched on: for the server, for the client, for both, for the service, for all ----
serve plain "${A[@]}" -- "$S" tcp-serve 82
hold one 82 send=1 recv
says server-off 82 'splice-peer/0 splice-off/0'
app_stop one
dial two "${B[@]}" -- 82 send=1 recv
says both-off 82 'splice-off/0 splice-off/0'
app_stop two
dial three "${B[@]}" -- 80 send=1 recv
says client-off 80 'splice-off/0 splice-peer/0'
eq off-column no "$(column 80)"
app_stop three
serve ruled "${A[@]}" --splice=all -- "$S" tcp-serve 84
hold four 84 send=1 recv
says service-off 84 'splice-peer/0 splice-off/0'
app_stop four
serve asked --name tcp --ip 10.9.31.3 --tag grp=t -- "$S" tcp-serve 85
hold five 10.9.31.3 85 send=1 recv
# Its sockets block, and only the application could say that this is all the same.
says service-on 85 'splice-blocking/1 splice-blocking/0'
app_stop five
start_serve world outside "$S" tcp-serve -6 9000
hold out 192.0.2.2 9000 send=1 recv
says outside 9000 'splice-peer/0 splice-off/None'
app_stop out

# ---- what a socket wants that a splice cannot give ----
hold fixed 80 rcvbuf send=1 recv
says rcvbuf 80 'splice-rcvbuf/0 splice-rcvbuf/0'
eq rcvbuf-text 'a receive buffer of fixed size (SO_RCVBUF)' \
	"$(pb flows -o json | json 'd["flows"][0]["to_server"]["text"]')"
app_stop fixed
hold later 80 send=5 recv late-rcvbuf
says rcvbuf-later 80 'splice-rcvbuf/5 splice-rcvbuf/5'
eq bytes-stay no "$(column 80)"
app_stop later

# ---- a reader that does not read: back to TCP, and what was spliced stays counted ----
run_app deaf "${A[@]}" --splice=all -- "$S" seq tcp4 bind=0.0.0.0:83 listen accept hold
check deaf-listens wait_for 5 log_has deaf '^listen ok'
hold flood 83 send=1048576
match budget '^splice-budget/[1-9][0-9]{5,} splice-budget/0$' of 83
app_stop flood
app_stop deaf

# ---- the server speaks first: both directions by TCP ----
serve eager "${A[@]}" --splice=all -- "$S" tcp-serve --hello hi 86
hold listener 86 recv send=3
says server-first 86 'splice-server-first/0 splice-server-first/0'
eq server-first-column no "$(column 86)"
app_stop listener

# ---- the agent restarts: what the kernel counts is still there ----
hold lasting 80 send=5 recv
says lasting 80 '+spliced/5 +spliced/5'
kill_agent
start_agent
says after-restart 80 '+spliced/5 +spliced/5'

# ---- switched off for the node: the next message would go by TCP, and says so ----
config <<< $'[agent]\nsplice = never'
check never-reloads pb reload
says never 80 'splice-off/5 splice-off/5'
config < /dev/null
check again-reloads pb reload
says again 80 '+spliced/5 +spliced/5'

# ---- older than the setting ----
dial old "${B[@]}" -- 82 send=1 recv
config <<< $'[agent]\nsplice = on'
check on-reloads pb reload
says older 82 'splice-late/0 splice-late/0'
match older-text 'older than the setting' pb flows -o json

# ---- the counters of status know the same names ----
for reason in spliced splice-peer splice-rcvbuf splice-budget splice-server-first; do
	match "counted-$reason" '^[1-9]' json "d['reasons']['$reason']" <<< "$(pb status -o json)"
	match "status-$reason" "$reason +[1-9]" pb status
done
finish
