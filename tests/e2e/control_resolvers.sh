#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The table of 32 resolvers heals: whoever fills it does not take the names of others, the system's
# resolvers never lose their place, and a row given back never leads an old socket elsewhere.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

resolver 127.0.0.53 192.0.2.2
start_agent
dns_up 127.0.0.53 192.0.2.2
serve web --name web --ip 10.9.16.1 --tag grp=t -- "$S" tcp-serve 80
within() { pb run --tag grp=t -- "$@"; }
# flood FIRST: sends to 40 addresses, 192.0.2.FIRST and on
flood() {
	within "$PY" -c '
import socket, sys
for i in range(40):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b"\0\7\1\0\0\1\0\0\0\0\0\0\3web\0\0\1\0\1", ("192.0.2.%d" % (int(sys.argv[1]) + i), 53))
' "$1"
}
ask() { within dig +time=1 +tries=1 +short "@$1" web A; }
finds() { [ "$(ask "$1")" = 10.9.16.1 ]; }
warned() { pb status -o json | json '[w["code"] for w in d["warnings"]]'; }
is_warned() { [[ $(warned) = *resolvers-full* ]]; }
not_warned() { ! is_warned; }
rows() { bpftool -j map dump pinned "$SBX/bpf/patchbay/v1/pb_resolvers" | json \
	'len([e for e in d if e["formatted"]["value"]["used"]])'; }
keys() { bpftool -j map dump pinned "$SBX/bpf/patchbay/v1/pb_resolv" | json 'len(d)'; }
at_most() { [ "$(rows)" -le "$1" ]; }

eq seeded 2 "$(rows)"
nomatch no-warning 'resolvers-full' warned

# ---- a socket that is connected to a resolver and then rests ----
run_app sleeper --tag grp=t -- "$PY" -u -c '
import os, socket, struct, sys, time
q = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\3web\0" + struct.pack("!HH", 1, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(("192.0.2.200", 53))
s.send(q)
print("first", len(s.recv(512)) > len(q))
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)  # poll
try:
    s.send(q)
    print("second", s.recv(512))
except OSError as e:
    print("second", e.strerror)' "$SBX/wake"
check sleeper wait_for 5 log_has sleeper 'first True'

# ---- full: the system's resolvers answer at once, others after the eviction ----
check flood flood 10
eq full 32 "$(rows)"
check seeded-answers-at-once finds 127.0.0.53
check seeded-outside-answers-at-once finds 192.0.2.2
match libc '10\.9\.16\.1' within getent ahostsv4 web
match outside '198\.51\.100\.9' within getent ahostsv4 www.example.test
check warned wait_for 12 is_warned
check never-seen wait_for 20 finds 192.0.2.222
check room at_most 18
check warning-over wait_for 12 not_warned
check logged grep -q 'the table of resolvers is full' "$SBX/log/agent"
match keys "^$(rows)\$" keys

# ---- the row of the sleeper is another's now: its socket reaches nobody ----
check flood-again flood 60
check evicted-again wait_for 30 at_most 18
: > "$SBX/wake"
check sleeper-wakes wait_for 10 log_has sleeper '^second'
match sleeper-reaches-nobody 'second Connection refused' cat "$SBX/log/sleeper"

# ---- a resolver that resolv.conf names at a reload has its place before the next flood ----
resolver 127.0.0.53 192.0.2.199
check reload pb reload
check flood-third flood 100
check reloaded-answers-at-once finds 192.0.2.199

# ---- a restart clears what is at rest, too ----
eq full-again 32 "$(rows)"
kill_agent
start_agent
check after-restart-at-once wait_for 2 finds 127.0.0.53
check after-restart-never-seen wait_for 20 finds 192.0.2.223
eq answered-all True "$(pb status -o json | json 'd["dns"]["inside"] > 0')"
finish
