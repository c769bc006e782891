#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What programs rely on when they read, with splice as without: tests/tools/reader.py says what.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/splice.sh
. "$TOP/tests/lib/splice.sh"

start_agent
serve_spliced srv --ip 10.9.34.1 -- "$PY" -u "$TOP/tests/tools/reader.py" serve 10.9.34.1 99
up reader srv:99
for what in edge shutdown signal write timeout; do
	not_spliced "$what-plain" plain "$PY" "$TOP/tests/tools/reader.py" $what 10.9.34.1 99
	eq "$what-plain-right" right "$REPLY"
	for i in 1 2 3; do
		match "$what-spliced-$i" '^right$' spliced "$PY" "$TOP/tests/tools/reader.py" $what 10.9.34.1 99
	done
done
report readers
finish
