#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# One application on several hosts has one 127.0.0.1 and one ::1; nobody else looks in.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_up 2
A=(--name a --ip 10.9.41.1 --ip fd09:41::1 --tag grp=t)
A2=(--name a2 --ip 10.9.41.1 --ip fd09:41::1 --tag grp=t)
lab_serve 2 lo4 "${A[@]}" -- "$S" tcp-serve --bind 127.0.0.1 --hello LO4 8000
lab_serve 2 lo6 "${A[@]}" -- "$S" tcp-serve --bind ::1 --hello LO6 8000
lab_serve 2 wild "${A[@]}" -- "$S" tcp-serve -6 --hello WILD 8001
lab_serve 2 dgram "${A[@]}" -- "$S" udp-serve --bind 127.0.0.1 --for 300 8000
known() { pbn 1 services -o json | json 'd["services"]' | grep -q "8000.*a"; }
check known wait_for 20 known
match same-name 'reply=LO4' within 1 "${A[@]}" -- "$S" tcp-connect --send x 127.0.0.1 8000
match same-name6 'reply=LO6' within 1 "${A[@]}" -- "$S" tcp-connect --send x ::1 8000
match mapped 'reply=LO4' within 1 "${A[@]}" -- "$S" tcp-connect --mapped --send x 127.0.0.1 8000
match shared-address 'reply=LO4' within 1 "${A2[@]}" -- "$S" tcp-connect --send x 127.0.0.1 8000
match wildcard 'reply=WILD' within 1 "${A2[@]}" -- "$S" tcp-connect --send x 127.0.0.1 8001
match wildcard6 'reply=WILD' within 1 "${A2[@]}" -- "$S" tcp-connect --send x ::1 8001
match names 'ok peer=127.0.0.1:8000 sock=127.0.0.1:' within 1 "${A[@]}" -- "$S" tcp-connect 127.0.0.1 8000
match names-at-server 'peer=127.0.0.1:[0-9]+ local=127.0.0.1:8000' cat "$SBX/log/lo4"
udp_ask 5 127.0.0.1 8000
match udp 'reply from=127.0.0.1:8000 asked=yes' within 1 "${A[@]}" -- "${ASK[@]}"

# ---- nobody else ----
expect_errno other-identity ECONNREFUSED within 1 --name b --tag grp=t -- "$S" tcp-connect 127.0.0.1 8000
expect_errno unnamed ECONNREFUSED within 1 --tag grp=t -- "$S" tcp-connect 127.0.0.1 8000
expect_errno unmanaged ECONNREFUSED on 1 "$S" tcp-connect 127.0.0.1 8000
expect_errno group EACCES within 1 --name a3 --ip 10.9.41.1 --tag grp=other -- "$S" tcp-connect 127.0.0.1 8000
expect_errno not-by-virtual-address ECONNREFUSED within 1 --tag grp=t -- "$S" tcp-connect 10.9.41.1 8000

# ---- what the kernel opened for that is guarded ----
for port in $(pbn 2 endpoints -o json | json '" ".join(sorted({r.rsplit(":", 1)[1]
	for e in d["endpoints"] for r in e["real"] if e["proto"] == "tcp"}))'); do
	for who in lan "on 1" "on 2"; do
		for addr in 10.77.0.2 fd77::2; do
			# shellcheck disable=SC2086 # words
			expect_errno "guarded-${who// /}-$addr" ECONNREFUSED $who "$S" tcp-connect $addr "$port"
		done
	done
done

# ---- an unmanaged service of the host is not hidden from others, nor from unmanaged programs ----
lab_start 1 host "$S" tcp-serve -6 --hello HOST 8000
check host-up wait_for 5 log_has host listening
match host-for-unmanaged 'reply=HOST' on 1 "$S" tcp-connect --send x 127.0.0.1 8000
match host-for-other 'reply=HOST' within 1 --name b --tag grp=t -- "$S" tcp-connect --send x 127.0.0.1 8000
match own-first 'reply=LO4' within 1 "${A[@]}" -- "$S" tcp-connect --send x 127.0.0.1 8000

# ---- local first here too ----
lab_serve 1 lo1 "${A[@]}" -- "$S" tcp-serve --bind 127.0.0.1 --hello LO1 8000
match local-first 'reply=LO1' within 1 "${A2[@]}" -- "$S" tcp-connect --send x 127.0.0.1 8000
match local-first-there 'reply=LO4' within 2 "${A2[@]}" -- "$S" tcp-connect --send x 127.0.0.1 8000
finish
