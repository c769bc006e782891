#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Groups, rules and their precedence, modes; the errno of each refusal, and that it is immediate.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

config <<'END'
[agent]
mode = enforce
[policy]
rule = allow from ruled to shop:8080
rule = deny from evil to shop
rule = allow from evil to shop:8081
rule = deny from role=batch to shop:8082/tcp
rule = allow from role=cron to role=store
END
start_agent

# from TAG-OR-OPTIONS...: what pbsock says of a connection to shop
from() { pb run "${who[@]}" -- "$S" tcp-connect "$@"; }
for p in 80 8080 8081 8082; do
	serve "shop$p" --name shop --ip 10.9.8.1 --ip fd09:8::1 --tag grp=front --tag grp=back --tag role=store -- \
		"$S" tcp-serve -6 "$p"
done
serve bare --name bare --ip 10.9.8.2 -- "$S" tcp-serve 80
serve key --name key --ip 10.9.8.3 --tag role=x -- "$S" tcp-serve 80

# ---- groups ----
who=(--tag grp=front)
match group '^ok ' from 10.9.8.1 80
match group6 '^ok ' from fd09:8::1 80
match group-mapped '^ok ' from --mapped 10.9.8.1 80
expect_errno untagged-server EACCES from 10.9.8.2 80
who=(--tag grp=other --tag grp=back)
match one-of-many '^ok ' from 10.9.8.1 80
who=(--tag grp=other)
expect_errno no-common-group EACCES from 10.9.8.1 80
expect_errno no-common-group6 EACCES from fd09:8::1 80
expect_errno no-common-group-mapped EACCES from --mapped 10.9.8.1 80
expect_errno no-common-nonblock EACCES from --nonblock 10.9.8.1 80
who=(--name bare2 --ip 10.9.8.4)
expect_errno untagged-client EACCES from 10.9.8.1 80
expect_errno untagged-both EACCES from 10.9.8.2 80
who=(--tag role=x)
expect_errno other-keys-are-no-groups EACCES from 10.9.8.3 80
who=(--tag grp=fron)
expect_errno no-prefixes EACCES from 10.9.8.1 80

# ---- rules, and what wins ----
who=(--name ruled --ip 10.9.8.10)
match rule-allows-without-tags '^ok ' from 10.9.8.1 8080
expect_errno rule-holds-for-its-port EACCES from 10.9.8.1 80
who=(--name ruled --ip 10.9.8.10 --tag grp=front)
match rule-adds '^ok ' from 10.9.8.1 80
who=(--name evil --ip 10.9.8.11 --tag grp=front)
expect_errno deny-beats-group EACCES from 10.9.8.1 80
expect_errno deny-beats-allow EACCES from 10.9.8.1 8081
expect_errno deny-beats-group6 EACCES from fd09:8::1 80
who=(--tag grp=front --tag role=batch)
match deny-of-port-only '^ok ' from 10.9.8.1 80
expect_errno deny-by-tag EACCES from 10.9.8.1 8082
who=(--tag role=cron)
match allow-by-tags '^ok ' from 10.9.8.1 80
who=(--name shop --ip 10.9.8.1 --tag grp=elsewhere)
expect_errno own-name-is-no-group EACCES from 10.9.8.1 80
match own-listener 'connect=\S+ ok' pb run --name solo --ip 10.9.8.12 -- "$S" seq tcp4 bind=0.0.0.0:80 \
	listen tcp4 connect=10.9.8.12:80

# ---- nobody there ----
who=(--tag grp=front)
expect_errno no-listener ECONNREFUSED from 10.9.8.1 99
expect_errno no-listener6 ECONNREFUSED from fd09:8::1 99
run_app pooled --name pooled --tag grp=front -- "$S" seq tcp4 hold
wait_for 5 log_has pooled holding
pool=$(pb apps -o json | json '[i for a in d["apps"] if a["name"] == "pooled" for i in a["ips"] if "." in i][0]')
match pool-address '^[0-9.]+$' echo "$pool"
expect_errno nobodys-address EHOSTUNREACH from "${pool%.*}.251" 80
expect_errno nobodys-address-udp EHOSTUNREACH pb run --tag grp=front -- "$S" udp-send "${pool%.*}.251" 80
expect_errno nobodys-address-mapped EHOSTUNREACH from --mapped "${pool%.*}.251" 80

# ---- modes ----
who=(--tag grp=other)
serve audited --name audited --ip 10.9.8.20 --mode audit --tag grp=front -- "$S" tcp-serve 80
match audit-lets-through '^ok ' from 10.9.8.20 80
match audit-is-told 'audit' pb events --last 50
serve lax --name lax --ip 10.9.8.21 --mode off --tag grp=front -- "$S" tcp-serve 80
match off-lets-through 'ok peer=10.9.8.21:80 ' from 10.9.8.21 80
match off-still-rewrites 'peer=169.254' cat "$SBX/log/lax"
who=(--tag grp=other --mode off)
expect_errno client-cannot-relax EACCES from 10.9.8.1 80
who=(--tag grp=other --mode audit)
expect_errno client-cannot-audit EACCES from 10.9.8.1 80

# ---- check says what the kernel does, and why it did ----
run_app front --name front --ip 10.9.8.30 --tag grp=front -- "$S" seq tcp4 connect=10.9.8.1:80 connect=10.9.8.2:80 hold
run_app evil --name evil --ip 10.9.8.11 --tag grp=front -- "$S" seq tcp4 connect=10.9.8.1:80 hold
wait_for 5 log_has front holding
wait_for 5 log_has evil holding
expect_rc check-allowed 0 pb check front 10.9.8.1:80
expect_rc check-allowed-by-name 0 pb check front shop:80
expect_rc check-refused 1 pb check evil shop:80
eq check-reason rule-deny "$(pb check evil shop:80 -o json | json 'd["reason"]')"
eq check-rule 'deny from evil to shop' "$(pb check evil shop:80 -o json | json 'd["rule"]')"
match check-rule-in-text 'deny from evil to shop' pb check evil shop:80
eq check-untagged no-tags "$(pb check front 10.9.8.2:80 -o json | json 'd["reason"]')"
eq check-no-service no-service "$(pb check front shop:99 -o json | json 'd["reason"]')"
eq check-no-address no-address "$(pb check front "${pool%.*}.251:80" -o json | json 'd["reason"]')"
match why-refused 'rule-deny' pb why evil shop:80
match why-names-errno 'EACCES' pb why evil shop:80
match why-allowed 'group' pb why front 10.9.8.1:80
finish
