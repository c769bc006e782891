# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the tests of the command line share: verdicts, and an agent that only talks.
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PATCHBAY=${PATCHBAY:-${BUILD:-$TOP/build}/patchbay}
DIR=$(mktemp -d /tmp/pbcli-XXXXXX)
export PATCHBAY_RUN_DIR=$DIR PATCHBAY_BPFFS=$DIR/no-bpffs
AGENT='' failed=0
exec {never}<> <(:) # a descriptor that never becomes readable

ok() { echo "ok $1"; }
fail() { failed=1; echo "FAIL $1: ${2//$'\n'/ | }"; }
end() { stop; rm -rf --one-file-system "$DIR"; [ $failed = 0 ]; exit; }

wait_for() {
	local deadline=$((${EPOCHREALTIME/[.,]/} + 10000000))
	until "$@"; do
		[ "${EPOCHREALTIME/[.,]/}" -lt $deadline ] || return 1
		read -rt 0.02 -u "$never" _ || true
	done
}
agent() {
	stop
	/usr/bin/python3 "$TOP/tests/lib/fake_agent.py" "$DIR" "$@" &
	AGENT=$!
	wait_for test -S "$DIR/control.sock" || fail agent "does not start"
}
stop() {
	[ -n "$AGENT" ] && kill "$AGENT" && wait "$AGENT" 2> /dev/null
	AGENT=''
	rm -f "$DIR/control.sock"
}

# wrong NAME CODE REGEX ARG...: exit code, one sentence on stderr that matches, empty stdout
wrong() {
	local name=$1 code=$2 regex=$3 rc
	shift 3
	"$PATCHBAY" "$@" > "$DIR/out" 2> "$DIR/err" < /dev/null
	rc=$?
	if [ $rc != "$code" ]; then fail "$name" "exit $rc, not $code: $(cat "$DIR/err")"
	elif [ -s "$DIR/out" ]; then fail "$name" "stdout: $(cat "$DIR/out")"
	elif [ "$(grep -c '^patchbay: ' "$DIR/err")" != 1 ] || [ "$(wc -l < "$DIR/err")" != 1 ]; then
		fail "$name" "not one sentence: $(cat "$DIR/err")"
	elif ! grep -qE "$regex" "$DIR/err"; then fail "$name" "want /$regex/: $(cat "$DIR/err")"
	else ok "$name"; fi
}
# prints NAME CODE REGEX ARG...: exit code, and stdout matches
prints() {
	local name=$1 code=$2 regex=$3 out rc
	shift 3
	out=$("$PATCHBAY" "$@" 2> "$DIR/err" < /dev/null)
	rc=$?
	if [ $rc != "$code" ]; then fail "$name" "exit $rc, not $code: $(cat "$DIR/err")"
	elif ! [[ $out =~ $regex ]]; then fail "$name" "want /$regex/: $out"
	else ok "$name"; fi
}
same() { if cmp -s "$2" "$3"; then ok "$1"; else fail "$1" "$(diff "$2" "$3" | head -n 5)"; fi; }

