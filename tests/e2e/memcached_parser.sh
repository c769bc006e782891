#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The parser of memcached requests against the real memcached: the same keys looked up, the same
# answers, by TCP and by UDP.  SEED= and COUNT= repeat or lengthen a run.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

port=11311
COUNT=${COUNT:-6000}
command -v memcached > /dev/null || die memcached-is-installed "tools/deps.sh installs it"
start memcached memcached -u root -l 127.0.0.1 -p $port -U $port -t 1 -m 64 -vvv
up() { "$BUILD/tests/mc_diff" "$port" "$SBX/log/memcached" 0; }
wait_for 10 up || die memcached-starts "$(tail -n 1 "$SBX/log/memcached")"

for seed in ${SEED:-1 2 3}; do
	check "same-keys-and-answers-$seed" \
		"$BUILD/tests/mc_diff" "$port" "$SBX/log/memcached" "$COUNT" "$seed"
	tally=$REPLY
done
for kind in {1..28}; do
	match "kind-$kind-was-tried" "kind $kind: [1-9]" echo "$tally"
done
for kind in {1..7}; do
	match "reply-$kind-came" "reply $kind: [1-9]" echo "$tally"
done
finish
