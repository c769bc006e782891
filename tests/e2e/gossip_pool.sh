#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A node of ours among Debian's serf agents: members, tags, events, leaving, dying, coming back.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/gossip_lab.sh
. "$TOP/tests/lib/gossip_lab.sh"

# No warning of an agent because of us: none at all before anybody died, later none about what we
# say.  (Who left and comes back refutes its own good-bye, among Serf's agents too.)
no_complaint() {
	local p
	for p in alpha beta gamma; do
		nomatch "$MODE-$1-$p" "\\[(WARN|ERR)\\][^\\n]*${2:-}" \
			sed '/Refuting a dead message (from: gamma)/d; /\[\(WARN\|ERR\)\]/!d' \
			"$SBX/log/$MODE-$p"
	done
}

# meet MODE KEY PREFIX: three agents and ours, who see each other
meet() {
	local p
	MODE=$1 KEY=$2 PREFIX=$3
	agent 1 alpha
	agent 2 beta -join="$(at 1)"
	agent 3 gamma -join="$(at 1)"
	node 4 ours -s -t color=red -j "$(at 1)"
	for p in alpha beta gamma; do
		check "$MODE-sees-$p" wait_for 30 sees ours "$p" alive 'role=web'
	done
	for p in 1 2 3; do
		check "$MODE-seen-by-$p" wait_for 30 serf_sees "$p" ours alive 'color=red'
	done
	match "$MODE-is-tagged" 'ours .* alive .*patchbay=1' rpc 2 members
}

tags_and_events() {
	rpc 2 tags -set role=db > /dev/null
	check "$MODE-new-tag-of-serf" wait_for 30 sees ours beta alive 'role=db'
	tell ours tag color=blue
	check "$MODE-new-tag-of-ours" wait_for 30 serf_sees 3 ours alive 'color=blue'
	rpc 3 event -coalesce=false deploy v1 > /dev/null
	check "$MODE-event-of-serf" wait_for 30 said ours '^event deploy v1'
	tell ours event hello world
	for p in alpha beta gamma; do
		check "$MODE-event-at-$p" wait_for 30 said "$p" 'user-event: hello'
	done
	match "$MODE-query" "Ack from 'ours'" rpc 1 query -timeout=2s ping x
	match "$MODE-reachable" 'Successfully contacted all live nodes' rpc 1 reachability
}

going_and_coming() {
	rpc 3 leave > /dev/null
	check "$MODE-serf-leaves" wait_for 30 sees ours gamma left
	agent 3 gamma -join="$(at 4)"
	check "$MODE-serf-joins-by-us" wait_for 30 sees ours gamma alive
	tell ours leave
	check "$MODE-ours-leaves" wait_for 30 serf_sees 1 ours left
	check "$MODE-ours-is-gone" wait_for 30 gone "${PIDS[$MODE-ours]}"
	no_complaint quiet
	node 4 ours -s -t color=red -j "$(at 2)"
	check "$MODE-ours-returns" wait_for 30 serf_sees 1 ours alive
	check "$MODE-ours-knows-all" wait_for 30 sees ours gamma alive
}

dying() {
	app_stop "$MODE-beta" KILL
	check "$MODE-serf-dies" wait_for 60 sees ours beta failed
	check "$MODE-all-agree" wait_for 60 serf_sees 1 beta failed
	tell ours force-leave beta
	check "$MODE-force-leave-of-ours" wait_for 30 serf_sees 1 beta left
	agent 2 beta -join="$(at 1)"
	check "$MODE-serf-is-back" wait_for 60 sees ours beta alive
	app_stop "$MODE-beta" KILL
	check "$MODE-serf-dies-again" wait_for 60 sees ours beta failed
	rpc 1 force-leave beta > /dev/null
	check "$MODE-force-leave-of-serf" wait_for 30 sees ours beta left
	app_stop "$MODE-ours" KILL
	check "$MODE-ours-dies" wait_for 60 serf_sees 1 ours failed
	node 4 ours -s -t color=red
	check "$MODE-ours-is-found" wait_for 90 serf_sees 1 ours alive
	check "$MODE-ours-finds" wait_for 60 sees ours alpha alive
}

meet plain '' 127.0.0
tags_and_events
going_and_coming
dying
no_complaint words '([nN]ot (a )?(valid|understood)|[uU]nknown|[dD]ecod|[iI]ncompat|[mM]alformed|[cC]onflict)'
eq plain-nothing-strange 0 "$(state ours | awk '$1 ~ /^(udp_key|udp_bad|udp_label|tcp_key|tcp_label|core_bad|core_unknown|core_forged)$/ { n += $2 } END { print n + 0 }')"
stop_all

meet v6 0123456789abcdef0123456789ABCDEF fd00::
tags_and_events
going_and_coming
stop_all
finish
