#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The memcached switch for TCP (patchbay-frames) against twemproxy, in front of the same servers: gets by
# 50 connections with one request on its way each (unpipelined), and by 4 with 16 (pipelined); values of
# 32 B, 1 kB and 11 kB; one backend and two.  Processor time of the proxy a request, from schedstat, all its
# threads.  Beside that what a client has that asks the server itself.
# Contenders of a round run back to back, in a new random order.  SIZES=32: those sizes only.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"
MCU=$BUILD/tests/mc_udp
SCALE=${SCALE:-100}
MS=$((600 * SCALE / 100))
KEYS=100
P=memcached-tcp
read -ra sizes <<< "${SIZES:-32 1000 11000}"
read -ra cpus < <("$PY" -c 'import os; print(*sorted(os.sched_getaffinity(0)))')
CPU_CLIENT=${cpus[0]} CPU_SERVER=${cpus[1]:-${cpus[0]}}
declare -A V=() MODE=([unpipelined]='--conns 50' [pipelined]='--conns 4 --window 16')
declare -A BAR=([unpipelined]=1.3 [pipelined]=0.97)
declare -A AT=([direct]=10.7.1.2:$MC_PORT)

# ---- figures ---------------------------------------------------------------------------------

for mode in unpipelined pipelined; do
	for size in "${sizes[@]}"; do
		for n in 1 2; do
			figure "$P.${mode}_${size}_$n" rps ratio_min "${BAR[$mode]}" "twemproxy$n"
			figure "$P.cpu_${mode}_${size}_$n" us ratio_max 0.8 "twemproxy$n"
		done
	done
	figure "$P.${mode}_of_direct" rps report - direct
	figure "$P.twemproxy_${mode}_of_direct" rps report - direct
done
figure $P.latency us report - direct
figure $P.latency_twemproxy us report - direct

# triple FIGURE SUBJECT PEER PEER2: of what this round measured
triple() {
	record "$P.$1" subject "${V[$2]}"
	record "$P.$1" peer "${V[$3]}"
	record "$P.$1" peer2 "${V[$4]}"
}

# ---- the lab ---------------------------------------------------------------------------------

# direct_link: client and server 1 without the switch between
direct_link() {
	ip link add d1 netns client type veth peer name d0 netns s1 || return 1
	client ip addr add 10.7.1.1/24 dev d1 && client ip link set d1 up || return 1
	in_ns s1 ip addr add 10.7.1.2/24 dev d0 && in_ns s1 ip link set d0 up
}
memcached_on() {
	start "s$1" nsenter --net="/run/netns/s$1" -- taskset -c "$CPU_SERVER" memcached -u root \
		-l "$2" -p $MC_PORT -U 0 -t 1 -m 64
}
# twemproxy N, frames N: in front of N servers
twemproxy() {
	local n=$1 k
	AT[twemproxy$n]=10.8.0.1:2212$n
	{
		# its usual fnv1a_64 would put all of these keys on one server
		printf 'p:\n  listen: %s\n  hash: murmur\n  distribution: ketama\n  servers:\n' "10.8.0.1:2212$n"
		for ((k = 1; k <= n; k++)); do echo "   - 10.8.$k.2:$MC_PORT:1"; done
	} > "$SBX/nutcracker$n.yml"
	start "twemproxy$n" taskset -c "$CPU_SERVER" nutcracker -c "$SBX/nutcracker$n.yml" -s "2222$n" \
		-o "$SBX/log/nutcracker$n"
}
frames() {
	local n=$1 k words=()
	AT[frames$n]=10.8.0.1:2213$n
	for ((k = 1; k <= n; k++)); do words+=(--server "10.8.$k.2:$MC_PORT"); done
	start "frames$n" taskset -c "$CPU_SERVER" "$BUILD/patchbay-frames" --listen "${AT[frames$n]}" \
		--plugin memcached "${words[@]}"
}
fill() {
	local k
	for k in 1 2; do
		wait_for 10 client "$MCU" load "10.8.$k.2:$MC_PORT" --tcp --keys $KEYS --value "$1" --fill \
			--conns 1 || die fill "$1"
	done
}

# ---- measuring -------------------------------------------------------------------------------

# cpu_ns NAME: what that process and all its threads have had of the processor
cpu_ns() {
	local p
	for p in "${PIDS[$1]}" $(descendants "${PIDS[$1]}"); do cat "/proc/$p/task/"*/schedstat; done 2> /dev/null |
		awk '{ s += $1 } END { printf "%.0f\n", s }'
}
# loop WHO NAME OPTION...: V[WHO] = answers a second, V[cpu_WHO] = us a request
loop() {
	local who=$1 name=$2 before after rps
	shift 2
	[ "$name" = direct ] || before=$(cpu_ns "$name")
	REPLY=$(client taskset -c "$CPU_CLIENT" "$MCU" load "${AT[$name]}" --tcp "$@" --keys "$KEYS" --ms $MS) ||
		die "$who" "$REPLY"
	[ "$name" = direct ] || after=$(cpu_ns "$name")
	[[ $REPLY == *"lost 0 empty 0"* ]] || die "$who-finds-its-keys" "$REPLY"
	rps=$(cut -d ' ' -f 2 <<< "$REPLY")
	V[$who]=$rps
	[[ " $* " != *" --rate "* ]] || V[$who]=$(cut -d ' ' -f 4 <<< "$REPLY")
	[ "$name" = direct ] || V[cpu_$who]=$("$PY" -c "print(($after - $before) / ($rps * $MS))")
	echo "round $round $who $*: $REPLY, cpu ${V[cpu_$who]:-} us"
}
# contenders N OPTION...: in front of N servers
contenders() {
	local n=$1 who
	shift
	for who in $(shuf -e frames twemproxy twemproxy_again); do loop "$who" "${who%_*}$n" "$@"; done
}
cell() {
	local mode=$1 size=$2 n=$3 words
	read -ra words <<< "${MODE[$mode]}"
	contenders "$n" "${words[@]}"
	triple "${mode}_${size}_$n" frames twemproxy twemproxy_again
	triple "cpu_${mode}_${size}_$n" cpu_frames cpu_twemproxy cpu_twemproxy_again
}
# beside MODE: the same server asked directly; what of the two proxies is left
beside() {
	local words who
	read -ra words <<< "${MODE[$1]}"
	for who in $(shuf -e direct direct_again frames1 twemproxy1); do loop "$who" "${who%_*}" "${words[@]}"; done
	triple "${1}_of_direct" frames1 direct direct_again
	triple "twemproxy_${1}_of_direct" twemproxy1 direct direct_again
}
latencies() {
	local who
	for who in $(shuf -e direct direct_again frames1 twemproxy1); do
		loop "$who" "${who%_*}" --conns 1 --rate 100
	done
	triple latency frames1 direct direct_again
	triple latency_twemproxy twemproxy1 direct direct_again
}
one_round() {
	local size n mode
	for size in "${sizes[@]}"; do
		fill "$size"
		for n in 1 2; do
			for mode in unpipelined pipelined; do cell $mode "$size" $n; done
		done
		[ "$size" = "${sizes[0]}" ] || continue
		beside unpipelined
		beside pipelined
		latencies
	done
}

# ---- the run ---------------------------------------------------------------------------------

mc_lab 2
direct_link || die direct-link
app_stop s1
app_stop s2
memcached_on 1 10.8.1.2,10.7.1.2
memcached_on 2 10.8.2.2
fill 32
for n in 1 2; do
	twemproxy $n
	frames $n
	wait_for 10 client "$MCU" load "${AT[twemproxy$n]}" --tcp --conns 1 --ms 50 || die twemproxy$n
	wait_for 10 client "$MCU" load "${AT[frames$n]}" --tcp --conns 1 --ms 50 || die frames$n
done
for ((round = 1; round <= ROUNDS; round++)); do one_round; done
# with two backends, both had work
for n in 1 2; do
	gets=$(in_ns "s$n" sh -c "printf 'stats\r\nquit\r\n' | nc -q 1 10.8.$n.2 $MC_PORT" |
		awk '/cmd_get/ { print int($3) }')
	[ "${gets:-0}" -gt 1000 ] || die both-servers "server $n had ${gets:-0} gets"
done
ok measured
finish
