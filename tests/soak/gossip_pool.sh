#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Simulated pools of the size that is promised, and many more random small ones than `make check`
# has time for.  Figures go to the log.
set -u
build=${BUILD:-build}
status=0

# verdict NAME COMMAND...
verdict() {
	local name=$1
	shift
	if "$@"; then
		echo "ok $name"
	else
		echo "FAIL $name: exit $?"
		status=1
	fi
}

verdict pool_1000 "$build/tests/gossip_pool" 1000 1
verdict pool_1000_loss "$build/tests/gossip_pool" 1000 2 100
verdict pool_300_loss "$build/tests/gossip_pool" 300 3 300
verdict random_20000 env PB_SEEDS=20000 "$build/asan/unit/test_gossip_core_random"
exit $status
