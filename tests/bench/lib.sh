# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# What the parts of the bench share: sourced by part_*.sh after tests/e2e/lib.sh.
#
#   figure NAME UNIT KIND BAR PEER     declares a figure; KIND (bench_stats.py has the formulas):
#       added       subject - peer, at most BAR
#       ratio_max   subject / peer, at most BAR
#       ratio_min   lower bound of subject / peer, at least BAR
#       report      subject beside peer, no bar ("-")
#   record NAME CONTENDER VALUE        CONTENDER: subject, peer, or peer2 (the peer again: A/A)
#   each_round FUNCTION                FUNCTION CONTENDER, in a new random order each round

ROUNDS=${ROUNDS:-9}
BENCH_RAW=${BENCH_RAW:?start the parts by make bench}
round=0

figure() { printf 'figure\t%s\t%s\t%s\t%s\t%s\n' "$@" >> "$BENCH_RAW"; }
record() { printf 'sample\t%s\t%s\t%s\t%s\n' "$1" "$2" "$round" "$3" >> "$BENCH_RAW"; }

each_round() {
	local who
	for ((round = 1; round <= ROUNDS; round++)); do
		for who in $(shuf -e subject peer peer2); do
			"$1" "$who" || die bench "$1 $who failed in round $round"
		done
	done
}
