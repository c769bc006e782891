#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Programs and hosts die: others serve, what is gone is chosen no more, and who hangs on it is told.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_up 3
web() { # HOST
	lab_serve "$1" "web$1" --name web --ip 10.9.43.1 --tag grp=a -- "$S" tcp-serve -6 --hello "WEB$1" 80
}
one() { within 1 --name cli --tag grp=a -- "$S" tcp-connect --timeout 8000 --send x 10.9.43.1 80; }
web 2
web 3
up web web:80 2

# ---- a client that asks all the time ----
cat > "$SBX/ask.py" << 'END'
import socket, threading, time
def ask():
    while True:
        t = time.monotonic()
        try:
            s = socket.create_connection(("10.9.43.1", 80), 8)
            s.settimeout(8)
            s.sendall(b"x")
            data = s.recv(64).decode()[:4]
            s.close()
            if not data:
                raise OSError("empty answer")
            print("good " + data + "\n", end="", flush=True)
        except OSError as e:
            print("bad %r after %.1f s\n" % (e, time.monotonic() - t), end="", flush=True)
        time.sleep(0.002)
for _ in range(4):
    threading.Thread(target=ask).start()
END
lab_run 1 ask --name ask --tag grp=a -- "$PY" -u "$SBX/ask.py"
check asks-both wait_for 20 sh -c "grep -q WEB2 '$SBX/log/ask' && grep -q WEB3 '$SBX/log/ask'"

# ---- one program dies ----
app_kill web2
check program-withdrawn wait_for 10 lab_all_have web:80 1
n=$(log_count ask good)
check program-others-serve wait_for 10 log_has ask good $((n + 100))
# its port was refused or it was reset at most while the news travelled
few() { [ "$(log_count ask '^bad')" -le "$1" ]; }
check program-few-failures few 20
nomatch program-no-timeout 'bad .*after [3-9]' cat "$SBX/log/ask"
web 2
up program-back web:80 2
n=$(log_count ask 'good WEB2')
check program-chosen-again wait_for 40 log_has ask 'good WEB2' $((n + 20))

# ---- a host dies without a word ----
lab_run 1 hang --name hang --tag grp=a -- "$S" tcp-connect --hold --timeout 60000 10.9.43.1 80
lab_run 1 hang2 --name hang --tag grp=a -- "$PY" -c '
import socket
def one():
    while True:
        s = socket.create_connection(("10.9.43.1", 80), 8)
        s.sendall(b"x")
        if b"WEB3" in s.recv(64):
            return s
s = one()
print("held", flush=True)
s.settimeout(None)
try:
    while s.recv(64):
        pass
    print("end", flush=True)
except OSError as e:
    print("told", e.errno, flush=True)'
check hangs wait_for 10 log_has hang2 held
bad=$(log_count ask '^bad')
lab_kill 3
n=$(log_count ask 'good WEB2')
ejected() { pbn 1 endpoints web | grep -qE ' h3 .* (ejected|suspect) '; }
check host-ejected wait_for 20 ejected
check host-others-serve wait_for 20 log_has ask 'good WEB2' $((n + 100))
# connections under way fail late, one of each thread; now and then one tries again
check host-few-failures few $((bad + 8))
check host-dead wait_for 60 lab_state 1 h3 dead
check host-dead-elsewhere wait_for 60 lab_state 2 h3 dead
check host-withdrawn wait_for 20 lab_all_have web:80 1
check hanging-is-told wait_for 20 log_has hang2 '^told 103'
# that its host is silent was found out while it was suspected: nobody waits for it once more
check told-at-once grep -q 'node h3 is dead: its host was silent before' "$SBX/log/agent-h1"
eq host-serves-on 'good WEB2' "$(tail -n 20 "$SBX/log/ask" | grep -o 'good WEB[0-9]' | sort -u)"

# ---- and comes back ----
lab_boot 3
check back-members wait_for 60 lab_all_see 3
web 3
up back-known web:80 2
n=$(log_count ask 'good WEB3')
check back-chosen wait_for 60 log_has ask 'good WEB3' $((n + 20))
check back-tables wait_for 20 lab_tables_equal

# ---- only one left, and it is ejected: it is tried all the same ----
app_kill web2
app_kill web3
check all-gone wait_for 20 lab_all_have web:80 0
expect_errno nothing-left 'ECONNREFUSED|EHOSTUNREACH' one
web 3
up last-back web:80 1
serves() { one | grep -q WEB3; }
check last-serves wait_for 20 serves
finish
