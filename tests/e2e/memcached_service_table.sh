#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Servers out of the service table: a memcached under `patchbay run` joins its ring by itself and leaves
# it when it ends, in mode enforce: the service is an application, whom policy lets in or not; strangers
# stay outside, also those who take the service's ports when the agent is away.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

command -v memcached > /dev/null || die memcached-is-installed "tools/deps.sh installs it"
MCU=$BUILD/tests/mc_udp
VIP=192.0.2.9:11211
STATE=$SBX/state
mkdir -m 700 "$STATE"
mkdir "$SBX/services.d"
printf '[cluster]\nstate-dir = %s\n' "$STATE" | config
ip addr add 192.0.2.9/32 dev lo

# server N GRP: the Nth memcached of the application mc
server() {
	run_app "mc-$1" --name mc --tag "grp=$2" -- memcached -u root -p 0 -U 11211 -t 1 -m 16
}
# show EXPR: of the service web, s; its servers by state
show() {
	pb memcached show web --json 2> /dev/null | "$PY" -c 'import json,sys
s=json.load(sys.stdin)["services"][0]
up=sorted(x["server"] for x in s["servers"] if x["state"] == "up" and x["keys"] > 0)
print(eval(sys.argv[1]))' "$1"
}
is() { [ "$(show "$1")" = True ]; }
wait_is() { if wait_for "${3:-30}" is "$2"; then ok "$1"; else fail "$1" "$(pb memcached show web 2>&1)"; fi; }
ask() { outside "$MCU" ask "$@"; }
counter() { pb memcached stats web -o json | json "d['services'][0]['slow']['$1']"; }
refusals() { pb status -o json | json "d['reasons'].get('$1', 0)"; }

PB_SLOW=${PB_SLOW:-3}
start_agent

# ---- no server yet; then no right ----
check add-before-its-servers pb memcached add web --vip $VIP --backend service:mc --dev host0
match waits-for-one 'not served: there is no server yet' pb memcached show web
server 1 web
check first-listens wait_for 20 has_endpoints mc:11211 1
wait_is no-tags-no-right '"has no tags" in (s["why"] or "")'
match no-tags-said-by-show 'left out +127.0.0.1:[0-9]+ of mc: policy: the service has no tags' \
	pb memcached show web
match no-tags-said-by-doctor 'web: .*the service has no tags' pb doctor
check wrong-tags pb memcached set web tags=grp=other
wait_is wrong-tags-no-right '"share no grp tag" in (s["why"] or "")'
check right-tags pb memcached set web tags=grp=web
wait_is joins 's["state"] == "on" and len(up) == 1'
eq none-is-left-out '[]' "$(show 's["left_out"]')"
match is-an-application '~memcached-web .*grp=web' pb apps

# ---- requests reach it: the datagrams of the host's own stack, and the probe's ----
match steered '^STORED.*VALUE k 0 3.*abc' \
	bash -c "nsenter --net=/run/netns/outside -- '$MCU' ask $VIP 'set k 0 0 3\r\nabc\r\n' 'get k\r\n' | tr -d '\r\n'"
first=$(counter datagrams)
ask $VIP 'get k\r\n' > "$SBX/log/ask"
if [ "$(counter datagrams)" -gt "$first" ]; then ok counted-by-the-slow-path; else
	fail counted-by-the-slow-path "$(pb memcached stats web)"
fi
match stats-have-the-slow-path 'SLOW PATH +.*answers_sent|answers ' pb memcached stats web

# ---- a second one, elsewhere in the key space ----
server 2 web
wait_is second-joins 'len(up) == 2'
for i in 1 2 3 4 5 6 7 8; do ask $VIP "set key$i 0 0 1\r\n$i\r\n"; done > "$SBX/log/sets"
eq all-stored 8 "$(grep -c STORED "$SBX/log/sets")"
wait_is both-asked 'all(x["keys"] > 20 for x in s["servers"])'

# ---- strangers stay outside ----
read -r real _ <<< "$(real_ports mc:11211)"
direct() { "$S" udp-send --timeout 500 "$@"; }
nomatch unmanaged-is-refused 'reply from' direct 127.0.0.1 "$real"
nomatch unmanaged-at-the-address-is-refused 'reply from' direct --bind 192.0.2.1:0 192.0.2.1 "$real"
nomatch outside-is-refused 'reply from' outside "$S" udp-send --timeout 500 192.0.2.1 "$real"

# ---- the agent restarts: same application, same ring; ----
before=$(show 's["epoch"], up')
ref() { pb apps -o json | json '[a["ref"] for a in d["apps"] if a["name"] == "~memcached-web"]'; }
was=$(ref)
port=$(show 's["source_port"]')
source=$(show 's["source"]')
kill_agent
# ... a stranger who takes one of its ports meanwhile is told apart
nomatch heir-of-the-port-is-refused 'reply from' direct --bind "$source:$port" 127.0.0.1 "$real"
start_agent
wait_is taken-up 's["state"] == "on" and len(up) == 2'
eq same-application "$was" "$(ref)"
eq same-ring "$before" "$(show 's["epoch"], up')"
match serves-again '^STORED' ask $VIP 'set again 0 0 1\r\n1\r\n'

# ---- policy changes, servers end ----
printf '[policy]\nrule = deny from grp=web to mc:11211/udp\n' >> "$CONF"
check deny pb reload
wait_is denied-leaves 'len(s["left_out"]) == 2 and "rule" in s["left_out"][0]["why"]'
sed -i '/policy/,$d' "$CONF"
check allow pb reload
wait_is allowed-comes-back 's["state"] == "on" and len(up) == 2' 60
app_stop mc-1
wait_is leaves-when-it-ends 'len(s["servers"]) == 1 and len(up) == 1'
match the-other-serves 'STORED' ask $VIP 'set last 0 0 1\r\n1\r\n'

# ---- gone without a trace ----
sources() { "$BPFTOOL" -j map dump pinned "$(find "$SBX/bpf" -name pb_udp_src)" | json 'len(d)'; }
BPFTOOL=$(command -v bpftool)
check ports-are-sources test "$(sources)" -ge 66
check remove pb memcached remove web
match no-application-stays '^\[\]$' ref
before=$(sources)
check no-source-stays test "$before" -lt 10
finish
