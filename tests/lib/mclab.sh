# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A lab for the memcached switch.  Source it after lib.sh, whose own network is the switch.
#
# Routed (mc_lab N): a device to the client and one to each server.
#   client   10.8.0.2 fd08::2         eth0, its end in the switch is c0 (10.8.0.1 fd08::1)
#   sN       10.8.N.2 fd08:N::2       eth0, its end in the switch is sN (10.8.N.1 fd08:N::1)
#   VIP      10.9.0.9 fd09::9         on lo of the switch
# One link (mc_lab_l2 N): all on a bridge, the servers answer by themselves.
#   client   10.8.0.2 fd08::2         switch (eth0) 10.8.0.1 fd08::1, VIP 10.8.0.9 fd08::9 there
#   sN       10.8.0.1N fd08::1N       and the VIP on its own lo
#
# Each server runs memcached at port 11211; the twin, which the switch knows nothing of, is
# 127.0.0.1:11311 in the client.  Everything ends with the script.

MC_PORT=11211
MC_TWIN=127.0.0.1:11311
MC_SERVERS=0
MC_L2=no
MC_DEVS=()
MC_NAME=mc
# shellcheck disable=SC2034 # for who sources this
MC_CACHE=(--cache 16M --cache-unsafe-ttl 60000 --max-age 60000) # clients in the lab write by datagrams only
MCU=$BUILD/tests/mc_udp

client() { nsenter --net=/run/netns/client -- "$@"; }
mc_addr4() { if [ $MC_L2 = yes ]; then echo "10.8.0.1$1"; else echo "10.8.$1.2"; fi; }
mc_addr6() { if [ $MC_L2 = yes ]; then echo "fd08::1$1"; else echo "fd08:$1::2"; fi; }
# mc_vip 4|6: ADDRESS:PORT
mc_vip() {
	local a=(10.9.0.9 fd09::9)
	[ $MC_L2 = no ] || a=(10.8.0.9 fd08::9)
	if [ "$1" = 6 ]; then echo "[${a[1]}]:$MC_PORT"; else echo "${a[0]}:$MC_PORT"; fi
}

# ---- networks --------------------------------------------------------------------------------

# mc_link NAMESPACE DEVICE NET4 NET6: from the switch (.1) to the namespace (.2)
mc_link() {
	ip netns add "$1" && ip link add "$2" type veth peer name eth0 netns "$1" || return 1
	ip addr add "$3.1/24" dev "$2" && ip addr add "$4::1/64" dev "$2" nodad || return 1
	in_ns "$1" ip addr add "$3.2/24" dev eth0 || return 1
	in_ns "$1" ip addr add "$4::2/64" dev eth0 nodad || return 1
	ip link set "$2" up && in_ns "$1" ip link set lo up && in_ns "$1" ip link set eth0 up ||
		return 1
	in_ns "$1" ip route add default via "$3.1" && in_ns "$1" ip -6 route add default via "$4::1"
}

mc_net() {
	local n
	sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 || return 1
	mc_link client c0 10.8.0 fd08 || return 1
	MC_DEVS=(c0)
	for ((n = 1; n <= MC_SERVERS; n++)); do
		mc_link "s$n" "s$n" "10.8.$n" "fd08:$n" || return 1
		MC_DEVS+=("s$n")
	done
	ip addr add 10.9.0.9/32 dev lo && ip addr add fd09::9/128 dev lo nodad
}

# mc_on_lan NAMESPACE SUFFIX: a namespace on the bridge
mc_on_lan() {
	[ "$1" = switch ] || ip netns add "$1" || return 1
	if [ "$1" = switch ]; then
		ip link add eth0 type veth peer name p-switch netns lan || return 1
	else
		in_ns lan ip link add "p-$1" type veth peer name eth0 netns "$1" || return 1
	fi
	in_ns lan ip link set "p-$1" master br0 up || return 1
	set -- "$1" "$2" "$(if [ "$1" = switch ]; then echo env; else echo "in_ns $1"; fi)"
	$3 ip addr add "10.8.0.$2/24" dev eth0 && $3 ip addr add "fd08::$2/64" dev eth0 nodad &&
		$3 ip link set lo up && $3 ip link set eth0 up
}
# mc_own_vip N: the server has the VIP, and tells nobody
mc_own_vip() {
	in_ns "s$1" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 || return 1
	in_ns "s$1" ip addr add 10.8.0.9/32 dev lo && in_ns "s$1" ip addr add fd08::9/128 dev lo nodad
}
mc_net_l2() {
	local n
	# else the programs do not learn the next hop, and fetch nothing
	sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 || return 1
	ip netns add lan && in_ns lan ip link add br0 type bridge forward_delay 0 &&
		in_ns lan ip link set br0 up || return 1
	mc_on_lan switch 1 && mc_on_lan client 2 || return 1
	ip addr add 10.8.0.9/32 dev lo && ip addr add fd08::9/128 dev lo nodad || return 1
	# neighbours ask for the VIP: it is in the switch's own network, on lo
	ip -6 neigh add proxy fd08::9 dev eth0 && sysctl -qw net.ipv6.conf.eth0.proxy_ndp=1 || return 1
	for ((n = 1; n <= MC_SERVERS; n++)); do
		mc_on_lan "s$n" "1$n" && mc_own_vip "$n" || return 1
	done
	client ip -6 route add fd08::9/128 via fd08::1 dev eth0
	MC_DEVS=(eth0)
}

# ---- programs --------------------------------------------------------------------------------

mc_alive() { "${@:2}" "$MCU" ask "$1" 'version\r\n'; }
# mc_server N [OPTION...]: starts it, empty
mc_server() {
	local n=$1 at
	shift
	at=$(mc_addr4 "$n"),$(mc_addr6 "$n")
	[ $MC_L2 = no ] || at+=,10.8.0.9,fd08::9
	start "s$n" nsenter --net="/run/netns/s$n" -- memcached -u root -l "$at" -p $MC_PORT \
		-U $MC_PORT -t 1 -m 64 "$@"
	wait_for 10 mc_alive "$(mc_addr4 "$n"):$MC_PORT" in_ns "s$n" ||
		die "s$n-starts" "$(tail -n 1 "$SBX/log/s$n")"
}
# mc_bad_network N: server N (IPv4) behind datagrams that are late, lost, or come twice
mc_bad_network() {
	kill "${PIDS[s$1]}"
	wait "${PIDS[s$1]}"
	start "s$1" nsenter --net="/run/netns/s$1" -- memcached -u root -l 127.0.0.1 -p $MC_PORT \
		-U $MC_PORT -t 1 -m 64
	start_serve "relay$1" nsenter --net="/run/netns/s$1" -- "$BUILD/tests/mc_relay" \
		"$(mc_addr4 "$1"):$MC_PORT" 127.0.0.1:$MC_PORT
}
mc_twin() {
	start twin nsenter --net=/run/netns/client -- memcached -u root -l 127.0.0.1 -p 11311 -U 11311 \
		-t 1 -m 64
	wait_for 10 mc_alive $MC_TWIN client || die twin-starts "$(tail -n 1 "$SBX/log/twin")"
}
# A server's machine stops and goes on: its programs keep what they have.
mc_stop() { kill -STOP "${PIDS[s$1]}"; }
mc_cont() { kill -CONT "${PIDS[s$1]}"; }
mc_pids() {
	local n list=()
	for ((n = 1; n <= MC_SERVERS; n++)); do list+=("${PIDS[s$n]}"); done
	(IFS=,; echo "${list[*]}")
}

# mc_config: the agent's configuration, with further lines from standard input
mc_config() {
	[ -d "$SBX/state" ] || mkdir -m 700 "$SBX/state"
	{
		printf '[cluster]\nstate-dir = %s\n' "$SBX/state"
		cat
	} | config
}
# mc_lab N, mc_lab_l2 N: network and servers
mc_lab() {
	local n
	MC_SERVERS=$1
	mc_config < /dev/null
	command -v memcached > /dev/null || die memcached-is-installed "tools/deps.sh installs it"
	if [ $MC_L2 = yes ]; then mc_net_l2; else mc_net; fi || die lab "cannot be made"
	for ((n = 1; n <= MC_SERVERS; n++)); do mc_server "$n"; done
	mc_twin
}
# mc_agent [OPTION...]: start_agent; with services it loads their programs first, which may take long
mc_agent() { PB_SLOW=${PB_SLOW:-6} start_agent "$@"; }
mc_lab_l2() {
	MC_L2=yes
	mc_lab "$@"
}

# ---- the switch ------------------------------------------------------------------------------

# mc_backends 4|6: the words of `memcached add` for all servers
mc_backends() {
	local n
	for ((n = 1; n <= MC_SERVERS; n++)); do
		if [ "$1" = 6 ]; then echo --backend "[$(mc_addr6 "$n")]:$MC_PORT"; else
			echo --backend "$(mc_addr4 "$n"):$MC_PORT"
		fi
	done
}
# mc_add 4|6 [OPTION...]: the service mc (mc6) before all servers
mc_add() {
	local family=$1 dev words=()
	shift
	for dev in "${MC_DEVS[@]}"; do words+=(--dev "$dev"); done
	# shellcheck disable=SC2046 # a list
	pb memcached add "$(mc_name "$family")" --vip "$(mc_vip "$family")" $(mc_backends "$family") \
		"${words[@]}" "$@"
}
mc_name() { if [ "$1" = 6 ]; then echo "${MC_NAME}6"; else echo "$MC_NAME"; fi; }
# mc_up 4|6 [OPTION...]: added, and it answers
mc_up() {
	# a busy machine's verifier may take longer than the command waits
	mc_add "$@" > "$SBX/log/add" 2>&1 || grep -q 'did not answer' "$SBX/log/add" ||
		die "memcached-add-$1" "$(cat "$SBX/log/add")"
	wait_for 120 mc_shown "$1" 's["name"]'
	wait_for 20 mc_alive "$(mc_vip "$1")" client ||
		die "memcached-answers-$1" "$(pb memcached show "$(mc_name "$1")" 2>&1)"
}
# mc_count 4|6 COUNTER: of the service
mc_count() { pb memcached stats "$(mc_name "$1")" -o json | json "d['services'][0]['counters']['$2']"; }
# mc_shown 4|6 EXPR: of what `show` says, the service being s
mc_shown() { pb memcached show "$(mc_name "$1")" -o json | json "(lambda s: $2)(d['services'][0])"; }
# mc_all_up 4|6: all servers own keys
mc_all_up() { [ "$(mc_shown "$1" '{v["state"] for v in s["servers"]}')" = "{'up'}" ]; }

# mc_hot 4|6: an answer comes from the cache; for some seconds after a change of the ring none does
mc_hot_once() {
	local before
	before=$(mc_count "$1" hits)
	mc_ask "$(mc_vip "$1")" 'set hot-key 0 0 1\r\n1\r\n' 'get hot-key\r\n' 'get hot-key\r\n' 'get hot-key\r\n' \
		'get hot-key\r\n' 'get hot-key\r\n' 'get hot-key\r\n'
	[ "$(mc_count "$1" hits)" -gt "$before" ]
}
mc_hot() { wait_for 20 mc_hot_once "$1" || fail "cache-$1-is-on" "no hit: $(pb memcached show "$(mc_name "$1")")"; }

# ---- verdicts --------------------------------------------------------------------------------

# mc_ask ADDR REQUEST...: the answers, as they are
mc_ask() { client "$MCU" ask "$@"; }
# mc_hits_command 4|6 FILE: a program there prints how many answers came from the cache
mc_hits_command() {
	cat > "$2" <<- EOT
		#!/bin/sh
		"$PB" memcached stats "$(mc_name "$1")" -o json |
			sed -E 's/.*"hits": ?([0-9]+).*/\1/'
	EOT
	chmod 755 "$2"
}
