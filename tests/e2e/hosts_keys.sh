#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The key of the cluster is changed while programs connect: no connection is refused, nobody is lost.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_up 3
lab_serve 2 web --name web --ip 10.9.47.1 --tag grp=a -- "$S" tcp-serve -6 --hello WEB 80
up web web:80 1
lab_asker 10.9.47.1 80
check begin lab_asks_on
key_of() { pbn "$1" keys -o json | json 'next(k["id"] for k in d["keys"] if k["primary"])'; }
spread() { pbn "$1" keys -o json | json 'all(k["nodes"] == k["alive"] == 3 for k in d["keys"])' | grep -q True; }

for round in 1 2; do
	old=$(key_of 1)
	KEY=$("$PB" keys gen)
	id=$(echo "$KEY" | pbn 1 keys install - | sed 's/installed //')
	expect_rc "use-too-early-$round" 1 pbn 1 keys use "$id"
	for h in 2 3; do eq "same-id-$round-$h" "installed $id" "$(pbn "$h" keys install "$KEY")"; done
	for h in 1 2 3; do check "spread-$round-$h" wait_for 30 spread "$h"; done
	check "installed-$round" lab_asks_on
	for h in 1 2 3; do
		check "use-$round-$h" pbn "$h" keys use "$id"
		check "used-$round-$h" lab_asks_on
	done
	expect_rc "remove-in-use-$round" 1 pbn 1 keys remove "$id"
	for h in 1 2 3; do check "remove-$round-$h" pbn "$h" keys remove "$old"; done
	check "removed-$round" lab_asks_on
	check "members-$round" lab_all_see 3
	for h in 1 2 3; do eq "one-key-$round-$h" "$id" "$(pbn "$h" keys -o json | json '",".join(k["id"] for k in d["keys"])')"; done
	nomatch "key-in-no-log-$round" "${KEY:0:20}" cat "$SBX"/log/agent-h1 "$SBX"/log/agent-h2
done
# news still travel
lab_serve 3 late --name late --ip 10.9.47.2 --tag grp=a -- "$S" tcp-serve -6 80
up news late:80 1
eq nobody-refused 0 "$(grep -cv ^good "$SBX/log/ask")"
# the token of before is of no use any more, that of now is
lab_host 4
lab_agent 4
expect_rc old-token 5 pbn 4 cluster join "$(cat "$SBX/log/token")"
expect_rc old-token-out 0 pbn 4 cluster leave
check new-token lab_join 4
check four wait_for 30 lab_all_see 4
finish
