#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Memcached services by the command line and by services.d: made, changed, drained, removed; all or
# nothing; what a restart keeps; whether a client's ring is the switch's.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

command -v memcached > /dev/null || die memcached-is-installed "tools/deps.sh installs it"
A=192.0.2.1:12001 B=192.0.2.1:12002 C=192.0.2.1:12003
VIP=192.0.2.9:11211
STATE=$SBX/state/memcached.json
mkdir "$SBX/services.d"
printf '[cluster]\nstate-dir = %s\n' "$SBX/state" | config

# server PORT
server() { start "mc-$1" memcached -u nobody -l 192.0.2.1 -p "$1" -U "$1" -m 16; }
# show EXPR: of the first service, s; a: its servers by address
show() {
	pb memcached show --json | "$PY" -c 'import json,sys
d=json.load(sys.stdin)["services"]; s=d[0] if d else None
a={x["server"]: x for x in s["servers"]} if s else {}
print(eval(sys.argv[1]))' "$1"
}
is() { [ "$(show "$1")" = True ]; }
wait_is() { if wait_for 60 is "$2"; then ok "$1"; else fail "$1" "$(pb memcached show)"; fi; }
shows() { if is "$2"; then ok "$1"; else fail "$1" "$(pb memcached show)"; fi; }
addrs() { "$BPFTOOL" -j map dump pinned "$(find "$SBX/bpf" -name pb_mc_addrs)" | json 'len(d)'; }
BPFTOOL=$(command -v bpftool)
add() { pb memcached add web --vip "$VIP" --backend "$A" --backend "$B*2" --dev host0 "$@"; }

service() { printf '{"name":"%s","vip":"%s","backends":["%s"],"devices":["host0"]}' "$@"; }

for port in 12001 12002 12003; do server $port; done
start_agent

# ---- what is refused says where ----
expect_rc no-vip 2 pb memcached add web --backend "$A" --dev host0
match no-vip-said 'vip: is missing' echo "$REPLY"
match no-backend 'backends: is missing' pb memcached add web --vip "$VIP" --dev host0
match no-device 'devices: is missing' pb memcached add web --vip "$VIP" --backend "$A"
match bad-weight 'weight is a number' pb memcached add web --vip "$VIP" --dev lo --backend "$A*0"
match bad-cache 'cache: must be a size' add --cache big
match bad-device 'there is no device nodev' pb memcached add web --vip "$VIP" --backend "$A" \
	--dev nodev
match bad-action "'memcached frobnicate' is unknown" pb memcached frobnicate
expect_rc option-of-another 2 pb memcached show --vip "$VIP"
expect_rc show-unknown 1 pb memcached show nosuch
expect_rc remove-unknown 1 pb memcached remove nosuch
match nothing-left 'no memcached services' pb memcached

# ---- reload answers when the programs of a first service are loaded, or says what is wrong ----
service first 192.0.2.9:11219 "$A" > "$SBX/services.d/first.json"
match reload-first '\+ memcached first vip' pb reload
shows reload-waits-for-the-programs 's["state"] == "on"'
service first 192.0.2.9:11219 "$A" | sed 's/host0/nodev/' > "$SBX/services.d/first.json"
expect_rc reload-partly 5 pb reload
match reload-partly-said '! memcached first there is no device nodev' echo "$REPLY"
rm "$SBX/services.d/first.json"
check reload-first-goes pb reload

# ---- add, show, set ----
check add add
match show "web at $VIP, from added" pb memcached show web
match show-servers "$A .* up .*33.3%" pb memcached show web
shows weights 'abs(a["'$B'"]["keys"] - 66.7) < 1'
shows attached 's["devices"][0]["tc"] and s["devices"][0]["why"] != ""'
shows allowed 's["allow"] == ["192.0.2.0/24"]'
eq addresses-in-the-kernel 65 "$(addrs)"
refute ports-are-taken "$PY" -c 'import socket,sys
socket.socket(socket.AF_INET,socket.SOCK_DGRAM).bind(("192.0.2.1",int(sys.argv[1])))' \
	"$(show 's["source_port"]')"
expect_rc add-twice 1 add
match add-twice-said 'service web has the same' echo "$REPLY"
match stats-have-the-slow-path 'SLOW PATH' pb memcached stats web
eq all-of-its-counters "$(sed -n '/define PXY_COUNTERS/,/^$/s/.*X(\([a-z_]*\),.*/\1/p' \
	"$TOP/control/memcached/proxy.h" | grep -c .)" \
	"$(pb memcached stats web -o json | json 'sum(not k.startswith("now_") for k in d["services"][0]["slow"])')"
match status 'memcached +1 service.*2 servers' pb status
match set-prints-a-diff '^- memcached web admit 2.*\+ memcached web admit 9' \
	bash -c "'$PB' memcached set web admit=9 | tr '\n' ' '"
match set-nothing 'nothing changed' pb memcached set web admit=9
match set-unknown 'colour: there is no such key' pb memcached set web colour=red
match set-name 'keeps its name' pb memcached set web name=other
shows set-wrong-changes-nothing 's["config"]["admit"] == 9'

# ---- the cache is off until somebody takes the risk ----
check cache-asked pb memcached set web cache=4M
match cache-says-why 'cache +off: writers may reach' pb memcached show web
check cache-accepted pb memcached set web cache_unsafe_ttl=50
shows cache-on 's["cache"]["on"] and s["cache"]["max_age"] == 50'
check log-says-why log_has agent 'memcached web: the cache is off: writers may reach'
match events-say-why 'memcached-writers' pb events --last 50

# ---- a server goes, and comes back empty ----
"$PY" -c 'import socket
s=socket.create_connection(("192.0.2.1",12002)); s.sendall(b"set old 0 0 1\r\nx\r\n"); s.recv(99)'
kill -STOP "${PIDS[mc-12002]}"
wait_is down 'a["'$B'"]["state"] == "down" and a["'$A'"]["keys"] == 100'
kill -CONT "${PIDS[mc-12002]}"
wait_is back 'a["'$B'"]["state"] == "up" and a["'$B'"]["keys"] > 60'
match came-back-empty '^END' "$PY" -c 'import socket
s=socket.create_connection(("192.0.2.1",12002)); s.sendall(b"get old\r\n"); print(s.recv(99).decode())'

# ---- drained, and not ----
check drain pb memcached drain web "$A"
shows drained 'a["'$A'"]["state"] == "drained" and a["'$A'"]["keys"] == 0'
check undrain pb memcached drain web "$A" --undo
wait_is undrained 'a["'$A'"]["state"] == "up" and a["'$A'"]["keys"] > 30'

# ---- another server joins empty, and one goes ----
check join pb memcached set web "backends=$A,$B*2,$C"
shows joins-later 'a["'$C'"]["keys"] == 0'
wait_is joined 'a["'$C'"]["keys"] > 20'
check leave pb memcached set web "backends=$A,$B*2"
wait_is left 'len(a) == 2 and abs(a["'$A'"]["keys"] - 33.3) < 1'

# ---- restart: all is as it was ----
before=$(show 's["epoch"], s["source_port"], s["cache"]["values"], s["config"]')
kill_agent
start_agent
wait_is taken-up 's["state"] == "on"'
eq restart-keeps "$before" "$(show 's["epoch"], s["source_port"], s["cache"]["values"], s["config"]')"
eq state-is-roots 600 "$(stat -c %a "$STATE")"

# ---- services.d: all or nothing ----
service files 192.0.2.9:11212 "$C" > "$SBX/services.d/a.json"
match reload-adds '\+ memcached files vip 192.0.2.9:11212' pb reload
match from-file 'files at 192.0.2.9:11212, from services.d' pb memcached show files
match reload-again 'nothing changed' pb reload
expect_rc file-is-changed-there 3 pb memcached remove files
service third 192.0.2.9:11213 "$C" > "$SBX/services.d/b.json"
echo '{"name":"fourth"}' > "$SBX/services.d/c.json"
expect_rc reload-wrong 2 pb reload
match reload-wrong-said 'c.json: vip: is missing' echo "$REPLY"
nomatch reload-wrong-changes-nothing third pb memcached
service web 192.0.2.9:11214 "$C" > "$SBX/services.d/c.json"
refute reload-clash pb reload
match reload-clash-said 'added by hand' echo "$REPLY"
rm "$SBX/services.d/c.json" "$SBX/services.d/a.json"
match reload-swaps '- memcached files vip.*\+ memcached third vip' \
	bash -c "'$PB' reload | tr '\n' ' '"
service third 192.0.2.9:11213 "$B" > "$SBX/services.d/b.json"
match reload-changes '- memcached third backends .*\+ memcached third backends' \
	bash -c "'$PB' reload | tr '\n' ' '"
printf '{' > "$SBX/services.d/b.json"
expect_rc check-config 2 "$BUILD/patchbayd" --config "$CONF" --check-config
expect_rc config-check 1 pb config check "$CONF"
rm "$SBX/services.d/b.json"
check reload-removes pb reload

# ---- verify-ring ----
"$PY" - "$SBX/dump" << 'END'
# the continuum as libketama and twemproxy make it; fnv1a of 32 bits with their 64-bit seed cut
import bisect, hashlib, struct, sys
servers = ["192.0.2.1:12001", "192.0.2.1:12002", "192.0.2.1:12003"]
points = sorted((v, s) for s in servers for i in range(40)
	for v in struct.unpack("<4I", hashlib.md5(("%s-%d" % (s, i)).encode()).digest()))
values = [v for v, s in points]
def fnv1a(key):
	h = 0x84222325
	for c in key.encode(): h = ((h ^ c) * 0x1b3) & 0xffffffff
	return h
with open(sys.argv[1], "w") as f:
	for i in range(5000):
		key = "key:%d" % i
		print(key, points[bisect.bisect_left(values, fnv1a(key)) % len(points)][1], file=f)
END
check ring-service pb memcached add ring --vip 192.0.2.9:11215 --backend "$A" --backend "$B" \
	--backend "$C" --dev host0 --hash ketama
expect_rc ring-agrees 0 pb memcached verify-ring ring "$SBX/dump"
match ring-agrees-said '5000 of 5000 keys agree' echo "$REPLY"
sed -i '7s/ .*/ 192.0.2.1:1/' "$SBX/dump"
expect_rc ring-differs 1 pb memcached verify-ring ring "$SBX/dump"
match ring-differs-said 'key:6: the file says 192.0.2.1:1, the ring' echo "$REPLY"
expect_rc ring-no-file 1 pb memcached verify-ring ring "$SBX/none"

# ---- gone without a trace ----
check remove-ring pb memcached remove ring
check remove pb memcached remove web
eq no-address-stays 0 "$(addrs)"
match gone 'no memcached services' pb memcached show
finish
