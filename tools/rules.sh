# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2034
# House rules no other tool checks.  Each rule_NAME prints what breaks it, below the current
# folder; tools/lint_selftest.sh shows each of them something right and something wrong.

MAX_FUNCTION=60
MAX_FILE=400
SPDX='SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause'

# sources NAME-PATTERN...: files of ours, none that was built
sources() {
	local args=() p
	for p in "$@"; do args+=(-o -name "$p"); done
	find . -path ./build -prune -o -path './build-*' -prune -o -path ./.git -prune -o \
		-type f \( "${args[@]:1}" \) -print | sort
}

# XDP_PASS is TC_ACT_SHOT: verdicts are translated in one place
rule_raw_verdict() {
	local f
	for f in $(sources '*.bpf.c' '*.bpf.h'); do
		[ "$f" = ./bpf/lib/verdict.bpf.h ] ||
			grep -nHE 'return[^;]*\b(XDP_[A-Z]+|TC_ACT_[A-Z]+|SK_PASS|SK_DROP)\b' "$f"
	done
}

# kernel style: a body opens with a brace in the first column, and closes so
rule_function_length() {
	sources '*.c' '*.h' '*.sh' | xargs -r awk -v max=$MAX_FUNCTION '
		FNR == 1 { open = 0 }
		/^[a-zA-Z_].*\(/ && !/;$/ { name = $0 }
		/^\{$/ || /^[a-z_0-9-]+\(\) \{$/ { open = FNR }
		/^\}/ && open {
			if (FNR - open + 1 > max)
				printf "%s:%d: %d lines, at most %d: %s\n", FILENAME, open, FNR - open + 1, max, name
			open = 0
		}'
}

rule_file_length() {
	sources '*.c' '*.h' '*.sh' '*.py' | xargs -r wc -l | awk -v max=$MAX_FILE \
		'$2 != "total" && $1 > max { print $2 ": " $1 " lines, at most " max }'
}

rule_spdx() {
	local f
	for f in $(sources '*.c' '*.h' '*.sh' '*.py' Makefile '*.mk'); do
		head -n 2 "$f" | grep -qF "$SPDX" || echo "$f: no SPDX line: $SPDX"
	done
}

# Tests wait for conditions.  Only a function whose name says that it waits or polls may pause.
rule_test_sleep() {
	[ -d tests ] || return 0
	find tests -name '*.sh' -o -name '*.[ch]' | sort | xargs -r awk '
		FNR == 1 { fn = "" }
		/^[a-z_0-9]+\(\) \{/ || /^[a-zA-Z_].*\(.*[^;]$/ { fn = $0 }
		/^\}/ { fn = "" }
		/^[ \t]*[#*\/]/ || fn ~ /wait|poll/ { next }
		FILENAME ~ /\.sh$/ && /(^|;|&&|\|\||do|then|else)[ \t]*sleep [0-9.]+[ \t]*($|;|\|\||&&|#)/ ||
		FILENAME ~ /\.[ch]$/ && /(^|[^a-z_])(sleep|usleep|nanosleep|clock_nanosleep)\(/ {
			print FILENAME ":" FNR ": a fixed pause; wait for a condition: " $0
		}'
}

rule_machine_path() {
	find . -path ./build -prune -o -path './build-*' -prune -o -path ./.git -prune -o -type f -print0 |
		xargs -0 -r grep -nIE '/(work|home/[a-z]+)/[a-z]' | grep -v '^./tools/rules.sh:'
}

# BPF_OBJ_NAME_LEN is 16 with the NUL; OBJ=folder of the objects
rule_kernel_names() {
	local o
	for o in "${OBJ:-${BUILD:-build}/bpf}"/*.bpf.o; do
		[ -e "$o" ] || continue
		llvm-objdump -t "$o" | awk -v o="${o##*/}" '
			$2 == "g" && ($3 == "F" && $4 != ".text" || $3 == "O" && $4 == ".maps") {
				if ($6 !~ /^pb_[a-z0-9_]+$/ || length($6) > 15)
					print o ": " $6 " (" length($6) " characters): pb_*, at most 15"
			}'
	done
}

RULES=(raw_verdict function_length file_length spdx test_sleep machine_path kernel_names)
