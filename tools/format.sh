#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# clang-format over all C files, in place; --check only says what it would change.
set -eu
cd "$(dirname "$0")/.."
mode=(-i)
[ "${1:-}" != --check ] || mode=(--dry-run -Werror)
find include bpf control loader vmlinux tests -name '*.[ch]' -print0 | sort -z |
	xargs -0 -r clang-format --style=file "${mode[@]}"
