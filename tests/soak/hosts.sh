#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A host cut off from the others for 65 and for SECS seconds (600), then each time two that do not hear
# each other.
set -u
test=$(dirname "$0")/../e2e/hosts_partition.sh
rc=0
for SECS in 65 "${SECS:-600}"; do
	export SECS
	bash "$test" 2>&1 | sed -u -E "s/^(ok|FAIL) /&$SECS-/"
	[ "${PIPESTATUS[0]}" = 0 ] || rc=1
done
exit $rc
