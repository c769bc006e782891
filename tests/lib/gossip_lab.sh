# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A pool of Debian's serf agents and gossip_node: source it after lib.sh.
#
# Agent or node I has the address PREFIX.I (or PREFIX:I of IPv6), the port 7946; an agent's RPC is
# at 127.0.0.I:7373.
T=$BUILD/tests
MODE='' KEY='' PREFIX=127.0.0 # of the pool at hand; KEY: the bytes

command -v serf > /dev/null || die serf-is-installed "tools/deps.sh installs it"
for i in 1 2 3 4; do ip address add "fd00::$i/128" dev lo nodad; done

at() { if [ "$PREFIX" = 127.0.0 ]; then echo "127.0.0.$1:7946"; else echo "[$PREFIX$1]:7946"; fi; }
b64() { printf %s "$1" | base64 -w 0; }
# agent I NAME OPTION...: a serf agent; the log is MODE-NAME, of its last start
agent() {
	local i=$1 name=$2
	shift 2
	[ -z "$KEY" ] || set -- "$@" -encrypt="$(b64 "$KEY")"
	start "$MODE-$name" serf agent -node="$name" -bind="$(at "$i")" -rpc-addr="127.0.0.$i:7373" \
		-log-level=debug -tag role=web "$@"
	wait_for 20 log_has "$MODE-$name" 'Serf agent running' ||
		die "$MODE-$name-starts" "$(tail -n 1 "$SBX/log/$MODE-$name")"
}
# rpc I VERB...
rpc() { local i=$1 verb=$2; shift 2; timeout 30 serf "$verb" -rpc-addr="127.0.0.$i:7373" "$@"; }
# node I NAME OPTION...: one of ours; the log is MODE-NAME, commands by tell
node() {
	local i=$1 name=$2
	shift 2
	[ -z "$KEY" ] || set -- -k "$KEY" "$@"
	[ -p "$SBX/$MODE-$name" ] || mkfifo "$SBX/$MODE-$name"
	start "$MODE-$name" "$T/gossip_node" -i "$SBX/$MODE-$name" "$@" "$name" "$(at "$i")"
	wait_for 20 log_has "$MODE-$name" '^ready' ||
		die "$MODE-$name-starts" "$(tail -n 1 "$SBX/log/$MODE-$name")"
}
# tell NAME COMMAND...: a line
tell() { local name=$1; shift; echo "$*" > "$SBX/$MODE-$name"; }
# state NAME: what the node knows, see gossip_node
state() {
	rm -f "$SBX/state"
	tell "$1" "state $SBX/state"
	wait_for 10 test -e "$SBX/state" && cat "$SBX/state"
}
counter() { state "$1" | awk -v c="$2" '$1 == c { print $2 }'; }
# sees NAME MEMBER STATE [REGEX of the tags]; serf_sees I MEMBER STATE [REGEX]
sees() { state "$1" | grep -qE "^member $2 $3 .*${4:-}"; }
serf_sees() { rpc "$1" members | grep -qE "^$2 +[^ ]+ +$3 .*${4:-}"; }
said() { log_has "$MODE-$1" "$2"; }
stop_all() {
	local p
	for p in "${!PIDS[@]}"; do
		case $p in "$MODE"-*) app_stop "$p" KILL; unset "PIDS[$p]" ;; esac
	done
}
