#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What a splice gains: the same two programs over each way two local programs can talk, in the same
# rounds: request and answer (rr), and a one-way stream (stream), for four sizes.
#
# A test is one connection of MS milliseconds.  All contenders of a test run back to back in a new
# random order, then comes the next test.  loopback2, bridge2 and conntrack2 are the A/A controls:
# processes of their own, so that where these happened to lie in memory counts as noise.
#
# Both programs stay on CPUs, the same for all contenders: left to itself the scheduler puts the ends
# on one CPU for some contenders and not for others, which then are compared by that.  Requests:
# one CPU, since only one of the two runs at a time; over two, each message also wakes an idle CPU,
# which on a virtual machine can cost more than the whole rest of the exchange, whatever the way.
# "rr_SIZE_two_cpus" reports that.  Streams: two CPUs, as the ends run at the same time.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
COST=$BUILD/bench/splicecost
SCALE=${SCALE:-100}
read -ra cpus < <("$PY" -c 'import os; print(*sorted(os.sched_getaffinity(0)))')
declare -A PIN=([rr]="${cpus[0]} ${cpus[0]}" [far]="${cpus[0]} ${cpus[1]:-${cpus[0]}}")
PIN[stream]=${PIN[far]}
RR_MS=$((80 * SCALE / 100))
STREAM_MS=$((250 * SCALE / 100))
SIZES=(64 1k 16k 128k)
declare -A BYTES=([64]=64 [1k]=1024 [16k]=16384 [128k]=131072) TO=() FROM=()
FAR_WHO=(spliced loopback loopback2)
STREAM_WHO=(spliced loopback loopback2 managed unix bridge conntrack)
RR_WHO=("${STREAM_WHO[@]}" bridge2 conntrack2)

for size in "${SIZES[@]}"; do
	figure "splice.rr_$size" us ratio_max 0.65 loopback
	figure "splice.rr_${size}_two_cpus" us report - loopback
	figure "splice.rr_${size}_vs_bridge" us ratio_max 0.55 bridge
	figure "splice.rr_${size}_vs_conntrack" us ratio_max 0.55 bridge+ct
	for who in managed unix bridge conntrack; do
		figure "splice.rr_${size}_of_$who" us report - loopback
	done
done
for size in "${SIZES[@]}"; do
	figure "splice.stream_$size" MB/s ratio_min 0.95 loopback
	for who in managed unix bridge conntrack; do
		figure "splice.stream_${size}_of_$who" MB/s report - loopback
	done
done

# ---- contenders ------------------------------------------------------------------------------

# client WHO CMD...: it waits for orders in the pipe TO[WHO], and answers in FROM[WHO]
client() {
	local who=$1 to from
	shift
	mkfifo "$SBX/to-$who" "$SBX/from-$who"
	exec {to}<> "$SBX/to-$who" {from}<> "$SBX/from-$who"
	TO[$who]=$to FROM[$who]=$from
	"$@" < "$SBX/to-$who" > "$SBX/from-$who" 2> "$SBX/log/client-$who" &
}
unmanaged() { # WHO ADDR PORT
	start_serve "server-$1" "$COST" serve "$2" "$3"
	client "$1" "$COST" client "$2" "$3"
}
managed() { # WHO VIP OPTION...
	local who=$1 vip=$2
	shift 2
	serve "server-$who" --name "$who" --ip "$vip" --tag grp=bench "$@" -- \
		"$COST" serve 0.0.0.0 9000
	client "$who" "$PB" run --tag grp=bench "$@" -- "$COST" client "$vip" 9000
}

in_ns() { nsenter --net="/run/netns/$1" -- "${@:2}"; }

# net_bridge WHO: as containers are joined: two network namespaces, a veth pair from each into a
# Linux bridge, which is in a third one
net_bridge() {
	local end addr=1
	ip netns add "$1" && in_ns "$1" ip link add br0 type bridge && in_ns "$1" ip link set br0 up ||
		return 1
	for end in s c; do
		ip netns add "$1-$end" &&
			ip -n "$1" link add "$end" type veth peer name eth0 netns "$1-$end" &&
			ip -n "$1" link set "$end" master br0 up &&
			ip -n "$1-$end" addr add 198.51.100.$addr/24 dev eth0 &&
			ip -n "$1-$end" link set eth0 up || return 1
		addr=$((addr + 1))
	done
}
# What crosses the bridge passes IPv4's netfilter hooks (1) or not (0).  The setting is the
# namespace's own; what the kernel starts with, and what container hosts use, is 1.
net_hooks() { in_ns "$1" sysctl -qw net.bridge.bridge-nf-call-iptables="$2"; }
net_conntrack() {
	net_hooks "$1" 1 && in_ns "$1" nft 'add table ip bench
		add chain ip bench forward { type filter hook forward priority 0; policy drop; }
		add rule ip bench forward ct state established counter accept
		add rule ip bench forward ct state new counter accept'
}
bridged() { # WHO NETWORK
	start "server-$1" nsenter --net="/run/netns/$2-s" -- \
		"$COST" serve 198.51.100.1 "$3"
	wait_for 5 log_has "server-$1" listening || die "$1-starts"
	client "$1" nsenter --net="/run/netns/$2-c" -- \
		"$COST" client 198.51.100.1 "$3"
}

# ---- a test ----------------------------------------------------------------------------------

# ask WHO WHAT SIZE: REPLY = the value; the connection's bytes by TCP, and in all: TCP, ALL.
# WHAT: rr, far (rr over two CPUs), stream
ask() {
	local how="rr ${BYTES[$3]} $RR_MS"
	[ "$2" != stream ] || how="stream ${BYTES[$3]} $STREAM_MS"
	echo "$how ${PIN[$2]}" >&"${TO[$1]}"
	read -rt 30 -u "${FROM[$1]}" REPLY TCP ALL && [[ $REPLY =~ ^[0-9.]+$ ]] ||
		die "$1-$2-$3" "no figure: '$REPLY ${TCP:-} ${ALL:-}' $(tail -n 1 "$SBX/log/client-$1")"
	[ "$2" = stream ] || REPLY=$(awk -v ns="$REPLY" 'BEGIN { printf "%.4f", ns / 1000 }')
	echo "round $round $1 $2 $3: $REPLY, $TCP of $ALL bytes by TCP"
}

# book WHAT SIZE WHO VALUE: as all that it counts for
book() {
	local what=$1 who=$3 value=$4 f=splice.$1_$2
	[ "$what" != far ] || f=splice.rr_$2_two_cpus
	case $who in
	spliced)
		record "$f" subject "$value"
		[ "$what" != rr ] || record "${f}_vs_bridge" subject "$value"
		[ "$what" != rr ] || record "${f}_vs_conntrack" subject "$value"
		;;
	loopback) book_loopback "$what" "$f" peer "$value" ;;
	loopback2) book_loopback "$what" "$f" peer2 "$value" ;;
	bridge2) record "${f}_vs_bridge" peer2 "$value" ;;
	conntrack2) record "${f}_vs_conntrack" peer2 "$value" ;;
	*)
		record "${f}_of_$who" subject "$value"
		[[ $what != rr || $who != @(bridge|conntrack) ]] ||
			record "${f}_vs_$who" peer "$value"
		;;
	esac
}
book_loopback() { # WHAT FIGURE CONTENDER VALUE
	local who
	record "$2" "$3" "$4"
	[ "$1" != far ] || return 0
	for who in managed unix bridge conntrack; do record "$2_of_$who" "$3" "$4"; done
}

# Who is measured under a name must be what the name says: a spliced request passes no TCP.
true_to_name() { # WHO WHAT
	case $1-$2 in
	spliced-rr | spliced-far | unix-*) [ "$TCP" = 0 ] ;;
	spliced-stream) [ "$TCP" -lt "$ALL" ] ;; # up to the budget: its reader sends nothing
	*) [ "$TCP" -ge "$ALL" ] ;;
	esac || die "$1-is-$1" "$TCP of $ALL bytes by TCP ($2)"
}

one_test() { # WHAT SIZE WHO...
	local who what=$1 size=$2
	shift 2
	for who in $(shuf -e "$@"); do
		ask "$who" "$what" "$size"
		true_to_name "$who" "$what"
		book "$what" "$size" "$who" "$REPLY"
	done
}

start_agent
managed spliced 10.9.0.5 --splice=all
managed managed 10.9.0.6
unmanaged loopback 127.0.0.1 9001
unmanaged loopback2 127.0.0.1 9002
unmanaged unix "$SBX/unix" 0
net_bridge bridge && net_hooks bridge 0 || die bridge
net_bridge conntrack && net_conntrack conntrack || die conntrack
bridged bridge bridge 9001
bridged bridge2 bridge 9002
bridged conntrack conntrack 9001
bridged conntrack2 conntrack 9002

for ((round = 1; round <= ROUNDS; round++)); do
	for size in "${SIZES[@]}"; do
		one_test rr "$size" "${RR_WHO[@]}"
		one_test far "$size" "${FAR_WHO[@]}"
		one_test stream "$size" "${STREAM_WHO[@]}"
	done
done
# all packets but the first of a connection; without conntrack the chain drops each of them
match conntrack-tracks 'established counter packets [1-9][0-9]{3}' in_ns conntrack nft list ruleset
for who in bridge conntrack; do ip netns del "$who-s"; ip netns del "$who-c"; ip netns del "$who"; done
ok measured
finish
