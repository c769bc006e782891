#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who is switched on for splices, by whom, from when on: run, [scope], [splice], [agent], reload and
# restart.  What the kernel side is told is read from the maps.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/splice_set.sh
. "$TOP/tests/lib/splice_set.sh"

# ---- FIONREAD --------------------------------------------------------------------------------

# splice_is NAME True|False: whether this node splices, what the kernel side is told of it
splice_is() {
	eq "$1-allowed" "$2" "$(status_of allowed)"
	eq "$1-gate" "$([ "$2" = False ]; echo $?)" "$(node_gate)"
}
start_agent
if [[ $(pb doctor) =~ splice-fionread\ +ok ]]; then
	splice_is counts True
	eq counts-blind False "$(status_of blind)"
else
	splice_is blind False
	eq blind-blind True "$(status_of blind)"
	match blind-text 'splice +not possible: FIONREAD of this kernel does not count .*splice_blind = on' \
		pb status
	check blind-log log_has agent 'no connection is spliced: FIONREAD of this kernel'
fi
stop_agent
# no way to ask: as if it did not count.  Packets that nobody answers: the agent starts in time.
lo_closed() { nft 'add table inet tried; add chain inet tried in { type filter hook input priority 0; }
	add rule inet tried in iif lo tcp flags & (syn | ack) == syn drop'; }
check lo-closed lo_closed
start_agent
check lo-opened nft delete table inet tried
splice_is untried False
eq untried-blind False "$(status_of blind)"
match untried-text 'splice +not possible: whether FIONREAD .*could not be tried .*splice_blind = on' pb status
check untried-log log_has agent 'no connection is spliced: whether FIONREAD'
eq untried-once 1 "$(log_count agent 'no connection is spliced: whether FIONREAD')"
blindly
eq blindly-says '- splice_blind off + splice_blind on' "$(reload)"
splice_is blindly True
match blindly-text 'splice +possible' pb status
rm "$CONF.d/blind.conf"
check seeing pb reload
splice_is untried-again False
stop_agent
start_agent
match asked-at-each-start 'FIONREAD of this|^True' echo "$(status_of allowed) $(status_of why)"
stop_agent
blindly

# ---- by default ------------------------------------------------------------------------------

start_agent
idle plain --name plain --tag grp=t
idle asks --name asks --tag grp=t --splice
idle wants --name wants --tag grp=t --splice=on
idle every --name every --tag grp=t --splice=all
idle declines --name declines --tag grp=t --splice=off
idle nameless --tag grp=t --splice
setting default plain None off
setting asked asks on on
setting asked-in-words wants on on
setting asked-for-all every all all
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
match call-asked-all "^$REFUSED" calls --splice=all
match call-declined "^$USES" calls --splice=off
match call-as-user "^$REFUSED" calls --splice --user nobody
match call-with-raw "^$REFUSED" calls --splice --allow-raw
match families-too 'EAFNOSUPPORT' pb run --splice -- "$PY" -c '
import errno, socket
try: socket.socket(40, 1, 0)
except OSError as e: print(errno.errorcode[e.errno])'
expect_rc bad-word 125 pb run --splice=maybe -- true
match bad-word-of-protocol 'splice is .*must be on, all or off' "$PY" -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["PATCHBAY_RUN_DIR"] + "/control.sock")
s.sendall(b"{\"op\":\"run\",\"splice\":\"never\"}\n")
print(s.recv(4096).decode())'

doctor=$(pb doctor)
match doctor-pair 'splice-pair +(ok|warn)' echo "$doctor"
match doctor-fionread $'splice-fionread +(ok|warn [^\n]*this kernel does not have it[^\n]*splice_blind = on)' \
	echo "$doctor"

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

config <<< $'[agent]\nsplice = all'
eq reload-all-says '- splice on + splice all' "$(reload)"
setting all-follows plain None all
setting all-late late None all
setting all-asked asks on on
setting all-declined declines off off
eq all-status all "$(status_of default)"
match call-all "^$REFUSED" calls
match apps-all $'\nplain .* all +[0-9]' pb apps
match config-all 'splice = all ' pb config show "$CONF"

config <<< $'[agent]\nsplice = maybe'
expect_rc reload-bad 2 pb reload
setting bad-changes-nothing plain None all

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
	setting "$how-asked-for-all" every all all
	setting "$how-declined" declines off off
	setting "$how-unnamed" "$(unnamed)" on on
done
stop_agent
config <<< $'[agent]\nsplice = all'
start_agent
setting restart-follows-all plain None all
stop_agent
config <<< $'[agent]\nsplice = on'
start_agent
setting restart-follows plain None on
setting restart-declined declines off off
# who said what is lost with the scope's own note: it stays as it was
scope_of() { pb apps -o json | json '[a["scope"] for a in d["apps"] if a["name"] == "'"$1"'"][0]'; }
late=$CG/patchbay/$(scope_of late) every=$CG/patchbay/$(scope_of every)
stop_agent
check notes-lost "$PY" -c '
import os, sys
for path in sys.argv[1:]: os.removexattr(path, "user.patchbay")' "$late" "$every"
config < /dev/null
start_agent
setting note-lost late on on
setting note-lost-all every all all
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
scopes all on
check scope-reload-all pb reload
setting scope-all ext-a all all
setting scope-all-unset "$(ext_b)" None on
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
