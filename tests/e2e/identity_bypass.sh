#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Ways round connect(): TCP Fast Open, AF_UNSPEC and a second connect, sendmsg on connected
# sockets, source options.  Each is decided like a plain connect().
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
echo 3 > /proc/sys/net/ipv4/tcp_fastopen
serve open --name a --ip 10.9.12.1 --ip fd09:12::1 --tag grp=t -- "$S" tcp-serve -6 80
serve shut --name b --ip 10.9.12.2 --ip fd09:12::2 --tag grp=other -- "$S" tcp-serve -6 80
serve ushut --name b --ip 10.9.12.2 --ip fd09:12::2 --tag grp=other -- "$S" udp-serve -6 53
serve uopen --name a --ip 10.9.12.1 --tag grp=t -- "$S" udp-serve -6 53
start_serve host "$S" tcp-serve -6 8000
c() { pb run --tag grp=t "$@"; }

# ---- TCP Fast Open ----
for how in --tfo --tfo-connect; do
	match "allowed$how" 'ok peer=10.9.12.1:80 .*reply=hello' c -- "$S" tcp-connect $how --send hello 10.9.12.1 80
	match "allowed6$how" 'ok peer=\[fd09:12::1\]:80 .*reply=hello' c -- "$S" tcp-connect $how --send hello fd09:12::1 80
	match "allowed-again$how" 'reply=hello' c -- "$S" tcp-connect $how --send hello 10.9.12.1 80
	expect_errno "refused$how" EACCES c -- "$S" tcp-connect $how 10.9.12.2 80
	expect_errno "refused6$how" EACCES c -- "$S" tcp-connect $how fd09:12::2 80
	expect_errno "refused-mapped$how" EACCES c -- "$S" tcp-connect $how --mapped 10.9.12.2 80
	expect_errno "local-deny$how" EACCES c --local deny -- "$S" tcp-connect $how 127.0.0.1 8000
	expect_errno "egress-none$how" EACCES c --egress none -- "$S" tcp-connect $how 192.0.2.2 80
	for port in $(real_ports b:80); do
		expect_errno "real-port$how" ECONNREFUSED "$S" tcp-connect $how 127.0.0.1 "$port"
	done
done
match udp-fastopen-flag 'EACCES|errno' c -- "$S" udp-send --fastopen 10.9.12.2 53

# ---- AF_UNSPEC and again ----
seq_of() { c "${opt[@]}" -- "$S" seq "$@"; }
opt=()
match unspec-then-refused 'connect=10.9.12.1:80 ok.*unspec ok.*connect=10.9.12.2:80 errno=EACCES' \
	seq_of tcp4 connect=10.9.12.1:80 unspec connect=10.9.12.2:80
match unspec-refused-then-allowed 'errno=EACCES.*connect=10.9.12.1:80 ok' seq_of tcp4 connect=10.9.12.2:80 unspec connect=10.9.12.1:80
match unspec-udp 'connect=10.9.12.1:53 ok.*connect=10.9.12.2:53 errno=EACCES' seq_of udp4 connect=10.9.12.1:53 unspec connect=10.9.12.2:53
match reconnect-udp 'connect=10.9.12.1:53 ok.*connect=10.9.12.2:53 errno=EACCES.*sendto=10.9.12.2:53 errno=EACCES' \
	seq_of udp4 connect=10.9.12.1:53 connect=10.9.12.2:53 sendto=10.9.12.2:53
match sendto-on-connected 'connect=10.9.12.1:53 ok.*sendto=10.9.12.2:53 errno=EACCES' seq_of udp4 connect=10.9.12.1:53 sendto=10.9.12.2:53
match unspec-then-send 'unspec ok.*send errno=EDESTADDRREQ' seq_of udp4 connect=10.9.12.1:53 unspec send
opt=(--egress none)
match unspec-outside 'connect=10.9.12.1:80 ok.*connect=192.0.2.2:80 errno=EACCES' seq_of tcp4 connect=10.9.12.1:80 unspec connect=192.0.2.2:80
opt=(--local deny)
match unspec-local 'connect=127.0.0.1:8000 errno=EACCES' seq_of tcp4 connect=10.9.12.1:80 unspec connect=127.0.0.1:8000
# bind() to AF_UNSPEC counts as the IPv4 wildcard; python spells it.
nomatch bind-unspec 'served' c -- "$PY" -c '
import ctypes, socket
libc = ctypes.CDLL(None, use_errno=True)
s = socket.socket()
addr = (0).to_bytes(2, "little") + (8000).to_bytes(2, "big") + bytes(12)
if libc.bind(s.fileno(), addr, 16) == 0 and s.getsockname()[1] == 8000: print("served")'

# ---- a fork, a thread, a changed user and a moved process keep the identity ----
match child-is-managed 'errno=EACCES' c -- sh -c "sh -c \"'$S' tcp-connect 10.9.12.2 80\""
match setsid-is-managed 'errno=EACCES' c -- setsid -w "$S" tcp-connect 10.9.12.2 80
match user-is-managed 'errno=EACCES' c --user nobody -- "$S" tcp-connect 10.9.12.2 80
match netns-is-managed 'errno=E(ACCES|HOSTUNREACH|NETUNREACH)' c -- unshare -n "$S" tcp-connect 10.9.12.2 80

# ---- IP_TRANSPARENT and IP_FREEBIND open no address of others ----
for o in transparent freebind; do
	match "$o" 'bind=\S+ errno=' pb run --name a --ip 10.9.12.1 --tag grp=t -- "$S" seq tcp4 $o bind=10.9.12.2:99
	match "$o-outside" 'bind=\S+ errno=' pb run --name a --ip 10.9.12.1 --tag grp=t -- "$S" seq tcp4 $o bind=198.51.100.7:99
done
eq nothing-got-through 0 "$(log_count shut '^accept')"
eq nothing-got-through-udp 0 "$(log_count ushut '^from')"
finish
