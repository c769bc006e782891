#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Programs of one host reach those of another by virtual address and name, and are known there.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_up 3
resolver 127.0.0.53
CLI=(--name cli --ip 10.9.40.9 --ip fd09:40::9 --tag grp=a)
nginx_at() { # HOST NAME
	local words
	nginx_conf "$2" 80 '[::]:80'
	read -ra words <<< "$(nginx_cmd "$2")"
	lab_run "$1" "$2" --name web --ip 10.9.40.1 --ip fd09:40::1 --tag grp=a -- "${words[@]}"
}
cli() { within 1 "${CLI[@]}" -- "$@"; }

# ---- one server, on another host ----
nginx_at 2 web2
up web web:80 2
match v4 '^web2$' cli curl -sS --max-time 5 http://10.9.40.1/
match v6 '^web2$' cli curl -sS --max-time 5 'http://[fd09:40::1]/'
match name '^web2$' cli curl -sS --max-time 5 http://web/
match mapped '^ok peer=\[::ffff:10.9.40.1\]:80 ' cli "$S" tcp-connect --mapped 10.9.40.1 80
match peername '^ok peer=10.9.40.1:80 sock=10.9.40.9:' cli "$S" tcp-connect 10.9.40.1 80
match peername6 '^ok peer=\[fd09:40::1\]:80 sock=\[fd09:40::9\]:' cli "$S" tcp-connect fd09:40::1 80
match client-address 'X-Client: 10\.9\.40\.9' cli curl -sSI --max-time 5 http://10.9.40.1/
match client-address6 'X-Client: fd09:40::9' cli curl -sSI --max-time 5 'http://[fd09:40::1]/'
match server-log '^10\.9\.40\.9 ' grep -m 1 '^10.9.40.9' "$SBX/nginx-web2/access"
match unnamed-client 'X-Client: 169\.254\.' within 1 --tag grp=a -- curl -sSI --max-time 5 http://10.9.40.1/
eq hundred 100 "$(cli sh -c 'for i in $(seq 100); do curl -sS --max-time 5 http://10.9.40.1/; done' | grep -c web2)"

# ---- bytes arrive ----
head -c 33554432 /dev/urandom > "$SBX/big"
lab_run 3 files --name files --tag grp=a -- "$PY" -m http.server --directory "$SBX" 80
up files files:80 1
eq big-file "$(sha256sum < "$SBX/big")" "$(cli curl -sS --max-time 60 http://files/big | sha256sum)"

# ---- local first ----
nginx_at 1 web1
up web-on-two web:80 4
forty() { within "$1" "${CLI[@]}" -- sh -c 'for i in $(seq 40); do curl -sS --max-time 5 http://10.9.40.1/; done'; }
eq local-first-1 'web1' "$(forty 1 | sort -u)"
eq local-first-2 'web2' "$(forty 2 | sort -u)"

# ---- and from elsewhere balanced ----
forty 3 > "$SBX/log/forty"
eq balanced-all 40 "$(wc -l < "$SBX/log/forty")"
for i in 1 2; do check "balanced-$i" log_has forty "^web$i" 5; done
app_stop web1
check local-gone wait_for 10 lab_all_have web:80 2
match then-remote '^web2$' cli curl -sS --max-time 5 http://10.9.40.1/

# ---- groups hold between hosts, at the client, with the errno ----
lab_serve 3 db --name db --ip 10.9.40.3 --tag grp=back -- "$S" tcp-serve -6 5432
up db db:5432 1
expect_errno group EACCES within 1 --name front --tag grp=a -- "$S" tcp-connect 10.9.40.3 5432
expect_errno group-name-only EACCES within 1 --tag other=x -- "$S" tcp-connect 10.9.40.3 5432
match group-in 'ok peer=10.9.40.3:5432' within 1 --tag grp=back -- "$S" tcp-connect 10.9.40.3 5432
expect_errno no-listener ECONNREFUSED cli "$S" tcp-connect 10.9.40.1 81
expect_errno no-address 'EHOSTUNREACH|ECONNREFUSED' cli "$S" tcp-connect 10.9.44.44 80
expect_errno unmanaged 'EHOSTUNREACH|ENETUNREACH|EACCES|EINVAL' on 1 "$S" tcp-connect 10.9.40.1 80

# ---- programs that hold connections ----
mkdir "$SBX/redis"
lab_run 2 cache --name cache --tag grp=a -- redis-server --dir "$SBX/redis" --save '' --protected-mode no
up redis cache:6379 1
match redis PONG cli redis-cli -h cache ping
cli sh -c "head -c 1000000 /dev/zero | tr '\\0' x | redis-cli -h cache -x set big" > /dev/null
eq redis-value 1000001 "$(cli redis-cli -h cache get big | wc -c)"
match redis-sees 'addr=10\.9\.40\.9:' cli redis-cli -h cache client list
lab_run 3 mem --name mem --ip 10.9.40.5 --tag grp=a -- memcached -u nobody -U 11211 -l 10.9.40.5
up memcached mem:11211 2
match memcached 'STORED.*VALUE k 0 1' cli sh -c "printf 'set k 0 0 1\r\nv\r\nget k\r\nquit\r\n' | nc -w 5 mem 11211"
match memcached-udp 'VALUE k 0 1' cli "$PY" -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
for _ in range(5):
    s.sendto(b"\0\1\0\0\0\1\0\0get k\r\n", ("10.9.40.5", 11211))
    try:
        data, source = s.recvfrom(2048)
        break
    except TimeoutError:
        pass
assert source == ("10.9.40.5", 11211), source
print(data[8:].decode())'
lab_run 2 nc --name nc --ip 10.9.40.6 --tag grp=a -- nc -l -k -v 10.9.40.6 90
up netcat nc:90 1
cli sh -c 'echo said | nc -N -w 5 10.9.40.6 90'
check netcat-got wait_for 5 log_has nc said

# ---- UDP: names on both sides ----
lab_serve 3 udp --name udp --ip 10.9.40.7 --ip fd09:40::7 --tag grp=a -- "$S" udp-serve -6 --for 300 53
up udp-known udp:53 1
udp_ask 5 10.9.40.7 53
match udp 'reply from=10.9.40.7:53 asked=yes' cli "${ASK[@]}"
udp_ask 5 fd09:40::7 53
match udp6 'reply from=\[fd09:40::7\]:53 asked=yes' cli "${ASK[@]}"
udp_ask 5 --connect 10.9.40.7 53
match udp-connected 'reply from=10.9.40.7:53 asked=yes' cli "${ASK[@]}"
finish
