#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The pool's unreachable routes come with the agent and go with detach --all or with the
# configuration; a live agent is not detached by accident; its limits; one version everywhere.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

routes() {
	ip route show table all type unreachable
	ip -6 route show table all type unreachable | grep -v 'dev lo'
}
config <<'END'
[agent]
pool4 = 10.9.0.0/16
pool6 = fd09::/64
END
check foreign ip route add unreachable 10.9.0.0/16 metric 100
start_agent
match route4 '10\.9\.0\.0/16' routes
match route6 'fd09::/64' routes
eq three 3 "$(routes | wc -l)"
eq nofile "$(awk '/open files/ { print $5 }' "/proc/$AGENT_PID/limits")" \
	"$(awk '/open files/ { print $4 }' "/proc/$AGENT_PID/limits")"
eq versions "$(pb version -o json | json 'd["version"]')" "$(pb version -o json | json 'd["agent"]')"
match version-of-agent "patchbayd $(pb version -o json | json 'd["version"]') " "$BUILD/patchbayd" --version

# ---- a live agent ----
expect_rc refused 1 pb detach --all --yes
match refused-says-who "pid $AGENT_PID\\b.*--force" echo "$REPLY"
expect_rc refused-json 1 pb detach --all --yes -o json
eq refused-changes-nothing 3 "$(routes | wc -l)"
check still-attached pb status
kill -STOP "$AGENT_PID"
check forced pb detach --all --yes --force
match forced-warns "pid $AGENT_PID.*again" echo "$REPLY"
eq forced-routes 1 "$(routes | wc -l)"
kill -CONT "$AGENT_PID"
kill_agent
pb detach --all --yes > /dev/null 2>&1

# ---- a dead one ----
start_agent
eq three-again 3 "$(routes | wc -l)"
kill_agent
eq stay-without-agent 3 "$(routes | wc -l)"
check detach pb detach --all --yes
match detach-counts 'and 2 routes' echo "$REPLY"
eq the-hosts-own-stays 1 "$(routes | wc -l)"
match the-hosts-own 'metric 100' routes
ip route del unreachable 10.9.0.0/16 metric 100

# ---- other pools, or none wanted ----
start_agent
stop_agent
config <<'END'
[agent]
pool4 = 10.10.0.0/16
pool6 = fd10::/64
END
start_agent
match new-pools '10\.10\..*fd10::' routes
nomatch old-pools '10\.9\.|fd09:' routes
stop_agent
config <<'END'
[agent]
pool4 = 10.10.0.0/16
pool6 = fd10::/64
route = off
END
start_agent
eq not-wanted '' "$(routes)"
finish
