#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `check` and `why` say which rule or which groups made the decision.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

config <<'END'
[policy]
rule = allow from ops to shop:80/tcp
rule = deny from evil to shop
END
start_agent
serve shop --name shop --ip 10.9.71.1 --tag grp=front --tag grp=back --tag grp=other -- "$S" tcp-serve 80
serve lax --name lax --ip 10.9.71.2 --mode audit --tag grp=front -- "$S" tcp-serve 80
serve shop2 --name shop --ip 10.9.71.1 --mode audit --tag grp=front -- "$S" tcp-serve 81
hold() {
	local name=$1 tag opts=()
	shift
	for tag; do opts+=(--tag "$tag"); done
	run_app "$name" --name "$name" "${opts[@]}" -- "$S" seq tcp4 hold
	wait_for 5 log_has "$name" holding
}
hold front grp=front
hold both grp=front grp=back
hold evil grp=front
hold ops grp=x
hold alien grp=x

match group 'they share grp=front$' pb check front shop:80
match groups 'they share grp=(front and grp=back|back and grp=front)$' pb check both shop:80
eq groups-json "['back', 'front']" "$(pb check both shop:80 -o json | json 'sorted(d["groups"])')"
match why-group 'now: .*they share grp=front' pb why front shop:80
expect_rc deny 1 pb check evil shop:80
match deny-rule ': deny from evil to shop$' echo "$REPLY"
match why-deny 'now: .*: deny from evil to shop$' pb why evil shop:80
expect_rc allow 0 pb check ops shop:80
match allow-rule ': allow from ops to shop:80/tcp$' echo "$REPLY"
expect_rc other-proto 1 pb check --proto udp ops shop:80
expect_rc none 1 pb check alien shop:80
nomatch none-names-nothing ': |share grp=' echo "$REPLY"
eq none-json True "$(pb check alien shop:80 -o json | json '"rule" not in d and "groups" not in d')"
expect_rc audited 0 pb check evil shop:81
match audited-rule 'audit.*: deny from evil to shop$' echo "$REPLY"
expect_rc audited-group 0 pb check alien lax:80
finish
