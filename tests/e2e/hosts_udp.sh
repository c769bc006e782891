#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Datagrams between hosts: the server knows who sends, from the first one on; all sizes; strangers and
# programs without the right are refused; a client whose server is gone is told.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_up 2
SRV=(--name srv --ip 10.9.90.1 --ip fd09:90::1 --tag grp=t)
CLI=(--name cli --ip 10.9.90.2 --ip fd09:90::2 --tag grp=t)
knows() { [ "$(pbn "$1" endpoints "$2:$3" -o json 2> /dev/null | json 'len(d["endpoints"])')" = 1 ]; }
# Each is a new instance of the application; what it sends while the news of it are on their way is
# lost, and nobody but the program repeats it.
udp() {
	local out
	for _ in 1 2 3; do
		out=$(within 2 "${CLI[@]}" -- "$S" udp-send "$@" 2>&1) && break
		echo "$*: $out" >> "$SBX/log/again"
	done
	echo "$out"
}
: > "$SBX/log/again"

lab_serve 1 four "${SRV[@]}" -- "$S" udp-serve --for 300 53
lab_serve 1 dual "${SRV[@]}" -- "$S" udp-serve -6 --for 300 54
for port in 53 54; do check "known-$port" wait_for 10 knows 2 srv $port; done

# ---- who is who, for each way to send ----
seen() { tail -n 1 "$SBX/log/$1"; }
for how in "" --connect --sendmmsg "--connect --sendmmsg"; do
	# shellcheck disable=SC2086 # options
	while read -r name server from to; do
		match "reply-$name${how// /}" '^sent .*reply from=\S+ asked=yes data=ping$' udp $how $to
		match "sees-$name${how// /}" "from=$from" seen "$server"
	done <<-'END'
		v4 four 10\.9\.90\.2: 10.9.90.1 53
		v6 dual \[fd09:90::2\]: fd09:90::1 54
		mapped dual \[::ffff:10\.9\.90\.2\]: --mapped 10.9.90.1 54
	END
done
match many 'reply from=10.9.90.1:53' udp --count 20 10.9.90.1 53
eq many-all 20 "$(grep -c 'asked=yes' <<< "$REPLY")"
match bound 'asked=yes' udp --bind 10.9.90.2:7000 10.9.90.1 53
match bound-sees 'from=10.9.90.2:7000 ' seen four
nomatch nobody-sees-a-hello 'len=32 ' cat "$SBX/log/four" "$SBX/log/dual"

# ---- large ones: fragments from the first one on ----
lab_serve 1 large "${SRV[@]}" -- "$PY" -u -c '
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 55))
print("listening")
while True:
    d, a = s.recvfrom(65536)
    print("got", len(d), a[0])
    s.sendto(d, a)'
check known-55 wait_for 10 knows 2 srv 55
echo_client='
import socket, sys
host, size = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
data = bytes(i * 7 & 255 for i in range(size))
s.sendto(data, (host, 55))
print("same" if s.recvfrom(65536)[0] == data else "different")'
for size in 1472 1473 9000 60000; do
	for host in 10.9.90.1 fd09:90::1; do
		match "size-$size-$host" '^same$' within 2 "${CLI[@]}" -- "$PY" -c "$echo_client" $host $size
	done
done
nomatch large-sees-names 'got [0-9]+ (::ffff:10\.77|fd77)' cat "$SBX/log/large"

# ---- refused ----
expect_errno no-group EACCES within 2 --name x --ip 10.9.90.9 --tag grp=other -- "$S" udp-send 10.9.90.1 53
before=$(log_count four '^from=')
real=$(pbn 1 endpoints -o json | json 'next(r for e in d["endpoints"] for r in e["real"]
	if e["port"] == 53 and e["app"] == "srv").rsplit(":", 1)[1]')
match unmanaged-here 'errno=' on 2 "$S" udp-send --connect --timeout 1000 10.77.0.1 "$real"
match stranger 'errno=' lan "$S" udp-send --connect --timeout 1000 10.77.0.1 "$real"
eq nothing-came "$before" "$(log_count four '^from=')"
match still 'asked=yes' udp 10.9.90.1 53

# ---- one private host, one loopback ----
LOOP=(--name loop --ip 10.9.90.5 --tag grp=t)
lab_serve 1 lo "${LOOP[@]}" -- "$S" udp-serve --for 300 --bind 127.0.0.1 56
loop() { within 2 "${LOOP[@]}" -- "$S" udp-send 127.0.0.1 56 | grep '^reply from=127.0.0.1:56 asked=yes'; }
check loopback wait_for 10 loop

# ---- a server that connect()s its socket to its client is withdrawn, and talks on ----
lab_serve 1 back "${SRV[@]}" -- "$PY" -u -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 57))
print("listening")
d, a = s.recvfrom(100)
s.connect(a)
s.send(b"one")
for i in range(15):
    time.sleep(0.2)
    s.send(b"%d" % i)
print("connected to", a[0])
time.sleep(60)'
check known-57 wait_for 10 knows 2 srv 57
lab_run 2 b "${CLI[@]}" -- "$PY" -u "$TOP/tests/tools/udp_client.py" 10.9.90.1 57
check connected-server-talks wait_for 20 log_has b '^got 14$'
match connected-server-names 'connected to 10.9.90.2' cat "$SBX/log/back"
app_kill back
check connected-server-gone wait_for 20 log_has b '^error ECONNABORTED'

# ---- the end of a server ----
lab_run 2 c "${CLI[@]}" -- "$PY" -u "$TOP/tests/tools/udp_client.py" 10.9.90.1 53
check c-ready wait_for 10 log_has c '^ready'
since=$EPOCHREALTIME
app_kill four
check server-killed wait_for 20 log_has c '^error ECONNABORTED'
"$PY" -c 'import sys; print("# told after %.0f ms" % ((float(sys.argv[2]) - float(sys.argv[1])) * 1e3))' \
	"$since" "$(sed -n 's/^error ECONNABORTED //p' "$SBX/log/c")"

# ---- agents that are away change nothing: known flows go on, new ones begin ----
lab_run 2 pump "${CLI[@]}" -- "$PY" -u -c '
import socket, time
while True:
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.settimeout(5)
    try:
        s.sendto(b"x", ("fd09:90::1", 54))
        print("answer", s.recvfrom(100)[1][0])
    except OSError as e:
        print("error", e)'
check pump wait_for 10 log_has pump '^answer fd09:90::1$' 20
kill -STOP "${LAB_AGENT[1]}" "${LAB_AGENT[2]}"
check agents-away wait_for 10 log_has pump '^answer fd09:90::1$' $(($(log_count pump '^answer') + 200))
kill -CONT "${LAB_AGENT[1]}" "${LAB_AGENT[2]}"
eq no-error 0 "$(log_count pump '^error')"
echo "# sent again: $(log_count again .)"
finish
