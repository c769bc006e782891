#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Runs a test script with a time limit, shows its output, and closes with the line
#	PB-RESULT passed=N failed=N skipped=N
# usage: verdict.sh SECONDS SCRIPT [ARG...]
#
# The script says "PASS name", "FAIL name: why" or "SKIP name: why", one line a case.  A script that
# ends badly without a FAIL, or that has no case, is a failure too.  The same file judges the guests
# and the running kernel.
set -u

limit=$1
shift

judge() {
	passed=0 failed=0 skipped=0 status=lost
	while IFS= read -r line; do
		case $line in
		'') continue ;;
		"PASS "*) passed=$((passed + 1)) ;;
		"FAIL "*) failed=$((failed + 1)) ;;
		"SKIP "*) skipped=$((skipped + 1)) ;;
		"PB-EXIT "*)
			# Not the end of the pipe: a program the script left behind may hold it open.
			status=${line#PB-EXIT }
			break
			;;
		esac
		printf '%s\n' "$line"
	done
	case $status in
	0) ;;
	124 | 137 | 143)
		echo "FAIL script: killed (status $status); its time limit is $limit s"
		failed=$((failed + 1))
		;;
	*)
		if [ "$failed" -eq 0 ]; then
			echo "FAIL script: exit status $status"
			failed=1
		fi
		;;
	esac
	if [ $((passed + failed)) -eq 0 ]; then
		echo "FAIL script: it has no case"
		failed=1
	fi
	echo "PB-RESULT passed=$passed failed=$failed skipped=$skipped"
	[ "$failed" -eq 0 ]
}

{
	timeout -k 5 "$limit" "$@" 2>&1 < /dev/null
	printf '\nPB-EXIT %s\n' $?
} | judge
