#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Address translation on the way between hosts: who comes by it is refused, unless both ends know of it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

# Host 1 goes through a translator: other address and other port for TCP, gossip as it is.
NAT='[cluster]
nat = 10.77.0.0/24, fd77::/64'
translate() {
	on 1 ip addr add 10.77.0.101/24 dev eth0 && on 1 ip addr add fd77::101/64 dev eth0 nodad || return 1
	on 1 nft -f - <<- 'END'
		table inet nat {
			chain post {
				type nat hook postrouting priority 100
				meta l4proto tcp th dport != 7956 ip daddr 10.77.0.0/24 snat ip to 10.77.0.101:20000-29999
				meta l4proto tcp th dport != 7956 ip6 daddr fd77::/64 snat ip6 to [fd77::101]:20000-29999
			}
		}
	END
}
restart() { # HOST [LINE]
	lab_agent_stop "$1"
	lab_config "$1" <<< "${2:-}"
	lab_agent "$1"
}
WEB4=10.9.48.1 WEB6=fd09:48::1
ask() { within 1 --name cli --ip 10.9.48.2 --ip fd09:48::2 --tag grp=a -- "$S" tcp-connect --timeout 10000 --send x "$1" 80; }
# refused NAME ADDRESS: and the reason is "mac"
refused() {
	local before
	before=$(reason mac)
	match "$1" 'errno=' ask "$2"
	if [ "$(reason mac)" -gt "$before" ]; then ok "$1-reason"; else
		fail "$1-reason" "$(pbn 2 events --last 5)"
	fi
}
reason() { pbn 2 status -o json | json 'd["reasons"].get("'"$1"'", 0)'; }

lab_up 3
lab_serve 2 web --name web --ip $WEB4 --ip $WEB6 --tag grp=a -- "$S" tcp-serve -6 --hello WEB 80
up web web:80 1
match direct 'reply=WEB' ask $WEB4

# ---- translated: nobody knows who that is ----
check translator translate
refused translated $WEB4
refused translated6 $WEB6

# ---- known at one end only: still nobody ----
restart 1 "$NAT"
check one-end-members wait_for 60 lab_all_see 3
up one-end-web web:80 1
refused one-end $WEB4

# ---- at both: the server sees who it is ----
restart 2 "$NAT"
check both-members wait_for 60 lab_all_see 3
up both-web web:80 1
match let-in 'reply=WEB' ask $WEB4
match let-in6 'reply=WEB' ask $WEB6
match server-sees '10\.9\.48\.2' cat "$SBX/log/web"
match server-sees6 'fd09:48::2' cat "$SBX/log/web"
nomatch server-sees-no-address '10\.77\.0|fd77' cat "$SBX/log/web"
for ((i = 0; i < 20; i++)); do ask $WEB4; done > "$SBX/log/many" 2>&1
eq each-time 20 "$(grep -c reply=WEB "$SBX/log/many")"
expect_errno no-right 'EACCES|ECONNREFUSED' within 1 --name other --tag grp=b -- "$S" tcp-connect $WEB4 80
# in the other direction nothing is translated: that is no harm
lab_serve 1 back --name back --ip 10.9.48.3 --tag grp=a -- "$S" tcp-serve -6 --hello BACK 81
up back back:81 1
match from-there 'reply=BACK' within 2 --tag grp=a -- "$S" tcp-connect --timeout 10000 --send x 10.9.48.3 81
# a third host that knows nothing of it is not touched
match third 'reply=WEB' within 3 --tag grp=a -- "$S" tcp-connect --timeout 10000 --send x $WEB4 80

# ---- what was recorded is of no use to another ----
real=$(pbn 2 endpoints -o json | json 'next(r for e in d["endpoints"] for r in e["real"]
	if e["port"] == 80 and e["app"] == "web").rsplit(":", 1)[1]')
cat > "$SBX/replay.py" << 'END'
# Waits for a SYN to that port on this host's way out, sends it again from another source: what comes back?
import random, socket, struct, sys
port = int(sys.argv[1])
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
tap.bind(("h2", 0))
tap.settimeout(20)
print("ready", flush=True)
def total(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
while True:
    f = tap.recv(2000)
    if f[12:14] != b"\x08\x00" or f[23] != 6:
        continue
    tcp = f[34:14 + struct.unpack("!H", f[16:18])[0]]
    if struct.unpack("!H", tcp[2:4])[0] == port and tcp[13] == 2:
        break
forge = len(sys.argv) > 2
def again(source, sport, change):
    t = bytearray(tcp)
    t[0:2] = struct.pack("!H", sport)
    if change:
        t[4:8] = struct.pack("!I", random.getrandbits(32))
    t[16:18] = b"\0\0"
    src, dst = socket.inet_aton(source), f[30:34]
    t[16:18] = struct.pack("!H", total(src + dst + struct.pack("!HH", 6, len(t)) + bytes(t)))
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 6)
    raw.bind((source, 0))
    raw.settimeout(5)
    for i in range(2): # the first one of a stranger is not answered
        raw.sendto(bytes(t), (socket.inet_ntoa(dst), 0))
        try:
            while True:
                p = raw.recv(2000)
                o = p[20:]
                if struct.unpack("!HH", o[:4]) == (port, sport):
                    return "reset" if o[13] & 4 else "accepted"
        except socket.timeout:
            pass
    return "silence"
print("replayed", again("10.77.0.254", 33333, False), flush=True)
print("forged", again("10.77.0.254", 33334, True), flush=True)
END
start replay lan "$PY" -u "$SBX/replay.py" "$real"
check recording wait_for 10 log_has replay '^ready'
match recorded 'reply=WEB' ask $WEB4
check replayed wait_for 30 log_has replay '^replayed (reset|silence)'
check forged wait_for 30 log_has replay '^forged (reset|silence)'

# ---- an agent that starts again knows it; switched off, it is over ----
restart 2 "$NAT"
match kept 'reply=WEB' ask $WEB4
restart 2
check off-members wait_for 60 lab_all_see 3
up off-web web:80 1
refused off $WEB4
finish
