#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Does the harness itself tell pass, failure, hang and panic apart?  Takes three minutes; to be run
# when a file of this folder has changed.
# usage: selftest.sh [SERIES]
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
series=${1:-6.1}
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
passed=0 failed=0

# expect NAME STATUS REGEX SCRIPT-TEXT COMMAND...: COMMAND with the script as its last operand
expect() {
	local name=$1 want=$2 regex=$3 status=0 out
	printf '#!/bin/sh\n%s\n' "$4" > "$work/script"
	chmod 0755 "$work/script"
	shift 4
	out=$("$@" "$work/script" 2>&1) || status=$?
	if [ "$status" = "$want" ] && [[ $out =~ $regex ]]; then
		echo "PASS $name"
		passed=$((passed + 1))
	else
		echo "FAIL $name: exit $status, expected $want and /$regex/"
		printf '%s\n' "$out" | tail -n 20 | sed 's/^/    /'
		failed=$((failed + 1))
	fi
}

verdicts() {
	local v=(sh "$here/verdict.sh" 20)
	expect pass 0 'passed=2 failed=0 skipped=1' 'echo PASS a; echo SKIP b; echo PASS c' "${v[@]}"
	expect fail 1 'passed=1 failed=1 ' 'echo FAIL a: b; echo PASS c; exit 1' "${v[@]}"
	expect fail-beats-exit-0 1 'failed=1 ' 'echo FAIL a: b; echo PASS c' "${v[@]}"
	expect bad-exit 1 'exit status 7.*passed=1 failed=1 ' 'echo PASS a; exit 7' "${v[@]}"
	expect no-case 1 'no case.*failed=1 ' 'echo hello' "${v[@]}"
	expect last-line-not-ended 0 'passed=1 ' 'printf "PASS a"' "${v[@]}"
	expect left-behind 0 'passed=1 ' "tail -f /dev/null & echo \$! > $work/pid; echo PASS a" \
		timeout 10 "${v[@]}"
	kill "$(cat "$work/pid")"
	expect time-limit 1 'its time limit.*passed=1 failed=1 ' \
		'echo PASS a; exec tail -f /dev/null' sh "$here/verdict.sh" 1
}

guests() {
	local g=(bash "$here/vm.sh" --kernel "$series" --limit 10)
	expect guest-pass 0 "kernel $series\..*PASS a.*passed=1 failed=0 " 'echo PASS a' \
		"${g[@]}" --script
	expect guest-fail 1 'FAIL b: c.*passed=1 failed=1 ' 'echo PASS a; echo FAIL b: c' \
		"${g[@]}" --script
	expect guest-time-limit 1 'PASS a.*its time limit is 10 s.*passed=1 failed=1 ' \
		'echo PASS a; tail -f /dev/null' "${g[@]}" --script
	expect guest-panic 3 'FAIL guest: its kernel panicked.*sysrq.*failed=1 ' \
		'echo PASS a; echo c > /proc/sysrq-trigger' "${g[@]}" --script
	expect guest-off 3 'FAIL guest: no verdict.*failed=1 ' 'echo PASS a; poweroff -f' \
		"${g[@]}" --script
	expect guest-hang 3 'FAIL guest: hung.*failed=1 ' \
		'echo PASS a; kill -STOP -1' "${g[@]}" --script
	expect guest-module 0 'veth' 'grep veth /proc/modules && echo PASS a' \
		"${g[@]}" --module veth --script
	expect no-module 4 'no module nonesuch' 'echo PASS a' "${g[@]}" --module nonesuch --script
	expect no-kernel 4 'no kernel 1.0' 'echo PASS a' bash "$here/vm.sh" --kernel 1.0 --script
	expect no-script 2 'no such file' '' bash "$here/vm.sh" --kernel "$series" --script /nonesuch \
		--add
}

verdicts
guests
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
