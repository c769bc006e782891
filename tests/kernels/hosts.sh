#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Tests of tests/e2e in a guest, as they are: those of several hosts.  run.sh starts it.
# PB_DIR: folder of what was built.  PB_TESTS: folder with e2e, lib and tools.  PB_E2E: names of the
# tests, in order.  They know by PB_GUEST that the machine is theirs, its clock too.
set -uo pipefail

export BUILD=${PB_DIR:?folder of the products} PB_GUEST=yes PB_SLOW=${PB_SLOW:-5}
read -ra tests <<< "${PB_E2E:?names of tests}"

# not SECONDS: a test may set the clock
up() {
	local seconds
	read -r seconds _ < /proc/uptime
	echo "${seconds%.*}"
}
for name in "${tests[@]}"; do
	before=$(up)
	timeout -k 10 900 bash "${PB_TESTS:?folder of tests}/e2e/$name.sh" 2>&1 | tee /tmp/out |
		sed -u -n -E -e "s,^ok (\S+).*,PASS $name/\1," -e "s,^FAIL (\S+),FAIL $name/\1," \
			-e 's/^(us: |# )/    &/p' -e '/^(PASS|FAIL) /p'
	rc=${PIPESTATUS[0]}
	if ! grep -q '^ok ' /tmp/out || { [ "$rc" != 0 ] && ! grep -q '^FAIL ' /tmp/out; }; then
		echo "FAIL $name/script: exit $rc"
	fi
	[ "$rc" = 0 ] || sed -n '/^----/,$p' /tmp/out | sed 's/^/    /'
	echo "$name: $(($(up) - before)) s"
done
