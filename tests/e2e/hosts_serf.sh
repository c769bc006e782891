#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# pool = serf: agents of Debian's serf beside ours.  Each knows the others, who comes, goes and dies;
# `serf keys` changes the key, while programs connect; no agent of Serf complains of us.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

command -v serf > /dev/null || die serf-is-installed "tools/deps.sh installs it"
lab_lan || die lab "no bridge"
for h in 1 2 3; do
	lab_host $h || die "lab-h$h" "cannot be made"
	printf 'pool = serf\nserf-key-queries = on\n' | lab_config $h
	lab_agent $h
done
lab_init || die lab-init "$(cat "$SBX/log/init")"
for h in 2 3; do check "join-h$h" lab_join $h; done
check members wait_for 30 lab_all_see 3
match is-serf '"pool":"serf"' pbn 2 cluster -o json
KEY=$(json 'd["keys"][0]' < "$SBX/h1/state/cluster.json")

# serf NAME I OPTION...: an agent at 10.77.0.(200+I), port LAB_PORT; rpc I VERB...: it does that
serf_agent() {
	local name=$1 i=$2
	shift 2
	lan ip addr replace "10.77.0.20$i/24" dev br0
	start "$name" nsenter --net=/run/netns/lan -- serf agent -node="$name" \
		-bind="10.77.0.20$i:$LAB_PORT" -rpc-addr="127.0.0.$i:7373" -encrypt="$KEY" \
		-log-level=debug -tag role=web "$@"
	wait_for 20 log_has "$name" 'Serf agent running' || die "$name-starts" "$(tail -n 1 "$SBX/log/$name")"
}
rpc() { local i=$1 verb=$2; shift 2; lan timeout 30 serf "$verb" -rpc-addr="127.0.0.$i:7373" "$@"; }
# serf_sees I MEMBER STATE [TAGS]
serf_sees() { rpc "$1" members | grep -qE "^$2 +[^ ]+ +$3 .*${4:-}"; }
all_serfs_see() { serf_sees 1 "$@" && serf_sees 2 "$@" && serf_sees 3 "$@"; }
# all_ours_see NODE STATE
all_ours_see() { lab_state 1 "$@" && lab_state 2 "$@" && lab_state 3 "$@"; }
complaints() { grep -hE '\[(WARN|ERR)\]' "$SBX/log/alpha" "$SBX/log/beta" "$SBX/log/gamma"; }

# ---- who is there ----
serf_agent alpha 1 -join="10.77.0.1:$LAB_PORT"
serf_agent beta 2 -join="10.77.0.2:$LAB_PORT"
serf_agent gamma 3 -join="10.77.0.1:$LAB_PORT"
for p in alpha beta gamma; do check "ours-see-$p" wait_for 30 all_ours_see $p foreign; done
for h in 1 2 3; do check "serfs-see-h$h" wait_for 30 all_serfs_see h$h alive 'patchbay=1'; done
id=$(json 'd["id"]' < "$SBX/h2/state/cluster.json")
match tag-id "h2 .*id=$id" rpc 3 members
match address "h3 +10\.77\.0\.3:$LAB_PORT " rpc 1 members
check counted lab_all_see 6
rpc 2 tags -set role=db > /dev/null
check tags-pass wait_for 30 serf_sees 3 beta alive 'role=db'
rpc 1 event -coalesce=false deploy v1 > /dev/null
check event-passes wait_for 30 log_has gamma 'user-event: deploy'
match query "Ack from 'h3'" rpc 1 query -timeout=2s ping x
match reachable 'Successfully contacted all live nodes' rpc 1 reachability

# ---- ours do their work among them ----
lab_serve 2 web --name web --ip 10.9.53.1 --tag grp=a -- "$S" tcp-serve -6 --hello WEB --for 900 80
up web web:80 1
lab_asker 10.9.53.1 80
check begin lab_asks_on
eq no-complaint '' "$(complaints)"

# ---- `serf keys` ----
NEW=$(head -c 32 /dev/urandom | base64 -w 0)
ours_keys() { # COUNT: all of ours have that many, and agree which is used
	local h
	for h in 1 2 3; do
		pbn "$h" keys -o json | json '(len(d["keys"]), [k["id"] for k in d["keys"] if k["primary"]])'
	done | sort -u > "$SBX/keys"
	[ "$(wc -l < "$SBX/keys")" = 1 ] && grep -q "^($1," "$SBX/keys"
}
check one-key ours_keys 1
match keys-install 'uccess' rpc 1 keys -install "$NEW"
check keys-installed wait_for 30 ours_keys 2
match keys-list "\\[6/6\\]" rpc 1 keys -list
check keys-installed-goes-on lab_asks_on
match keys-use 'uccess' rpc 2 keys -use "$NEW"
check keys-used-goes-on lab_asks_on
match keys-remove 'uccess' rpc 3 keys -remove "$KEY"
check keys-removed wait_for 30 ours_keys 1
check keys-removed-goes-on lab_asks_on
kept() { [ "$(json 'd["keys"]' < "$SBX/h3/state/cluster.json")" = "['$NEW']" ]; }
check keys-kept-on-disk wait_for 30 kept
check keys-members lab_all_see 6
KEY=$NEW
eq keys-no-complaint '' "$(complaints)"

# ---- going and coming ----
rpc 3 leave > /dev/null
check serf-leaves wait_for 30 all_ours_see gamma 'left|-'
serf_agent gamma 3 -join="10.77.0.2:$LAB_PORT"
check serf-returns wait_for 30 all_ours_see gamma foreign
app_stop beta KILL
check serf-dies wait_for 60 all_ours_see beta dead
check serfs-agree wait_for 60 serf_sees 1 beta failed
rpc 1 force-leave beta > /dev/null
check serf-force-leave wait_for 30 all_ours_see beta 'left|-'
serf_agent beta 2 -join="10.77.0.3:$LAB_PORT"
check serf-is-back wait_for 60 all_ours_see beta foreign
lab_agent_stop 3 KILL
check ours-dies wait_for 60 all_serfs_see h3 failed
lab_agent 3
check ours-is-back wait_for 60 all_serfs_see h3 alive
match ours-leaves '^left the cluster' pbn 3 cluster leave
check ours-has-left wait_for 30 all_serfs_see h3 left
check ours-joins-again lab_join 3
check ours-is-in-again wait_for 60 all_serfs_see h3 alive 'patchbay=1'
check all wait_for 60 lab_all_see 6
check end lab_asks_on
eq nobody-refused 0 "$(grep -cv ^good "$SBX/log/ask")"
# what is said of the dead is said by Serf's agents of each other, too
eq nothing-strange '' "$(complaints | grep -iE 'not (a )?(valid|understood)|unknown|decod|incompat|malformed|conflict')"
finish
