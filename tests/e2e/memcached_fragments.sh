#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A datagram of up to 64 kB is fragments on the link, the first not always first: the request goes to
# one server, whole, and what it wrote is read.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

# frag SIZE ORDER [lose]
frag() { client "$PY" "$TOP/tests/tools/mc_frag.py" 10.8.0.2 10.9.0.9 "$MC_PORT" "$@"; }
# length KEY: of its value, as it is read
length() { mc_ask "$(mc_vip 4)" "get $1\\r\\n" | sed -n 's/^VALUE [^ ]* 0 \([0-9]*\).*/\1/p'; }

mc_lab 2
mc_agent
mc_up 4 "${MC_CACHE[@]}"
for order in forward backward shuffled; do
	for size in 1500 3000 20000 64000; do
		eq "stored-$order-$size" STORED "$(frag $size $order)"
		eq "read-$order-$size" $size "$(length "frag-$order-$size")"
	done
done
# a value that is cached is dropped by a write in fragments, too
mc_hits_command 4 "$SBX/hits-4"
cat > "$SBX/cases" << 'END'
case small-large-small
S set frag-shuffled-1500 0 0 3\r\nold\r\n
H get frag-shuffled-1500\r\n
END
verdicts_of client "$MCU" functional --vip "$(mc_vip 4)" --twin "$MC_TWIN" --script "$SBX/cases" \
	--hits "$SBX/hits-4"
eq stored-over-a-cached-one STORED "$(frag 1500 shuffled)"
eq read-afterwards 1500 "$(length frag-shuffled-1500)"
# one is lost: nothing arrives, and nobody else suffers
eq lost-one 'no answer' "$(frag 20000 backward lose)"
match others-are-answered VERSION mc_ask "$(mc_vip 4)" 'version\r\n'
eq old-value-stays 20000 "$(length frag-backward-20000)"
check counted test "$(mc_count 4 slow-path)" -gt 10
# IPv6: the kernel makes the fragments
mc_up 6
value=$(printf '%03000d' 7)
match stored-v6 STORED mc_ask "$(mc_vip 6)" "set frag6 0 0 3000\\r\\n$value\\r\\n"
match read-v6 'VALUE frag6 0 3000' mc_ask "$(mc_vip 6)" 'get frag6\r\n'
finish
