#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A terminal's output as a picture.

usage: term_svg.py [--from REGEX] [--to REGEX] [--title TEXT] < output > picture.svg
Takes the lines from the first that matches to the last before one that matches.  Lines that begin
with "  $", "  hN$" or "==" get a colour; longer ones than 122 characters are wrapped.
"""
import argparse
import html
import re
import sys

WIDTH, LINE, CHAR, PAD, BAR = 122, 17, 8.0, 14, 30
STYLES = [  # class by what a line begins with
    (r"^== ", "h"), (r"^\s+(h\d)?\$ ", "c"), (r"^\s+\| .*(denied|refused|dead|ejected)", "b"),
    (r"^\s+\| ", "o"), (r"^\s+# ", "c"), (r"", "t"),
]
STYLE = """
text{font:13.2px/1.3 'DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre;fill:#c9d1d9}
.h{fill:#ffffff;font-weight:bold}.c{fill:#7ee787}.o{fill:#c9d1d9}.b{fill:#ffa198}.t{fill:#8b949e}
.title{fill:#8b949e;text-anchor:middle}
"""


def lines(args):
    on = not args.start
    for line in sys.stdin:
        line = re.sub(r"\x1b\[[0-9;]*m", "", line.rstrip("\n")).expandtabs()
        if not on and re.search(args.start, line):
            on = True
        elif on and args.end and re.search(args.end, line):
            return
        if on:
            yield line


def wrapped(line):
    lead = re.match(r"\s*(\| )?", line).group()
    while len(line) > WIDTH:
        cut = line.rfind(" ", len(lead) + 20, WIDTH)
        cut = cut if cut > 0 else WIDTH
        yield line[:cut]
        line = lead + "  " + line[cut:].lstrip()
    yield line


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--from", dest="start")
    p.add_argument("--to", dest="end")
    p.add_argument("--title", default="")
    args = p.parse_args()
    rows = [(next(c for r, c in STYLES if re.search(r, whole)), part)
            for whole in lines(args) for part in wrapped(whole)]
    while rows and not rows[-1][1].strip():
        rows.pop()
    if not rows:
        sys.exit("term_svg.py: no line to show")
    width, height = int(WIDTH * CHAR + 2 * PAD), len(rows) * LINE + BAR + PAD
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
          f'width="{width}" height="{height}" role="img" aria-label="{html.escape(args.title)}">')
    print(f"<style>{STYLE}</style>")
    print(f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>')
    for i, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f")):
        print(f'<circle cx="{PAD + 6 + i * 18}" cy="16" r="5" fill="{colour}"/>')
    print(f'<text class="title" x="{width // 2}" y="20">{html.escape(args.title)}</text>')
    for i, (style, text) in enumerate(rows):
        if text.strip():
            print(f'<text class="{style}" x="{PAD}" y="{BAR + (i + 1) * LINE}" '
                  f'xml:space="preserve">{html.escape(text)}</text>')
    print("</svg>")


if __name__ == "__main__":
    main()
