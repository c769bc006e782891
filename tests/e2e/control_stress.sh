#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# 1,000 scopes come, twenty at a time, and go: nothing of them stays in the maps, among the
# cgroups, or in the agent.  In between a restart adopts all of them.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

N=1000 AT_ONCE=20 EVERY=10 # each tenth listens
start_agent
serve keep --name keep --ip 10.9.70.1 --tag grp=keep -- "$S" tcp-serve 80

apps() { pb apps -o json | json 'len(d["apps"])'; }
has_apps() { [ "$(apps)" = "$1" ]; }
fds() { find "/proc/$AGENT_PID/fd" -mindepth 1 -maxdepth 1 | wc -l; }
rss_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$AGENT_PID/status"; }
scopes() { find "$CG/patchbay" -mindepth 1 -maxdepth 1 -type d | wc -l; }
# Counters only grow and the services of listeners that went are collected later.
entries() {
	pb status -o json | json '" ".join("%s=%d" % (m["name"], m["entries"]) for m in d["maps"]
		if m["name"] not in ("pb_services", "pb_stats", "pb_resolv", "pb_resolvers"))'
}
same_entries() { [ "$(entries)" = "$before" ]; }

# Programs wait at a gate: each takes one line and ends.
mkfifo "$SBX/gate"
exec {gate}<> "$SBX/gate"
crowd() {
	local i cmd
	: > "$SBX/log/crowd"
	for ((i = 0; i < N; i++)); do
		cmd=(sh -c 'echo up; read -r _')
		[ $((i % EVERY)) != 0 ] || cmd=(sh -c "'$S' tcp-serve 80 & echo up; read -r _; kill \$!")
		"$PB" run --name "n$i" --tag "grp=g$((i % 100))" --egress "192.0.2.0/24:53,10.$((i % 256)).0.0/16" -- \
			"${cmd[@]}" < "$SBX/gate" >> "$SBX/log/crowd" 2>&1 {gate}>&- &
		if [ $((i % AT_ONCE)) = $((AT_ONCE - 1)) ]; then
			wait_for 60 log_has crowd '^up$' $((i + 1)) || return 1
		fi
	done
}
open_gate() { for ((i = 0; i < N; i++)); do echo; done >&"$gate"; }
crowd_ends() {
	open_gate
	wait_for 60 has_apps 1
}
listening() { [ "$(pb services -o json | json 'len([s for s in d["services"] if s["endpoints"]])')" = "$1" ]; }

before=$(entries) fds=$(fds)
for round in 1 2; do
	check "come-$round" crowd
	eq "all-there-$round" $((N + 1)) "$(apps)"
	nomatch "no-complaint-$round" 'patchbay:|errno=' cat "$SBX/log/crowd"
	eq "fds-with-$round" "$fds" "$(fds)"
	if [ $round = 1 ]; then
		kill_agent
		begin=${EPOCHREALTIME/[.,]/}
		start_agent
		echo "# restart with $N scopes: $(((${EPOCHREALTIME/[.,]/} - begin) / 1000)) ms"
		eq adopted $((N + 1)) "$(apps)"
		fds=$(fds)
	fi
	check "go-$round" crowd_ends
	wait_for 5 same_entries
	eq "entries-$round" "$before" "$(entries)"
	eq "cgroups-$round" 1 "$(scopes)"
	eq "fds-$round" "$fds" "$(fds)"
	rss[round]=$(rss_kb)
done
# What the first crowd needed is used again by the second.
if [ "${rss[2]}" -le $((rss[1] + 2048)) ]; then ok memory; else
	fail memory "${rss[1]} kB after the first crowd, ${rss[2]} kB after the second"
fi
echo "# resident after each round: ${rss[1]} kB, ${rss[2]} kB"

# ---- the agent is dead while all of them go ----
check come-again crowd
kill_agent
open_gate
empty_all() { ! grep -lq 'populated 1' "$CG"/patchbay/n*/cgroup.events; }
check all-ended wait_for 60 empty_all
begin=${EPOCHREALTIME/[.,]/}
start_agent
echo "# restart with $N ended scopes: $(((${EPOCHREALTIME/[.,]/} - begin) / 1000)) ms"
check cleared wait_for 30 has_apps 1
wait_for 5 same_entries
eq entries-cleared "$before" "$(entries)"
eq cgroups-cleared 1 "$(scopes)"
match keeps-serving '^ok ' pb run --tag grp=keep -- "$S" tcp-connect 10.9.70.1 80

# ---- twenty at once, none of which lives long ----
short() {
	local pids=() p bad=0
	for ((i = 0; i < 400; i++)); do
		"$PB" run --name "s$((i % 7))" --tag grp=s -- true &
		pids+=($!)
		if [ ${#pids[@]} = "$AT_ONCE" ]; then
			for p in "${pids[@]}"; do wait "$p" || bad=$((bad + 1)); done
			pids=()
		fi
	done
	[ "$bad" = 0 ]
}
check short-ones short
check short-ones-gone wait_for 10 has_apps 1
eq entries-in-the-end "$before" "$(entries)"
finish
