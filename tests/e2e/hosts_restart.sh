#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Agents stop, die, are stopped and start again while programs talk across hosts: nobody notices.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_up 3
for h in 2 3; do
	lab_serve "$h" "web$h" --name web --ip 10.9.45.1 --tag grp=a -- "$S" tcp-serve -6 --hello "WEB$h" 80
done
lab_serve 2 echo --name echo --ip 10.9.45.4 --tag grp=a -- "$PY" -u "$TOP/tests/tools/echo.py" serve 0.0.0.0 7
up web web:80 2
up echo echo:7 1

# one connection that talks all the time, and new ones all the time
lab_talker 10.9.45.4 7
lab_run 1 talk --name cli --tag grp=a -- "$PY" -u "$SBX/talk.py"
lab_asker 10.9.45.1 80
go_on() {
	local t a
	t=$(log_count talk talked) a=$(log_count ask good)
	wait_for 30 log_has talk talked $((t + 5)) && wait_for 30 log_has ask good $((a + 100))
}
check begin go_on
for h in 1 2 3; do
	for how in TERM KILL; do
		lab_agent_stop "$h" "$how"
		check "without-h$h-$how" go_on
		lab_agent "$h"
		check "with-h$h-$how" go_on
		check "members-h$h-$how" wait_for 60 lab_all_see 3
		check "known-h$h-$how" wait_for 30 lab_has "$h" web:80 2
	done
done

# ---- stopped, not dead: long enough to be suspected ----
lab_stop 2
lab_wait_out 3
check stopped go_on
lab_cont 2
check stopped-members wait_for 60 lab_all_see 3
check stopped-after go_on

# ---- all at once ----
for h in 1 2 3; do lab_agent_stop "$h" KILL; done
check all-dead go_on
for h in 1 2 3; do lab_agent "$h"; done
check all-members wait_for 60 lab_all_see 3
check all-tables wait_for 30 lab_tables_equal
check all-after go_on
eq no-connection-lost 0 "$(grep -cv ^good "$SBX/log/ask")"
eq no-word-lost 0 "$(grep -cv ^talked "$SBX/log/talk")"
finish
