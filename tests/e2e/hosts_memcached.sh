#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A ring of servers on two nodes, out of the service table, in mode enforce: requests cross to the other
# node with and without the agent of the switch, which knows whose datagrams they are; others are
# refused there; servers join and leave by themselves.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

command -v memcached > /dev/null || die memcached-is-installed "tools/deps.sh installs it"
MCU=$BUILD/tests/mc_udp
VIP=10.77.0.9:11211 VIP6='[fd77::9]:11211'

# server N NAME: a memcached of the application mc on host N
server() {
	lab_run "$1" "$2" --name mc --ip 10.9.80.1 --ip fd09:80::1 --tag grp=web -- \
		memcached -u root -p 0 -U 11211 -t 1 -m 16
}
# show EXPR [SERVICE]: of the service, s; servers that have keys by whether they are on host 2
show() {
	pbn 1 memcached show "${2:-web}" --json 2> /dev/null | "$PY" -c 'import json,sys
s=json.load(sys.stdin)["services"][0]
up=[x["server"] for x in s["servers"] if x["state"] == "up" and x["keys"] > 0]
far=[x for x in up if x.startswith(("10.77.0.2", "[fd77::2"))]
print(eval(sys.argv[1]))' "$1"
}
is() { [ "$(show "$@")" = True ]; }
wait_is() {
	if wait_for 40 is "${@:2}"; then ok "$1"; else
		fail "$1" "$(pbn 1 memcached show "${3:-web}" 2>&1)"
	fi
}
ask() { lan "$MCU" ask "$@"; }
# stores NAME VIP: 40 keys, each is stored, and read again
stores() {
	local i
	for ((i = 0; i < 40; i++)); do
		ask "$2" "set $1-$i 0 0 1\r\n1\r\n" "get $1-$i\r\n"
	done > "$SBX/log/stores-$1" 2>&1
	eq "$1" '40 40' "$(grep -c STORED "$SBX/log/stores-$1") $(grep -c VALUE "$SBX/log/stores-$1")"
}
replies_far() { show 'sum(x["replies"] for x in s["servers"] if x["server"] in far)'; }
counted() { pbn 1 memcached stats web -o json | json "d['services'][0]['counters']['$1']"; }

PB_SLOW=${PB_SLOW:-3}
lab_up 2
on 1 ip addr add 10.77.0.9/32 dev lo
on 1 ip addr add fd77::9/128 dev lo nodad
# fd77::9 is in the network of eth0, and on lo
on 1 ip -6 neigh add proxy fd77::9 dev eth0
on 1 sysctl -qw net.ipv6.conf.eth0.proxy_ndp=1 net.ipv6.conf.all.forwarding=1 net.ipv4.ip_forward=1

# ---- the other node's server first ----
server 2 far
check far-is-known wait_for 30 lab_has 1 mc:11211 2 # one of each family
check add pbn 1 memcached add web --vip $VIP --backend service:mc --dev eth0 --tag grp=web
wait_is far-joins 's["state"] == "on" and len(far) == 1 and s["source"] == "10.77.0.1"'
match steered '^STORED.*VALUE k 0 3' \
	bash -c "nsenter --net=/run/netns/lan -- '$MCU' ask $VIP 'set k 0 0 3\r\nabc\r\n' 'get k\r\n' | tr -d '\r\n'"
stores far-only $VIP
check by-the-kernel test "$(replies_far)" -ge 80
eq what-the-other-node-says-is-no-reply 0 "$(counted reply-stray)"

# ---- one here, too ----
server 1 near
wait_is near-joins 'len(up) == 2 and len(far) == 1'
stores both $VIP
check add6 pbn 1 memcached add web6 --vip "$VIP6" --backend service:mc --dev eth0 --tag grp=web
wait_is both6 'len(up) == 2 and len(far) == 1' web6
stores v6 "$VIP6"

# ---- others are refused there ----
real=$(show 'far[0].rsplit(":", 1)[1]')
direct() { "$S" udp-send --timeout 500 "$@"; }
nomatch stranger-is-refused 'reply from' lan "$S" udp-send --timeout 500 10.77.0.2 "$real"
nomatch unmanaged-of-the-switchs-node-is-refused 'reply from' \
	on 1 "$S" udp-send --timeout 500 10.77.0.2 "$real"

# ---- without the agent of the switch ----
port=$(show 's["source_port"]')
lab_agent_stop 1 KILL
app_kill near # nobody answers for this host's own ones: the slow path is the agent's
: > "$SBX/log/alone"
for ((i = 0; i < 40; i++)); do ask $VIP "get far-only-$i\r\n" >> "$SBX/log/alone" 2>&1; done
check served-without-an-agent test "$(grep -cE 'VALUE|END' "$SBX/log/alone")" -ge 5
nomatch heir-of-the-port-is-refused 'reply from' \
	on 1 "$S" udp-send --timeout 500 --bind "10.77.0.1:$((port + 63))" 10.77.0.2 "$real"
lab_agent 1
wait_is taken-up 's["state"] == "on" and len(s["servers"]) == 1 and len(far) == 1'
stores again $VIP

# ---- tags that the other node does not like ----
check wrong-tags pbn 1 memcached set web tags=grp=other
wait_is wrong-tags-no-right '"share no grp tag" in (s["why"] or "")'
check right-tags pbn 1 memcached set web tags=grp=web
wait_is right-again 's["state"] == "on" and len(far) == 1'
refute xdp-is-refused is 's["devices"][0]["xdp"]'
match xdp-said-why 'XDP does not say whose' pbn 1 memcached show web

# ---- it leaves when it ends ----
server 2 second
wait_is second-joins 'len(far) == 2'
app_stop far
wait_is leaves 'len(far) == 1 and len(s["servers"]) == 1'
stores last $VIP
finish
