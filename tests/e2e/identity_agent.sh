#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The kernel side does not need the agent: killed, everything that runs goes on, and a new one
# takes over what is there within a second.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
A=(--name a --ip 10.9.16.1 --ip fd09:16::1 --tag grp=t)
serve srv "${A[@]}" -- "$S" tcp-serve -6 80
serve usrv "${A[@]}" -- "$S" udp-serve 53
# A managed program that acts on its own while there is no agent: commands come through a fifo.
mkfifo "$SBX/orders"
run_app shell --name b --ip 10.9.16.2 --tag grp=t -- sh -c "while :; do while read -r line; do
	eval \"\$line\"; echo \"status=\$?\"; done < '$SBX/orders'; done"
run_app forbidden --tag grp=other -- sh -c "while ! [ -e '$SBX/go' ]; do read -r _ < '$SBX/go.fifo'; done
	'$S' tcp-connect 10.9.16.1 80; '$S' udp-send 10.9.16.1 53"
mkfifo "$SBX/go.fifo"
order() {
	local before
	before=$(log_count shell '^status=')
	echo "$*" > "$SBX/orders"
	wait_for 10 log_has shell '^status=' $((before + 1))
	tail -n 3 "$SBX/log/shell"
}
run_app hold --tag grp=t -- "$PY" -u -c '
import socket, sys
s = socket.create_connection(("10.9.16.1", 80), 5)
print("connected")
for line in sys.stdin: pass
' <&"$never"
start_serve plain "$S" tcp-serve 8000
match before '^ok|ok peer' order "'$S' tcp-connect 10.9.16.1 80"
ids() { for pin in "$SBX/bpf/patchbay/$2"/*; do bpftool -j "$1" show pinned "$pin"; done | grep -o '^{"id":[0-9]*'; }
links() { ids link links; }
maps() { ids map v1; }
pins() { find "$SBX/bpf/patchbay" -mindepth 1 | sort; }
links=$(links) maps=$(maps) pins=$(pins)
rules() { bpftool -j map dump pinned "$SBX/bpf/patchbay/v1/pb_rules" | cksum; }
rules=$(rules)

# ---- a second one is refused ----
expect_rc second-agent 1 timeout 20 "$BUILD/patchbayd" --config "$CONF" --run-dir "$SBX/run2" \
	--bpffs "$SBX/bpf" --cgroup "$CG/patchbay"
match second-agent-names-the-first "$AGENT_PID" echo "$REPLY"
check first-lives pb status

# ---- killed ----
old=$AGENT_PID
kill_agent
expect_rc status-says-dead 3 pb status
match status-data-plane-alive '[Aa]live' echo "$REPLY"
expect_rc apps-unreachable 4 pb apps
eq links-stay "$links" "$(links)"
match new-connection 'ok peer=10.9.16.1:80' order "'$S' tcp-connect 10.9.16.1 80"
match new-connection6 'ok peer=.fd09:16::1.:80' order "'$S' tcp-connect fd09:16::1 80"
match new-datagram 'reply from=10.9.16.1:53 asked=yes' order "'$S' udp-send 10.9.16.1 53"
match new-listener 'status=0' order "'$S' tcp-serve --for 60 81 > '$SBX/log/late' 2>&1 & :"
check new-listener-up wait_for 5 log_has late listening
match new-listener-serves 'ok peer=10.9.16.2:81' order "'$S' tcp-connect 10.9.16.2 81"
match no-listener-refused 'errno=ECONNREFUSED' order "'$S' tcp-connect 10.9.16.1 99"
touch "$SBX/go"
echo > "$SBX/go.fifo"
check policy-holds wait_for 5 log_has forbidden 'errno=EACCES' 2
match real-port-guarded 'errno=ECONNREFUSED' "$S" tcp-connect 127.0.0.1 \
	"$(ss -Hltn | awk '{ n = split($4, a, ":"); if (a[n] != 8000) { print a[n]; exit } }')"
match local-service 'ok peer=127.0.0.1:8000' order "'$S' tcp-connect 127.0.0.1 8000"
expect_rc run-without-agent 125 pb run --tag grp=t -- true
app_stop usrv
match withdrawn-without-agent 'errno=ECONNREFUSED' order "'$S' udp-send 10.9.16.1 53"

# ---- back: adopted at once, and the same ----
# A second is promised for a machine with nothing else to do; the gate leaves room for a busy one.
begin=${EPOCHREALTIME/[.,]/}
start_agent
took=$((${EPOCHREALTIME/[.,]/} - begin))
echo "# adopted in $((took / 1000)) ms"
if [ $took -lt 20000000 ]; then ok adopted-soon; else fail adopted-soon "$took us"; fi
if [ "$AGENT_PID" != "$old" ]; then ok other-process; else fail other-process; fi
eq same-links "$links" "$(links)"
eq same-maps "$maps" "$(maps)"
eq same-pins "$pins" "$(pins)"
eq same-rules "$rules" "$(rules)"
eq links-alive True "$(pb status -o json | json 'all(l["alive"] and l["current"] for l in d["links"])')"
eq apps-adopted "['a', 'b']" "$(pb apps -o json | json 'sorted({a["name"] for a in d["apps"] if a["named"]})')"
eq tags-adopted "['grp=t']" "$(pb apps -o json | json '[a["tags"] for a in d["apps"] if a["name"] == "b"][0]')"
check late-listener-listed has_endpoints b:81 1
match late-listener-serves 'ok peer=10.9.16.2:81' pb run --tag grp=t -- "$S" tcp-connect 10.9.16.2 81
check held-connection log_has hold connected
eq held-is-counted 1 "$(pb endpoints a:80 -o json | json 'd["endpoints"][0]["live"]')"

# ---- what ended meanwhile is cleared ----
app_kill shell
app_kill hold
kill_agent
app_kill srv
start_agent
cleared() { [ "$(pb apps -o json | json 'len([a for a in d["apps"] if a["name"] == "a"])')" = 0 ]; }
check ended-scopes-are-cleared wait_for 10 cleared

# ---- an orderly end leaves the data plane too ----
stop_agent
eq links-after-term "$links" "$(links)"
finish
