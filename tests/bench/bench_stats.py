#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Samples of one bench run -> a line a figure, and build/bench.tsv.

usage: bench_stats.py RAW TSV

Everything is paired: the contenders of one round ran back to back.  With n rounds,
  added      value = median of (subject - peer) over the rounds
  others     value = median of the subject
  ratio      median of subject / peer
  spread     (p75 - p25) / median of what value is the median of
  noise      of the A/A control (peer2 against peer, same formula as the figure): its distance
             from "no difference" + 1.57 (p75 - p25) / sqrt(n), the half-width of a median's
             95 % interval
  verdict    unmeasurable when the noise exceeds half the bar, else ok or short.  The bar of
             ratio_max and ratio_min is counted from 1.  ratio_min compares the lower end of the
             ratio's interval.  A report has no bar and is ok.
"""
import math
import statistics
import sys

COLUMNS = "figure value unit peer peer_value ratio spread bar verdict".split()


def quartiles(xs):
    if len(xs) < 2:
        return xs[0], xs[0]
    q = statistics.quantiles(xs, n=4, method="inclusive")
    return q[0], q[2]


def half_width(xs):
    p25, p75 = quartiles(xs)
    return 1.57 * (p75 - p25) / math.sqrt(len(xs))


def read(path):
    figures, samples = {}, {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            word = line.rstrip("\n").split("\t")
            if word[0] == "figure":
                figures[word[1]] = dict(zip(("unit", "kind", "bar", "peer"), word[2:]))
            else:
                _, name, who, rnd, value = word
                samples.setdefault(name, {}).setdefault(int(rnd), {})[who] = float(value)
    return figures, samples


def verdict(kind, bar, rounds, ratios, added):
    if kind == "report":
        return "ok"
    bar = float(bar)
    if kind == "added":
        control = [r["peer2"] - r["peer"] for r in rounds]
        noise = abs(statistics.median(control)) + half_width(control)
        room, good = bar, statistics.median(added) <= bar
    else:
        control = [r["peer2"] / r["peer"] for r in rounds]
        noise = abs(statistics.median(control) - 1) + half_width(control)
        room = abs(bar - 1)
        mid = statistics.median(ratios)
        good = mid <= bar if kind == "ratio_max" else mid - half_width(ratios) >= bar
    if noise > room / 2:
        return "unmeasurable"
    return "ok" if good else "short"


def row(name, spec, rounds):
    subject = [r["subject"] for r in rounds]
    ratios = [r["subject"] / r["peer"] for r in rounds]
    added = [r["subject"] - r["peer"] for r in rounds]
    series = added if spec["kind"] == "added" else subject
    value = statistics.median(series)
    p25, p75 = quartiles(series)
    spread = (p75 - p25) / abs(value) if value else 0.0
    return [name, f"{value:.4g}", spec["unit"], spec["peer"],
            f"{statistics.median(r['peer'] for r in rounds):.4g}",
            f"{statistics.median(ratios):.4f}", f"{spread:.3f}", spec["bar"],
            verdict(spec["kind"], spec["bar"], rounds, ratios, added)]


def main():
    figures, samples = read(sys.argv[1])
    complete = {"subject", "peer", "peer2"}
    missing = []
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        print(*COLUMNS, sep="\t", file=out)
        for name, spec in figures.items():
            rounds = [r for r in samples.get(name, {}).values() if complete <= r.keys()]
            if len(rounds) < 5:
                missing.append(name)
                continue
            cells = row(name, spec, rounds)
            print(*cells, sep="\t", file=out)
            print("{:<36} {:>9} {:<5} {} {} ratio {} spread {} bar {} {}".format(*cells))
    for name in missing:
        print(f"{name}: fewer than 5 complete rounds, not a figure", file=sys.stderr)
    return 1 if missing or not figures else 0


if __name__ == "__main__":
    sys.exit(main())
