#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The agent's sockets of a service.  At another address they may have the numbers of the ports of its
# resolver.  Somebody destroys them (ss -K): the slow path goes on, and so do the questions whether servers
# live; libuv alone would never look at such a socket again.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

mc_lab 2
# so few that the resolver has most of them
sysctl -qw net.ipv4.ip_local_port_range='40000 40039'
mc_agent
slow_path() { [[ $(mc_ask "$(mc_vip "$1")" 'version\r\nversion\r\n') = *VERSION*VERSION* ]]; }
ports_at() { ss -Huan | awk -v at="$1:" 'index($4, at) == 1 { sub(/.*:/, "", $4); print $4 }'; }
shared=0
for round in {1..6}; do
	for family in 4 6; do
		mc_up $family
		check "slow-path-$round-v$family" wait_for 10 slow_path $family
	done
	for at in 10.8.1.1 '[fd08:1::1]'; do
		shared=$((shared + $(sort <(ports_at "$at") <(ports_at 127.0.0.1) | uniq -d | wc -l)))
	done
	for name in mc mc6; do pb memcached remove $name > /dev/null || fail "removed-$name"; done
done
check ports-were-the-resolvers [ $shared -ge 6 ]

for family in 4 6; do mc_up $family; done
one_down() { [ "$(mc_shown "$1" '[v["state"] for v in s["servers"]].count("down")')" = 1 ]; }
for family in 4 6; do check "slow-path-v$family" wait_for 10 slow_path $family; done

ss -Ku -a > "$SBX/log/ss"
for socket in 10.9.0.9:11211 10.8.1.1: '\[fd09::9\]:11211' '\[fd08:1::1\]:'; do
	check "destroyed-$socket" grep -q " $socket" "$SBX/log/ss"
done
for family in 4 6; do check "slow-path-after-v$family" wait_for 10 slow_path $family; done
app_stop s1
for family in 4 6; do check "health-sees-the-end-v$family" wait_for 30 one_down $family; done
mc_server 1
for family in 4 6; do check "health-sees-the-return-v$family" wait_for 60 mc_all_up $family; done
finish
