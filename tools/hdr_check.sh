#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Each header compiles alone: on the host, and for BPF where the kernel side uses it, too.  And
# the hand-cut kernel types agree with the running kernel.  Errors only: a header may leave
# functions to its includer, of which compilers warn.
set -u
cd "$(dirname "$0")/.." || exit 2
BUILD=${BUILD:-build}
export BUILD
read -ra host < <(make -s BUILD="$BUILD" print-C_FLAGS)
read -ra test < <(make -s BUILD="$BUILD" print-TEST_FLAGS)
read -ra bpf < <(make -s BUILD="$BUILD" print-BPF_FLAGS)
failed=0

# alone NAME HEADER COMPILER...
alone() {
	local name=$1 header=$2
	shift 2
	if printf '#include "%s"\n' "$header" | "$@" -w -x c -fsyntax-only -; then
		echo "ok $name:$header"
	else
		echo "FAIL $name:$header"
		failed=1
	fi
}

while read -r h; do
	case $h in
	*.bpf.h) alone bpf "$h" clang -I. "${bpf[@]}" ;;
	vmlinux/*) alone bpf "$h" clang -I. "${bpf[@]}" ;;
	include/*)
		alone host "$h" gcc -I. "${host[@]}"
		alone bpf "$h" clang -I. "${bpf[@]}"
		;;
	*) alone host "$h" gcc -I. "${host[@]}" "${test[@]}" ;;
	esac
done < <(find include bpf control loader vmlinux tests -name '*.h' | sort)

if [ -r /sys/kernel/btf/vmlinux ]; then
	if vmlinux/gen.sh --check; then
		echo "ok vmlinux-fields"
	else
		echo "FAIL vmlinux-fields"
		failed=1
	fi
else
	echo "SKIP vmlinux-fields: this kernel has no BTF"
fi
exit "$failed"
