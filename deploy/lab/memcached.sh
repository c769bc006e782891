# shellcheck shell=bash disable=SC2154 # passed, failed: of tests/e2e/lib.sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The demo of the memcached switch; deploy/demo-memcached.sh sources it.

MC_FIGURE='
      client 10.8.0.2                    switch                        servers
      +-------------+        c0 +---------------------+ s1      +--------------------+
      | asks only   |-----------| 10.9.0.9:11211      |---------| memcached 10.8.1.2 |
      | 10.9.0.9    |           | reads the key, picks| s2      +--------------------+
      +-------------+           | a server; answers   |---------| memcached 10.8.2.2 |
                                | hot keys by itself  |         +--------------------+
                                +---------------------+'

# from_client REGEX COMMAND: as show, in the client
from_client() {
	printf '\n  client$ %s\n' "$2"
	REPLY=$(timeout 20 nsenter --net=/run/netns/client -- bash -c "$2" 2>&1 < /dev/null)
	REPLY=${REPLY//$'\r'/}
	printf '  | %s\n' "${REPLY//$'\n'/$'\n  | '}"
	if [[ $REPLY =~ $1 ]]; then ok; else fail "this step" "expected output matching /$1/"; fi
}
items() { in_ns "s$1" "$MCU" ask "$(mc_addr4 "$1"):$MC_PORT" 'stats\r\n' | tr -d '\r' | sed -n 's/STAT curr_items //p'; }
gets() { in_ns "s$1" "$MCU" ask "$(mc_addr4 "$1"):$MC_PORT" 'stats\r\n' | tr -d '\r' | sed -n 's/STAT cmd_get //p'; }

mc_place() {
	chapter "One address before two memcached"
	printf '%s\n\n' "$MC_FIGURE"
	say "Three network namespaces on this machine. The servers are Debian's memcached, listening on" \
		"UDP; the client knows one address, which belongs to the switch."
	mc_lab 2
	mc_agent
	show 'added mc' "patchbay memcached add mc --vip 10.9.0.9:11211 --backend 10.8.1.2:11211 --backend 10.8.2.2:11211 --dev c0 --dev s1 --dev s2 --cache 16M --cache-unsafe-ttl 60000 --max-age 60000"
	wait_for 20 mc_alive "$(mc_vip 4)" client || fail switch "no answer"
	show '10.8.1.2:11211.*up.*10.8.2.2:11211.*up' 'patchbay memcached show mc'
	say "--cache-unsafe-ttl says that nobody writes to the servers past the switch; without that word the" \
		"cache stays off, since it could not know of such writes."
}

mc_steering() {
	local i words=()
	chapter "The key decides"
	from_client 'STORED' "mc_udp ask 10.9.0.9:11211 'set greeting 0 0 5\\r\\nhello\\r\\n'"
	from_client 'VALUE greeting 0 5.hello.END' "mc_udp ask 10.9.0.9:11211 'get greeting\\r\\n'"
	say "Two hundred keys more. Each lives on one server, by consistent hashing; no server knows of" \
		"the other, no proxy copies bytes."
	for ((i = 0; i < 200; i++)); do words+=("set key-$i 0 0 4\\r\\n$((1000 + i))\\r\\n"); done
	[ "$(mc_ask "$(mc_vip 4)" "${words[@]}" | grep -c STORED)" = 200 ] || fail stored "not all were"
	printf '\n  | server 1 has %s items, server 2 has %s\n' "$(items 1)" "$(items 2)"
	if [ "$(items 1)" -gt 50 ] && [ "$(items 2)" -gt 50 ]; then ok; else fail shares "all on one side"; fi
	from_client 'VALUE key-1 .*VALUE key-2 .*END' "mc_udp ask 10.9.0.9:11211 'get key-1\\r\\n' 'get key-2\\r\\n'"
}

mc_hits() {
	local before
	chapter "Hot keys are answered by the switch"
	say "A key that is asked for again and again is fetched once, and from then on answered where" \
		"the packet arrives: no server, no socket, no process sees the request."
	client "$MCU" load "$(mc_vip 4)" --fill --conns 1 --keys 10 --value 32
	mc_hot 4
	client "$MCU" load "$(mc_vip 4)" --conns 4 --keys 10 --ms 500 > /dev/null
	before=$(($(gets 1) + $(gets 2)))
	from_client 'rps [0-9]+' 'mc_udp load 10.9.0.9:11211 --conns 16 --keys 10 --ms 1000'
	printf '\n  | both servers together saw %s of these gets\n' $(($(gets 1) + $(gets 2) - before))
	show 'hits +[1-9][0-9]+' "patchbay memcached stats mc | grep -E '^ *(requests|hits|misses|steered|fetches|fills) '"
	show 'load-key' 'patchbay memcached top mc | head -n 6'
	chapter "And never with an old value"
	say "A write drops the value when it passes, and again when its answer passes; what was fetched" \
		"meanwhile is not kept. Rising numbers, read right behind each answer, with readers beside:"
	from_client ' 0 stale, 0 back in time' 'mc_udp stale --vip 10.9.0.9:11211 --writes 5000 --writers 2 --readers 2'
}

mc_failover() {
	chapter "A server dies"
	say "Its keys go to the other one at once; what it had is a miss, not an error."
	printf '\n  $ kill -STOP %s   # memcached on server 1\n' "${PIDS[s1]}"
	mc_stop 1
	down() { pb memcached show mc | grep -qE '10\.8\.1\.2:11211.*down'; }
	if wait_for 30 down; then ok; else fail failover "not seen"; fi
	show 'down' 'patchbay memcached show mc | grep -E "SERVER|11211 "'
	from_client 'STORED.STORED.STORED.STORED' "mc_udp ask 10.9.0.9:11211 'set key-1 0 0 3\\r\\nnew\\r\\n' 'set key-2 0 0 3\\r\\nnew\\r\\n' 'set key-3 0 0 3\\r\\nnew\\r\\n' 'set key-4 0 0 3\\r\\nnew\\r\\n'"
	chapter "And comes back"
	say "It still has what it had before: older than what was written meanwhile. So it is emptied" \
		"before it owns a key again."
	printf '\n  $ kill -CONT %s\n' "${PIDS[s1]}"
	mc_cont 1
	if wait_for 30 mc_all_up 4; then ok; else fail failback "does not come back"; fi
	nomatch old-values '100[1-4]' mc_ask "$(mc_vip 4)" 'get key-1\r\n' 'get key-2\r\n' 'get key-3\r\n' 'get key-4\r\n'
	from_client '(new|END)' "mc_udp ask 10.9.0.9:11211 'get key-1\\r\\n' 'get key-2\\r\\n' 'get key-3\\r\\n' 'get key-4\\r\\n'"
	say "A new value or a miss, never 1001."
}

mc_death() {
	chapter "The agent dies"
	printf '\n  $ kill -9 %s   # patchbayd\n' "$AGENT_PID"
	kill_agent
	say "Steering, the cache, and what drops its values are in the kernel:"
	from_client 'STORED.*VALUE greeting 0 3.bye' "mc_udp ask 10.9.0.9:11211 'set greeting 0 0 3\\r\\nbye\\r\\n' 'get greeting\\r\\n'"
	client "$MCU" load "$(mc_vip 4)" --fill --conns 1 --keys 10 --value 32
	from_client 'rps [0-9]+.* empty 0' 'mc_udp load 10.9.0.9:11211 --conns 16 --keys 10 --ms 500'
	mc_agent
	show 'up.*up' 'patchbay memcached show mc'
}

memcached_story() {
	mc_place
	mc_steering
	mc_hits
	mc_failover
	mc_death
	stop_agent
}
