#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What an identity costs: the same binary managed and unmanaged, in the same rounds.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
CALLCOST=$BUILD/bench/callcost
VIP=10.9.0.5
SCALE=${SCALE:-100}

figure identity.connect_warm_udp us added 0.25 unmanaged
figure identity.socket_connect_close us added 1.2 unmanaged
figure identity.socket_connect_close_tcp us report - unmanaged
figure identity.connect_tcp us report - unmanaged
figure identity.socket_close us report - unmanaged
figure identity.getpeername us report - unmanaged
figure identity.stream_throughput MB/s ratio_min 0.97 unmanaged
figure identity.rr_latency us report - unmanaged
figure identity.services_10k_vs_1k us ratio_max 1.05 1k-services

# us NS, mbps NS_PER_BLOCK
us() { awk -v ns="$1" 'BEGIN { printf "%.4f", ns / 1000 }'; }
mbps() { awk -v ns="$1" 'BEGIN { printf "%.1f", 65536 * 1000 / ns }'; }

# book CONTENDER: callcost's lines from standard input
book() {
	local name ns n=0
	while read -r name ns; do
		n=$((n + 1))
		case $name in
		connect_warm_udp) record identity.connect_warm_udp "$1" "$(us "$ns")" ;;
		socket_connect_close_udp) record identity.socket_connect_close "$1" "$(us "$ns")" ;;
		socket_connect_close_tcp) record identity.socket_connect_close_tcp "$1" "$(us "$ns")" ;;
		connect_tcp) record identity.connect_tcp "$1" "$(us "$ns")" ;;
		socket_close_udp) record identity.socket_close "$1" "$(us "$ns")" ;;
		getpeername_tcp) record identity.getpeername "$1" "$(us "$ns")" ;;
		stream) record identity.stream_throughput "$1" "$(mbps "$ns")" ;;
		rr) record identity.rr_latency "$1" "$(us "$ns")" ;;
		esac
	done
	[ "$n" -ge "$2" ]
}

managed() { pb run --tag grp=bench -- "$CALLCOST" client "$VIP" 9000 "$SCALE" "$@"; }
unmanaged() { "$CALLCOST" client 127.0.0.1 9001 "$SCALE" "$@"; }

calls() {
	case $1 in
	subject) managed | book "$1" 8 ;;
	*) unmanaged | book "$1" 8 ;;
	esac
}

table() {
	local n=1000 ns
	[ "$1" != subject ] || n=10000
	"$BUILD/bench/fillsvc" "$SBX/bpf" "$n" || return 1
	read -r _ ns < <(managed connect_warm_udp)
	[ -n "$ns" ] && record identity.services_10k_vs_1k "$1" "$(us "$ns")"
}

start_agent
serve server --name bench --ip "$VIP" --tag grp=bench -- "$CALLCOST" serve 0.0.0.0 9000
start_serve plain "$CALLCOST" serve 127.0.0.1 9001
each_round calls
each_round table
"$BUILD/bench/fillsvc" "$SBX/bpf" 0
ok measured
finish
