#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Static checks; one verdict each ("ok NAME", "FAIL NAME").  usage: tools/lint.sh [NAME...]
set -u
cd "$(dirname "$0")/.." || exit 2
BUILD=${BUILD:-build}
# shellcheck source=tools/rules.sh
. tools/rules.sh
failed=0

verdict() {
	if [ "$2" = 0 ]; then
		echo "ok $1"
	else
		echo "FAIL $1"
		failed=1
	fi
}

check_shellcheck() {
	sources '*.sh' run | xargs -r grep -lE '^#!.*sh|shellcheck shell=' | xargs -r -n 8 -P 2 shellcheck -x -S warning
}

# Leaks: it does not know __attribute__((cleanup)).  Syntax and constStatement: nor all macros.
check_cppcheck() {
	sources '*.c' | grep -v '\.bpf\.c$' | xargs -r cppcheck -q -j 2 --std=c11 --language=c \
		--enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=memleak --suppress=resourceLeak --suppress=syntaxError \
		--suppress=constStatement --suppress=unknownMacro --suppress=missingInclude \
		-Iinclude -Icontrol -Iloader -D__linux__ 2>&1
}

check_clang-tidy() {
	local args
	read -ra args < <(make -s BUILD="$BUILD" print-LINT_FLAGS)
	find control loader -name '*.c' -print0 | sort -z |
		xargs -0 -r -I{} -P 2 clang-tidy --quiet {} -- "${args[@]}" 2> /dev/null
}

check_selftest() { tools/lint_selftest.sh; }

wanted=("$@")
[ $# -gt 0 ] || wanted=(shellcheck cppcheck clang-tidy selftest "${RULES[@]}")
for name in "${wanted[@]}"; do
	if declare -F "rule_$name" > /dev/null; then
		out=$("rule_$name")
		[ -z "$out" ]
		rc=$?
		[ "$rc" = 0 ] || printf '%s\n' "$out"
		verdict "$name" "$rc"
	else
		"check_$name"
		verdict "$name" $?
	fi
done
exit "$failed"
