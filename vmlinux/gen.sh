#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# All types of a kernel, for looking things up, and the check of our cut against them.
# usage: vmlinux/gen.sh            writes BUILD/vmlinux/vmlinux_full.h
#        vmlinux/gen.sh --check    does each field of vmlinux/vmlinux.h exist, and with that size?
# BTF=file: another kernel's BTF than the running one's.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
btf=${BTF:-/sys/kernel/btf/vmlinux}
out=${BUILD:-build}/vmlinux

[ -r "$btf" ] || { echo "vmlinux/gen.sh: no BTF at $btf" >&2; exit 1; }
mkdir -p "$out"
bpftool btf dump file "$btf" format c > "$out/vmlinux_full.h"
[ "${1:-}" = --check ] || { echo "$out/vmlinux_full.h"; exit 0; }

# One assertion a field; the compiler finds members of anonymous structs and unions by itself.
awk 'BEGIN { print "#include \"vmlinux_full.h\"" }
	/^struct [a-z_0-9]+ \{$/ { s = $2 }
	s && /^\t.*;/ && !/ : [0-9]/ { # a bit field has no size
		sub(/;.*/, ""); f = $NF; sub(/^\t/, ""); sub(/ [*a-z_0-9]+$/, "")
		if (sub(/^\*+/, "", f)) $0 = "void *"
		printf "_Static_assert(sizeof(((struct %s *)0)->%s) == sizeof(%s), \"%s.%s\");\n", s, f, $0, s, f
	}
	/^}/ { s = "" }' vmlinux/vmlinux.h > "$out/check.c"
clang -target bpf -fsyntax-only -w -I "$out" "$out/check.c"
echo "vmlinux.h: $(grep -c Static_assert "$out/check.c") fields agree with $btf"
