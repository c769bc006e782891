#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Programs that are not managed, at the numbers of the resolver's ports on loopback, but at another address:
# they are reached as if nothing were there.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
ports=$(ss -Huan | awk '$4 ~ /^127\.0\.0\.1:/ { sub(/.*:/, "", $4); print $4 }' | sort -un)
n=$(wc -w <<< "$ports")
check there-are-such-ports [ "$n" -ge 8 ]
# listen ADDRESS, reach ADDRESS: how many of the ports could be had, and were reached, by UDP and TCP
cat > "$SBX/beside.py" << 'END'
import select, socket, sys
what, address, ports = sys.argv[1], sys.argv[2], [int(p) for p in sys.argv[3:]]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
if what == "listen":
    socks = []
    for port in ports:
        for kind in socket.SOCK_DGRAM, socket.SOCK_STREAM:
            s = socket.socket(family, kind)
            s.bind((address, port))
            socks.append(s)
            if kind == socket.SOCK_STREAM:
                s.listen(8)
    print("listening", flush=True)
    while True:
        for s in select.select(socks, [], [])[0]:
            if s.type == socket.SOCK_STREAM:
                s.accept()[0].close()
            else:
                s.sendto(b"there", s.recvfrom(100)[1])
got = {"udp": 0, "tcp": 0}
for port in ports:
    for kind, name in (socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp"):
        s = socket.socket(family, kind)
        s.settimeout(5)
        try:
            s.connect((address, port))
            if name == "udp":
                s.send(b"who")
                s.recv(100)
            got[name] += 1
        except OSError as e:
            print(name, port, e)
print("udp", got["udp"], "tcp", got["tcp"])
END
for at in 192.0.2.1 2001:db8::1; do
	# shellcheck disable=SC2086 # a list
	start_serve "beside-$at" "$PY" "$SBX/beside.py" listen $at $ports
	# shellcheck disable=SC2086
	match "all-are-reached-$at" "^udp $n tcp $n$" outside "$PY" "$SBX/beside.py" reach $at $ports
done
# those on loopback are the agent's still
port=${ports%%$'\n'*}
expect_errno resolver-is-guarded-udp ECONNREFUSED "$S" udp-send --connect 127.0.0.1 "$port"
expect_errno resolver-is-guarded-tcp ECONNREFUSED "$S" tcp-connect 127.0.0.1 "$port"
finish
