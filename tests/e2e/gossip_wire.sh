#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The gossip codec against Debian's serf: what its agents say is decoded, and encodes to the same
# bytes; what we say they understand.  Plain and with keys, IPv4 and IPv6.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

T=$BUILD/tests
RPC=127.0.0.1:7373
mode='' key='' host='' port=7946 KEY=()

address() { [ "$host" = 127.0.0 ] && echo "127.0.0.$1" || echo "$host$1"; }
bind() { [ "$host" = 127.0.0 ] && echo "127.0.0.$1:$port" || echo "[$host$1]:$port"; }
# agent NUMBER NAME OPTION...
agent() {
	local i=$1 name=$2
	shift 2
	[ -z "$key" ] || set -- "$@" -encrypt="$(printf %s "$key" | base64)"
	start "$mode-$name" serf agent -node="$name" -bind="$(bind "$i")" -rpc-addr="127.0.0.$i:7373" \
		-log-level=debug -tag role=web -tag dc=one "$@"
	wait_for 20 log_has "$mode-$name" 'Serf agent running' ||
		die "$mode-agent-$name" "$(tail -n 1 "$SBX/log/$mode-$name")"
}
rpc() { local verb=$1; shift; timeout 20 serf "$verb" -rpc-addr="$RPC" "$@"; }
probe() { "$T/gossip_probe" "${KEY[@]}" "$(address 1)" "$port" "$@"; }
replay() { "$T/gossip_replay" "${KEY[@]}" < "$SBX/$mode.rec"; }
# replayed WHAT...: each was seen, and was the same again
replayed() {
	local what
	replay > "$SBX/$mode.out"
	for what; do grep -qxF "$what same" "$SBX/$mode.out" || { echo "no $what"; return 1; }; done
}
everything_the_same() { ! replay | grep -v ' same$' | sort | uniq -c | grep .; }

# pool MODE KEY PREFIX: three agents, one that leaves, a foreign node that dies
pool() {
	mode=$1 key=$2 host=$3
	KEY=(${key:+-k "$key"})
	start "$mode-record" "$PY" "$TOP/tests/tools/gossip_record.py" "$SBX/$mode.rec" "$port"
	wait_for 10 log_has "$mode-record" ready || die "$mode-record" "does not start"
	agent 1 alpha
	agent 2 beta -join="$(bind 1)"
	rpc event -coalesce=false deploy v1 > /dev/null
	rpc query -timeout=1s -relay-factor=1 -node=beta -tag 'role=we.*' load now > /dev/null
	[ -z "$key" ] || rpc keys -list > /dev/null
	[ -z "$key" ] || rpc keys -install "$(printf %016d 0 | base64)" > /dev/null

	check "$mode-answer" probe foreign
	eq "$mode-answer-members" 'alpha alive,beta alive' "$(sed -n 's/^member //p' <<< "$REPLY" | sort | paste -sd,)"
	answer=$REPLY
	match "$mode-answer-tags" 'tags [a-z= ]*role=web' echo "$answer"
	match "$mode-answer-status" 'status (alpha|beta) [0-9]' echo "$answer"
	check "$mode-foreign-is-a-member" wait_for 10 log_has "$mode-beta" 'EventMemberJoin: foreign'
	match "$mode-with-its-tags" 'foreign .*alive +patchbay=1' rpc members
	check "$mode-its-event-arrives" wait_for 10 log_has "$mode-beta" 'user-event: hello'
	nomatch "$mode-no-complaint" 'WARN.*(nknown|ecode|ncompat)|\[ERR\]' cat "$SBX/log/$mode-alpha"
}

# finish_pool KIND...: seen in what was recorded, and all of it the same
finish_pool() {
	check "$mode-every-kind" wait_for 60 replayed "$@"
	check "$mode-same-bytes-again" everything_the_same
	eq "$mode-messages" yes "$([ "$(wc -l < "$SBX/$mode.out")" -gt 50 ] && echo yes)"
	for p in alpha beta gamma record; do
		[ -z "${PIDS[$mode-$p]:-}" ] || app_stop "$mode-$p" KILL
	done
}
base=("dial sync" "reply sync" "dial serf_sync" "reply serf_sync" "reply tags" "dial ping"
	"udp ping" "udp ack" "udp alive" "udp suspect" "udp tags" "udp serf_join" "udp serf_event"
	"udp serf_query" "udp filter" "udp serf_response")

command -v serf > /dev/null || die serf-is-installed "tools/deps.sh installs it"
ip address add fd00::1/128 dev lo nodad
ip address add fd00::2/128 dev lo nodad

# The first one also has a third member, a conflict of names, a leave, and tables of LZW that fill up.
pool plain '' 127.0.0
for i in {1..64}; do
	rpc event -coalesce=false "many-$i" "$(head -c 150 /dev/urandom | od -An -tx1 | tr -d ' \n')" > /dev/null
done
agent 3 gamma -join="$(bind 1)"
start plain-twin serf agent -node=beta -bind=127.0.0.4:7946 -rpc-addr=127.0.0.4:7373 -join=127.0.0.1
check plain-conflict wait_for 30 replayed 'udp serf_conflict'
app_stop plain-twin KILL
check plain-death wait_for 60 log_has plain-alpha 'EventMemberFailed: foreign'
timeout 20 serf leave -rpc-addr=127.0.0.3:7373 > /dev/null
finish_pool "${base[@]}" 'udp indirect_ping' 'udp nack' 'udp dead' 'udp serf_leave' 'udp serf_relay'

pool aes128 0123456789abcdef 127.0.0
finish_pool "${base[@]}" 'udp serf_key' 'udp serf_keys'
pool aes256v6 0123456789abcdef0123456789ABCDEF fd00::
finish_pool "${base[@]}" 'udp serf_key' 'udp serf_keys'
finish
