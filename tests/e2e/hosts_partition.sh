#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A host is cut off for SECS seconds (20): nobody forgets what is his own, and all agree again after it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

SECS=${SECS:-20}
SERVE=("$S" tcp-serve -6 --for "$((3 * SECS + 300))")
lab_up 3
for h in 1 2 3; do
	lab_serve "$h" "app$h" --name "app$h" --tag grp=a -- "${SERVE[@]}" --hello "APP$h" 80
	lab_serve "$h" "web$h" --name web --ip 10.9.46.1 --tag grp=a -- "${SERVE[@]}" --hello "WEB$h" 80
done
up web web:80 3
check equal wait_for 20 lab_tables_equal
resolver 127.0.0.53
ask() { within "$1" --tag grp=a -- nc -N -w 8 "$2" 80 < /dev/null; }
match before WEB3 ask 3 web
match across APP1 ask 3 app1

# ---- h3 alone ----
lab_isolate 3
refute isolated lab_reaches 1 3
check others-reach lab_reaches 1 2
lab_wait_out "$SECS"
match cut-own WEB3 ask 3 web
match cut-local-name APP3 ask 3 app3
match cut-rest APP1 ask 2 app1
eq cut-h3-not-first 0 "$(for _ in 1 2 3 4 5; do ask 1 web; done | grep -c WEB3)"
# what begins and ends meanwhile is known afterwards
lab_serve 3 new --name new --tag grp=a -- "${SERVE[@]}" --hello NEW 81
lab_serve 1 new1 --name new1 --tag grp=a -- "${SERVE[@]}" --hello NEW1 81
app_stop app2
lab_heal
check healed-members wait_for 60 lab_all_see 3
check healed-equal wait_for 60 lab_tables_equal
up healed-new new:81 1
up healed-new1 new1:81 1
check healed-gone wait_for 20 lab_all_have app2:80 0
match healed-across APP1 ask 3 app1
match healed-back APP3 ask 1 app3

# ---- two that do not hear each other, but both the third: nobody is dead ----
lab_cut 1 2
refute cut lab_reaches 1 2
lab_wait_out "$SECS"
check cut-alive lab_all_see 3
lab_heal
check cut-healed wait_for 60 lab_reaches 1 2
check cut-equal wait_for 60 lab_tables_equal
finish
