#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# `patchbay doctor --dev` takes address and kind of return from the services that have the device, and
# looks at the servers' side where a server is there.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../lib/mclab.sh
. "$TOP/tests/lib/mclab.sh"

mc_lab 2
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.c0.rp_filter=0 net.ipv4.conf.s1.rp_filter=0
in_ns s1 sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 \
	net.ipv4.conf.all.arp_ignore=1
mc_agent
check service-is-added pb memcached add mc --vip 10.9.0.9:11211 --backend 10.8.1.2:11211 \
	--backend 10.8.2.2:11211 --dev c0 --dev s1 --dev s2 --dsr l2
match mode-and-reason-are-shown 'tc is judged; auto is tc: veth' pb doctor --dev c0
match nothing-is-wrong 'nothing at c0 for 10.9.0.9' pb doctor --dev c0
match server-without-the-address '\(eth0\) does not have 10.9.0.9' pb doctor --dev s1
in_ns s1 ip addr add 10.9.0.9/32 dev lo
match server-with-the-address 'nothing at s1 for 10.9.0.9' pb doctor --dev s1
ip addr del 10.9.0.9/32 dev lo
match address-is-missing-here '10.9.0.9 is no address of this node' pb doctor --dev c0
ip addr add 10.9.0.9/32 dev lo
match address-is-there-again 'nothing at c0 for 10.9.0.9' pb doctor --dev c0
nomatch no-service-no-address '10.9.0.9' pb doctor --dev lo
finish
