#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# detach --all: works with and without the agent, says what becomes open, leaves nothing.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# The kernel's own progs.debug and maps.debug come with every bpffs.
left() {
	find "$SBX/bpf" -mindepth 1 ! -name '*.debug'
	bpftool cgroup tree "$CG" | grep pb_
	bpftool -j link show | json '[l for l in d if l.get("type") == "netns" and l["netns_ino"] == '"$netns"'] or ""'
}
nothing_left() { [ -z "$(left | tr -d '\n')" ]; }
netns=$(stat -Lc %i /proc/self/ns/net)

expect_rc nothing-to-do 0 pb detach --all --yes
start_agent
serve srv --name a --ip 10.9.19.1 --tag grp=t -- "$S" tcp-serve 80
real=$(real_ports a:80)
expect_errno guarded-before ECONNREFUSED "$S" tcp-connect 127.0.0.1 "$real"
expect_rc all-is-required 2 pb detach
expect_rc asks-first 2 pb detach --all < /dev/null
expect_errno still-guarded ECONNREFUSED "$S" tcp-connect 127.0.0.1 "$real"
stop_agent

# ---- without the agent ----
check detach pb detach --all --yes
match says-what-opens 'guard|open|real port' echo "$REPLY"
match open-after '^ok ' "$S" tcp-connect 127.0.0.1 "$real"
app_stop srv
check nothing-left wait_for 10 nothing_left
eq left-over '' "$(left | tr -d '\n')"
expect_rc again 0 pb detach --all --yes
match again-says-nothing '[Nn]othing' echo "$REPLY"
expect_rc status-after 3 pb status

# ---- and a fresh start works ----
start_agent
serve srv --name a --ip 10.9.19.1 --tag grp=t -- "$S" tcp-serve 80
match fresh '^ok ' pb run --tag grp=t -- "$S" tcp-connect 10.9.19.1 80
app_stop srv
stop_agent
pb detach --all --yes > /dev/null
check nothing-left-again wait_for 10 nothing_left
routes() { ip route show table all type unreachable; ip -6 route show table all type unreachable | grep -v 'dev lo'; }
eq no-route-left '' "$(routes)"
finish
