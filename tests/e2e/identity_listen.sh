#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# listen(): a service exists from listen() on, whoever holds the socket, and until it is closed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
A=(--name a --ip 10.9.2.1 --tag grp=t)
client() { pb run --tag grp=t -- "$S" tcp-connect "$@"; }

# ---- bound is not listening ----
run_app bound "${A[@]}" -- "$S" seq tcp4 bind=10.9.2.1:80 hold
check bound wait_for 5 log_has bound holding
expect_errno bound-is-no-service ECONNREFUSED client 10.9.2.1 80
eq bound-is-no-endpoint 0 "$(endpoints a)"
app_stop bound

# ---- listen without bind, twice, after shutdown ----
run_app unbound "${A[@]}" -- "$S" seq tcp4 listen names hold
check unbound wait_for 5 log_has unbound holding
port=$(sed -n 's/^names sock=[^ ]*:\([0-9]*\) .*/\1/p' "$SBX/log/unbound")
match listen-without-bind '^ok ' client 10.9.2.1 "${port:-1}"
app_stop unbound
run_app again "${A[@]}" -- "$S" seq tcp4 bind=10.9.2.1:80 listen listen listen hold
wait_for 5 log_has again holding
eq listen-again-is-one 1 "$(endpoints a:80)"
match listen-again-serves '^ok ' client 10.9.2.1 80
app_stop again
run_app shut "${A[@]}" -- "$S" seq tcp4 bind=10.9.2.1:80 listen shutdown hold
wait_for 5 log_has shut holding
expect_errno shutdown-withdraws ECONNREFUSED client 10.9.2.1 80
app_stop shut
run_app relisten "${A[@]}" -- "$S" seq tcp4 bind=10.9.2.1:80 listen shutdown listen hold
wait_for 5 log_has relisten holding
match listen-after-shutdown '^ok ' client 10.9.2.1 80
app_stop relisten

# ---- the end of a listener ----
serve srv "${A[@]}" -- "$S" tcp-serve 80
match served '^ok ' client 10.9.2.1 80
app_stop srv
expect_errno closed-is-refused 'ECONNREFUSED|EHOSTUNREACH' client 10.9.2.1 80
serve srv "${A[@]}" -- "$S" tcp-serve 80
match served-again '^ok ' client 10.9.2.1 80
app_kill srv
# The address is nobody's as soon as the scope is cleared.
expect_errno killed-is-refused 'ECONNREFUSED|EHOSTUNREACH' client 10.9.2.1 80

# An accepted connection lives on without its listener, and does not keep the service alive.
run_app lone "${A[@]}" -- "$S" seq tcp4 bind=10.9.2.1:80 listen accept use=0 close use=1 names hold
wait_for 5 has_endpoints a:80 1
match lone-child '^ok ' client 10.9.2.1 80
check lone-child-holds wait_for 5 log_has lone holding
match lone-child-names 'names sock=10.9.2.1:80 peer=169.254' cat "$SBX/log/lone"
expect_errno lone-child-is-no-service ECONNREFUSED client 10.9.2.1 80
match port-free-beside-child 'listen ok' pb run "${A[@]}" -- "$S" seq tcp4 bind=10.9.2.1:80 listen
app_stop lone

# ---- fork ----
serve forked "${A[@]}" -- "$S" tcp-serve --fork 80
check parent-ended wait_for 5 gone "${PIDS[forked]}"
match child-serves '^ok ' client 10.9.2.1 80
eq child-is-one-endpoint 1 "$(endpoints a:80)"
kill -KILL "$(managed_pids a)"
check child-killed wait_for 5 has_endpoints a:80 0
run_app inherited "${A[@]}" -- "$S" seq tcp4 bind=10.9.2.1:80 listen fork accept names hold
wait_for 5 has_endpoints a:80 1
match inherited-socket-serves '^ok ' client 10.9.2.1 80
check inherited-accepts wait_for 5 log_has inherited 'names sock=10.9.2.1:80'
app_kill inherited

# ---- nginx reload: workers change, the service stays ----
nginx_conf web 10.9.2.1:80 0.0.0.0:8080
read -ra nginx <<< "$(nginx_cmd web)"
run_app web "${A[@]}" -- "${nginx[@]}"
check nginx-serves wait_for 10 has_endpoints a:80 1
start stress "$PB" run --tag grp=t -- "$S" stress-connect --for 20000 10.9.2.1 80
check stress-runs wait_for 5 log_has stress started
sed -i "s/'web/'next/; s/0.0.0.0:8080/0.0.0.0:8081/" "$SBX/nginx-web/conf"
kill -HUP "$(cat "$SBX/nginx-web/pid")"
check reload-new-port wait_for 10 has_endpoints a:8081 1
check reload-old-port wait_for 10 has_endpoints a:8080 0
match reload-new-content '^next' pb run --tag grp=t -- curl -sS --max-time 5 http://10.9.2.1/
eq reload-one-endpoint 1 "$(endpoints a:80)"
app_stop stress
check stress-ends wait_for 10 log_has stress 'stress ok='
match reload-loses-no-connect 'stress ok=[1-9][0-9]* failed=0' cat "$SBX/log/stress"
app_stop web
finish
