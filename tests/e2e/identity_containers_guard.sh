#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# node-address opens nothing: real ports refuse whoever was not admitted, from whatever namespace,
# and an admission is good for its own client only, also where somebody else has its address.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Another namespace with the address of c1; the machine's answers all go to c1.
twin_up() {
	ip netns add twin && ip link add t0 type veth peer name eth0 netns twin || return 1
	ip link set t0 up && ip addr add 172.29.99.1/24 dev t0 || return 1
	in_ns twin ip addr add 172.29.1.2/32 dev eth0 || return 1
	in_ns twin ip addr add 2001:db8:1::2/128 dev eth0 nodad || return 1
	in_ns twin ip link set lo up && in_ns twin ip link set eth0 up || return 1
	in_ns twin ip route add default dev eth0 && in_ns twin ip -6 route add default dev eth0
}
check container container c1 1
check twin twin_up
printf '[agent]\npool6 = fd09::/16\nnode-address = 192.0.2.1, 2001:db8::1\n' | config
start_agent
A=(--name a --ip 10.9.13.1 --ip fd09:13::1 --tag grp=t)
serve srv "${A[@]}" -- "$S" tcp-serve -6 80
serve lo "${A[@]}" -- "$S" tcp-serve --bind 127.0.0.1 82
serve usrv "${A[@]}" -- "$S" udp-serve -6 53
B=(--name b --ip 10.9.13.2 --ip fd09:13::2 --tag grp=t)
V=(--name victim --ip 10.9.13.7 --ip fd09:13::7 --tag grp=t)
in_c1() { pb run "${B[@]}" -- nsenter --net=/run/netns/c1 -- "$S" "$@"; }
last() { tail -n 1 "$SBX/log/$1"; }
one_port() { in_ns "$1" sh -c "echo $2 $2 > /proc/sys/net/ipv4/ip_local_port_range"; }
real() { local p; p=$(real_ports "a:$1"); echo "${p%% *}"; }
dump() { bpftool -j map dump pinned "$SBX/bpf/patchbay/v1/$1"; }
# admission PORT FIELD: of the client with that source port
admission() {
	dump pb_admit | json '"".join(str(e["formatted"]["value"]["'"$2"'"]) for e in d
		if __import__("socket").ntohs(e["formatted"]["key"]["rport"]) == '"$1"')' | grep .
}
no_admits() { [ "$(dump pb_admit | json 'len(d)')" = 0 ]; }
match reached-by-name 'reply=hi' in_c1 tcp-connect --send hi 10.9.13.1 80
accepted=$(log_count srv '^accept')

# ---- the real ports, by every address of the machine ----
for srv in 80 82; do
	port=$(real $srv)
	for addr in 192.0.2.1 172.29.1.1 2001:db8::1 2001:db8:1::1; do
		expect_errno "managed-$srv-$addr" ECONNREFUSED in_c1 tcp-connect $addr "$port"
		expect_errno "unmanaged-$srv-$addr" ECONNREFUSED in_ns c1 "$S" tcp-connect $addr "$port"
	done
	for addr in 192.0.2.1 172.29.1.1; do
		expect_errno "managed-$srv-mapped-$addr" ECONNREFUSED in_c1 tcp-connect --mapped $addr "$port"
		expect_errno "unmanaged-$srv-mapped-$addr" ECONNREFUSED in_ns c1 "$S" tcp-connect --mapped $addr "$port"
	done
	for addr in 192.0.2.1 2001:db8::1; do
		expect_errno "outside-$srv-$addr" ECONNREFUSED outside "$S" tcp-connect $addr "$port"
		expect_errno "host-$srv-$addr" ECONNREFUSED "$S" tcp-connect $addr "$port"
	done
done
for addr in 192.0.2.1 2001:db8::1; do
	expect_errno "udp-managed-$addr" ECONNREFUSED in_c1 udp-send --connect $addr "$(real 53)"
	expect_errno "udp-unmanaged-$addr" ECONNREFUSED in_ns c1 "$S" udp-send --connect $addr "$(real 53)"
	expect_errno "udp-outside-$addr" ECONNREFUSED outside "$S" udp-send --connect $addr "$(real 53)"
done
match reason 'no-admit' pb events --refused --last 1
eq nothing-reached-tcp "$accepted" "$(log_count srv '^accept')"
eq nothing-reached-lo 0 "$(log_count lo '^accept')"
eq nothing-reached-udp 0 "$(log_count usrv '^from')"

# ---- another source address on the way: it is not the one that was admitted ----
in_ns c1 ip addr add 172.29.1.77/24 dev eth0
in_ns c1 nft 'add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; };
	add rule ip nat post oifname eth0 snat to 172.29.1.77'
expect_errno nat ECONNREFUSED in_c1 tcp-connect 10.9.13.1 80
match nat-reason 'no-admit' pb events --refused --last 1
in_ns c1 nft delete table ip nat
match without-nat '^ok' in_c1 tcp-connect 10.9.13.1 80
check used-up wait_for 5 no_admits

# ---- an admission dies with its client ----
run_app full "${A[@]}" -- "$S" seq tcp4 bind=10.9.13.1:83 listen=0 hold
check full-up wait_for 5 log_has full holding
run_app waiting "${B[@]}" -- nsenter --net=/run/netns/c1 -- "$S" tcp-connect --count 8 --hold --timeout 30000 10.9.13.1 83
syn_sent() { in_ns c1 ss -Htn state syn-sent | awk '{ sub(/.*:/, "", $3); print $3 }' | grep .; }
check client-waits wait_for 10 syn_sent
source=$(syn_sent | head -n 1)
app_kill waiting
expect_errno stale ECONNREFUSED in_ns c1 "$S" tcp-connect --bind "172.29.1.2:${source:-1}" 192.0.2.1 "$(real 83)"
app_stop full
check stale-gone wait_for 5 no_admits

# ---- one address, two namespaces: the client that gets the answer is the right one ----
# forge NAME FAMILY FROM TO DEST PORT: an unmanaged program of c1 takes the place of a client in
# twin, whose SYN waits for its answer; it has the client's address, port and sequence number.
forge() {
	local name=$1 port=$6 isn
	one_port twin "$port"
	run_app victim "${V[@]}" -- nsenter --net=/run/netns/twin -- "$S" tcp-connect --timeout 60000 "$5" 80
	check "$name-waits" wait_for 5 admission "$port" isn
	isn=$(admission "$port" isn)
	match "$name-number" 'isn=[0-9]+ ok' in_ns c1 "$S" seq "tcp$2" "isn=$isn" "bind=$3:$port" "connect=$4:$(real 80)" send recv
	match "$name-syn-passes" 'connect=[^ ]+ ok' echo "$REPLY"
	nomatch "$name-no-answer" 'recv ok' echo "$REPLY"
	match "$name-reason" 'bad-admit' pb events --refused --last 1
	app_kill victim
	check "$name-gone" wait_for 5 no_admits
}
forge forged 4 172.29.1.2 192.0.2.1 10.9.13.1 41001
forge forged6 6 '[2001:db8:1::2]' '[2001:db8::1]' fd09:13::1 41002
eq victim-never-seen 0 "$(log_count srv 'peer=.*(10\.9\.13\.7|fd09:13::7)')"

# Whichever of two wrote its admission last, the one that is answered gets through by its own name.
one_port c1 20001
one_port twin 20001
run_app victim "${V[@]}" -- nsenter --net=/run/netns/twin -- "$S" tcp-connect --timeout 60000 10.9.13.1 80
check first-waits wait_for 5 admission 20001 isn
match second-gets-through '^ok .*sock=10\.9\.13\.2:20001 .*reply=hi' in_c1 tcp-connect --send hi 10.9.13.1 80
match second-seen 'peer=\[::ffff:10\.9\.13\.2\]:20001' last srv
app_kill victim
one_port c1 20002
one_port twin 20002
ip route add blackhole 172.29.1.2/32
run_app slow "${B[@]}" -- nsenter --net=/run/netns/c1 -- "$S" tcp-connect --timeout 60000 --send hi 10.9.13.1 80
check slow-waits wait_for 5 admission 20002 isn
mine=$(admission 20002 app)
run_app victim "${V[@]}" -- nsenter --net=/run/netns/twin -- "$S" tcp-connect --timeout 60000 10.9.13.1 80
overwritten() { [ "$(admission 20002 app)" != "$mine" ]; }
check overwritten wait_for 5 overwritten
ip route del blackhole 172.29.1.2/32
check slow-gets-through wait_for 20 log_has slow 'reply=hi'
match slow-seen 'peer=\[::ffff:10\.9\.13\.2\]:20002' last srv
app_kill victim
eq victim-still-unseen 0 "$(log_count srv 'peer=.*(10\.9\.13\.7|fd09:13::7)')"
check admissions-gone wait_for 5 no_admits

# ---- datagrams: the way back to a sender leads nowhere in another namespace ----
run_app early "${V[@]}" -- "$S" seq udp4 sendto=10.9.13.1:53 recv names hold
check early-up wait_for 5 log_has early holding
[[ $(cat "$SBX/log/early") =~ names\ sock=[0-9.]+:([0-9]+) ]] || fail early-port "$(last early)"
virt=${BASH_REMATCH[1]:-1}
expect_errno reply-elsewhere EHOSTUNREACH in_c1 udp-send 10.9.13.7 "$virt"
match reply-reason 'netns' pb events --refused --last 1
nomatch reply-at-home 'errno=E(HOSTUNREACH|ACCES)' pb run "${B[@]}" -- "$S" udp-send --timeout 200 10.9.13.7 "$virt"
app_stop early

# ---- a port of another namespace guards nothing here ----
ports() { dump pb_ports | json 'len(d)'; }
before=$(ports)
one_port c1 20003
run_app bound "${B[@]}" -- nsenter --net=/run/netns/c1 -- "$S" seq tcp4 bind=0.0.0.0:0 connect=10.9.13.1:80 hold
check bound-up wait_for 5 log_has bound holding
match bound-connected 'connect=10.9.13.1:80 ok' cat "$SBX/log/bound"
eq bound-guards-nothing "$before" "$(ports)"
start_serve stranger "$S" tcp-serve 20003
match stranger-is-reached '^ok' "$S" tcp-connect 127.0.0.1 20003
app_stop bound
finish
