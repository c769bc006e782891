#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Plays the demo on three hosts and makes the picture of README.md out of what it said: root, and
# what `make all` builds.
set -u
TOP=$(cd "$(dirname "$0")/../.." && pwd)
out=$TOP/docs/images/hosts.svg
log=$(mktemp) || exit 1
trap 'rm -f "$log" "$out.new"' EXIT
if ! DEMO=hosts bash "$TOP/deploy/demo.sh" > "$log"; then
	cat "$log"
	exit 1
fi
mkdir -p "$(dirname "$out")"
"$TOP/tools/term_svg.py" --from '^== One application' --to '^== The end' \
	--title 'make demo: one application on three hosts' < "$log" > "$out.new" && mv "$out.new" "$out"
