#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A cluster without a key is possible, only when asked for on every host, and is said to be one.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_hosts 2
expect_rc init-not-allowed 3 pbn 1 cluster init --insecure
match still-alone 'in no cluster' pbn 1 cluster
lab_agent_stop 1
echo 'insecure = on' | lab_config 1
lab_agent 1
pbn 1 cluster init --insecure > "$SBX/log/token" 2> "$SBX/log/init"
eq init 0 $?
match init-warns 'Nothing is encrypted' cat "$SBX/log/init"
expect_rc join-not-allowed 3 pbn 2 cluster join "$(cat "$SBX/log/token")"
lab_agent_stop 2
echo 'insecure = on' | lab_config 2
lab_agent 2
match join '^joined' pbn 2 cluster join "$(cat "$SBX/log/token")"
check members wait_for 20 lab_all_see 2
match shown 'encrypted +NO' pbn 2 cluster
match on-the-wire '^seen 50 clear [1-9]' lab_on_the_wire SourceNode SeqNo Incarnation patchbay
match doctor 'cluster +warn +.*not encrypted' pbn 2 doctor
expect_rc no-keys 0 pbn 1 keys
eq no-key 0 "$(pbn 1 keys -o json | json 'len(d["keys"])')"

# programs are known to each other all the same
lab_serve 2 web --name web --ip 10.9.51.1 --tag grp=a -- "$S" tcp-serve -6 80
up web web:80 1
match serves 'ok peer=10.9.51.1:80' within 1 --name cli --tag grp=a -- "$S" tcp-connect --timeout 10000 10.9.51.1 80
P4=$(pbn 2 endpoints web -o json | json 'd["endpoints"][0]["real"][0].rsplit(":", 1)[1]')
expect_errno stranger ECONNREFUSED lan "$S" tcp-connect 10.77.0.2 "$P4"
finish
