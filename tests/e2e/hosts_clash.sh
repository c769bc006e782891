#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Two hosts that do not hear each other give away one address twice, or one name: afterwards one of
# them has it, all agree which, and it is said.  Two nodes of one name: the second is not let in.
# A copy of a host's disk stays out.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_up 3
lab_isolate 3
check cut wait_for 60 lab_state 1 h3 'suspect|dead'
# one address, two names that have nothing to do with each other
lab_serve 1 red --name red --ip 10.9.50.1 --tag grp=r -- "$S" tcp-serve --hello RED 80
lab_serve 3 blue --name blue --ip 10.9.50.1 --ip fd09:50::3 --tag grp=b -- "$S" tcp-serve --hello BLUE 80
# one name, two addresses: h3 was first, by the clock's seconds, but h2 hears of h1's before
lab_serve 3 two --name same --ip 10.9.50.3 --tag grp=a -- "$S" tcp-serve --hello TWO 80
lab_wait_out 2
lab_serve 1 one --name same --ip 10.9.50.2 --tag grp=a -- "$S" tcp-serve --hello ONE 80
third() { within 2 --tag grp=a -- "$S" tcp-connect --send x "$1" 80 | grep "reply=$2"; }
check third-before wait_for 20 third 10.9.50.2 ONE
match own-before RED within 1 --tag grp=r -- "$S" tcp-connect --send x 10.9.50.1 80
match own-before3 BLUE within 3 --tag grp=b -- "$S" tcp-connect --send x 10.9.50.1 80
lab_heal
check healed wait_for 60 lab_all_see 3
# what is local goes on as before
match own-after RED within 1 --tag grp=r -- "$S" tcp-connect --send x 10.9.50.1 80
match own-after3 BLUE within 3 --tag grp=b -- "$S" tcp-connect --send x 10.9.50.1 80
conflicts() { pbn "$1" cluster -o json | json 'd["conflicts"] > 0' | grep -q True; }
check said-1 wait_for 30 conflicts 1
check said-3 wait_for 30 conflicts 3
# the third takes the one that was first, and not the one it knew
check third-takes-the-first wait_for 30 third 10.9.50.3 TWO
expect_errno third-not-the-other 'EHOSTUNREACH|ECONNREFUSED' within 2 --tag grp=a -- "$S" tcp-connect 10.9.50.2 80
# old suspicions of the time apart may still go round, and are refuted
check all-alive wait_for 30 lab_all_see 3
check others-work wait_for 20 lab_reaches 1 3

# ---- a second node of one name ----
lab_host 4
sed -i 's/^node = .*/node = h1/' "$SBX/h4/conf"
lab_agent 4
lab_join_said 4 > "$SBX/log/join4" 2>&1
told() { [[ $(pbn "$1" cluster) =~ another\ node\ calls\ itself\ h1 ]]; }
check name-taken-told wait_for 20 told 4
check name-taken-told-here wait_for 20 told 2
check h1-keeps-its-name lab_state 2 h1 alive
match h1-same-address 'h1 +alive +10.77.0.1' pbn 2 nodes
match serves-on RED within 1 --tag grp=r -- "$S" tcp-connect --send x 10.9.50.1 80

# ---- a copy of another host's disk: it stays out, until it joins as itself ----
lab_serve 2 orig --name orig --ip 10.9.50.6 --tag grp=a -- "$S" tcp-serve --hello ORIG 80
check orig-known wait_for 20 lab_has 3 orig:80 1
lab_host 5
cp "$SBX/h2/state/cluster.json" "$SBX/h5/state/"
lab_agent 5
lab_serve 5 copy --name copy --ip 10.9.50.7 --tag grp=a -- "$S" tcp-serve --hello COPY 80
check copy-says-why wait_for 20 log_has agent-h5 '10\.77\.0\.2.*(not|annot).*tried again'
check copy-h2-alive lab_state 1 h2 alive
check copy-says-nothing lab_has 1 copy:80 0
match copy-h2-serves ORIG within 1 --tag grp=a -- "$S" tcp-connect --send x 10.9.50.6 80
match copy-leaves '^left' pbn 5 cluster leave
check copy-joins lab_join 5
check copy-is-another wait_for 30 lab_state 1 h5 alive
check copy-is-known wait_for 20 lab_has 1 copy:80 1
check copy-h2-known lab_has 1 orig:80 1
match copy-h2-goes-on ORIG within 1 --tag grp=a -- "$S" tcp-connect --send x 10.9.50.6 80
refute copy-no-complaint grep -h 'has the id of another' "$SBX"/log/agent-h1 "$SBX"/log/agent-h2
finish
