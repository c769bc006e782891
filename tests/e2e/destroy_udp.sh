#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A connected UDP client whose server is gone is told so while it waits; others are left alone.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
V4=10.9.70.1
V6=fd09:70::1
SRV=(--name srv --ip "$V4" --ip "$V6" --tag grp=t)
client() { run_app "$1" --tag grp=t -- "$PY" -u "$TOP/tests/tools/udp_client.py" "${@:2}"; }
ready() { wait_for 10 log_has "$1" '^ready' || fail "$1-ready" "$(tail -n 2 "$SBX/log/$1")"; }
told() { check "$1" wait_for 10 log_has "$2" '^error ECONNABORTED '; }
# after NAME SINCE: how long it took
after() { "$PY" -c 'import sys; print("# %s after %.1f ms" % (sys.argv[1], (float(sys.argv[3]) -
	float(sys.argv[2])) * 1e3))' "$1" "$2" "$(sed -n 's/^error ECONNABORTED //p' "$SBX/log/$1")"; }
# The walk is over once somebody who must be told was told; a second one follows after a second.
stays() { eq "$1" 0 "$(log_count "$2" '^error')"; }
counter() { pb status -o json | json 'd["reasons"].get("destroyed", 0)'; }

serve four "${SRV[@]}" -- "$S" udp-serve 53
serve six "${SRV[@]}" -- "$S" udp-serve -6 --v6only 55
serve dual "${SRV[@]}" -- "$S" udp-serve -6 54
serve other --name other --ip 10.9.70.2 --tag grp=t -- "$S" udp-serve 53
serve tcp "${SRV[@]}" -- "$S" tcp-serve 80
client a $V4 53
client b $V6 55
client c --mapped $V4 54
client d $V6 54
client bystander 10.9.70.2 53
for c in a b c d bystander; do ready $c; done

# ---- a server is killed ----
for pair in four:a six:b dual:c; do
	since=$EPOCHREALTIME
	app_kill "${pair%:*}"
	told "killed-${pair%:*}" "${pair#*:}"
	after "${pair#*:}" "$since"
done
told killed-dual6 d
stays bystander-stays bystander
match event 'destroyed.*53' pb events --last 50
eq counted 4 "$(counter)"

# ---- what the program can do then: connect() again ----
match told-once 'EDESTADDRREQ|ECONNREFUSED|ENOTCONN' cat "$SBX/log/a"
serve heir "${SRV[@]}" -- "$S" udp-serve 53
client e $V4 53
ready e

# ---- the heir's clients stay, also when the number of the endpoint is the same ----
client f 10.9.70.2 53
ready f
app_kill other
told other-gone bystander
told other-gone-too f
stays heir-stays e

# ---- a server that connect()s its socket to the client is withdrawn, and talks on ----
serve back "${SRV[@]}" -- "$PY" -u -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 56))
print("listening", flush=True)
d, a = s.recvfrom(100)
s.connect(a)
s.send(b"one")
for line in sys.stdin:
    s.send(line.strip().encode())'
client g $V4 56
ready g
serve victim --name victim --ip 10.9.70.3 --tag grp=t -- "$S" udp-serve 53
client h 10.9.70.3 53
ready h
app_kill victim
told victim-gone h
stays connected-server-stays g
app_kill back
told connected-server-gone g

# ---- the server goes while the agent is away ----
serve away --name away --ip 10.9.70.4 --tag grp=t -- "$S" udp-serve 53
client i 10.9.70.4 53
ready i
kill_agent
app_kill away
stays nobody-tells i
start_agent
told after-restart i
stays heir-stays-still e

# ---- a server that ends in peace ----
app_stop heir
told stopped e
finish
