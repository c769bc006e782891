#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# [scope] of the configuration: cgroups that are not Patchbay's own get an identity where they are.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

EXT=$CG/ext
mkdir -p "$EXT"
config << END
[scope unit]
cgroup = $EXT
name = unit
ip = 10.9.30.1
ip = fd09:30::1
tag = grp=t
END

# inside CMD...: becomes CMD in the cgroup, or in its subfolder $SUB
inside() { echo "$BASHPID" > "$EXT${SUB:-}/cgroup.procs" && exec "$@"; }
client() { pb run --tag grp=t -- "$S" tcp-connect "$@"; }
unit_listed() { pb apps -o json | json 'd["apps"]' | grep -q "'unit'"; }

# A socket made before the hooks were there is left alone.
start_in() {
	local name=$1
	shift
	: > "$SBX/log/$name"
	inside "$@" > "$SBX/log/$name" 2>&1 <&"$never" &
	PIDS[$name]=$!
}
start_in early "$S" tcp-serve --bind 127.0.0.1 8123
check early-listens wait_for 5 log_has early listening
start_agent
check listed wait_for 5 unit_listed
match early-is-left-alone 'ok peer=127.0.0.1:8123' "$S" tcp-connect 127.0.0.1 8123

# ---- programs that start there have the identity ----
start_in late "$S" tcp-serve -6 80
check late-published wait_for 5 has_endpoints unit:80 1
match v4 'ok peer=10.9.30.1:80' client 10.9.30.1 80
match v6 'ok peer=.fd09:30::1.:80' client fd09:30::1 80
expect_errno policy EACCES pb run --tag grp=other -- "$S" tcp-connect 10.9.30.1 80
expect_errno guarded ECONNREFUSED "$S" tcp-connect 127.0.0.1 "$(real_ports unit:80)"
mkdir -p "$EXT/deep/er"
SUB=/deep/er start_in deep "$S" tcp-serve 81
check child-cgroup-published wait_for 5 has_endpoints unit:81 1
match child-cgroup 'ok peer=10.9.30.1:81' client 10.9.30.1 81
match child-sees-virtual 'peer=169\.254' cat "$SBX/log/deep"

# ---- the agent restarts ----
kill_agent
start_agent
check again-listed wait_for 5 unit_listed
match again 'ok peer=10.9.30.1:80' client 10.9.30.1 80
eq again-links True "$(pb status -o json | json 'all(l["alive"] for l in d["links"])')"

# ---- a service manager removes the cgroup and makes it again ----
for p in early late deep; do
	kill -KILL "${PIDS[$p]}"
	wait "${PIDS[$p]}" 2> /dev/null
done
check emptied wait_for 5 has_endpoints unit:80 0
check removed wait_for 5 rmdir "$EXT/deep/er" "$EXT/deep" "$EXT"
check not-listed wait_for 10 eval '! unit_listed'
mkdir "$EXT"
check listed-anew wait_for 10 unit_listed
start_in anew "$S" tcp-serve 80
check anew-published wait_for 10 has_endpoints unit:80 1
match anew 'ok peer=10.9.30.1:80' client 10.9.30.1 80
kill -KILL "${PIDS[anew]}"
finish
