#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# DNS: names inside are answered for managed programs whatever resolv.conf says, everything else
# by the program's own resolver, and the answer comes from the address that was asked.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
dns_up 127.0.0.53 192.0.2.2
resolver 127.0.0.53
serve web --name web --ip 10.9.14.1 --ip fd09:14::1 --tag grp=t -- "$S" tcp-serve -6 80
run_app four --name four --ip 10.9.14.2 --tag grp=t -- "$PY" -m http.server 80
check four-up wait_for 10 has_endpoints four:80 1
within() { pb run --tag grp=t -- "$@"; }
ask() { within dig +time=2 +tries=1 "$@"; }

# ---- what is answered inside; both transports, both resolvers ----
for server in 127.0.0.53 192.0.2.2; do
	for tcp in "" +tcp; do
		n=$server$tcp
		eq "A-$n" 10.9.14.1 "$(ask $tcp +short "@$server" web A)"
		eq "AAAA-$n" fd09:14::1 "$(ask $tcp +short "@$server" web AAAA)"
		match "from-asked-$n" "SERVER: ${server//./\\.}#53" ask $tcp "@$server" web A
		eq "outside-$n" 198.51.100.9 "$(ask $tcp +short "@$server" www.example.test A)"
		match "outside-from-asked-$n" "SERVER: ${server//./\\.}#53" ask $tcp "@$server" www.example.test A
		match "nxdomain-$n" 'status: NXDOMAIN' ask $tcp "@$server" nowhere.example.test A
	done
done
match nodata 'status: NOERROR.*ANSWER: 0' ask @127.0.0.53 four AAAA
match nodata-mx 'status: NOERROR.*ANSWER: 0' ask @127.0.0.53 web MX
match ptr 'web\.' ask +short @127.0.0.53 -x 10.9.14.1
match ptr6 'web\.' ask +short @127.0.0.53 -x fd09:14::1
match srv '[0-9]+ [0-9]+ 80 web' ask +short @127.0.0.53 _http._tcp.web SRV
match edns 'EDNS: version: 0.*10\.9\.14\.1' ask +edns=0 +bufsize=1232 @127.0.0.53 web A
match no-edns '10\.9\.14\.1' ask +noedns @127.0.0.53 web A
nomatch no-edns-no-opt 'EDNS: version' echo "$REPLY"
match edns-version 'BADVERS' ask +edns=1 +noednsnegotiation @127.0.0.53 web A
match case-is-kept 'WeB\.' ask @127.0.0.53 WeB A
match any-case-answers '10\.9\.14\.1' echo "$REPLY"
match short-ttl 'web\.[[:space:]]+[0-9]{1,2}[[:space:]]+IN' ask +noall +answer @127.0.0.53 web A

# ---- through libc and real programs ----
match getent '10\.9\.14\.2 .*four' within getent ahostsv4 four
match getent-hosts 'fd09:14::1|10\.9\.14\.1' within getent hosts web
match getent-reverse 'web' within getent hosts 10.9.14.1
match getent-outside '198\.51\.100\.9' within getent ahostsv4 www.example.test
match curl 'Directory listing' within curl -sS --max-time 5 http://four/
match python "10\\.9\\.14\\.2" within "$PY" -c 'import socket; print(socket.gethostbyname("four"))'
match node '10\.9\.14\.2' within node -e 'require("dns").resolve4("four",(e,a)=>console.log(e||a[0]))'
resolver 192.0.2.2
match other-resolver '10\.9\.14\.2' within getent ahostsv4 four
match other-resolver-outside '198\.51\.100\.9' within getent ahostsv4 www.example.test
resolver 127.0.0.53 192.0.2.2
match two-resolvers '10\.9\.14\.2' within getent ahostsv4 four
# One socket asks both and drops what comes from elsewhere, as musl does.
match musl-like '^both$' within "$PY" -c '
import socket, struct
query = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\3web\0" + struct.pack("!HH", 1, 1)
asked = {("127.0.0.53", 53), ("192.0.2.2", 53)}
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
for server in asked: s.sendto(query, server)
got = {s.recvfrom(512)[1] for _ in asked}
print("both" if got == asked else got)'

# ---- other programs see no names of the inside; the outside is not asked for them ----
nomatch leak '(^|[^.])web' cat "$SBX/log/dns-127.0.0.53"
nomatch unmanaged '10\.9\.14\.1' dig +time=2 +tries=1 @127.0.0.53 web A

# ---- the agent's own port is for managed programs only ----
for port in $(bpftool -j map dump pinned "$SBX/bpf/patchbay/v1/pb_resolvers" | json \
	'" ".join(str(int.from_bytes(e["formatted"]["value"]["agent_port"].to_bytes(2, "little"), "big")) for e in d if e["formatted"]["value"]["agent_port"])'); do
	expect_errno agent-port-udp ECONNREFUSED "$S" udp-send --connect 127.0.0.1 "$port"
	expect_errno agent-port-tcp ECONNREFUSED "$S" tcp-connect 127.0.0.1 "$port"
	expect_errno agent-port-veth 'ECONNREFUSED' outside "$S" tcp-connect 192.0.2.1 "$port"
	agent_port=$port
done
match agent-port-known '^[1-9][0-9]*$' echo "${agent_port:-none}"

# ---- a service in a scope that went is not answered any more ----
app_stop four
app_stop web
gone_name() { [ -z "$(ask +short @127.0.0.53 four A)" ]; }
check gone wait_for 5 gone_name
eq counters True "$(pb status -o json | json 'd["dns"]["inside"] > 0 and d["dns"]["forwarded"] > 0')"
finish
