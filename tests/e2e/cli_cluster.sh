#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The command line of the cluster, before an agent that only talks (tests/lib/fake_agent.py).
# PATCHBAY names the binary.  Needs no root and changes nothing.
set -u
# shellcheck source=../lib/cli.sh
. "$(dirname "$0")/../lib/cli.sh"

# asked NAME TEXT: the last request holds it
asked() {
	if tail -n 1 "$DIR/requests" | grep -qF "$2"; then ok "$1"; else
		fail "$1" "$(tail -n 1 "$DIR/requests")"
	fi
}
# said NAME REGEX: standard error of the last command
said() { if grep -qE "$2" "$DIR/err"; then ok "$1"; else fail "$1" "$(cat "$DIR/err")"; fi; }
KEY=$("$PATCHBAY" keys gen)
SHORT=AAAAAAAAAAAAAAAAAAAAAA== # 16 bytes

# ---- words ----
wrong cluster-action 2 "'make' is not an operand.*init join token leave|init join token leave" cluster make
wrong cluster-extra 2 'one word too many' cluster token x
wrong cluster-option 2 "'cluster token' takes no option '--insecure'" cluster token --insecure
wrong cluster-option-none 2 "'cluster' takes no option '--name'" cluster --name x
wrong cluster-join-name 2 "'cluster join' takes no option '--name'" cluster join T --name x
wrong cluster-name 2 'is not a name' cluster init --name 'a b'
wrong cluster-node 2 'is not a name' cluster init --node 'a/b'
wrong cluster-address 2 'not an IP address' cluster init --address 10.0.0
wrong cluster-port-zero 2 'not a number from 1 to 65535' cluster init --port 0
wrong cluster-port-big 2 'not a number from 1 to 65535' cluster join T --port 65536
wrong join-nothing 2 'needs a TOKEN' cluster join
wrong join-empty 2 'token is empty' cluster join ''
wrong join-blank 2 'not a token' cluster join 'a b'
wrong join-long 2 'at most 2047' cluster join "$(printf 'a%.0s' {1..2048})"
wrong join-no-input 2 'holds no token' cluster join -
wrong keys-action 2 'list gen install use remove' keys add
wrong keys-extra 2 'one word too many' keys list x
wrong keys-install-nothing 2 'needs a KEY' keys install
wrong keys-install-text 2 'not a key' keys install secret
wrong keys-install-short 2 'not a key' keys install "${KEY:0:40}"
wrong keys-install-bytes 2 'not a key' keys install "${KEY:0:40}=AA="
wrong keys-install-empty 2 'holds no key' keys install -
wrong keys-use-nothing 2 'needs the ID' keys use
wrong keys-use-key 2 'not the id' keys use "$KEY"
wrong keys-force 2 "only 'keys use' takes" keys remove 0badcafe --force
wrong drain-nothing 2 'needs one of' drain
wrong drain-two 2 'needs one of' drain --app web 3
wrong drain-id 2 'not the id' drain web
wrong drain-id-zero 2 'not the id' drain 0
wrong drain-wait 2 'not a number from 1' drain 3 --wait 0
wrong drain-undo-wait 2 'exclude' drain 3 --undo --wait 3
wrong nodes-absent 4 'does not run' nodes
wrong cluster-absent 4 'does not run' cluster
prints keys-gen-without-agent 0 '^[A-Za-z0-9+/]{43}=$' keys gen
prints keys-gen-json 0 '^\{"schema":"patchbay/1","key":"[^"]{44}"\}$' keys gen -o json
if [ "$KEY" != "$("$PATCHBAY" keys gen)" ]; then ok keys-gen-new; else fail keys-gen-new "$KEY"; fi

wrong ca-word 2 "'cluster ca sing' is unknown; there is: init request sign" cluster ca sing
wrong ca-words 2 'one word too many' cluster ca request x
wrong ca-option 2 "'cluster ca init' takes no option '--days'" cluster ca init "$DIR/ca" --days 3
wrong ca-sign-what 2 'needs the request of a node' cluster ca sign
wrong ca-sign-no-node 2 'needs' cluster ca sign x
wrong ca-init-name 2 'is not a name' cluster ca init "$DIR/ca" --name 'a b'

# ---- answers ----
agent
prints nodes 0 $'^NAME +STATE .*\nh1 .self. +alive +192.0.2.1,2001:db8::1 +2 +1 +2026-11-21T03:00:00Z +0.1.0 +-\nh2..31m +suspect +192.0.2.2 +0 +0 +- +- +its records are not in order$' nodes
prints nodes-json 0 '^\{"schema":"patchbay/1","nodes":\[\{"name":"h1"' nodes -o json
prints cluster 0 $'^cluster +prod, on\nnode +h1, id 0+\naddress +192.0.2.1, port 7956.*\nmembers +2 alive, 1 suspect, 0 dead\nencrypted +yes, keys 0badcafe, 00c0ffee .*\nsigned +yes, .*CA 0badbeef until 2027-11-21T03:00:00Z\nidentities +verified on eth0\n' cluster
prints cluster-frozen 0 'frozen +.*nobody else is heard' cluster
prints cluster-json 0 '^\{"schema":"patchbay/1","state":"on",' cluster -o json
touch "$DIR/plain"
prints cluster-plain 0 $'encrypted +NO: .*\nsigned .*\nidentities +NOT verified' cluster
prints init-plain 0 '^pb1-TOKEN$' cluster init --insecure
said init-plain-warns 'Nothing is encrypted'
rm "$DIR/plain"
prints init 0 '^pb1-TOKEN$' cluster init --name prod --node h1 --address 192.0.2.1 --address 2001:db8::1 --port 99
asked init-request '"op": "cluster-init", "addresses": ["192.0.2.1", "2001:db8::1"], "name": "prod", "node": "h1", "port": 99}'
said init-explains 'patchbay cluster join TOKEN'
said init-warns 'keep it as you keep a password'
prints init-json 0 '^\{"schema":"patchbay/1","token":"pb1-TOKEN","cluster":"prod","encrypted":true\}$' cluster init -o json
prints token 0 '^pb1-TOKEN$' cluster token
prints join 0 '^joined cluster prod: 2 nodes are alive$' cluster join pb1-TOKEN
if echo pb1-TOKEN | "$PATCHBAY" cluster join - > "$DIR/out" 2> "$DIR/err" &&
	grep -q '"op": "cluster-join", "token": "pb1-TOKEN"}' "$DIR/requests"; then ok join-input
else fail join-input "$(cat "$DIR/err")"; fi
echo joining > "$DIR/state"
wrong join-nobody 5 'no node of cluster prod has answered within 10 seconds' cluster join pb1-TOKEN
echo alone > "$DIR/state"
prints cluster-alone 0 '^this node is in no cluster' cluster
prints leave 0 '^left the cluster' cluster leave
rm "$DIR/state"
prints keys 0 $'^ID +IN-USE +NODES +MISSING-ON +MESSAGES +UNTIL\n0badcafe +yes +2 of 2 +- +70 +-\n00c0ffee +no +1 of 2 +h2 +5 +2026-11-28T03:00:00Z$' keys
prints keys-json 0 '"keys":\[\{"id":"0badcafe","primary":true' keys list -o json
prints keys-install 0 '^installed 00c0ffee$' keys install "$KEY"
asked keys-install-request '"op": "key", "action": "install", "key": "'"$KEY"'"}'
prints keys-install-short-one 0 '^installed' keys install "$SHORT"
if echo "$KEY" | "$PATCHBAY" keys install - > "$DIR/out" && asked keys-install-input "$KEY"; then :; else
	fail keys-install-input "$(cat "$DIR/out")"
fi
prints keys-use 0 '^in use: 00c0ffee$' keys use 00c0ffee
wrong keys-use-force 1 'has not got the key' keys use 00c0ffee --force
prints keys-remove 0 '^removed 0badcafe$' keys remove 0badcafe
asked keys-remove-request '"action": "remove", "id": "0badcafe"}'
wrong drain-none 1 'no endpoint' drain --app none
prints drain 0 '^2 endpoints take no new connections; 2 live on$' drain --node h1
asked drain-request '"op": "drain", "node": "h1"}'
prints drain-wait 0 '^2 endpoints take no new connections; 0 live on$' drain 7 --wait 20
asked drain-id-request '"endpoint": 7}'
prints drain-undo 0 '^2 endpoints take new connections again$' drain --app web --undo
asked drain-undo-request '"app": "web", "undo": true}'
end
