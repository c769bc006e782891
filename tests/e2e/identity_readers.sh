#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the readers print: documented JSON, one schema, readable kernel maps.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

start_agent
serve srv --name web --ip 10.9.18.1 --ip fd09:18::1 --tag grp=t --tag role=x -- "$S" tcp-serve -6 80
serve usrv --name web --ip 10.9.18.1 --ip fd09:18::1 --tag grp=t -- "$S" udp-serve 53
serve lo --name web --ip 10.9.18.1 --tag grp=t -- "$S" tcp-serve --bind 127.0.0.1 81
run_app cli --name cli --ip 10.9.18.2 --tag grp=t -- "$S" seq tcp4 connect=10.9.18.1:80 tcp4 \
	connect=10.9.18.1:99 udp4 connect=10.9.18.1:53 send recv hold
check client wait_for 5 log_has cli holding

# fields NAME CMD PATH FIELDS...: the objects at PATH (an expression over d) have exactly these
fields() {
	local name=$1 path=$2 out
	shift 2
	REPLY=$(pb "${cmd[@]}" -o json 2>&1)
	out=$(json "sorted(set('$*'.split()) - set.intersection(*[set(o) for o in ($path)])) if $path else 'none there'" <<< "$REPLY" 2>&1)
	eq "$name-fields" '[]' "$out"
	eq "$name-schema" patchbay/1 "$(json 'd["schema"]' <<< "$REPLY")"
	eq "$name-one-line" 1 "$(wc -l <<< "$REPLY")"
	eq "$name-no-ok" False "$(json '"ok" in d' <<< "$REPLY")"
}
cmd=(apps)
fields apps 'd["apps"]' ref name id scope ips tags mode egress local named quarantined pids uid since
eq apps-tags "['grp=t', 'role=x']" "$(json 'sorted([a["tags"] for a in d["apps"] if len(a["tags"]) == 2][0])' <<< "$REPLY")"
eq apps-ips "['10.9.18.1', 'fd09:18::1']" "$(json 'sorted([a["ips"] for a in d["apps"] if a["name"] == "web" and len(a["ips"]) == 2][0])' <<< "$REPLY")"
cmd=(services)
fields services 'd["services"]' address port proto names endpoints loopback_of
eq services-loopback "['web']" "$(json 'sorted({s["loopback_of"] for s in d["services"] if s["port"] == 81})' <<< "$REPLY")"
cmd=(endpoints)
fields endpoints 'd["endpoints"]' id app ref node address port proto real state live total sockets weight cookie
cmd=(endpoints web:80)
fields endpoints-of 'd["endpoints"]' id app real
eq endpoints-of-count 1 "$(json 'len(d["endpoints"])' <<< "$REPLY")"
eq endpoints-live 1 "$(json 'd["endpoints"][0]["live"]' <<< "$REPLY")"
cmd=(status)
fields status '[d]' version pid uptime_s generation mode cgroup_root bpffs links maps apps services endpoints events_lost reasons dns warnings
eq status-pid "$AGENT_PID" "$(json 'd["pid"]' <<< "$REPLY")"
fields status-links 'd["links"]' name alive current
fields status-maps 'd["maps"]' name entries max
fields status-dns '[d["dns"]]' enabled queries inside forwarded failed
eq status-links-alive True "$(json 'all(l["alive"] for l in d["links"]) and len(d["links"]) >= 21' <<< "$REPLY")"
cmd=(policy)
fields policy '[d]' rules mode
cmd=(why cli web:80)
fields why 'd["decisions"]' time app ref peer op proto dest real reason verdict errno pid comm cookie
match why-time '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$' json 'd["decisions"][-1]["time"]' <<< "$REPLY"
cmd=(check cli web:80)
fields check '[d]' allowed reason text
cmd=(version)
fields version '[d]' version

# ---- events: one object a line, a refusal with its errno, and live ----
pb events --last 500 -o json > "$SBX/events" 2>&1
eq events-parse ok "$("$PY" -c '
import json, sys
for line in open(sys.argv[1]):
    d = json.loads(line)
    assert "lost" in d or {"time", "app", "op", "reason", "verdict"} <= set(d.get("event", d)), line
print("ok")' "$SBX/events" 2>&1 | tail -n 1)"
match event-listen '"op": *"listen"' cat "$SBX/events"
match event-refused '"reason": *"no-service".*"errno": *"ECONNREFUSED"|"errno": *"ECONNREFUSED".*"reason": *"no-service"' cat "$SBX/events"
match event-comm '"comm": *"pbsock"' cat "$SBX/events"
match events-refused-only '"refuse"' pb events --refused --last 5 -o json
nomatch events-refused-no-other '"verdict": *"allow"' echo "$REPLY"
start follow "$PB" events -f -o json
pb run --tag grp=none -- "$S" tcp-connect 10.9.18.1 80 > /dev/null
check events-follow wait_for 5 log_has follow 'no-group'
app_stop follow
match counters '[1-9]' json 'd["reasons"]["no-group"]' <<< "$(pb status -o json)"

# ---- text: a head and a line for each ----
for noun in apps services endpoints; do
	match "text-$noun" '^[A-Z][A-Z -]*.*web' pb "$noun"
done
match text-status '[a-z]' pb status
match doctor-json 'schema' pb doctor -o json

# ---- bpftool reads every map, with names ----
for map in "$SBX"/bpf/patchbay/v1/pb_*; do
	name=${map##*/}
	case $name in
	pb_events | pb_ep_free) check "map-$name" bpftool -j map show pinned "$map"; continue ;; # kinds without BTF
	pb_socks | pb_usocks | pb_spl_socks) check "map-$name" bpftool -j map show pinned "$map" ;;
	*)
		check "map-$name" bpftool -j map dump pinned "$map"
		eq "map-$name-json" ok "$(echo "$REPLY" | json '"ok"' 2>&1 | tail -n 1)" ;;
	esac
	# the kernel takes no types for a table of sockets
	[ "$name" = pb_splice ] || match "map-$name-btf" '"btf_id"' bpftool -j map show pinned "$map"
done
eq maps-all "$(sed -n '/define PB_MAPS/,/^$/p' "$TOP/include/patchbay/names.h" | grep -o 'X(pb_' | wc -l)" \
	"$(find "$SBX/bpf/patchbay/v1" -name 'pb_*' | wc -l)"
match map-fields '"name": "web"' bpftool map dump pinned "$SBX/bpf/patchbay/v1/pb_apps"
match map-fields-endpoint '"state": 1' bpftool map dump pinned "$SBX/bpf/patchbay/v1/pb_endpoints"
finish
