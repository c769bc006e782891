#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Each key goes to the server that owns it, and to no other; the owners are those of the client
# library that is replaced; what is none of the switch's business passes.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

KEYS=300
# words VERB: a request for each key
words() {
	local i
	WORDS=()
	for ((i = 0; i < KEYS; i++)); do
		case $1 in
		set) WORDS+=("set steer-$i 0 0 5\\r\\n$(printf %05d "$i")\\r\\n") ;;
		*) WORDS+=("$1 steer-$i\\r\\n") ;;
		esac
	done
}
# all_right FAMILY: every key has its own value
all_right() {
	local i want=''
	words get
	for ((i = 0; i < KEYS; i++)); do
		want+=$(printf 'VALUE steer-%d 0 5\r\n%05d\r\nEND\r\n' "$i" "$i")$'\n'
	done
	[ "$(mc_ask "$(mc_vip "$1")" "${WORDS[@]}")"$'\n' = "$want" ]
}
all_stored() {
	local out
	words set
	out=$(mc_ask "$(mc_vip "$1")" "${WORDS[@]}")
	[ "$(grep -c STORED <<< "$out")" = "$KEYS" ]
}
# items N: what server N has
items() { in_ns "s$1" "$MCU" ask "$(mc_addr4 "$1"):$MC_PORT" 'stats\r\n' | sed -n 's/STAT curr_items \([0-9]*\).*/\1/p'; }
all_items() { echo $(($(items 1) + $(items 2) + $(items 3))); }
empty_servers() {
	local n
	for n in 1 2 3; do in_ns "s$n" "$MCU" ask "$(mc_addr4 $n):$MC_PORT" 'flush_all\r\n' > /dev/null; done
}
between() { [ "$2" -ge "$1" ] && [ "$2" -le "$3" ]; }

mc_lab 3
mc_agent
for family in 4 6; do
	mc_up $family
	check "stored-v$family" all_stored $family
	check "read-v$family" all_right $family
	eq "each-key-once-v$family" $KEYS "$(all_items)"
	for n in 1 2 3; do
		check "server-$n-has-its-share-v$family" between $((KEYS / 6)) "$(items $n)" $((KEYS / 2))
	done
	check "steered-v$family" test "$(mc_count $family steered)" -ge $((KEYS * 2))
	empty_servers
done

# a multiget over all servers
check stored-again all_stored 4
check multiget client "$MCU" functional --vip "$(mc_vip 4)" --twin "$MC_TWIN" \
	--script "$TOP/tests/lib/memcached_cases.txt" --only multiget-none
check split-is-counted test "$(($(mc_count 4 split) + $(mc_count 4 slow-path)))" -gt 0

# weights
check removed pb memcached remove mc
mc_add_weights() {
	pb memcached add mc --vip "$(mc_vip 4)" --backend 10.8.1.2:11211*8 --backend 10.8.2.2:11211 \
		--backend 10.8.3.2:11211 --dev c0 --dev s1 --dev s2 --dev s3
}
empty_servers
check weights mc_add_weights
wait_for 20 mc_alive "$(mc_vip 4)" client
check weights-stored all_stored 4
check heavy-server-has-most between $((KEYS * 7 / 10)) "$(items 1)" $((KEYS * 9 / 10))
check removed-again pb memcached remove mc

# twemproxy's keys are found where it put them
cat > "$SBX/nutcracker.yml" << 'END'
p:
  listen: 127.0.0.1:22121
  hash: fnv1a_64
  distribution: ketama
  servers:
   - 10.8.1.2:11211:1
   - 10.8.2.2:11211:1
   - 10.8.3.2:11211:1
END
start proxy nsenter --net=/run/netns/client -- nutcracker -c "$SBX/nutcracker.yml" -s 22222 \
	-o "$SBX/log/nutcracker"
by_proxy() {
	client "$PY" - "$KEYS" << 'END'
import socket, sys
s = socket.create_connection(("127.0.0.1", 22121), 5)
f = s.makefile("rb")
for i in range(int(sys.argv[1])):
    s.sendall(b"set steer-%d 0 0 5\r\n%05d\r\n" % (i, i))
    if f.readline() != b"STORED\r\n":
        sys.exit("not stored")
END
}
empty_servers
check stored-by-twemproxy wait_for 10 by_proxy
mc_up 4 --hash ketama
check found-by-the-switch all_right 4
check removed-at-last pb memcached remove mc
mc_up 4
refute another-ring-does-not all_right 4

# a source that was served a moment ago, and is allowed no longer
match allowed VERSION mc_ask "$(mc_vip 4)" 'version\r\n'
check allow-others pb memcached set mc allow=192.0.2.0/24
refute not-allowed-now mc_ask "$(mc_vip 4)" 'version\r\n'
check allow-it-again pb memcached set mc allow=
match allowed-again VERSION mc_ask "$(mc_vip 4)" 'version\r\n'

# other traffic on the devices
start_serve other nsenter --net=/run/netns/s1 -- "$S" udp-serve 5353
match other-datagrams-pass 'reply from=10.8.1.2:5353' client "$S" udp-send 10.8.1.2 5353
start_serve tcp nsenter --net=/run/netns/s1 -- "$S" tcp-serve 8080
match tcp-passes '^ok peer=10.8.1.2:8080' client "$S" tcp-connect 10.8.1.2 8080
match servers-themselves-answer VERSION mc_ask 10.8.2.2:11211 'version\r\n'
finish
