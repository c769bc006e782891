#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The memcached frame plugin against the real memcached: random streams of requests by the plugin to one
# server, and to an ensemble of four, are answered as one memcached answers them; the connections to the
# servers stay in step.  SEED= and COUNT= repeat or lengthen a run.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

COUNT=${COUNT:-1500}
command -v memcached > /dev/null || die memcached-is-installed "tools/deps.sh installs it"
for port in 11320 11321 11322 11323 11324; do
	start "memcached-$port" memcached -u root -l 127.0.0.1 -p $port -U 0 -t 1 -m 64
	up() { "$BUILD/tests/plugin_twin" 1 0 "$port" "$port"; }
	wait_for 10 up || die "memcached-$port-starts" "$(tail -n 1 "$SBX/log/memcached-$port")"
done

for seed in ${SEED:-1 2}; do
	check "one-server-$seed" "$BUILD/tests/plugin_twin" "$seed" "$COUNT" 11320 11321
	check "four-servers-$seed" "$BUILD/tests/plugin_twin" "$((seed + 100))" "$COUNT" 11320 \
		11321 11322 11323 11324
done
finish
