#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: record.sh [hosts|memcached]: plays a demo and makes a picture of docs/images out of what it
# said: root, and what `make all` (memcached: `make tests`, too) builds.
set -u
TOP=$(cd "$(dirname "$0")/../.." && pwd)
which=${1:-hosts}
out=$TOP/docs/images/$which.svg
case $which in
hosts)
	demo=demo.sh from='^== One application' title='make demo: one application on three hosts'
	;;
memcached)
	demo=demo-memcached.sh from='^== One address'
	title='make demo-memcached: one address before two memcached'
	;;
*) exit 2 ;;
esac
log=$(mktemp) || exit 1
trap 'rm -f "$log" "$out.new"' EXIT
if ! DEMO=$which bash "$TOP/deploy/$demo" > "$log"; then
	cat "$log"
	exit 1
fi
mkdir -p "$(dirname "$out")"
"$TOP/tools/term_svg.py" --from "$from" --to '^== The end' --title "$title" < "$log" > "$out.new" &&
	mv "$out.new" "$out"
