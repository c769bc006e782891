#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The real port of a managed server is no way round its identity; a virtual address means nothing
# to a program that is not managed.  All of it fails at once.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

config <<'END'
[agent]
pool6 = fd09::/16
END
start_agent
A=(--name a --ip 10.9.11.1 --ip fd09:11::1 --tag grp=t)
serve tcp "${A[@]}" -- "$S" tcp-serve -6 80
serve udp "${A[@]}" -- "$S" udp-serve -6 53
serve lo "${A[@]}" -- "$S" tcp-serve --bind 127.0.0.1 81
match reached-by-name '^ok ' pb run --tag grp=t -- "$S" tcp-connect 10.9.11.1 80
accepted=$(log_count tcp '^accept')

# ---- unmanaged, and managed of every kind, to the real ports ----
for srv in 80 81; do
	match "real-port-$srv" '^[1-9][0-9]*$' real_ports "a:$srv"
	for port in $(real_ports "a:$srv"); do
		for addr in 127.0.0.1 192.0.2.1 127.0.0.2; do
			expect_errno "unmanaged-$srv-$addr" ECONNREFUSED "$S" tcp-connect "$addr" "$port"
			expect_errno "unmanaged-$srv-mapped-$addr" ECONNREFUSED "$S" tcp-connect --mapped "$addr" "$port"
		done
		for addr in ::1 2001:db8::1; do
			expect_errno "unmanaged-$srv-$addr" ECONNREFUSED "$S" tcp-connect "$addr" "$port"
		done
		expect_errno "veth-$srv" ECONNREFUSED outside "$S" tcp-connect 192.0.2.1 "$port"
		expect_errno "veth6-$srv" ECONNREFUSED outside "$S" tcp-connect 2001:db8::1 "$port"
		for addr in 127.0.0.1 192.0.2.1 ::1 2001:db8::1; do
			expect_errno "managed-$srv-$addr" 'ECONNREFUSED|EACCES' pb run --tag grp=t -- "$S" tcp-connect "$addr" "$port"
			expect_errno "own-$srv-$addr" 'ECONNREFUSED|EACCES' pb run "${A[@]}" -- "$S" tcp-connect "$addr" "$port"
		done
	done
done
for port in $(real_ports a:53); do
	for addr in 127.0.0.1 192.0.2.1 ::1 2001:db8::1; do
		expect_errno "udp-unmanaged-$addr" ECONNREFUSED "$S" udp-send --connect "$addr" "$port"
		expect_errno "udp-managed-$addr" 'ECONNREFUSED|EACCES' pb run --tag grp=t -- "$S" udp-send --connect "$addr" "$port"
	done
	expect_errno udp-mapped ECONNREFUSED "$S" udp-send --connect --mapped 127.0.0.1 "$port"
	expect_errno udp-veth ECONNREFUSED outside "$S" udp-send --connect 192.0.2.1 "$port"
	expect_errno udp-veth6 ECONNREFUSED outside "$S" udp-send --connect 2001:db8::1 "$port"
	"$S" udp-send --no-reply 127.0.0.1 "$port" > /dev/null
done
eq nothing-reached-tcp "$accepted" "$(log_count tcp '^accept')"
eq nothing-reached-lo 0 "$(log_count lo '^accept')"
eq nothing-reached-udp 0 "$(log_count udp '^from')"
match counted '[1-9]' sh -c "'$PB' status -o json | '$PY' -c 'import json,sys; print(json.load(sys.stdin)[\"reasons\"].get(\"no-admit\", 0))'"

# ---- an admission is for one connection, and dies with it ----
# A full accept queue keeps a client in SYN_SENT: admitted, and not yet through.  Once it is dead
# nobody else gets in by its source port.  (Were he let through, the full queue would make him wait.)
run_app full "${A[@]}" -- "$S" seq tcp4 bind=10.9.11.1:82 listen=0 hold
check full-up wait_for 5 log_has full holding
run_app waiting --tag grp=t -- "$S" tcp-connect --count 8 --hold --timeout 30000 10.9.11.1 82
syn_sent() { ss -Htn state syn-sent | awk '{ sub(/.*:/, "", $3); print $3 }' | grep .; }
check client-waits wait_for 10 syn_sent
source=$(syn_sent | head -n 1)
full=$(real_ports a:82)
expect_errno other-source-during ECONNREFUSED "$S" tcp-connect 127.0.0.1 "$full"
app_kill waiting
expect_errno stale-admit ECONNREFUSED "$S" tcp-connect --bind "127.0.0.1:${source:-1}" 127.0.0.1 "$full"
app_stop full
admits() { bpftool -j map dump pinned "$SBX/bpf/patchbay/v1/pb_admit" | json 'len(d)'; }
no_admits() { [ "$(admits)" = 0 ]; }
check admits-are-used-up wait_for 5 no_admits

port=$(real_ports a:80)
port=${port%% *}

# ---- virtual addresses for programs that are not managed ----
for addr in 10.9.11.1 10.9.200.200 fd09:11::1 fd09:ffff::1; do
	for how in tcp-connect "tcp-connect --mapped" udp-send; do
		read -ra words <<< "$how"
		expect_errno "unmanaged-${how// /}-$addr" 'EHOSTUNREACH|ENETUNREACH|EACCES|EINVAL' "$S" "${words[@]}" $addr 80
	done
done

# ---- syncookies: identity and admission survive ----
if [ -w /proc/sys/net/ipv4/tcp_syncookies ]; then
	echo 2 > /proc/sys/net/ipv4/tcp_syncookies
	match syncookies '^done ok=30 failed=0' sh -c "'$PB' run --tag grp=t -- '$S' tcp-connect --count 30 10.9.11.1 80 | tail -n 1"
	match syncookies-identity 'peer=\[::ffff:169\.254' tail -n 1 "$SBX/log/tcp"
	expect_errno syncookies-unmanaged ECONNREFUSED "$S" tcp-connect 127.0.0.1 "$port"
	echo 1 > /proc/sys/net/ipv4/tcp_syncookies
else
	fail syncookies "tcp_syncookies is not writable here"
fi

# ---- a service that ends leaves no hole ----
app_stop tcp
expect_errno real-port-after-end ECONNREFUSED "$S" tcp-connect 127.0.0.1 "$port"
# PB_PORT_DNS, 4: the agent's own stay.
ports_of() { bpftool -j map dump pinned "$SBX/bpf/patchbay/v1/pb_ports" | json 'len([e for e in d if not e["formatted"]["value"]["flags"] & 4])'; }
app_stop udp
app_stop lo
eq no-guarded-port-left 0 "$(ports_of)"
finish
