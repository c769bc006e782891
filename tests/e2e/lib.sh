# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Sandbox and vocabulary of the end-to-end tests: source it first.
#
# Sourcing starts the script again in a mount and a network namespace of its own: lo is up, a veth
# leads to a second namespace "outside", /run, /sys/fs/bpf and /etc/resolv.conf are private.  The
# cgroup pbtest-<script>-<pid> holds everything that is started; at the end exactly that is killed.
# Verdicts: "ok NAME", "FAIL NAME: why"; names are one word, what they say is the claim.
set -u
umask 022

if [ "${PBT_SANDBOX:-}" != $$ ]; then
	[ "$(id -u)" = 0 ] || { echo "FAIL sandbox: needs root"; exit 1; }
	# unshare execs without a fork: the pid stays, and so marks that we are inside
	PBT_SANDBOX=$$ exec unshare --mount --net --propagation private -- bash "$0" "$@"
fi
unset PBT_SANDBOX

TEST=$(basename "$0" .sh)
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$TOP/build}
PATH=$PATH:/usr/sbin:/sbin
PY=/usr/bin/python3
PB=$BUILD/patchbay
SBX=$(mktemp -d /tmp/pbtest-XXXXXX)
mkdir -m 755 "$SBX/log" "$SBX/bpf" && chmod 755 "$SBX"
CONF=$SBX/patchbay.conf # one file; identity.d and conf.d beside it
export PATCHBAY_RUN_DIR=$SBX/run PATCHBAY_BPFFS=$SBX/bpf
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy

passed=0 failed=0 finished=0 AGENT_PID='' REPLY=''
declare -A PIDS=()
exec {never}<> <(:) # a descriptor that never becomes readable

# ---- verdicts --------------------------------------------------------------------------------

# verdicts_of CMD...: its lines "ok NAME" and "FAIL NAME: why" are cases of this script
verdicts_of() {
	local line
	while IFS= read -r line; do
		case $line in
		'ok '*) ok "${line#ok }" ;;
		'FAIL '*)
			line=${line#FAIL }
			fail "${line%%:*}" "${line#*: }"
			;;
		*) echo "$line" ;;
		esac
	done < <("$@" 2>&1)
}

ok() { passed=$((passed + 1)); echo "ok $1"; }
fail() { failed=$((failed + 1)); echo "FAIL $1: ${2:-no reason given}"; }
die() { fail "$1" "${2:-}"; exit 1; }
finish() { finished=1; exit; } # the last line of a script
shorten() { local s=${1//$'\n'/ | }; echo "${s:0:400}"; }

# check NAME CMD...: CMD succeeds.  refute NAME CMD...: it does not.  Output stays in REPLY.
check() {
	local name=$1 rc
	shift
	REPLY=$("$@" 2>&1); rc=$?
	if [ $rc = 0 ]; then ok "$name"; else fail "$name" "exit $rc: $(shorten "$REPLY")"; fi
}
refute() {
	local name=$1
	shift
	if REPLY=$("$@" 2>&1); then fail "$name" "succeeded: $(shorten "$REPLY")"; else ok "$name"; fi
}
# match NAME REGEX CMD...: what CMD prints matches.  nomatch: it does not.  Any exit code.
match() {
	local name=$1 regex=$2
	shift 2
	REPLY=$("$@" 2>&1)
	if [[ $REPLY =~ $regex ]]; then ok "$name"; else
		fail "$name" "want /$(shorten "$regex")/, got: $(shorten "$REPLY")"
	fi
}
nomatch() {
	local name=$1 regex=$2
	shift 2
	REPLY=$("$@" 2>&1)
	if [[ $REPLY =~ $regex ]]; then fail "$name" "got: $(shorten "$REPLY")"; else ok "$name"; fi
}
# expect_rc NAME CODE CMD...
expect_rc() {
	local name=$1 want=$2 rc
	shift 2
	REPLY=$("$@" 2>&1); rc=$?
	if [ $rc = "$want" ]; then ok "$name"; else
		fail "$name" "exit $rc instead of $want: $(shorten "$REPLY")"
	fi
}
# expect_errno NAME ERRNO CMD...: pbsock got that errno (or one of A|B), and within a second
expect_errno() {
	local name=$1 want=$2
	shift 2
	REPLY=$("$@" 2>&1)
	if ! [[ $REPLY =~ errno=($want)" us="([0-9]+) ]]; then
		fail "$name" "want errno=$want, got: $(shorten "$REPLY")"
	elif [ "${BASH_REMATCH[2]}" -ge 1000000 ]; then
		fail "$name" "right errno, but only after ${BASH_REMATCH[2]} us"
	else
		ok "$name"
	fi
}
# eq NAME WANT GOT
eq() { if [ "$2" = "$3" ]; then ok "$1"; else fail "$1" "want '$2', got '$(shorten "$3")'"; fi; }
# json EXPR: evaluates a Python expression over the document d on standard input
json() { "$PY" -c 'import json,sys; d=json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }

# ---- waiting ---------------------------------------------------------------------------------

# wait_for SECONDS CMD...: polls until CMD succeeds; the only wait there is.  PB_SLOW=N: all deadlines
# are N times as long, for an emulated machine.
wait_for() {
	local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000 * ${PB_SLOW:-1}))
	shift
	until "$@" > /dev/null 2>&1; do
		[ "${EPOCHREALTIME/[.,]/}" -lt $deadline ] || return 1
		read -rt 0.02 -u "$never" _ || true
	done
}
gone() { ! kill -0 "$1" 2> /dev/null; }
# log_has NAME REGEX [COUNT]: at least COUNT lines of that program's output match
log_has() { [ "$(grep -cE -- "$2" "$SBX/log/$1")" -ge "${3:-1}" ]; }
log_count() { grep -cE -- "$2" "$SBX/log/$1" || true; }

# ---- agent -----------------------------------------------------------------------------------

pb() { "$PB" "$@"; }
config() { cat > "$CONF"; } # from standard input; without one the defaults hold
# start_agent [OPTION...]: returns when it answers
start_agent() {
	"$BUILD/patchbayd" --config "$CONF" --run-dir "$SBX/run" --bpffs "$SBX/bpf" \
		--cgroup "$CG/patchbay" "$@" >> "$SBX/log/agent" 2>&1 < /dev/null &
	AGENT_PID=$!
	wait_for 20 agent_answers && return 0
	die agent-starts "no answer: $(tail -n 1 "$SBX/log/agent")"
}
agent_answers() { pb policy; }
# stop_agent [SIGNAL]
stop_agent() {
	[ -n "$AGENT_PID" ] || return 0
	kill "-${1:-TERM}" "$AGENT_PID" 2> /dev/null
	wait "$AGENT_PID" 2> /dev/null
	AGENT_PID=''
}
kill_agent() { stop_agent KILL; }

# ---- programs --------------------------------------------------------------------------------

# start NAME CMD...: in the background, output in log/NAME.  run_app NAME OPTION... -- CMD...: the
# same under `patchbay run`.
start() {
	local name=$1
	shift
	: > "$SBX/log/$name"
	[ "$1" != outside ] || set -- "${OUT[@]}" "${@:2}" # its pid, not that of a subshell
	"$@" > "$SBX/log/$name" 2>&1 <&"$never" &
	PIDS[$name]=$!
}
run_app() {
	local name=$1
	shift
	start "$name" "$PB" run "$@"
}
# serve NAME OPTION... -- CMD...: run_app, and wait for the "listening" of pbsock
serve() {
	run_app "$@"
	wait_for 5 log_has "$1" 'listening|errno=' || fail "$1-starts" "$(tail -n 1 "$SBX/log/$1")"
}
# start_serve NAME CMD...: the same, unmanaged
start_serve() {
	start "$@"
	wait_for 5 log_has "$1" 'listening|errno=' || fail "$1-starts" "$(tail -n 1 "$SBX/log/$1")"
}
descendants() {
	local p
	for p in $(pgrep -P "$1"); do
		echo "$p"
		descendants "$p"
	done
}
# app_stop NAME [SIGNAL]: to `patchbay run`, which passes it on.  app_kill: SIGKILL to the program.
app_stop() {
	kill "-${2:-TERM}" "${PIDS[$1]}" 2> /dev/null
	wait "${PIDS[$1]}" 2> /dev/null
}
app_kill() {
	local pids
	pids=$(descendants "${PIDS[$1]}")
	# shellcheck disable=SC2086 # a list
	kill -KILL ${pids:-${PIDS[$1]}} 2> /dev/null
	wait "${PIDS[$1]}" 2> /dev/null
}
# managed_pids NAME: the processes in the scopes of that name
managed_pids() {
	local scope
	for scope in $(pb apps -o json | json \
		'" ".join(a["scope"] for a in d["apps"] if a["name"] == "'"$1"'")'); do
		cat "$CG/patchbay/$scope/cgroup.procs"
	done
}
# A name that nobody has any more has none.
endpoints() { pb endpoints "$@" -o json 2> /dev/null | json 'len(d.get("endpoints", []))'; }
has_endpoints() { [ "$(endpoints "$1")" = "$2" ]; }
# real_ports APP:PORT: the kernel's ports of its endpoints, those on loopback too
real_ports() {
	pb endpoints -o json | json '" ".join(sorted({r.rsplit(":", 1)[1] for e in d["endpoints"]
		for r in e["real"] if e["app"] + ":%d" % e["port"] == "'"$1"'"}))'
}

# nginx_conf NAME LISTEN...: a configuration whose every answer is NAME
nginx_conf() {
	local name=$1 dir=$SBX/nginx-$1 l
	shift
	mkdir -p "$dir"
	{
		echo "daemon off; user root; worker_processes 2; pid $dir/pid; error_log stderr warn;"
		echo "events { worker_connections 256; }"
		echo "http { access_log $dir/access; log_format pb '\$remote_addr \$server_addr';"
		for d in client_body proxy fastcgi uwsgi scgi; do echo "${d}_temp_path $dir/$d;"; done
		echo "server {"
		for l; do echo "listen $l;"; done
		printf '%s\n' "add_header X-Client \$remote_addr; return 200 '$name\n'; } }"
	} > "$dir/conf"
}
nginx_cmd() { echo "nginx -p $SBX/nginx-$1 -c $SBX/nginx-$1/conf -e stderr"; }

# ---- network ---------------------------------------------------------------------------------

# The machine: 192.0.2.1, 2001:db8::1.  Outside: 192.0.2.2, 2001:db8::2, its default route.
OUT=(nsenter --net=/run/netns/outside --)
outside() { "${OUT[@]}" "$@"; }
net_up() {
	ip link set lo up
	mkdir -p /run/netns && ip netns add outside || return 1
	ip link add host0 type veth peer name eth0 netns outside || return 1
	ip addr add 192.0.2.1/24 dev host0 && ip addr add 2001:db8::1/64 dev host0 nodad
	outside ip addr add 192.0.2.2/24 dev eth0 && outside ip addr add 2001:db8::2/64 dev eth0 nodad
	ip link set host0 up && outside ip link set lo up && outside ip link set eth0 up
	ip route add default via 192.0.2.2 && ip -6 route add default via 2001:db8::2
}
# container NAME N [BRIDGE]: a namespace NAME with 172.29.N.2 and 2001:db8:N::2, a veth to the machine
# (172.29.N.1, 2001:db8:N::1: its default route), or to BRIDGE, which has the machine's addresses.
# in_ns NAME CMD...: in there.
in_ns() { nsenter --net=/run/netns/"$1" -- "${@:2}"; }
container() {
	local name=$1 n=$2 port=${3:-c$2}
	ip netns add "$name" && ip link add "c$n" type veth peer name eth0 netns "$name" || return 1
	if [ -n "${3:-}" ]; then ip link set "c$n" master "$3" up || return 1; fi
	ip addr replace "172.29.$n.1/24" dev "$port" && ip link set "$port" up || return 1
	ip addr replace "2001:db8:$n::1/64" dev "$port" nodad || return 1
	in_ns "$name" ip addr add "172.29.$n.2/24" dev eth0 || return 1
	in_ns "$name" ip addr add "2001:db8:$n::2/64" dev eth0 nodad || return 1
	in_ns "$name" ip link set lo up && in_ns "$name" ip link set eth0 up || return 1
	in_ns "$name" ip route add default via "172.29.$n.1" || return 1
	in_ns "$name" ip -6 route add default via "2001:db8:$n::1"
}
# dns_up ADDR...: an upstream resolver there (192.0.2.2: outside); it knows www.example.test
dns_up() {
	local addr where
	for addr; do
		where='env'
		[ "$addr" != 192.0.2.2 ] || where=outside
		start "dns-$addr" $where "$PY" -u "$TOP/tests/tools/upstream.py" "$addr"
		wait_for 10 log_has "dns-$addr" '^ready' || fail "dns-$addr" "does not start"
	done
}
resolver() { printf 'nameserver %s\n' "$@" > "$SBX/resolv.conf"; }

# ---- sandbox ---------------------------------------------------------------------------------

sandbox_up() {
	local cg2 target
	cg2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[ -n "$cg2" ] || die sandbox "no cgroup2 mount"
	CG_HOME=$cg2$(sed -n 's/^0:://p' /proc/self/cgroup)
	CG=$cg2/pbtest-$TEST-$$
	{ mkdir "$CG" "$CG/self" && echo $$ > "$CG/self/cgroup.procs"; } || die sandbox "no cgroup"
	target=$(readlink -f /etc/resolv.conf)
	mount -t tmpfs tmpfs /run || die sandbox "no tmpfs"
	mkdir -p "$(dirname "$target")" && touch "$target" "$SBX/resolv.conf"
	mount --bind "$SBX/resolv.conf" "$target"
	{ mount -t bpf bpf "$SBX/bpf" && mount --bind "$SBX/bpf" /sys/fs/bpf; } ||
		die sandbox "no bpffs"
	net_up || die sandbox "no network"
	: > "$CONF"
	S=$BUILD/tests/pbsock
	if ! [ -x "$S" ]; then
		S=$SBX/pbsock
		cc -std=gnu11 -D_GNU_SOURCE= -O1 -iquote "$TOP/tests/lib" -o "$S" \
			"$TOP/tests/tools/pbsock.c" "$TOP"/tests/lib/pbsock_*.c || die pbsock-builds
	fi
}

empty() { ! grep -q populated.1 "$1/cgroup.events"; }
sandbox_down() {
	local rc=$? dir
	trap - EXIT INT TERM
	echo $$ > "$CG_HOME/cgroup.procs"
	if [ -w "$CG/cgroup.kill" ]; then echo 1 > "$CG/cgroup.kill"; else
		# shellcheck disable=SC2046 # a list
		kill -KILL $(find "$CG" -name cgroup.procs -exec cat {} +) 2> /dev/null
	fi
	wait_for 10 empty "$CG" || fail cleanup "processes are left in $CG"
	if [ -e "$SBX/bpf/patchbay" ]; then
		pb detach --all --yes > "$SBX/log/detach" 2>&1 ||
			fail detach-all "$(tail -n 1 "$SBX/log/detach")"
		[ -e "$SBX/bpf/patchbay" ] && fail detach-leaves "$(find "$SBX/bpf" | head -n 5)"
	fi
	while read -r dir; do
		wait_for 5 rmdir "$dir" || fail cleanup "cgroup $dir stays"
	done < <(find "$CG" -depth -type d)
	ip netns del outside
	umount -l "$SBX/bpf" /sys/fs/bpf 2> /dev/null
	if [ $failed -gt 0 ] && [ -s "$SBX/log/agent" ]; then
		echo "---- last lines of the agent"
		tail -n 15 "$SBX/log/agent"
	fi
	if [ -n "${PBT_KEEP:-}" ]; then echo "kept $SBX"; else rm -rf --one-file-system "$SBX"; fi
	[ $finished = 1 ] || [ $failed -gt 0 ] || fail script "ended early with exit $rc"
	echo "$TEST: $passed passed, $failed failed"
	[ $failed = 0 ] && [ $passed -gt 0 ]
	exit $?
}

trap sandbox_down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
sandbox_up
