#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Three hosts become one cluster by a token; nodes, names, services and policy are known everywhere.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_hosts 3
resolver 127.0.0.53

# ---- alone ----
match alone '^this node is in no cluster' pbn 1 cluster
match alone-nodes $'^NAME[^\n]*\nh?[^\n]* .self. +alive [^\n]*$' pbn 1 nodes
expect_rc alone-token 1 pbn 1 cluster token
expect_rc alone-leave 1 pbn 1 cluster leave
expect_rc alone-keys 0 pbn 1 keys
nomatch alone-no-port ":$LAB_PORT " on 1 ss -Hltun

# ---- in ----
lab_init
eq init 0 $?
eq token-alone 1 "$(wc -l < "$SBX/log/token")"
match init-explains 'cluster join TOKEN' cat "$SBX/log/init"
expect_rc init-twice 1 pbn 1 cluster init
expect_rc join-nonsense 2 pbn 2 cluster join nonsense
TOKEN=$(cat "$SBX/log/token")
expect_rc join-cut-short 2 pbn 2 cluster join "${TOKEN:0:-3}"
match join '^joined cluster' pbn 2 cluster join "$TOKEN"
match join-by-input '^joined cluster' lab_join_said 3
check members wait_for 30 lab_all_see 3
for n in 1 2 3; do
	match "nodes-self-$n" "h$n .self. +alive +10.77.0.$n,fd77::$n" pbn "$n" nodes
	eq "nodes-one-self-$n" 1 "$(pbn "$n" nodes | grep -c self)"
	eq "nodes-alive-$n" 3 "$(pbn "$n" nodes | grep -c ' alive ')"
done
match encrypted '"encrypted":true' pbn 3 cluster -o json
match verified '"devices":\["eth0"\],"verified":true' pbn 3 cluster -o json
nomatch token-in-no-log "${TOKEN:(-40)}" cat "$SBX"/log/agent-h1 "$SBX"/log/agent-h2 "$SBX"/log/agent-h3
eq state-is-private 600 "$(stat -c %a "$SBX/h2/state/cluster.json")"

match on-the-wire '^seen 50 clear 0$' lab_on_the_wire SourceNode SeqNo Incarnation patchbay

# ---- what runs on one is known on all ----
lab_serve 1 web --name web --ip 10.9.30.1 --ip fd09:30::1 --tag grp=a -- "$S" tcp-serve -6 80
lab_serve 2 web2 --name web --ip 10.9.30.1 --ip fd09:30::1 --tag grp=a -- "$S" tcp-serve -6 80
lab_serve 2 pool --name pool --tag grp=a -- "$S" tcp-serve -6 81
up web-known web:80 2
up pool-known pool:81 1
for n in 1 2 3; do
	match "name-$n" '^10\.9\.30\.1 ' within "$n" --tag grp=a -- getent ahostsv4 web
	match "name6-$n" '^fd09:30::1 ' within "$n" --tag grp=a -- getent ahostsv6 web
	eq "pool-address-$n" "$(within 2 --tag grp=a -- getent ahostsv4 pool)" \
		"$(within "$n" --tag grp=a -- getent ahostsv4 pool)"
done
match endpoints-node 'web +[0-9a-f]+ +h1 +10.9.30.1 +80 .* up ' pbn 3 endpoints web
match endpoints-node2 'web +[0-9a-f]+ +h2 +10.9.30.1 +80 +tcp +10.77.0.2:[0-9]+,\[fd77::2\]:[0-9]+ +up ' pbn 3 endpoints web
match services '10.9.30.1 +80 +tcp +web +2 +- +h1,h2' pbn 1 services
match services-remote '10.9.30.1 +80 +tcp +web +2 +- +h1,h2' pbn 3 services
eq apps-are-local 0 "$(pbn 3 apps -o json | json 'len([a for a in d["apps"] if a["named"]])')"
node_counts() { [[ $(pbn 3 nodes) =~ h2\ +alive\ +[^\ ]+\ +2\ +2\  ]]; }
check nodes-count wait_for 10 node_counts
check tables wait_for 10 lab_tables_equal

# ---- and who may reach whom ----
lab_run 3 cli --name cli --tag grp=a -- sleep 1000
lab_run 3 else --name else --tag grp=b -- sleep 1000
check cli-known wait_for 10 pbn 3 check cli web:80
match check 'share grp=a \(on node h[12]\)' pbn 3 check cli web:80
expect_rc check-group 1 pbn 3 check else web:80
match check-json '"node":"h2","state":"up"' pbn 3 check cli pool:81 -o json
match check-no-service 'nothing listens' pbn 3 check cli pool:99
within 3 --name cli --tag grp=a -- "$S" tcp-connect 10.9.30.1 80 > /dev/null
match why 'now: .*on node h' pbn 3 why cli web:80
doctor=$(pbn 3 doctor)
match doctor-cluster 'cluster +ok +[^ ]+ 3 nodes alive' echo "$doctor"
match doctor-hook 'syn-hook +ok +identities are verified on eth0' echo "$doctor"
match doctor-port 'gossip-port +ok ' echo "$doctor"
match doctor-members 'members +ok +2 other nodes answer' echo "$doctor"
match doctor-clock 'clock +(ok|warn)' echo "$doctor"

# ---- names are the cluster's: nobody else gets them, or their addresses ----
expect_rc name-with-other-address 125 within 3 --name web --ip 10.9.30.77 --tag grp=a -- true
match name-joins '^10\.9\.30\.1 ' within 3 --name web --tag grp=a -- getent ahostsv4 web

# ---- restart without a word ----
lab_agent_stop 2
lab_agent 2
check restart-finds-others wait_for 30 lab_all_see 3
check restart-known wait_for 30 lab_has 3 web:80 2
check tables-after-restart wait_for 30 lab_tables_equal

# ---- out, and in again ----
match leave '^left the cluster' pbn 2 cluster leave
check left-gone wait_for 30 lab_state 1 h2 'left|-'
check left-withdrawn wait_for 20 lab_has 3 web:80 1
match left-alone 'in no cluster' pbn 2 cluster
check left-knows-own wait_for 10 lab_has 2 web:80 1
expect_rc left-knows-no-other 0 pbn 2 endpoints
nomatch left-no-other-endpoints ' h1 ' pbn 2 endpoints
match rejoin '^joined cluster' lab_join_said 2
check rejoin-members wait_for 30 lab_all_see 3
check rejoin-known wait_for 20 lab_has 3 web:80 2
finish
