#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Connections follow the switches: which are spliced, which stay so through a restart and a reload,
# and how all of them go back to TCP by splice = never and by detach.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/splice_set.sh
. "$TOP/tests/lib/splice_set.sh"

# ---- connections -----------------------------------------------------------------------------

# with a timeout a socket of Python's does not block; a third word: these do
cat > "$SBX/echo.py" << 'PY'
import socket, sys, threading
def serve(c):
    with c:
        c.settimeout(None if sys.argv[2:] else 600)
        while True:
            data = c.recv(4096)
            if not data: return
            c.sendall(data)
s = socket.create_server(("", int(sys.argv[1])))
print("listening", flush=True)
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
PY
# a word to and fro for each line read; what TCP sent of it: nothing, as long as it is spliced
cat > "$SBX/ask.py" << 'PY'
import socket, struct, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), None if sys.argv[3:] else 30)
sent = lambda: struct.unpack_from("<Q", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232), 200)[0]
print("connected", flush=True)
for n, line in enumerate(sys.stdin):
    before = sent()
    s.sendall(b"word")
    got = b""
    while len(got) < 4: got += s.recv(4 - len(got)) or sys.exit("closed")
    assert got == b"word", got
    print("answer %d by %s" % (n + 1, "tcp" if sent() > before else "splice"), flush=True)
PY
declare -A ASK=() N=()
# client NAME OPTION... -- ADDR PORT [block];  ask NAME: how the next word went
client() {
	local name=$1 fd opts=()
	shift
	while [ "$1" != -- ]; do opts+=("$1"); shift; done
	mkfifo "$SBX/ask-$name" && exec {fd}<> "$SBX/ask-$name"
	: > "$SBX/log/$name"
	"$PB" run --tag grp=t "${opts[@]}" -- "$PY" "$SBX/ask.py" "${@:2}" \
		> "$SBX/log/$name" 2>&1 <&"$fd" &
	PIDS[$name]=$! ASK[$name]=$fd N[$name]=0
	wait_for 10 log_has "$name" connected || fail "$name" "$(tail -n 1 "$SBX/log/$name")"
}
ask() {
	N[$1]=$((N[$1] + 1))
	echo go >&"${ASK[$1]}"
	wait_for 20 log_has "$1" "answer ${N[$1]} " || fail "ask-$1" "$(tail -n 1 "$SBX/log/$1")"
	REPLY=$(sed -n "s/^answer ${N[$1]} by //p" "$SBX/log/$1")
}
# went NAME tcp|splice CLIENT
went() { ask "$3"; eq "$1" "$2" "$REPLY"; }

blindly
config << END
[splice]
service = quiet:81 on
service = loud:81 off
END
start_agent
idle plain --name plain --tag grp=t
idle asks --name asks --tag grp=t --splice
idle declines --name declines --tag grp=t --splice=off
for port in 80 81; do
	serve loud$port --name loud --ip 10.9.40.1 --tag grp=t --splice -- "$PY" "$SBX/echo.py" $port
	serve quiet$port --name quiet --ip 10.9.40.2 --tag grp=t --splice=off -- "$PY" "$SBX/echo.py" $port
done
serve blocks --name blocks --ip 10.9.40.3 --tag grp=t --splice -- "$PY" "$SBX/echo.py" 82 block
serve every --name every --ip 10.9.40.4 --tag grp=t --splice=all -- "$PY" "$SBX/echo.py" 82 block
client both --splice -- 10.9.40.1 80
client client-off -- 10.9.40.1 80
client server-off --splice -- 10.9.40.2 80
client service-on --splice -- 10.9.40.2 81
client service-off --splice -- 10.9.40.1 81
client client-off-service -- 10.9.40.2 81
went both-on splice both
went client-is-off tcp client-off
went server-is-off tcp server-off
went service-is-on splice service-on
went service-is-off tcp service-off
went client-counts-too tcp client-off-service

# sockets that block: where the application says all, each end for itself
client waiting --splice -- 10.9.40.1 80 block
client waiting-all --splice=all -- 10.9.40.1 80 block
client to-waiting --splice=all -- 10.9.40.3 82
client to-waiting-all --splice -- 10.9.40.4 82
client both-waiting --splice=all -- 10.9.40.4 82 block
client all-of-them --splice=all -- 10.9.40.1 80
went client-blocks tcp waiting
went client-blocks-all splice waiting-all
# a socket that nobody has accepted does not tell whether it will block: the first answer does
ask to-waiting
went server-blocks tcp to-waiting
went server-blocks-all splice to-waiting-all
went both-block-all splice both-waiting
went all-is-on-too splice all-of-them

# what is spliced stays so through a restart, through other settings, until never
mkfifo "$SBX/words"
yes g > "$SBX/words" &
feeder=$!
start busy "$PB" run --tag grp=t --splice -- sh -c 'exec "$@" < "$0"' "$SBX/words" \
	"$PY" "$SBX/ask.py" 10.9.40.1 80
check busy-asks wait_for 10 log_has busy 'answer 100 '
kill_agent
went agent-dead splice both
# several times: a gap at the start would be short
for _ in {1..6}; do
	start_agent
	kill_agent
done
start_agent
went restarted splice both
{ kill $feeder && wait $feeder; } 2> /dev/null
wait "${PIDS[busy]}"
eq busy-to-the-end 0 $?
eq busy-all-the-time 0 "$(log_count busy 'by tcp|Error')"
config << END
[agent]
splice = off
[splice]
service = loud:80 off
END
check other-settings pb reload
went for-new-ones-only splice both
went rule-gone-for-new-ones-only splice service-on
client new --splice -- 10.9.40.1 80
went new-one tcp new

config <<< $'[agent]\nsplice = never'
check never pb reload
eq never-gate 0 "$(node_gate)"
setting never-asked asks on off
setting never-plain plain None off
setting never-declined declines off off
eq never-allowed False "$(status_of allowed)"
eq never-available True "$(status_of available)"
match never-why 'splice = never' status_of why
match never-text 'splice +not possible: .*never' pb status
went never-live tcp both
client never-new --splice -- 10.9.40.1 80
went never-new tcp never-new
match call-never "^$USES" calls
match call-never-asked "^$REFUSED" calls --splice
stop_agent
start_agent
eq never-after-restart 0 "$(node_gate)"
stop_agent KILL
match dead-says '"splice":false' pb status -o json
config < /dev/null
start_agent
eq allowed-again 1 "$(node_gate)"
setting allowed-again asks on on
setting allowed-again-all every all all
went never-is-for-good tcp both
client again --splice -- 10.9.40.1 80
went again splice again
stop_agent
config <<< $'[agent]\nsplice = never'
start_agent
eq never-by-restart 0 "$(node_gate)"
went never-by-restart-live tcp again
config < /dev/null
check on-for-detach pb reload

# ---- detach ----------------------------------------------------------------------------------

client last --splice -- 10.9.40.1 80
went before-detach splice last
stop_agent
check keep-config bpftool map pin pinned "$(pin_of pb_config)" "$SBX/bpf/kept"
kept() { bpftool -j map dump pinned "$SBX/bpf/kept" | gate; }
eq before-detach-gate 1 "$(kept)"
# one pin that cannot go: the gate is closed before any is tried
touch "$SBX/busy"
check busy-pin mount --bind "$SBX/busy" "$SBX/bpf/patchbay/links/pb_bind4"
refute detach-half pb detach --all --yes
eq half-gate 0 "$(kept)"
went half-live tcp last
check free-pin umount "$SBX/bpf/patchbay/links/pb_bind4"
check detach pb detach --all --yes
eq detach-gate 0 "$(kept)"
went detached-live tcp last
rm -f "$SBX/bpf/kept"
finish
