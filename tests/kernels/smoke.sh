#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What must hold on every kernel: the programs load, tests/bpf passes, and two programs with
# identities talk while a third may not, with and without the agent.  run.sh starts it, in a guest
# or in namespaces of its own, with /sys/fs/cgroup and /sys/fs/bpf to itself.
# PB_DIR: folder of what was built; the cases of products that are not there are skipped.
# PB_LIVE=no: without tests/bpf.  PB_TESTS: folder with kernels/splice.sh and
# lib/tort.sh.
set -uo pipefail

PB_DIR=${PB_DIR:?folder of the products}
PB=$PB_DIR/patchbay
S=$PB_DIR/tests/pbsock
CG=/sys/fs/cgroup/patchbay
TMP=$(mktemp -d)
CONF=$TMP/patchbay.conf
AGENT_PID='' REPLY=''
exec {never}<> <(:) # a descriptor that never becomes readable

# ---- verdicts ----

pass() { echo "PASS $1"; }
fail() {
	local why=${2//$'\n'/ | }
	echo "FAIL $1: ${why:0:600}"
}
skip() { echo "SKIP $1: $2"; }

# check NAME CMD...: CMD succeeds.  match NAME REGEX CMD...: what it prints matches.
check() {
	local name=$1 rc
	shift
	REPLY=$("$@" 2>&1)
	rc=$?
	if [ $rc = 0 ]; then pass "$name"; else fail "$name" "exit $rc: $REPLY"; fi
}
match() {
	local name=$1 regex=$2
	shift 2
	REPLY=$("$@" 2>&1)
	if [[ $REPLY =~ $regex ]]; then pass "$name"; else fail "$name" "want /$regex/, got: $REPLY"; fi
}

# wait_for SECONDS CMD...: polls until CMD succeeds
wait_for() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" > /dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		read -rt 0.05 -u "$never" _ || true
	done
}
log_has() { grep -q -E -- "$2" "$TMP/$1.log"; }
log_says() { wait_for 20 log_has "$1" "$2" || { cat "$TMP/$1.log" && return 1; }; }

# ---- the kernel ----

kernel_floor() {
	local major minor
	IFS=. read -r major minor _ < /proc/sys/kernel/osrelease
	[ $((major * 1000 + ${minor%%[!0-9]*})) -ge 6001 ]
}

platform() {
	check kernel-floor kernel_floor
	check btf test -s /sys/kernel/btf/vmlinux
	match cgroup2 'cgroup2 on /sys/fs/cgroup |/sys/fs/cgroup cgroup2 ' cat /proc/mounts
	match bpffs '/sys/fs/bpf bpf ' cat /proc/mounts
	match loopback '127\.0\.0\.1/8.*::1/128' ip -br addr show lo
}

# ---- the programs load: what the verifier of this kernel says ----

load_object() {
	local dir=/sys/fs/bpf/load rc
	mkdir -p $dir
	bpftool prog loadall "$1" $dir/progs 2> "$TMP/load.log"
	rc=$?
	[ $rc = 0 ] || grep -v '^processed\|^libbpf: -- ' "$TMP/load.log" | tail -n 6
	find $dir -type f -delete
	rm -rf $dir
	return $rc
}

objects() {
	local object found=0
	for object in "$PB_DIR"/bpf/*.bpf.o; do
		[ -e "$object" ] || continue
		found=1
		check "load-$(basename "$object" .bpf.o)" load_object "$object"
	done
	[ $found = 1 ] || skip load "no objects in the build folder"
}

# ---- tests/bpf, each in namespaces of its own ----

# tap PREFIX < TAP: Criterion's lines as ours
tap() {
	sed -n -E -e 's/ +\([0-9.]+s\)$//' -e 's/^ok - (\S+).* # SKIP *(.*)/SKIP \1: \2/' \
		-e 's/^not ok - (\S+)(.*)/FAIL \1:\2/' -e 's/^ok - (\S+).*/PASS \1/' \
		-e "s/^(PASS|FAIL|SKIP) /&$1\\//p"
}

live_test() {
	local name rc
	name=bpf-${1##*/test_}
	unshare --mount --net --propagation private -- "$1" --tap="$TMP/$name.tap" \
		> "$TMP/$name.log" 2>&1
	rc=$?
	[ ! -s "$TMP/$name.tap" ] || tap "$name" < "$TMP/$name.tap"
	if [ $rc = 0 ] && [ -s "$TMP/$name.tap" ]; then return; fi
	tail -n 30 "$TMP/$name.log" | sed 's/^/    /'
	grep -q '^not ok ' "$TMP/$name.tap" 2> /dev/null || fail "$name" "exit $rc"
}

live_tests() {
	local program found=0
	[ "${PB_LIVE:-}" != no ] || return
	for program in "$PB_DIR"/tests/bpf/test_*; do
		[[ -x $program && $program != *.* ]] || continue # not test_x.d
		found=1
		live_test "$program"
	done
	[ $found = 1 ] || skip bpf "no tests/bpf in the build folder"
}

# ---- the whole system ----

# shellcheck source=splice.sh
. "${PB_TESTS:?folder of tests}/kernels/splice.sh"

# start_agent CASE: not by check, whose commands run in a subshell
start_agent() {
	"$PB_DIR/patchbayd" --config "$CONF" --cgroup $CG >> "$TMP/agent.log" 2>&1 < /dev/null &
	AGENT_PID=$!
	if wait_for 60 "$PB" status; then pass "$1"; else
		fail "$1" "no answer: $(tail -n 5 "$TMP/agent.log")"
	fi
}
# stop_agent CASE SIGNAL
stop_agent() {
	kill "-$2" "$AGENT_PID"
	wait "$AGENT_PID" 2> /dev/null
	match "$1" '^3$' status_code
}
status_code() {
	"$PB" status > /dev/null 2>&1
	echo $?
}
# app NAME OPTION... -- CMD...: under `patchbay run`, in the background, output in NAME.log
app() {
	local name=$1
	shift
	"$PB" run "$@" > "$TMP/$name.log" 2>&1 <&"$never" &
}
from() { "$PB" run --tag "grp=$1" -- "$S" "${@:2}"; }
real_port() { "$PB" endpoints srv:80 -o json | sed -E 's/.*"real":\["[^"]*:([0-9]+)".*/\1/'; }

servers_up() {
	local id=(--name srv --ip 10.9.1.1 --ip fd09:1::1 --tag grp=t)
	app tcp "${id[@]}" -- "$S" tcp-serve -6 80
	app udp "${id[@]}" -- "$S" udp-serve 53
	check tcp-server log_says tcp listening
	check udp-server log_says udp listening
}

with_agent() {
	check doctor "$PB" doctor
	# where FIONREAD does not count spliced bytes, nothing is spliced unasked
	if [[ $REPLY =~ splice-fionread\ +ok ]]; then match splice 'splice +possible' "$PB" status
	else match splice 'splice +not possible: FIONREAD of this kernel' "$PB" status; fi
	match apps 'srv.*10\.9\.1\.1' "$PB" apps
	match connect '^ok peer=10\.9\.1\.1:80' from t tcp-connect 10.9.1.1 80
	match connect6 '^ok peer=.fd09:1::1.:80' from t tcp-connect fd09:1::1 80
	match connect-mapped '^ok peer=' from t tcp-connect --mapped 10.9.1.1 80
	match datagram 'reply from=10\.9\.1\.1:53' from t udp-send 10.9.1.1 53
	match client-has-identity '^ok ' "$PB" run --name cli --ip 10.9.1.2 --tag grp=t -- \
		"$S" tcp-connect 10.9.1.1 80
	check server-sees-it log_says tcp 'accept peer=\S*10\.9\.1\.2'
	match other-group 'errno=EACCES' from other tcp-connect 10.9.1.1 80
	match other-group-datagram 'errno=EACCES' from other udp-send 10.9.1.1 53
	match no-listener 'errno=ECONNREFUSED' from t tcp-connect 10.9.1.1 81
	match unmanaged 'errno=' "$S" tcp-connect 10.9.1.1 80
	match real-port 'errno=ECONNREFUSED' "$S" tcp-connect 127.0.0.1 "$(real_port)"
	match raw-socket "errno=(EPERM|EACCES)" from t socket inet raw icmp
}

# late NAME TAG: a client that waits for a line in NAME.go
late() {
	mkfifo "$TMP/$1.go"
	app "$1" --tag "$2" -- bash -c "read -r _ < '$TMP/$1.go'; exec '$S' tcp-connect 10.9.1.1 80"
}
# A program that is managed already goes on; a new agent takes over.
without_agent() {
	late late grp=t
	late late-other grp=other
	check late-apps wait_for 20 has_apps 4
	stop_agent agent-killed KILL
	timeout 20 tee "$TMP/late.go" "$TMP/late-other.go" <<< go > /dev/null
	check dead-agent-connect log_says late '^ok peer=10\.9\.1\.1:80'
	check dead-agent-policy log_says late-other 'errno=EACCES'
	start_agent agent-again
	match adopted 'srv' "$PB" apps
	match adopted-connect '^ok ' from t tcp-connect 10.9.1.1 80
}
has_apps() { [ "$(find $CG -mindepth 2 -name cgroup.procs -exec grep -l . {} + | wc -l)" -ge "$1" ]; }

detached() {
	stop_agent agent-ended TERM
	check detach "$PB" detach --all --yes
	check nothing-pinned wait_for 20 test ! -e /sys/fs/bpf/patchbay
	check nothing-attached wait_for 20 no_links
}
# Ids are the machine's, not the namespace's: look at links of these cgroups and this network only.
no_links() {
	local ids
	ids=$(find /sys/fs/cgroup -type d -printf 'cgroup_id %i|')
	! bpftool link show | grep -q -w -E "${ids}netns_ino $(stat -L -c %i /proc/self/ns/net)"
}

system() {
	local product
	for product in "$PB_DIR"/{patchbayd,patchbay,patchbay-helper} "$S"; do
		[ -x "$product" ] && continue
		skip system "no ${product##*/} in the build folder"
		return
	done
	: > "$CONF"
	start_agent agent
	servers_up
	with_agent
	without_agent
	[ "${PB_TORT-yes}" = no ] || [ ! -x "$PB_DIR/tests/tort" ] || splice
	detached
	# shellcheck disable=SC2046 # a list
	kill $(jobs -p) 2> /dev/null
	! grep -E 'Sanitizer|<[0-3]>' "$TMP/agent.log" || true
}

platform
objects
live_tests
system
rm -rf -- "$TMP"
