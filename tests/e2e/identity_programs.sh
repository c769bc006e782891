#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Unmodified programs of everyday: nginx, redis, memcached, python, node, netcat, curl.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
dns_up 127.0.0.53
resolver 127.0.0.53
within() { timeout 20 "$PB" run --tag grp=front --tag grp=back -- "$@"; }
up() { check "$1-up" wait_for 15 has_endpoints "$2" "${3:-1}"; }

# ---- nginx twice on one address and port ----
for i in 1 2; do
	nginx_conf "web$i" 10.9.20.1:80 '[fd09:20::1]:80'
	read -ra nginx <<< "$(nginx_cmd "web$i")"
	run_app "web$i" --name web --ip 10.9.20.1 --ip fd09:20::1 --tag grp=front -- "${nginx[@]}"
done
wait_for 15 sh -c "[ \$('$PB' endpoints web:80 -o json | grep -o '\"id\"' | wc -l) -ge 2 ]"
match nginx-by-address '^web[12]$' within curl -sS --max-time 5 http://10.9.20.1/
match nginx-by-name '^web[12]$' within curl -sS --max-time 5 http://web/
match nginx-by-v6 '^web[12]$' within curl -sS --max-time 5 'http://[fd09:20::1]/'
match nginx-client-address 'X-Client: 169\.254\.' within curl -sSI --max-time 5 -4 http://web/
within sh -c 'for i in $(seq 40); do curl -sS --max-time 5 http://10.9.20.1/; done' > "$SBX/log/forty"
eq nginx-forty 40 "$(wc -l < "$SBX/log/forty")"
for i in 1 2; do check "nginx-both-$i" log_has forty "web$i" 5; done
refute nginx-forbidden pb run --tag grp=none -- curl -sS --max-time 5 http://10.9.20.1/
match nginx-forbidden-at-once 'refused|denied|[Cc]onnect|ermission' echo "$REPLY"
app_stop web1
match nginx-one-left '^web2$' within sh -c 'for i in $(seq 20); do curl -sS --max-time 5 http://10.9.20.1/; done | sort -u'
app_stop web2 QUIT
eq nginx-quit 0 $?

# ---- redis, with an address from the pool, loopback and wildcard ----
mkdir "$SBX/redis"
run_app cache --name cache --tag grp=back -- redis-server --dir "$SBX/redis" --save '' --protected-mode no
up redis cache:6379
match redis-by-name PONG within redis-cli -h cache ping
match redis-pool-address '"name":"cache".*"ips":\["10\.9\.' pb apps -o json
within redis-cli -h cache set k v > /dev/null
eq redis-value v "$(within redis-cli -h cache get k)"
match redis-sees-client 'addr=169\.254\.' within redis-cli -h cache client list
match redis-own-loopback PONG pb run --name cache --tag grp=back -- redis-cli ping
refute redis-not-on-others-loopback within timeout 5 redis-cli ping
refute redis-not-unmanaged timeout 5 redis-cli ping
refute redis-forbidden pb run --tag grp=front -- timeout 5 redis-cli -h cache ping
app_stop cache

# ---- memcached over TCP and UDP ----
run_app mem --name mem --ip 10.9.20.3 --tag grp=back -- memcached -u nobody -U 11211 -l 10.9.20.3
up memcached mem:11211 2
match memcached-tcp 'STORED.*VALUE k 0 1' within sh -c "printf 'set k 0 0 1\r\nv\r\nget k\r\nquit\r\n' | nc -w 5 mem 11211"
match memcached-udp 'VALUE k 0 1' within "$PY" -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(b"\0\1\0\0\0\1\0\0get k\r\n", ("10.9.20.3", 11211))
data, source = s.recvfrom(2048)
assert source == ("10.9.20.3", 11211), source
print(data[8:].decode())'
app_stop mem

# ---- python, node, netcat as servers ----
run_app py --name py --ip 10.9.20.4 --tag grp=back -- "$PY" -m http.server --directory "$SBX/redis" 80
up python py:80
match python-serves 'Directory listing' within curl -sS --max-time 5 http://py/
match python-sees-client '^169\.254\.' grep -m 1 GET "$SBX/log/py"
run_app node --name node --ip 10.9.20.5 --ip fd09:20::5 --tag grp=back -- node -e '
require("http").createServer((q, r) => r.end("node sees " + q.socket.remoteAddress + "\n")).listen(80)'
up node node:80
match node-serves 'node sees ::ffff:169\.254\.' within curl -sS --max-time 5 http://10.9.20.5/
match node-serves-v6 'node sees fe80:' within curl -sS --max-time 5 'http://[fd09:20::5]/'
match node-client 'node sees' within node -e 'require("http").get("http://node/", r => r.pipe(process.stdout))'
run_app nc --name nc --ip 10.9.20.6 --tag grp=back -- nc -l -k -v 10.9.20.6 90
up netcat nc:90
match netcat-talks 'said' sh -c "echo said | '$PB' run --tag grp=back -- nc -N -w 5 10.9.20.6 90; cat '$SBX/log/nc'"
check netcat-got wait_for 5 log_has nc said

# ---- one program, a client and a server, by loopback ----
match pair 'Directory listing' pb run --name pair --tag grp=back -- sh -c "
	'$PY' -m http.server --bind 127.0.0.1 8080 2> /dev/null &
	i=0; until curl -sS --max-time 2 http://127.0.0.1:8080/ 2> /dev/null; do i=\$((i + 1)); [ \$i -lt 200 ] || exit 1; done
	kill \$!"
finish
