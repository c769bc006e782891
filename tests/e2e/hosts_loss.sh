#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A third of all packets between hosts is lost: nobody is taken for dead, news arrive, programs talk.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

LOSS=${LOSS:-30} # percent
lab_up 3
lab_serve 2 web --name web --ip 10.9.49.1 --tag grp=a -- "$S" tcp-serve -6 --hello WEB 80
up web web:80 1
lan nft add table bridge lab
lan nft add chain bridge lab loss '{ type filter hook forward priority 0; }'
lan nft add rule bridge lab loss ip protocol udp numgen random mod 100 lt "$LOSS" counter drop
for i in 1 2 3 4 5; do
	lab_serve 3 "new$i" --name "new$i" --tag grp=a -- "$S" tcp-serve -6 80
	check "news-$i" wait_for 30 lab_all_have "new$i:80" 1
	match "serves-$i" reply=WEB within 1 --name "cli$i" --tag grp=a -- "$S" tcp-connect --timeout 10000 --send x 10.9.49.1 80
done
lab_wait_out "${SECS:-20}"
check alive lab_all_see 3
for h in 1 2 3; do eq "never-dead-$h" 0 "$(grep -cE 'node h[0-9] (is )?(dead|failed)' "$SBX/log/agent-h$h")"; done
lost() { lan nft list chain bridge lab loss | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
match packets-were-lost '^[1-9][0-9]' lost
lab_heal
check tables wait_for 30 lab_tables_equal
finish
