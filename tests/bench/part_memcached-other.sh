#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the memcached switch costs others: a TCP stream, and requests of 64 bytes by TCP, from a client by
# this router to a server, with the switch's programs on both devices and without any.  One connection a
# test over always the same devices; the programs come and go between two tests.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/bench/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"
COST=$BUILD/bench/splicecost
SCALE=${SCALE:-100}
STREAM_MS=$((150 * SCALE / 100))
RR_MS=$((60 * SCALE / 100))
REPEATS=7 # tests a round, whose median is its figure
P=memcached-other
read -ra cpus < <("$PY" -c 'import os; print(*sorted(os.sched_getaffinity(0)))')
CPUS="${cpus[0]} ${cpus[1]:-${cpus[0]}}"

figure $P.tcp_stream MB/s ratio_min 0.95 none
figure $P.tcp_requests us ratio_max 1.05 none
figure $P.tcp_stream_xdp MB/s report - none
figure $P.tcp_requests_xdp us report - none

# ---- programs on the devices -------------------------------------------------------------------

pins() { compgen -G "$SBX/bpf/patchbay/links/$1@*" | wc -l; }
is_off() { [ "$(pins pb_mc_tc)$(pins pb_mc_xdp)" = 00 ]; }
is_tc() { [ "$(pins pb_mc_tc)$(pins pb_mc_xdp)" = 20 ]; }
is_xdp() { [ "$(pins pb_mc_tc)$(pins pb_mc_xdp)" = 22 ]; }
NOW=off
# turn off|tc|xdp
turn() {
	[ "$NOW" != "$1" ] || return 0
	[ "$NOW" = off ] || pb memcached remove mc > /dev/null || die remove
	[ "$1" = off ] || pb memcached add mc --vip "$(mc_vip 4)" --backend "10.8.1.2:$MC_PORT" \
		--dev "c0=$1" --dev "s1=$1" > /dev/null || die "add-$1"
	NOW=$1
	wait_for 10 "is_$1" || die "programs-$1" "$(ls "$SBX/bpf/patchbay/links")"
}

# ---- a test --------------------------------------------------------------------------------------

# ask stream|rr: REPLY = MB/s, or us
ask() {
	local how="rr 64 $RR_MS $CPUS"
	[ "$1" != stream ] || how="stream 131072 $STREAM_MS $CPUS"
	echo "$how" >&"$to"
	{ read -rt 30 -u "$from" REPLY _ && [[ $REPLY =~ ^[0-9.]+$ ]]; } ||
		die "$1" "no figure: '$REPLY' $(tail -n 1 "$SBX/log/other-client")"
	[ "$1" = stream ] || REPLY=$(awk -v ns="$REPLY" 'BEGIN { printf "%.4f", ns / 1000 }')
}
declare -A SEEN=()
# test_one WHO: off, off2, tc or xdp
test_one() {
	local what
	turn "${1%2}"
	for what in stream rr; do
		ask $what
		echo "round $round $1 $what: $REPLY"
		SEEN[$1-$what]+=$REPLY$'\n'
	done
}
# book FIGURE WHAT SUBJECT
book() {
	record "$P.$1" subject "$(middle "$3-$2")"
	record "$P.$1" peer "$(middle "off-$2")"
	record "$P.$1" peer2 "$(middle "off2-$2")"
}
middle() { sort -n <<< "${SEEN[$1]%$'\n'}" | sed -n "$((REPEATS / 2 + 1))p"; }

# ---- the run -------------------------------------------------------------------------------------

mc_lab 1
mc_agent
start_serve other-server nsenter --net=/run/netns/s1 -- "$COST" serve 10.8.1.2 9001
mkfifo "$SBX/to" "$SBX/from"
exec {to}<> "$SBX/to" {from}<> "$SBX/from"
nsenter --net=/run/netns/client -- "$COST" client 10.8.1.2 9001 < "$SBX/to" > "$SBX/from" \
	2> "$SBX/log/other-client" &
for ((round = 1; round <= ROUNDS; round++)); do
	SEEN=()
	for ((i = 0; i < REPEATS; i++)); do
		for who in $(shuf -e off off2 tc xdp); do test_one "$who"; done
	done
	book tcp_stream stream tc
	book tcp_requests rr tc
	book tcp_stream_xdp stream xdp
	book tcp_requests_xdp rr xdp
done
turn off
ok measured
finish
