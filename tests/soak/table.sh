#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The table on simulated pools of the size that is promised, and many more random programs than
# `make check` has time for.  Figures go to the log.
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

verdict pool_1000 "$build/tests/table_pool" 1000 200 20
verdict pool_300_loss "$build/tests/table_pool" 300 100 30 50
verdict random_20000 env PB_SEEDS=20000 "$build/asan/unit/test_table_random"
exit $status
