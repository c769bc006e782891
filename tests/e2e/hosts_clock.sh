#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Wall clocks jump while agents run and over their restarts: no connection is lost, nothing is
# forgotten, and with the clock right again all agree.
#
# Here the agent of h2 has a clock of its own.  In a guest (tests/kernels) it is the machine's, which
# all hosts and the kernel have in common.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

GUEST=''
[ "${PB_GUEST:-}" != yes ] || ! grep -q 'rdinit=/init' /proc/cmdline || GUEST=yes
NOW=0 # seconds ahead
# clock SECONDS: ahead from now on
clock() {
	if [ -n "$GUEST" ]; then date -s "@$((${EPOCHREALTIME%[.,]*} - NOW + $1))" > /dev/null
	else echo "$1" > "$SBX/clock.new" && mv "$SBX/clock.new" "$SBX/clock"; fi
	NOW=$1
}
h2_agent() {
	[ -n "$GUEST" ] || LAB_WITH=(env "LD_PRELOAD=$SBX/clock.so" "PB_CLOCK=$SBX/clock")
	lab_agent 2
	LAB_WITH=()
}
[ -n "$GUEST" ] || cc -shared -fPIC -O1 -o "$SBX/clock.so" "$TOP/tests/tools/preload/clock.c" ||
	die clock-builds

clock 0
lab_up 3
lab_agent_stop 2
h2_agent
check again wait_for 30 lab_all_see 3
for h in 2 3; do
	lab_serve "$h" "web$h" --name web --ip 10.9.52.1 --tag grp=a -- "$S" tcp-serve -6 --hello "WEB$h" --for 900 80
done
lab_serve 2 echo --name echo --ip 10.9.52.4 --tag grp=a -- "$PY" -u "$TOP/tests/tools/echo.py" serve 0.0.0.0 7
lab_serve 2 udp --name udp --ip 10.9.52.5 --tag grp=a -- "$S" udp-serve --for 900 53
up web web:80 2
up echo echo:7 1
up udp udp:53 1

# connections that talk, begin, and datagrams, all the time
lab_talker 10.9.52.4 7
lab_asker 10.9.52.1 80
cat > "$SBX/send.py" << 'END'
import socket, time
old = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    for s in old, socket.socket(socket.AF_INET, socket.SOCK_DGRAM):
        s.settimeout(10)
        try:
            s.sendto(b"x", ("10.9.52.5", 53))
            s.recv(64)
            print("answer", flush=True)
        except OSError as e:
            print("bad %r" % e, flush=True)
            time.sleep(0.1)
END
for p in talk send; do lab_run 1 $p --name cli --tag grp=a -- "$PY" -u "$SBX/$p.py"; done
go_on() {
	local t a s
	t=$(log_count talk talked) a=$(log_count ask good) s=$(log_count send answer)
	wait_for 30 log_has talk talked $((t + 3)) && wait_for 30 log_has ask good $((a + 50)) &&
		wait_for 30 log_has send answer $((s + 50))
}
check begin go_on

n=0
# news NAME: what begins on h1 and h2 is known everywhere, and its end
news() {
	local h
	n=$((n + 1))
	for h in 1 2; do
		lab_serve "$h" "new$n-$h" --name "new$n-$h" --tag grp=a -- "$S" tcp-serve -6 80
	done
	for h in 1 2; do
		check "$1-news-h$h" wait_for 30 lab_has $((3 - h)) "new$n-$h:80" 1
		app_stop "new$n-$h"
	done
	for h in 1 2; do check "$1-ended-h$h" wait_for 30 lab_has 3 "new$n-$h:80" 0; done
}
whole() {
	check "$1-members" wait_for 60 lab_all_see 3
	check "$1-records" wait_for 30 lab_all_have web:80 2
	check "$1-goes-on" go_on
}
h2_restarts() { # NAME SECONDS
	lab_agent_stop 2 KILL
	clock "$2"
	h2_agent
	check "$1-goes-on" go_on
	check "$1-members" wait_for 60 lab_all_see 3
}

# ---- while agents run; meanwhile another is started again ----
steps=(7200 -7200 86400 -86400)
[ -z "$GUEST" ] || steps=(86400 -7200) # it is slow
for step in "${steps[@]}"; do
	clock "$step"
	lab_agent_stop 3 KILL
	lab_agent 3
	whole "runs$step"
	news "runs$step"
	clock 0
	whole "runs$step-back"
done

# ---- over restarts, and right again; where clocks differ from each other ----
steps=(-7200 7200 86400)
[ -z "$GUEST" ] || steps=()
for step in "${steps[@]}"; do
	h2_restarts "starts$step" "$step"
	news "starts$step"
	h2_restarts "heals$step" 0
	whole "heals$step"
	news "heals$step"
done

# ---- a clock that nobody has set yet: what such a node knows and says counts when it is right ----
lab_agent_stop 2 KILL
clock -864000
h2_agent
check unset-goes-on go_on
clock 0
whole set
news set
check tables wait_for 30 lab_tables_equal
eq no-word-lost 0 "$(grep -cv ^talked "$SBX/log/talk")"
eq no-connection-lost 0 "$(grep -cv ^good "$SBX/log/ask")"
eq no-datagram-lost 0 "$(grep -cv ^answer "$SBX/log/send")"
finish
