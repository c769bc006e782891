#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A managed program in a network namespace of its own: hooks hold, what cannot work is refused at
# once and with a reason.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
serve srv --name a --ip 10.9.13.1 --ip fd09:13::1 --tag grp=t -- "$S" tcp-serve -6 80
serve usrv --name a --ip 10.9.13.1 --tag grp=t -- "$S" udp-serve 53
apart() { pb run "${who[@]}" -- unshare -n sh -c 'ip link set lo up; exec "$@"' sh "$S" "$@"; }

who=(--tag grp=t)
expect_errno client EHOSTUNREACH apart tcp-connect 10.9.13.1 80
expect_errno client6 EHOSTUNREACH apart tcp-connect fd09:13::1 80
expect_errno client-mapped EHOSTUNREACH apart tcp-connect --mapped 10.9.13.1 80
expect_errno client-udp EHOSTUNREACH apart udp-send 10.9.13.1 53
match client-reason 'netns' pb events --refused --last 20
who=(--tag grp=other)
expect_errno policy-or-netns 'EHOSTUNREACH|EACCES' apart tcp-connect 10.9.13.1 80

who=(--name b --ip 10.9.13.2 --tag grp=t)
match server-bind 'errno=EACCES' apart seq tcp4 bind=10.9.13.2:80 listen
match server-bind-any 'errno=EACCES' apart seq tcp4 bind=0.0.0.0:80 listen
match server-udp 'errno=EACCES' apart seq udp4 bind=10.9.13.2:80
match server-reason 'no-guard' pb events --refused --last 20
eq server-is-not-published 0 "$(endpoints b)"

# The same program in the agent's namespace serves.
serve b "${who[@]}" -- "$S" tcp-serve 80
match at-home '^ok ' pb run --tag grp=t -- "$S" tcp-connect 10.9.13.2 80
eq accepted-only-from-home 0 "$(log_count srv '^accept')"
finish
