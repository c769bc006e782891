#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Figures of the memcached switch as docs/performance.md shows them.

usage: mc_picture.py build/bench.tsv docs/images

Writes memcached-rate.svg (gets a second, one on its way at each of 50 connections) and memcached-latency.svg
(the mean of 100 gets a second), and prints the table.
"""
import csv
import html
import sys

PART = "memcached-udp."
RATE = [("direct_tcp_of_direct", "server, TCP"), ("", "server, UDP"), ("routed_of_direct", "by a router"),
        ("twemproxy_two_of_direct", "twemproxy, 2 servers"), ("steer", "switch, 1 server"),
        ("steer_two_of_direct", "switch, 2 servers"), ("hit_of_direct", "answered by the switch")]
LATENCY = [("latency_direct_tcp", "server, TCP"), ("", "server, UDP"), ("latency_routed", "by a router"),
           ("latency_twemproxy_two", "twemproxy, 2 servers"), ("latency_steer", "switch"),
           ("latency_hit", "answered by the switch")]
HEAD = "figure value unit peer peer_value ratio spread bar verdict".split()


def read(path):
    with open(path, encoding="utf-8") as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t") if r["figure"].startswith(PART)]
    return rows, {r["figure"][len(PART):]: r for r in rows}


def picture(title, unit, bars):
    top, left, width, line = 54, 190, 420, 30
    most = max(v for _, v in bars)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="760" height="%d" role="img">'
           % (top + line * len(bars) + 14),
           "<style>text{font:14px 'DejaVu Sans',sans-serif;fill:#24292f}.t{font-weight:bold}"
           ".v{fill:#57606a}</style>",
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           f'<text class="t" x="14" y="28">{html.escape(title)}</text>']
    for i, (name, value) in enumerate(bars):
        y = top + i * line
        colour = "#1a7f37" if "switch" in name else "#8c959f"
        w = max(1, round(width * value / most))
        out.append(f'<text x="{left - 10}" y="{y + 15}" text-anchor="end">{html.escape(name)}</text>')
        out.append(f'<rect x="{left}" y="{y}" width="{w}" height="20" rx="3" fill="{colour}"/>')
        out.append(f'<text class="v" x="{left + w + 8}" y="{y + 15}">{value:,.0f} {unit}</text>')
    return "\n".join(out) + "\n</svg>\n"


def bars(by_name, spec, base):
    return [(text, float(by_name[key or base]["value" if key else "peer_value"])) for key, text in spec]


def main():
    rows, by_name = read(sys.argv[1])
    for name, title, unit, spec, base in (
            ("rate", "Gets a second, 50 connections with one request each", "/s", RATE, "steer"),
            ("latency", "Mean time of a get, 100 a second", "us", LATENCY, "latency_hit")):
        with open(f"{sys.argv[2]}/memcached-{name}.svg", "w", encoding="utf-8") as f:
            f.write(picture(title, unit, bars(by_name, spec, base)))
    print("|", " | ".join(HEAD).replace("peer_value", "peer value"), "|")
    print("|" + "---|" * len(HEAD))
    for r in rows:
        print("|", " | ".join([f"`{r['figure']}`"] + [r[h] for h in HEAD[1:]]), "|")


main()
