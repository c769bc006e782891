#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Spliced connections in the middle of a transfer: the agent ends, is killed, is replaced; splicing
# is switched off and on again; everything is detached.  Not one byte is lost.  Either end is killed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/tort.sh
. "$TOP/tests/lib/tort.sh"

start_agent
tort_all "${WAY:-splice}"

# tort_start NAME PORT MODE [KEY=VALUE]...: a server and a client of their own, until tort_end
tort_start() {
	local name=$1 port=$2 mode=$3
	shift 3
	tort_server "$name-server" -4 "$port"
	start "$name" "${TORT_CLIENT[@]}" "$TORT" "$mode" "$TORT_ADDR4" "$port" secs=240 tell=1 \
		"${TORT_SET[@]}" "$@"
}
progress() { sed -n 's/^progress //p' "$SBX/log/$1" | tail -n 1; }
moved_on() { [ "$(progress "$1")" -gt "$2" ]; }
# goes_on WHEN NAME...: bytes still move, both times one looks; nothing was found wrong
goes_on() {
	local when=$1 name seen
	shift
	for name; do
		seen=$(progress "$name")
		if wait_for 20 moved_on "$name" "${seen:-0}" && seen=$(progress "$name") &&
			wait_for 20 moved_on "$name" "$seen"; then
			ok "$name-goes-on-$when"
		else
			fail "$name-goes-on-$when" "$(tail -n 1 "$SBX/log/$name")"
		fi
	done
}
# tort_end NAME WANT: SIGTERM; both programs agree on every byte
tort_end() {
	local line
	app_stop "$1"
	line=$(tail -n 1 "$SBX/log/$1")
	match "$1-all-bytes" '^ok ' echo "$line"
	if tort_spliced "$2" "$line"; then ok "$1-spliced-$2"; else
		fail "$1-spliced-$2" "$line"
	fi
	echo "# $1: $line"
	app_stop "$1-server"
}

# ---- the agent comes and goes; each start puts its own programs in place of the old ones ----
tort_start rr 7400 rr rounds=0 size=20000 pause=200
tort_start duplex 7410 stream dir=duplex rounds=1 size=8000 pause=300
tort_start short 7420 short rounds=0 threads=2
goes_on before rr duplex short
prog_ids() {
	local pin
	for pin in "$SBX/bpf/patchbay/links"/*; do
		bpftool -j link show pinned "$pin" | json 'd["prog_id"]'
	done
}
for round in 1 2; do
	before=$(prog_ids)
	stop_agent "$([ $((round % 2)) = 0 ] && echo TERM || echo KILL)"
	goes_on "without-agent-$round" rr duplex short
	start_agent
	goes_on "with-agent-$round" rr duplex short
	if [ "$before" != "$(prog_ids)" ]; then ok "programs-replaced-$round"; else
		fail "programs-replaced-$round"
	fi
done

# ---- off by configuration, and on again ----
config <<< $'[agent]\nsplice = never'
check reload-never pb reload
goes_on never rr duplex short
spliced() { tort_figure spliced "$(tort_run v4 rr rounds=30 size=5000)"; }
eq nothing-spliced-under-never 0/0 "$(spliced)"
config <<< ''
check reload-again pb reload
goes_on again rr duplex short
if [ "$WAY" = splice ]; then
	match spliced-again '^[1-9][0-9]*/[1-9]' spliced
fi
tort_end short both
tort_end rr both
tort_end duplex any

# ---- detached ----
tort_start rr2 7430 rr rounds=0 size=20000 pause=200
tort_start duplex2 7440 stream dir=duplex rounds=1 size=3000 pause=300
goes_on before-detach rr2 duplex2
if [ "$WAY" != plain ]; then
	stop_agent
	check detach-all pb detach --all --yes
	goes_on after-detach rr2 duplex2
	tort_end rr2 both
	tort_end duplex2 any
	tort_down
	start_agent
	tort_up
fi

# kill_all NAME: the program, and what it started
kill_all() {
	local pids
	pids=$(descendants "${PIDS[$1]}")
	[ "$WAY" = plain ] && pids="${PIDS[$1]} $pids"
	# shellcheck disable=SC2086 # a list
	kill -KILL $pids
	wait "${PIDS[$1]}" 2> /dev/null
}

# ---- one end is killed: the other gets the beginning of the stream, and then an end ----
# killed NAME VICTIM [KEY=VALUE]...: one line with what the survivor saw
killed() {
	local name=$1 victim=$2 log
	shift 2
	tort_start "$name" 7450 doom "$@"
	wait_for 20 moved_on "$name" 3000000 || fail "$name-runs" "$(tail -n 1 "$SBX/log/$name")"
	if [ "$victim" = client ]; then
		kill_all "$name"
		log=$name-server
		wait_for 20 log_has "$log" '^served doom|^FAIL'
	else
		kill_all "$name-server"
		log=$name
		wait_for 20 log_has "$log" '^ok doom|^FAIL'
	fi
	match "$name" '(ok|served) doom .*came=[1-9]' cat "$SBX/log/$log"
	match "$name-sees-an-end" '(read|write)-end=(EOF|ECONNRESET|EPIPE|mixed)' cat "$SBX/log/$log"
	refute "$name-nothing-wrong" grep FAIL "$SBX/log/$log"
	echo "# $name: $(grep -E ' doom ' "$SBX/log/$log")"
	[ "$victim" = client ] && app_stop "$name-server"
}
way=$WAY
# duplex: mostly by TCP, with spliced bytes before; pingpong: nothing but spliced bytes
for victim in client server; do
	tort_way plain
	killed "killed-$victim-plain" $victim dir=duplex size=2000
	killed "killed-$victim-pingpong-plain" $victim how=pingpong size=20000
	[ "$way" != plain ] || continue
	tort_way "$way"
	killed "killed-$victim" $victim dir=duplex size=2000
	killed "killed-$victim-pingpong" $victim how=pingpong size=20000
done
finish
