#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Shows each house rule something right and something wrong.
set -u
cd "$(dirname "$0")/.." || exit 2
# shellcheck source=tools/rules.sh
. tools/rules.sh
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 2
bad=0

# expect RULE yes|no FILE: does the rule complain about FILE, whose text is on stdin?
expect() {
	local got=no
	mkdir -p "$(dirname "$3")"
	cat > "$3"
	[ -z "$("rule_$1")" ] || got=yes
	[ "$got" = "$2" ] || { echo "rule $1: complains about $3: $got, should: $2"; bad=1; }
	rm -f "$3"
}

# lines N: a C function of N lines with its braces
lines() {
	printf 'static int f(void)\n{\n'
	for ((i = 0; i < $1 - 2; i++)); do printf '\tg();\n'; done
	printf '}\n'
}

# object NAME: a BPF object with one program of that name
object() {
	printf '#define S(n) __attribute__((section(n), used))\nS("xdp") int %s(void *c) { return c == 0; }\n' "$1" |
		clang -target bpf -O2 -g -x c -c - -o - 2> /dev/null
}

expect raw_verdict yes bpf/a.bpf.c <<< $'\treturn XDP_PASS;'
expect raw_verdict yes bpf/a.bpf.c <<< $'\treturn ok ? SK_PASS : SK_DROP;'
expect raw_verdict no bpf/lib/verdict.bpf.h <<< $'\treturn XDP_PASS;'
expect raw_verdict no bpf/a.bpf.c <<< $'\treturn verdict_to_xdp(v);'
expect function_length yes a.c < <(lines 61)
expect function_length no a.c < <(lines 60)
expect function_length yes a.sh < <(lines 61 | sed 's/^static.*/f() {/; /^{$/d'; lines 61)
expect file_length yes a.h < <(for ((i = 0; i < 401; i++)); do echo; done)
expect file_length no a.h < <(for ((i = 0; i < 400; i++)); do echo; done)
expect spdx yes a.py <<< 'import os'
expect spdx no a.py <<< "# $SPDX"
expect spdx no a.sh <<< $'#!/bin/sh\n'"# $SPDX"
expect test_sleep yes tests/e2e/a.sh <<< 'start; sleep 1'
expect test_sleep yes tests/e2e/a.sh <<< $'f() {\n\tsleep 0.5\n}'
expect test_sleep no tests/e2e/a.sh <<< $'wait_for() {\n\tsleep 0.05\n}'
expect test_sleep no tests/e2e/a.sh <<< 'patchbay run -- sleep 60 &'
expect test_sleep yes tests/unit/a.c <<< $'static void f(void)\n{\n\tusleep(10);\n}'
expect test_sleep no tests/unit/a.c <<< $'static int poll_for(int n)\n{\n\tusleep(10);\n}'
expect machine_path yes a.md <<< "see /home/""someone/notes"
expect machine_path no a.md <<< 'see docs/notes'
export OBJ=obj
expect kernel_names no obj/a.bpf.o < <(object pb_short)
expect kernel_names yes obj/a.bpf.o < <(object pb_a_name_of_16cc)
expect kernel_names yes obj/a.bpf.o < <(object other)
exit "$bad"
