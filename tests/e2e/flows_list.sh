#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `patchbay flows`: every TCP connection of a managed program, both ends in one line, by the names
# that programs see; nothing else; and what it says survives the agent.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
A=(--name srv --ip 10.9.30.1 --ip fd09:30::1 --tag grp=t)
B=(--name cli --ip 10.9.30.2 --ip fd09:30::2 --tag grp=t)

# hold NAME TCP-CONNECT-ARGUMENTS: a client of application cli that keeps its connection
hold() {
	local name=$1
	shift
	run_app "$name" "${B[@]}" -- "$S" tcp-connect --hold --timeout 120000 "$@"
	wait_for 10 log_has "$name" '^ok' || fail "$name-connects" "$(tail -n 1 "$SBX/log/$name")"
}
# sock_of NAME: the client's own address, as getsockname() told it
sock_of() { sed -n 's/.* sock=\([^ ]*\) .*/\1/p' "$SBX/log/$1" | head -n 1; }
# line CLIENT SERVER: the one line about it has both ends
esc() { printf '%s\n' "$1" | sed 's/[]\\.*^$[]/\\&/g'; }
line() { echo "(^|"$'\n'")$(esc "$1") +$(esc "$2") +$3 +no +splice-off +0 +splice-off +0($|"$'\n'")"; }
# flows ARGS... EXPR: a Python expression over the answer
flows() { pb flows -o json "${@:1:$#-1}" | json "${@: -1}"; }
count() { flows 'len(d["flows"])'; }
counts() { [ "$(count)" = "$1" ]; }

# ---- nothing there ----
match empty '^CLIENT +SERVER +STATE +SPLICE +-> +BYTES +<- +BYTES$' pb flows
match empty-json '^\{"schema":"patchbay/1","flows":\[\],"total":0,"truncated":false\}$' pb flows -o json

# ---- IPv4, IPv6, v4-mapped ----
serve srv "${A[@]}" -- "$S" tcp-serve -6 80
eq listener-alone 0 "$(count)"
hold c4 10.9.30.1 80
hold c6 fd09:30::1 80
hold cm --mapped 10.9.30.1 80
check three wait_for 5 counts 3
mapped=$(sock_of cm)
mapped=10.9.30.2:${mapped##*:} # a mapped address is shown as IPv4
match v4 "$(line "cli@$(sock_of c4)" srv@10.9.30.1:80 established)" pb flows
match v6 "$(line "cli@$(sock_of c6)" 'srv@[fd09:30::1]:80' established)" pb flows
match mapped "$(line "cli@$mapped" srv@10.9.30.1:80 established)" pb flows
eq families "['ipv4', 'ipv6', 'mapped']" "$(flows 'sorted({f["client"]["family"] for f in d["flows"]})')"
eq both-ends True "$(flows 'all(f[e]["cookie"] and f[e]["ref"] for f in d["flows"] for e in ("client", "server"))')"
eq real-names "['127.0.0.1', '127.0.0.1', '[::1]']" \
	"$(flows 'sorted(f["server"]["real"].rsplit(":", 1)[0] for f in d["flows"])')"
eq real-port "$(real_ports srv:80)" \
	"$(flows '" ".join(sorted({f["server"]["real"].rsplit(":", 1)[1] for f in d["flows"]}))')"
eq real-local True "$(flows 'all(f["client"]["address"].rsplit(":", 1)[1] == f["client"]["real"].rsplit(":", 1)[1] for f in d["flows"])')"

# ---- JSON as documented ----
eq json-fields ok "$(pb flows -o json | "$PY" -c '
import json, sys
d = json.load(sys.stdin)
assert set(d) == {"schema", "flows", "total", "truncated"}, d.keys()
for f in d["flows"]:
    assert set(f) == {"client", "server", "state", "spliced", "to_server", "to_client", "netns"}, f.keys()
    for e in f["client"], f["server"]:
        assert set(e) == {"app", "ref", "address", "real", "family", "state", "cookie"}, e.keys()
    for w in f["to_server"], f["to_client"]:
        assert set(w) == {"spliced", "ready", "reason", "text", "bytes", "msgs"}, w.keys()
        assert w["reason"] == "splice-off" and "not switched on" in w["text"], w
print("ok")' 2>&1 | tail -n 1)"

# ---- what is not one: programs that nobody manages, datagrams; a peer outside is an address ----
start_serve plain "$S" tcp-serve 8099
start plain-client "$S" tcp-connect --hold --timeout 120000 127.0.0.1 8099
check plain-connects wait_for 5 log_has plain '^accept'
run_app udp "${B[@]}" -- "$S" seq udp4 connect=192.0.2.2:9 send hold
check udp-connects wait_for 5 log_has udp holding
nomatch unmanaged 8099 pb flows
eq no-datagrams 3 "$(count)"
start_serve world outside "$S" tcp-serve -6 9000
hold out4 192.0.2.2 9000
hold out6 2001:db8::2 9000
hold loop 127.0.0.1 8099
match outside4 "(^|"$'\n'")cli@192\.0\.2\.1:[0-9]+ +192\.0\.2\.2:9000 +established +no +splice-off +0 +splice-off +-" pb flows
match outside6 "(^|"$'\n'")cli@\[2001:db8::1\]:[0-9]+ +\[2001:db8::2\]:9000 +established +no " pb flows
match unmanaged-server "(^|"$'\n'")cli@127\.0\.0\.1:[0-9]+ +127\.0\.0\.1:8099 +established +no " pb flows
eq one-end None "$(flows '{f["server"]["app"] for f in d["flows"] if ":9000" in f["server"]["address"]}.pop()')"
for name in out4 out6 loop; do app_stop "$name"; done
check gone wait_for 10 counts 3

# ---- half-closed, by either side ----
run_app lame "${A[@]}" -- "$S" seq tcp4 bind=0.0.0.0:81 listen accept hold
check lame-listens wait_for 5 log_has lame '^listen ok'
run_app half "${B[@]}" -- "$S" seq tcp4 connect=10.9.30.1:81 shutdown hold
check half-holds wait_for 5 log_has half '^holding'
check half-accepted wait_for 5 log_has lame '^holding'
match client-closed "srv@10\.9\.30\.1:81 +client-closed +no " pb flows
eq client-closed-ends "{('fin-wait-2', 'close-wait')}" \
	"$(flows '{(f["client"]["state"], f["server"]["state"]) for f in d["flows"] if f["state"] == "client-closed"}')"
app_stop half
half_alone() { [[ $(pb flows) =~ $'\n10.9.30.2:'[0-9]+\ +srv@10\.9\.30\.1:81\ +client-closed ]]; }
check half-alone wait_for 10 half_alone # the server has not noticed: its peer is an address
app_stop lame
check half-gone wait_for 10 counts 3

# ---- filters ----
run_app other --name other --tag grp=t -- "$S" tcp-connect --hold --timeout 120000 10.9.30.1 80
check other-connects wait_for 5 log_has other '^ok'
eq by-name 1 "$(flows other 'len(d["flows"])')"
eq by-name-other-end 4 "$(flows srv 'len(d["flows"])')"
ref=$(flows other 'd["flows"][0]["client"]["ref"]')
eq by-ref "['other']" "$(flows "$ref" '[f["client"]["app"] for f in d["flows"]]')"
refute by-unknown-name pb flows nosuch
expect_rc by-no-name 2 pb flows 'a/b'
eq spliced-none 0 "$(flows --spliced 'd["total"]')"
eq limit "(2, 4, True)" "$(flows --limit 2 '(len(d["flows"]), d["total"], d["truncated"])')"
match limit-said '2 of 4 connections are shown' pb flows --limit 2
eq limit-enough "(4, 4, False)" "$(flows --limit 4 '(len(d["flows"]), d["total"], d["truncated"])')"
expect_rc limit-zero 2 pb flows --limit 0
expect_rc limit-big 2 pb flows --limit 10001
match why-live "live: cli@$(esc "$(sock_of c4)") -> srv@10\.9\.30\.1:80 established, -> splice-off \(.*\), <- splice-off" \
	pb why cli srv:80
eq why-live-only "['cli', 'cli', 'cli']" "$(pb why cli srv:80 -o json | json '[f["client"]["app"] for f in d["flows"]]')"
eq why-by-address 2 "$(pb why cli 10.9.30.1 -o json | json 'len(d["flows"])')"
eq why-other-port 0 "$(pb why cli srv:81 -o json | json 'len(d["flows"])')"
app_stop other
check other-gone wait_for 10 counts 3

# ---- the agent dies: connections stay, a new one lists the same sockets ----
cookies='sorted((f["client"]["cookie"], f["server"]["cookie"], f["client"]["app"]) for f in d["flows"])'
before=$(flows "$cookies")
kill_agent
expect_rc agent-dead 4 pb flows
start_agent
eq after-restart "$before" "$(flows "$cookies")"

# ---- many: one line each ----
serve many1 "${A[@]}" -- "$S" tcp-serve 91
serve many2 "${A[@]}" -- "$S" tcp-serve 92
hold crowd1 --count 1000 10.9.30.1 91
hold crowd2 --count 1000 10.9.30.1 92
check crowd1 wait_for 60 log_has crowd1 '^done ok=1000 failed=0'
check crowd2 wait_for 60 log_has crowd2 '^done ok=1000 failed=0'
eq many "(2003, 2003)" "$(flows --limit 5000 '(len({(f["client"]["cookie"], f["server"]["cookie"]) for f in d["flows"]}), d["total"])')"
eq many-joined 2003 "$(flows --limit 5000 'len([f for f in d["flows"] if f["client"]["app"] == "cli" and f["server"]["app"] == "srv"])')"
eq many-default "(1000, True)" "$(flows '(len(d["flows"]), d["truncated"])')"
eq many-one-line 1 "$(pb flows -o json --limit 5000 | wc -l)"
eq many-lines 2004 "$(pb flows --limit 5000 | wc -l)"
app_stop crowd1
app_stop crowd2
check many-gone wait_for 20 counts 3
finish
