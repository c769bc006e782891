#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `patchbay run` as a process: exit codes, signals, job control, what it takes away before exec.
# The agent only talks (tests/lib/fake_agent.py), so no cgroup and no hook is involved.
# PATCHBAY names the binary.  Needs root for the cases about users and capabilities.
set -u
TOP=$(cd "$(dirname "$0")/../.." && pwd)
PATCHBAY=${PATCHBAY:-${BUILD:-$TOP/build}/patchbay}
PY=/usr/bin/python3
DIR=$(mktemp -d /tmp/pbrun-XXXXXX)
chmod 777 "$DIR"
export PATCHBAY_RUN_DIR=$DIR DIR
failed=0
exec {never}<> <(:) # a descriptor that never becomes readable

ok() { echo "ok $1"; }
fail() { failed=1; echo "FAIL $1: ${2//$'\n'/ | }"; }
wait_for() {
	local deadline=$((${EPOCHREALTIME/[.,]/} + 10000000))
	until "$@" 2> /dev/null; do
		[ "${EPOCHREALTIME/[.,]/}" -lt $deadline ] || return 1
		read -rt 0.02 -u "$never" _ || true
	done
}
run() { "$PATCHBAY" run "$@"; }
# code NAME WANT ARG...: exit code of patchbay run
code() {
	local name=$1 want=$2 rc
	shift 2
	run "$@" > "$DIR/out" 2>&1 < /dev/null
	rc=$?
	if [ $rc = "$want" ]; then ok "$name"; else
		fail "$name" "exit $rc instead of $want: $(cat "$DIR/out")"
	fi
}
# prints NAME REGEX ARG...: what the program and patchbay run print
prints() {
	local name=$1 regex=$2 out
	shift 2
	out=$(run "$@" 2>&1 < /dev/null)
	if [[ $out =~ $regex ]]; then ok "$name"; else fail "$name" "want /$regex/: $out"; fi
}

"$PY" "$TOP/tests/lib/fake_agent.py" "$DIR" &
AGENT=$!
wait_for test -S "$DIR/control.sock" || fail agent "does not start"

# ---- exit codes ----
code exit-0 0 -- true
code exit-7 7 -- sh -c 'exit 7'
code exit-without-dashes 7 sh -c 'exit 7'
# shellcheck disable=SC2016 # the program's own pid
code exit-by-signal 137 -- sh -c 'kill -KILL $$'
code exit-not-found 127 -- no-such-program-here
code exit-not-executable 126 -- /etc/passwd
code exit-is-folder 126 -- /
code exit-refused 125 --name refused -- touch "$DIR/started"
if [ ! -e "$DIR/started" ]; then ok refused-starts-nothing; else fail refused-starts-nothing ran; fi
prints refused-says-why "may not claim the name 'refused'" --name refused -- true
(trap '' CHLD; run -- sh -c 'exit 9')
if [ $? = 9 ]; then ok ignored-sigchld; else fail ignored-sigchld "exit code lost"; fi
if run -- cat <<< hello | grep -qx hello; then ok stdio; else fail stdio "no echo"; fi

# ---- the request ----
run --name web --ip 10.9.0.1 --ip fd00::1 --tag grp=a --tag grp=b --egress none --local deny \
	--mode audit -- true
want='{"op": "run", "name": "web", "egress": "none", "local": "deny", "mode": "audit", '
want+='"ips": ["10.9.0.1", "fd00::1"], "tags": ["grp=a", "grp=b"], "pid": '
case $(tail -n 1 "$DIR/requests") in
"$want"*) ok request ;;
*) fail request "$(tail -n 1 "$DIR/requests")" ;;
esac
# shellcheck disable=SC2016 # the program's own pid
run -- sh -c 'echo $$ > "$DIR/pid"'
if grep -q "\"pid\": $(cat "$DIR/pid")}" "$DIR/requests"; then ok pidfd-is-the-program; else
	fail pidfd-is-the-program "$(tail -n 1 "$DIR/requests")"
fi

# ---- signals ----
# shellcheck disable=SC2016 # expanded by the program
for sig in TERM HUP USR1 USR2 INT QUIT WINCH; do
	rm -f "$DIR/ready"
	"$PY" -c '
import os, signal, sys
signal.signal(getattr(signal, "SIG" + sys.argv[1]), signal.SIG_DFL)
os.execv(sys.argv[2], [sys.argv[2], "run", "--", "/usr/bin/python3", "-c", """
import os, signal, sys
def got(n, f): sys.exit(40)
signal.signal(getattr(signal, sys.argv[1]), got)
open(os.environ["DIR"] + "/ready", "w").close()
while True: signal.pause()
""", "SIG" + sys.argv[1]])' $sig "$PATCHBAY" &
	wait_for test -e "$DIR/ready"
	kill -$sig $!
	wait $!
	rc=$?
	if [ $rc = 40 ]; then ok "passes-$sig"; else fail "passes-$sig" "exit $rc"; fi
done
rm -f "$DIR/ready" "$DIR/pid"
# shellcheck disable=SC2016 # the program's own pid
"$PATCHBAY" run -- sh -c 'echo $$ > "$DIR/pid"; touch "$DIR/ready"; exec cat' <&"$never" &
wait_for test -e "$DIR/ready"
kill -KILL $!
{ wait $!; } 2> /dev/null
child=$(cat "$DIR/pid")
if kill -0 "$child"; then ok survives-killed-run; else fail survives-killed-run "it is gone"; fi
kill "$child"
rm -f "$DIR/go"
"$PATCHBAY" run --name slow -- touch "$DIR/early" &
wait_for grep -q '"slow"' "$DIR/requests"
kill -KILL $!
{ wait $!; } 2> /dev/null
touch "$DIR/go"
early=$(tail -n 1 "$DIR/requests" | sed 's/.*"pid": \([0-9]*\)}/\1/')
wait_for test ! -e "/proc/$early" || fail killed-before-scope "pid $early stays"
if [ ! -e "$DIR/early" ]; then ok killed-before-scope; else fail killed-before-scope "it ran"; fi

# ---- job control: as a shell does it, in a process group of its own ----
# shellcheck disable=SC2016 # the program's own pid
if out=$("$PY" - "$PATCHBAY" 2>&1 << 'END'
import os, signal, subprocess, sys
p = subprocess.Popen([sys.argv[1], "run", "--", "sh", "-c", "kill -TSTP $$; exit 5"],
                     preexec_fn=lambda: os.setpgid(0, 0))
_, status = os.waitpid(p.pid, os.WUNTRACED)
assert os.WIFSTOPPED(status), status
os.kill(p.pid, signal.SIGCONT)
_, status = os.waitpid(p.pid, 0)
assert os.WEXITSTATUS(status) == 5, status
END
); then ok stops-and-continues; else fail stops-and-continues "$out"; fi

# ---- inherited sockets ----
inherit='
import os, socket, sys
s = socket.create_server(("127.0.0.1", 0))
u = socket.socketpair()[0]
os.dup2(s.fileno(), 20); os.dup2(u.fileno(), 21)
s.close()
os.execv(sys.argv[1], [sys.argv[1], "run"] + sys.argv[2:])'
out=$("$PY" -c "$inherit" "$PATCHBAY" -- ls -l /proc/self/fd 2>&1)
if [[ $out == *"fd 20 is a TCP socket made before"*"is closed"* && $out != *" 20 -> socket"* &&
	$out == *" 21 -> socket"* ]]; then ok closes-tcp; else fail closes-tcp "$out"; fi
out=$("$PY" -c "$inherit" "$PATCHBAY" --keep-fds -- ls -l /proc/self/fd 2>&1)
if [[ $out == *"fd 20 is a TCP socket"*" 20 -> socket"* ]]; then ok keep-fds; else
	fail keep-fds "$out"
fi
out=$("$PY" -c 'import subprocess, sys
subprocess.run([sys.argv[1], "run", "--", "ls", "/proc/self/fd"])' "$PATCHBAY" | tr '\n' ' ')
if [ "$out" = '0 1 2 3 ' ]; then ok no-own-fds; else fail no-own-fds "$out"; fi

# ---- families ----
families='
import errno, socket
def t(f, k=socket.SOCK_STREAM, p=0):
    try: socket.socket(f, k, p).close(); return "ok"
    except OSError as e: return errno.errorcode[e.errno]
print(t(1), t(2), t(10), t(16, socket.SOCK_RAW), t(40), t(17, socket.SOCK_RAW), t(38),
      t(2, socket.SOCK_RAW, 1))'
prints families '^ok ok ok ok EAFNOSUPPORT EAFNOSUPPORT EAFNOSUPPORT EPERM' -- "$PY" -c "$families"
wide='
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.argtypes = [ctypes.c_long] + [ctypes.c_ulong] * 3
print(libc.syscall(41, (1 << 32) + 40, 1, 0), ctypes.get_errno())'
[ "$(uname -m)" != x86_64 ] || prints families-wide '^-1 97' -- "$PY" -c "$wide"

# ---- splice(2): EINVAL where connections may be spliced, and nothing else ----
moves='
import errno, os
r, w = os.pipe()
os.write(w, b"x")
try: print("moved", os.splice(r, os.pipe()[1], 1))
except OSError as e: print(errno.errorcode[e.errno])'
prints splice-not-asked '^moved 1$' -- "$PY" -c "$moves"
prints splice-declined '^moved 1$' --splice=off -- "$PY" -c "$moves"
prints splice-asked '^EINVAL$' --splice -- "$PY" -c "$moves"
prints splice-by-the-agent '^EINVAL$' --name spliced -- "$PY" -c "$moves"
prints splice-and-families '^ok ok ok ok EAFNOSUPPORT' --splice -- "$PY" -c "$families"

# ---- users ----
if [ "$(id -u)" = 0 ]; then
	status='id -u; id -G; grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/self/status | tr "\n\t" "  "'
	prints user $'^65534\n65534\n' --user nobody -- sh -c "$status"
	prints user-by-number $'^65534\n65534\n' --user 65534 -- sh -c "$status"
	prints user-keeps-setuid 'NoNewPrivs: 0' --user nobody -- sh -c "$status"
	# shellcheck disable=SC2016 # the program's environment
	prints user-home '^/nonexistent nobody nobody$' --user nobody -- \
		sh -c 'echo $HOME $USER $LOGNAME'
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do
		caps=$(run -- sed -n "s/^$set:\s*//p" /proc/self/status)
		# CAP_NET_RAW is bit 13
		if [ $((0x$caps >> 13 & 1)) = 0 ]; then ok "drops-net-raw-$set"; else
			fail "drops-net-raw-$set" "$caps"
		fi
	done
	prints allow-raw '^ok ok ok ok .* ok [A-Z]* ok$' --allow-raw -- "$PY" -c "$families"
	out=$(setpriv --reuid 65534 --clear-groups "$PATCHBAY" run -- sh -c "$status" 2>&1)
	if [[ $out == 65534*"NoNewPrivs: 1"* ]]; then ok plain-user; else fail plain-user "$out"; fi
	out=$(setpriv --reuid 65534 --clear-groups "$PATCHBAY" run --splice -- "$PY" -c "$moves" 2>&1)
	if [ "$out" = EINVAL ]; then ok plain-user-splice; else fail plain-user-splice "$out"; fi
	out=$(setpriv --reuid 65534 --clear-groups "$PATCHBAY" run --user root -- true 2>&1)
	if [ $? = 125 ] && [[ $out == *"only root may use --user"* ]]; then ok plain-user-user; else
		fail plain-user-user "$out"
	fi
	out=$(setpriv --reuid 65534 --clear-groups "$PATCHBAY" run --allow-raw -- true 2>&1)
	if [[ $out == *"only root may use --allow-raw"* ]]; then ok plain-user-raw; else
		fail plain-user-raw "$out"
	fi
fi

kill "$AGENT"
wait "$AGENT" 2> /dev/null
rm -rf --one-file-system "$DIR"
[ $failed = 0 ]
