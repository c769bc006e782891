#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Spliced connections for SECS seconds (600): modes, sizes, families, sockets that block and do not,
# CPUs and the agent's comings and goings at random.  SEED= repeats the choices of a run.
# shellcheck source=../e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=../lib/tort.sh
. "$TOP/tests/lib/tort.sh"

SECS=${SECS:-600}
SEED=${SEED:-$SRANDOM}
RANDOM=$((SEED % 32768))
AT_ONCE=2 # servers, each with a client
echo "# SEED=$SEED SECS=$SECS"

# ---- choices ----

# one WORD...: CHOICE
one() {
	local n=$((RANDOM % $# + 1))
	CHOICE=${!n}
}
between() { CHOICE=$(($1 + (RANDOM * 32768 + RANDOM) % ($2 - $1 + 1))); }
# size MAX_BITS: any magnitude as likely
size() { between 1 "$1"; between 1 $((1 << CHOICE)); }

MODES=(rr stream stream stall mute greet half abort closeq shutrd peek inq wait wait wait nbconnect
	prerecv short short fork dup records api api zero cork opt opt ulp timeo signal)
OPTIONS=(rcvbuf sndbuf lowat oobinline timestamp timestampns zerocopy keepalive nodelay notsent
	usertimeout maxseg clamp keepidle)
add() { one "${@:2}"; ARGS+=("$1=$CHOICE"); }

# choose: ARGS, a mode and its settings
choose() {
	one "${MODES[@]}"
	ARGS=("$CHOICE" "seed=$((RANDOM * 32768 + RANDOM))" secs=120)
	choose_of "$CHOICE"
	case ${ARGS[0]} in
	timeo | signal | prerecv) ;;
	*) [ $((RANDOM % 4)) != 0 ] || add block client server both ;;
	esac
	case ${ARGS[0]} in
	stream | half | closeq | abort | cork | stall) [ $((RANDOM % 4)) != 0 ] || ARGS+=(nagle=1) ;;
	esac
}
# choose_of MODE: at least 500 bytes a write, for the time it takes
choose_of() {
	local bits=18
	case $1 in
	rr)
		between 10 300
		ARGS+=("rounds=$CHOICE") bits=20
		;;
	short)
		between 200 3000
		ARGS+=("rounds=$CHOICE" "threads=$((1 + RANDOM % 8))") bits=14
		;;
	stream)
		add dir up down duplex poll
		[ $((RANDOM % 3)) != 0 ] || ARGS+=("ack=$((1000 + RANDOM))")
		[ $((RANDOM % 4)) != 0 ] || ARGS+=(late=1 bytes=200k)
		;;
	wait | greet)
		add dir up down
		add how et etshort lt oneshot poll select
		bits=21
		;;
	prerecv)
		add how recv poll select epoll
		[[ ${ARGS[-1]} != how=recv ]] || ARGS+=(block=both)
		bits=16
		;;
	opt)
		add opt "${OPTIONS[@]}"
		add when before first after
		;;
	closeq) add bytes 1000 60k 250k 500k ;;
	abort)
		add how now asleep
		add unread 0 5000
		add bytes 100 20000 60000
		;;
	fork) add how close keep ;;
	records) bits=12 ;;
	esac
	case $1 in
	half | abort | closeq | shutrd | nbconnect | prerecv | opt | ulp) add who client server ;;
	stall | peek | inq | zero | timeo | records | waitall) add dir up down ;;
	esac
	size $bits
	[ "$CHOICE" -ge 500 ] || CHOICE=$((CHOICE + 500))
	ARGS+=("size=$CHOICE")
	[[ ${ARGS[*]} == *bytes=* ]] || ARGS+=("bytes=$((CHOICE > 8000 ? 4 << 20 : CHOICE * 500))")
	between 1 12
	[[ $1 = prerecv || $1 = short ]] || ARGS+=("conns=$CHOICE")
}

# ---- the run ----

# lane N: where its servers listen
lane() { TORT_PORT4=$((7000 + $1 * 10)) TORT_PORT6=$((7100 + $1 * 10)); }
# restart: once all clients run, since `patchbay run` needs the agent
restart() {
	local i
	for ((i = 0; i < AT_ONCE; i++)); do
		wait_for 60 grep -qE '^progress|^ok|^FAIL' "$SBX/log/line-$i"
	done
	one TERM KILL
	stop_agent "$CHOICE"
	start_agent
}
# round: AT_ONCE at once
round() {
	local pids=() i family again=$((RANDOM % 20 == 0))
	for ((i = 0; i < AT_ONCE; i++)); do
		choose
		[ $again = 0 ] || ARGS+=(tell=1)
		one v4 v4 v6 mapped dual
		family=$CHOICE
		lane "$i"
		echo "$family ${ARGS[*]}" > "$SBX/log/case-$i"
		tort_run "$family" "${ARGS[@]}" > "$SBX/log/line-$i" 2>&1 &
		pids+=($!)
	done
	[ $again = 0 ] || restart
	for ((i = 0; i < AT_ONCE; i++)); do
		if wait "${pids[i]}"; then
			cases=$((cases + 1))
			tort_spliced none "$(cat "$SBX/log/line-$i")" || spliced=$((spliced + 1))
		else
			fail "case-$cases" "SEED=$SEED, $(cat "$SBX/log/case-$i"): $(cat "$SBX/log/line-$i")"
		fi
	done
}
steer() {
	one 0 "$(rps_all)"
	rps_on "$CHOICE" || fail rps "cannot be set"
	[ "$WAY" != apart ] || rps_on "$CHOICE" nsenter --net=/run/netns/c1
}

wait_for 5 container c1 1 || die container
config <<< $'[agent]\npool6 = fd09::/16\nnode-address = 192.0.2.1, 2001:db8::1'
start_agent
tort_way splice
for ((i = 0; i < AT_ONCE; i++)); do
	lane "$i"
	tort_up
done
cases=0 spliced=0 deadline=$((SECONDS + SECS)) said=$SECONDS
while [ "$SECONDS" -lt "$deadline" ] && [ "$failed" -lt 10 ]; do
	one splice splice apart
	tort_way "$CHOICE"
	[ $((RANDOM % 10)) != 0 ] || steer
	round
	[ $((SECONDS - said)) -lt 60 ] || { said=$SECONDS && echo "# $cases cases, $spliced of them spliced"; }
done
echo "# $cases cases, $spliced of them spliced, SEED=$SEED"
check many-cases test "$cases" -gt $((SECS / 10))
check many-spliced test "$spliced" -gt $((cases / 4))
finish
