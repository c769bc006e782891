#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: tools/fuzz.sh SECONDS TARGET...: libFuzzer on each target.  What it finds grows in
# BUILD/fuzz/corpus; copy inputs worth keeping to tests/fuzz/corpus/NAME.
set -eu -o pipefail
secs=$1
shift
[ $# -gt 0 ] || { echo "tools/fuzz.sh: no fuzz target (tests/fuzz/fuzz_*.c)" >&2; exit 1; }
for target in "$@"; do
	name=${target##*/fuzz_}
	seeds=tests/fuzz/corpus/$name
	found=${BUILD:-build}/fuzz/corpus/$name
	mkdir -p "$found" "$seeds"
	echo "== $name, $secs s"
	"$target" -max_total_time="$secs" -timeout=10 -max_len=65536 -print_final_stats=1 \
		-artifact_prefix="${BUILD:-build}/fuzz/crash-$name-" "$found" "$seeds" 2>&1 |
		tail -n 12
done
