# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How a demo tells what it does; sourced after tests/e2e/lib.sh.

ok() { passed=$((passed + 1)); }
fail() {
	failed=$((failed + 1))
	printf '\n!!! %s: %s\n' "$1" "$2"
}
chapter() { printf '\n\033[1m%s\033[0m\n' "== $*"; }
[ -t 1 ] || chapter() { printf '\n== %s\n' "$*"; }
say() { printf '%s\n' "$*" | fold -s -w 92; }
# show REGEX COMMAND: prints and runs it; the output must match
show() {
	printf '\n  $ %s\n' "$2"
	REPLY=$(timeout 20 bash -c "$2" 2>&1 < /dev/null)
	printf '  | %s\n' "${REPLY//$'\n'/$'\n  | '}"
	if [[ $REPLY =~ $1 ]]; then ok; else fail "this step" "expected output matching /$1/"; fi
}
