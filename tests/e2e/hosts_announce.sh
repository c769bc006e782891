#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# [announce]: what a node may say of itself is decided by those who hear it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_up 3
# h2 hears of h3's web only, and not with every tag; h1 believes all
lab_config 2 <<- EOT
	[announce h1]
	names = *
	ips = 0.0.0.0/0, ::/0
	tags = *=*
	[announce h3]
	names = web, far
	ips = 10.9.60.0/24
	tags = grp=front
EOT
lab_agent_stop 2
lab_agent 2
check all-alive wait_for 30 lab_all_see 3

lab_serve 3 web --name web --ip 10.9.60.1 --tag grp=front -- "$S" tcp-serve --hello WEB 80
lab_serve 3 db --name db --ip 10.9.60.2 --tag grp=front -- "$S" tcp-serve --hello DB 5432
lab_serve 3 shop --name web --tag grp=back -- "$S" tcp-serve --hello SHOP 81
lab_serve 3 far --name far --ip 10.9.61.1 --tag grp=front -- "$S" tcp-serve --hello FAR 83
check h1-has-all wait_for 20 lab_has 1 db 1
check h2-has-web wait_for 20 lab_has 2 web:80 1
check h1-reaches-db wait_for 10 within 1 --tag grp=front -- "$S" tcp-connect --send x 10.9.60.2 5432
check h2-reaches-web wait_for 10 within 2 --tag grp=front -- "$S" tcp-connect --send x 10.9.60.1 80
check h2-has-no-db lab_has 2 db 0
check h1-has-far wait_for 20 lab_has 1 far 1
check h2-not-that-address lab_has 2 far 0
check h2-not-that-tag lab_has 2 web:81 0
# what h2 does not believe does not get in there either
lab_serve 2 own --name own --ip 10.9.60.3 --tag grp=back --tag grp=front -- "$S" tcp-serve --hello OWN 82
check h3-has-own wait_for 20 lab_has 3 own 1
check known-tag-in wait_for 10 within 3 --name web --tag grp=front -- "$S" tcp-connect --send x 10.9.60.3 82
eq other-tag-out 1 "$(within 3 --name spy --tag grp=back -- "$S" tcp-connect --timeout 2500 --send x 10.9.60.3 82 | grep -c 'errno=')"
told() { pbn 2 events --last 50 | grep -q 'no-member'; }
check other-tag-out-why wait_for 10 told
# a change takes a restart, and says so
lab_config 2 < /dev/null
match reload-says '\[announce\] changed' pbn 2 reload
finish
