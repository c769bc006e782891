#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who may claim which identity: root any, users what identity.d gives them, others nothing.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

config <<'END'
[agent]
group = nogroup
END
start_agent
# as UID CMD...: without any privilege, in the group of the control socket
as() { local uid=$1; shift; setpriv --reuid="$uid" --regid=65534 --clear-groups -- "$@"; }
nobody() { as 65534 "$PB" run "$@"; }
apps_of() { pb apps -o json | json 'len([a for a in d["apps"] if a["name"] == "'"$1"'"])'; }
grant() {
	mkdir -p "$SBX/identity.d"
	cat > "$SBX/identity.d/test.conf"
	pb reload
}

# ---- without a grant: a client without tags, nothing else ----
check plain-client nobody -- true
for claim in "--name web" "--name web --ip 10.9.21.1" "--tag grp=front"; do
	read -ra options <<< "$claim"
	refute "no-grant${claim// /-}" nobody "${options[@]}" -- touch "$SBX/ran"
	match "no-grant-says-why${claim// /-}" 'patchbay: .*[a-z]+ [a-z]+' echo "$REPLY"
done
expect_rc no-grant-exit 125 nobody --name web -- true
check nothing-ran [ ! -e "$SBX/ran" ]
eq nothing-claimed 0 "$(apps_of web)"

# ---- with one ----
grant > /dev/null <<'END'
[grant nobody]
user = 65534
names = web*, cache
ips = 10.9.21.0/28
tags = grp=front, role=*
END
check granted-name nobody --name web -- true
check granted-pattern nobody --name web-7 --ip 10.9.21.3 --tag grp=front --tag role=x -- true
refute other-name nobody --name db -- true
refute other-ip nobody --name web --ip 10.9.21.77 -- true
refute other-tag nobody --name web --tag grp=back -- true
refute part-of-tag nobody --name web --tag grp=frontier -- true
refute one-wrong-of-two nobody --name web --tag grp=front --tag grp=back -- true
check root-may-all pb run --name db --ip 10.9.21.78 --tag grp=back -- true
refute other-user as 1 "$PB" run --name web -- true
start mine setpriv --reuid=65534 --regid=65534 --clear-groups -- "$PB" run --name web2 --ip 10.9.21.4 --tag grp=front -- "$S" tcp-serve 8080
check serves wait_for 5 log_has mine listening
match is-reached '^ok ' pb run --tag grp=front -- "$S" tcp-connect 10.9.21.4 8080
eq uid-is-known 65534 "$(pb apps -o json | json '[a["uid"] for a in d["apps"] if a["name"] == "web2"][0]')"

# ---- taken names and addresses ----
serve rooted --name rooted --ip 10.9.21.99 --tag grp=front -- "$S" tcp-serve 80
refute address-of-other nobody --name web3 --ip 10.9.21.99 --tag grp=front -- true
refute malformed-ip pb run --name x --ip 10.9.21.999 -- true
refute two-of-a-family pb run --name x --ip 10.9.21.6 --ip 10.9.21.7 -- true
refute bad-name pb run --name 'we b' -- true
refute bad-tag pb run --name x --tag front -- true

# ---- requests that are for root ----
refute reload-is-roots as 65534 "$PB" reload
refute release-is-roots as 65534 "$PB" release 0x1
check readers-are-all as 65534 "$PB" apps
refute outside-the-group setpriv --reuid=1 --regid=1 --clear-groups -- "$PB" apps
refute maps-are-not-writable as 1 sh -c "echo > '$SBX/bpf/patchbay/v1/pb_apps'"
refute user-needs-root nobody --user root -- true
refute no-other-user nobody --user daemon -- true
refute raw-needs-root nobody --allow-raw -- true

# ---- whom the control socket moves: a process of the caller only ----
match foreign-pidfd 'EPERM' as 65534 "$PY" -c '
import array, json, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
fd = os.pidfd_open(int(sys.argv[2]))
s.sendmsg([b"{\"op\":\"run\"}\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
print(s.recv(65536).decode())' "$SBX/run/control.sock" $$

# ---- a grant that is wrong changes nothing ----
refute wrong-grant grant <<'END'
[grant nobody]
user = 65534
names = *
typs = *
END
match wrong-grant-place 'test.conf:[0-9]+' echo "$REPLY"
refute still-the-old nobody --name db -- true
check still-the-old-names nobody --name web -- true
finish
