#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The slow path of the memcached switch alone, in front of two real memcached: what it says is what one
# plain memcached says, byte for byte; a server that hangs; another table; a flood.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

ip link set lo up
PORT=21300 TWIN=21213
memcached_on() { start "memcached$2" memcached -u root -l "$1" -p "$2" -U "$2" -t "${3:-2}" -m 64; }
# ask PORT TEXT: one datagram there, the payload of the first one back
ask() {
	"$PY" -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.send(b"\0\x07\0\0\0\1\0\0" + sys.argv[2].encode().decode("unicode_escape").encode())
print(s.recv(2000)[8:].decode().strip())' "$@"
}
answers() { [[ $(ask "$1" 'version\r\n') = VERSION* ]]; }

memcached_on 127.0.0.1 21211
memcached_on 127.0.0.1 21212
memcached_on 127.0.0.1 $TWIN 1
start proxy "$BUILD/tests/mc_proxy" 127.0.0.1:$PORT 127.0.0.1:21211 127.0.0.1:21212
for p in 21211 21212 $TWIN $PORT; do
	wait_for 10 answers "$p" || die "port-$p-answers" "$(tail -n 1 "$SBX/log/proxy")"
done

compare() {
	local verdict name why cases=0
	while read -r verdict name why; do
		cases=$((cases + 1))
		if [ "$verdict" = ok ]; then ok "$1$name"; else fail "$1${name%:}" "$why"; fi
	done < <("$PY" "$TOP/tests/tools/mc_slow.py" "$2" "$3" "$4" 2>&1)
	eq "$1cases-were-tried" 26 $cases
}
compare '' 127.0.0.1 $PORT $TWIN

# both servers had their share
for p in 21211 21212; do
	n=$(printf 'stats\r\nquit\r\n' | nc -q 1 127.0.0.1 $p | tr -d '\r' |
		awk '/cmd_set/ { print $3 }')
	check "server-$p-had-writes" [ "${n:-0}" -gt 20 ]
done

# a server that hangs: its keys fail, with an error that clients know, those of the other one do not
kill -STOP "${PIDS[memcached21212]}"
half() { for k in {1..12}; do ask $PORT "set h$k 0 0 1\r\nx\r\n" & done; wait; }
both=$(half | sort | uniq -c)
match hanging-server-is-an-error 'SERVER_ERROR the server did not answer' echo "$both"
match the-other-one-goes-on 'STORED' echo "$both"
kill -CONT "${PIDS[memcached21212]}"
wait_for 10 answers 21212
match it-comes-back '^STORED' ask $PORT 'set h1 0 0 1\r\ny\r\nget h1\r\n'

# a server that is gone, of which the proxy hears by ICMP, and comes back; clients that are gone
app_stop memcached21212
match gone-server-is-an-error 'SERVER_ERROR the server did not answer' half
"$PY" -c 'import socket
for i in range(20):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("127.0.0.1", 21300))
    s.send(b"\0\7\0\0\0\1\0\0version\r\n")
    s.close()'
memcached_on 127.0.0.1 21212
wait_for 10 answers 21212
all_stored() { [ "$(half | sort | uniq -c | awk '{ print $1, $2 }')" = '12 STORED' ]; }
check it-is-asked-again wait_for 10 all_stored

# an error on its sockets is the end of neither (libuv stops to poll a descriptor that has one)
port_of_back() {
	ss -Huanp | awk -v p="pid=${PIDS[proxy]}," -v front=:$PORT \
		'index($0, p) && $4 !~ front "$" { sub(/.*:/, "", $4); print $4 }'
}
back=$(port_of_back)
for port in "$back" $PORT; do
	ss -Ku -a "sport = :$port" > "$SBX/log/ss" 2>&1
	check "socket-$port-was-destroyed" grep -q ":$port" "$SBX/log/ss"
	check "socket-$port-goes-on" wait_for 10 all_stored
done
eq back-keeps-its-port "$back" "$(port_of_back)"

# a flood of requests leaves the loop its time: a signal is heard
start flood timeout 20 "$PY" -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", 21300))
m = b"\0\x07\0\0\0\1\0\0" + b"mn\r\n" * 900 # dearer to read than to send
print("flooding", flush=True)
while True:
    try:
        s.send(m)
    except OSError:
        pass'
wait_for 10 log_has flood flooding
kill -USR1 "${PIDS[proxy]}"
check loop-lives-under-a-flood wait_for 10 log_has proxy 'table 1'
app_stop flood
wait_for 10 answers $PORT
match answers-with-another-table '^STORED' ask $PORT 'set h1 0 0 1\r\ny\r\n'

# IPv6
memcached_on ::1 21221
memcached_on ::1 21222
memcached_on ::1 21223 1
start proxy6 "$BUILD/tests/mc_proxy" '::1:21310' '::1:21221' '::1:21222'
wait_for 10 log_has proxy6 listening || die proxy6-starts "$(tail -n 1 "$SBX/log/proxy6")"
compare ipv6- ::1 21310 21223

# every write was begun, and all but the lost ones were seen to their end
app_stop proxy
step() { awk -v k="$1" -v n="${2:-}" '$1 == k && (n == "" || $2 == n) { print $NF }' "$SBX/log/proxy"; }
check writes-were-told [ "$(step step 0)" -gt 1000 ]
check no-more-ends-than-writes [ "$(step step 1)" -le "$(step step 0)" ]
check all-but-lost-ones-end [ $(($(step step 0) - $(step step 1))) -le "$(step timeouts)" ]
eq flushes-ended "$(step step 2)" "$(step step 3)"
eq replies-all-belonged 0 "$(step bad_reply)"
finish
