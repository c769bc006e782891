#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A program that connects at once after `run` started it is known on the server's host in time.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_up 3
resolver 127.0.0.53
lab_serve 2 web --name web --ip 10.9.48.1 --tag grp=a -- "$S" tcp-serve -6 --hello WEB 80
up web web:80 1
# each a new name, a new id, a new scope
for ((i = 0; i < 100; i++)); do
	within $((i % 2 ? 1 : 3)) --name "short$i" --tag grp=a -- "$S" tcp-connect --timeout 10000 --send x 10.9.48.1 80
done > "$SBX/log/short"
eq hundred 100 "$(grep -c reply=WEB "$SBX/log/short")"
eq none-refused 0 "$(grep -c errno= "$SBX/log/short")"
# a SYN that comes before the news is repeated after a second: few of them
sed -n 's/.* us=\([0-9]*\).*/\1/p' "$SBX/log/short" | sort -n |
	awk '{ t[NR] = $1; late += $1 > 900000 } END { print "us: median", t[int((NR + 1) / 2)], "slowest", t[NR], "repeated", late + 0 }' |
	tee "$SBX/log/times"
check in-time [ "$(sed 's/.*repeated //' "$SBX/log/times")" -le 20 ]
# without a name as well, and by name
for ((i = 0; i < 20; i++)); do within 1 --tag grp=a -- "$S" tcp-connect --timeout 10000 --send x 10.9.48.1 80; done > "$SBX/log/short2"
eq unnamed 20 "$(grep -c reply=WEB "$SBX/log/short2")"
for ((i = 0; i < 20; i++)); do within 3 --name "n$i" --tag grp=a -- nc -N -w 10 web 80 < /dev/null; done > "$SBX/log/short3" 2>&1
eq by-name 20 "$(grep -o WEB "$SBX/log/short3" | wc -l)"
# a server that has just begun to listen is found everywhere soon
for ((i = 0; i < 10; i++)); do
	lab_serve 3 "new$i" --name "new$i" --tag grp=a -- "$S" tcp-serve -6 --hello "NEW$i" 80
	check "new-$i" wait_for 10 lab_has 1 "new$i:80" 1
	match "new-serves-$i" "NEW$i" within 1 --tag grp=a -- nc -N -w 10 "new$i" 80 < /dev/null
done
finish
