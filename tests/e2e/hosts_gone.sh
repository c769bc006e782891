#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who hangs on something of another host that is gone is told at once, not when gossip comes by: this
# cluster has a slow one (500 ms).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/lab.sh
. "$TOP/tests/lib/lab.sh"

lab_lan || die lab "no bridge"
for n in 1 2 3; do
	lab_host $n || die "lab-h$n" "cannot be made"
	echo 'profile = wan' | lab_config $n
	lab_agent $n
done
lab_init || die lab-init "$(cat "$SBX/log/init")"
for n in 2 3; do check "join-$n" lab_join $n; done
check members wait_for 60 lab_all_see 3

SRV=(--name srv --ip 10.9.90.1 --tag grp=t)
CLI=(--name cli --ip 10.9.90.2 --tag grp=t)
sent() { pbn 1 cluster -o json | json 'd["table"]["sent_at_once"]'; }
cat > "$SBX/kill.py" << 'END'
import os, sys, time
print(time.time())
for pid in sys.argv[1:]:
    os.kill(int(pid), 9)
END
# kill_server N: the program that serves port 60+N, and how long its client on host 2 waited, in ms
kill_server() {
	local port=$((60 + $1)) since
	lab_serve 1 "s$1" "${SRV[@]}" -- "$S" udp-serve --for 300 $port
	wait_for 20 lab_has 2 "srv:$port" 1 || fail "known-$1"
	lab_run 2 "c$1" "${CLI[@]}" -- "$PY" -u "$TOP/tests/tools/udp_client.py" 10.9.90.1 $port
	wait_for 10 log_has "c$1" '^ready' || fail "ready-$1" "$(cat "$SBX/log/c$1")"
	# shellcheck disable=SC2046 # a list
	since=$("$PY" "$SBX/kill.py" $(descendants "${PIDS[s$1]}"))
	wait_for 20 log_has "c$1" '^error ECONNABORTED' || fail "told-$1" "$(cat "$SBX/log/c$1")"
	"$PY" -c 'import sys; print(round((float(sys.argv[2]) - float(sys.argv[1])) * 1e3))' "$since" \
		"$(sed -n 's/^error ECONNABORTED //p' "$SBX/log/c$1")" >> "$SBX/log/told"
	app_stop "c$1" KILL
}

# ---- a server dies ----
: > "$SBX/log/told"
check settles wait_for 20 lab_all_have srv 0
kill_server 0
before=$(sent)
app_kill s0
for ((i = 1; i <= 12; i++)); do kill_server $i; done
echo "# told after: $(sort -n "$SBX/log/told" | tr '\n' ' ')ms"
# by gossip alone half of them take 250 ms and longer
soon=$(tail -n 12 "$SBX/log/told" | awk '$1 < 250' | wc -l)
check told-soon test "$soon" -ge 10
# each start went to two hosts, and so did each end
after=$(sent)
check ends-sent test $((after - before)) -ge 48

# ---- many at once: bounded ----
before=$(sent)
lab_run 1 many "${SRV[@]}" -- "$PY" -u -c '
import os, socket, time
for port in range(1000, 1400):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", port))
    time.sleep(0.01)
    s.close()
print("done")
time.sleep(100)'
begin=$EPOCHREALTIME
check many wait_for 60 log_has many '^done'
after=$(sent)
most=$("$PY" -c "print(int(2 * (16 * ($EPOCHREALTIME - $begin + 2) + 1)))")
echo "# 400 ends in $((${EPOCHREALTIME%.*} - ${begin%.*})) s: $((after - before)) datagrams"
check many-some test $((after - before)) -gt 2
check many-bounded test $((after - before)) -le "$most"
app_kill many
check many-gone wait_for 30 lab_all_have srv 0
finish
