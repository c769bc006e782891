#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who is switched on for splices, by whom, from when on: run, [scope], [splice], [agent], reload and
# restart.  What the kernel side is told is read from the maps.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/splice_set.sh
. "$TOP/tests/lib/splice_set.sh"

# ---- by default ------------------------------------------------------------------------------

start_agent
idle plain --name plain --tag grp=t
idle asks --name asks --tag grp=t --splice
idle wants --name wants --tag grp=t --splice=on
idle declines --name declines --tag grp=t --splice=off
idle nameless --tag grp=t --splice
setting default plain None off
setting asked asks on on
setting asked-in-words wants on on
setting declined declines off off
setting unnamed "$(unnamed)" on on
eq gate-open 1 "$(node_gate)"
eq status-available True "$(status_of available)"
eq status-default off "$(status_of default)"
eq status-why None "$(status_of why)"
match status-text 'splice +possible, off unless said otherwise' pb status
match apps-column 'SPLICE.*PIDS' pb apps
match call-default "^$USES" calls
match call-asked "^$REFUSED" calls --splice
match call-declined "^$USES" calls --splice=off
match call-as-user "^$REFUSED" calls --splice --user nobody
match call-with-raw "^$REFUSED" calls --splice --allow-raw
match families-too 'EAFNOSUPPORT' pb run --splice -- "$PY" -c '
import errno, socket
try: socket.socket(40, 1, 0)
except OSError as e: print(errno.errorcode[e.errno])'
expect_rc bad-word 125 pb run --splice=maybe -- true
match bad-word-of-protocol 'splice is .*must be on or off' "$PY" -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["PATCHBAY_RUN_DIR"] + "/control.sock")
s.sendall(b"{\"op\":\"run\",\"splice\":\"never\"}\n")
print(s.recv(4096).decode())'

doctor=$(pb doctor)
match doctor-pair 'splice-pair +(ok|warn)' echo "$doctor"
match doctor-fionread $'splice-fionread +(ok|warn [^\n]*this kernel does not have it)' echo "$doctor"

# ---- the node's word, read again -------------------------------------------------------------

config <<< $'[agent]\nsplice = on'
eq reload-says '- splice off + splice on' "$(reload)"
setting on-follows plain None on
setting on-asked asks on on
setting on-declined declines off off
eq on-status on "$(status_of default)"
idle late --name late --tag grp=t
setting on-late late None on
match call-on "^$REFUSED" calls
match call-on-declined "^$USES" calls --splice=off

config <<< $'[agent]\nsplice = maybe'
expect_rc reload-bad 2 pb reload
setting bad-changes-nothing plain None on

config <<< $'[agent]\nsplice = off'
check reload-off pb reload
setting off-again plain None off
setting off-asked asks on on

# ---- restart ---------------------------------------------------------------------------------

for how in TERM KILL; do
	stop_agent $how
	eq "$how-gate-stays" 1 "$(node_gate)"
	start_agent
	setting "$how-plain" plain None off
	setting "$how-asked" asks on on
	setting "$how-declined" declines off off
	setting "$how-unnamed" "$(unnamed)" on on
done
stop_agent
config <<< $'[agent]\nsplice = on'
start_agent
setting restart-follows plain None on
setting restart-declined declines off off
# who said what is lost with the scope's own note: it stays as it was
scope=$(pb apps -o json | json '[a["scope"] for a in d["apps"] if a["name"] == "late"][0]')
stop_agent
check note-lost "$PY" -c 'import os, sys; os.removexattr(sys.argv[1], "user.patchbay")' \
	"$CG/patchbay/$scope"
config < /dev/null
start_agent
setting note-lost late on on
setting note-kept plain None off

# ---- [scope] ---------------------------------------------------------------------------------

mkdir -p "$CG/ext-a" "$CG/ext-b"
scopes() { # SPLICE-OF-A, SPLICE-OF-THE-NODE
	config << END
[agent]
splice = $2
[scope a]
cgroup = $CG/ext-a
name = ext-a
${1:+splice = $1}
[scope b]
cgroup = $CG/ext-b
END
}
ext_b() { pb apps -o json | json '[a["name"] for a in d["apps"] if a["scope"] == "'"$CG"'/ext-b"][0]'; }
scopes on off
check scope-reload pb reload
setting scope-on ext-a on on
setting scope-unset "$(ext_b)" None off
scopes off on
check scope-reload-off pb reload
setting scope-off ext-a off off
setting scope-follows "$(ext_b)" None on
scopes '' on
check scope-reload-unset pb reload
setting scope-silent ext-a None on
scopes on off
stop_agent
start_agent
setting scope-restart ext-a on on
setting scope-restart-unset "$(ext_b)" None off

# ---- [splice] --------------------------------------------------------------------------------

id_of() { dump pb_apps | json '[e["formatted"]["value"]["id"] for e in d
	if e["formatted"]["value"]["name"] == "'"$1"'"][0]'; }
rules() { dump pb_spl_rules | json 'sorted((e["formatted"]["key"]["id"],
	int.from_bytes(bytes(int(b, 16) for b in e["key"][8:10]), "big"),
	e["formatted"]["value"]["on"]) for e in d)'; }
want() { "$PY" -c 'import sys; print(sorted(eval(sys.argv[1])))' "$1"; }
plain=$(id_of plain) asks=$(id_of asks)
eq no-rules '[]' "$(rules)"
config << END
[splice]
service = Plain:5432 on
service = plain:80 off
service = asks:80 off
END
eq rules-said '+ splice plain:5432 on + splice plain:80 off + splice asks:80 off' \
	"$(reload)"
eq rules-first "$(want "[($plain, 5432, 1), ($plain, 80, 0), ($asks, 80, 0)]")" "$(rules)"
eq rules-counted 3 "$(status_of services)"
match rules-text '3 services have their own' pb status
match call-by-rule "^$REFUSED" calls --name plain
match call-by-rule-declined "^$REFUSED" calls --name plain --splice=off
match call-rule-off "^$USES" calls --name other

config << END
[splice]
service = plain:5432 off
service = plain:5432 on
END
expect_rc rules-duplicate 1 pb reload
match rules-duplicate-says 'conf:3: .*plain:5432 is already set at .*conf:2' pb reload
eq rules-duplicate-changes-nothing \
	"$(want "[($plain, 5432, 1), ($plain, 80, 0), ($asks, 80, 0)]")" "$(rules)"

config << END
[splice]
service = plain:5432 off
service = asks:81 on
END
eq rules-change-said \
	'- splice plain:5432 on - splice plain:80 off - splice asks:80 off + splice plain:5432 off + splice asks:81 on' \
	"$(reload)"
eq rules-stale-go "$(want "[($plain, 5432, 0), ($asks, 81, 1)]")" "$(rules)"
stop_agent
config <<< $'[splice]\nservice = asks:81 off'
start_agent
eq rules-restart "$(want "[($asks, 81, 0)]")" "$(rules)"
{
	echo '[splice]'
	for port in {1..1024}; do echo "service = plain:$port on"; done
} > "$CONF"
check rules-many pb reload
eq rules-many-written 1024 "$(dump pb_spl_rules | json 'len(d)')"
echo 'service = plain:1025 on' >> "$CONF"
match rules-too-many 'more than 1024 services' pb reload
config < /dev/null
check rules-none pb reload
eq rules-all-gone '[]' "$(rules)"

# no room in the kernel's map: nothing of that configuration holds
pin=$(pin_of pb_spl_rules)
for ((i = 0; i < 4096; i++)); do
	printf 'map update pinned %s key %d %d 0 0 0 0 0 0 0 80 0 0 0 0 0 0 value 1 0 0 0\n' \
		"$pin" $((i % 256)) $((i / 256))
done > "$SBX/fill"
check rules-fill bpftool batch file "$SBX/fill"
config <<< $'[agent]\nsplice = on\n[splice]\nservice = plain:1 on'
match rules-full 'services of .splice. cannot be written: No space' pb reload
setting rules-full-changes-nothing plain None off
eq rules-full-cleaned '[]' "$(rules)"
check rules-room pb reload
setting rules-room plain None on
config < /dev/null
check rules-none-again pb reload
finish
