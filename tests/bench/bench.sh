#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: BUILD=dir [ROUNDS=9] tests/bench/bench.sh [PART...]: all parts, or those named.
# Prints a line a figure and writes BUILD/bench.tsv; docs/TESTING.md explains the columns.
set -u
cd "$(dirname "$0")/../.." || exit 2
BUILD=$(realpath "${BUILD:-build}")
export BUILD
[ "$(id -u)" = 0 ] || { echo "bench: needs root" >&2; exit 3; }
parts=("$@")
if [ $# = 0 ]; then
	for f in tests/bench/part_*.sh; do
		f=${f##*/part_}
		parts+=("${f%.sh}")
	done
fi

BENCH_RAW=$BUILD/bench.raw
export BENCH_RAW
: > "$BENCH_RAW"
rc=0
for part in "${parts[@]}"; do
	[ -f "tests/bench/part_$part.sh" ] || { echo "bench: no part '$part'" >&2; exit 2; }
	if ! timeout -k 10 3000 bash "tests/bench/part_$part.sh" > "$BUILD/bench-$part.log" 2>&1 ||
		! grep -q '^ok measured' "$BUILD/bench-$part.log"; then
		echo "bench: part $part failed:" >&2
		tail -n 20 "$BUILD/bench-$part.log" >&2
		rc=1
	fi
done
python3 tests/bench/bench_stats.py "$BENCH_RAW" "$BUILD/bench.tsv" || rc=1
exit "$rc"
