#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The memcached switch for datagrams: against clients that reach the server directly, by a router, and
# by twemproxy (sockets); and what an answer from the cache costs against a program that only turns a
# frame round (live frames, no socket: a socket generator is slower than either).
# Contenders of a round run back to back, in a new random order.
# ONLY=sockets, ONLY=frames: that half (while one works on it; the other's figures are missing then).
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"
FRAMES=$BUILD/bench/mcframes
MCU=$BUILD/tests/mc_udp
SCALE=${SCALE:-100}
ONLY=${ONLY:-}
MS=$((600 * SCALE / 100))
KEYS=100
P=memcached-udp
read -ra cpus < <("$PY" -c 'import os; print(*sorted(os.sched_getaffinity(0)))')
CPU_CLIENT=${cpus[0]} CPU_SERVER=${cpus[1]:-${cpus[0]}}
declare -A V=()

# ---- figures ---------------------------------------------------------------------------------

figure $P.steer rps ratio_min 0.95 direct
figure $P.steer_two_vs_twemproxy rps ratio_min 2.5 twemproxy2
for who in steer_two routed direct_tcp twemproxy_two hit; do
	figure "$P.${who}_of_direct" rps report - direct
done
figure $P.steer_two_pipelined rps report - twemproxy2
figure $P.latency_hit us ratio_max 0.25 direct
for who in steer routed direct_tcp twemproxy_two; do
	figure "$P.latency_$who" us report - direct
done
figure $P.hit_32 fps ratio_min 0.80 reflector
figure $P.hit_1000 fps ratio_min 0.65 reflector
figure $P.misses_6 fps ratio_min 0.85 all-hits
figure $P.misses_20 fps ratio_min 0.6 all-hits

# triple FIGURE SUBJECT PEER PEER2: of what this round measured
triple() {
	record "$P.$1" subject "${V[$2]}"
	record "$P.$1" peer "${V[$3]}"
	record "$P.$1" peer2 "${V[$4]}"
}

# ---- the lab ---------------------------------------------------------------------------------

# direct_link N: client and server without the switch between
direct_link() {
	ip link add "d$1" netns client type veth peer name d0 netns "s$1" || return 1
	client ip addr add "10.7.$1.1/24" dev "d$1" && client ip link set "d$1" up || return 1
	in_ns "s$1" ip addr add "10.7.$1.2/24" dev d0 && in_ns "s$1" ip link set d0 up
}
# mirror N: another device of the client, whose other end turns frames round
mirror() {
	ip link add "r$1" type veth peer name "m$1" netns client || return 1
	ip link set "r$1" up && client ip link set "m$1" up || return 1
	client "$FRAMES" attach "$SBX/bpf/mcb" "m$1" sink && "$FRAMES" attach "$SBX/bpf/mcb" "r$1" reflect
}
mac_of() { ip -br link show "$1" | tr -s ' ' | cut -d ' ' -f 3; }
fill() { client "$MCU" load "$@" --fill --conns 1 || die fill "$*"; }

twemproxy() {
	cat > "$SBX/nutcracker.yml" <<- 'END'
		p:
		  listen: 10.8.0.1:22121
		  hash: fnv1a_64
		  distribution: ketama
		  servers:
		   - 10.8.1.2:11211:1
		   - 10.8.2.2:11211:1
	END
	start twemproxy taskset -c "$CPU_SERVER" nutcracker -c "$SBX/nutcracker.yml" -s 22222 \
		-o "$SBX/log/nutcracker"
	wait_for 10 client "$MCU" load 10.8.0.1:22121 --tcp --conns 1 --ms 50 || die twemproxy
}
# service NAME VIP SERVERS OPTION...
service() {
	local name=$1 vip=$2 n words=()
	for n in $3; do words+=(--backend "$(mc_addr4 "$n"):$MC_PORT"); done
	[ "$(ip -br addr show lo | grep -c "$vip/")" = 1 ] || ip addr add "$vip/32" dev lo
	pb memcached add "$name" --vip "$vip:$MC_PORT" "${words[@]}" "${@:4}" || die "add-$name"
	wait_for 20 mc_alive "$vip:$MC_PORT" client || die "answers-$name"
}
DEVS=(--dev c0 --dev s1 --dev s2 --dev s3)
CACHED=(--cache 16M --cache-unsafe-ttl 3600000 --max-age 3600000 --rate off)
# warm NAME VIP: every key is answered from the cache
warm() {
	local before
	client "$MCU" load "$2:$MC_PORT" --keys "$KEYS" --ms 1500 > /dev/null
	before=$(MC_NAME=$1 mc_count 4 misses)
	client "$MCU" load "$2:$MC_PORT" --keys "$KEYS" --ms 200 > /dev/null
	[ "$(MC_NAME=$1 mc_count 4 misses)" = "$before" ]
}

# ---- sockets ---------------------------------------------------------------------------------

# loop WHO ADDR OPTION...: V[WHO] = answers a second; latency: V[WHO] = the mean, in us
loop() {
	local who=$1
	shift
	REPLY=$(client taskset -c "$CPU_CLIENT" "$MCU" load "$@" --keys "$KEYS" --ms $MS) || die "$who" "$REPLY"
	if [[ " $* " == *" --rate "* ]]; then V[$who]=$(cut -d ' ' -f 4 <<< "$REPLY"); else
		V[$who]=$(cut -d ' ' -f 2 <<< "$REPLY")
	fi
	[[ $REPLY == *"empty 0"* ]] || die "$who-finds-its-keys" "$REPLY"
	echo "round $round $who $*: $REPLY"
}
# contender WHO OPTION...
contender() {
	local who=$1
	shift
	case $who in
	direct | direct2) loop "$who" 10.7.1.2:$MC_PORT "$@" ;;
	direct_tcp) loop "$who" 10.7.1.2:$MC_PORT --tcp "$@" ;;
	routed) loop "$who" 10.8.1.2:$MC_PORT "$@" ;;
	steer) loop "$who" 10.9.0.11:$MC_PORT "$@" ;;
	steer_two) loop "$who" 10.9.0.12:$MC_PORT "$@" ;;
	twemproxy_two | twemproxy_two2) loop "$who" 10.8.0.1:22121 --tcp "$@" ;;
	hit) loop "$who" 10.9.0.9:$MC_PORT "$@" ;;
	esac
}
SOCKET_WHO=(direct direct2 direct_tcp routed steer steer_two twemproxy_two twemproxy_two2 hit)
sockets_round() {
	local who
	for who in $(shuf -e "${SOCKET_WHO[@]}"); do contender "$who" --conns 50; done
	triple steer steer direct direct2
	triple steer_two_vs_twemproxy steer_two twemproxy_two twemproxy_two2
	for who in steer_two routed direct_tcp twemproxy_two hit; do
		triple "${who}_of_direct" "$who" direct direct2
	done
	for who in $(shuf -e steer_two twemproxy_two twemproxy_two2); do
		contender "$who" --conns 4 --window 16
	done
	triple steer_two_pipelined steer_two twemproxy_two twemproxy_two2
	for who in $(shuf -e direct direct2 direct_tcp routed steer twemproxy_two hit); do
		contender "$who" --conns 1 --rate 100
	done
	for who in hit steer routed direct_tcp twemproxy_two; do
		triple "latency_$who" "$who" direct direct2
	done
}

# ---- live frames -----------------------------------------------------------------------------

# frames WHO DEVICE SWITCH-DEVICE DEST BYTES [COLD-OF-1000]: V[WHO] = answers and cold gets a second
frames() {
	local who=$1 n=$((1 << 20)) back cold bytes
	# what has no answer holds its place for two seconds: not more than there are
	[ "${6:-0}" -le 100 ] || n=$((1 << 19))
	REPLY=$(client taskset -c "$CPU_CLIENT" "$FRAMES" gen "$SBX/bpf/mcb" "$2" "$(mac_of "$3")" 10.8.0.2 \
		"$4" "$KEYS" 1000000 "${6:-0}" "$n") || die "$who" "$REPLY"
	echo "round $round $who: $REPLY"
	read -r _ _ _ back _ cold _ bytes <<< "$REPLY"
	[ "$bytes" -ge "$5" ] || die "$who-answers-are-whole" "$REPLY"
	[ "${6:-0}" = 0 ] || [ "$cold" -gt 1000 ] || die "$who-misses" "$REPLY"
	V[$who]=$((back + cold))
}
places_are_free() { [ "${EPOCHREALTIME%.*}" -gt $((HELD + 3)) ]; }
frames_contender() {
	case $1 in
	reflector) frames "$1" m0 r0 10.9.0.9 60 ;;
	reflector2) frames "$1" m1 r1 10.9.0.9 60 ;;
	hit_32 | hit_32b) frames "$1" eth0 c0 10.9.0.9 100 ;;
	hit_1000) frames "$1" eth0 c0 10.9.0.10 1000 ;;
	misses_6) frames "$1" eth0 c0 10.9.0.9 100 60 ;;
	misses_20) frames "$1" eth0 c0 10.9.0.9 100 200 ;;
	esac
	[[ $1 != misses* ]] || { HELD=${EPOCHREALTIME%.*} && wait_for 10 places_are_free; }
}
frames_round() {
	local who
	for who in $(shuf -e reflector reflector2 hit_32 hit_32b hit_1000 misses_6 misses_20); do
		frames_contender "$who"
	done
	triple hit_32 hit_32 reflector reflector2
	triple hit_1000 hit_1000 reflector reflector2
	triple misses_6 misses_6 hit_32 hit_32b
	triple misses_20 misses_20 hit_32 hit_32b
}

# ---- the run ---------------------------------------------------------------------------------

mc_lab 3
for n in 1 2 3; do taskset -acp "$CPU_SERVER" "${PIDS[s$n]}" > /dev/null; done
direct_link 1 || die direct-link
kill "${PIDS[s1]}"
wait "${PIDS[s1]}"
start s1 nsenter --net=/run/netns/s1 -- taskset -c "$CPU_SERVER" memcached -u root \
	-l 10.8.1.2,10.7.1.2 -p $MC_PORT -U $MC_PORT -t 1 -m 64
wait_for 10 mc_alive 10.7.1.2:$MC_PORT client || die s1
for n in 1 2; do fill "10.8.$n.2:$MC_PORT" --keys "$KEYS" --value 32; done
fill "10.8.3.2:$MC_PORT" --keys "$KEYS" --value 1000
twemproxy
mc_agent
service mc 10.9.0.9 '1 2' "${DEVS[@]}" "${CACHED[@]}"
service one 10.9.0.11 1 "${DEVS[@]}"
service two 10.9.0.12 '1 2' "${DEVS[@]}"
wait_for 40 warm mc 10.9.0.9 || die hits "$(MC_NAME=mc mc_count 4 misses) misses"
for ((round = 1; round <= ROUNDS; round++)); do [ "$ONLY" = frames ] || sockets_round; done

for name in mc one two; do pb memcached remove $name || die remove-$name; done
{ mkdir "$SBX/bpf/mcb" && "$FRAMES" load "$SBX/bpf/mcb"; } || die frames
client "$FRAMES" attach "$SBX/bpf/mcb" eth0 sink || die sink
{ mirror 0 && mirror 1; } || die mirror
# at all devices: what goes to a server by XDP needs a receiver there, too
DEVS=(--dev c0=xdp --dev s1=xdp --dev s2=xdp --dev s3=xdp)
for n in 1 2 3; do
	in_ns "s$n" "$FRAMES" attach "$SBX/bpf/mcb" eth0 cold || die cold
done
service mc 10.9.0.9 '1 2' "${DEVS[@]}" "${CACHED[@]}"
service mc1000 10.9.0.10 3 "${DEVS[@]}" "${CACHED[@]}"
wait_for 40 warm mc 10.9.0.9 || die hits-xdp
wait_for 40 warm mc1000 10.9.0.10 || die hits-xdp-1000
for ((round = 1; round <= ROUNDS; round++)); do [ "$ONLY" = sockets ] || frames_round; done
ok measured
finish
