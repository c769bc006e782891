#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Two hosts that do not hear each other give away one address twice, or one name: afterwards one of
# them has it, all agree which, and it is said.  Two nodes of one name: the second is not let in.
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
# one name, two addresses
lab_serve 1 one --name same --ip 10.9.50.2 --tag grp=a -- "$S" tcp-serve --hello ONE 80
lab_serve 3 two --name same --ip 10.9.50.3 --tag grp=a -- "$S" tcp-serve --hello TWO 80
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
# the third takes one of both, always the same
eq third-agrees 1 "$(within 2 --tag grp=a -- sh -c "'$S' tcp-connect --send x 10.9.50.2 80; '$S' tcp-connect --send x 10.9.50.3 80" | grep -c reply=)"
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
finish
